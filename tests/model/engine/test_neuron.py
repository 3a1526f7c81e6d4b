"""Noradrenaline among the other rules: it follows its transporter and brake, and acts on nothing else."""

import numpy as np
import pytest
from unstuck.circuit import Circuit, healthy_state, mean_field_circuit, network_circuit
from unstuck.drugs.exposure import Constant
from unstuck.engine.readouts import population_means
from unstuck.engine.settle import settled_state
from unstuck.engine.step import Accuracy, Engine
from unstuck.files.treatment import Treatment, circuit_for
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient
from unstuck.patient.life import Life
from unstuck.state import Floats, State
from unstuck.targets import NO_EFFECT, Effects

FILE = circuit_for("with-locus-coeruleus")[0]
CIRCUIT = mean_field_circuit(FILE, default_parameters())
TIGHT = Accuracy(slow=1e-6, firing=1e-11)


def settled(circuit: Circuit, effects: Effects) -> State:
    """Health with firing settled under effects."""
    silent = np.zeros(len(circuit.regions))
    return settled_state(circuit, healthy_state(circuit), effects, silent, 1e-12)


def noradrenaline(circuit: Circuit, effects: Effects) -> Floats:
    """By region, relative to health."""
    regions = list(circuit.noradrenaline_pools.values())
    return (settled(circuit, effects).monoamine_nM / circuit.healthy_nM)[regions]


def without_brake() -> Circuit:
    own = FILE.parameters["g2A"].model_copy(update={"value": 0.0, "low": 0.0})
    file = FILE.model_copy(update={"parameters": {**FILE.parameters, "g2A": own}})
    return mean_field_circuit(file, default_parameters())


def test_a_full_block_of_the_transporter_raises_noradrenaline_as_in_the_sources_of_the_circuit() -> None:
    blocked = Effects(net_occupancy=1.0)
    np.testing.assert_allclose(noradrenaline(without_brake(), blocked), 8.0, rtol=1e-9)
    np.testing.assert_allclose(noradrenaline(CIRCUIT, blocked), 3.42, atol=0.01)
    firing = dict(zip(CIRCUIT.populations, settled(CIRCUIT, blocked).x, strict=True))
    assert firing["LC_N"] == pytest.approx(3.42 / 8.0, abs=0.002)


def test_more_of_the_transporter_blocked_gives_more_noradrenaline() -> None:
    levels = [noradrenaline(CIRCUIT, Effects(net_occupancy=share)) for share in np.linspace(0.0, 1.0, 21)]
    assert (np.diff(levels, axis=0) > 0.0).all()


def test_each_transporter_clears_its_own_monoamine_alone() -> None:
    free, sert, net = (
        settled(CIRCUIT, e) for e in (NO_EFFECT, Effects(sert_occupancy=0.8), Effects(net_occupancy=0.8))
    )
    serotonin, others = len(CIRCUIT.regions), CIRCUIT.populations.index("LC_N")
    np.testing.assert_allclose(sert.monoamine_nM[serotonin:], free.monoamine_nM[serotonin:], rtol=1e-12)
    np.testing.assert_allclose(net.monoamine_nM[:serotonin], free.monoamine_nM[:serotonin], rtol=1e-12)
    np.testing.assert_allclose(net.x[:others], free.x[:others], rtol=1e-12)


def test_the_locus_coeruleus_changes_no_recovery() -> None:
    ends: list[Floats] = []
    for circuit in ("default", "with-locus-coeruleus"):
        treatment = Treatment("venlafaxine-like", circuit)
        patient = draw_patient(treatment.circuit, default_parameters(), None, seed=1, index=0, neurons=0)
        life = Life(patient, treatment, accuracy=TIGHT)
        life.advance(treatment.file.day_0_h + 28 * 24.0)
        ends.append(life.present().readouts)
    np.testing.assert_allclose(ends[1], ends[0], atol=2e-6)


def test_an_effect_on_bdnf_that_a_circuit_names_follows_noradrenaline() -> None:
    half = FILE.parameters["N0"].model_copy(update={"value": 6.0})
    hippocampus = FILE.populations["HPC_P"].model_copy(update={"noradrenaline_on_bdnf": 0.5})
    changes = {
        "parameters": {**FILE.parameters, "KSN": half},
        "populations": {**FILE.populations, "HPC_P": hippocampus},
    }
    circuit = mean_field_circuit(FILE.model_copy(update=changes), default_parameters())
    engine, effects = Engine(circuit, accuracy=TIGHT), Effects(net_occupancy=1.0)
    engine.advance(Constant(len(circuit.regions), effects), 40 * 125.0)
    bdnf = dict(zip(circuit.populations, engine.state.slow.bdnf, strict=True))
    level = noradrenaline(circuit, effects)[0] * 3.0
    assert bdnf["HPC_P"] == pytest.approx(1.0 + 0.5 * (level / (level + 6.0) - 3.0 / 9.0), rel=1e-3)
    assert bdnf["mPFC_P"] == pytest.approx(1.0, rel=0.02)


def test_a_network_has_the_noradrenaline_of_its_mean_field() -> None:
    network = network_circuit(FILE, default_parameters(), 300, np.random.default_rng(2))
    effects = Effects(net_occupancy=0.7, sert_occupancy=0.8)
    firing = [population_means(c, settled(c, effects).x)[-1] for c in (network, CIRCUIT)]
    assert firing[0] == pytest.approx(firing[1], abs=0.02)
    np.testing.assert_allclose(noradrenaline(network, effects), noradrenaline(CIRCUIT, effects), rtol=0.02)
