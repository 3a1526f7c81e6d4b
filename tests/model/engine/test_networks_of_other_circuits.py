"""Networks of 500 neurons of anxiety and OCD stay near their mean-field, and come back to health from both sides."""

import numpy as np
import pytest
from test_other_circuits import PARAMETERS, mean_field, readouts
from unstuck.circuit import Circuit, network_circuit
from unstuck.patient.stability import KNOCKS, after_knock, distance_from_health

READ = {"untreated-84d": [28.0, 84.0], "ketamine-once": [1.0, 7.0]}
SSRI = {"anxiety": "ssri-84d", "ocd": "ssri-88-84d"}


def recovery(circuit: Circuit, name: str) -> dict[tuple[str, float], float]:
    """R by treatment and day."""
    found = {}
    for treatment, days in {**READ, SSRI[name]: [1.0, 28.0, 84.0]}.items():
        stuck, *later = readouts(circuit, name, treatment, [0.0, *days], False)[:, 0]
        found |= {(treatment, day): (y - stuck) / (1.0 - stuck) for day, y in zip(days, later, strict=True)}
    return found


@pytest.mark.parametrize("name", ["anxiety", "ocd"])
def test_a_network_of_500_recovers_as_its_mean_field(name: str) -> None:
    network = network_circuit(mean_field(name).file, PARAMETERS, 500, np.random.default_rng(1))
    ours, expected = (recovery(circuit, name) for circuit in (network, mean_field(name)))
    differences = {key: round(ours[key] - value, 4) for key, value in expected.items()}
    assert max(map(abs, differences.values())) < 0.05, differences


@pytest.mark.parametrize("name", ["anxiety", "ocd"])
@pytest.mark.parametrize("knock", KNOCKS)
def test_a_network_of_500_comes_back_to_health_from_above_and_from_below(name: str, knock: float) -> None:
    network = network_circuit(mean_field(name).file, PARAMETERS, 500, np.random.default_rng(5))
    near, far = (distance_from_health(network, after_knock(network, knock, days)) for days in (400.0, 30.0))
    assert near < 0.005
    assert near < far
