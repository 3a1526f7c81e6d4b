"""How much of a drug, for how long: dose and duration against outcome, and the shortest course that escapes.

All runs start from one stuck patient at day 0, a Monday. A drug is taken at its usual interval, or in single
doses on Monday, Wednesday and Friday; which of the two follows from its file (`schedule_of`). A course
escapes if the recovery index is at least 0.5 at 180 d after it. Amounts are multiples of the usual dose.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isnan
from pathlib import Path

import numpy as np
import pandas as pd
from unstuck.circuit import Floats
from unstuck.drugs.effects import Course
from unstuck.drugs.exposure import PatientExposure
from unstuck.engine.readouts import connectivity
from unstuck.engine.step import Engine, State
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.schedule import Dose
from unstuck.files.treatment import Treatment, drug_for
from unstuck.files.units import HOURS_A_DAY
from unstuck.files.yaml import InputError, choose
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import Patient
from unstuck.patient.simulation import Checkpoint, get_stuck
from unstuck.targets import TARGETS

from unstuck_analysis.library.words import notes_on
from unstuck_analysis.outcomes import RESPONSE, RecoveryCourse
from unstuck_analysis.output.captions import About, Shown, inputs_hash, write_figures, write_tables
from unstuck_analysis.questions.dose_figures import dose_response_figure, surface_figure
from unstuck_analysis.questions.fixed_points import LONG_RUNS
from unstuck_analysis.questions.landscape import require_stuck, typical_patient

LATER_DAYS = 180.0  # a course escapes if the patient is still well this long after it
MOST_DAYS, MOST_DOSES = 365, 156  # the longest courses looked at: a year of either kind
USUAL_AMOUNTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
USUAL_DAYS, USUAL_DOSES = 84, 6  # of a course whose length is not given
TARGET_STRENGTHS = (0.02, 0.05, 0.1, 0.15, 0.2)
WEEKDAYS = (0, 2, 4)  # Monday, Wednesday, Friday; day 0 is a Monday
INTO_THE_DITCH = "untreated"  # the shipped treatment whose way to day 0 is taken


@dataclass(frozen=True)
class StuckPatient:
    """A patient at day 0, ready for any number of courses."""

    patient: Patient
    checkpoint: Checkpoint

    @classmethod
    def typical(cls, file: CircuitFile, parameters: ParameterSet) -> "StuckPatient":
        """The mean-field patient without noise and life events, after the shipped way into the ditch."""
        return cls.from_patient(typical_patient(file, parameters))

    @classmethod
    def from_patient(cls, patient: Patient) -> "StuckPatient":
        """Any patient, after the shipped way into the ditch; InputError for one who never gets stuck."""
        checkpoint = get_stuck(patient, Treatment(INTO_THE_DITCH), LONG_RUNS)
        require_stuck(checkpoint, f"the patient of circuit {patient.circuit.file.title!r}")
        return cls(patient, checkpoint)


@dataclass(frozen=True)
class Schedule:
    """When a course is given: all the time (a dose every so often), or in single doses on Mon, Wed and Fri.

    A dose takes over_h hours: as long as the drug's file says.
    """

    daily: bool
    every_h: float = HOURS_A_DAY
    over_h: float = 0.0

    @property
    def unit(self) -> str:
        """What the length of a course is counted in."""
        return "days" if self.daily else "doses"

    @property
    def most(self) -> int:
        """The longest course looked at."""
        return MOST_DAYS if self.daily else MOST_DOSES

    def doses(self, count: int, amount: float = 1.0) -> tuple[Dose, ...]:
        """The doses of a course of `count` days or doses, `amount` usual doses each."""
        if self.daily:
            number = ceil(count * HOURS_A_DAY / self.every_h - 1e-9)
            return tuple(Dose(k * self.every_h, amount, self.over_h, self.every_h) for k in range(number))
        days = [7 * week + day for week in range(ceil(count / len(WEEKDAYS))) for day in WEEKDAYS][:count]
        return tuple(Dose(day * HOURS_A_DAY, amount, self.over_h, single=True) for day in days)

    def end_day(self, count: int) -> float:
        """Day on which a course ends: after its last day, or with its last dose."""
        return float(count) if self.daily else self.doses(count)[-1].time_h / HOURS_A_DAY


def schedule_of(drug: DrugFile) -> Schedule:
    """As the drug's file says: regular where it has a usual interval, or is held while taken; else single."""
    held = any(action.level for action in drug.actions)
    every_h = drug.usual_every or HOURS_A_DAY
    return Schedule(daily=held or drug.usual_every is not None, every_h=every_h, over_h=drug.usual_over)


