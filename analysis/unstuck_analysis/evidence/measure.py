"""Measure findings: simulate what they need, compute every part, and compare with the published ranges.

facts -> courses of patients (runs) -> value per part (findings) -> inside its published range or not
"""

import csv
import io
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite, isinf, isnan, nan
from pathlib import Path

import numpy as np
from unstuck.parameters import default_parameters
from unstuck.state import Integers

from unstuck_analysis.evidence.courses import Cohort
from unstuck_analysis.evidence.facts import (
    FIRST,
    GROUPS,
    Fact,
    Group,
    first_measurements,
    read_facts,
    shipped_file,
)
from unstuck_analysis.evidence.findings import (
    CIRCUIT,
    MEASURES,
    OF_COHORT,
    OPEN_ENDED,
    TREATMENTS,
    Recorded,
    unit_of,
)
from unstuck_analysis.evidence.mechanisms import mechanisms
from unstuck_analysis.evidence.runs import Group as PatientGroup
from unstuck_analysis.evidence.runs import groups_of, simulate
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import git_state

PATIENTS, QUICK_PATIENTS, NEURONS = 1_000, 100, 500
PATIENTS_OF_OTHERS, QUICK_OF_OTHERS = 300, 50  # in other circuits than the default one
MOST_ILL = 0.15  # share of healthy patients that a year of life events may make ill before a warning
BOOTSTRAP = 200  # samples of patients behind an interval
EDGE = 0.1  # a value nearer to an end of its range than this share of the width is at the edge
NOT_FROZEN = "not measured yet: the parameters are not frozen"
COUNTED: dict[Group, str] = {
    "held-out": "held-out findings",
    "fitted": "fitted findings",
    "seen": "findings that were seen in generation 1 and not fitted",
}


def patients_of(circuit: str, *, quick: bool = False) -> int:
    """How many patients are drawn for findings on cohorts, unless a number is given."""
    if circuit == "default":
        return QUICK_PATIENTS if quick else PATIENTS
    return QUICK_OF_OTHERS if quick else PATIENTS_OF_OTHERS


Watch = Callable[[str, int], AbstractContextManager[Callable[[object], None]]]


def unwatched(what: str, total: int) -> AbstractContextManager[Callable[[object], None]]:
    """No progress bar."""
    return nullcontext(lambda done: None)


@dataclass(frozen=True)
class Part:
    """One number of a finding: value, 95 % interval over patients (NaN without one), and published range."""

    id: str
    name: str
    value: float
    interval: tuple[float, float]
    range: tuple[float, float]

    @property
    def inside(self) -> bool | None:
        """Whether the value is inside the published range (None: there is no value)."""
        low, high = self.range
        if isnan(self.value):
            return None
        if (self.id, self.name) in OPEN_ENDED:
            return low < self.value < high
        return low <= self.value <= high

    @property
    def edge(self) -> str:
        """Which end of its range a value is close to, inside it: "lower", "upper" or neither."""
        low, high = self.range
        if not self.inside or not isfinite(high - low):
            return ""
        near = EDGE * (high - low)
        return "lower" if self.value - low < near else "upper" if high - self.value < near else ""

    @property
    def unit(self) -> str:
        """Unit of the value; empty for shares, ratios and recovery."""
        return unit_of(self.id, self.name)


