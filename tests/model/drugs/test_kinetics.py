"""Amounts in compartments are exact at any time, for every route."""

from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from unstuck.drugs.kinetics import Amounts, Compartment
from unstuck.files.schedule import Dose
from unstuck.state import Floats

GUT, BLOOD = Compartment(1.1), Compartment(30.0, fed_by=0)
ROUTES = {
    "bolus": [Compartment(3.0)],
    "oral": [GUT, BLOOD],
    "oral, absorbed more slowly than cleared": [Compartment(20.0), Compartment(2.0, fed_by=0)],
    "a metabolite": [GUT, BLOOD, Compartment(200.0, fed_by=1, share=0.7)],
    "a chain of metabolites": [
        GUT,
        BLOOD,
        Compartment(90.0, fed_by=1, share=0.6),
        Compartment(12.0, fed_by=2, share=0.9),
    ],
    "two metabolites of one parent": [
        Compartment(30.0),
        Compartment(60.0, fed_by=0, share=0.3),
        Compartment(8.0, fed_by=0, share=0.5),
    ],
    "a lag to the effect site": [GUT, BLOOD, Compartment(5.0, fed_by=1, share=30.0 / 5.0)],
    "two equal rates": [Compartment(10.0), Compartment(10.0, fed_by=0), Compartment(3.0, fed_by=1)],
    "nearly equal rates": [Compartment(10.0), Compartment(10.0002, fed_by=0)],
    "three equal rates": [Compartment(10.0), Compartment(10.0, fed_by=0), Compartment(10.0, fed_by=1)],
    "three nearly equal rates": [Compartment(251.0), Compartment(251.0, 0), Compartment(254.0, 1, 0.8)],
}
COURSES = {
    "once": [Dose(2.0, 1.0)],
    "daily": [Dose(24.0 * day, 1.0) for day in range(4)],
    "unequal, two at once": [Dose(0.0, 0.5), Dose(0.0, 0.25), Dose(7.0, 2.0), Dose(30.5, 1.0)],
    "an infusion": [Dose(1.0, 1.0, over_h=0.7)],
    "overlapping infusions and a bolus": [
        Dose(0.0, 1.0, over_h=10.0),
        Dose(5.0, 2.0, over_h=8.0),
        Dose(6.0, 1.0),
    ],
}
TIMES_H = np.array([0.0, 0.5, 1.0, 1.35, 1.7, 3.0, 6.5, 12.0, 25.0, 31.0, 60.0, 100.0, 400.0])


def brute_force(compartments: list[Compartment], doses: list[Dose], times_h: Floats) -> Floats:
    """Amounts by a general integrator that stops at every change."""
    rates = [log(2.0) / c.half_life_h for c in compartments]

    def change(flow: float, amounts: Floats) -> Floats:
        out = np.array([-rate * amount for rate, amount in zip(rates, amounts, strict=True)])
        for k, c in enumerate(compartments):
            out[k] += flow if c.fed_by is None else c.share * rates[c.fed_by] * amounts[c.fed_by]
        return out

    entry = np.array([float(c.fed_by is None) for c in compartments])
    ends_h = {t for d in doses for t in (d.time_h, d.time_h + d.over_h)} | set(times_h.tolist())
    amounts, now_h, seen = np.zeros(len(compartments)), min(ends_h), {}
    for until_h in sorted(ends_h):
        flow = sum(
            d.relative_dose / d.over_h for d in doses if d.over_h and d.time_h <= now_h < d.time_h + d.over_h
        )
        if until_h > now_h:
            solution = solve_ivp(
                lambda _, a, flow=flow: change(flow, a),
                (now_h, until_h),
                amounts,
                "LSODA",
                rtol=1e-10,
                atol=1e-13,
            )
            amounts, now_h = solution.y[:, -1], until_h
        amounts = amounts + entry * sum(d.relative_dose for d in doses if d.time_h == now_h and not d.over_h)
        seen[until_h] = amounts
    return np.array([seen[t] for t in times_h])


@pytest.mark.parametrize("course", COURSES)
@pytest.mark.parametrize("route", ROUTES)
def test_amounts_are_those_of_a_brute_force_integration(route: str, course: str) -> None:
    compartments, doses = ROUTES[route], COURSES[course]
    exact = Amounts(compartments, doses).at(TIMES_H)
    np.testing.assert_allclose(exact, brute_force(compartments, doses, TIMES_H), rtol=0, atol=1e-6)


