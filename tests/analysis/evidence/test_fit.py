"""Calibration: what it may see, its cost, and that it goes on where it stopped."""

import json
from collections.abc import Sequence
from math import inf, nan
from pathlib import Path

import pytest
from unstuck.files.yaml import InputError
from unstuck.parameters import default_parameters, read_parameters
from unstuck_analysis.evidence.arms import Subject
from unstuck_analysis.evidence.ensemble import read_ensemble
from unstuck_analysis.evidence.facts import Fact, choose_facts, shipped_file
from unstuck_analysis.evidence.fit import (
    UNSTABLE,
    WORST_EXCESS,
    Calibration,
    Task,
    calibrate,
    cost,
    cost_of,
    fit_rows,
    free_parameters,
)

MEAN_FIELD = (Subject(1, 0, 0, varied=False),)


def few(rows: Sequence[str] = ("F01", "F04")) -> tuple[Fact, ...]:
    return tuple(choose_facts(fit_rows(), rows))


def small(folder: Path, facts: Sequence[Fact], seed: int = 1, steps: int = 0) -> Calibration:
    return Calibration(folder, facts, seed, 40, 0, 1, steps)


def test_a_calibration_sees_fit_rows_and_nothing_else(tmp_path: Path) -> None:
    """The sheet without its test rows, and with test rows that are nonsense, ask for the same calibration."""
    lines = shipped_file("facts.csv").read_text().splitlines()
    bare = [line for line in lines if ",test," not in line]
    nonsense = [*bare, *(f"{line.split(',')[0]},test,{'x,' * 6}x" for line in lines if ",test," in line)]
    asked = [small(tmp_path, fit_rows()).specification]
    for name, content in {"bare": bare, "nonsense": nonsense}.items():
        path = tmp_path / f"{name}.csv"
        path.write_text("\n".join(content) + "\n")
        facts = fit_rows(path)
        assert all(fact.role == "fit" for fact in facts)
        asked.append(small(tmp_path, facts).specification)
    assert asked[0] == asked[1] == asked[2]


def test_every_fitted_parameter_is_free_within_its_range() -> None:
    parameters, free = default_parameters(), free_parameters(default_parameters())
    assert {"rB", "kc", "kam", "tiam"} <= {each.symbol for each in free}
    assert not {"sigma_n", "S0", "ffi"} & {each.symbol for each in free}
    for each in free:
        assert each.low <= parameters[each.symbol] <= each.high
        assert each.value(each.share(parameters[each.symbol])) == pytest.approx(parameters[each.symbol])
    kam = next(each for each in free if each.symbol == "kam")
    assert kam.high / kam.low == pytest.approx(4.0, rel=1e-3), "half to double where no range is known"


def test_the_cost_is_zero_inside_the_bands_and_grows_outside() -> None:
    facts = few(("F18",))  # 0.40 to 0.75
    assert cost(facts, {"F18.0": 0.5}) == 0.0
    assert cost(facts, {"F18.0": 0.75 + 0.35}) == pytest.approx(1.0)
    assert cost(facts, {"F18.0": nan}) == cost(facts, {"F18.0": inf}) == WORST_EXCESS**2


def test_the_shipped_parameters_cost_nothing() -> None:
    parameters = default_parameters()
    values = {free.symbol: parameters[free.symbol] for free in free_parameters(parameters)}
    assert cost_of(Task(values, tuple(fit_rows()), MEAN_FIELD)) == 0.0


@pytest.mark.parametrize("member", read_ensemble()[::4])
def test_a_set_of_the_shipped_ensemble_costs_nothing(member: dict[str, float]) -> None:
    assert cost_of(Task(member, tuple(fit_rows()), MEAN_FIELD)) == 0.0


def test_a_set_whose_healthy_state_is_unstable_is_worse_than_any_that_misses_rows() -> None:
    assert cost_of(Task({"rB": 1.6}, few(), MEAN_FIELD)) > UNSTABLE


def test_the_same_calibration_gives_the_same_parameters_and_resumes(tmp_path: Path) -> None:
    facts = few()
    first = calibrate(small(tmp_path / "a", facts))
    for path in sorted((tmp_path / "a" / "generations").iterdir())[1:]:
        path.unlink()
    resumed = calibrate(small(tmp_path / "a", facts))
    again = calibrate(small(tmp_path / "b", facts))
    assert first == resumed == again
    written = read_parameters(tmp_path / "a" / "parameters.json")
    assert {symbol: written[symbol] for symbol in first.values} == pytest.approx(first.values, rel=1e-5)
    provenance = json.loads((tmp_path / "a" / "parameters.json").read_text())["provenance"]
    assert provenance["rows"] == ["F01", "F04"]


def test_another_calibration_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    calibrate(small(tmp_path, few(("F01",))))
    with pytest.raises(InputError, match="holds another calibration"):
        calibrate(small(tmp_path, few(("F01",)), seed=2))


def test_walks_among_equal_fits_stay_there(tmp_path: Path) -> None:
    facts = few(("F01",))
    calibration = Calibration(tmp_path, facts, 1, 1, 0, 1, 2, start="shipped")
    fit = calibrate(calibration)
    assert fit.cost == 0.0
    assert len(fit.ensemble) == 16
    assert cost_of(Task(fit.ensemble[0], facts, MEAN_FIELD)) == 0.0
    assert any(member != fit.values for member in fit.ensemble)
