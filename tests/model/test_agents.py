"""Neurons as agents: names for the arrays, and the same numbers as the compiled engine."""

from pathlib import Path

import numpy as np
import pytest
from unstuck.agents import Interneuron, Neuron, Pyramidal, Serotonergic
from unstuck.circuit import Floats
from unstuck.circuit_model import CircuitModel
from unstuck.engine import kernels
from unstuck.engine.step import Accuracy, Engine, settle
from unstuck.targets import NO_EFFECT, Effects

HOURS = 2.0

# Every field at a value of its own, so that no agent can leave one out.
EVERYTHING = Effects(
    stress=0.3,
    sert_occupancy=0.5,
    sert_vmax=1.2,
    sert_follows_trkb=0.4,
    ampa=0.2,
    ampa_block=0.05,
    nmda_interneuron=0.15,
    nmda_pyramidal=0.06,
    agonist_1a=0.1,
    antagonist_1a=0.2,
    agonist_1b=0.15,
    antagonist_1b=0.1,
    gain_2a=0.1,
    antagonist_2a=0.3,
    release_gain=0.9,
    bdnf_gain=1.1,
    trkb_drive=0.2,
    trkb_block=0.1,
    gaba_gain=0.95,
)

WITH_A_REGION_ADDED = """
title: default with a lateral habenula
extends: default
regions:
  LHb: {name: lateral habenula, uncleared_serotonin: kA, position: [0.7, 0.6]}
populations:
  LHb_P: {region: LHb, cells: pyramidal, share: 4, set_point_Hz: 5, maximal_Hz: 60, nmda_share: nmE}
projections:
  AMY_P > LHb_P: {weight: 0.1}
  LHb_P > DRN_I: {weight: 0.1, plastic: true}
"""


def agents_model(treatment: str = "untreated", start: str = "healthy", neurons: int = 120) -> CircuitModel:
    return CircuitModel(treatment, neurons=neurons, start=start, by_agents=True, seed=5)  # pyright: ignore


def neurons_of(model: CircuitModel) -> list[Neuron]:
    return [neuron for neuron in model.agents if isinstance(neuron, Neuron)]


def after_the_engines_stage(model: CircuitModel) -> tuple[Floats, Floats, Floats]:
    """Slow state after one Euler stage of the engine's kernels, and the firing and serotonin it saw."""
    circuit, milieu = model.circuit, model.milieu
    state = milieu.state.copy()
    acting = (milieu.effects, milieu.region_input)
    settle(circuit, state.y, state.x, state.serotonin_nM, *acting, 1e-13)
    change = np.empty_like(state.y)
    kernels.slow_change(
        circuit.wiring, circuit.rules, milieu.effects, state.y, state.x, state.serotonin_nM, change
    )
    return state.y + HOURS * change, state.x, state.serotonin_nM


def let_agents_live_a_stage(model: CircuitModel) -> None:
    model.fire_until_settled()
    signals = model.signal()
    strengths = model.learn()
    model.take_effect(HOURS, signals, strengths)


def assert_the_agents_stage_is_the_engines(model: CircuitModel) -> None:
    y, x, serotonin_nM = after_the_engines_stage(model)
    let_agents_live_a_stage(model)
    np.testing.assert_allclose(model.milieu.state.x, x, rtol=1e-10)
    np.testing.assert_allclose(model.milieu.state.serotonin_nM, serotonin_nM, rtol=1e-10)
    np.testing.assert_allclose(model.milieu.state.y, y, rtol=1e-10)


@pytest.mark.parametrize("start", ["healthy", "day 0"])
@pytest.mark.parametrize(
    "effects",
    [
        NO_EFFECT,
        Effects(stress=1.0),
        Effects(sert_occupancy=0.8),
        Effects(nmda_interneuron=0.6, nmda_pyramidal=0.2, trkb_drive=0.5),
        EVERYTHING,
    ],
    ids=["undisturbed", "stress", "ssri-like", "ketamine-like", "everything"],
)
def test_a_stage_by_the_agents_equals_the_engines(start: str, effects: Effects) -> None:
    model = agents_model(start=start)
    model.milieu.effects = effects
    model.milieu.region_input = np.linspace(0.0, 0.04, len(model.circuit.regions))
    assert_the_agents_stage_is_the_engines(model)


def test_a_stage_by_the_agents_equals_the_engines_far_from_any_fixed_point() -> None:
    model, rng = agents_model(), np.random.default_rng(7)
    model.milieu.state.y *= rng.uniform(0.7, 1.2, len(model.milieu.state.y))
    model.milieu.effects = EVERYTHING
    assert_the_agents_stage_is_the_engines(model)


