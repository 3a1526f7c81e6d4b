"""All that acts on a patient, moment by moment: phases, drugs, noise and life events."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unstuck.drugs.effects import Contribution
from unstuck.drugs.exposure import (
    Bout,
    PatientExposure,
    daily_noise,
    life_event_bouts,
    life_event_process,
    phase_bouts,
)
from unstuck.files.treatment import MOST_LIFE_EVENTS, Treatment
from unstuck.files.yaml import InputError
from unstuck.parameters import default_parameters
from unstuck.targets import NO_EFFECT, TARGETS, Mode

REGIONS = ["mPFC", "HPC"]


def contribution(
    mode: Mode, size: float, from_h: float, until_h: float, region: str | None = None
) -> Contribution:
    """An effect of one size between two hours."""
    off = 1.0 if mode.law == "multiply" else 0.0
    return Contribution(
        field=mode.field,
        region=region,
        mode=mode,
        value=lambda times_h: np.where((from_h <= times_h) & (times_h < until_h), size, off),
        jumps_h=(from_h, until_h),
        averaged_h=0.0,
        first_h=from_h,
        last_dose_h=until_h,
    )


def exposure(*contributions: Contribution, bouts: tuple[Bout, ...] = (), noise: int = 0) -> PatientExposure:
    rng = np.random.default_rng(1)
    drawn = daily_noise(noise, len(REGIONS), 0.01, 168.0, rng) if noise else np.zeros((0, len(REGIONS)))
    return PatientExposure(REGIONS, bouts, contributions, drawn, 240.0)


SERT, AMPA = TARGETS["sert.occupancy"]["block"], TARGETS["ampa"]["potentiate"]
VMAX, INPUT = TARGETS["sert.vmax"]["enhance"], TARGETS["region.input"]["drive"]
STRESS = TARGETS["stress"]["stress"]


def test_nothing_acts_on_a_patient_who_is_left_alone() -> None:
    effects, region_input = exposure().at(100.0)
    assert effects == NO_EFFECT
    assert not region_input.any()


def test_an_effect_begins_and_ends_where_it_says() -> None:
    drugged = exposure(contribution(SERT, 0.8, 24.0, 96.0))
    assert [drugged.at(hour)[0].sert_occupancy for hour in (23.9, 24.0, 95.9, 96.0)] == [0.0, 0.8, 0.8, 0.0]
    assert drugged.jumps_h == [24.0, 96.0]


@given(a=st.floats(0.0, 0.95), b=st.floats(0.0, 0.95), c=st.floats(0.5, 2.0), d=st.floats(0.5, 2.0))
def test_effects_on_one_target_combine_by_its_law(a: float, b: float, c: float, d: float) -> None:
    both = exposure(
        *(contribution(SERT, size, 0.0, 100.0) for size in (a, b)),
        *(contribution(AMPA, size, 0.0, 100.0) for size in (a, b)),
        *(contribution(VMAX, size, 0.0, 100.0) for size in (c, d)),
    ).at(50.0)[0]
    odds = a / (1 - a) + b / (1 - b)
    assert both.sert_occupancy == pytest.approx(odds / (1 + odds))
    assert both.ampa == pytest.approx(a + b)
    assert both.sert_vmax == pytest.approx(c * d)


def test_a_drive_reaches_its_region_alone() -> None:
    stimulated = exposure(contribution(INPUT, 0.05, 0.0, 100.0, region="HPC"))
    effects, region_input = stimulated.at(50.0)
    assert effects == NO_EFFECT
    np.testing.assert_allclose(region_input, [0.0, 0.05])


def test_stress_adds_up_to_full_stress_and_no_more() -> None:
    bouts = (Bout(0.0, 100.0, 0.7), Bout(50.0, 150.0, 0.2))
    stressed = exposure(contribution(STRESS, 0.4, 60.0, 70.0), bouts=bouts)
    seen = [stressed.at(hour)[0].stress for hour in (10.0, 55.0, 65.0, 120.0, 150.0)]
    assert seen == pytest.approx([0.7, 0.9, 1.0, 0.2, 0.0])
    assert stressed.jumps_h == [50.0, 60.0, 70.0, 100.0, 150.0]


def test_frequent_doses_act_on_the_slow_state_by_their_mean_and_are_reported_by_their_last_day() -> None:
    often = Contribution(
        field="ampa",
        region=None,
        mode=AMPA,
        value=lambda times_h: np.where((times_h >= 0.0) & (times_h % 24.0 < 6.0), 0.4, 0.0),
        jumps_h=(0.0, 240.0),
        averaged_h=24.0,
        first_h=0.0,
        last_dose_h=240.0,
    )
    seen = exposure(often)
    for hour in (40.0, 47.0, 53.0, 61.5):
        assert seen.at(hour)[0].ampa == pytest.approx(0.1, rel=0.02)
        assert seen.reported(hour)[0].ampa == pytest.approx(0.1, rel=0.02)
    assert seen.reported(12.0)[0].ampa == pytest.approx(0.1, rel=0.02)
    assert seen.at(-1.0)[0] == NO_EFFECT  # no mean reaches back before the first dose
    assert not replace(often, averaged_h=0.0).value(np.array(12.0))


def test_noise_is_constant_within_a_day_and_a_step_ends_when_it_changes() -> None:
    noisy = exposure(noise=10)
    day_1, later_that_day, day_2 = (noisy.at(hour)[1] for hour in (24.0, 47.9, 48.0))
    np.testing.assert_array_equal(day_1, later_that_day)
    assert np.all(day_1 != day_2)
    assert noisy.jumps_h == [24.0 * day for day in range(1, 10)]


def test_whoever_reads_the_noise_cannot_change_it() -> None:
    noisy = exposure(noise=10)
    before = noisy.at(30.0)[1].copy()
    noisy.at(30.0)[1][:] = 99.0
    np.testing.assert_array_equal(noisy.at(30.0)[1], before)


def test_noise_has_the_deviation_and_the_memory_it_was_asked_for() -> None:
    noise = daily_noise(40_000, 2, 0.002, 168.0, np.random.default_rng(3))
    assert noise.std() == pytest.approx(0.002, rel=0.05)
    assert noise[:, 0].mean() == pytest.approx(0.0, abs=2e-4)
    lagged = np.corrcoef(noise[:-7, 0], noise[7:, 0])[0, 1]
    assert lagged == pytest.approx(np.exp(-1.0), abs=0.05)
    assert np.corrcoef(noise[:, 0], noise[:, 1])[0, 1] == pytest.approx(0.0, abs=0.05)


def test_a_longer_noise_begins_as_the_shorter_one() -> None:
    short, long = (daily_noise(days, 5, 0.002, 168.0, np.random.default_rng(4)) for days in (10, 30))
    np.testing.assert_array_equal(short, long[:10])


def test_life_events_come_as_often_as_asked_at_random_times() -> None:
    years = 200
    times_h, marks = life_event_process(years * 365.25 * 24.0, np.random.default_rng(5))
    assert np.all(np.diff(times_h) > 0)
    assert len(times_h) == pytest.approx(MOST_LIFE_EVENTS * years, rel=0.01)
    for a_year in (4.0, 40.0):
        gaps = np.diff(times_h[marks * MOST_LIFE_EVENTS < a_year])
        assert len(gaps) == pytest.approx(a_year * years, rel=0.1)
        assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)


def test_a_longer_process_of_life_events_begins_as_a_shorter_one() -> None:
    short, long = (life_event_process(days * 24.0, np.random.default_rng(6)) for days in (300, 3_000))
    for shorter, longer in zip(short, long, strict=True):
        np.testing.assert_array_equal(shorter, longer[: len(shorter)])


PHASES = "title: Life\nextends: untreated\nphases:\n  treatment: {{for: {}, life_events: {}}}\n"


def life_events(path: Path, lasting: str, rate: str) -> list[Bout]:
    path.write_text(PHASES.format(lasting, rate) + "  wash-out: {for: 40 weeks, life_events: 12 per year}\n")
    rng = np.random.default_rng(7)
    return life_event_bouts(Treatment(str(path)), default_parameters(), 15_000.0, rng)


def test_arms_with_other_phase_boundaries_share_their_life_events(tmp_path: Path) -> None:
    early, late = (life_events(tmp_path / "life.yaml", days, "12 per year") for days in ("30 d", "90 d"))
    assert len(early) > 5
    assert [bout.start_h for bout in early] == [bout.start_h for bout in late]


def test_a_higher_rate_keeps_the_events_of_a_lower_one_and_adds_others(tmp_path: Path) -> None:
    few, many = (life_events(tmp_path / "life.yaml", "90 d", rate) for rate in ("12 per year", "99 per year"))
    assert {bout.start_h for bout in few} < {bout.start_h for bout in many}


def test_more_life_events_than_the_process_holds_are_refused_at_their_key(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"life\.yaml:4:phases\.treatment\.life_events: 1001 per year: at most"
    ):
        life_events(tmp_path / "life.yaml", "90 d", "1001 per year")


def test_the_phases_of_a_treatment_are_its_bouts_of_stress() -> None:
    assert phase_bouts(Treatment("untreated")) == [Bout(0.0, 42 * 24.0, 1.0)]
