"""Functional connectivity and the graph, healthy, stuck and treated."""

import io
import json

import networkx
import numpy as np
import pytest
from unstuck.circuit import Circuit, healthy_state
from unstuck.engine.readouts import functional_connectivity
from unstuck.targets import NO_EFFECT
from unstuck_analysis.questions.connectivity import (
    RegionalState,
    connectivity_figure,
    graph_files,
    graph_measures,
    measures_table,
    regional_state,
    typical_states,
)


@pytest.fixture(scope="module")
def states() -> dict[str, RegionalState]:
    return typical_states("tianeptine-like", 84.0, neurons=0, seed=1)


def test_stuck_regions_drive_each_other_less_in_every_measure(states: dict[str, RegionalState]) -> None:
    table = measures_table(states).set_index("state")
    assert (table.loc["stuck"] < 0.9 * table.loc["healthy"]).all()


def test_responses_are_those_of_the_model_s_own_readout(mean_field: Circuit) -> None:
    none = (NO_EFFECT, np.zeros(len(mean_field.regions)))
    found = regional_state(mean_field, healthy_state(mean_field), none).response
    row = np.array([[*none[0], *none[1]]])
    (own,) = functional_connectivity(mean_field, healthy_state(mean_field).as_rows(), row)
    np.testing.assert_allclose(found.iloc[:3, :3], own, atol=1e-4)


def test_correlation_under_noise_is_that_of_the_linear_response(states: dict[str, RegionalState]) -> None:
    healthy = states["healthy"]
    gain = healthy.response.to_numpy().T
    covariance = gain @ gain.T
    size = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(healthy.correlation, covariance / np.outer(size, size), atol=0.15)


def test_the_graph_survives_every_format(states: dict[str, RegionalState]) -> None:
    graph, files = states["stuck"].graph(), graph_files(states)
    assert len(files) == 2 * len(states)
    back = networkx.read_graphml(io.BytesIO(files["stuck.graphml"]))
    assert set(back.edges) == set(graph.edges)
    assert len(networkx.read_gexf(io.BytesIO(files["stuck.gexf"]))) == len(graph)
    json.dumps(networkx.node_link_data(graph, edges="links"))  # attributes are plain numbers and texts
    for pre, post in graph.edges:
        assert back.edges[pre, post]["weight"] == pytest.approx(graph.edges[pre, post]["weight"])


def test_strength_and_efficiency_of_a_small_graph_are_those_worked_out_by_hand() -> None:
    graph = networkx.DiGraph()
    graph.add_edge("a", "b", weight=2.0, sign=1)
    graph.add_edge("b", "c", weight=1.0, sign=1)
    graph.add_edge("a", "c", weight=0.5, sign=1)
    graph.add_edge("c", "a", weight=9.0, sign=-1)
    strength, efficiency = graph_measures(graph)
    assert strength.to_dict() == {"a": 0.0, "b": 2.0, "c": 1.5}
    assert efficiency == pytest.approx((2.0 + 1.0 + 1 / 1.5) / 6)


def test_the_figure_has_two_panels_a_state(states: dict[str, RegionalState]) -> None:
    assert len(connectivity_figure(states).axes) == 2 * 3 + 2


def test_in_ocd_regions_with_projection_neurons_are_compared_too_and_drive_each_other_more_when_stuck() -> (
    None
):
    states = typical_states("untreated", 0.0, neurons=0, seed=1, circuit="ocd")
    assert list(states["healthy"].response.index) == ["OFC", "ACC", "STR", "GP", "TH"]
    table = measures_table(states).set_index("state")
    assert table.mean_response["stuck"] > table.mean_response["healthy"]
