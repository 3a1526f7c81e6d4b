"""What is said about the ensemble: counts of sets, ranges over sets, and constrained directions."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import nan

import numpy as np
import pytest
from unstuck.parameters import default_parameters
from unstuck_analysis.evidence.answer import group_tables
from unstuck_analysis.evidence.ensemble import (
    Ensemble,
    Outcome,
    Tried,
    fitted_parameters,
    independent,
    profiles,
    summary,
    values_at,
)
from unstuck_analysis.evidence.facts import Fact, read_facts
from unstuck_analysis.evidence.measure import Evidence, Finding, Part, Plan

FACTS = {fact.id: fact for fact in read_facts()}
SYMBOLS = [record.symbol for record in fitted_parameters()]


def ensemble(outcomes: Sequence[Outcome], readings: Sequence[Mapping[tuple[str, str], float]]) -> Ensemble:
    """Sets with these outcomes, and the readings in 250 patients of the first ones."""
    tried = [
        Tried(0, k, outcome, "", 250, 3, 1, "", default_parameters()) for k, outcome in enumerate(outcomes)
    ]
    return Ensemble(tried, {(0, k, 250): row for k, row in enumerate(readings)})


def test_a_finding_is_counted_in_the_sets_in_which_all_its_parts_are_inside() -> None:
    rows = [
        {("F34", "all cells"): 0.1, ("F34", "interneurons"): 0.1},
        {("F34", "all cells"): 0.1, ("F34", "interneurons"): 0.3},
        {("F18", ""): nan},
    ]
    sets = ensemble(["accepted", "accepted", "accepted", "rejected"], rows)
    assert sets.reproduced(FACTS["F34"]) == (1, 2)
    assert sets.reproduced(FACTS["F18"]) == (0, 1)
    assert sets.reproduced(FACTS["U04"]) == (0, 0)
    assert sets.interval("F34", "interneurons") == (0.1, 0.3)
    assert sets.interval("U04", "") is None


def test_the_tables_show_sets_next_to_the_published_range_and_nothing_for_an_empty_ensemble() -> None:
    def row(fact: Fact, sets: Ensemble) -> list[object]:
        part = Part(fact.id, "", 0.5, (nan, nan), fact.range_of(""))
        tables = group_tables(Evidence([Finding(fact, [part])], Plan()), sets)
        return list(tables["fitted-findings"].rows[0])

    fact = FACTS["F18"]
    sets = ensemble(["accepted", "accepted"], [{("F18", ""): 0.45}, {("F18", ""): 0.6}])
    assert row(fact, sets) == ["F18", "yes", "0.5", "0.4 to 0.75", "2 of 2", "0.45 to 0.6", fact.statement]
    assert row(fact, Ensemble([], {})) == ["F18", "yes", "0.5", "0.4 to 0.75", fact.statement]


def test_the_summary_counts_sets_that_were_rejected_and_sets_that_failed() -> None:
    sets = ensemble(["training", "accepted", "rejected", "failed"], [])
    sets = Ensemble(sets.tried, {(0, 1, 1_000): {("F18", ""): 0.9}})
    said = summary(sets, list(FACTS.values()))
    assert said.startswith("Parameter sets that reproduce every fitted finding: 1 found, 64 wanted.")
    assert "12 sets were tried on the typical patient (4 failed runs)." in said
    assert "3 were tested in up to 250 patients: 1 accepted, 1 rejected, 1 failed." in said
    assert "sets checked in 1000 patients: 1, of which 0 reproduce every fitted finding there." in said


def test_successive_sets_that_are_similar_count_as_fewer_independent_sets() -> None:
    rng = np.random.default_rng(1)
    places = rng.uniform(0.3, 0.7, size=(400, len(SYMBOLS)))
    for before, now in pairwise(places):
        now[0] = 0.5 + 0.8 * (before[0] - 0.5) + 0.1 * rng.standard_normal()
    tried = [
        Tried(k // 200, k % 200, "accepted", "", 250, 3, 1, "", values_at(place))
        for k, place in enumerate(places)
    ]
    said = independent(Ensemble(tried, {}))
    least, most = map(int, re.findall(r"count as (\d+) to (\d+) independent sets", said)[0])
    assert least == pytest.approx(400 * (1 - 0.8) / (1 + 0.8), rel=0.4)
    assert 330 < most <= 400
    assert independent(Ensemble(tried[:5], {})) == "There are too few sets to say how similar."


def test_directions_are_bounded_open_on_one_side_or_flat() -> None:
    rng = np.random.default_rng(1)
    places = rng.uniform(size=(2_000, len(SYMBOLS)))
    places[:, 0] = 0.5 + 0.01 * rng.uniform(-1, 1, 2_000)  # bounded
    places[:, 1] = 0.05 * rng.uniform(size=2_000)  # open at the lower end
    first, second, third, *_ = profiles(places)
    assert first.startswith(f"+1.00 {SYMBOLS[0]} ")
    assert "bounded on both sides; the sets spread over 2 %" in first
    assert second.startswith(f"+1.00 {SYMBOLS[1]} ")
    assert "open on one side; the sets spread over 5 %" in second
    assert "flat" in third


def test_a_direction_of_two_parameters_is_named_by_both() -> None:
    rng = np.random.default_rng(1)
    places = rng.uniform(size=(2_000, len(SYMBOLS)))
    places[:, 1] = np.clip(places[:, 0] + 0.02 * rng.standard_normal(2_000), 0, 1)
    first = profiles(places)[0]
    assert {f"0.7{digit} {symbol}" in first for digit in (0, 1) for symbol in SYMBOLS[:2]} == {True, False}
    assert first.count("+0.7") == first.count("-0.7") == 1
    assert "bounded on both sides" in first
