"""Neurons as agents: names for the arrays, and the same numbers as the compiled engine."""

from pathlib import Path

import numpy as np
import pytest
from reference import scaled_strength
from unstuck.agents import Interneuron, Neuron, Noradrenergic, Pyramidal, Serotonergic
from unstuck.circuit_model import CircuitModel
from unstuck.engine.step import Accuracy, Engine
from unstuck.state import Floats, State
from unstuck.targets import NO_EFFECT, Effects

HOURS = 0.01

# Every field at a value of its own, so that no agent can leave one out.
EVERYTHING = Effects(
    stress=0.3,
    sert_occupancy=0.5,
    sert_vmax_factor=1.2,
    sert_follows_trkb=0.4,
    ampa=0.1,
    nmda_block_interneuron=0.15,
    nmda_block_principal=0.06,
    agonist_5ht1a=0.1,
    antagonist_5ht1a=0.2,
    agonist_5ht1b=0.15,
    antagonist_5ht1b=0.1,
    gain_5ht2a=0.1,
    release_gain=0.9,
    bdnf_gain=1.1,
    trkb_drive=0.2,
    trkb_facilitation=0.08,
    trkb_block=0.1,
    gaba_gain=0.95,
    net_occupancy=0.4,
)


class Held:
    """Constant effects and region inputs."""

    local_columns = 0

    def __init__(self, effects: Effects, region_input: Floats) -> None:
        self.jumps_h: list[float] = []
        self._effects, self._input = effects, region_input

    def at_times(self, times_h: Floats) -> tuple[Floats, Floats]:
        return np.tile(self._effects, (len(times_h), 1)), np.tile(self._input, (len(times_h), 1))

    reported_at = at_times


@pytest.fixture(scope="module")
def model() -> CircuitModel:
    return CircuitModel(neurons=120, start="healthy", by_agents=True, seed=5)


def neurons_of(model: CircuitModel) -> list[Neuron]:
    return [neuron for neuron in model.agents if isinstance(neuron, Neuron)]


def put(model: CircuitModel, state: State, effects: Effects, region_input: Floats) -> None:
    """Put the model's circuit into a state, under effects."""
    for mine, given in ((model.life.state.y, state.y), (model.life.state.x, state.x)):
        mine[:] = given
    model.deliver_drugs(effects, region_input)


@pytest.mark.parametrize("where", ["health", "weak", "far from any fixed point"])
@pytest.mark.parametrize(
    "effects",
    [
        NO_EFFECT,
        Effects(stress=1.0),
        Effects(sert_occupancy=0.8, trkb_facilitation=0.08),
        Effects(nmda_block_interneuron=0.5, nmda_block_principal=0.2),
        EVERYTHING,
    ],
    ids=["undisturbed", "stress", "ssri-like", "ketamine-like", "everything"],
)
def test_firing_and_rates_of_the_agents_equal_the_engines(
    where: str, effects: Effects, model: CircuitModel
) -> None:
    state = scaled_strength(model.circuit, 1.0 if where == "health" else 0.7)
    if where == "far from any fixed point":
        state.y *= np.random.default_rng(7).uniform(0.7, 1.2, len(state.y))
    assert_agents_equal_engine(model, state, effects)


def test_noradrenergic_agents_equal_the_engines(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("title: Untreated\nextends: untreated\ncircuit: with-locus-coeruleus\n")
    model = CircuitModel(str(path), neurons=120, start="healthy", by_agents=True, seed=5)
    assert set(model.agents_by_type[Noradrenergic].get("region")) == {"LC"}
    assert_agents_equal_engine(model, scaled_strength(model.circuit, 0.7), EVERYTHING)


def assert_agents_equal_engine(model: CircuitModel, state: State, effects: Effects) -> None:
    """Firing that settles under effects, and the rates of change then, by agents and by the engine."""
    circuit = model.circuit
    region_input = np.linspace(0.0, 0.04, len(circuit.regions))
    engine = Engine(circuit, state, accuracy=Accuracy(slow=1.0, firing=1e-13))
    settled = engine.settled(effects, region_input)
    put(model, state, effects, region_input)
    model.fire_until_settled()
    model.signal_and_learn()
    np.testing.assert_allclose(model.milieu.state.x, settled.x, rtol=0, atol=1e-10)
    np.testing.assert_allclose(model.milieu.state.monoamine_nM, settled.monoamine_nM, rtol=1e-10)
    engine.advance(Held(effects, region_input), HOURS)
    rates = engine.course.change
    np.testing.assert_allclose(model.milieu.rate.y, rates, rtol=1e-8, atol=1e-10)


def test_a_neuron_has_a_name_for_every_column(model: CircuitModel) -> None:
    circuit, state = model.circuit, model.milieu.state
    for index, neuron in enumerate(neurons_of(model)):
        assert neuron.index == index
        assert neuron.population == circuit.population_of(index)
        assert neuron.region == circuit.file.populations[neuron.population].region
        assert neuron.set_point_Hz == circuit.set_point_Hz[index]
        assert neuron.rate_Hz == state.x[index] * neuron.set_point_Hz
        for name in ("bdnf", "trkb", "scar", "recent_activity"):
            assert getattr(neuron, name) == getattr(state.slow, name)[index]
    for name in ("labile", "intermediate", "consolidated"):
        learnt = np.concatenate([getattr(neuron, name) for neuron in neurons_of(model)])
        np.testing.assert_array_equal(learnt, getattr(state.slow, name))


def test_agents_are_of_the_type_of_their_cells(model: CircuitModel) -> None:
    assert set(model.agents_by_type) == {Pyramidal, Interneuron, Serotonergic}
    assert set(model.agents_by_type[Serotonergic].get("region")) == {"DRN"}
    assert all(name.endswith("_I") for name in model.agents_by_type[Interneuron].get("population"))
    assert sum(len(agents) for agents in model.agents_by_type.values()) == model.circuit.neurons


def test_what_is_written_to_an_agent_is_written_to_the_circuit() -> None:
    model = CircuitModel(neurons=120, start="healthy", seed=5)
    model.agents_by_type[Pyramidal].set("bdnf", 0.25)
    principal = model.agents_by_type[Pyramidal].get("index")
    bdnf = model.life.state.slow.bdnf
    assert (bdnf[principal] == 0.25).all()
    assert bdnf.min() == 0.25 < bdnf.max() == 1.0


def test_the_verbs_change_no_state_by_themselves(model: CircuitModel) -> None:
    put(model, scaled_strength(model.circuit, 0.8), EVERYTHING, np.zeros(len(model.circuit.regions)))
    y, x = model.milieu.state.y.copy(), model.milieu.state.x.copy()
    for verb in ("fire", "change"):
        model.agents.do(verb)
    np.testing.assert_array_equal(model.milieu.state.y, y)
    np.testing.assert_array_equal(model.milieu.state.x, x)


def test_a_neuron_that_steps_changes_itself_and_no_other(model: CircuitModel) -> None:
    put(model, scaled_strength(model.circuit, 0.8), Effects(trkb_drive=1.0), np.zeros(5))
    neuron = next(n for n in neurons_of(model) if len(n.labile))
    before, trkb = model.milieu.state.copy(), neuron.trkb
    neuron.step()
    slow, others = model.milieu.state.slow, np.arange(model.circuit.neurons) != neuron.index
    np.testing.assert_array_equal(slow.trkb[others], before.slow.trkb[others])
    assert neuron.trkb > trkb
    assert np.count_nonzero(slow.labile != before.slow.labile) == len(neuron.labile)
