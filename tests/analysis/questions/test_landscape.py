"""The ditch: fixed points, the edge between them, the fold, and what runs of the network say to it."""

from pathlib import Path

import numpy as np
import pytest
from unstuck.drugs.exposure import daily_noise
from unstuck.files.circuit import CircuitFile
from unstuck.files.yaml import InputError
from unstuck.parameters import ParameterSet, default_parameters
from unstuck_analysis.output.answer import About
from unstuck_analysis.questions.continuation import Branch, bifurcation_diagram, hysteresis, vary
from unstuck_analysis.questions.ditch import Diagram, Ditch, answer_of, findings, measure_diagram
from unstuck_analysis.questions.escape import escape_table, escape_times, first_passage_day
from unstuck_analysis.questions.fixed_points import FixedPoint, Held, jacobians, relax
from unstuck_analysis.questions.landscape import Landscape, find_landscape, quasi_potential
from unstuck_analysis.questions.landscape_figures import bifurcation_figure, finding
from unstuck_analysis.questions.network_check import NetworkLine

NEARLY = 0.02  # as a share of the line: how far from the boundary a network is started


@pytest.fixture(scope="module")
def parameters() -> ParameterSet:
    return default_parameters()


@pytest.fixture(scope="module")
def landscape(default_file: CircuitFile, parameters: ParameterSet) -> Landscape:
    return find_landscape(default_file, parameters)


@pytest.fixture(scope="module")
def stress(default_file: CircuitFile, parameters: ParameterSet) -> list[Branch]:
    return bifurcation_diagram(vary(default_file, parameters, "stress"), 0.0, 1.0)


def states(landscape: Landscape) -> tuple[FixedPoint, FixedPoint, FixedPoint]:
    assert landscape.stuck is not None
    assert landscape.saddle is not None
    return landscape.healthy, landscape.stuck, landscape.saddle


def test_all_three_states_stand_still_to_1e_8(landscape: Landscape) -> None:
    for point in states(landscape):
        assert point.error < 1e-8
        assert np.abs(point.held.change(point.y)).max() < 1e-12


def test_health_and_the_stuck_state_are_stable_and_the_edge_has_one_way_out(landscape: Landscape) -> None:
    assert [point.unstable_directions for point in states(landscape)] == [0, 0, 1]


def test_health_lies_on_kinks_and_is_stable_on_every_side_of_them(landscape: Landscape) -> None:
    rates = np.real(landscape.healthy.rates_per_day)
    assert len(rates) > 2
    assert np.ptp(rates[:, 0]) > 1e-3  # the sides do differ
    assert rates.max() < 0


def test_a_one_sided_jacobian_foresees_a_small_step_to_its_side(landscape: Landscape) -> None:
    healthy = landscape.healthy
    falling, rising = jacobians(healthy.held, healthy.y)[0], jacobians(healthy.held, healthy.y)[-1]
    weaker = np.zeros_like(healthy.y)
    weaker[-len(landscape.circuit.wiring.plastic.weight) :] = -1e-5 * landscape.circuit.wiring.plastic.weight
    toward = healthy.held.change(healthy.y + weaker)
    assert np.abs(falling @ weaker - toward).max() < 1e-4 * np.abs(toward).max()
    assert np.abs(rising @ weaker - toward).max() > 1e-3 * np.abs(toward).max()


def test_the_two_ways_down_from_the_edge_lead_to_the_two_states(landscape: Landscape) -> None:
    healthy, stuck, saddle = states(landscape)
    for sign, state in ((1.0, healthy), (-1.0, stuck)):
        end = relax(saddle.held, saddle.y + sign * 1e-4 * landscape.coordinate.direction, 500.0)
        assert np.abs(end - state.y).max() < 5e-3


def test_runs_from_both_sides_of_the_line_boundary_end_on_their_sides(landscape: Landscape) -> None:
    assert landscape.line is not None
    ends = [landscape.line.at(landscape.line.boundary + by) for by in (-0.002, 0.002)]
    fell, rose = (landscape.coordinate.position(relax(Held(landscape.circuit), y, 500.0)) for y in ends)
    assert fell == pytest.approx(0.0, abs=0.01)
    assert rose == pytest.approx(1.0, abs=0.01)


def test_position_reads_the_boundary_far_from_the_edge_within_a_hundredth(landscape: Landscape) -> None:
    assert landscape.line is not None
    assert landscape.line.boundary == pytest.approx(landscape.coordinate.point_of_no_return, abs=0.01)


