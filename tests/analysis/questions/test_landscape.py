"""The landscape: one state at every scar, where the scar moves, what stress and treatments do."""

from dataclasses import replace
from itertools import pairwise
from math import isnan

import numpy as np
import pytest
from unstuck.circuit import Circuit, healthy_state
from unstuck.drugs.exposure import Constant
from unstuck.engine.step import Engine
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.treatment import Treatment, circuit_for
from unstuck.parameters import default_parameters
from unstuck_analysis.output.answer import About
from unstuck_analysis.questions.landscape import (
    STRESSES,
    Landscape,
    SlowManifold,
    SteadyActing,
    acting_at_end,
    after_stress,
    answer_of,
    measure,
    sentences,
    slow_manifold,
)
from unstuck_analysis.questions.landscape_figures import landscape_figure
from unstuck_analysis.questions.stuck import typical_patient

# Model description, section 1: connectivity at scars of 0, .2, .4, .6, .8 and 1.
CONNECTIVITY_AT_SCAR = {0.0: 1.0, 0.2: 0.95, 0.4: 0.82, 0.6: 0.61, 0.8: 0.51, 1.0: 0.44}
TREATMENTS = ("untreated", "ssri-like", "ketamine-like")


@pytest.fixture(scope="module")
def landscape(default_file: CircuitFile) -> Landscape:
    return measure(default_file, default_parameters(), [Treatment(name) for name in TREATMENTS])


def test_connectivity_at_each_scar_is_that_of_the_model_description(landscape: Landscape) -> None:
    untreated = landscape.manifolds[0]
    found = np.interp(list(CONNECTIVITY_AT_SCAR), untreated.scar, untreated.connectivity)
    np.testing.assert_allclose(found, list(CONNECTIVITY_AT_SCAR.values()), atol=0.01)


def test_three_starts_end_in_the_same_state_at_every_scar(landscape: Landscape) -> None:
    assert list(landscape.starts) == ["health", "stuck", "weakest"]
    found = [one.connectivity for one in landscape.starts.values()]
    assert np.ptp(found, axis=0).max() < 2e-3


def test_the_stuck_patient_is_on_the_slow_manifold(landscape: Landscape) -> None:
    scar, connectivity = landscape.stuck
    untreated = landscape.manifolds[0]
    assert np.interp(scar, untreated.scar, untreated.connectivity) == pytest.approx(connectivity, abs=0.02)


def test_a_scar_that_is_held_fixed_does_not_move(mean_field: Circuit) -> None:
    held = mean_field.parameters.with_values(kM=0.0, tauM=1e9)
    circuit = typical_patient(mean_field.file, held).circuit
    state = healthy_state(circuit)
    state.slow.scar[:] = 0.5
    engine = Engine(circuit, state)
    engine.advance(Constant(len(circuit.regions)), 84 * 24.0)
    np.testing.assert_allclose(engine.state.slow.scar, 0.5, atol=1e-5)


def test_without_treatment_there_is_no_scar_in_health_and_it_heals_in_the_stuck_state(
    landscape: Landscape,
) -> None:
    untreated = landscape.manifolds[0]
    assert untreated.change_per_day[0] == 0.0
    assert (untreated.change_per_day[1:] < 0.0).all()
    assert untreated.scar_at_rest == 0.0
    assert 50.0 < untreated.heals_days(landscape.stuck[0]) < 200.0


def test_full_stress_grows_the_scar_in_health_and_in_the_stuck_state(landscape: Landscape) -> None:
    full = landscape.under("stress 1")
    assert full is not None
    assert full.change_per_day[0] == pytest.approx(24 * 0.00305)
    assert np.interp(landscape.stuck[0], full.scar, full.change_per_day) > 0.0
    assert full.heals_days(landscape.stuck[0]) == np.inf


def test_more_stress_without_end_leads_to_a_larger_scar(landscape: Landscape) -> None:
    found = [landscape.under(f"stress {size:g}") for size in STRESSES]
    rests = [one.scar_at_rest for one in found if one is not None]
    assert len(rests) == len(STRESSES)
    assert all(less < more for less, more in pairwise([0.0, *rests]))


def test_an_ssri_heals_the_scar_faster_than_no_treatment(landscape: Landscape) -> None:
    treated, untreated = landscape.under("ssri-like"), landscape.manifolds[0]
    assert treated is not None
    assert treated.heals_days(landscape.stuck[0]) < 0.8 * untreated.heals_days(landscape.stuck[0])


def test_a_single_dose_has_no_steady_state(landscape: Landscape) -> None:
    assert landscape.under("ketamine-like") is None
    patient = typical_patient(Treatment("ketamine-like").circuit, default_parameters())
    assert acting_at_end(patient, Treatment("ketamine-like")) is None


def test_more_episodes_leave_a_larger_scar_and_less_connectivity(landscape: Landscape) -> None:
    rows = landscape.stress[(landscape.stress.stress == 1) & (landscape.stress.days == 28)]
    assert rows.episodes.tolist() == [1, 2, 3, 4, 5]
    assert rows.scar.is_monotonic_increasing
    assert rows.connectivity.is_monotonic_decreasing


