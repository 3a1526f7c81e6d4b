"""A circuit file becomes neurons and synapses that add up to what it says; a new region is data alone."""

from pathlib import Path

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from knocks import KNOCKS, WITHIN, after_knock, distance_from_health
from unstuck.circuit import (
    LARGEST,
    SMALLEST,
    Circuit,
    Synapses,
    _sizes,
    healthy_state,
    mean_field_circuit,
    network_circuit,
)
from unstuck.engine.readouts import population_means, projection_strength
from unstuck.engine.step import Engine
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile, projection_ends
from unstuck.files.find import read, shipped
from unstuck.files.treatment import Treatment, circuit_for
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import draw_patient
from unstuck.patient.life import Life
from unstuck.patient.stability import healthy_is_attractor
from unstuck.targets import NO_EFFECT


def targets(synapses: Synapses) -> np.ndarray:
    """The postsynaptic neuron of every synapse."""
    in_degree = np.diff(synapses.start.astype(np.int64))
    return np.repeat(np.arange(len(in_degree)), in_degree)


def groups(circuit: Circuit) -> tuple[Synapses, Synapses, Synapses]:
    return circuit.wiring.excitatory, circuit.wiring.inhibitory, circuit.wiring.plastic


@pytest.mark.parametrize("name", shipped("circuits"))
def test_every_shipped_circuit_loads_and_has_a_healthy_attractor(name: str) -> None:
    file, _ = read("circuits", name, CircuitFile)
    assert healthy_is_attractor(file, default_parameters())


@settings(max_examples=15, deadline=None)
@given(neurons=st.integers(SMALLEST, 1_500))
def test_a_network_has_as_many_neurons_as_asked_for(
    neurons: int, default_file: CircuitFile, reference: ParameterSet
) -> None:
    circuit = network_circuit(default_file, reference, neurons, np.random.default_rng(0))
    assert circuit.neurons == neurons
    sizes = np.diff(circuit.wiring.populations.first)
    shares = np.array([p.share for p in default_file.populations.values()])
    assert np.abs(sizes - shares / shares.sum() * neurons).max() <= 2.0


@pytest.mark.parametrize("neurons", [SMALLEST - 1, LARGEST + 1, 0, -5])
def test_a_network_too_small_or_too_large_is_refused(
    neurons: int, default_file: CircuitFile, reference: ParameterSet
) -> None:
    with pytest.raises(ValueError, match=f"{neurons} neurons: a network has {SMALLEST} to {LARGEST}"):
        network_circuit(default_file, reference, neurons, np.random.default_rng(0))


def test_the_weights_onto_every_neuron_add_up_to_the_projection(network: Circuit) -> None:
    """All neurons of a population receive the whole weight of each projection, and nothing of any other."""
    for group in groups(network):
        received = np.zeros((network.neurons, len(network.projections)))
        np.add.at(received, (targets(group), group.projection), group.weight)
        for number, name in enumerate(network.projections):
            if number not in group.projection:
                continue
            _, post = projection_ends(name)
            expected = np.zeros(network.neurons)
            expected[network.members(post)] = network.projection_weight[number]
            np.testing.assert_allclose(received[:, number], expected, rtol=1e-12)


def test_every_synapse_comes_from_the_population_its_projection_names(network: Circuit) -> None:
    seen = set[int]()
    for group in groups(network):
        for number in np.unique(group.projection):
            pre, _ = projection_ends(network.projections[number])
            sources = group.pre[group.projection == number]
            members = network.members(pre)
            assert members.start <= sources.min() <= sources.max() < members.stop
            seen.add(int(number))
    assert seen == set(range(len(network.projections)))


def test_no_neuron_projects_to_itself_or_twice_to_another(network: Circuit) -> None:
    for group in groups(network):
        post = targets(group)
        assert not np.any(post == group.pre)
        pairs = set(zip(post.tolist(), group.pre.tolist(), group.projection.tolist(), strict=True))
        assert len(pairs) == len(post)