def test_equal_rates_give_the_textbook_curve() -> None:
    rate = log(2.0) / 10.0
    blood = Amounts([Compartment(10.0), Compartment(10.0, fed_by=0)], [Dose(0.0, 1.0)]).at(TIMES_H)[:, 1]
    np.testing.assert_allclose(blood, rate * TIMES_H * np.exp(-rate * TIMES_H), rtol=1e-12)


def test_a_bolus_halves_with_its_half_life() -> None:
    amounts = Amounts([Compartment(3.0)], [Dose(0.0, 1.0)])
    np.testing.assert_allclose(amounts.at(np.array([0.0, 3.0, 9.0]))[:, 0], [1.0, 0.5, 0.125])


def test_a_long_infusion_reaches_rate_over_clearance() -> None:
    amounts = Amounts([Compartment(2.0)], [Dose(0.0, 500.0, over_h=500.0)])
    assert amounts.at(np.array(400.0))[0] == pytest.approx(2.0 / log(2.0))


def test_daily_doses_reach_their_steady_state() -> None:
    amounts = Amounts([Compartment(24.0)], [Dose(24.0 * day, 1.0) for day in range(60)])
    assert amounts.at(np.array(24.0 * 59))[0] == pytest.approx(2.0)
    assert amounts.at(np.array(24.0 * 59 + 23.999))[0] == pytest.approx(
        2.0 * exp(-log(2) * 23.999 / 24), rel=1e-9
    )


def test_the_effect_site_follows_and_reaches_what_the_blood_holds() -> None:
    lagged = Amounts(
        [Compartment(50.0), Compartment(4.0, 0, 50.0 / 4.0)], [Dose(0.0, 1_000.0, over_h=1_000.0)]
    )
    early, late = lagged.at(np.array([2.0, 900.0]))
    assert early[1] < early[0]
    assert late[1] == pytest.approx(late[0], rel=1e-6)


def test_nothing_was_there_before_the_first_dose_and_without_doses() -> None:
    assert not Amounts([GUT, BLOOD], [Dose(5.0, 1.0)]).at(np.array([0.0, 4.999])).any()
    assert not Amounts([GUT, BLOOD], []).at(TIMES_H).any()


HALF_LIVES = st.floats(0.2, 300.0)
DOSES = st.builds(
    Dose,
    time_h=st.floats(0.0, 200.0),
    relative_dose=st.floats(0.01, 10.0),
    over_h=st.one_of(st.just(0.0), st.floats(0.1, 30.0)),
)


@given(absorption=HALF_LIVES, life=HALF_LIVES, lag=HALF_LIVES, doses=st.lists(DOSES, min_size=1, max_size=5))
def test_amounts_are_never_negative_and_doses_add_up(
    absorption: float, life: float, lag: float, doses: list[Dose]
) -> None:
    compartments = [Compartment(absorption), Compartment(life, 0), Compartment(lag, 1, 0.8)]
    together = Amounts(compartments, doses).at(TIMES_H)
    alone = sum(Amounts(compartments, [dose]).at(TIMES_H) for dose in doses)
    scale = sum(dose.relative_dose for dose in doses)
    assert together.min() >= -1e-12 * scale  # the rest of an infusion that has ended
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-10 * scale)


@given(absorption=HALF_LIVES, life=HALF_LIVES, doses=st.lists(DOSES, min_size=1, max_size=4), second=DOSES)
def test_a_second_dose_never_lowers_a_concentration(
    absorption: float, life: float, doses: list[Dose], second: Dose
) -> None:
    compartments = [Compartment(absorption), Compartment(life, 0)]
    before = Amounts(compartments, doses).at(TIMES_H)
    after = Amounts(compartments, [*doses, second]).at(TIMES_H)
    assert (after - before).min() >= -1e-10 * sum(dose.relative_dose for dose in [*doses, second])


@given(doses=st.lists(DOSES, min_size=1, max_size=4), times=st.floats(0.1, 5.0))
def test_twice_the_dose_is_twice_the_amount(doses: list[Dose], times: float) -> None:
    larger = [Dose(d.time_h, d.relative_dose * times, d.over_h) for d in doses]
    np.testing.assert_allclose(
        Amounts([GUT, BLOOD], larger).at(TIMES_H),
        times * Amounts([GUT, BLOOD], doses).at(TIMES_H),
        rtol=1e-9,
        atol=1e-12,
    )
