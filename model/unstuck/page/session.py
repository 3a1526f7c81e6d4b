"""The patients of one browser tab: what is wished for, and the work that makes it so.

Wishes (play, give a dose, jump) come from the page at any moment and only note what is wanted, so that a
hundred quick clicks cost what the last one asks for. One worker calls `work` again and again; it alone
touches the models, and leaves an immutable Snapshot behind. A copy of the patient whose treatment is
changed is lived anew from day 0: the page never shows what the exported file would not give.
"""

import csv
import io
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unstuck.circuit import Floats
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.page.casebook import Casebook
from unstuck.page.copies import Course, NeuronDetail, PatientCopy, neuron_detail
from unstuck.page.plan import LAST_DAY, LETTERS, GivenDose, PanelPlan, Plan, to_query
from unstuck.page.prescribe import as_yaml, checked_dose

SLOWEST_H_PER_S, FASTEST_H_PER_S = 1.0, 7 * HOURS_A_DAY
TWELVE_WEEKS = 84.0
_BULK_DAYS = 7.0  # how much is lived between two looks at the wishes
_LONGEST_TICK_S = 0.25  # a stall is not made up for by a leap


@dataclass(frozen=True)
class PanelView:
    """What one panel shows at one moment; `rows` is only ever appended to, and `count` of it belong here."""

    run: int
    activity: bytes
    present: Floats
    stress: float
    rows: Sequence[Floats]
    count: int
    stressed: tuple[tuple[float, float], ...] = ()  # first and last day of every stretch of stress
    courses: tuple[Course, ...] = ()  # of the regimens that ask for a condition


@dataclass(frozen=True)
class Snapshot:
    """All panels at one moment (days since day 0)."""

    number: int
    day: float
    panels: tuple[PanelView, ...]
    picked: tuple[int, int] | None = None
    detail: NeuronDetail | None = None


@dataclass(frozen=True)
class Wishes:
    """What the page wants, as one value that is replaced as a whole."""

    plan: Plan
    goal_day: float
    from_day: float = 0.0  # where copies begin: 0 is the stuck patient, below the healthy one
    restarts: int = 0
    playing: bool = False
    speed_h_per_s: float = 12.0
    picked: tuple[int, int] | None = None
    fault: str = ""
    notes: tuple[str, ...] = ()