def drug_on_target(target: str, mode: str, strength: float) -> DrugFile:
    """A drug with one constant effect on one target while it is taken.

    ValueError for an unknown target or mode, one that needs a region, or a strength that it does not allow.
    """
    choose(mode, TARGETS[choose(target, TARGETS, "target")], f"mode of {target}")
    if target == "region.input":
        raise InputError(f"{target}:{mode} needs a region: write a drug file with it, and give that instead")
    if strength > (highest := TARGETS[target][mode].highest):
        raise InputError(f"{target}:{mode}: strength {strength:g}, at most {highest:g}")
    action = {
        "target": target,
        "mode": mode,
        "level": {"while_taken": {"value": strength, "source": "assumed"}},
    }
    return DrugFile.model_validate(
        {
            "title": f"{target} {mode} {strength:g}",
            "class": "one target",
            "usual_every": "24 h",
            "actions": [action],
        }
    )


def recovery_under(stuck: StuckPatient, courses: Sequence[Course], until_day: float) -> RecoveryCourse:
    """The recovery index from day 0 on under some courses together."""
    circuit, checkpoint = stuck.patient.circuit, stuck.checkpoint
    contributions = [
        contribution
        for course in courses
        for contribution in course.contributions(circuit.parameters, stuck.patient.sensitivity)
    ]
    end_h = until_day * HOURS_A_DAY
    exposure = PatientExposure(circuit.regions, [], contributions, np.zeros((0, len(circuit.regions))), end_h)
    days, recovery = [0.0], [0.0]

    def note(hour: float, state: State) -> None:
        days.append(hour / HOURS_A_DAY)
        recovery.append(checkpoint.recovery(connectivity(circuit, state)[0]))

    Engine(circuit, checkpoint.state, 0.0, LONG_RUNS).advance(exposure, end_h, on_step=note)
    return RecoveryCourse(days, recovery)


def escapes(stuck: StuckPatient, drug: DrugFile, schedule: Schedule, count: int, amount: float = 1.0) -> bool:
    """Whether a course of `count` days or doses leaves the patient well 180 d after it."""
    later = schedule.end_day(count) + LATER_DAYS
    course = Course(drug, schedule.doses(count, amount))
    return recovery_under(stuck, [course], later).at(later) >= RESPONSE


def minimal_course(
    stuck: StuckPatient, drug: DrugFile, schedule: Schedule | None = None, amount: float = 1.0
) -> int | None:
    """The shortest course that escapes, in the units of its schedule; None if none of up to a year does.

    Searched by doubling, then by bisection: the course one shorter than the one found does not escape.
    """
    plan = schedule or schedule_of(drug)
    shortest, fails = 1, 0
    while not escapes(stuck, drug, plan, shortest, amount):
        if shortest >= plan.most:
            return None
        fails, shortest = shortest, min(2 * shortest, plan.most)
    while shortest - fails > 1:
        middle = (shortest + fails) // 2
        if escapes(stuck, drug, plan, middle, amount):
            shortest = middle
        else:
            fails = middle
    return shortest


def dose_response(
    stuck: StuckPatient,
    drug: DrugFile,
    amounts: Sequence[float],
    count: int,
    schedule: Schedule | None = None,
) -> pd.DataFrame:
    """One row an amount, for a course of `count` days or doses, with the minimal course at that amount.

    Columns: amount, onset_day, recovery_end (R when the course ends), recovery_later (180 d after), escaped,
    minimal_course (NaN if none was found).
    """
    plan = schedule or schedule_of(drug)
    end = plan.end_day(count)

    def row(amount: float) -> dict[str, float | bool]:
        course = recovery_under(stuck, [Course(drug, plan.doses(count, amount))], end + LATER_DAYS)
        stretches, later = course.stretches(), course.at(end + LATER_DAYS)
        return {
            "amount": amount,
            "onset_day": stretches[0][0] if stretches else np.nan,
            "recovery_end": course.at(end),
            "recovery_later": later,
            "escaped": later >= RESPONSE,
            "minimal_course": minimal_course(stuck, drug, plan, amount) or np.nan,
        }

    return pd.DataFrame([row(amount) for amount in amounts])