@dataclass(frozen=True)
class Finding:
    """One published finding as measured; no parts where it is not measured yet."""

    fact: Fact
    parts: Sequence[Part]

    @property
    def reproduced(self) -> bool | None:
        """Whether every part is inside its range (None: not measured, or a part has no value)."""
        inside = [part.inside for part in self.parts]
        if False in inside:
            return False
        return None if None in inside or not inside else True


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    circuit: whose findings are measured; patients: drawn for cohort findings; networks: of the typical
    patient, 0 for the mean-field; folder: where courses are stored; without: a mechanism that is switched
    off; values: changed parameters; samples: of patients, for an interval (bootstrap).
    """

    patients: int = PATIENTS
    networks: int = 0
    seed: int = 1
    workers: int = 1
    folder: Path | None = None
    without: str = ""
    values: tuple[tuple[str, float], ...] = ()
    samples: int = BOOTSTRAP
    circuit: str = "default"


@dataclass(frozen=True)
class Evidence:
    """All findings that were asked for, and the number of patients drawn and stuck (0: no cohort finding).

    healthy_ill: share of drawn patients whom a year of life events made ill (NaN if it was not simulated).
    """

    findings: Sequence[Finding]
    plan: Plan
    drawn: int = 0
    stuck: int = 0
    healthy_ill: float = nan

    def of(self, group: Group) -> list[Finding]:
        """The findings of one group."""
        return [finding for finding in self.findings if finding.fact.group == group]


def measure(facts: Sequence[Fact], plan: Plan, watch: Watch, *, held_out: bool = False) -> Evidence:
    """Measure findings. Held-out ones only if asked for, or if their first measurement is recorded."""
    looked_at = {id for id, _ in first_measurements(2)}
    chosen = [f for f in facts if f.group != "held-out" or held_out or f.id in looked_at]
    data = {
        circuit: _recorded([f for f in chosen if CIRCUIT[f.id] == circuit], plan, watch)
        for circuit in dict.fromkeys([plan.circuit, *(CIRCUIT[fact.id] for fact in chosen)])
    }
    findings = [
        Finding(fact, _parts(fact, data[CIRCUIT[fact.id]], plan) if fact in chosen else []) for fact in facts
    ]
    own = data[plan.circuit]
    return Evidence(findings, plan, own.everyone.size, own.stuck.size, own.healthy_ill)


def _recorded(facts: Sequence[Fact], plan: Plan, watch: Watch) -> Recorded:
    """Simulate what findings need: the typical patient, and drawn patients where one is about a cohort."""
    circuit = CIRCUIT[facts[0].id] if facts else plan.circuit
    values = (*plan.values, *(mechanisms()[plan.without].values.items() if plan.without else ()))
    neurons = NEURONS if plan.networks else 0

    def patients(number: int, drawn: bool, neurons: int) -> Cohort:
        """Courses of drawn or typical patients under the treatments that their findings need."""
        needed = {name for f in facts if (f.id in OF_COHORT) == drawn for name in TREATMENTS[f.id]}
        if not needed:
            return Cohort({}, {}, np.arange(0))
        group = PatientGroup(
            [], tuple(sorted(needed)), plan.seed, drawn, neurons, values, plan.folder, circuit
        )
        groups = groups_of(number, group)
        what = "groups of drawn patients" if drawn else "typical patients"
        with watch(what + (f" without {plan.without}" if plan.without else ""), len(groups)) as on_done:
            return simulate(groups, plan.workers, on_done)

    everyone = patients(plan.patients, True, 0)
    return Recorded.of(patients(max(1, plan.networks), False, neurons), everyone, circuit)


def _parts(fact: Fact, data: Recorded, plan: Plan) -> list[Part]:
    values = part_values(fact.id, data)
    low, high = _interval(fact, data, plan, list(values))
    return [
        Part(fact.id, name, value, (low[name], high[name]), fact.range_of(name))
        for name, value in values.items()
    ]


def part_values(id: str, data: Recorded) -> dict[str, float]:
    """The value of every part of a finding; NaN where no patient has the course that it is read from."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # means and medians of no patients
        return dict(MEASURES[id](data))


