"""Each rule in its limits, with the signs that biology asks of it."""

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unstuck.parameters import reference_parameters
from unstuck.rules import autoreceptor, bdnf, firing, plasticity, receptors, serotonin
from unstuck.targets import combine, competing

P = reference_parameters().for_rules()
SHARES = st.floats(0.0, 0.99)
ACTIVITIES = st.floats(0.01, 10.0)
SIGNALS = st.floats(0.0, 20.0)
CLEARED = st.floats(0.003, 0.5)
POOLS_NM = st.floats(0.1, 2_000.0)


def pool(
    activity: float,
    occupancy: float = 0.0,
    vmax: float = 1.0,
    uncleared: float = 0.05,
    gain: float = 1.0,
    agonist: float = 0.0,
    antagonist: float = 0.0,
    b1B: float = P.b1B,
    guess_nM: float = P.S0,
) -> float:
    return serotonin.pool(
        activity, occupancy, vmax, uncleared, gain, agonist, antagonist, guess_nM, P.K1B, b1B, P.Km, P.S0
    )


# Receptors


@given(concentration=POOLS_NM, half=POOLS_NM, exponent=st.floats(0.5, 9.0))
def test_half_of_the_receptors_are_bound_at_the_half_effect(
    concentration: float, half: float, exponent: float
) -> None:
    assert receptors.hill(half, half, exponent) == pytest.approx(0.5)
    assert 0.0 < receptors.hill(concentration, half, exponent) <= 1.0  # 1 where floats tell no difference
    assert receptors.hill(0.0, half, exponent) == 0.0


@given(bound=SHARES, agonist=SHARES, antagonist=SHARES)
def test_an_agonist_raises_and_an_antagonist_lowers_the_drive_of_a_receptor(
    bound: float, agonist: float, antagonist: float
) -> None:
    drive = receptors.receptor_drive(bound, agonist, antagonist)
    assert 0.0 <= drive <= 1.0
    assert receptors.receptor_drive(bound, agonist, 0.0) >= bound
    assert receptors.receptor_drive(bound, 0.0, antagonist) <= bound
    assert receptors.receptor_drive(bound, 0.0, 1.0) == 0.0


# Firing


@given(rate_Hz=st.floats(0.01, 50.0), maximal_Hz=st.floats(50.5, 200.0))
def test_the_drive_a_set_point_needs_gives_the_set_point(rate_Hz: float, maximal_Hz: float) -> None:
    assert firing.rate(firing.needed_drive(rate_Hz, maximal_Hz), maximal_Hz) == pytest.approx(rate_Hz)


@given(drive=st.floats(-5.0, 50.0), more=st.floats(0.0, 5.0))
def test_a_rate_is_silent_below_threshold_rises_with_drive_and_saturates(drive: float, more: float) -> None:
    rate_Hz = firing.rate(drive, 60.0)
    assert 0.0 <= rate_Hz <= firing.rate(drive + more, 60.0) < 60.0
    assert drive > 0.0 or rate_Hz == 0.0


@given(nmda=SHARES, ampa=st.floats(-0.9, 3.0), block=SHARES, more=st.floats(0.0, 0.5))
def test_ampa_raises_and_nmda_block_lowers_the_gain(
    nmda: float, ampa: float, block: float, more: float
) -> None:
    def gain(a: float, b: float) -> float:
        return firing.glutamate_gain(nmda, a, b, 0.0, 0.0)

    assert gain(ampa + more, block) >= gain(ampa, block) >= 0.0
    assert gain(ampa, min(1.0, block + more)) <= gain(ampa, block)
    assert firing.glutamate_gain(nmda, 0.0, 0.0, 0.0, 0.0) == pytest.approx(1.0)


def test_all_that_a_neuron_receives_is_scaled_but_its_bias() -> None:
    assert firing.total_drive(0.3, 2.0, 1.5, 0.4, 0.1, 0.05) == pytest.approx(0.3 + 2.0 * (0.6 - 0.1 + 0.05))


# Serotonin


