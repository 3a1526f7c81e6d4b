"""A patient as a Mesa model: reproducible, watched, and the same circuit that `run_treatment` simulates."""

import pickle
from pathlib import Path
from typing import Any

import mesa
import networkx
import numpy as np
import pytest
from unstuck.agents import Serotonergic
from unstuck.circuit_model import CircuitModel
from unstuck.errors import InputError
from unstuck.patient.life import run_treatment


def small(treatment: str = "untreated", **options: Any) -> CircuitModel:
    return CircuitModel(treatment, **{"neurons": 100, "seed": 3, **options})


def test_days_by_the_model_are_those_of_run_treatment() -> None:
    model = small("ssri-like")
    arm = run_treatment(model.life.patient, model.life.treatment)
    for _ in range(28):
        model.step()
    seen = model.datacollector.model_vars
    readings = {round(r.day): r for r in arm.readings if abs(r.day - round(r.day)) < 1e-6}
    assert seen["day"] == pytest.approx(range(29))
    for day in (0, 1, 7, 28):
        assert seen["recovery"][day] == pytest.approx(arm.recovery(readings[day].connectivity), abs=0.01)
        raphe = readings[day].serotonin_ratio[model.circuit.regions.index("DRN")]
        assert seen["serotonin_DRN"][day] == pytest.approx(raphe, rel=0.01)


def test_the_same_seed_gives_the_same_numbers_under_either_name() -> None:
    seeds = [{"seed": 9}, {"seed": np.int64(9)}, {"seed": None, "rng": 9}]
    models = [small("ketamine-like", **seed) for seed in seeds]
    for model in models:
        model.step()
    assert len({model.life.recovery for model in models}) == 1
    other = small("ketamine-like", seed=10)
    other.step()
    assert other.life.recovery != models[0].life.recovery


def test_a_generator_or_seed_sequence_seeds_the_patient() -> None:
    generators = [small(seed=None, rng=np.random.default_rng(4), start="healthy") for _ in range(2)]
    sequences = [small(seed=None, rng=np.random.SeedSequence(4), start="healthy") for _ in range(2)]
    assert generators[0].seed == generators[1].seed
    assert sequences[0].seed == sequences[1].seed


def test_a_seed_that_was_drawn_is_kept_and_gives_the_patient_again() -> None:
    drawn, another = (small(seed=None, start="healthy") for _ in range(2))
    assert drawn.seed != another.seed
    again = small(seed=drawn.seed, start="healthy")
    np.testing.assert_array_equal(again.circuit.set_point_Hz, drawn.circuit.set_point_Hz)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rng": 1}, "either rng or seed"),
        ({"seed": -1}, "whole number"),
        ({"seed": "one"}, "whole number"),
        ({"seed": 1.5}, "whole number"),
        ({"start": "day O"}, "day 0"),
        ({"step_h": 0.0}, "step_h"),
        ({"step_h": float("nan")}, "step_h"),
        ({"step_h": "a day"}, "step_h"),
        ({"neurons": 20}, "100 to 50000"),
        ({"neurons": "100"}, "neurons = '100'"),
        ({"patient": -1}, "patient = -1"),
        ({"treatment": None}, "treatment = None"),
        ({"agents_recorded": ("rate",)}, "unknown column of the agents 'rate', did you mean 'rate_Hz'"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_run(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**options)


def test_an_unknown_treatment_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="ssri-like"):
        small("ssri-lik")


def test_a_patient_who_varies_starts_on_their_own_day_0() -> None:
    patients = [small(neurons=0, varied=True, patient=index) for index in range(3)]
    assert len({model.life.time_h for model in patients}) == 3  # stress lasts differently long
    assert [model.day for model in patients] == [0.0, 0.0, 0.0]


def test_patients_differ_in_their_parameters_only_when_asked() -> None:
    typical, varied = small(start="healthy"), small(start="healthy", varied=True)
    other = small(start="healthy", varied=True, patient=1)
    rules = [model.circuit.rules for model in (typical, varied, other)]
    assert small(start="healthy", patient=1).circuit.rules == rules[0]
    assert len(set(rules)) == 3


def test_a_model_that_starts_healthy_lives_through_the_whole_scenario() -> None:
    model = small("ketamine-like", start="healthy", step_h=24.0)
    assert model.day == -102
    assert model.reading.connectivity == pytest.approx(1.0)
    while model.day < 1:
        model.step()
    from_day_0 = small("ketamine-like")
    from_day_0.step()
    assert model.life.recovery == pytest.approx(from_day_0.life.recovery, abs=1e-3)


def test_the_agents_live_the_day_that_the_engine_lives() -> None:
    engine, agents = (small("ketamine-like", step_h=6.0, by_agents=by_agents) for by_agents in (False, True))
    for model in (engine, agents):
        model.step()
    assert agents.life.time_h == engine.life.time_h
    assert agents.life.recovery == pytest.approx(engine.life.recovery, abs=0.04)
    assert agents.life.recovery > 0.1
    np.testing.assert_allclose(agents.reading.activity, engine.reading.activity, atol=0.02)


def test_agents_stop_at_a_dose_within_their_step() -> None:
    early, late = (small(step_h=6.0, by_agents=True) for _ in range(2))
    early.life.give("ketamine-like")
    early.step()
    late.step()
    late.life.give("ketamine-like")
    late.step()
    assert late.life.recovery == pytest.approx(early.life.recovery, abs=0.01)