def target_response(
    stuck: StuckPatient, target: str, mode: str, strengths: Sequence[float], days: int
) -> pd.DataFrame:
    """As `dose_response`, for a constant effect on one target; `amount` is the strength of the effect."""
    tables = [
        dose_response(stuck, drug_on_target(target, mode, strength), [1.0], days).assign(amount=strength)
        for strength in strengths
    ]
    return pd.concat(tables, ignore_index=True)


def response_surface(
    stuck: StuckPatient,
    drugs: tuple[DrugFile, DrugFile],
    amounts: tuple[Sequence[float], Sequence[float]],
    counts: tuple[int, int],
) -> Floats:
    """R 180 d after two drugs were given together, (amounts of the first, amounts of the second).

    counts: days or doses of each; each drug keeps its own schedule.
    """
    plans = [schedule_of(drug) for drug in drugs]
    later = max(plan.end_day(count) for plan, count in zip(plans, counts, strict=True)) + LATER_DAYS
    surface = np.empty((len(amounts[0]), len(amounts[1])))
    for row, first in enumerate(amounts[0]):
        for column, second in enumerate(amounts[1]):
            pairs = zip(drugs, plans, counts, (first, second), strict=True)
            courses = [
                Course(drug, plan.doses(count, amount)) for drug, plan, count, amount in pairs if amount > 0
            ]
            surface[row, column] = recovery_under(stuck, courses, later).at(later)
    return surface


def counts_together(plans: tuple[Schedule, Schedule], length: int) -> tuple[int, int]:
    """Days or doses of two drugs over the same time, for a course of `length` in the unit of the first."""
    first, second = plans
    if first.daily == second.daily:
        return length, length
    a_week = len(WEEKDAYS) / 7
    return length, max(1, round(length * a_week) if first.daily else ceil(length / a_week))