def test_only_what_the_file_calls_plastic_is_plastic(network: Circuit) -> None:
    plastic = {network.projections[number] for number in np.unique(network.wiring.plastic.projection)}
    assert plastic == {name for name, p in network.file.projections.items() if p.plastic}


def test_set_points_are_spread_about_those_of_the_file(
    default_file: CircuitFile, reference: ParameterSet
) -> None:
    circuit = network_circuit(default_file, reference, 4_000, np.random.default_rng(2))
    mean_Hz = population_means(circuit, circuit.set_point_Hz)
    asked_Hz = np.array([reference.number(p.set_point_Hz) for p in default_file.populations.values()])
    np.testing.assert_allclose(mean_Hz, asked_Hz, rtol=0.1)
    assert np.std(np.log(circuit.set_point_Hz[circuit.members("mPFC_P")])) == pytest.approx(0.4, abs=0.03)
    assert np.all(circuit.wiring.highest_activity >= 2.0)


def test_without_spread_all_neurons_of_a_population_are_equal(
    default_file: CircuitFile, reference: ParameterSet
) -> None:
    circuit = network_circuit(default_file, reference, 200, np.random.default_rng(1), spread=0.0)
    for name in circuit.populations:
        members = circuit.members(name)
        assert np.ptp(circuit.set_point_Hz[members]) == 0.0
        assert np.ptp(circuit.wiring.bias[members]) < 1e-14
    np.testing.assert_allclose(circuit.wiring.scaling, 1.0)


def test_the_graph_can_be_written_in_the_formats_of_networkx(network: Circuit, tmp_path: Path) -> None:
    networkx.write_gexf(network.graph, tmp_path / "circuit.gexf")
    networkx.write_graphml(network.graph, tmp_path / "circuit.graphml")
    assert networkx.read_graphml(tmp_path / "circuit.graphml").number_of_edges() == len(network.projections)


def test_the_graph_says_what_the_arrays_do(network: Circuit, mean_field: Circuit) -> None:
    assert list(network.graph.nodes) == network.populations
    assert network.graph.number_of_edges() == len(network.projections)
    assert network.graph.edges["mPFC_P", "HPC_I"]["weight"] == pytest.approx(0.4 * 0.0783)
    assert nearly_one(projection_strength(network, network.wiring.plastic.weight))
    assert nearly_one(projection_strength(mean_field, mean_field.wiring.plastic.weight))
    assert network.population_of(0) == "mPFC_P"
    assert network.population_of(network.neurons - 1) == "DRN_I"


def nearly_one(strength: np.ndarray) -> bool:
    return bool(np.all(np.isnan(strength) | (np.abs(strength - 1.0) < 1e-12)))


HABENULA = "with-habenula"


@pytest.fixture(scope="module")
def habenula() -> CircuitFile:
    return read("circuits", HABENULA, CircuitFile)[0]


def test_a_region_added_in_a_file_is_a_region_of_the_circuit(
    habenula: CircuitFile, reference: ParameterSet, default_file: CircuitFile
) -> None:
    circuit = mean_field_circuit(habenula, reference)
    assert set(circuit.regions) == {*default_file.regions, "LHb"}
    assert all(p.source for name, p in habenula.projections.items() if "LHb_P" in name)
    assert len(healthy_state(circuit).x) == len(default_file.populations) + 1


@pytest.mark.parametrize("knock", KNOCKS)
def test_the_habenular_network_comes_back_to_health(
    knock: float, habenula: CircuitFile, reference: ParameterSet
) -> None:
    circuit = network_circuit(habenula, reference, 300, np.random.default_rng(3))
    assert distance_from_health(circuit, after_knock(circuit, knock, 150)) < WITHIN