def test_every_step_is_collected_and_agents_only_when_asked() -> None:
    plain, watched = small(), small(agents_recorded=("rate_Hz", "bdnf"))
    for model in (plain, watched):
        model.step()
    columns = set(plain.datacollector.get_model_vars_dataframe().columns)
    assert {"day", "connectivity", "recovery", "serotonin_HPC", "bdnf_mPFC_P", "activity_AMY_P"} <= columns
    assert plain.datacollector.agent_reporters == {}
    agents = watched.datacollector.get_agent_vars_dataframe()
    assert list(agents.columns) == ["rate_Hz", "bdnf"]
    assert len(agents) == 2 * 100


def test_the_agents_show_the_circuit_of_the_last_reading() -> None:
    model = small("ssri-like")
    for _ in range(3):
        model.step()
    raphe = float(np.mean(model.agents_by_type[Serotonergic].get("activity")))
    assert raphe == pytest.approx(model.reading.activity[model.circuit.populations.index("DRN_S")])
    assert raphe < 0.9


def test_the_graph_carries_present_strengths() -> None:
    stuck, healthy, declared = small().graph, small(start="healthy").graph, small().circuit.graph
    for pre, post, edge in healthy.edges(data=True):
        assert edge["strength"] == pytest.approx(1.0)
        assert edge["weight"] == pytest.approx(declared.edges[pre, post]["weight"])
    assert stuck.edges["mPFC_P", "HPC_P"]["strength"] < 0.85
    assert stuck.edges["mPFC_P", "HPC_P"]["weight"] < 0.85 * healthy.edges["mPFC_P", "HPC_P"]["weight"]
    assert stuck.edges["mPFC_P", "mPFC_I"]["strength"] == 1.0
    assert stuck.nodes["HPC_P"]["activity"] < healthy.nodes["HPC_P"]["activity"]


def test_the_graph_can_be_written_for_other_programs(tmp_path: Path) -> None:
    networkx.write_gexf(small().graph, tmp_path / "circuit.gexf")
    again = networkx.read_gexf(tmp_path / "circuit.gexf")
    strengths = {(pre, post): edge["strength"] for pre, post, edge in again.edges(data=True)}
    assert strengths == {(pre, post): edge["strength"] for pre, post, edge in small().graph.edges(data=True)}


def test_a_model_runs_until_the_end_of_the_follow_up() -> None:
    model = small("ketamine-like", step_h=24.0 * 28)
    while model.running:
        model.step()
    assert model.life.time_h >= model.life.end_h
    assert model.steps == 6


def test_a_batch_run_gives_the_same_numbers_again() -> None:
    parameters = {"treatment": ["untreated", "ketamine-like"], "neurons": 100, "rng": [1, 2]}

    def batch() -> list[dict[str, Any]]:
        return mesa.batch_run(
            CircuitModel, parameters, number_processes=1, max_steps=3, display_progress=False
        )

    first, second = batch(), batch()
    assert first == second
    assert [(row["treatment"], row["rng"]) for row in first] == [
        ("untreated", 1),
        ("untreated", 2),
        ("ketamine-like", 1),
        ("ketamine-like", 2),
    ]
    by_hand = small("ketamine-like", seed=1)
    for _ in range(3):
        by_hand.step()
    assert [row["day"] for row in first] == pytest.approx([3.0] * 4)
    assert first[2]["recovery"] == by_hand.life.recovery


def test_a_batch_run_reports_the_seeds_that_were_drawn() -> None:
    parameters = {"neurons": 0, "start": "healthy", "varied": True, "agents_recorded": ["bdnf"]}
    rows = mesa.batch_run(
        CircuitModel, parameters, iterations=2, number_processes=1, max_steps=1, display_progress=False
    )
    first, second = dict.fromkeys(row["seed"] for row in rows)
    assert first != second
    again = CircuitModel(**{**parameters, "agents_recorded": "bdnf", "seed": first})
    assert again.seed == first
    again.step()
    assert again.datacollector.get_model_vars_dataframe().seed.tolist() == [first, first]
    last = [row["bdnf"] for row in rows if row["seed"] == first]
    assert again.datacollector.get_agent_vars_dataframe().bdnf.tolist()[-len(last) :] == last


@pytest.mark.parametrize("by_agents", [False, True])
def test_a_pickled_model_goes_on_as_the_model_itself(by_agents: bool) -> None:
    model = small("ketamine-like", step_h=2.0, by_agents=by_agents)
    model.step()
    copy = pickle.loads(pickle.dumps(model))
    for each in (model, copy):
        each.step()
    assert copy.life.recovery == model.life.recovery
    np.testing.assert_array_equal(copy.life.state.y, model.life.state.y)
    assert copy.datacollector.model_vars == model.datacollector.model_vars


@pytest.mark.parametrize("by_agents", [False, True])
def test_a_silenced_neuron_fires_no_more(by_agents: bool) -> None:
    model = small(start="healthy", step_h=2.0, by_agents=by_agents)
    neuron = next(agent for agent in model.agents if isinstance(agent, Serotonergic))
    with pytest.raises(TypeError, match="silence"):
        neuron.remove()
    neuron.silence()
    model.step()
    assert neuron.activity == 0.0
    assert model.reading.serotonin_ratio.max() < 0.99
