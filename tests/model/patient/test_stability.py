"""Health is a fixed point by construction, and an attractor in its whole state."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from knocks import WITHIN, after_change, after_knock, distance_from_health
from unstuck.circuit import Circuit, mean_field_circuit, network_circuit
from unstuck.engine.step import Accuracy, Engine
from unstuck.files.circuit import CircuitFile
from unstuck.files.cohort import read_cohort
from unstuck.files.find import cohort_path, read
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_traits
from unstuck.patient.stability import healthy_is_attractor
from unstuck.state import State

PARAMETERS = default_parameters()


@cache
def circuit() -> Circuit:
    return mean_field_circuit(read("circuits", "default", CircuitFile)[0], PARAMETERS)


def strengths(factor: float) -> Callable[[State], None]:
    def change(state: State) -> None:
        for strength in (state.slow.labile, state.slow.intermediate, state.slow.consolidated):
            strength[:] *= factor

    return change


def signalling(trkb: float) -> Callable[[State], None]:
    return lambda state: state.slow.trkb.fill(trkb)


def scar(value: float) -> Callable[[State], None]:
    return lambda state: state.slow.scar.fill(value)


# Days after which all activities and strengths are back within 0.5 % (model description, section 16).
RETURNS = [
    pytest.param(strengths(0.98), 6.0, id="strengths x 0.98"),
    pytest.param(strengths(1.01), 1.0, id="strengths x 1.01"),
    pytest.param(strengths(0.9), 189.0, id="strengths x 0.9"),
    pytest.param(strengths(1.05), 12.0, id="strengths x 1.05"),
    pytest.param(signalling(0.5), 9.0, id="T = 0.5"),
    pytest.param(signalling(2.0), 7.0, id="T = 2"),
    pytest.param(scar(0.3), 111.0, id="M = 0.3"),
]


@pytest.mark.parametrize(("change", "day"), RETURNS)
def test_health_comes_back_on_the_day_of_the_reference(change: Callable[[State], None], day: float) -> None:
    fine = Accuracy(slow=1e-5, firing=1e-9)
    before, after = (
        distance_from_health(circuit(), after_change(circuit(), change, days, fine))
        for days in (day - 1.0, day + 0.1)
    )
    assert after < WITHIN < before


def test_the_healthy_state_stands_still() -> None:
    state = after_knock(circuit(), 1.0, 60.0, Accuracy(slow=1e-6, firing=1e-13))
    assert distance_from_health(circuit(), state) < 1e-7
    np.testing.assert_allclose(state.y, Engine(circuit()).state.y, atol=1e-7)


@pytest.mark.parametrize("factor", [0.98, 1.01])
def test_a_network_comes_back_to_health_in_its_whole_state(factor: float, default_file: CircuitFile) -> None:
    network = network_circuit(default_file, PARAMETERS, 500, np.random.default_rng(5))
    assert distance_from_health(network, after_knock(network, factor, 60)) < WITHIN


def test_distance_from_health_sees_one_weak_projection() -> None:
    engine = Engine(circuit())
    assert distance_from_health(circuit(), engine.state) == pytest.approx(0.0, abs=1e-12)
    engine.state.slow.consolidated[-1] *= 0.9
    weakened = 0.1 * (1 - PARAMETERS["l0"] - PARAMETERS["m0"])
    assert distance_from_health(circuit(), engine.state) == pytest.approx(weakened)


def test_the_shipped_parameters_have_a_healthy_attractor(default_file: CircuitFile) -> None:
    assert healthy_is_attractor(default_file, PARAMETERS)


def test_too_much_excitation_makes_health_unstable(default_file: CircuitFile) -> None:
    assert not healthy_is_attractor(default_file, PARAMETERS.with_values(ee=0.16))


@pytest.mark.parametrize("patients", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_health_attracts_in_drawn_patients(patients: int, default_file: CircuitFile) -> None:
    cohort = read_cohort(cohort_path())
    traits = (draw_traits(PARAMETERS, cohort, 2, index) for index in range(patients))
    assert all(healthy_is_attractor(default_file, drawn.parameters) for drawn in traits)
