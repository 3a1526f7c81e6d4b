"""The ensemble: parameter sets that reproduce every fitted finding, drawn from the ranges of the parameters.

ensemble.csv has one row per set that was tried, whatever the outcome; ensemble-readings.csv has the value of
every finding in the accepted sets. `sampling.py` makes both. The spread of a value over the sets shows what
the fitted findings leave open, which one set cannot show.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
from unstuck.parameters import Parameter, default_parameters

from unstuck_analysis.evidence.courses import Floats
from unstuck_analysis.evidence.facts import Fact, shipped_file
from unstuck_analysis.evidence.measure import Evidence, Part

SETS, READINGS = "ensemble.csv", "ensemble-readings.csv"
WANTED = 64  # accepted sets
PATIENTS, CHECKED = 250, 1_000  # in which findings on cohorts must be reproduced; of the later check
OPEN = 0.1  # sets that reach this outer share of the prior along a direction: open at that end
STIFFEST, NAMED = 5, 3  # directions that are described, and parameters that are named in each
ENOUGH = 20  # sets for a statement about their correlation
Outcome = Literal["training", "accepted", "rejected", "failed"]
Key = tuple[int, int, int]  # chain, iteration, patients
Readings = Mapping[tuple[str, str], float]  # value by finding and part


@dataclass(frozen=True)
class Tried:
    """One set that reproduces the findings on the typical patient, and the outcome of its test in cohorts.

    outcome: `training` if it was measured in few patients only (the regression learns from it), `failed` if
    a simulation stopped. reason: the findings outside their ranges, or the message. patients: of the last
    test. screened, screen_failed: sets tried on the typical patient to find this one, and failures there.
    """

    chain: int
    iteration: int
    outcome: Outcome
    reason: str
    patients: int
    screened: int
    screen_failed: int
    model: str
    values: Mapping[str, float]


COLUMNS = tuple(field.name for field in fields(Tried) if field.name != "values")
NUMBERS = ("chain", "iteration", "patients", "screened", "screen_failed")


def fitted_parameters() -> list[Parameter]:
    """The parameters that differ between sets."""
    return [record for record in default_parameters().records.values() if record.origin == "fitted"]


def values_at(place: Floats) -> dict[str, float]:
    """Values of the fitted parameters at a place (parameters,) of the prior: 0 is the low end, 1 the high.

    Shares are uniform between the ends, all others log-uniform.
    """
    low, high, uniform = _prior()
    values = np.where(uniform, low + place * (high - low), low * (high / low) ** place)
    return dict(zip((record.symbol for record in fitted_parameters()), values.tolist(), strict=True))


def place_of(values: Mapping[str, float]) -> Floats:
    """The place (parameters,) of values in the prior; inverse of `values_at`."""
    low, high, uniform = _prior()
    value = np.array([values[record.symbol] for record in fitted_parameters()])
    return np.where(uniform, (value - low) / (high - low), np.log(value / low) / np.log(high / low))


def _prior() -> tuple[Floats, Floats, Floats]:
    records = fitted_parameters()
    low, high = (np.array([getattr(record, end) for record in records]) for end in ("low", "high"))
    return low, high, np.array([record.kind == "share" for record in records])


def read_tried(path: Path) -> list[Tried]:
    """Every set that was tried, in the order of the trials; none if there is no file yet."""
    if not path.exists():
        return []
    tried: list[Tried] = []
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            cells: dict[str, Any] = {name: row.pop(name) for name in COLUMNS}
            cells |= {name: int(cells[name]) for name in NUMBERS}
            tried.append(Tried(**cells, values={symbol: float(value) for symbol, value in row.items()}))
    return tried


def append_tried(path: Path, sets: Sequence[Tried]) -> None:
    """Append sets to the table, which begins with its header."""
    symbols = [record.symbol for record in fitted_parameters()]
    rows = [
        [*(getattr(each, name) for name in COLUMNS), *(each.values[symbol] for symbol in symbols)]
        for each in sets
    ]
    _append(path, [*COLUMNS, *symbols], rows)


def read_readings(path: Path) -> dict[Key, dict[tuple[str, str], float]]:
    """Values by finding and part, of each set and number of patients; none if there is no file yet."""
    found: dict[Key, dict[tuple[str, str], float]] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                key = int(row["chain"]), int(row["iteration"]), int(row["patients"])
                found.setdefault(key, {})[row["id"], row["part"]] = float(row["value"])
    return found


def append_readings(path: Path, key: Key, evidence: Evidence) -> None:
    """Append what was measured in one set."""
    parts = [part for finding in evidence.findings for part in finding.parts]
    rows = [[*key, part.id, part.name, f"{part.value:.6g}"] for part in parts]
    _append(path, ["chain", "iteration", "patients", "id", "part", "value"], rows)


def _append(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([*([] if path.exists() else [header]), *rows])
    with path.open("a", encoding="utf-8") as file:  # one write: several chains may share the file
        file.write(text.getvalue())


@dataclass(frozen=True)
class Ensemble:
    """All tried sets, and the readings of the accepted ones."""

    tried: Sequence[Tried]
    readings: Mapping[Key, Readings]

    @classmethod
    def shipped(cls) -> "Ensemble":
        """The sets that come with the program."""
        return cls(read_tried(shipped_file(SETS)), read_readings(shipped_file(READINGS)))

    @cached_property
    def accepted(self) -> list[Tried]:
        """The sets that reproduce every fitted finding."""
        return [each for each in self.tried if each.outcome == "accepted"]

    def of_sets(self, patients: int) -> list[Readings]:
        """Readings of the accepted sets that were measured in so many patients."""
        keys = ((each.chain, each.iteration, patients) for each in self.accepted)
        return [self.readings[key] for key in keys if key in self.readings]

    def reproduced(self, fact: Fact, patients: int = PATIENTS) -> tuple[int, int]:
        """In how many sets every part of a finding is inside its range, and in how many it was measured."""
        verdicts = [
            all(_inside(fact, name, value) for (id, name), value in readings.items() if id == fact.id)
            for readings in self.of_sets(patients)
            if any(id == fact.id for id, _ in readings)
        ]
        return sum(verdicts), len(verdicts)

    def interval(self, id: str, part: str) -> tuple[float, float] | None:
        """Range of a part over the central 95 % of the sets; None if it was not measured in any."""
        values = [row[id, part] for row in self.of_sets(PATIENTS) if (id, part) in row]
        if not values:
            return None
        low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
        return float(low), float(high)


def _inside(fact: Fact, part: str, value: float) -> bool:
    return Part(fact.id, part, value, (value, value), fact.range_of(part)).inside is True


def summary(ensemble: Ensemble, facts: Sequence[Fact]) -> str:
    """How many sets were asked for, tried, failed, found and checked."""
    counts = Counter(each.outcome for each in ensemble.tried)
    tested = sum(counts.values()) - counts["training"]
    screened = sum(each.screened for each in ensemble.tried)
    failed = sum(each.screen_failed for each in ensemble.tried)
    fitted = [fact for fact in facts if fact.group == "fitted"]
    verdicts = [
        all(_inside(fact, part, row[fact.id, part]) for fact in fitted for id, part in row if id == fact.id)
        for row in ensemble.of_sets(CHECKED)
    ]
    return (
        f"Parameter sets that reproduce every fitted finding: {counts['accepted']} found, {WANTED} wanted."
        f" {screened} sets were tried on the typical patient ({failed} failed runs)."
        f" {tested} were tested in up to {PATIENTS} patients: {counts['accepted']} accepted,"
        f" {counts['rejected']} rejected, {counts['failed']} failed."
        f" Accepted sets checked in {CHECKED} patients: {len(verdicts)}, of which {sum(verdicts)} reproduce"
        " every fitted finding there."
    )


def independent(ensemble: Ensemble) -> str:
    """As how many independent sets the accepted ones count, from the correlation of successive sets.

    Sets whose correlation at distance k is r**k count as (1 - r) / (1 + r) independent sets each.
    """
    sets = ensemble.accepted
    if len(sets) < ENOUGH:
        return "There are too few sets to say how similar."
    places = np.array([place_of(each.values) for each in sets])
    centred = places - places.mean(axis=0)
    chains = np.array([each.chain for each in sets])
    pairs = [
        (one, other) for chain in set(chains) for one, other in pairwise(np.flatnonzero(chains == chain))
    ]
    products = np.mean([centred[one] * centred[other] for one, other in pairs], axis=0)
    correlation = np.clip(products / centred.var(axis=0), 0.0, 0.99)
    numbers = np.maximum(1.0, len(sets) * (1.0 - correlation) / (1.0 + correlation))
    least, middle, most = np.quantile(numbers, [0.0, 0.5, 1.0])
    return (
        f"By the correlation of successive sets, the {len(sets)} sets count as {least:.0f} to {most:.0f}"
        f" independent sets, depending on the parameter (median {middle:.0f})."
    )


def constrained(ensemble: Ensemble) -> tuple[str, list[str]]:
    """The directions that the findings constrain most, and what they come from.

    Too few accepted sets have no covariance; then the sets that reproduce the findings on the typical patient
    are used, which are more.
    """
    enough = 2 * len(fitted_parameters())
    sets, source = ensemble.accepted, "accepted sets"
    if len(sets) < enough:
        sets, source = ensemble.tried, "sets that reproduce the fitted findings on the typical patient"
    places = np.array([place_of(each.values) for each in sets])
    text = f"They come from {len(sets)} {source}"
    if sets is ensemble.tried:
        text += f", because there are too few accepted sets ({len(ensemble.accepted)})"
        text += ". These sets are steps of chains, so true spreads are larger"
    return f"{text}.", profiles(places) if len(sets) >= enough else []


def profiles(places: Floats) -> list[str]:
    """The directions in which sets at places (sets, parameters) of the prior spread least, in words.

    The directions are eigenvectors of the covariance; the prior has the variance 1/12 in every direction.
    """
    variances, directions = np.linalg.eigh(np.cov(places.T))
    return [
        f"{_named(direction)}: {_ends(places, direction)};"
        f" the sets spread over {100 * np.sqrt(12 * max(0.0, variance)):.0f} % of the prior"
        for variance, direction in zip(variances[:STIFFEST], directions.T[:STIFFEST], strict=True)
    ]


def _named(direction: Floats) -> str:
    """The parameters with the largest shares in a direction, the largest positive."""
    symbols = [record.symbol for record in fitted_parameters()]
    largest = np.argsort(-np.abs(direction))[:NAMED]
    signed = direction * np.sign(direction[largest[0]])
    return " ".join(f"{signed[place]:+.2f} {symbols[place]}" for place in largest)


def _ends(places: Floats, direction: Floats) -> str:
    """Whether sets stay away from the outer tenths of the prior along a direction."""
    prior = np.random.default_rng(1).uniform(size=(4_000, places.shape[1])) @ direction
    low, high = np.quantile(prior, [OPEN, 1.0 - OPEN])
    lower, upper = np.quantile(places @ direction, [OPEN / 2, 1.0 - OPEN / 2])
    open_ends = int(lower < low) + int(upper > high)
    return ("bounded on both sides", "open on one side", "flat")[open_ends]


def chord(place: Floats, direction: Floats) -> tuple[float, float]:
    """How far one can go from a place against and along a direction without leaving the prior."""
    moving = direction != 0.0
    ends = np.sort([(end - place[moving]) / direction[moving] for end in (0.0, 1.0)], axis=0)
    return float(ends[0].max()), float(ends[1].min())