@dataclass(frozen=True)
class DoseResponse:
    """What `unstuck dose-response` finds: the table, and the surface of two drugs where one was asked for."""

    name: str
    schedule: Schedule
    length: int
    label: str
    table: pd.DataFrame
    inputs: str
    together: "Together | None" = None
    notes: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Table and surface in sentences."""
        lines = [self._sentence(row) for row in self.table.to_dict("records")]
        return [*lines, *(self.together.sentences() if self.together else [])]

    def _sentence(self, row: Mapping[Hashable, float]) -> str:
        course, onset, unit = row["minimal_course"], row["onset_day"], self.schedule.unit
        shortest = "no course of up to a year escapes" if isnan(course) else f"{course:.0f} {unit} escape"
        begins = "no onset" if isnan(onset) else f"onset on day {onset:.1f}"
        end, later = row["recovery_end"], row["recovery_later"]
        recovery = f"R {end:.2f} after {self.length} {unit}, {later:.2f} 180 d later"
        return f"{self.name} x {row['amount']:g}: {begins}, {recovery}; {shortest}."

    def write(self, folder: Path) -> list[str]:
        """Write tables and captioned figures; the names of the files."""
        unit, tables = self.schedule.unit, {"dose-response": self.table}
        title = f"{self.name}, {self.length} {unit}"
        figure = dose_response_figure(self.table, title, unit, self.label)
        figures: dict[str, Shown] = {"dose-response": (figure, _SHOWS)}
        if self.together is not None:
            tables["surface"] = self.together.table()
            told = self.together.counts_told()
            drawn = surface_figure(
                self.together.surface, self.together.amounts, self.together.names, f"{told}: R 180 d later"
            )
            figures["surface"] = (drawn, f"R 180 d after both together: {told}. White line: R = 0.5.")
        about = About(title, "1 typical patient, mean-field, no noise", "none is used", self.inputs)
        return [*write_tables(folder, tables), *write_figures(folder, figures, about)]


_SHOWS = (
    "Left: recovery index when the course ends and 180 d after it. Right: the shortest course that leaves R"
    " at 0.5 or more 180 d after it."
)


@dataclass(frozen=True)
class Together:
    """The response surface of two drugs: names, how long each was given, amounts of both, R 180 d later."""

    names: tuple[str, str]
    plans: tuple[Schedule, Schedule]
    counts: tuple[int, int]
    amounts: tuple[tuple[float, ...], tuple[float, ...]]
    surface: Floats

    def counts_told(self) -> str:
        """How long each drug was given, in words."""
        told = [
            f"{count} {plan.unit} of {name}"
            for name, plan, count in zip(self.names, self.plans, self.counts, strict=True)
        ]
        return " with ".join(told)

    def table(self) -> pd.DataFrame:
        """One row a pair of amounts."""
        rows = [
            (first, second, self.surface[i, j])
            for i, first in enumerate(self.amounts[0])
            for j, second in enumerate(self.amounts[1])
        ]
        return pd.DataFrame(rows, columns=pd.Index(["amount_first", "amount_second", "recovery_later"]))

    def sentences(self) -> list[str]:
        """The surface in sentences."""
        escaped, pairs = int((self.surface >= RESPONSE).sum()), self.surface.size
        return [f"{self.counts_told()}: {escaped} of {pairs} pairs of doses escape (surface.csv)."]


def parse_amounts(text: str) -> tuple[float, ...]:
    """Numbers separated by commas; ValueError for what is none, or is not positive."""
    try:
        amounts = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InputError(f"amounts {text!r}: numbers separated by commas, such as 0.5,1,2") from None
    if any(not 0.0 < amount < 1e3 for amount in amounts):
        raise InputError(f"amounts {text!r}: every one more than 0 and below 1000")
    return amounts


def measure(
    file: CircuitFile, drug: str, amounts: Sequence[float], length: int | None = None, other: str = ""
) -> DoseResponse:
    """Dose-response of a drug (name or path) or of one effect (TARGET:MODE) in the typical patient.

    length: days or doses of the course, 84 days or 6 doses if not given; other: a second drug, for the
    surface of both. InputError for an effect with a second drug, and for a patient who never gets stuck.
    """
    effects = [name for name in (drug, other) if _is_effect(name)]
    if other and effects:
        raise InputError(
            f"{effects[0]} is an effect; --with takes two drugs (write a drug file for the effect)"
        )
    parameters = default_parameters()
    if effects:
        target, mode = drug.split(":", 1)
        days, strengths = length or USUAL_DAYS, tuple(amounts or TARGET_STRENGTHS)
        drug_on_target(target, mode, max(strengths))  # told before minutes are spent
        table = target_response(StuckPatient.typical(file, parameters), target, mode, strengths, days)
        inputs = inputs_hash(file, parameters, drug, strengths, days)
        return DoseResponse(drug, Schedule(daily=True), days, f"strength of {drug}", table, inputs)
    drugs, doses = [drug_for(file, name) for name in (drug, other) if name], tuple(amounts or USUAL_AMOUNTS)
    plan, stuck = schedule_of(drugs[0]), StuckPatient.typical(file, parameters)
    count = length or (USUAL_DAYS if plan.daily else USUAL_DOSES)
    table = dose_response(stuck, drugs[0], doses, count, plan)
    both = _together(stuck, (drug, other), (drugs[0], drugs[1]), doses, count) if other else None
    inputs = inputs_hash(file, parameters, *drugs, doses, count)
    notes = notes_on({name: [file] for name, file in zip((drug, other), drugs, strict=False)})
    label = "dose (times the usual one)"
    return DoseResponse(drug, plan, count, label, table, inputs, both, tuple(notes))


def _is_effect(name: str) -> bool:
    """Whether a name is TARGET:MODE and no drug (a path may hold a colon)."""
    return ":" in name and not Path(name).exists()


def _together(
    stuck: StuckPatient,
    names: tuple[str, str],
    drugs: tuple[DrugFile, DrugFile],
    doses: tuple[float, ...],
    count: int,
) -> Together:
    plans, grid = (schedule_of(drugs[0]), schedule_of(drugs[1])), (0.0, *doses)
    counts = counts_together(plans, count)
    surface = response_surface(stuck, drugs, (grid, grid), counts)
    return Together(names, plans, counts, (grid, grid), surface)
