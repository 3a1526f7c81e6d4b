"""From the numbers of all runs to verdicts: what was measured for every row, and whether it lies in its band.

A row passes if all its parts lie in their bands. Its value is that of the worst part among those that use the
row's own band (of all parts, where the row has none). A number that does not exist makes the row n/a.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import inf, isfinite, isnan, nan
from pathlib import Path

import numpy as np

from unstuck_analysis.evidence.arms import Plan, Subject, plan_cohort, plan_typical
from unstuck_analysis.evidence.facts import CohortPart, Fact, Part, shipped_file
from unstuck_analysis.evidence.mechanisms import rows_revised
from unstuck_analysis.evidence.runs import Job, Results, run_all
from unstuck_analysis.evidence.statistics import Cohort, measure

NETWORKS, NEURONS, PATIENTS, SEED = 16, 500, 160, 1


@dataclass(frozen=True)
class Measured:
    """One part of a row as measured, with its band and an interval (over networks, or 95 % over patients)."""

    name: str
    value: float
    interval: tuple[float, float]
    low: float
    high: float
    exclusive: bool = False

    @property
    def passed(self) -> bool | None:
        """Whether the value lies in its band (None: there is no value)."""
        if isnan(self.value):
            return None
        if self.exclusive:
            return self.low < self.value < self.high
        return self.low <= self.value <= self.high

    @property
    def margin(self) -> float:
        """Distance to the nearer end of the band, in widths of the band; negative outside."""
        if isnan(self.value):
            return -inf
        return min(self.value - self.low, self.high - self.value) / self.width

    @property
    def width(self) -> float:
        """Width of the band; where it is open, the size of its end."""
        if isfinite(self.high - self.low):
            return self.high - self.low or 1.0
        return abs(self.high if isfinite(self.high) else self.low) or 1.0


@dataclass(frozen=True)
class Finding:
    """One row with all that was measured for it."""

    fact: Fact
    parts: Sequence[Measured]
    first_look: bool | None
    revised: bool = False  # whether a mechanism was added for it, and is on

    @property
    def worst(self) -> Measured:
        """The part that stands for the row."""
        own = [m for m, part in zip(self.parts, self.fact.parts, strict=True) if part.has_no_band]
        return min(own or self.parts, key=lambda part: part.margin)

    @property
    def passed(self) -> bool | None:
        """Whether all parts hold; None if one could not be evaluated and no other fails."""
        verdicts = [part.passed for part in self.parts]
        return False if False in verdicts else None if None in verdicts else True

    @property
    def verdict(self) -> str:
        """The verdict in words; a test row that failed at the first look never counts as a pass again.

        It is `revised` if it passes with a mechanism that was added for it; else it passes only `here`.
        """
        if self.passed and self.fact.role == "test" and self.first_look is False:
            return "revised" if self.revised else "pass here"
        return {True: "pass", False: "miss", None: "n/a"}[self.passed]


@dataclass(frozen=True)
class Evidence:
    """All findings of one run."""

    findings: Sequence[Finding]
    drawn: int  # patients of the cohort, 0 if there was none
    stuck: int
    networks: int  # 0 for the mean-field
    seed: int
    arms: int  # runs behind the findings
    not_finite: int  # runs with a recovery index that is not a finite number

    def count(self, role: str) -> tuple[int, int]:
        """Rows of a role that pass, and rows of it in all."""
        rows = [finding for finding in self.findings if finding.fact.role == role]
        return sum(finding.verdict == "pass" for finding in rows), len(rows)


def measure_all(
    facts: Sequence[Fact],
    *,
    quick: bool = False,
    patients: int | None = None,
    seed: int = SEED,
    workers: int = 1,
    folder: Path | None = None,
    without: str = "",
    progress: Callable[[int], AbstractContextManager[Callable[[Subject], None]]] = lambda total: nullcontext(
        lambda subject: None
    ),
) -> Evidence:
    """Measure rows: typical ones in the mean-field (quick) or in 16 networks, cohort rows in varied patients.

    A quick measurement leaves cohort rows out unless patients are asked for (then of the mean-field).
    """
    neurons, networks = (0, 1) if quick else (NEURONS, NETWORKS)
    drawn = (0 if quick else PATIENTS) if patients is None else patients
    typical = [Subject(seed, index, neurons, varied=False) for index in range(networks)]
    varied = [Subject(seed, index, neurons, varied=True) for index in range(drawn)]
    jobs = _jobs(varied, plan_cohort(facts), without) + _jobs(typical, plan_typical(facts), without)
    with progress(len(jobs)) as on_done:
        results = run_all(jobs, folder, workers, on_done)
    of_typical = {subject: arms for subject, arms in results.items() if not subject.varied}
    cohort = Cohort({subject: arms for subject, arms in results.items() if subject.varied})
    looks, revised = first_looks(), rows_revised(without)
    findings = [
        Finding(fact, _measured(fact, of_typical, cohort, seed), looks.get(fact.id), fact.id in revised)
        for fact in facts
    ]
    records = [record for arms in results.values() for record in arms.values()]
    broken = sum(not np.isfinite(record.recovery[1:]).all() for record in records)
    networks = 0 if quick else len(of_typical)
    return Evidence(findings, cohort.drawn, cohort.stuck, networks, seed, len(records), broken)


def _jobs(subjects: Sequence[Subject], plan: Plan, without: str) -> list[Job]:
    return [Job(subject, plan, without) for subject in subjects] if plan.parts else []


def _measured(fact: Fact, typical: Results, cohort: Cohort, seed: int) -> list[Measured]:
    measured: list[Measured] = []
    for number, part in enumerate(fact.parts):
        if isinstance(part, CohortPart):
            value, *interval = measure(cohort, part, seed)
        else:
            value, *interval = _over_networks(typical, f"{fact.id}.{number}")
        measured.append(
            Measured(part.name, value, (interval[0], interval[1]), *fact.band(part), part.exclusive)
        )
    return measured


def _over_networks(typical: Results, key: str) -> tuple[float, float, float]:
    """Median and range of a number over the typical patients, of those that have it."""
    records = [record for arms in typical.values() for record in arms.values()]
    values = [record.numbers[key] for record in records if key in record.numbers]
    known = [value for value in values if not isnan(value)]
    if not known:
        return nan, nan, nan
    return float(np.median(known)), min(known), max(known)


def first_looks() -> dict[str, bool | None]:
    """Whether each test row passed when it was measured for the first time, with everything frozen."""
    path = shipped_file("first_look.csv")
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        words = {row["id"]: row["pass"] for row in csv.DictReader(file)}
    return {row: {"true": True, "false": False}.get(word) for row, word in words.items()}


def first_look_values() -> dict[tuple[str, str], float]:
    """What every part of a test row (row, part) was at the first look."""
    with shipped_file("first_look.csv").open(encoding="utf-8", newline="") as file:
        return {(row["id"], row["part"]): float(row["value"]) for row in csv.DictReader(file)}


def as_object(evidence: Evidence, without: Mapping[str, Evidence] | None = None) -> dict[str, object]:
    """The rows as `--json` prints them; numbers that do not exist are null."""
    found: dict[str, object] = {"rows": [_row(finding) for finding in evidence.findings]}
    if without:
        found["without"] = {name: [_row(finding) for finding in e.findings] for name, e in without.items()}
    return found


def _row(finding: Finding) -> dict[str, object]:
    parts = [
        {
            "name": part.name or finding.fact.metric,
            "value": number(part.value),
            "low": number(part.low),
            "high": number(part.high),
            "pass": part.passed,
        }
        for part in finding.parts
    ]
    return {
        "id": finding.fact.id,
        "role": finding.fact.role,
        "pass": finding.passed,
        "first_look": finding.first_look,
        "value": number(finding.worst.value),
        "low": finding.fact.low,
        "high": finding.fact.high,
        "parts": parts,
    }


def number(value: float) -> float | None:
    """A float, or None for what JSON cannot say."""
    return float(value) if isfinite(value) else None


def csv_rows(evidence: Evidence) -> list[dict[str, object]]:
    """One line a part, with all that a reader needs to judge it."""
    rows: list[dict[str, object]] = []
    for finding in evidence.findings:
        fact = finding.fact
        for part, protocol in zip(finding.parts, fact.parts, strict=True):
            rows.append(
                {
                    "id": fact.id,
                    "part": part.name,
                    "role": fact.role,
                    "grade": fact.grade,
                    "statement": fact.statement,
                    "scenario": _scenarios(protocol),
                    "metric": fact.metric,
                    "value": part.value,
                    "interval_low": part.interval[0],
                    "interval_high": part.interval[1],
                    "low": number(part.low),
                    "high": number(part.high),
                    "part_passes": _word(part.passed),
                    "row": finding.verdict,
                    "first_look": _word(finding.first_look) if fact.role == "test" else "",
                    "source": fact.source,
                }
            )
    return rows


def _scenarios(part: Part) -> str:
    against = part.against if isinstance(part, CohortPart) else ""
    return f"{part.scenario} against {against}" if against else part.scenario


def _word(passed: bool | None) -> str:
    return {True: "pass", False: "miss", None: "n/a"}[passed]
