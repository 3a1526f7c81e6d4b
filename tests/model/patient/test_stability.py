"""Health is a fixed point by construction, and an attractor in its whole state."""

import numpy as np
import pytest
from unstuck.circuit import Circuit, Floats, mean_field_circuit, network_circuit
from unstuck.engine import kernels
from unstuck.engine.step import Engine, healthy_state, settle
from unstuck.files.circuit import CircuitFile
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.stability import KNOCKS, WITHIN, after_knock, distance_from_health, healthy_is_attractor
from unstuck.targets import NO_EFFECT


def firing_and_change(circuit: Circuit, y: Floats) -> tuple[Floats, Floats]:
    """Settled firing of an undisturbed slow state, and how fast the slow state changes (1/h)."""
    x, serotonin_nM = np.ones(circuit.neurons), np.full(len(circuit.regions), circuit.rules.S0)
    settle(circuit, y, x, serotonin_nM, NO_EFFECT, np.zeros(len(circuit.regions)), 1e-13)
    change = np.empty_like(y)
    kernels.slow_change(circuit.wiring, circuit.rules, NO_EFFECT, y, x, serotonin_nM, change)
    return x, change


def one_sided_jacobians(file: CircuitFile, parameters: ParameterSet) -> tuple[Floats, Floats]:
    """Jacobian of the slow mean-field at health where activity falls, and where it rises.

    They differ by homeostasis, etah [x - 1]+ (c - core w0), which acts above the set-point only.
    """
    circuit = mean_field_circuit(file, parameters.with_values(etah=0.0))
    y, step = healthy_state(circuit).y, 1e-6
    up, down = (
        [firing_and_change(circuit, y + sign * step * unit) for unit in np.eye(len(y))] for sign in (1, -1)
    )
    pairs = list(zip(up, down, strict=True))
    of_firing = np.array([(above[0] - below[0]) / (2 * step) for above, below in pairs]).T
    falling = np.array([(above[1] - below[1]) / (2 * step) for above, below in pairs]).T
    plastic, rising = circuit.wiring.plastic, falling.copy()
    target = np.repeat(np.arange(circuit.neurons), np.diff(plastic.start.astype(int)))
    loss = parameters["etah"] * (1 - parameters["l0"] - parameters["core"]) * plastic.weight
    rising[-len(target) :] -= loss[:, None] * of_firing[target]
    return falling, rising


def leading(jacobian: Floats) -> float:
    return float(np.linalg.eigvals(jacobian).real.max())


@pytest.mark.parametrize("neurons", [0, 100, 777])
def test_health_stands_still_by_construction(
    neurons: int, default_file: CircuitFile, reference: ParameterSet
) -> None:
    rng = np.random.default_rng(neurons)
    circuit = (
        network_circuit(default_file, reference, neurons, rng)
        if neurons
        else mean_field_circuit(default_file, reference)
    )
    x, change = firing_and_change(circuit, healthy_state(circuit).y)
    np.testing.assert_allclose(x, 1.0, rtol=0, atol=1e-12)
    np.testing.assert_allclose(change, 0.0, rtol=0, atol=1e-12)


def test_both_one_sided_jacobians_of_health_pull_back(
    default_file: CircuitFile, reference: ParameterSet
) -> None:
    falling, rising = one_sided_jacobians(default_file, reference)
    assert leading(falling) < 0
    assert leading(rising) < 0


def test_bdnf_release_that_saturates_far_above_health_makes_health_unstable(
    default_file: CircuitFile, reference: ParameterSet
) -> None:
    steep = reference.with_values(rB=1.6)
    assert max(leading(jacobian) for jacobian in one_sided_jacobians(default_file, steep)) > 0
    assert not healthy_is_attractor(default_file, steep)


@pytest.mark.parametrize("factor", [*KNOCKS, 0.9, 0.84])
def test_the_mean_field_comes_back_to_health_in_its_whole_state(mean_field: Circuit, factor: float) -> None:
    assert distance_from_health(mean_field, after_knock(mean_field, factor, 200)) < WITHIN


@pytest.mark.parametrize("factor", KNOCKS)
def test_a_network_comes_back_to_health_in_its_whole_state(
    factor: float, default_file: CircuitFile, reference: ParameterSet
) -> None:
    circuit = network_circuit(default_file, reference, 500, np.random.default_rng(5))
    assert distance_from_health(circuit, after_knock(circuit, factor, 150)) < WITHIN


def test_distance_from_health_sees_one_weak_projection(mean_field: Circuit) -> None:
    engine = Engine(mean_field)
    engine.state.consolidated[-1] *= 0.9
    healthy = healthy_state(mean_field)
    weakened = 0.1 * (1 - mean_field.rules.l0)
    assert distance_from_health(mean_field, healthy) == pytest.approx(0.0, abs=1e-12)
    assert distance_from_health(mean_field, engine.state) == pytest.approx(weakened)


def test_the_shipped_parameters_have_a_healthy_attractor(default_file: CircuitFile) -> None:
    assert healthy_is_attractor(default_file, default_parameters())
