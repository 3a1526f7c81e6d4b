"""How much of a drug, for how long: dose and duration against outcome, and the shortest course that escapes.

All runs start from one stuck patient at day 0, a Monday. A drug is taken at its usual interval, or in single
doses on Monday, Wednesday and Friday; which of the two follows from its file (`schedule_of`). A course
escapes if the recovery index is at least 0.5 at 180 d after it. Amounts are multiples of the usual dose.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isnan
from pathlib import Path

import numpy as np
import pandas as pd
from unstuck.circuit import Floats
from unstuck.circuit_file import CircuitFile
from unstuck.documents import InputError, choose
from unstuck.drug_file import DrugFile
from unstuck.engine import Engine, State
from unstuck.exposure import PatientExposure
from unstuck.kinetics import Dose
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient import Patient
from unstuck.pharmacology import HOURS_A_DAY, Course
from unstuck.readouts import connectivity
from unstuck.scenario import Treatment, drug_for
from unstuck.simulation import Checkpoint, get_stuck
from unstuck.targets import TARGETS

from unstuck_analysis.fixed_points import LONG_RUNS
from unstuck_analysis.landscape import typical_patient
from unstuck_analysis.outcomes import RESPONSE, RecoveryCourse
from unstuck_analysis.words import notes_on

LATER_DAYS = 180.0  # a course escapes if the patient is still well this long after it
MOST_DAYS, MOST_DOSES = 365, 156  # the longest courses looked at: a year of either kind
USUAL_AMOUNTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
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
        """Any patient, after the shipped way into the ditch."""
        return cls(patient, get_stuck(patient, Treatment(INTO_THE_DITCH), LONG_RUNS))


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
    """A drug with one constant effect on one target while it is taken (ValueError for an unknown one)."""
    choose(mode, TARGETS[choose(target, TARGETS, "target")], f"mode of {target}")
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
    days: float,
    outcome: Callable[[RecoveryCourse, float], float] = lambda course, days: course.at(days + LATER_DAYS),
) -> Floats:
    """Outcome (amounts of the first, amounts of the second) of two drugs given together for some days.

    Each drug keeps its own schedule. The outcome is R at 180 d after, unless another is asked for.
    """
    plans = [schedule_of(drug) for drug in drugs]
    counts = [round(days) if plan.daily else max(1, round(days * len(WEEKDAYS) / 7)) for plan in plans]
    surface = np.empty((len(amounts[0]), len(amounts[1])))
    for row, first in enumerate(amounts[0]):
        for column, second in enumerate(amounts[1]):
            pairs = zip(drugs, plans, counts, (first, second), strict=True)
            courses = [
                Course(drug, plan.doses(count, amount)) for drug, plan, count, amount in pairs if amount > 0
            ]
            surface[row, column] = outcome(recovery_under(stuck, courses, days + LATER_DAYS), days)
    return surface


@dataclass(frozen=True)
class DoseResponse:
    """What `unstuck dose-response` finds: the table, and the surface of two drugs where one was asked for."""

    name: str
    schedule: Schedule
    length: int
    label: str
    table: pd.DataFrame
    other: str = ""
    amounts: tuple[float, ...] = ()
    surface: Floats | None = None
    notes: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, object]]:
        """The table as JSON can say it."""
        return [
            {key: None if value != value else value for key, value in row.items()}
            for row in self.table.to_dict("records")
        ]

    def sentences(self) -> list[str]:
        """The table in sentences."""
        return [self._sentence(row) for row in self.table.to_dict("records")]

    def _sentence(self, row: Mapping[Hashable, float]) -> str:
        course, onset, unit = row["minimal_course"], row["onset_day"], self.schedule.unit
        shortest = "no course of up to a year escapes" if isnan(course) else f"{course:.0f} {unit} escape"
        begins = "no onset" if isnan(onset) else f"onset on day {onset:.1f}"
        end, later = row["recovery_end"], row["recovery_later"]
        recovery = f"R {end:.2f} after {self.length} {unit}, {later:.2f} 180 d later"
        return f"{self.name} x {row['amount']:g}: {begins}, {recovery}; {shortest}."

    def write(self, folder: Path) -> list[str]:
        """Write table and figures; the names of the files."""
        from unstuck_analysis.dose_figures import dose_response_figure, surface_figure
        from unstuck_analysis.figures import save_figure
        from unstuck_analysis.storage import write_whole

        write_whole(folder / "dose-response.csv", self.table.to_csv(index=False).encode())
        title = f"{self.name}, {self.length} {self.schedule.unit}"
        figures = {"dose-response": dose_response_figure(self.table, title, self.schedule.unit, self.label)}
        if self.surface is not None:
            pair, grid = (self.name, self.other), (self.amounts, self.amounts)
            figures["surface"] = surface_figure(self.surface, grid, pair, self.length)
        for name, figure in figures.items():
            for suffix in ("png", "svg"):
                save_figure(figure, folder / f"{name}.{suffix}")
        return ["dose-response.csv", *(f"{name}.{suffix}" for name in figures for suffix in ("png", "svg"))]


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
    file: CircuitFile, drug: str, amounts: Sequence[float], length: int, other: str = ""
) -> DoseResponse:
    """Dose-response of a drug (name or path) or of one effect (TARGET:MODE) in the typical patient."""
    stuck = StuckPatient.typical(file, default_parameters())
    if ":" in drug:
        target, mode = drug.split(":", 1)
        table = target_response(stuck, target, mode, amounts or TARGET_STRENGTHS, length)
        return DoseResponse(drug, Schedule(daily=True), length, f"strength of {drug}", table)
    first, doses = drug_for(file, drug), tuple(amounts or USUAL_AMOUNTS)
    plan = schedule_of(first)
    table = dose_response(stuck, first, doses, length, plan)
    label, notes = "dose (times the usual one)", notes_on({drug: [first]})
    if not other:
        return DoseResponse(drug, plan, length, label, table, notes=tuple(notes))
    grid, second = (0.0, *doses), drug_for(file, other)
    surface = response_surface(stuck, (first, second), (grid, grid), length)
    notes = notes_on({drug: [first], other: [second]})
    return DoseResponse(drug, plan, length, label, table, other, grid, surface, tuple(notes))
