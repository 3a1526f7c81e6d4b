"""Is the model solved rightly? Checks that stand in the report beside the findings, each measured anew.

Whether it is the right model is another question: that is what the findings are for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from unstuck.circuit import INTERNEURON, Circuit, Floats, mean_field_circuit, network_circuit
from unstuck.circuit_model import CircuitModel
from unstuck.drugs.effects import TYPICAL
from unstuck.engine import kernels
from unstuck.engine.step import Accuracy, healthy_state, settle
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import Patient
from unstuck.patient.simulation import Arm, Simulation
from unstuck.patient.stability import KNOCKS, WITHIN, after_knock, distance_from_health
from unstuck.targets import NO_EFFECT, Effects

from unstuck_analysis.evidence.arms import scenario
from unstuck_analysis.evidence.findings import Evidence

SIZES, NETWORKS_A_SIZE = (100, 400, 1600), 4
STAGE_H = 2.0
FAST_TAU_S, FAST_STEP_S, FAST_STEPS = (0.020, 0.010), 0.001, 3_000  # principal, interneurons


@dataclass(frozen=True)
class Check:
    """One check: what was measured, and the most it may be."""

    name: str
    measured: float
    most: float

    @property
    def holds(self) -> bool:
        """Whether it is within its limit."""
        return self.measured <= self.most


def checks(evidence: Evidence) -> list[Check]:
    """All checks, in the order of the model description (about 20 s)."""
    file, _ = read("circuits", "default", CircuitFile)
    parameters = default_parameters().with_values(sigma_n=0.0)
    return [
        Check("agents and engine: relative difference of one stage", agents_against_engine(), 1e-10),
        Check("equal neurons: C of network minus mean-field", _equal_neurons(file, parameters), 1e-6),
        *_growing_networks(file, parameters),
        Check("step tolerance halved: largest change of R", step_halving(file, parameters), 0.01),
        Check("health after knocks up and down: distance left", knocked(file, parameters), WITHIN),
        Check("firing after 3 s of the fast equations: distance", fast_settling(file, parameters), 1e-3),
        Check(f"runs of {evidence.arms} with a number that is not finite", float(evidence.not_finite), 0.0),
    ]


def agents_against_engine(neurons: int = 120) -> float:
    """Largest relative difference of the slow state after one stage by the agents and by the engine."""
    model = CircuitModel("untreated", neurons=neurons, start="healthy", by_agents=True, seed=5)
    milieu, state = model.milieu, model.milieu.state.copy()
    settle(model.circuit, state.y, state.x, state.serotonin_nM, milieu.effects, milieu.region_input, 1e-13)
    change = np.empty_like(state.y)
    wiring, rules = model.circuit.wiring, model.circuit.rules
    kernels.slow_change(wiring, rules, milieu.effects, state.y, state.x, state.serotonin_nM, change)
    model.fire_until_settled()
    model.take_effect(STAGE_H, model.signal(), model.learn())
    expected = state.y + STAGE_H * change
    return float(np.max(np.abs(milieu.state.y - expected) / np.maximum(np.abs(expected), 1e-3)))


def _run(circuit: Circuit, name: str, accuracy: Accuracy = Accuracy()) -> Arm:
    patient = Patient(0, 0, circuit, TYPICAL, 0)
    return Simulation(patient, scenario(name), accuracy=accuracy).run(hours=(), functional_days=())


def _stuck_connectivity(circuit: Circuit, accuracy: Accuracy = Accuracy()) -> float:
    return _run(circuit, "stress-42d", accuracy).readings[-1].connectivity


def _equal_neurons(file: CircuitFile, parameters: ParameterSet) -> float:
    exact = Accuracy(slow=1e-6, firing=1e-11)
    equal = network_circuit(file, parameters, 120, np.random.default_rng(3), spread=0.0)
    ends = [_stuck_connectivity(each, exact) for each in (equal, mean_field_circuit(file, parameters))]
    return abs(ends[0] - ends[1])


def _growing_networks(file: CircuitFile, parameters: ParameterSet) -> Iterator[Check]:
    """Distance of stuck connectivity from the mean-field, root mean square over networks, by size."""
    average = _stuck_connectivity(mean_field_circuit(file, parameters))
    for neurons in SIZES:
        networks = [
            network_circuit(file, parameters, neurons, np.random.default_rng(seed))
            for seed in range(NETWORKS_A_SIZE)
        ]
        distance = np.sqrt(np.mean([(_stuck_connectivity(each) - average) ** 2 for each in networks]))
        yield Check(f"{neurons} neurons: C of stuck networks from the mean-field", float(distance), 0.03)


def step_halving(file: CircuitFile, parameters: ParameterSet) -> float:
    """Largest change of R on any day of three treatments when the tolerance of the slow step is halved."""
    usual, largest = Accuracy(), 0.0
    finer = Accuracy(usual.slow / 2, usual.firing, usual.longest_step_h)
    circuit = mean_field_circuit(file, parameters)
    for name in ("ssri-84d", "ketamine-once", "tianeptine-84d"):
        arms = [_run(circuit, name, accuracy) for accuracy in (usual, finer)]
        courses = [[arm.recovery(reading.connectivity) for reading in arm.readings] for arm in arms]
        largest = max(largest, float(np.max(np.abs(np.array(courses[0]) - np.array(courses[1])))))
    return largest


def knocked(file: CircuitFile, parameters: ParameterSet) -> float:
    """Largest distance from health of any activity or projection, 150 d after a knock up or down."""
    circuit = mean_field_circuit(file, parameters)
    return max(distance_from_health(circuit, after_knock(circuit, knock, 150.0)) for knock in KNOCKS)


def fast_settling(file: CircuitFile, parameters: ParameterSet) -> float:
    """Distance from the fixed point to where the fast equations end that start 10 % beside it."""
    circuit = mean_field_circuit(file, parameters)
    return max(
        _fast_distance(circuit, effects) for effects in (NO_EFFECT, Effects(sert_occupancy=0.8, ampa=0.2))
    )


def _fast_distance(circuit: Circuit, effects: Effects) -> float:
    state, none = healthy_state(circuit), np.zeros(len(circuit.regions))
    settle(circuit, state.y, state.x, state.serotonin_nM, effects, none, 1e-12)
    x, serotonin_nM = 1.1 * state.x, state.serotonin_nM.copy()
    driven = _driven(circuit, state.y, effects)
    of_cells = np.repeat(circuit.wiring.cells, np.diff(circuit.wiring.first))
    tau_s = np.where(of_cells == INTERNEURON, FAST_TAU_S[1], FAST_TAU_S[0])
    for _ in range(FAST_STEPS):
        x += FAST_STEP_S / tau_s * (driven(x, serotonin_nM) - x)
    return float(np.max(np.abs(x - state.x)))


def _driven(circuit: Circuit, y: Floats, effects: Effects) -> Callable[[Floats, Floats], Floats]:
    """What the present activity drives every neuron to, serotonin following at once."""
    w, p, n = circuit.wiring, circuit.rules, circuit.neurons
    plastic = len(w.plastic.weight)
    strength = y[2 * n + 2 : 2 * n + 2 + plastic] + y[2 * n + 2 + plastic :]
    gain, drive, driven = np.empty(len(w.cells)), np.empty(len(w.cells)), np.empty(n)
    none = np.zeros(len(circuit.regions))

    def by(x: Floats, serotonin_nM: Floats) -> Floats:
        kernels.serotonin_pools(w, p, effects, y[2 * n + 1], x, serotonin_nM)
        kernels.population_fields(w, p, effects, none, y[2 * n], serotonin_nM, gain, drive)
        kernels.fire(w, gain, drive, effects.gaba_gain, strength, x, driven)
        return driven

    return by
