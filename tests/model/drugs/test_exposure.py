"""All that acts on a patient, moment by moment: stress, drugs and noise."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unstuck.drugs.effects import Contribution
from unstuck.drugs.exposure import Constant, PatientExposure, Spell, combine_arrays
from unstuck.files.circuit import PopulationFile
from unstuck.patient.draw import daily_noise
from unstuck.state import Floats
from unstuck.targets import NO_EFFECT, TARGETS, Effects, Law, Local, Mode, combine

REGIONS = ["mPFC", "HPC"]


@dataclass(frozen=True)
class Held:
    """A strength between two hours."""

    size: float
    edges_h: tuple[float, ...]
    averaged_h: float = 0.0
    of_day_h: float = 24.0

    def at(self, times_h: Floats) -> Floats:
        on = (self.edges_h[0] <= times_h) & (times_h < self.edges_h[1])
        return np.where(on & (times_h % 24.0 < self.of_day_h), self.size, 0.0)


def contribution(
    mode: Mode, size: float, from_h: float, until_h: float, region: str | None = None
) -> Contribution:
    """An effect of one strength between two hours."""
    return Contribution(mode, region, Held(size, (from_h, until_h)), from_h, until_h)


def exposure(*contributions: Contribution, spells: tuple[Spell, ...] = (), noise: int = 0) -> PatientExposure:
    rng = np.random.default_rng(1)
    drawn = daily_noise(noise, len(REGIONS), 0.01, 168.0, rng) if noise else np.zeros((0, len(REGIONS)))
    return PatientExposure(REGIONS, spells, contributions, drawn, 240.0)


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
    assert both.sert_occupancy == pytest.approx(1 - (1 - a) * (1 - b))
    assert both.ampa == pytest.approx(a + b)
    assert both.sert_vmax_factor == pytest.approx((1 + c) * (1 + d))


@given(
    law=st.sampled_from(["add", "gain", "multiply", "together", "largest"]),
    first=st.floats(-1.0, 1.0),
    second=st.floats(-1.0, 1.0),
)
def test_contributions_over_time_combine_as_single_ones_do(law: Law, first: float, second: float) -> None:
    (joint,) = combine_arrays(law, [np.array([first]), np.array([second])])
    assert joint == pytest.approx(combine(law, [first, second]), abs=1e-12)


def test_many_times_at_once_are_seen_as_one_after_the_other() -> None:
    seen = exposure(
        contribution(SERT, 0.5, 10.0, 60.0),
        contribution(INPUT, 0.05, 0.0, 100.0, region="HPC"),
        spells=(Spell(20.0, 90.0, 0.3),),
        noise=10,
    )
    times_h = np.array([0.0, 10.0, 24.0, 59.9, 60.0, 200.0])
    effects, region_input = seen.at_times(times_h)
    for row, hour in enumerate(times_h):
        alone, alone_input = seen.at(hour)
        assert Effects(*effects[row]) == alone
        np.testing.assert_array_equal(region_input[row], alone_input)


def test_a_constant_exposure_is_the_same_at_all_times() -> None:
    held = Constant(2, NO_EFFECT._replace(gaba_gain=0.65))
    effects, region_input = held.at_times(np.array([0.0, 5.0]))
    assert [Effects(*row) for row in effects] == [held.at(3.0)[0]] * 2
    assert region_input.shape == (2, 2)
    assert not region_input.any()
    for seen, reported in zip(held.at_times(np.zeros(2)), held.reported_at(np.zeros(2)), strict=True):
        np.testing.assert_array_equal(seen, reported)
    assert held.reported(3.0) == held.at(3.0)


def test_a_drive_reaches_its_region_alone() -> None:
    stimulated = exposure(contribution(INPUT, 0.05, 0.0, 100.0, region="HPC"))
    effects, region_input = stimulated.at(50.0)
    assert effects == NO_EFFECT
    np.testing.assert_allclose(region_input, [0.0, 0.05])


def test_of_overlapping_spells_of_stress_the_larger_counts() -> None:
    spells = (Spell(0.0, 100.0, 0.7), Spell(50.0, 150.0, 0.9), Spell(60.0, 80.0, 0.2))
    stressed = exposure(contribution(STRESS, 1.0, 70.0, 75.0), spells=spells)
    seen = [stressed.at(hour)[0].stress for hour in (10.0, 55.0, 65.0, 72.0, 120.0, 150.0)]
    assert seen == [0.7, 0.9, 0.9, 1.0, 0.9, 0.0]
    assert stressed.jumps_h == [50.0, 60.0, 70.0, 75.0, 80.0, 100.0, 150.0]


def test_frequent_doses_act_on_the_slow_state_by_their_mean_and_are_reported_by_their_last_day() -> None:
    often = Contribution(AMPA, None, Held(0.4, (0.0, 240.0), averaged_h=24.0, of_day_h=6.0), 0.0, 240.0)
    seen = exposure(often)
    for hour in (40.0, 47.0, 53.0, 61.5):
        assert seen.at(hour)[0].ampa == pytest.approx(0.1, rel=0.02)
        assert seen.reported(hour)[0].ampa == pytest.approx(0.1, rel=0.02)
    assert seen.reported(12.0)[0].ampa == pytest.approx(0.1, rel=0.02)
    assert seen.at(-20.0)[0] == NO_EFFECT  # no mean reaches back before the first dose
    assert often.at(np.array([12.0]))[0] == 0.0


def daily(mode: Mode, size: float, of_day_h: float, from_h: float = 0.0) -> Contribution:
    """An effect of one strength in the first hours of every day, which slow variables see as its mean."""
    held = Held(size, (from_h, 240.0), averaged_h=24.0, of_day_h=of_day_h)
    return Contribution(mode, None, held, from_h, 240.0)


@pytest.mark.parametrize(
    ("mode", "size", "of_day_h", "ends"),
    [
        (AMPA, 0.4, 6.0, (0.4, 0.0)),
        (AMPA, 0.4, 18.0, (0.4, 0.0)),
        (SERT, 0.9, 12.0, (0.9, 0.0)),
        (VMAX, 0.5, 6.0, (1.5, 1.0)),
        (TARGETS["serotonin.release"]["deplete"], 0.8, 6.0, (0.2, 1.0)),
    ],
)
def test_an_effect_with_two_strengths_swings_between_them_for_their_shares_of_the_day(
    mode: Mode, size: float, of_day_h: float, ends: tuple[float, float]
) -> None:
    swinging = exposure(daily(mode, size, of_day_h))
    assert swinging.swings
    for hour in (36.0, 101.0):
        swing = swinging.swing(hour)
        assert swing is not None
        share, above, below = swing
        assert share == pytest.approx(of_day_h / 24.0, abs=1e-9)
        seen = getattr(above[0], mode.field), getattr(below[0], mode.field)
        assert seen == pytest.approx(ends, abs=1e-9)


def test_of_two_drugs_the_one_that_swings_more_decides_the_share_and_neither_leaves_its_range() -> None:
    swing = exposure(daily(AMPA, 0.4, 6.0), daily(SERT, 0.2, 12.0)).swing(36.0)
    assert swing is not None
    share, above, below = swing
    assert share == pytest.approx(0.25)
    assert (above[0].ampa, above[0].sert_occupancy) == pytest.approx((0.4, 0.2))
    assert (below[0].ampa, below[0].sert_occupancy) == pytest.approx((0.0, 0.2 / 3.0))  # the mean stays 0.1


def test_the_first_hours_of_a_drug_swing_from_no_effect() -> None:
    begins = exposure(daily(AMPA, 0.4, 24.0, from_h=48.0))
    assert begins.swing(47.0) is None
    swing = begins.swing(54.0)  # 18 of the 24 hours about hour 54 have the effect
    assert swing is not None
    assert (swing[0], swing[1][0].ampa, swing[2][0].ampa) == pytest.approx((0.75, 0.4, 0.0))
    assert begins.swing(120.0) is None  # as steady as before the first dose
    late = Contribution(AMPA, None, Held(0.4, (24.0, 26.0), averaged_h=24.0), 0.0, 240.0)
    swing = exposure(late).swing(13.0)  # the last of the 24 hours about hour 13 has the effect
    assert swing is not None
    assert (swing[0], swing[1][0].ampa, swing[2][0].ampa) == pytest.approx((1 / 24, 0.4, 0.0))


def test_an_effect_that_is_seen_at_each_moment_does_not_swing() -> None:
    seen = exposure(contribution(AMPA, 0.4, 0.0, 100.0))
    assert not seen.swings
    assert seen.swing(50.0) is None
    assert exposure(daily(AMPA, 0.0, 6.0)).swing(50.0) is None  # a dose of nothing


def test_what_ends_at_a_moment_acts_in_the_time_that_ends_there() -> None:
    short = exposure(contribution(AMPA, 0.4, 23.5, 24.0))
    assert [short.ending(hour)[0].ampa for hour in (23.5, 24.0)] == [0.0, 0.4]


def test_noise_is_constant_within_a_day_and_a_step_ends_when_it_changes() -> None:
    noisy = exposure(noise=10)
    day_1, later_that_day, day_2 = (noisy.at(hour)[1] for hour in (24.0, 47.9, 48.0))
    np.testing.assert_array_equal(day_1, later_that_day)
    assert np.all(day_1 != day_2)
    assert noisy.jumps_h == [24.0 * day for day in range(1, 10)]


def test_a_reader_of_the_noise_cannot_change_it() -> None:
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


POPULATIONS = {
    name: PopulationFile.model_validate(
        {"region": region, "cells": cells, "share": 1, "set_point_Hz": 5, "maximal_Hz": 60, "nmda_share": 0.1}
    )
    for name, region, cells in (
        ("A_P", "A", "pyramidal"),
        ("A_I", "A", "interneuron"),
        ("B_P", "B", "pyramidal"),
        ("B_I", "B", "interneuron"),
    )
}


def local(*parts: tuple[Mode, dict[str, tuple[str, ...]]]) -> dict[str, list[float]]:
    """What acts on each population in addition, by field, while all contributions of size 0.5 are there."""
    contributions = [
        Contribution(mode, None, Held(0.5, (0.0, 240.0)), 0.0, 240.0, **where) for mode, where in parts
    ]
    exposure = PatientExposure(["A", "B"], [], contributions, np.zeros((0, 2)), 240.0, POPULATIONS)
    effects, inputs = exposure.at_times(np.array([10.0]))
    np.testing.assert_array_equal(effects[0], np.array(NO_EFFECT))
    np.testing.assert_array_equal(inputs[0, :2], [0.0, 0.0])
    assert inputs.shape[1] == 2 + exposure.local_columns
    return dict(zip(Local._fields, inputs[0, 2:].reshape(len(Local._fields), -1).tolist(), strict=True))


def test_an_action_that_names_places_acts_on_the_populations_there_alone() -> None:
    lowered = local((TARGETS["stress.effect"]["lower"], {"regions": ("B",)}))
    assert lowered["stress_effect"] == [1.0, 1.0, 0.5, 0.5]
    driven = local((TARGETS["region.input"]["drive"], {"regions": ("A",)}))
    assert driven["input_drive"] == [0.5, 0.0, 0.0, 0.0]  # input to a region reaches no interneurons
    driven = local((TARGETS["region.input"]["drive"], {"populations": ("A_I",)}))
    assert driven["input_drive"] == [0.0, 0.5, 0.0, 0.0]
    blocked = local((TARGETS["nmda.interneuron"]["block"], {"regions": ("A", "B")}))
    assert blocked["nmda_block"] == [0.0, 0.5, 0.0, 0.5]


def test_actions_on_the_same_population_combine_by_the_law_of_their_target() -> None:
    twice = [(TARGETS["nmda.pyramidal"]["block"], {"regions": ("A",)})] * 2
    assert local(*twice)["nmda_block"] == [0.75, 0.0, 0.0, 0.0]
    twice = [(TARGETS["gaba.gain"]["up"], {"regions": ("B",)})] * 2
    assert local(*twice)["gaba_gain"] == [1.0, 1.0, 2.25, 2.25]
    assert local((TARGETS["stress.effect"]["lower"], {}))["stress_effect"] == [0.5] * 4
