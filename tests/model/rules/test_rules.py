"""Each rule has the right value where it can be worked out by hand, and moves the right way."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unstuck.parameters import default_parameters
from unstuck.rules import rules_of
from unstuck.rules.adaptation import gaba_receptors_change, receptors_change
from unstuck.rules.bdnf import bdnf_change
from unstuck.rules.firing import (
    activity,
    activity_slope,
    needed_drive,
    receptor_gain,
    serotonin_gain,
    total_drive,
)
from unstuck.rules.heteroreceptors import (
    excitation_by_5ht2c,
    heteroreceptor_inhibition,
    sensitivity_5ht2c_change,
)
from unstuck.rules.monoamine import (
    autoreceptor_drive,
    autoreceptor_inhibition,
    monoamine_pool,
    sensitivity_change,
    transporter_change,
)
from unstuck.rules.plasticity import (
    coincidence,
    consolidated_change,
    intermediate_change,
    labile_change,
    labile_decay,
    loss_rate,
    potentiation,
)
from unstuck.rules.receptors import hill, receptor_drive
from unstuck.rules.scar import scar_change
from unstuck.rules.trkb import (
    gate,
    healing_gate,
    recent_activity_change,
    released,
    surge,
    trkb_change,
    trkb_input,
)
from unstuck.targets import NO_EFFECT, Effects

P, R = default_parameters(), rules_of(default_parameters())
SHARE = st.floats(0.0, 1.0)


def approx(value: float) -> object:
    return pytest.approx(value, rel=1e-12, abs=1e-15)


def test_a_hill_curve_has_its_values() -> None:
    assert hill(60.0, 60.0, 3.0) == approx(0.5)
    assert hill(2.0, 1.0, 2.0) == approx(0.8)
    assert hill(0.0, 1.0, 2.0) == 0.0


def test_drugs_at_a_receptor_change_its_drive() -> None:
    assert receptor_drive(0.25, 0.4, 0.5) == approx(0.5 * (0.25 + 0.75 * 0.4))
    assert receptor_drive(0.25, 1.0, 0.0) == approx(1.0)
    assert receptor_drive(0.25, 0.0, 1.0) == 0.0


def test_firing_inverts_the_drive_it_needs_and_saturates() -> None:
    assert needed_drive(5.0, 60.0) == approx(sqrt(5.0 / 55.0))
    assert activity(needed_drive(5.0, 60.0), 12.0) == approx(1.0)
    assert activity(1.0, 12.0) == approx(6.0)
    assert activity(-0.1, 12.0) == 0.0


@given(st.floats(0.01, 5.0))
def test_the_slope_of_firing_is_its_derivative(drive: float) -> None:
    step = 1e-6
    difference = (activity(drive + step, 12.0) - activity(drive - step, 12.0)) / (2 * step)
    assert activity_slope(activity(drive, 12.0), 12.0) == pytest.approx(difference, rel=1e-5, abs=1e-8)


def test_receptors_and_serotonin_scale_excitation() -> None:
    assert receptor_gain(0.15, 0.2, 1.0) == approx(0.85 * 1.2 + 0.15)
    assert receptor_gain(0.765, 0.0, 0.5) == approx(0.235 + 0.765 * 0.5)
    assert serotonin_gain(P["S0"], 0.0, 0.0, R.firing) == approx(1.0)
    assert serotonin_gain(180.0, 0.0, 0.0, R.firing) == approx(1.0 + 0.142 * (0.75 - 0.5))
    assert serotonin_gain(60.0, 0.0, 1.0, R.firing) == approx(1.0 - 0.142 * 0.5)


def test_drive_is_bias_plus_all_inputs_scaled() -> None:
    assert total_drive(0.3, 2.0, 0.5, 0.2, -0.1) == approx(0.3 + 2.0 * (0.5 - 0.2 - 0.1))


@given(SHARE, st.floats(0.3, 3.0), st.floats(0.003, 1.0), st.floats(1e-3, 8.0))
def test_serotonin_is_where_clearance_equals_release(
    occupancy: float, vmax: float, uncleared: float, release: float
) -> None:
    free, S = 1.0 - occupancy, monoamine_pool(release, occupancy, vmax, uncleared, R.serotonin)
    Km, S0 = P["Km"], P["S0"]
    clearance = (1 - uncleared) * vmax * free * S * (Km + S0) / ((Km + free * S) * S0) + uncleared * S / S0
    assert S > 0.0
    assert clearance == pytest.approx(release, rel=1e-9)


def test_serotonin_has_its_healthy_value_and_none_without_release() -> None:
    assert monoamine_pool(1.0, 0.0, 1.0, 0.08, R.serotonin) == approx(60.0)
    assert monoamine_pool(0.0, 0.5, 1.0, 0.08, R.serotonin) == 0.0
    assert monoamine_pool(0.5, 1.0, 1.0, 0.1, R.serotonin) == approx(0.5 * 60.0 / 0.1)


def test_transporters_follow_raphe_trkb_only_upwards() -> None:
    assert transporter_change(1.0, 0.5, 2.0, R.serotonin) == 0.0
    assert transporter_change(1.0, 1.5, 0.4, R.serotonin) == approx(0.2 / 168.0)


def test_bdnf_synthesis_falls_with_stress_and_scar_and_rises_with_serotonin() -> None:
    assert bdnf_change(1.0, 0.0, 60.0, 0.0, 1.0, R.bdnf) == approx(0.0)
    assert bdnf_change(0.0, 0.0, 60.0, 1.0, 1.0, R.bdnf) == approx(0.5 / 125.0)
    assert bdnf_change(0.0, 0.5, 60.0, 0.0, 1.0, R.bdnf) == approx((1.0 - 0.677 * 0.5) / 125.0)
    by_serotonin = 1.0 + 0.63 * (180.0 / 408.0 - 60.0 / 288.0)
    assert bdnf_change(0.2, 0.0, 180.0, 0.0, 1.2, R.bdnf) == approx((1.2 * by_serotonin - 0.2) / 125.0)


def test_bdnf_is_released_constitutively_by_activity_and_by_surges() -> None:
    assert released(1.0, 1.0, R.trkb) == approx(1.0)
    assert released(0.5, 0.0, R.trkb) == approx(0.5 * 0.27)
    assert released(1.0, 2.0, R.trkb) == approx(0.27 + 0.73 * 2.0 * 8.0 / 9.0)
    assert surge(1.0, 1.05, 1.0, R.trkb) == 0.0
    assert surge(0.5, 1.3, 1.0, R.trkb) == approx(150.0 * 0.5 * 0.2)


def test_drugs_facilitate_drive_and_block_trkb() -> None:
    assert trkb_input(1.0, 2.0, NO_EFFECT) == approx(3.0)
    acting = Effects(trkb_facilitation=0.1, trkb_drive=0.4, trkb_block=0.25)
    assert trkb_input(1.0, 2.0, acting) == approx((1.1 + 2.0 + 0.4) * 0.75)


def test_trkb_signalling_saturates_at_its_ceiling() -> None:
    assert trkb_change(1.0, 1.0, R.trkb) == approx(0.0)
    assert trkb_change(0.0, 5.0, R.trkb) == approx(4.0 * 5.0 / 8.0 / 24.0)
    assert trkb_change(4.0, 1e9, R.trkb) == pytest.approx(0.0, abs=1e-8)
    assert recent_activity_change(1.0, 2.8, R.trkb) == approx(1.8 / 36.0)


def test_the_scar_grows_with_the_square_of_stress_and_heals_behind_the_gate() -> None:
    assert gate(0.934, R.trkb) == approx(0.5)
    assert approx(1.0 / (1.0 + 0.934**3)) == R.scar.Q1
    assert scar_change(0.2, 0.5, 0.0, R.scar) == approx(0.00305 * 0.25 * 0.8)
    assert scar_change(0.4, 0.0, R.scar.Q1, R.scar) == approx(-0.4 / 614.0)


def test_health_stands_still_in_every_pool_of_a_synapse() -> None:
    w0, p, healthy_gate = 0.05, R.plasticity, R.scar.Q1
    labile, intermediate = P["l0"] * w0, P["m0"] * w0
    consolidated = w0 - labile - intermediate
    made = potentiation(1.0, coincidence(1.0, 1.0, p), p)
    assert labile_change(labile, w0, w0, made, healthy_gate, p) == pytest.approx(0.0, abs=1e-17)
    assert intermediate_change(labile, intermediate, healthy_gate, p) == pytest.approx(0.0, abs=1e-17)
    loss = loss_rate(healthy_gate, 1.0, p)
    assert consolidated_change(intermediate, consolidated, w0, healthy_gate, loss, p) == pytest.approx(
        0.0, abs=1e-17
    )


def test_each_pool_of_a_synapse_changes_by_its_equation() -> None:
    p = R.plasticity
    assert coincidence(2.0, 1.1, p) == approx(0.5)
    assert potentiation(2.0, 0.5, p) == approx(p.etap)
    assert labile_change(0.1, 1.2, 1.0, 5.0, 0.4, p) == approx(-0.1 / 24.3 - p.k1 * 0.4 * 0.1)  # no room
    assert labile_change(0.1, 1.0, 1.0, 0.5, 0.0, p) == approx(0.5 * 0.1 - 0.1 / 24.3)
    assert labile_decay(0.5, 0.4, p) == approx(0.5 + 1.0 / 24.3 + 0.4 * p.k1)
    assert intermediate_change(0.1, 0.2, 0.5, p) == approx(p.k1 * 0.05 - 0.2 / 205.0 - 0.000229 * 0.5 * 0.2)
    assert loss_rate(0.25, 0.9, p) == approx(0.75 * p.etad)
    assert loss_rate(1.0, 1.5, p) == approx(0.014 * 0.5)
    assert consolidated_change(0.2, 0.5, 1.0, 0.5, 0.1, p) == approx(0.000229 * 0.5 * 0.2 - 0.1 * 0.17)


def test_labile_decay_is_the_derivative_of_the_change_of_labile_strength() -> None:
    p, step = R.plasticity, 1e-6
    high, low = (labile_change(0.1 + d, 0.9 + d, 1.0, 0.3, 0.4, p) for d in (step, -step))
    assert -(high - low) / (2 * step) == pytest.approx(labile_decay(0.3, 0.4, p), rel=1e-6)


def test_autoreceptors_desensitize_until_raphe_firing_is_back() -> None:
    healthy = autoreceptor_drive(60.0, 0.0, 0.0, P["K1A"])
    assert healthy == approx(60.0 / 157.3)
    assert sensitivity_change(1.0, 2.0 * healthy, R.serotonin) == approx(-0.5 / 240.0)
    assert sensitivity_change(0.9, 0.5 * healthy, R.serotonin) == approx(0.1 / 240.0)  # at most 1
    assert sensitivity_change(0.9, 0.0, R.serotonin) == approx(0.1 / 240.0)
    assert np.isnan(sensitivity_change(1.0, float("nan"), R.serotonin))
    assert autoreceptor_inhibition(P["g1A"], 0.5, 0.4) == approx(0.7 * 0.5 * 0.4)


def test_receptors_adapt_to_a_steady_drug() -> None:
    assert receptors_change(1.0, 1.0, R.adaptation) == 0.0
    assert receptors_change(1.0, 0.8, R.adaptation) == approx(0.2 / 48.0)
    assert receptors_change(1.25, 0.8, R.adaptation) == approx(0.0)


def test_gaba_receptors_undo_a_given_share_of_a_lasting_change() -> None:
    all_of_it, half = R.adaptation._replace(aG=1.0), R.adaptation._replace(aG=0.5)
    assert gaba_receptors_change(1.0, 1.0, half) == 0.0
    assert gaba_receptors_change(1.0, 0.8, all_of_it) == approx(0.2 / 48.0)
    assert gaba_receptors_change(1.25, 0.8, all_of_it) == approx(0.0)
    assert gaba_receptors_change(1.0, 0.8, half) == approx(0.1 / 48.0)
    assert gaba_receptors_change(1.0, 1.4, half) == approx(-0.2 / 48.0)


def test_heteroreceptors_act_only_beyond_their_healthy_tone() -> None:
    p = R.heteroreceptors
    healthy, doubled = 60.0 / 157.3, 120.0 / 217.3
    assert heteroreceptor_inhibition(0.7, 60.0, 0.0, 0.0, p) == 0.0
    assert heteroreceptor_inhibition(0.7, 120.0, 0.0, 0.0, p) == approx(0.7 * (doubled - healthy))
    with_agonist = healthy + (1.0 - healthy) * 0.4
    assert heteroreceptor_inhibition(0.7, 60.0, 0.4, 0.5, p) == approx(0.7 * (0.5 * with_agonist - healthy))
    assert excitation_by_5ht2c(0.7, 1.0, 60.0, 0.0, p) == 0.0
    assert excitation_by_5ht2c(0.7, 0.9, 120.0, 0.25, p) == approx(0.7 * 0.75 * (0.9 * doubled - healthy))


def test_5ht2c_desensitizes_while_serotonin_is_high_and_never_becomes_more_sensitive_than_in_health() -> None:
    p, healthy, doubled = R.heteroreceptors, 60.0 / 157.3, 120.0 / 217.3
    assert sensitivity_5ht2c_change(1.0, 60.0, p) == 0.0
    assert sensitivity_5ht2c_change(1.0, 120.0, p) == approx((healthy / doubled - 1.0) / 240.0)
    assert sensitivity_5ht2c_change(0.9, 30.0, p) == approx(0.1 / 240.0)
    assert sensitivity_5ht2c_change(0.9, 0.0, p) == approx(0.1 / 240.0)


def test_a_scar_heals_where_trkb_signals_or_is_quiet_by_its_direction() -> None:
    assert healing_gate(2.0, 0.3, R.trkb) == healing_gate(2.0, 0.0, R.trkb) == gate(2.0, R.trkb)
    assert healing_gate(2.0, -0.3, R.trkb) == gate(0.5, R.trkb)
    assert healing_gate(0.0, -0.3, R.trkb) == approx(1.0)


def test_receptor_constants_that_a_circuit_does_not_give_are_those_of_the_autoreceptor() -> None:
    given = {name: value for name, value in P.items() if name not in ("K1H", "K2C", "aG")}
    assert rules_of(given).heteroreceptors == (P["K1A"], P["K1A"], P["S0"], P["tauD"])
    assert rules_of(given).adaptation.aG == 1.0
    own = rules_of({**given, "K1H": 7.0, "K2C": 8.0, "aG": 0.25})
    assert (own.heteroreceptors.K1H, own.heteroreceptors.K2C, own.adaptation.aG) == (7.0, 8.0, 0.25)


def test_strength_that_leaves_nothing_to_be_lost_is_refused_by_name_and_one_that_leaves_little_is_not() -> (
    None
):
    nothing_left = {**P, "l0": 0.25, "m0": 0.25, "core": 0.5}
    with pytest.raises(ValueError, match=r"l0 \+ m0 \+ core = 1 must be below 1"):
        rules_of(nothing_left)
    assert rules_of({**nothing_left, "core": 0.49}).plasticity.core == 0.49


def test_synthesis_of_bdnf_that_serotonin_alone_could_stop_is_refused() -> None:
    stopped = {**P, "S0": 60.0, "KS": 60.0, "b5": 2.0}  # half bound in health
    with pytest.raises(ValueError, match="b5 = 2: BDNF synthesis would be negative"):
        rules_of(stopped)
    assert rules_of({**stopped, "b5": 1.99}).bdnf.b5 == 1.99


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"l0": 0.3, "m0": 0.4, "core": 0.3}, "must be below 1"),
        ({"wmaxf": 1.0}, "wmaxf = 1 above 1"),
        ({"b5": 4.9}, "BDNF synthesis would be negative"),
    ],
)
def test_parameters_without_a_healthy_state_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rules_of(default_parameters().with_values(**values))
