"""How much the findings vary over parameter sets that fit as well: what the fitted rows leave open.

The sets come from `python -m unstuck_analysis.evidence.fit`, which saw rows of role fit only. Findings are
measured in the mean-field.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan
from pathlib import Path

import numpy as np
from unstuck.files.yaml import InputError
from unstuck.parameters import default_parameters

from unstuck_analysis.evidence.arms import Subject, plan_typical, run_subject
from unstuck_analysis.evidence.facts import Fact, shipped_file
from unstuck_analysis.evidence.findings import Measured

SHIPPED = "ensemble.json"


@dataclass(frozen=True)
class Spread:
    """One number of a finding over an ensemble: smallest, median, largest, and the share inside the band."""

    row: str
    role: str
    name: str
    smallest: float
    median: float
    largest: float
    inside: float


def read_ensemble(path: Path | None = None) -> list[dict[str, float]]:
    """Parameter sets by symbol (none if no ensemble is shipped); InputError for another file."""
    if path is None and not shipped_file(SHIPPED).exists():
        return []
    path = path or shipped_file(SHIPPED)
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        return [{str(symbol): float(value) for symbol, value in member.items()} for member in members]
    except (OSError, ValueError, TypeError, AttributeError) as fault:
        raise InputError(f"{path}: not an ensemble of parameter sets: {fault}") from None


def spreads(facts: Sequence[Fact], members: Sequence[Mapping[str, float]], seed: int = 1) -> list[Spread]:
    """Every typical row over all members, in the mean-field."""
    plan, subject = plan_typical(facts), Subject(seed, 0, 0, varied=False)
    numbers: list[dict[str, float]] = []
    for member in members:
        records = run_subject(subject, plan, default_parameters().with_values(**member))
        numbers.append({key: value for record in records.values() for key, value in record.numbers.items()})
    return [
        _spread(fact, position, [found[f"{fact.id}.{position}"] for found in numbers])
        for fact in facts
        if not fact.of_cohort
        for position in range(len(fact.parts))
    ]


def _spread(fact: Fact, position: int, values: Sequence[float]) -> Spread:
    part = fact.parts[position]
    band = fact.band(part)
    inside = [Measured("", value, (nan, nan), *band, part.exclusive).passed is True for value in values]
    known = [value for value in values if not isnan(value)] or [nan]
    ends = (min(known), float(np.median(known)), max(known))
    return Spread(fact.id, fact.role, part.name, *ends, float(np.mean(inside)))
