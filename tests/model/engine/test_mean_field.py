"""The mean-field reproduces an independent implementation, and the network the mean-field."""

import numpy as np
import pandas as pd
import pytest
from protocols import TIGHT
from reference import FOLDER, PROTOCOLS, columns, follow, trajectory
from unstuck.circuit import Circuit, network_circuit
from unstuck.engine.readouts import connectivity
from unstuck.engine.step import Accuracy
from unstuck.files.circuit import CircuitFile
from unstuck.parameters import ParameterSet
from unstuck.state import State

STUCK = "stress-42d-rest-60d"
STUCK_END_H = 2448.0


@pytest.fixture(scope="module")
def stuck(mean_field: Circuit) -> State:
    return follow(mean_field, STUCK, TIGHT, None, [STUCK_END_H])[STUCK_END_H]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_mean_field_follows_the_reference_in_every_variable(
    name: str, mean_field: Circuit, stuck: State
) -> None:
    """C within 1e-5, everything else within 1e-4 (serotonin and strengths relative), in every row."""
    expected = trajectory(name)
    states = follow(mean_field, name, TIGHT, stuck, expected.index.tolist())
    ours = pd.DataFrame({hour: columns(mean_field, state) for hour, state in states.items()}).T
    assert set(ours.columns) == set(expected.columns)
    relative = expected.columns[expected.columns.str.startswith(("c_", "l_", "m_", "serotonin_nM_"))]
    allowed = pd.DataFrame(1e-4, expected.index, expected.columns)
    allowed["connectivity"] = 1e-5
    allowed[relative] = 1e-4 * expected[relative].abs()
    worst = ((ours[expected.columns] - expected).abs() / allowed).max()
    assert worst.max() < 1.0, worst[worst >= 1.0]


def recovery(circuit: Circuit, states: dict[float, State], stuck: State) -> np.ndarray:
    low = connectivity(circuit, stuck)[0]
    return np.array([(connectivity(circuit, state)[0] - low) / (1.0 - low) for state in states.values()])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_shipped_tolerance_gives_recovery_within_one_thousandth_of_the_reference(
    name: str, mean_field: Circuit
) -> None:
    stuck = follow(mean_field, STUCK, Accuracy(), None, [STUCK_END_H])[STUCK_END_H]
    expected = trajectory(name)
    states = follow(mean_field, name, Accuracy(), stuck, expected.index.tolist())
    low = trajectory(STUCK)["connectivity"].iloc[-1]
    reference = ((expected["connectivity"] - low) / (1.0 - low)).to_numpy()
    assert np.abs(recovery(mean_field, states, stuck) - reference).max() < 1e-3


def readings(circuit: Circuit, names: list[str], accuracy: Accuracy) -> dict[tuple[str, float], float]:
    """Recovery of a circuit at every hour that readings.csv lists."""
    stuck = follow(circuit, STUCK, accuracy, None, [STUCK_END_H])[STUCK_END_H]
    listed = (
        pd.read_csv(FOLDER / "readings.csv")["reading"].str.extract(r"^([\w-]+): R at hour (\d+)$").dropna()
    )
    found: dict[tuple[str, float], float] = {("stuck", 0.0): connectivity(circuit, stuck)[0]}
    for name in names:
        hours = sorted(listed.loc[listed[0] == name, 1].astype(float))
        states = follow(circuit, name, accuracy, stuck, hours)
        found |= {(name, h): r for h, r in zip(hours, recovery(circuit, states, stuck), strict=True)}
    return found


@pytest.mark.parametrize("name", ["ssri-84d", "ketamine-6"])
def test_a_network_of_equal_neurons_and_weights_is_the_mean_field(
    name: str, default_file: CircuitFile, reference: ParameterSet, mean_field: Circuit
) -> None:
    equal = network_circuit(default_file, reference, 150, np.random.default_rng(3), spread=0.0)
    # A tolerance that is never reached: both take the same steps of at most 4 h.
    exact, hours = Accuracy(slow=1.0, firing=1e-12, longest_step_h=4.0), [0.0, 24.0, 400.0]
    ends = []
    for circuit in (equal, mean_field):
        stuck = follow(circuit, STUCK, exact, None, [STUCK_END_H])[STUCK_END_H]
        states = follow(circuit, name, exact, stuck, hours)
        ends.append(pd.DataFrame([columns(circuit, state) for state in states.values()]))
    assert (ends[0] - ends[1]).abs().max().max() < 1e-6


PROTOCOLS_READ = [
    "untreated",
    "ssri-84d",
    "ssri-14d",
    "tianeptine-84d",
    "ketamine-1",
    "ketamine-6",
    "psilocybin-1",
    "gaba-down-6h",
    "nmda-block-84d",
]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_network_of_500_recovers_as_the_mean_field_at_every_reading(
    seed: int, default_file: CircuitFile, reference: ParameterSet, mean_field: Circuit
) -> None:
    network = network_circuit(default_file, reference, 500, np.random.default_rng(seed))
    ours, expected = (readings(circuit, PROTOCOLS_READ, Accuracy()) for circuit in (network, mean_field))
    differences = {key: abs(ours[key] - expected[key]) for key in expected}
    assert max(differences.values()) < 0.03, differences


def test_the_healthy_mean_field_has_one_neuron_per_population(mean_field: Circuit) -> None:
    assert mean_field.neurons == len(mean_field.populations)
