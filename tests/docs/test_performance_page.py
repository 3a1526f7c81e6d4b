"""The page of benchmarks: made of its stored numbers, and no program with a wrong result is timed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import performance
import pytest
import sweeps
from quick_runs import DOCS
from unstuck.state import Floats

RIGHT = np.array([1.0, 2.0])


def a_round(seconds: float, x: Floats = RIGHT) -> sweeps.Round:
    """A round that reports a processor time and a result."""
    return lambda: (seconds, x)


def test_the_page_in_the_docs_is_made_of_the_stored_numbers() -> None:
    written = (DOCS / "performance.md").read_text(encoding="utf-8")
    assert written == performance.page(performance.stored()), "python docs/make/performance.py --only"


def test_the_stored_numbers_are_of_all_programs_sizes_and_tolerances() -> None:
    numbers = performance.stored()
    titles = {*sweeps.FLAGS, sweeps.OURS, *(peer.title for peer in sweeps.PEERS.values())}
    for programs in numbers["sweep"]["sizes"].values():
        assert set(programs) | set(numbers["sweep"]["missing"]) == titles
    assert [each["neurons"] for each in numbers["size"]["sizes"]] == list(performance.SIZES)
    for treatments in numbers["precision"]["sizes"].values():
        assert {len(rows) for rows in treatments.values()} == {len(performance.FACTORS)}


def test_a_ratio_is_the_time_relative_to_the_first_program_for_the_same_work() -> None:
    rounds = {"C": a_round(1.0), "fewer sweeps": a_round(3.0)}
    found = sweeps.compared(rounds, dict.fromkeys(rounds, RIGHT), {"C": 10.0, "fewer sweeps": 5.0})
    assert found["C"] == {"ns": pytest.approx(1e8), "ratio": [1.0, 1.0, 1.0]}
    assert found["fewer sweeps"]["ratio"] == pytest.approx([6.0, 6.0, 6.0])


@pytest.mark.parametrize("wrong", [np.array([1.0, 2.0 + 1e-8]), np.array([1.0, np.nan])])
def test_a_program_with_a_wrong_result_is_refused(wrong: Floats) -> None:
    rounds = {"C": a_round(1.0), "wrong": a_round(0.1, wrong)}
    with pytest.raises(ValueError, match="wrong has a wrong result"):
        sweeps.compared(rounds, dict.fromkeys(rounds, RIGHT), dict.fromkeys(rounds, 1.0))


@pytest.fixture(scope="module")
def network() -> sweeps.Network:
    """A small network."""
    return sweeps.draw_network(100, 20)


def without_inhibition(network: sweeps.Network) -> sweeps.Network:
    """The exported network with inhibition left out."""
    weight = np.maximum(network.arrays["weight"], 0.0)
    return sweeps.Network(network.wiring, network.work, 20, {**network.arrays, "weight": weight})


def one_sweep_less(network: sweeps.Network) -> sweeps.Network:
    """The network for fewer sweeps."""
    return sweeps.Network(network.wiring, network.work, 19, network.arrays)


def test_the_engine_c_and_scipy_agree_on_the_exported_network(
    network: sweeps.Network, tmp_path: Path
) -> None:
    assert set(sweeps.with_programs(network, tmp_path, {}, {})) == {*sweeps.FLAGS, sweeps.OURS}
    assert np.float64(5e-324) * np.float64(1.0) > 0.0, "the process rounds subnormal numbers to 0"


@pytest.mark.parametrize("change", [without_inhibition, one_sweep_less])
def test_another_network_and_a_missing_sweep_are_noticed(
    change: Callable[[sweeps.Network], sweeps.Network], network: sweeps.Network, tmp_path: Path
) -> None:
    rounds = {sweeps.C: sweeps.c_round(change(network), sweeps.FLAGS[sweeps.C], tmp_path)}
    wanted = {sweeps.C: sweeps.by_scipy(network, 20)}
    with pytest.raises(ValueError, match="wrong result"):
        sweeps.compared(rounds, wanted, {sweeps.C: 1.0})


def test_a_program_that_ends_at_once_is_named_with_its_last_message(
    network: sweeps.Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(sweeps.PROGRAMS / "sweeps.c", tmp_path)
    (tmp_path / "broken.py").write_text("raise SystemExit('no compiler')")
    monkeypatch.setattr(sweeps, "PROGRAMS", tmp_path)
    monkeypatch.setattr(sweeps, "install", lambda name, folder: None)
    missing = dict[str, str]()
    found = sweeps.with_programs(network, tmp_path, {"broken": sweeps.Peer("Broken", ())}, missing)
    assert set(found) == {*sweeps.FLAGS, sweeps.OURS}
    assert missing == {"Broken": "no compiler"}
