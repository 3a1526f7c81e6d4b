"""Run one subject through the scenarios of the findings, and read their numbers from every arm.

Typical patients have the shipped parameters and no noise; varied ones are the patients of the cohort, with
noise and, where a scenario has them, life events. All treatment arms of a subject start from one checkpoint.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import nan

import numpy as np
from unstuck.circuit import Circuit, Floats
from unstuck.files.find import cohort_path, shipped
from unstuck.files.treatment import Treatment
from unstuck.files.yaml import choose
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import Patient, draw_patient, read_cohort
from unstuck.patient.simulation import Arm, Checkpoint, Reading, Simulation, day_0_key

from unstuck_analysis.evidence.facts import Fact, Responders, TypicalPart
from unstuck_analysis.outcomes import (
    NOT_STUCK_ABOVE,
    RESPONSE,
    RecoveryCourse,
    functional_recovery,
    reading_on,
    recovery_course,
)

MINUTES = (10, 20, 30, 40, 50, 60)  # when the first hour is read
HOURS = (*(minute / 60 for minute in MINUTES), 2.0, 4.0, 8.0, 12.0)
FUNCTIONAL_DAYS = (4 / 24,)
Alter = Callable[[Patient], Patient]


@dataclass(frozen=True)
class Subject:
    """Who is run: patient `index` of a seed; neurons = 0 is the mean-field."""

    seed: int
    index: int
    neurons: int
    varied: bool


@dataclass(frozen=True)
class Record:
    """What is kept of one arm: the numbers of the findings' parts, and its recovery over time."""

    numbers: Mapping[str, float]  # "F06.1" -> number of that part; NaN where there is none
    days: Sequence[float]
    recovery: Sequence[float]
    not_stuck: bool

    @property
    def course(self) -> RecoveryCourse:
        """The recovery index over time."""
        return RecoveryCourse(self.days, self.recovery)


@dataclass(frozen=True)
class Setup:
    """One way to run a scenario: of a healthy start too, and with a knock to all plastic weights."""

    scenario: str
    starts: str = "stuck"
    knock: float = 1.0


@cache
def scenario(name: str) -> Treatment:
    """A scenario of the findings, or a shipped treatment."""
    found = shipped("treatments") | shipped("evidence")
    return Treatment(str(found[choose(name, found, "scenario")]))


def draw(subject: Subject, parameters: ParameterSet, treatment: Treatment) -> Patient:
    """The subject, healthy. A typical one has no noise."""
    cohort = read_cohort(cohort_path()) if subject.varied else None
    given = parameters if subject.varied else parameters.with_values(sigma_n=0.0)
    return draw_patient(
        treatment.circuit, given, cohort, seed=subject.seed, index=subject.index, neurons=subject.neurons
    )


@dataclass(frozen=True)
class Plan:
    """What the chosen findings need of one subject."""

    parts: Mapping[Setup, Mapping[str, TypicalPart]]  # what is read in each arm
    responders: Mapping[Setup, Responders]  # arms that only responders of another arm are run through


def plan_typical(facts: Sequence[Fact]) -> Plan:
    """The arms of typical patients."""
    parts: dict[Setup, dict[str, TypicalPart]] = {}
    for fact in facts:
        for number, part in enumerate(fact.parts):
            if isinstance(part, TypicalPart):
                setup = Setup(part.scenario, part.starts, part.knock)
                parts.setdefault(setup, {})[f"{fact.id}.{number}"] = part
    return Plan(parts, {})


def plan_cohort(facts: Sequence[Fact]) -> Plan:
    """The arms of the cohort's patients; those that depend on another arm come last."""
    first: dict[Setup, Mapping[str, TypicalPart]] = {}
    then: dict[Setup, Responders] = {}
    for fact in facts:
        for part in fact.parts:
            if isinstance(part, TypicalPart):
                continue
            named = [part.scenario] + ([part.against] if part.against else [])
            if part.responders and part.responders.of not in named:
                first[Setup(part.responders.of)] = {}
                then |= {Setup(name): part.responders for name in named}
            else:
                first |= {Setup(name): {} for name in named}
    return Plan({**first, **{setup: {} for setup in then if setup not in first}}, then)


def run_subject(
    subject: Subject,
    plan: Plan,
    parameters: ParameterSet | None = None,
    alter: Alter | None = None,
) -> dict[Setup, Record]:
    """Run a subject through every setup of a plan.

    alter changes the patient (a mechanism switched off): treatment arms still start from the intact patient's
    stuck checkpoint, arms that start healthy are altered from the beginning.
    """
    given = parameters or default_parameters()
    intact = draw(subject, given, scenario(next(iter(plan.parts)).scenario))
    altered = alter(intact) if alter else intact
    stuck: Checkpoint | None = None
    records: dict[Setup, Record] = {}
    for setup, parts in plan.parts.items():
        condition = plan.responders.get(setup)
        if condition and not _responds(records.get(Setup(condition.of)), condition.on_day):
            continue
        treatment = scenario(setup.scenario)
        if setup.starts == "healthy":
            simulation = Simulation(altered, treatment)
            simulation.checkpoint = knocked(simulation.checkpoint, setup.knock)
        else:
            stuck = stuck or Simulation(intact, treatment).checkpoint
            simulation = Simulation(altered, treatment, adapted(stuck, intact, altered, treatment))
        arm = simulation.run(hours=HOURS, functional_days=FUNCTIONAL_DAYS)
        records[setup] = _record(arm, altered.circuit, parts)
        if subject.varied and records[setup].not_stuck:
            break  # left out of the shares, so that no further arm is needed
    return records