def test_longer_and_stronger_stress_leaves_a_larger_scar(landscape: Landscape) -> None:
    once = landscape.stress[landscape.stress.episodes == 1]
    table = once.pivot(index="stress", columns="days", values="scar").to_numpy()
    assert (np.diff(table, axis=0) > 0).all()
    assert (np.diff(table, axis=1) > 0).all()


def test_no_stress_leaves_a_healthy_patient_healthy(mean_field: Circuit) -> None:
    patient = typical_patient(mean_field.file, default_parameters())
    assert after_stress(patient, 0.0, 28.0) == (0.0, pytest.approx(1.0, abs=1e-3))


def test_every_path_starts_at_the_stuck_state(landscape: Landscape) -> None:
    for path in landscape.paths:
        assert (path.scar[0], path.connectivity[0]) == pytest.approx(landscape.stuck)


def test_the_untreated_patient_recovers_later_than_within_twelve_weeks(landscape: Landscape) -> None:
    assert 84.0 < landscape.untreated.first_day < 365.0
    assert isnan(landscape.paths[0].recovery.first_day) == (landscape.untreated.first_day > 168.0)


def test_the_scar_at_rest_is_where_growth_turns_into_healing() -> None:
    scars, nothing = np.array([0.0, 0.5, 1.0]), np.full(3, np.nan)
    rising = SlowManifold("stress", scars, nothing, np.array([0.2, 0.1, -0.1]), nothing)
    assert rising.scar_at_rest == pytest.approx(0.75)
    assert SlowManifold("", scars, nothing, np.array([0.2, 0.1, 0.1]), nothing).scar_at_rest == 1.0
    assert SlowManifold("", scars, nothing, np.array([0.0, -0.1, -0.1]), nothing).scar_at_rest == 0.0


def test_input_to_a_region_counts_among_what_acts(mean_field: Circuit) -> None:
    patient = typical_patient(mean_field.file, default_parameters())
    scars, driven = np.array([0.6]), np.zeros(len(mean_field.regions))
    driven[0] = 0.1
    quiet, loud = (
        slow_manifold(patient, SteadyActing("", region_input=given), scars) for given in (None, driven)
    )
    assert loud.connectivity[0] != pytest.approx(quiet.connectivity[0], abs=1e-3)


def test_a_patient_who_does_not_become_stuck_is_named(default_file: CircuitFile) -> None:
    resilient = default_parameters().with_values(kM=0.0005)
    with pytest.raises(InputError, match="does not become stuck"):
        measure(default_file, resilient, [])


def test_the_figure_has_four_panels_with_every_treatment(landscape: Landscape) -> None:
    panels = landscape_figure(landscape).axes
    assert len(panels) == 4
    legend = panels[2].get_legend()
    assert legend is not None
    assert set(TREATMENTS) <= {text.get_text() for text in legend.get_texts()}


def test_the_answer_says_that_there_is_one_state(landscape: Landscape) -> None:
    answer = answer_of(landscape, About("", "", "", ""))
    assert "one resting state, not two" in answer.finding[0]
    assert not any(word in answer.terminal() for word in ("fold", "saddle", "basin", "rim "))
    assert set(answer.tables) == {"slow-manifold", "starts", "leaving", "paths", "stress"}


@pytest.mark.parametrize(("name", "readout"), [("anxiety", "fear"), ("ocd", "loop")])
def test_in_a_circuit_whose_connections_grow_the_readout_increases_with_the_scar(
    landscape: Landscape, name: str, readout: str
) -> None:
    file, _ = circuit_for(name)
    found = slow_manifold(typical_patient(file, default_parameters()), scars=np.array([0.0, 0.5]))
    assert found.connectivity[0] == pytest.approx(1.0, abs=1e-3)
    assert found.connectivity[1] > file.readout.limit
    assert found.change_per_day[0] == pytest.approx(0.0, abs=1e-6)
    assert found.change_per_day[1] < 0.0
    answer = answer_of(replace(landscape, file=file), About(name, "1", "none", ""))
    assert answer.finding[0].endswith(f"in {readout}.")
    assert answer.finding[1].startswith(f"{readout.capitalize()} at rest increases from 1.00")
    assert answer.tables["stress"].columns[-1].heading == readout
    (first, *_) = answer.figures["landscape"].figure.axes
    assert first.get_ylabel() == f"{readout} (1 = health)"
    assert "stuck above this line" in [text.get_text() for text in first.texts]


def test_starts_that_do_not_meet_are_reported(landscape: Landscape) -> None:
    apart = replace(landscape.starts["weakest"], connectivity=landscape.starts["health"].connectivity + 0.04)
    found = replace(landscape, starts={**landscape.starts, "weakest": apart})
    assert sentences(found)[0].startswith(
        "3 starts are still up to 0.04 apart in connectivity C after 800 days"
    )