def _interval(
    fact: Fact, data: Recorded, plan: Plan, names: Sequence[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """95 % interval of every part over patients; NaN for findings about the typical patient."""
    if fact.id not in OF_COHORT:
        return dict.fromkeys(names, nan), dict.fromkeys(names, nan)

    samples = np.empty((plan.samples, len(names)))
    for sample, rows in zip(samples, resamples(fact.id, data.everyone.size, plan), strict=True):
        picked = data.everyone.picked(rows)
        sample[:] = list(part_values(fact.id, Recorded.of(data.typical, picked, data.circuit)).values())
    low, high = np.quantile(samples, [0.025, 0.975], axis=0, method="inverted_cdf")
    return dict(zip(names, map(float, low), strict=True)), dict(zip(names, map(float, high), strict=True))


def resamples(id: str, size: int, plan: Plan) -> Iterator[Integers]:
    """Rows of the patients of every bootstrap sample of so many patients; each finding has its own stream."""
    rng = np.random.default_rng(np.random.SeedSequence([plan.seed, *id.encode()]))
    return (rng.integers(size, size=size) for _ in range(plan.samples))


def headline(evidence: Evidence) -> list[str]:
    """One sentence per group of findings that were asked for."""
    counts = {group: Counter(f.reproduced for f in evidence.of(group)) for group in GROUPS}
    said: list[str] = []
    for group, nouns in COUNTED.items():
        findings, found = evidence.of(group), counts[group]
        if not findings:
            continue
        if not any(finding.parts for finding in findings):
            said.append(f"{len(findings)} {nouns} are {NOT_FROZEN}.")
        else:
            text = f"{found[True]} of {len(findings)} {nouns} are reproduced"
            missed = [finding.fact.id for finding in findings if finding.reproduced is False]
            said.append(text + (f"; not reproduced: {', '.join(missed)}." if missed else "."))
    if unknown := [f.fact.id for f in evidence.findings if f.parts and f.reproduced is None]:
        said.append(f"Without a value, because no patient has the course: {', '.join(unknown)}.")
    if predicted := evidence.of("prediction"):
        ids = ", ".join(finding.fact.id for finding in predicted)
        said.append(f"{ids} is a prediction of the model and is not counted.")
    return said


def at_edges(evidence: Evidence) -> str:
    """A sentence about the values that lie close to an end of their range."""
    parts = [part for finding in evidence.findings for part in finding.parts if part.edge]
    named = [f"{part.id}{f' {part.name}' if part.name else ''} ({part.edge} end)" for part in parts]
    return f"Inside the range, but within a tenth of an end: {', '.join(named)}." if named else ""


def healthy_year(evidence: Evidence) -> str:
    """How many healthy patients a year of life events made ill, with a warning if they are many."""
    share = evidence.healthy_ill
    warning = f"; more than {MOST_ILL:.0%} is too many" if share > MOST_ILL else ""
    return "" if isnan(share) else f"A year of life events made {share:.1%} of healthy patients ill{warning}."


def lost_without(intact: Evidence, without: Evidence) -> tuple[list[str], list[str]]:
    """Findings that are no longer reproduced without a mechanism, and those that have no value any more."""
    pairs = [(a, b) for a, b in zip(intact.findings, without.findings, strict=True) if a.reproduced]
    lost = [after.fact.id for _, after in pairs if after.reproduced is False]
    return lost, [after.fact.id for _, after in pairs if after.reproduced is None]


def free_parameters() -> str:
    """How many parameters were fitted to how many findings."""
    findings = sum(fact.group == "fitted" for fact in read_facts())
    records = default_parameters().records.values()
    fitted = sum(record.origin == "fitted" for record in records)
    return f"{fitted} of {len(records)} parameters were fitted, to {findings} published findings."


def record_first_measurements(evidence: Evidence, path: Path | None = None) -> list[str]:
    """Append held-out findings that were never measured before to the file; returns their ids."""
    path = path or shipped_file(FIRST[2])
    known = {id for id, _ in first_measurements(2, path)}
    new = [f for f in evidence.of("held-out") if f.parts and f.fact.id not in known]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    date, commit = datetime.now(UTC).date().isoformat(), git_state()
    counts = (evidence.drawn, evidence.stuck, evidence.plan.seed)
    for part in (part for finding in new for part in finding.parts):
        writer.writerow([part.id, part.name, part.value, *part.interval, date, commit, *counts])
    write_whole(path, path.read_bytes() + text.getvalue().encode())
    return [finding.fact.id for finding in new]


def number(value: float) -> str:
    """A value for people: three digits; a median that is not reached is said so."""
    return "not reached" if isinf(value) else "no value" if isnan(value) else f"{value:.3g}"


def range_text(part: Part) -> str:
    """The published range in words."""
    low, high = part.range
    strict = (part.id, part.name) in OPEN_ENDED
    if isinf(low):
        return f"{'below' if strict else 'at most'} {high:g}"
    if isinf(high):
        return f"{'above' if strict else 'at least'} {low:g}"
    return f"{low:g} to {high:g}"