def _responds(record: Record | None, day: float) -> bool:
    return record is not None and not record.not_stuck and record.course.at(day) >= RESPONSE


def knocked(checkpoint: Checkpoint, factor: float) -> Checkpoint:
    """The same patient with all plastic weights times a factor."""
    state = checkpoint.state.copy()
    state.labile[:] *= factor
    state.consolidated[:] *= factor
    return replace(checkpoint, state=state)


def adapted(checkpoint: Checkpoint, intact: Patient, altered: Patient, treatment: Treatment) -> Checkpoint:
    """A checkpoint for an altered patient: where a healthy weight was scaled, its present strength is too."""
    before, after = intact.circuit.wiring.plastic.weight, altered.circuit.wiring.plastic.weight
    if altered is intact:
        return checkpoint
    state = checkpoint.state.copy()
    if before is not after:
        state.labile[:] *= after / before
        state.consolidated[:] *= after / before
    return replace(checkpoint, key=day_0_key(altered, treatment), state=state)


def _record(arm: Arm, circuit: Circuit, parts: Mapping[str, TypicalPart]) -> Record:
    stuck = arm.checkpoint.stuck.connectivity
    sick = stuck != arm.checkpoint.healthy.connectivity
    course = recovery_course(arm) if sick else RecoveryCourse([0.0], [nan])
    numbers = {key: QUANTITIES[part.quantity](arm, circuit, part) for key, part in parts.items()}
    return Record(numbers, course.days.tolist(), course.recovery.tolist(), stuck > NOT_STUCK_ABOVE)


def _at(arm: Arm, day: float) -> Reading:
    reading = reading_on(arm, day)
    if abs(reading.day - day) > 1e-6:
        raise ValueError(f"{arm.treatment} is not read on day {day:g}; it ends on day {arm.end_day:g}")
    return reading


def _connectivity(arm: Arm, circuit: Circuit, part: TypicalPart) -> float:
    return _at(arm, part.at_day).connectivity


def _connectivity_change(arm: Arm, circuit: Circuit, part: TypicalPart) -> float:
    return abs(_at(arm, part.at_day).connectivity - _at(arm, part.since_day).connectivity)


def _recovery(arm: Arm, circuit: Circuit, part: TypicalPart) -> float:
    return arm.recovery(_at(arm, part.at_day).connectivity)


def _onset(arm: Arm, circuit: Circuit, part: TypicalPart) -> float:
    """First day with R >= 0.5; where there is none, infinity, or NaN if only responders are asked for."""
    stretches = recovery_course(arm).stretches()
    return stretches[0][0] if stretches else nan if part.among_responders else float("inf")


def _serotonin(arm: Arm, circuit: Circuit, part: TypicalPart) -> float:
    ratio = _at(arm, part.at_day).serotonin_ratio
    above = _of_regions(circuit, ratio, part.of)
    return above / _of_regions(circuit, ratio, part.per) if part.per else above


def _of_regions(circuit: Circuit, values: Floats, name: str) -> float:
    if name == "forebrain":
        return float(np.mean([values[circuit.regions.index(r)] for r in circuit.file.roles.forebrain]))
    return float(values[circuit.regions.index(choose(name, circuit.regions, "region"))])


def _activity(arm: Arm, circuit: Circuit, part: TypicalPart) -> float:
    return float(_at(arm, part.at_day).activity[_population(circuit, part)])


def _population(circuit: Circuit, part: TypicalPart) -> int:
    return circuit.populations.index(choose(part.of, circuit.populations, "population"))


def _function_lead(arm: Arm, circuit: Circuit, part: TypicalPart) -> float:
    """Functional recovery minus structural recovery."""
    reading, stuck, healthy = _at(arm, part.at_day), arm.checkpoint.stuck, arm.checkpoint.healthy
    structural = (reading.structure - stuck.structure) / (healthy.structure - stuck.structure)
    return functional_recovery(arm, reading) - structural


def _first_hour(arm: Arm, circuit: Circuit, part: TypicalPart) -> list[float]:
    """Activity in minutes 10 to 60, relative to the stuck state."""
    k = _population(circuit, part)
    stuck = arm.checkpoint.stuck.activity[k]
    return [float(_at(arm, minute / 1440).activity[k] / stuck) for minute in MINUTES]


QUANTITIES: dict[str, Callable[[Arm, Circuit, TypicalPart], float]] = {
    "connectivity": _connectivity,
    "connectivity_change": _connectivity_change,
    "recovery": _recovery,
    "onset": _onset,
    "serotonin": _serotonin,
    "activity": _activity,
    "function_lead": _function_lead,
    "least_activity": lambda arm, circuit, part: min(_first_hour(arm, circuit, part)),
    "largest_activity": lambda arm, circuit, part: max(_first_hour(arm, circuit, part)),
}