def test_the_quasi_potential_is_highest_on_the_edge_and_flat_at_both_ends(landscape: Landscape) -> None:
    potential = quasi_potential(landscape)
    edge = landscape.coordinate.point_of_no_return
    assert potential.position[int(np.argmax(potential.height))] == pytest.approx(edge, abs=1e-3)
    assert (np.diff(potential.position) > 0).all()
    assert min(potential.depths) > 0
    slope = np.diff(potential.height[[0, 1, -2, -1]]) / np.diff(potential.position[[0, 1, -2, -1]])
    assert np.abs(slope[[0, 2]]).max() < 0.05 * max(potential.depths)


def test_continuation_from_health_around_the_fold_meets_the_edge_found_by_tracking(
    landscape: Landscape, stress: list[Branch]
) -> None:
    around = stress[0]
    assert around.values[0] == around.values[-1] == 0.0
    assert around.points[-1].y == pytest.approx(states(landscape)[2].y, abs=1e-7)
    assert all(point.unstable_directions == 1 for point in around.points[-5:])


def test_health_survives_stress_below_the_fold_and_is_lost_above(
    landscape: Landscape, stress: list[Branch]
) -> None:
    (fold,) = stress[0].folds
    healthy = landscape.healthy
    held = [Held(landscape.circuit, healthy.held.effects._replace(stress=fold + by)) for by in (-0.01, 0.01)]
    stays, leaves = (landscape.coordinate.position(relax(h, healthy.y, 1500.0)) for h in held)
    assert stays > landscape.coordinate.point_of_no_return
    assert leaves < 0.1


def test_a_slow_run_through_stress_and_back_stays_in_the_ditch(landscape: Landscape) -> None:
    before, _, after = hysteresis(landscape.circuit, "stress", [0.0, 0.5, 0.0], 120.0)
    assert before == pytest.approx(1.0, abs=1e-3)
    assert after == pytest.approx(states(landscape)[1].connectivity, abs=5e-3)


def test_a_range_with_one_stable_state_is_said_and_drawn(
    default_file: CircuitFile, parameters: ParameterSet
) -> None:
    diagram = measure_diagram(default_file, parameters, "bdnf_gain", 0.5, 0.8)
    assert len(diagram.branches) == 1
    figure = bifurcation_figure(diagram.branches, diagram.name, diagram.label)
    assert "One stable state only" in figure.axes[0].get_title(loc="left")


def test_the_edge_between_two_states_that_are_there_all_the_way_is_found(
    default_file: CircuitFile, parameters: ParameterSet
) -> None:
    diagram = measure_diagram(default_file, parameters, "kc", 0.0001, 0.01)
    (edge,) = [branch for branch in diagram.branches if not branch.stable.any()]
    assert sorted(edge.values[[0, -1]]) == [0.0001, 0.01]
    assert all(point.unstable_directions == 1 for point in edge.points)
    assert diagram.findings() == ["Over kc: 2 stable states for kc 0.0001 to 0.01, all the way."]
    assert "(kc, " in diagram.label


def made_up_branch(
    landscape: Landscape, states_: str, values: list[float], turns: list[int], lost: list[int]
) -> Branch:
    """A branch through the states named by their letters: h(ealthy), s(tuck), e(dge)."""
    known = dict(zip("hse", states(landscape), strict=True))
    return Branch(np.array(values), [known[letter] for letter in states_], turns, lost)


def test_the_title_says_on_which_side_of_the_fold_a_state_is_gone(landscape: Landscape) -> None:
    healthy = made_up_branch(landscape, "hh", [0.0, 1.0], [], [])
    below = made_up_branch(landscape, "ssee", [1.0, 0.6, 0.5, 1.0], [2], [])
    beyond = made_up_branch(landscape, "ssee", [0.0, 0.4, 0.5, 0.0], [2], [])
    assert finding([healthy, below], "x").startswith("The stuck state is gone below x 0.5")
    assert finding([healthy, beyond], "x").startswith("The stuck state is gone beyond x 0.5")


def test_stable_and_unstable_stretches_meet_in_the_fold(landscape: Landscape) -> None:
    branch = made_up_branch(landscape, "ssee", [0.0, 0.4, 0.5, 0.0], [2], [])
    assert branch.stable_stretches() == [(0, 2, True), (2, 3, False)]