def test_stress_traps_the_habenular_circuit_and_it_recovers_only_with_the_ssri(
    reference: ParameterSet, tmp_path: Path
) -> None:
    treatment = Treatment("ssri-like-with-habenula")
    patient = draw_patient(treatment.circuit, reference, None, seed=1, index=0, neurons=0)
    life = Life(patient, treatment)
    day_0_h, names = treatment.file.day_0_h, patient.circuit.populations
    life.advance(40 * 24.0)
    stressed = dict(zip(names, life.present().activity, strict=True))
    assert stressed["LHb_P"] > 1.2
    assert stressed["DRN_I"] > 1.0
    life.advance(day_0_h)
    assert life.checkpoint is not None
    assert life.checkpoint.stuck.connectivity < 0.7
    assert dict(zip(names, life.checkpoint.stuck.activity, strict=True))["LHb_P"] > 1.05
    path = tmp_path / "untreated-with-habenula.yaml"
    path.write_text("title: Untreated\nextends: untreated\ncircuit: with-habenula\n")
    untreated = Life(patient, Treatment(str(path)), life.checkpoint)
    for each in (life, untreated):
        each.advance(day_0_h + 84 * 24.0)
    assert life.recovery > 0.5  # recovered: model description, section 12
    assert untreated.recovery < 0.2


def test_an_overactive_habenula_quietens_the_raphe(habenula: CircuitFile, reference: ParameterSet) -> None:
    circuit = mean_field_circuit(habenula, reference)
    drive = np.zeros(len(circuit.regions))
    drive[circuit.regions.index("LHb")] = 0.1
    activity = dict(zip(circuit.populations, Engine(circuit).settled(NO_EFFECT, drive).x, strict=True))
    assert activity["LHb_P"] > 1.1
    assert activity["DRN_I"] > 1.0
    assert activity["DRN_S"] < 1.0


WRONG = {
    "unknown region": ("  mPFC_P: {region: mPFC,", "  mPFC_P: {region: mPFX,", "mPFX"),
    "set point out of reach": (
        "set_point_Hz: rP, maximal_Hz: rmaxP",
        "set_point_Hz: 50, maximal_Hz: 60",
        "healthy state",
    ),
    "a projection to nowhere": ("  mPFC_P > HPC_P:", "  mPFC_P > HPC_Q:", "HPC_Q"),
    "a projection of two ends": ("  mPFC_P > HPC_P:", "  mPFC_P HPC_P:", "PRE > POST"),
    "plastic inhibition": (
        "DRN_I > DRN_S: {weight: iS}",
        "DRN_I > DRN_S: {weight: iS, plastic: true}",
        "plastic",
    ),
    "serotonergic synapses": (
        "DRN_I > DRN_S: {weight: iS}",
        "DRN_S > mPFC_P: {weight: iS}",
        "act through the monoamine that they release",
    ),
    "an unknown readout": ("readout: [mPFC_P > HPC_P,", "readout: [mPFC_P > HPC_I,", "plastic projection"),
    "an unknown source": ("serotonin_source: DRN_S", "serotonin_source: DRN_I", "serotonergic"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_circuit_that_makes_no_sense_is_refused_with_its_place(fault: str, tmp_path: Path) -> None:
    right, wrong, told = WRONG[fault]
    text = shipped("circuits")["default"].read_text()
    assert right in text
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(InputError, match=told) as caught:
        circuit_for(str(path))
    place = str(caught.value).split(": ")[0]
    assert place.startswith(f"{path}:")
    assert int(place.removeprefix(f"{path}:").split(":")[0]) >= 1


@pytest.mark.parametrize("shares", [[1.0, 1e-6, 1e-6, 1e-6, 1.0, 1e-5], [1.0] + 40 * [1e-9]])
def test_tiny_populations_leave_the_number_of_neurons_as_it_was_asked_for(shares: list[float]) -> None:
    sizes = _sizes(shares, 100)
    assert sum(sizes) == 100
    assert min(sizes) == 2


def test_more_populations_than_neurons_can_fill_are_refused() -> None:
    with pytest.raises(InputError, match="100 neurons for 51 populations: at least 2 each"):
        _sizes(51 * [1.0], 100)