@pytest.mark.parametrize("hours", [1.0, 30.0, 101.0])
def test_a_stage_by_the_agents_equals_the_engines_where_frequent_doses_swing(hours: float) -> None:
    model = agents_model("tianeptine-oral-ampa", start="day 0")
    model.life.advance(model.life.time_h + hours)
    life, state = model.life, model.life.state.copy()
    swing = life.exposure.swing(life.time_h)
    assert swing is not None
    engine = Engine(model.circuit, state, accuracy=Accuracy(firing=1e-13))
    change = np.empty_like(state.y)
    engine._slow_change(state.y, life.exposure, life.time_h, change)
    model.take_effect(HOURS, *model.live_a_stage())
    np.testing.assert_allclose(life.state.y, state.y + HOURS * change, rtol=1e-10)
    above, below = (acting[0].ampa for acting in swing[1:])
    assert above > 1.5 * below  # so that the mean effect would be another stage


def test_a_stage_by_the_agents_equals_the_engines_with_a_region_added(tmp_path: Path) -> None:
    (tmp_path / "habenula.yaml").write_text(WITH_A_REGION_ADDED)
    treatment = tmp_path / "treated.yaml"
    treatment.write_text(f"title: treated\nextends: ssri-like\ncircuit: {tmp_path / 'habenula.yaml'}\n")
    model = agents_model(str(treatment))
    model.milieu.effects = EVERYTHING
    assert {"LHb"} < {neuron.region for neuron in neurons_of(model)}
    assert_the_agents_stage_is_the_engines(model)


def test_a_neuron_has_a_name_for_every_column() -> None:
    model = agents_model()
    circuit, state = model.circuit, model.milieu.state
    for index, neuron in enumerate(neurons_of(model)):
        population = circuit.population_of(index)
        assert neuron.index == index
        assert neuron.population == population
        assert neuron.region == circuit.file.populations[population].region
        assert neuron.set_point_Hz == circuit.wiring.set_point_Hz[index]
        assert neuron.rate_Hz == state.x[index] * neuron.set_point_Hz
        assert neuron.bdnf == state.bdnf[index]
        assert neuron.trkb == state.trkb[index]
    learnt = np.concatenate([neuron.labile for neuron in neurons_of(model)])
    np.testing.assert_array_equal(learnt, state.labile)


def test_agents_are_of_the_type_of_their_cells() -> None:
    model = agents_model()
    assert set(model.agents_by_type) == {Pyramidal, Interneuron, Serotonergic}
    assert set(model.agents_by_type[Serotonergic].get("region")) == {"DRN"}
    assert all(name.endswith("_I") for name in model.agents_by_type[Interneuron].get("population"))
    assert sum(len(agents) for agents in model.agents_by_type.values()) == model.circuit.neurons


def test_what_is_written_to_an_agent_is_written_to_the_circuit() -> None:
    model = agents_model()
    model.agents_by_type[Pyramidal].set("bdnf", 0.25)
    principal = model.agents_by_type[Pyramidal].get("index")
    assert (model.life.state.bdnf[principal] == 0.25).all()
    assert model.life.state.bdnf.min() == 0.25 < model.life.state.bdnf.max() == 1.0


def test_agents_hold_no_arrays_of_their_own() -> None:
    for neuron in neurons_of(agents_model()):
        assert not any(isinstance(value, np.ndarray) for value in vars(neuron).values())


def test_the_verbs_change_nothing_by_themselves() -> None:
    model = agents_model(start="day 0")
    y, x = model.milieu.state.y.copy(), model.milieu.state.x.copy()
    for verb in ("sense", "fire", "signal", "learn"):
        model.agents.do(verb)
    np.testing.assert_array_equal(model.milieu.state.y, y)
    np.testing.assert_array_equal(model.milieu.state.x, x)


def test_a_healthy_neuron_left_to_itself_stays_healthy() -> None:
    model = agents_model()
    model.milieu.effects, model.milieu.region_input = NO_EFFECT, np.zeros(len(model.circuit.regions))
    model.fire_until_settled()
    before = model.milieu.state.copy()
    for _ in range(3):
        model.agents.shuffle_do("step")
    np.testing.assert_allclose(model.milieu.state.y, before.y, rtol=1e-9)
    np.testing.assert_allclose(model.milieu.state.x, before.x, rtol=1e-9)


def test_a_neuron_that_steps_changes_itself_and_no_other() -> None:
    model = agents_model(start="day 0")
    model.milieu.effects = Effects(trkb_drive=1.0)
    neuron = next(n for n in neurons_of(model) if len(n.labile))
    before, trkb, labile = model.milieu.state.copy(), neuron.trkb, neuron.labile.copy()
    _, heard = neuron.signal()
    weak, _ = neuron.learn()
    neuron.step()
    others = np.arange(model.circuit.neurons) != neuron.index
    np.testing.assert_array_equal(model.milieu.state.trkb[others], before.trkb[others])
    assert neuron.trkb == pytest.approx(trkb + model.milieu.hours * heard)
    assert neuron.trkb > trkb
    np.testing.assert_allclose(neuron.labile, labile + model.milieu.hours * np.array(weak))
    assert np.count_nonzero(model.milieu.state.labile != before.labile) == len(labile)
