# Not strict: a scenario for the browser has any shape.
# pyright: standard
"""What the panels of the page are asked to show, and the link that says it.

    ?seed=1&patient=0&neurons=500&a=ssri-like&a.dose=40+mg&a.give=72+ketamine-like+0.5+mg/kg&a.stress=240-288&day=30

Hours count from day 0. A link may hold anything: what cannot be understood is left out, with a note.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl, urlencode

from unstuck.circuit import LARGEST, SMALLEST
from unstuck.files.yaml import nearest, shown

LETTERS = "abc"
MOST_NEURONS = min(5_000, LARGEST)  # above, a frame takes longer than a blink
BOUNDS = {"seed": (0, 2**32 - 1), "patient": (0, 1_000_000), "neurons": (SMALLEST, MOST_NEURONS)}
LAST_DAY = 365.0
MOST_EVENTS = 200


@dataclass(frozen=True)
class GivenDose:
    """One dose by hand: hour after day 0, drug, and how much (the usual dose if empty)."""

    hour: int
    drug: str
    dose: str = ""


@dataclass(frozen=True)
class AddedStress:
    """Full stress from an hour after day 0 until another (None: until it is switched off)."""

    start_hour: int
    end_hour: int | None = None


@dataclass(frozen=True)
class PanelPlan:
    """One copy of the patient: treatment, its dose (as in the file if empty), and what was done by hand."""

    treatment: str
    dose: str = ""
    given: tuple[GivenDose, ...] = ()
    stress: tuple[AddedStress, ...] = ()

    @property
    def under_stress(self) -> bool:
        """Whether stress was switched on and not yet off."""
        return bool(self.stress) and self.stress[-1].end_hour is None

    def with_stress_switched(self, hour: int) -> "PanelPlan":
        """Stress switched on, or off, at an hour after day 0."""
        if not self.under_stress:
            return replace(self, stress=(*self.stress, AddedStress(hour)))
        begun = self.stress[-1].start_hour
        ended = (AddedStress(begun, hour),) if hour > begun else ()
        return replace(self, stress=(*self.stress[:-1], *ended))

    def with_dose_given(self, given: GivenDose) -> "PanelPlan":
        """One more dose by hand; ValueError if that drug was given in the same hour, or too often."""
        if any((given.hour, given.drug) == (g.hour, g.drug) for g in self.given):
            raise ValueError(f"{given.drug} was already given this hour; let an hour pass")
        if len(self.given) >= MOST_EVENTS:
            raise ValueError(f"{MOST_EVENTS} doses by hand are the most for one patient")
        return replace(self, given=(*self.given, given))


@dataclass(frozen=True)
class Plan:
    """Which patient, and what happens to each copy."""

    panels: tuple[PanelPlan, ...]
    seed: int = 1
    patient: int = 0
    neurons: int = 500

    def with_panel(self, number: int, panel: PanelPlan) -> "Plan":
        """The same with one panel changed."""
        return replace(self, panels=(*self.panels[:number], panel, *self.panels[number + 1 :]))


def to_query(plan: Plan, day: float = 0.0) -> str:
    """The query string of a link to this plan, opened on a day."""
    pairs = [("seed", f"{plan.seed}"), ("patient", f"{plan.patient}"), ("neurons", f"{plan.neurons}")]
    for letter, panel in zip(LETTERS, plan.panels, strict=False):
        pairs.append((letter, panel.treatment))
        if panel.dose:
            pairs.append((f"{letter}.dose", panel.dose))
        pairs += [(f"{letter}.give", f"{g.hour} {g.drug} {g.dose}".strip()) for g in panel.given]
        pairs += [(f"{letter}.stress", f"{s.start_hour}-{s.end_hour or ''}") for s in panel.stress]
    if day:
        pairs.append(("day", f"{day:g}"))
    return urlencode(pairs, safe="/")


def patient_numbers(*texts: str) -> list[int]:
    """Seed, patient and number of neurons as typed; ValueError with what is allowed."""
    return [_whole(key, text) for key, text in zip(BOUNDS, texts, strict=True)]


def from_query(
    query: str,
    usual: Plan,
    treatments: Collection[str],
    drugs: Collection[str],
    check_dose: Callable[[str], object],
) -> tuple[Plan, float, list[str]]:
    """The plan and day of a link, and notes on what was ignored in it.

    usual stands in for what a link leaves out; check_dose raises ValueError for a dose that is none.
    """
    pairs = parse_qsl(query.removeprefix("?")[:20_000], keep_blank_values=True)
    link = _Link(pairs, treatments, drugs, check_dose)
    link.take("token")  # the server's, which has let this visitor in
    numbers = [link.number(key, getattr(usual, key)) for key in BOUNDS]
    day = link.day()
    panels = tuple(panel for letter in LETTERS if (panel := link.panel(letter)) is not None)
    for key, value in link.pairs[:5]:
        link.ignored(key, value, "it means nothing here")
    return Plan(panels or usual.panels, *numbers), day, link.notes


@dataclass
class _Link:
    """A query string while it is read: what is left of it, what it may name, what was ignored."""

    pairs: list[tuple[str, str]]
    treatments: Collection[str]
    drugs: Collection[str]
    check_dose: Callable[[str], object]
    notes: list[str] = field(default_factory=list)

    def take(self, key: str) -> list[str]:
        """All values of a key, which count as read."""
        values = [value for name, value in self.pairs if name == key]
        self.pairs = [pair for pair in self.pairs if pair[0] != key]
        return values

    def ignored(self, key: str, value: str, why: str) -> None:
        """Note what was left out, and why."""
        self.notes.append(f"ignored {shown(key)[1:-1]}={shown(value)[1:-1]}: {why}")

    def number(self, key: str, usual: int) -> int:
        """The last number given for a key, if it is one and lies within its bounds."""
        for value in self.take(key)[-1:]:
            try:
                return _whole(key, value)
            except ValueError as fault:
                self.ignored(key, value, str(fault))
        return usual

    def day(self) -> float:
        """The day to open on."""
        for value in self.take("day")[-1:]:
            try:
                if 0.0 <= float(value) <= LAST_DAY:
                    return float(value)
            except ValueError:
                pass
            self.ignored("day", value, f"a day from 0 to {LAST_DAY:g} is needed")
        return 0.0

    def panel(self, letter: str) -> PanelPlan | None:
        """What a link says of one panel; None if it has none."""
        names = self.take(letter)
        parts = [
            (".dose", self.take(f"{letter}.dose")[-1:], self._dosed),
            (".give", self.take(f"{letter}.give"), self._given),
            (".stress", self.take(f"{letter}.stress"), _stressed),
        ]
        if not names:
            for key, text in ((key, text) for key, texts, _ in parts for text in texts):
                self.ignored(letter + key, text, f"the link names no treatment {letter}")
            return None
        if names[-1] not in self.treatments:
            self.ignored(
                letter, names[-1], f"there is no such treatment{nearest(names[-1], self.treatments)}"
            )
            return None
        panel = PanelPlan(names[-1])
        for key, texts, changed in parts:
            for text in texts:
                try:
                    panel = changed(panel, text)
                except ValueError as fault:
                    self.ignored(letter + key, text, str(fault))
        return panel

    def _dosed(self, panel: PanelPlan, text: str) -> PanelPlan:
        self.check_dose(text)
        return replace(panel, dose=text)

    def _given(self, panel: PanelPlan, text: str) -> PanelPlan:
        hour, drug, dose = [*text.split(maxsplit=2), "", "", ""][:3]
        if drug not in self.drugs:
            raise ValueError(f"there is no drug {shown(drug)}{nearest(drug, self.drugs)}")
        if dose:
            self.check_dose(dose)
        return panel.with_dose_given(GivenDose(_hour(hour), drug, dose))


def _stressed(panel: PanelPlan, text: str) -> PanelPlan:
    start, _, end = text.partition("-")
    added = AddedStress(_hour(start), _hour(end) if end else None)
    latest = panel.stress[-1].end_hour if panel.stress else 0
    if latest is None or added.start_hour < latest or (added.end_hour or LAST_DAY * 24) <= added.start_hour:
        raise ValueError("stretches of stress follow each other and take at least an hour")
    if len(panel.stress) >= MOST_EVENTS:
        raise ValueError(f"{MOST_EVENTS} stretches of stress are the most for one patient")
    return replace(panel, stress=(*panel.stress, added))


def _whole(key: str, text: str) -> int:
    lowest, highest = BOUNDS[key]
    if text.isascii() and text.isdigit() and lowest <= int(text[:12]) <= highest:
        return int(text[:12])
    raise ValueError(f"{key} must be a whole number from {lowest} to {highest}, not {shown(text)}")


def _hour(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= LAST_DAY * 24):
        raise ValueError(f"{shown(text)} is not a whole number of hours from 0 to {LAST_DAY * 24:g}")
    return int(text[:9])
