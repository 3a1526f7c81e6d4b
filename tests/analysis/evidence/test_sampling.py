"""The sampler on a known region, its resumption, and the sets that are shipped."""

from pathlib import Path

import numpy as np
import pytest
from unstuck.parameters import default_parameters
from unstuck_analysis.evidence import sampling
from unstuck_analysis.evidence.courses import Floats
from unstuck_analysis.evidence.ensemble import (
    Ensemble,
    fitted_parameters,
    place_of,
    read_tried,
    values_at,
)
from unstuck_analysis.evidence.facts import read_facts
from unstuck_analysis.evidence.findings import OF_COHORT
from unstuck_analysis.evidence.measure import Plan, measure, unwatched
from unstuck_analysis.evidence.regression import Regression, features
from unstuck_analysis.evidence.sampling import Screen, run_chain, step


def tilted_slab(place: Floats) -> bool:
    return bool(abs(place[0] - place[1]) < 0.05 and place[2] > 0.5)


def test_steps_visit_a_narrow_tilted_region_evenly() -> None:
    rng = np.random.default_rng(1)
    place, archive, visited = np.array([0.1, 0.1, 0.9]), list[Floats](), list[Floats]()
    for number in range(6_000):
        place = step(place, archive, tilted_slab, rng)
        if number < 200:
            archive.append(place)
        else:
            visited.append(place)
    places = np.array(visited)
    assert all(map(tilted_slab, places))
    assert places.mean(axis=0) == pytest.approx([0.5, 0.5, 0.75], abs=0.03)
    assert places.std(axis=0)[[0, 2]] == pytest.approx([12**-0.5, 0.5 * 12**-0.5], abs=0.02)
    assert np.std(places[:, 0] - places[:, 1]) == pytest.approx(0.1 * 12**-0.5, abs=0.003)


@pytest.mark.parametrize("chain", [1, 2])
def test_a_stopped_chain_continues_exactly(
    chain: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain is stopped within every test, and so repeats every iteration once."""
    begun: list[float] = []
    stops: set[int] = set()

    def tested(values: dict[str, float]) -> None:
        begun.append(values["kM"])
        if len(begun) in stops:
            raise KeyboardInterrupt

    def verdict(values: dict[str, float]) -> tuple[str, str, None]:
        tested(values)
        return ("accepted", "", None) if values["kM"] < 0.002 else ("rejected", "F31 0.9", None)

    monkeypatch.setattr(sampling, "STEPS", 3)
    monkeypatch.setattr(sampling, "measure_shipped", lambda path: None)
    monkeypatch.setattr(sampling, "regression_on", lambda sets, path: None)
    monkeypatch.setattr(sampling, "quick_findings", lambda plan: tested(dict(plan.values)))
    monkeypatch.setattr(sampling, "verdict", verdict)
    monkeypatch.setattr(Screen, "passes", lambda self, place: bool(np.all(np.abs(place - 0.5) < 0.45)))
    tables: list[str] = []
    for starts, stopped in ((1, {6}), (6, {1, 3, 5, 7, 9, 11})):
        begun.clear()
        stops.clear()
        stops.update(stopped)
        path = tmp_path / f"{starts}.csv"
        for _ in range(starts):
            with pytest.raises(KeyboardInterrupt):
                run_chain(chain, 60.0, path, tmp_path / "readings.csv")
        tables.append(path.read_text())
    assert tables[0] == tables[1]
    assert [each.iteration for each in read_tried(path)] == list(range(5))


def test_a_set_that_the_regression_excludes_is_not_simulated() -> None:
    place = place_of(default_parameters())
    symbols = [record.symbol for record in fitted_parameters()]
    weights = np.zeros((features(place[None, :], np.ones(1)).shape[1], 1))
    weights[1 + symbols.index("kM")] = 1.0  # predicts the place of kM, less 0.5
    here = place[symbols.index("kM")] - 0.5
    for high, simulated in ((here - 0.01, 0), (here + 0.01, 1)):
        screen = Screen(Regression(weights, np.array([-np.inf]), np.array([high])))
        assert (screen.passes(place), screen.tried) == (bool(simulated), simulated)


def test_places_and_values_are_inverse_and_the_ends_are_those_of_the_table() -> None:
    shipped = default_parameters()
    values = values_at(place_of(shipped))
    assert values == pytest.approx({symbol: shipped[symbol] for symbol in values})
    for end, place in (("low", 0.0), ("high", 1.0)):
        for symbol, value in values_at(np.full(len(values), place)).items():
            assert value == pytest.approx(getattr(shipped.records[symbol], end))


def test_the_shipped_set_passes_the_screen_and_a_set_without_ketamine_effects_does_not() -> None:
    screen = Screen(None)
    place = place_of(default_parameters())
    assert screen.passes(place)
    without_ketamine = np.where([symbol == "kB" for symbol in values_at(place)], 0.0, place)
    assert (screen.passes(without_ketamine), screen.tried, screen.failed) == (False, 2, 0)


def test_every_shipped_set_is_in_the_prior_and_the_accepted_ones_reproduce_every_fitted_finding() -> None:
    ensemble = Ensemble.shipped()
    for each in ensemble.tried:
        assert np.all((place_of(each.values) >= -1e-9) & (place_of(each.values) <= 1 + 1e-9))
    for fact in (fact for fact in read_facts() if fact.group == "fitted"):
        assert ensemble.reproduced(fact) == (len(ensemble.accepted), len(ensemble.accepted)), fact.id


def test_an_accepted_set_has_the_recorded_readings_of_the_typical_patient() -> None:
    ensemble = Ensemble.shipped()
    facts = [fact for fact in read_facts() if fact.group == "fitted" and fact.id not in OF_COHORT]
    for each, readings in zip(ensemble.accepted[:1], ensemble.of_sets(250), strict=False):
        measured = measure(facts, Plan(values=tuple(each.values.items())), unwatched)
        found = {(part.id, part.name): part.value for finding in measured.findings for part in finding.parts}
        assert found == pytest.approx({name: readings[name] for name in found}, abs=2e-3, rel=2e-3)