@given(
    activity=ACTIVITIES,
    occupancy=SHARES,
    vmax=st.floats(0.1, 3.0),
    uncleared=CLEARED,
    gain=st.floats(0.01, 2.0),
    agonist=SHARES,
    antagonist=SHARES,
    guess=POOLS_NM,
)
def test_release_meets_clearance_in_the_pool(
    activity: float,
    occupancy: float,
    vmax: float,
    uncleared: float,
    gain: float,
    agonist: float,
    antagonist: float,
    guess: float,
) -> None:
    found = pool(activity, occupancy, vmax, uncleared, gain, agonist, antagonist, guess_nM=guess)
    released = serotonin.release(found, activity, gain, agonist, antagonist, P.K1B, P.b1B, P.S0)
    cleared = serotonin.clearance(found, 1.0 - occupancy, vmax, uncleared, P.Km, P.S0)
    assert released == pytest.approx(cleared, rel=1e-8)


@given(uncleared=CLEARED)
def test_a_healthy_raphe_keeps_the_healthy_pool(uncleared: float) -> None:
    assert pool(1.0, uncleared=uncleared) == pytest.approx(P.S0, rel=1e-12)


@given(activity=ACTIVITIES, occupancy=SHARES, more=st.floats(0.0, 1.0), uncleared=CLEARED)
def test_more_occupancy_never_lowers_serotonin_at_the_same_raphe_activity(
    activity: float, occupancy: float, more: float, uncleared: float
) -> None:
    higher = occupancy + more * (0.99 - occupancy)
    assert pool(activity, higher, uncleared=uncleared) >= pool(activity, occupancy, uncleared=uncleared) * (
        1 - 1e-10
    )


@given(activity=ACTIVITIES, vmax=st.floats(0.1, 3.0), faster=st.floats(1.0, 2.0), more=st.floats(1.0, 2.0))
def test_faster_reuptake_lowers_and_more_firing_raises_serotonin(
    activity: float, vmax: float, faster: float, more: float
) -> None:
    assert pool(activity, vmax=vmax * faster) <= pool(activity, vmax=vmax) * (1 + 1e-10)
    assert pool(activity * more, vmax=vmax) >= pool(activity, vmax=vmax) * (1 - 1e-10)


@given(occupancy=st.floats(0.0, 0.9))
def test_a_competitive_block_raises_serotonin_by_one_over_what_is_left_free(occupancy: float) -> None:
    rise = pool(1.0, occupancy, uncleared=1e-7, b1B=0.0) / P.S0
    assert rise == pytest.approx(1.0 / (1.0 - occupancy), rel=1e-4)