class Session:
    """Copies of one patient, moved by `work`; everything else may be called from any thread."""

    def __init__(self, plan: Plan, day: float = 0.0, notes: Sequence[str] = ()) -> None:
        self._lock = threading.Lock()
        self._cases = Casebook()
        goal, beyond = self._within(plan, day)
        self._wishes = Wishes(plan, goal, notes=(*notes, *beyond))
        self._copies: list[PatientCopy | None] = []
        self._runs = [0] * len(LETTERS)
        self._run = 0
        self._built: tuple[int, int, int, int] | None = None
        self._shown: Snapshot | None = None
        self._shown_for: tuple[object, ...] = ()
        self.wished = threading.Event()  # set by every wish, for a worker that sleeps

    # Wishes

    @property
    def wishes(self) -> Wishes:
        """What is wanted at present."""
        with self._lock:
            return self._wishes

    @property
    def snapshot(self) -> Snapshot | None:
        """The last moment that was reached (None before the first)."""
        with self._lock:
            return self._shown

    @property
    def day(self) -> float:
        """The day that is shown."""
        shown = self.snapshot
        return shown.day if shown else self.wishes.goal_day

    def play(self, on: bool) -> None:
        """Let time run, or stop it; at the end there is nothing left to run."""
        if on and self._now() >= self.last_day:
            self.note(f"day {self.last_day:g} is the end of the first of these treatments: go back by Reset")
            return
        self._wish(playing=on and not self.wishes.fault)

    def set_speed(self, hours_per_s: float) -> None:
        """Model time for a second of the clock: 1 hour to 1 week."""
        self._wish(speed_h_per_s=min(max(hours_per_s, SLOWEST_H_PER_S), FASTEST_H_PER_S))

    def step(self, hours: float) -> None:
        """Stop, and go on by some hours."""
        self._wish(playing=False, goal_day=min(self._now() + hours / HOURS_A_DAY, self.last_day))

    def jump(self, place: str) -> None:
        """Go to the `healthy` patient, the `stuck` one on day 0, or `12 weeks` after it."""
        wishes = self.wishes
        later, notes = self._within(wishes.plan, TWELVE_WEEKS)
        if place == "12 weeks" and self._now() <= later:
            self._wish(playing=False, goal_day=later, notes=notes or wishes.notes)
            return
        goal = {"healthy": self.first_day, "stuck": 0.0, "12 weeks": later}[place]
        self._wish(playing=False, goal_day=goal, from_day=min(goal, 0.0), restarts=wishes.restarts + 1)

    def reset(self) -> None:
        """Back to the stuck patient on day 0; what was done by hand is undone, and a failed run forgotten."""
        wishes = self.wishes
        panels = tuple(replace(panel, given=(), stress=()) for panel in wishes.plan.panels)
        plan = replace(wishes.plan, panels=panels)
        restarts = wishes.restarts + 1
        self._wish(
            plan=plan, playing=False, goal_day=0.0, from_day=0.0, restarts=restarts, fault="", notes=()
        )

    def choose_patient(self, seed: int, patient: int, neurons: int) -> None:
        """Another patient, stuck, on day 0; what was done by hand is undone."""
        plan = replace(self.wishes.plan, seed=seed, patient=patient, neurons=neurons)
        self._wish(plan=plan, picked=None)
        self.reset()

    def choose_treatment(self, number: int, name: str) -> None:
        """Another treatment for one panel, from day 0 on. InputError if there is none of that name."""
        self._cases.treatment(name)
        self._change_panel(number, PanelPlan(name), picked=None)

    def choose_dose(self, number: int, text: str) -> None:
        """Another dose for one panel's treatment, from day 0 on (empty: the usual one). ValueError if bad."""
        self._change_panel(number, replace(self.wishes.plan.panels[number], dose=text.strip()))

    def give(self, number: int, drug: str, text: str = "") -> None:
        """One dose by hand at the next full hour (empty: the usual dose). ValueError if it makes no sense."""
        panel = self.wishes.plan.panels[number]
        if text.strip():
            checked_dose(self._cases.treatment(panel.treatment), drug, text)
        self._change_panel(number, panel.with_dose_given(GivenDose(self._next_hour(), drug, text.strip())))

    def switch_stress(self, number: int) -> None:
        """Full stress for one panel on, or off again, at the next full hour."""
        panel = self.wishes.plan.panels[number]
        self._change_panel(number, panel.with_stress_switched(self._next_hour()))

    def show_panels(self, count: int) -> None:
        """Show one to three copies; a new one is left as the last."""
        plan = self.wishes.plan
        panels = (plan.panels + plan.panels[-1:] * len(LETTERS))[: min(max(count, 1), len(LETTERS))]
        self._wish(plan=replace(plan, panels=panels), picked=None)

    def pick(self, picked: tuple[int, int] | None) -> None:
        """Watch one neuron (panel, number), or none."""
        self._wish(picked=picked)

    def show_again(self) -> None:
        """Leave a snapshot even if nothing has changed: a browser came back that has none."""
        self._shown_for = ()
        self.wished.set()

    def note(self, text: str) -> None:
        """Show a line to the user; an empty one clears them."""
        self._wish(notes=(text,) if text else ())

    # What is known

    @property
    def first_day(self) -> float:
        """The day on which the healthy patient's story begins (earliest of all panels)."""
        plans = self.wishes.plan.panels
        return min(-self._cases.treatment(p.treatment).file.day_0_h / HOURS_A_DAY for p in plans)

    @property
    def last_day(self) -> float:
        """The day on which the first of the treatments ends (a year at most)."""
        return self._ends(self.wishes.plan)

    @property
    def behind(self) -> float:
        """Days that are still to be computed before the goal is reached, of the copy that is farthest."""
        copies, goal = self._copies, self.wishes.goal_day
        return max((goal - copy.day for copy in copies if copy is not None), default=goal)

    @property
    def busy(self) -> bool:
        """Whether there is something to compute before the next moment can be shown."""
        wishes = self.wishes
        if wishes.fault:
            return False
        built = [copy.plan for copy in self.patient_copies()] == list(wishes.plan.panels)
        return not built or self._shown is None or self.behind > 1e-9

    def treatment(self, number: int) -> Treatment:
        """The treatment of a panel as it is run, with dose, hand-given doses and stress."""
        return self._cases.prescribed(self.wishes.plan.panels[number])

    def own_treatment(self, number: int) -> Treatment:
        """The treatment of a panel as its file has it."""
        return self._cases.treatment(self.wishes.plan.panels[number].treatment)

    def patient_copies(self) -> list[PatientCopy]:
        """The copies that are built."""
        return [copy for copy in self._copies if copy is not None]

    def link(self, *, with_day: bool) -> str:
        """The query string that restores this set-up."""
        return to_query(self.wishes.plan, round(max(self.day, 0.0), 2) if with_day else 0.0)

    def scenario(self, number: int) -> tuple[str, str]:
        """File name and text of a treatment file that `unstuck run` reproduces."""
        plan = self.wishes.plan
        name = f"unstuck-{LETTERS[number]}-{Path(plan.panels[number].treatment).stem}.yaml"
        return name, as_yaml(self.treatment(number), plan)

    def curves_csv(self) -> str:
        """All curves so far, one line a panel and moment; empty where a circuit has no such region."""
        text, copies = io.StringIO(), self.patient_copies()
        names = list(dict.fromkeys(name for copy in copies for name in copy.columns.names))
        writer = csv.DictWriter(text, ["panel", "treatment", *names], lineterminator="\n")
        writer.writeheader()
        for letter, copy in zip(LETTERS.upper(), copies, strict=False):
            who = {"panel": letter, "treatment": copy.plan.treatment}
            for row in list(copy.rows):
                values = (f"{value:.6g}" for value in row)
                writer.writerow(who | dict(zip(copy.columns.names, values, strict=True)))
        return text.getvalue()

    # Work

    def work(self, elapsed_s: float) -> bool:
        """Do one piece of what is wished; whether there is a new snapshot. A failure stops the clock."""
        wishes = self.wishes
        if wishes.fault:
            return False
        try:
            self._build(wishes)
            if self._catch_up(wishes.goal_day):
                return False
            if wishes.playing:
                self._play_on(wishes, elapsed_s)
            return self._show(wishes)
        except Exception as fault:  # whatever it is, the page stays and says so
            self.stop_for(fault)
            return False

    def stop_for(self, fault: Exception) -> None:
        """Stop the clock and say why; the last snapshot stays."""
        self._wish(playing=False, fault=self._stopped(fault))

    def _play_on(self, wishes: Wishes, elapsed_s: float) -> None:
        goal = wishes.goal_day + wishes.speed_h_per_s * min(elapsed_s, _LONGEST_TICK_S) / HOURS_A_DAY
        if wishes.goal_day < 0.0 < goal:
            goal = 0.0  # everyone sees day 0
        last_day = self.last_day
        goal = min(goal, last_day)
        with self._lock:
            if self._wishes is not wishes:  # something else is wanted by now
                return
            self._wishes = replace(wishes, goal_day=goal, playing=goal < last_day)
        self._catch_up(goal)

    def _build(self, wishes: Wishes) -> None:
        """Begin anew every copy whose patient or treatment has changed."""
        plan = wishes.plan
        key = (plan.seed, plan.patient, plan.neurons, wishes.restarts)
        if key != self._built:
            if self._built is None or key[:3] != self._built[:3]:
                self._cases.forget_patients()
            self._copies, self._built = [], key
        del self._copies[len(plan.panels) :]
        self._copies += [None] * (len(plan.panels) - len(self._copies))
        for number, panel in enumerate(plan.panels):
            copy = self._copies[number]
            if copy is None or copy.plan != panel:
                self._copies[number] = None
                self._copies[number] = self._cases.copy(plan, panel, healthy=wishes.from_day < 0.0)
                self._run += 1
                self._runs[number] = self._run

    def _catch_up(self, goal_day: float) -> bool:
        """Bring the copies a little closer to the goal; whether one is still behind."""
        for copy in self.patient_copies():
            copy.advance(min(goal_day, copy.day + _BULK_DAYS))
        return any(copy.day < goal_day - 1e-9 for copy in self.patient_copies())

    def _show(self, wishes: Wishes) -> bool:
        """Leave a snapshot of the present, if it differs from the last."""
        copies = self.patient_copies()
        shown_for = (tuple(copy.day for copy in copies), tuple(self._runs), wishes.picked)
        if shown_for == self._shown_for:
            return False
        views = tuple(
            PanelView(
                run,
                copy.activity(),
                copy.present(),
                copy.stress(),
                copy.rows,
                len(copy.rows),
                copy.stressed_days(),
                copy.courses(),
            )
            for run, copy in zip(self._runs, copies, strict=False)
        )
        picked = wishes.picked if _can_be_picked(copies, wishes.picked) else None
        detail = None
        if picked is not None:
            copy = copies[picked[0]]
            detail = neuron_detail(copy.patient.circuit, copy.state, picked[1])
        with self._lock:
            number = self._shown.number + 1 if self._shown else 1
            self._shown = Snapshot(number, max(c.day for c in copies), views, picked, detail)
        self._shown_for = shown_for
        return True

    def _stopped(self, fault: Exception) -> str:
        behind = min(self.patient_copies(), key=lambda copy: copy.day, default=None)
        where = f" on day {behind.day:.1f}" if behind else ""
        return f"The model stopped{where}: {fault}"

    # Small change

    def _wish(self, **changes: object) -> None:
        with self._lock:
            self._wishes = replace(self._wishes, **changes)
        self.wished.set()

    def _now(self) -> float:
        return self.wishes.goal_day

    def _next_hour(self) -> int:
        if self._now() < 0.0:
            raise ValueError(
                "before day 0 all copies share one story: let time run to day 0, or jump to stuck"
            )
        return int(-(-round(self._now() * HOURS_A_DAY, 6) // 1))

    def _change_panel(self, number: int, panel: PanelPlan, **more: object) -> None:
        """One panel changed, if its treatment makes sense; a failed run is forgotten."""
        self._cases.prescribed(panel)
        plan = self.wishes.plan.with_panel(number, panel)
        goal, notes = self._within(plan, self._now())
        self._wish(plan=plan, goal_day=goal, fault="", notes=notes, **more)

    def _ends(self, plan: Plan) -> float:
        files = [self._cases.treatment(panel.treatment).file for panel in plan.panels]
        return min(LAST_DAY, *((file.end_h - file.day_0_h) / HOURS_A_DAY for file in files))

    def _within(self, plan: Plan, day: float) -> tuple[float, tuple[str, ...]]:
        """A day, or the last one of a plan with a note that says so."""
        last_day = self._ends(plan)
        if day <= last_day:
            return day, ()
        return last_day, (
            f"the first of these treatments ends on day {last_day:g}: day {day:g} is not shown",
        )


def _can_be_picked(copies: Sequence[PatientCopy], picked: tuple[int, int] | None) -> bool:
    """Whether there is such a neuron: a click may be older than the circuit it comes to."""
    if picked is None:
        return False
    number, neuron = picked
    return 0 <= number < len(copies) and 0 <= neuron < copies[number].patient.circuit.neurons