def test_an_end_that_could_not_be_followed_is_drawn_told_and_in_the_table(landscape: Landscape) -> None:
    branch = made_up_branch(landscape, "hh", [0.0, 0.4], [], [1])
    diagram = Diagram("x", [branch, made_up_branch(landscape, "ss", [0.0, 1.0], [], [])])
    assert any("could not be followed beyond 0.4" in line for line in diagram.findings())
    assert diagram.table().lost.tolist() == [False, True, False, False]
    drawn = bifurcation_figure(diagram.branches, "x").axes[0].texts
    assert any("lost at 0.4" in text.get_text() for text in drawn)


def test_the_title_names_what_varies_also_beside_slow_runs(landscape: Landscape) -> None:
    branches = [made_up_branch(landscape, "hh", [0.0, 1.0], [], [])]
    loops = {"a run": (np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.9, 1.0]))}
    (axes,) = bifurcation_figure(branches, "x", loops=loops).axes
    assert "for x 0 to 1" in axes.get_title(loc="left")


def test_a_range_where_the_model_has_no_rates_is_refused(
    default_file: CircuitFile, parameters: ParameterSet
) -> None:
    with pytest.raises(InputError, match="taul = 0 is not allowed"):
        measure_diagram(default_file, parameters, "taul", 0.0, 10.0)


def test_parameters_without_a_ditch_give_nulls_and_a_sentence(
    default_file: CircuitFile, parameters: ParameterSet, tmp_path: Path
) -> None:
    flat = find_landscape(default_file, parameters.with_values(rB=0.85))
    only_health = Branch(np.array([0.0, 1.0]), [flat.healthy, flat.healthy], [], [])
    ditch = Ditch(flat, Diagram("stress", [only_health]), {})
    found = ditch.contract()
    assert found["stuck"] == {"C": None}
    assert found["separatrix"] == {"C_saddle": None, "C_line": None}
    assert found["fold_stress"] is None
    assert "one stable state only" in findings(ditch)[0]
    about = About("default", "1", "1", "none")
    over_stress = Diagram("stress", [only_health])
    names = answer_of(ditch, about, [over_stress]).write(tmp_path)
    assert {"bifurcation-stress.png", "bifurcation-stress.caption.md", "vary-stress.csv"} <= set(names)
    assert "y is connectivity C (healthy = 1)" in (tmp_path / "vary-stress.caption.md").read_text()
    with pytest.raises(ValueError, match="one stable state"):
        _ = flat.coordinate


def test_the_landscape_of_an_unhealthy_set_is_refused(
    default_file: CircuitFile, parameters: ParameterSet
) -> None:
    with pytest.raises(ValueError, match="no attractor"):
        find_landscape(default_file, parameters.with_values(rB=1.3))


def test_an_unknown_name_to_vary_is_named_with_its_neighbour(
    default_file: CircuitFile, parameters: ParameterSet
) -> None:
    with pytest.raises(ValueError, match="stress"):
        vary(default_file, parameters, "stres")


@pytest.mark.parametrize("count", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_at_least_nine_of_ten_networks_end_on_the_side_that_the_mean_field_foretells(
    landscape: Landscape, default_file: CircuitFile, parameters: ParameterSet, count: int
) -> None:
    assert landscape.line is not None
    networks = [NetworkLine.of(default_file, parameters, 2000, seed) for seed in range(count)]
    right = [
        network.recovers(landscape.line.boundary + side) == (side > 0)
        for network in networks
        for side in (-NEARLY, NEARLY)
    ]
    assert len(right) == 2 * count
    assert sum(right) >= 0.9 * len(right)


def test_noise_that_is_strong_carries_a_patient_over_the_edge_and_none_leaves_it(
    landscape: Landscape,
) -> None:
    stuck = states(landscape)[1]
    noise = daily_noise(400, len(landscape.circuit.regions), 0.02, 168.0, np.random.default_rng(3))
    assert first_passage_day(landscape, stuck.y, noise, upwards=True) is not None
    assert first_passage_day(landscape, stuck.y, 0.0 * noise, upwards=True) is None


def test_runs_that_stay_are_counted_as_censored(landscape: Landscape) -> None:
    times = escape_times(landscape, [1e-6], runs=1, years=0.3, seed=1)
    assert not times.escaped.any()
    assert (times.day == int(0.3 * 365.25)).all()
    assert escape_table(times).median_day.isna().all()