@pytest.mark.parametrize(("activity", "gain"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_silent_or_emptied_raphe_leaves_no_serotonin(activity: float, gain: float) -> None:
    assert pool(activity, gain=gain) == 0.0


def test_a_transporter_that_follows_trkb_rises_and_comes_back() -> None:
    assert serotonin.transporter_change(1.0, 1.0, 0.5, P.tau_v) == 0.0
    assert serotonin.transporter_change(1.0, 1.4, 0.5, P.tau_v) == pytest.approx(0.2 / P.tau_v)
    assert serotonin.transporter_change(1.2, 0.3, 0.5, P.tau_v) == pytest.approx(-0.2 / P.tau_v)
    assert serotonin.transporter_change(1.0, 9.0, 0.0, P.tau_v) == 0.0


# Autoreceptors


@given(sensitivity=st.floats(P.Dmin, 1.0), ratio=st.floats(0.0, 50.0))
def test_sensitivity_stays_between_its_floor_and_health(sensitivity: float, ratio: float) -> None:
    after_a_step = sensitivity + P.tauD * autoreceptor.sensitivity_change(
        sensitivity, ratio, P.Dmin, P.KD, P.tauD
    )
    assert P.Dmin - 1e-12 <= after_a_step <= 1.0 + 1e-12


@given(ratio=st.floats(0.0, 30.0), more=st.floats(0.0, 5.0))
def test_more_raphe_serotonin_never_makes_autoreceptors_more_sensitive(ratio: float, more: float) -> None:
    def change(at: float) -> float:
        return autoreceptor.sensitivity_change(0.6, at, P.Dmin, P.KD, P.tauD)

    assert change(ratio + more) <= change(ratio) + 1e-15


def test_healthy_autoreceptors_stand_still() -> None:
    assert autoreceptor.sensitivity_change(1.0, 1.0, P.Dmin, P.KD, P.tauD) == pytest.approx(0.0, abs=1e-15)


@given(serotonin_nM=POOLS_NM)
def test_without_a_drug_the_apparent_serotonin_is_the_serotonin(serotonin_nM: float) -> None:
    drive = autoreceptor.autoreceptor_drive(serotonin_nM, 0.0, 0.0, P.K1A)
    assert autoreceptor.apparent_serotonin_ratio(drive, P.K1A, P.S0) == pytest.approx(serotonin_nM / P.S0)


@given(serotonin_nM=POOLS_NM, agonist=st.floats(0.01, 0.95))
def test_an_agonist_looks_like_more_serotonin(serotonin_nM: float, agonist: float) -> None:
    drive = autoreceptor.autoreceptor_drive(serotonin_nM, agonist, 0.0, P.K1A)
    assert autoreceptor.apparent_serotonin_ratio(drive, P.K1A, P.S0) > serotonin_nM / P.S0


# BDNF and TrkB


@given(stress=st.floats(0.0, 1.0), serotonin_nM=POOLS_NM, more=st.floats(0.0, 500.0), b=st.floats(0.0, 5.0))
def test_stress_lowers_and_serotonin_raises_bdnf(
    stress: float, serotonin_nM: float, more: float, b: float
) -> None:
    def change(s: float, nM: float) -> float:
        return bdnf.bdnf_change(b, s, nM, 1.0, P.stB, P.b5, P.KS, P.S0, P.tauB)

    assert change(stress, serotonin_nM) <= change(0.0, serotonin_nM)
    assert change(stress, serotonin_nM + more) >= change(stress, serotonin_nM)
    assert change(0.0, P.S0) == pytest.approx((1.0 - b) / P.tauB)


@given(b=st.floats(0.0, 5.0), x=st.floats(0.0, 10.0), drive=st.floats(0.0, 6.0), block=st.floats(0.0, 1.0))
def test_trkb_signalling_never_falls_below_zero(b: float, x: float, drive: float, block: float) -> None:
    assert bdnf.trkb_change(0.0, b, x, drive, block, P.rB, P.mB, P.tauT) >= 0.0


@given(b=st.floats(0.01, 5.0), x=ACTIVITIES, drive=st.floats(0.0, 6.0), t=SIGNALS)
def test_a_complete_block_lets_trkb_signalling_fade(b: float, x: float, drive: float, t: float) -> None:
    assert bdnf.trkb_change(t, b, x, drive, 1.0, P.rB, P.mB, P.tauT) == pytest.approx(-t / P.tauT)
    assert bdnf.trkb_change(1.0, 1.0, 1.0, 0.0, 0.0, P.rB, P.mB, P.tauT) == pytest.approx(0.0, abs=1e-15)


# Plasticity


def synapse_change(
    labile: float, consolidated: float, post: float, pre: float, trkb: float, stress: float
) -> tuple[float, float]:
    """Change (1/h) of labile and consolidated strength of a synapse of healthy weight 1."""
    potentiation = plasticity.potentiation_rate(trkb, P.etap, P.TS) * plasticity.coincidence(
        post, pre, P.rho2
    )
    consolidation = plasticity.consolidation_rate(trkb, P.kc, P.QK, P.nT)
    loss = plasticity.consolidated_loss_rate(trkb, post, stress, P.etad, P.stW, P.Th, P.nT, P.etah)
    return (
        plasticity.labile_change(labile, consolidated, 1.0, potentiation, consolidation, P.taul, P.wmaxf),
        plasticity.consolidated_change(labile, consolidated, 1.0, consolidation, loss, P.core),
    )


def test_the_healthy_synapse_stands_still() -> None:
    change = synapse_change(P.l0, 1.0 - P.l0, 1.0, 1.0, 1.0, 0.0)
    assert change == pytest.approx((0.0, 0.0), abs=1e-16)


@given(
    l0=st.floats(0.05, 0.3), core=st.floats(0.2, 0.6), wmaxf=st.floats(1.05, 1.4), taul=st.floats(10.0, 100.0)
)
def test_the_healthy_rates_make_any_healthy_synapse_stand_still(
    l0: float, core: float, wmaxf: float, taul: float
) -> None:
    etap, etad = plasticity.healthy_rates(l0, taul, P.kc, P.QK, P.Th, P.nT, core, wmaxf, P.rho2)
    potentiation = plasticity.potentiation_rate(1.0, etap, P.TS) * plasticity.coincidence(1.0, 1.0, P.rho2)
    consolidation = plasticity.consolidation_rate(1.0, P.kc, P.QK, P.nT)
    loss = plasticity.consolidated_loss_rate(1.0, 1.0, 0.0, etad, P.stW, P.Th, P.nT, P.etah)
    assert min(etap, etad) > 0.0
    assert plasticity.labile_change(
        l0, 1.0 - l0, 1.0, potentiation, consolidation, taul, wmaxf
    ) == pytest.approx(0.0, abs=1e-15)
    assert plasticity.consolidated_change(l0, 1.0 - l0, 1.0, consolidation, loss, core) == pytest.approx(
        0.0, abs=1e-15
    )


@given(consolidated=st.floats(P.core, P.wmaxf), post=ACTIVITIES, pre=ACTIVITIES, trkb=SIGNALS, stress=SHARES)
def test_strength_never_leaves_the_band_from_its_core_to_its_maximum(
    consolidated: float, post: float, pre: float, trkb: float, stress: float
) -> None:
    """On every edge of core <= c, 0 <= l, c + l <= wmax the change points inwards."""
    no_labile = synapse_change(0.0, consolidated, post, pre, trkb, stress)
    assert no_labile[0] >= 0.0
    full = synapse_change(P.wmaxf - consolidated, consolidated, post, pre, trkb, stress)
    assert sum(full) <= 1e-15
    at_core = synapse_change(0.1, P.core, post, pre, trkb, stress)
    assert at_core[1] >= 0.0


@given(post=ACTIVITIES, pre=ACTIVITIES, more=st.floats(0.0, 5.0))
def test_coincidence_rises_with_both_activities_and_knows_no_side(
    post: float, pre: float, more: float
) -> None:
    h = plasticity.coincidence(post, pre, P.rho2)
    assert 0.0 < h < 1.0
    assert h == plasticity.coincidence(pre, post, P.rho2)
    assert plasticity.coincidence(post + more, pre, P.rho2) >= h


@given(trkb=st.floats(0.01, 20.0), more=st.floats(0.0, 5.0), stress=SHARES, activity=ACTIVITIES)
def test_trkb_consolidates_and_its_silence_and_stress_and_overactivity_lose_strength(
    trkb: float, more: float, stress: float, activity: float
) -> None:
    def loss(t: float, x: float, s: float) -> float:
        return plasticity.consolidated_loss_rate(t, x, s, P.etad, P.stW, P.Th, P.nT, P.etah)

    def consolidation(t: float) -> float:
        return plasticity.consolidation_rate(t, P.kc, P.QK, P.nT)

    assert consolidation(trkb + more) >= consolidation(trkb)
    assert loss(trkb + more, activity, stress) <= loss(trkb, activity, stress)
    assert loss(trkb, activity, stress) >= loss(trkb, activity, 0.0)
    assert loss(trkb, activity + more, stress) >= loss(trkb, activity, stress)
    assert consolidation(trkb) <= P.kc


def test_potentiation_saturates_with_trkb() -> None:
    assert plasticity.potentiation_rate(1.0, P.etap, P.TS) == pytest.approx(P.etap)
    assert plasticity.potentiation_rate(1e9, P.etap, P.TS) == pytest.approx(P.TS * P.etap)


# How several contributions act on one target


@given(shares=st.lists(SHARES, max_size=4))
def test_competing_ligands_add_their_odds(shares: list[float]) -> None:
    joint = competing(shares)
    assert max(shares, default=0.0) <= joint + 1e-12
    assert joint < 1.0
    odds = sum(share / (1.0 - share) for share in shares)
    assert joint == pytest.approx(odds / (1.0 + odds))
    assert competing([*shares, 1.0]) == 1.0


@given(shares=st.lists(SHARES, min_size=2, max_size=2))
def test_each_law_combines_as_it_says(shares: list[float]) -> None:
    a, b = shares
    assert combine("add", shares) == pytest.approx(a + b)
    assert combine("multiply", shares) == pytest.approx(a * b)
    assert combine("together", shares) == pytest.approx(1.0 - (1.0 - a) * (1.0 - b))
    assert combine("compete", [a]) == pytest.approx(a)


def test_needed_drive_is_the_square_root_of_the_odds_of_firing() -> None:
    assert firing.needed_drive(5.0, 60.0) == pytest.approx(sqrt(5.0 / 55.0))
