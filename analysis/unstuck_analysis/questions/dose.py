"""Dose and duration of a drug against recovery, and the shortest course whose effect lasts.

All runs start from one stuck patient at day 0, a Monday. A drug is taken at its usual interval, or in single
doses on Monday, Wednesday and Friday; which of the two follows from its file (`schedule_of`). A course lasts
if the patient is still recovered, R at least 0.5, 12 weeks after the drug has left the body. Only courses are
looked at for which that day is before the day on which the untreated patient recovers too. Amounts are
multiples of the usual dose.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from unstuck.drugs.effects import Contribution, Course
from unstuck.drugs.exposure import PatientExposure
from unstuck.errors import InputError
from unstuck.files.drug import DrugFile
from unstuck.files.schedule import Dose
from unstuck.files.treatment import circuit_for, drug_for
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.targets import TARGETS

from unstuck_analysis.outcomes import RECOVERED, STILL_RECOVERED_DAYS, RecoveryCourse
from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.style import FAINT, PALETTE, styled
from unstuck_analysis.output.table import Column, Table
from unstuck_analysis.output.words import notes_on
from unstuck_analysis.questions.stuck import StuckPatient, recovery_under, untreated_course

LATER = "12 weeks after the drug has left the body"
MOST_DAYS, MOST_DOSES = 365, 156  # the longest courses looked at: a year of either kind
USUAL_AMOUNTS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
USUAL_DAYS, USUAL_DOSES = 84, 6  # of a course whose length is not given
LASTS, NOW = PALETTE[3], PALETTE[2]  # colours of the two curves
WEEKDAYS = (0, 2, 4)  # Monday, Wednesday, Friday; day 0 is a Monday


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
    """As the drug file says: regular if it has a usual interval, or is constant while taken; else single."""
    held = any(action.level for action in drug.actions)
    every_h = drug.usual_every or HOURS_A_DAY
    return Schedule(daily=held or drug.usual_every is not None, every_h=every_h, over_h=drug.usual_over)


@dataclass(frozen=True)
class GivenCourse:
    """A course of `count` days or doses in one patient: recovery from day 0, and the end of the drug.

    later_day: 12 weeks after the drug has left the body.
    """

    stuck: StuckPatient
    drug: DrugFile
    plan: Schedule
    count: int
    amount: float = 1.0

    @cached_property
    def _contributions(self) -> list[Contribution]:
        patient = self.stuck.patient
        course = Course(self.drug, self.plan.doses(self.count, self.amount))
        return course.contributions(patient.circuit.parameters, patient.response)

    @cached_property
    def later_day(self) -> float:
        """12 weeks after every effect is below 1 % of its peak."""
        gone_h = max(contribution.gone_h() for contribution in self._contributions)
        return max(gone_h / HOURS_A_DAY, self.plan.end_day(self.count)) + STILL_RECOVERED_DAYS

    @cached_property
    def recovery(self) -> RecoveryCourse:
        """The recovery index from day 0 to `later_day`."""
        regions, end_h = self.stuck.patient.circuit.regions, self.later_day * HOURS_A_DAY
        no_noise = np.zeros((0, len(regions)))
        exposure = PatientExposure(regions, [], self._contributions, no_noise, end_h)
        return recovery_under(self.stuck, exposure, self.later_day)

    @property
    def lasts(self) -> bool:
        """Whether the patient is still recovered 12 weeks after the drug has left the body."""
        return self.recovery.at(self.later_day) >= RECOVERED


def minimal_course(
    stuck: StuckPatient, drug: DrugFile, schedule: Schedule | None = None, amount: float = 1.0
) -> int | None:
    """The shortest course that lasts, in the units of its schedule; None if none does.

    Courses of up to a year, as long as the untreated patient has not recovered by `later_day`. Searched by
    doubling, then by bisection: the course one shorter than the one found does not last.
    """
    plan = schedule or schedule_of(drug)

    def given(count: int) -> GivenCourse:
        return GivenCourse(stuck, drug, plan, count, amount)

    alone_day = untreated_course(stuck).first_day
    most = first_with(lambda count: given(count).later_day >= alone_day, plan.most)
    most = plan.most if most is None else most - 1
    return first_with(lambda count: given(count).lasts, most)


def first_with(has: Callable[[int], bool], most: int) -> int | None:
    """The least count of 1 to most that has a property which all larger ones have too (None: none has)."""
    found, fails = 1, 0
    while found <= most and not has(found):
        if found == most:
            return None
        fails, found = found, min(2 * found, most)
    if found > most:
        return None
    while found - fails > 1:
        middle = (found + fails) // 2
        found, fails = (middle, fails) if has(middle) else (found, middle)
    return found


def dose_response(
    stuck: StuckPatient,
    drug: DrugFile,
    amounts: Sequence[float],
    count: int,
    schedule: Schedule | None = None,
) -> pd.DataFrame:
    """One row per amount, for a course of `count` days or doses, with the minimal course at that amount.

    Columns: amount, onset_day, recovery_end (R when the course ends), recovery_later (12 weeks after the drug
    has left the body), untreated_later (the same day without treatment), lasts (only the treated patient is
    recovered then), minimal_course (NaN if none was found).
    """
    plan, untreated = schedule or schedule_of(drug), untreated_course(stuck)

    def row(amount: float) -> dict[str, float | bool]:
        """Simulate one amount in the patient."""
        given = GivenCourse(stuck, drug, plan, count, amount)
        return {
            "amount": amount,
            "onset_day": given.recovery.first_day,
            "recovery_end": given.recovery.at(plan.end_day(count)),
            "recovery_later": given.recovery.at(given.later_day),
            "untreated_later": untreated.at(given.later_day),
            "lasts": given.lasts and untreated.at(given.later_day) < RECOVERED,
            "minimal_course": minimal_course(stuck, drug, plan, amount) or np.nan,
        }

    return pd.DataFrame([row(amount) for amount in amounts])


def ask(circuit: str, drug: str, amounts: Sequence[float] = (), length: int | None = None) -> Answer:
    """Dose against recovery of a drug (name or path) in the typical patient of a circuit (name or path).

    length: days or doses of the course, 84 days or 6 doses if not given. InputError for a patient who never
    gets stuck.
    """
    file, parameters = circuit_for(circuit)[0], default_parameters()
    loaded, doses = drug_for(file, drug), tuple(amounts or USUAL_AMOUNTS)
    plan = schedule_of(loaded)
    count = length or (USUAL_DAYS if plan.daily else USUAL_DOSES)
    table = dose_response(StuckPatient.typical(file, parameters), loaded, doses, count, plan)
    title = f"{drug}, {count} {plan.unit}"
    lines = sentences(table, drug, plan, count)
    inputs = inputs_hash(file, parameters, loaded, doses, count)
    described = Table.of(table, _columns(plan.unit))
    return Answer(
        title=f"Dose and duration: {title}",
        finding=lines,
        about=About(title, "1 typical patient, mean-field, no noise", "none is used", inputs),
        tables={"dose-response": described},
        figures={"dose-response": Shown(dose_response_figure(table, title, plan.unit), _SHOWS, lines[0])},
        printed=["dose-response"],
        notes=notes_on({drug: [loaded]}),
        data=described.records(),
    )


def sentences(table: pd.DataFrame, drug: str, plan: Schedule, count: int) -> list[str]:
    """The least dose that lasts, and the shortest course."""
    lasting, found = table.loc[table.lasts], table.loc[np.isfinite(table.minimal_course.astype(float))]
    course = f"{count} {plan.unit} of {drug}"
    untreated = f"without treatment it is {table.untreated_later.iloc[-1]:.2f} then"
    first = f"No dose looked at lasts: after {course}, R is {table.recovery_later.max():.2f} at most {LATER};"
    if len(lasting):
        least = f"The least dose looked at that lasts is {lasting.amount.min():g} times the usual one"
        untreated = f"without treatment it is {lasting.untreated_later.iloc[0]:.2f} then"
        first = f"{least}: after {course}, R is {lasting.recovery_later.iloc[0]:.2f} {LATER};"
    first = f"{first} {untreated}."
    if not len(found):
        return [first, "No course looked at lasts at any of the doses."]
    shortest = found.loc[found.minimal_course.idxmin()]
    unit = plan.unit if shortest.minimal_course > 1 else plan.unit.removesuffix("s")
    length = f"{shortest.minimal_course:.0f} {unit} at {shortest.amount:g} times the usual dose"
    return [first, f"The shortest course that lasts is {length}."]


def _columns(unit: str) -> list[Column]:
    return [
        Column("amount", "dose", "usual doses"),
        Column("onset_day", "onset", "d", "first day with R at least 0.5", ".1f", "none"),
        Column("recovery_end", "R at the end", "", "R when the course ends", ".2f"),
        Column("recovery_later", "R later", "", f"R {LATER}", ".2f"),
        Column("untreated_later", "R untreated", "", "R on the same day without treatment", ".2f"),
        Column("lasts", "", "", f"R at least 0.5 {LATER}, and below it without treatment"),
        Column("minimal_course", "shortest course that lasts", unit, "", ".0f", "none"),
    ]


_SHOWS = (
    f"Left: recovery R when the course ends and {LATER}. Right: the shortest course after which R is at least"
    " 0.5 then, before the untreated patient recovers."
)


@styled
def dose_response_figure(table: pd.DataFrame, title: str, unit: str) -> Figure:
    """Left: R when the course ends and 12 weeks after the drug, over dose. Right: the shortest that lasts.

    table: as from `dose_response`; unit: what the length of a course is counted in.
    """
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    response, shortest = figure.subplots(1, 2, sharex=True)
    amount = table.amount.to_numpy(dtype=float)
    response.plot(amount, table.recovery_end, "o-", color=NOW, label="when the course ends")
    response.plot(amount, table.recovery_later, "s-", color=LASTS, label=LATER)
    response.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
    response.set_ylabel("recovery R")
    response.set_title(title)
    response.legend(frameon=False, fontsize=9)
    course = table.minimal_course.to_numpy(dtype=float)
    found = np.isfinite(course)
    shortest.plot(amount[found], course[found], "o-", color=PALETTE[1])
    top = np.nanmax(course, initial=1.0) * 1.15
    if found.any():
        shortest.fill_between(amount[found], course[found], top, color=LASTS, alpha=0.12, linewidth=0)
    for x in amount[~found]:
        shortest.text(
            x, 0.04 * top, "never", rotation=90, ha="center", va="bottom", color="#808080", fontsize=9
        )
    shortest.set_ylim(0, top)
    shortest.set_ylabel(f"shortest course that lasts ({unit})")
    shortest.set_title("Shortest course after which recovery lasts")
    for axes in (response, shortest):
        axes.set_xlabel("dose (times the usual one)")
    return figure


def parse_amounts(text: str) -> tuple[float, ...]:
    """Numbers separated by commas; InputError for other texts, and for numbers that are not positive."""
    try:
        amounts = tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise InputError(f"--amounts {text!r}: must be numbers with commas, such as 0.5,1,2") from None
    if any(not 0.0 < amount < 1e3 for amount in amounts):
        raise InputError(f"--amounts {text!r}: each must be above 0 and below 1000")
    return amounts


def refuse_effect(drug: str) -> None:
    """InputError for TARGET:MODE, with the drug file that has this one effect."""
    target, _, mode = drug.partition(":")
    if not mode or Path(drug).exists() or mode not in TARGETS.get(target, {}):
        return
    level = "{while_taken: {value: 0.1, source: assumed}}"
    raise InputError(
        f"{drug}: this is not a drug. Write these five lines to a file, and name the file instead:\n"
        f"title: {target} {mode}\nclass: one target\nusual_every: 24 h\nactions:\n"
        f"  - {{target: {target}, mode: {mode}, level: {level}}}"
    )
