"""Findings about other illnesses: measured in a circuit of their own, without the findings about depression.

Typical patient: one run per treatment. Cohort: every drawn patient is followed through stress, rest, a course
of an SSRI and, after recovery, half a year or a year with life events, off and on the drug; and through a
healthy year. What follows day 0 is a file of scenarios/evidence. In a cohort a rating is the mean readout of
the 7 days that end on a day, also on day 0. A relapse is 28 days in a row with a rating 0.2 below the
response. Source of the protocols: the tables of findings (anxiety.csv, ocd.csv).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, cached_property
from math import nan
from typing import NoReturn

import numpy as np
from unstuck.engine.readouts import Reading, connectivity
from unstuck.errors import InputError, choose, unknown
from unstuck.files.cohort import read_cohort
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment, circuit_for
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.checks import check_illness
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import RATED_DAYS, Checkpoint, Life, PatientRun, run_treatment
from unstuck.patient.stability import after_knock
from unstuck.state import Floats, Integers, State

from unstuck_analysis.evidence.ensemble import Ensemble
from unstuck_analysis.evidence.facts import Fact, read_facts, shipped_file
from unstuck_analysis.evidence.measure import (
    Evidence,
    Finding,
    Part,
    Plan,
    Watch,
    at_edges,
    headline,
    resamples,
)
from unstuck_analysis.evidence.runs import evidence_folder
from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.study.processes import LOST, in_processes

CIRCUITS = ("anxiety", "ocd")  # those with a table of findings of this name
PATIENTS, QUICK_PATIENTS = 300, 50
BELOW_RESPONSE, RELAPSE_DAYS = 0.2, 28
MOST_ILL = 0.15  # share of healthy patients that a year of life events may make ill before a warning
KNOCKS = (1.1, 0.9)


@dataclass(frozen=True)
class CohortCourse:
    """The course of an SSRI in a cohort, what follows it, and the R from which a patient responds."""

    course: str
    stop: str
    go_on: str
    response: float


COURSES = {
    "anxiety": CohortCourse("ssri-84d", "ssri-84d-stop-year", "ssri-84d-continue-year", 0.5),
    "ocd": CohortCourse("ssri-88-84d", "ssri-88-84d-stop-168d", "ssri-88-84d-continue-168d", 0.35),
}


class Typical:
    """The typical patient of a circuit (mean-field): runs by the name of their treatment, each made once."""

    def __init__(self, name: str) -> None:
        self.name, (self.file, _) = name, circuit_for(name)
        self.patient = draw_patient(self.file, default_parameters(), None, seed=1, index=0, neurons=0)
        self._runs: dict[str, PatientRun] = {}

    def run(self, treatment: str) -> PatientRun:
        """The run of a treatment."""
        if treatment not in self._runs:
            plan = treatment_in(treatment, self.name)
            self._runs[treatment] = run_treatment(self.patient, plan, functional_days=())
        return self._runs[treatment]

    def reading(self, treatment: str, day: float) -> Reading:
        """The reading of a treatment on a day."""
        return min(self.run(treatment).readings, key=lambda reading: abs(reading.day - day))

    def recovery(self, treatment: str, day: float) -> float:
        """Recovery R on a day."""
        return self.run(treatment).recovery(self.reading(treatment, day).connectivity)

    def value(self, treatment: str, day: float) -> float:
        """The primary readout on a day."""
        return self.reading(treatment, day).connectivity

    def growth(self, treatment: str, day: float, of: Sequence[str]) -> float:
        """Mean strength of projections on a day, less that of health."""
        circuit, strength = self.patient.circuit, self.reading(treatment, day).strength
        return float(np.mean([strength[circuit.projections.index(name)] for name in of])) - 1.0

    @property
    def growing(self) -> list[str]:
        """The projections that grow in this illness: those of the readout `growth`."""
        return self.file.readouts["growth"].of

    def population(self, treatment: str, day: float, what: str, name: str) -> float:
        """A column of the reading of one population, such as its activity."""
        values = getattr(self.reading(treatment, day), what)
        return float(values[self.patient.circuit.populations.index(name)])

    @cached_property
    def knocked(self) -> list[float]:
        """The primary readout 60 days after all plastic strengths were multiplied by each of `KNOCKS`."""
        circuit = self.patient.circuit
        return [connectivity(circuit, after_knock(circuit, factor, 60.0))[0] for factor in KNOCKS]


@dataclass(frozen=True)
class Drawn:
    """Numbers of drawn patients, one per patient; NaN where a patient has none.

    stuck: the rating on day 0 if ill, else NaN; recovery: R at the end of the course; stopped, continued: 1
    if a responder relapsed, 0 if not; healthy_ill: 1 if a year of life events made the healthy patient ill.
    """

    stuck: Floats
    recovery: Floats
    stopped: Floats
    continued: Floats
    healthy_ill: Floats

    def picked(self, rows: Integers) -> "Drawn":
        """The patients of some rows."""
        return Drawn(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    @property
    def relapse_ratio(self) -> float:
        """Relapse share of the responders who stop, over that of those who continue."""
        stopped, continued = np.nanmean(self.stopped), np.nanmean(self.continued)
        return float(stopped / continued) if continued > 0 else nan


@cache
def treatment_in(name: str, circuit: str) -> Treatment:
    """A treatment of scenarios/evidence in a circuit."""
    return Treatment(str(evidence_folder() / f"{name}.yaml"), circuit)


def follow_drawn(who: tuple[str, int, int]) -> list[float]:
    """One drawn patient (circuit, seed, number): the numbers of `Drawn`."""
    circuit, seed, index = who
    law, file = COURSES[circuit], circuit_for(circuit)[0]
    cohort = read_cohort(cohort_path())
    patient = draw_patient(file, default_parameters(), cohort, seed=seed, index=index, neurons=0)
    healthy_ill = float(
        file.readout.is_ill(_rated(_daily(Life(patient, treatment_in("healthy-year", circuit)))[-7:]))
    )
    life = Life(patient, treatment_in(law.stop, circuit))
    before = _daily(life, life.treatment.file.day_0_h)
    stuck = _rated(before[-RATED_DAYS:])
    if not file.readout.is_ill(stuck) or life.checkpoint is None:
        return [nan, nan, nan, nan, healthy_ill]
    checkpoint, course_h = life.checkpoint, 84 * HOURS_A_DAY
    course = _daily(life, checkpoint.time_h + course_h)
    recovery = (_rated(course[-RATED_DAYS:]) - stuck) / (1.0 - stuck)
    if recovery < law.response:
        return [stuck, recovery, nan, nan, healthy_ill]
    stopped = _daily(life)
    relapsed = [_relapsed(course, stopped, stuck, law.response)]
    relapsed.append(_relapsed(course, _continued(patient, law, circuit, checkpoint), stuck, law.response))
    return [stuck, recovery, *relapsed, healthy_ill]


def _continued(patient: Patient, law: CohortCourse, circuit: str, checkpoint: Checkpoint) -> Floats:
    """Daily readouts of a patient who goes on with the drug after the course."""
    life = Life(patient, treatment_in(law.go_on, circuit), checkpoint)
    life.advance(checkpoint.time_h + 84 * HOURS_A_DAY)
    return _daily(life)


def _daily(life: Life, until_h: float | None = None) -> Floats:
    """The primary readout at the end of every day from now on."""
    values: list[float] = []
    end_h = life.end_h if until_h is None else until_h
    days = np.arange(1, (end_h - life.time_h) / HOURS_A_DAY + 1e-9)

    def read(hours: Floats, states: State) -> None:
        values.extend(reading.connectivity for reading in life.readings(hours, states))

    life.advance(end_h, output_h=(life.time_h + HOURS_A_DAY * days).tolist(), on_output=read)
    return np.array(values)


def _rated(days: Floats) -> float:
    return float(np.mean(days))


def _relapsed(course: Floats, after: Floats, stuck: float, response: float) -> float:
    """1 if ratings after a course are below the response, less 0.2, on 28 days in a row; else 0."""
    whole = np.concatenate([course[-RATED_DAYS + 1 :], after])
    ratings = np.convolve(whole, np.full(RATED_DAYS, 1.0 / RATED_DAYS), "valid")
    low = ((ratings - stuck) / (1.0 - stuck) < response - BELOW_RESPONSE).astype(int)
    rows = np.convolve(low, np.ones(RELAPSE_DAYS, dtype=int), "valid")
    return float((rows == RELAPSE_DAYS).any())


def draw_all(circuit: str, plan: Plan, watch: Watch) -> Drawn:
    """The numbers of all drawn patients of a plan."""
    asked = [(circuit, plan.seed, index) for index in range(plan.patients)]
    found = np.full((len(asked), 5), nan)
    with (
        watch("drawn patients", len(asked)) as on_done,
        closing(in_processes(follow_drawn, asked, min(plan.workers, len(asked)))) as finished,
    ):
        for who, numbers in finished:
            found[asked.index(who)] = follow_drawn(who) if numbers is LOST else numbers  # pyright: ignore
            on_done(who)
    return Drawn(*found.T)


Measure = Callable[[Typical], float]
BENZODIAZEPINE, STIMULATED = "benzodiazepine-42d-off-14d", "ofc-stimulation-6d"
HIGH, LOW = "ssri-88-84d", "ssri-76-84d"
TYPICAL: Mapping[str, Measure] = {
    "A01": lambda t: t.value("healthy", 60),
    "A03": lambda t: t.value("stress-7d", 60),
    "A04": lambda t: 1.0 + t.growth("stress-10d", 0, t.growing),
    "A05": lambda t: t.growth("stress-10d", 21, t.growing) / t.growth("stress-10d", 0, t.growing),
    "A06": lambda t: t.value("untreated-84d", 0),
    "A07": lambda t: t.population("stress-10d", 21, "bdnf", "BLA_P"),
    "A08": lambda t: t.recovery("ssri-84d", 1),
    "A09": lambda t: t.recovery("ssri-84d", 84),
    "A10": lambda t: t.recovery("ssri-84d", 28) / t.recovery("ssri-84d", 84),
    "A11": lambda t: t.recovery(BENZODIAZEPINE, 2 / 24),
    "A12": lambda t: t.recovery(BENZODIAZEPINE, 41) / t.recovery(BENZODIAZEPINE, 2 / 24),
    "A13": lambda t: t.recovery(BENZODIAZEPINE, 56),
    "A14": lambda t: t.growth("stress-10d-tianeptine", 0, t.growing) / t.growth("stress-10d", 0, t.growing),
    "A15": lambda t: t.recovery("ketamine-once", 1),
    "A16": lambda t: t.recovery("ketamine-once", 7),
    "A17": lambda t: t.recovery("ketamine-once", 21),
    "O01": lambda t: t.value("healthy", 60),
    "O03": lambda t: t.value("stress-7d", 60),
    "O04": lambda t: t.value("untreated-84d", 0),
    "O05": lambda t: (
        (
            (t.growth("untreated-84d", 0, ["OFC_P > D1"]) > 0.05)
            + (t.growth("untreated-84d", 0, ["ACC_P > D2"]) < -0.05)
        )
        / 2
    ),
    "O06": lambda t: t.growth(STIMULATED, 6, ["OFC_P > D1"]),
    "O07": lambda t: t.growth(STIMULATED, 20, ["OFC_P > D1"]) / t.growth(STIMULATED, 6, ["OFC_P > D1"]),
    "O08": lambda t: t.growth("ofc-stimulation-once", 3, ["OFC_P > D1"]),
    "O09": lambda t: t.recovery(HIGH, 2),
    "O10": lambda t: t.recovery(HIGH, 84),
    "O11": lambda t: t.recovery(HIGH, 14) / t.recovery(HIGH, 84),
    "O12": lambda t: t.recovery(HIGH, 84) / t.recovery(LOW, 84),
    "O13": lambda t: t.recovery("ketamine-once", 1),
    "O14": lambda t: t.recovery("ketamine-once", 7),
}
# Findings with two parts, both of which have to be inside the range.
PAIRS: Mapping[str, Callable[[Typical], Mapping[str, float]]] = {
    "A02": lambda t: dict(zip(("x1.1", "x0.9"), t.knocked, strict=True)),
    "O02": lambda t: dict(zip(("x1.1", "x0.9"), t.knocked, strict=True)),
    "O16": lambda t: {
        name: t.population(HIGH, 84, "activity", name) - t.population(HIGH, 0, "activity", name)
        for name in ("OFC_P", "D1")
    },
}
OF_COHORT: Mapping[str, Callable[[Drawn], float]] = {
    "A18": lambda d: float((d.recovery[np.isfinite(d.stuck)] >= COURSES["anxiety"].response).mean()),
    "A19": lambda d: d.relapse_ratio,
    "O15": lambda d: d.relapse_ratio,
}


def refuse_options() -> NoReturn:
    """InputError for options that are about the findings on depression."""
    raise InputError("--without, --networks and --facts are about the default circuit: leave out --circuit")


def facts_of(circuit: str, ids: Sequence[str]) -> list[Fact]:
    """The findings about a circuit, or those named; InputError for a name that is unknown."""
    try:
        choose(circuit, CIRCUITS, "circuit with findings")
    except ValueError as fault:
        raise InputError(f"--circuit: {fault}") from None
    facts = read_facts(shipped_file(f"{circuit}.csv"), known=None)
    known = {fact.id: fact for fact in facts}
    for name in ids:
        if name not in known:
            raise InputError(unknown("finding", name, known))
    return [fact for fact in facts if not ids or fact.id in ids]


def measure(circuit: str, facts: Sequence[Fact], plan: Plan, watch: Watch) -> tuple[Evidence, Drawn | None]:
    """Measure the fitted findings about a circuit; held-out ones stay unmeasured."""
    fitted = [fact for fact in facts if fact.group == "fitted"]
    drawn = draw_all(circuit, plan, watch) if any(fact.id in OF_COHORT for fact in fitted) else None
    typical = Typical(circuit)
    findings = [Finding(fact, _parts(fact, typical, drawn, plan) if fact in fitted else []) for fact in facts]
    counts = (len(drawn.stuck), int(np.isfinite(drawn.stuck).sum())) if drawn else (0, 0)
    return Evidence(findings, plan, *counts), drawn


def _parts(fact: Fact, typical: Typical, drawn: Drawn | None, plan: Plan) -> list[Part]:
    limits, none = fact.range_of(""), (nan, nan)
    if fact.id in PAIRS:
        return [Part(fact.id, name, value, none, limits) for name, value in PAIRS[fact.id](typical).items()]
    if fact.id in TYPICAL:
        return [Part(fact.id, "", TYPICAL[fact.id](typical), none, limits)]
    assert drawn is not None
    value = OF_COHORT[fact.id](drawn)
    return [Part(fact.id, "", value, _interval(fact.id, drawn, plan), limits)]


def _interval(id: str, drawn: Drawn, plan: Plan) -> tuple[float, float]:
    """95 % bootstrap interval over patients."""
    with np.errstate(all="ignore"):
        samples = [OF_COHORT[id](drawn.picked(rows)) for rows in resamples(id, len(drawn.stuck), plan)]
    low, high = np.nanquantile(samples, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)


def ask(circuit: str, ids: Sequence[str], plan: Plan, watch: Watch) -> Answer:
    """Measure the findings about a circuit: sentences, tables and a figure."""
    from unstuck_analysis.evidence.answer import CAPTION, figure, group_tables, parts_table

    facts = facts_of(circuit, ids)
    evidence, drawn = measure(circuit, facts, plan, watch)
    tables = {name: table for name, table in group_tables(evidence, Ensemble([], {})).items() if table.rows}
    sentences = [*headline(evidence), at_edges(evidence), *check_illness(*circuit_for(circuit))]
    n = f"{evidence.drawn} drawn patients, {evidence.stuck} of them stuck; " if evidence.drawn else ""
    about = About(
        f"scenarios/evidence in the circuit {circuit}",
        f"{n}typical patient: mean-field",
        str(plan.seed),
        inputs_hash(default_parameters(), facts),
    )
    return Answer(
        f"Model and published findings: {circuit}",
        [sentence for sentence in sentences if sentence],
        about,
        {**tables, "findings": parts_table(evidence)},
        {"findings": Shown(figure(evidence), CAPTION, " ".join(headline(evidence)))},
        list(tables),
        _notes(drawn),
        next_step=f"unstuck compare --circuit {circuit}",
    )


def ill_share(drawn: Drawn | None) -> float:
    """Share of healthy patients whom a year of life events made ill (NaN without drawn patients)."""
    return nan if drawn is None else float(np.mean(drawn.healthy_ill))


def _notes(drawn: Drawn | None) -> list[str]:
    """How many healthy patients a year of life events made ill, with a warning if they are many."""
    if drawn is None:
        return []
    share = ill_share(drawn)
    warning = f"; more than {MOST_ILL:.0%} is too many" if share > MOST_ILL else ""
    return [f"A year of life events made {share:.1%} of healthy patients ill{warning}."]
