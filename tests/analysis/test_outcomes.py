"""Outcomes by their definitions, on courses whose answers can be worked out by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy.stats import CensoredData, ecdf
from unstuck.circuit import Circuit, healthy_state
from unstuck.engine.readouts import Reading
from unstuck.engine.step import Diagnostics
from unstuck.patient.life import Checkpoint, ConditionResult, PatientRun
from unstuck_analysis.compare import run
from unstuck_analysis.outcomes import (
    Outcome,
    RecoveryCourse,
    bootstrap,
    bootstrap_mean,
    kaplan_meier_median,
    mean_bands,
    outcome_of,
    recovery_course,
    recovery_index,
    series_columns,
    series_of,
)
from unstuck_analysis.output.columns import column_name

STUCK, HEALTHY = 0.6, 1.0


def scored(
    circuit: Circuit,
    days: Sequence[float],
    recovery: Sequence[float],
    *,
    stuck: float = STUCK,
    gone_day: float = 84.0,
    last_dose_day: float = 84.0,
    conditions: Sequence[ConditionResult] = (),
) -> Outcome:
    """The outcome of a run whose recovery index is known at the ends of its steps."""
    run = made_up_run(circuit, days, recovery, stuck, conditions)
    run.gone_day, run.last_dose_day = gone_day, last_dose_day
    return outcome_of(run, circuit, 84.0, seed=1, patient=0)


def made_up_run(
    circuit: Circuit,
    days: Sequence[float],
    recovery: Sequence[float],
    stuck: float = STUCK,
    conditions: Sequence[ConditionResult] = (),
) -> PatientRun:
    """A run with a recovery index on each day; structure is half of connectivity, function a third."""
    connectivity = [stuck + r * (HEALTHY - stuck) for r in recovery]

    def reading(day: float, value: float) -> Reading:
        populations, regions = len(circuit.populations), len(circuit.regions)
        by_population, strength = np.arange(float(populations)), np.arange(float(len(circuit.projections)))
        firing, serotonin = np.full(populations, day, float), day + np.arange(float(regions))
        rest = day + strength, 0.1, 1.0, np.array([value]), np.ones(len(circuit.noradrenaline_pools))
        neurons = 10 * day + by_population, 20 * day + by_population, 30 * day + by_population
        return Reading(day, value, value / 2, value / 3, firing, serotonin, *neurons, *rest)

    ends = reading(0.0, HEALTHY), reading(0.0, stuck)
    checkpoint = Checkpoint("", "", healthy_state(circuit), 0.0, *ends, Diagnostics())
    return PatientRun(
        "made-up",
        checkpoint,
        readings=[reading(day, value) for day, value in zip(days, connectivity, strict=True)],
        steps=[(day, value, value / 2) for day, value in zip(days, connectivity, strict=True)],
        end_day=float(days[-1]),
        conditions=list(conditions),
    )


def test_a_series_has_a_column_for_everything_that_is_read(mean_field: Circuit) -> None:
    days, recovery = [0.0, 1.0, 84.0], [0.0, 0.25, 0.75]
    series = series_of(made_up_run(mean_field, days, recovery), mean_field)
    assert list(series) == ["day", *series_columns(mean_field.file)]
    assert all(column.shape == (3,) for column in series.values())
    for name in ("recovery", "structural_recovery", "functional_recovery"):
        np.testing.assert_allclose(series[name], recovery)
    np.testing.assert_allclose(series["connectivity"], [0.6, 0.7, 0.9])
    projections = list(mean_field.file.projections)
    expected = {
        **{f"serotonin_{region}": (1, k) for k, region in enumerate(mean_field.regions)},
        **{f"activity_{name}": (1, 0) for name in mean_field.populations},
        **{
            f"{what}_{name}": (times, k)
            for what, times in (("bdnf", 10), ("trkb", 20), ("scar", 30))
            for k, name in enumerate(mean_field.populations)
        },
        **{
            f"strength_{name}": (1, projections.index(name))
            for name, projection in mean_field.file.projections.items()
            if projection.plastic
        },
    }
    for name, (times, added) in expected.items():
        found = series[column_name(name)]
        np.testing.assert_allclose(found, times * np.array(days) + added, err_msg=name)
    rest = 6 + len(mean_field.noradrenaline_pools)
    assert len(series) == 1 + rest + len(expected)


def test_onset_lies_between_two_steps_where_the_line_crosses_a_half() -> None:
    assert RecoveryCourse([0, 10, 20], [0.0, 0.4, 0.8]).stretches() == [(pytest.approx(12.5), 20)]


def test_a_course_that_starts_recovered_starts_its_stretch_at_once() -> None:
    assert RecoveryCourse([0, 10], [0.5, 0.9]).stretches() == [(0, 10)]


def test_a_course_that_never_reaches_a_half_has_no_stretch() -> None:
    course = RecoveryCourse([0, 84], [0.0, 0.4999])
    assert course.stretches() == []
    assert math.isnan(course.relapse_day())


def test_two_stretches_add_up_to_the_time_recovered(mean_field: Circuit) -> None:
    outcome = scored(mean_field, [0, 10, 20, 30, 100], [0, 1, 0, 1, 1])
    assert outcome.onset_day == pytest.approx(5)
    assert outcome.recovered_days == pytest.approx(10 + 75)


def test_one_low_day_is_no_relapse() -> None:
    dip = RecoveryCourse([0, 9, 9.9, 10, 10.1, 20], [1, 1, 1, 0.4, 1, 1])
    assert math.isnan(dip.relapse_day())


def test_two_low_days_are_a_relapse_on_the_first() -> None:
    dip = RecoveryCourse([0, 9.9, 10, 11, 11.1, 20], [1, 1, 0.4, 0.4, 1, 1])
    assert dip.relapse_day() == 10


def test_low_hours_between_two_days_are_no_relapse() -> None:
    assert math.isnan(RecoveryCourse([0, 10, 10.1, 10.9, 11, 20], [1, 0.6, 0, 0, 0.6, 1]).relapse_day())


def test_low_days_before_the_onset_are_no_relapse() -> None:
    assert math.isnan(RecoveryCourse([0, 10, 20], [0, 0, 1]).relapse_day())


def test_a_low_last_day_is_not_yet_a_relapse() -> None:
    assert math.isnan(RecoveryCourse([0, 9, 10], [1, 0.6, 0.4]).relapse_day())
    assert RecoveryCourse([0, 9, 12], [1, 0.6, 0.3]).relapse_day() == 11


def test_two_low_days_right_after_a_short_recovery_are_a_relapse() -> None:
    assert RecoveryCourse([0, 0.5, 0.6, 2], [0, 1, 0, 0]).relapse_day() == 1
    assert math.isnan(RecoveryCourse([0, 0.5, 0.6, 1], [0, 1, 0, 0]).relapse_day())


def test_the_first_day_is_that_of_the_first_of_several_recoveries() -> None:
    assert RecoveryCourse([0, 10, 20, 30], [0, 1, 0, 1]).first_day == pytest.approx(5.0)
    assert math.isnan(RecoveryCourse([0, 10], [0, 0.4]).first_day)


def test_structural_recovery_is_read_from_consolidated_strength(mean_field: Circuit) -> None:
    outcome = scored(mean_field, [0, 84, 168], [0, 0.75, 0.75])
    assert outcome.structural_recovery_endpoint == pytest.approx(0.75)


def test_conditions_are_counted_and_dated(mean_field: Circuit) -> None:
    asked = [
        ConditionResult("ssri-like", "stop_when", 14.0, 0.2, False),
        ConditionResult("ketamine-like", "when", 28.0, 0.3, True),
    ]
    outcome = scored(mean_field, [0, 100], [0, 0.4], conditions=asked)
    assert (outcome.conditions_met, outcome.condition_day) == (1, 28.0)
    without = scored(mean_field, [0, 100], [0, 0.4])
    assert without.conditions_met is None
    assert math.isnan(without.condition_day)


def test_outcomes_that_are_not_defined_for_a_patient_who_did_not_become_stuck_are_empty(
    mean_field: Circuit,
) -> None:
    outcome = scored(mean_field, [0, 84, 200], [0, 1, 0.2], stuck=0.9)
    assert outcome.not_stuck
    answers = [outcome.recovered, outcome.remitted, outcome.relapsed, outcome.still_recovered]
    assert answers == [None] * 4
    days = [outcome.onset_day, outcome.recovered_days, outcome.relapse_day, outcome.durability_days]
    assert all(map(math.isnan, [*days, outcome.recovery_endpoint, outcome.functional_recovery_endpoint]))
    assert outcome.followed_days == 200


def test_a_treatment_without_a_drug_has_no_last_dose_and_no_durability() -> None:
    outcomes = run("untreated", neurons=0).outcomes
    assert outcomes.last_dose_day.isna().all()
    assert outcomes.durability_days.isna().all()
    assert run("ketamine-like", neurons=0).outcomes.last_dose_day.iloc[0] == 0.0


def test_one_patient_has_no_interval() -> None:
    mean, low, high = bootstrap_mean(np.array([0.7]), np.random.default_rng(1))
    assert mean == 0.7
    assert math.isnan(low)
    assert math.isnan(high)


def test_two_patients_have_an_interval_from_one_to_the_other() -> None:
    assert bootstrap_mean(np.array([0.0, 1.0]), np.random.default_rng(1)) == (0.5, 0.0, 1.0)


def test_samples_with_an_undefined_value_are_left_out_of_an_interval() -> None:
    values = np.array([[1.0, 5.0], [np.nan, 5.0], [3.0, 5.0]])
    mean, low, high = bootstrap(values, np.random.default_rng(1))
    np.testing.assert_array_equal(mean, [np.nan, 5.0])
    np.testing.assert_array_equal([low, high], [[1.0, 5.0], [3.0, 5.0]])
    nothing = bootstrap(np.full((3, 1), np.nan), np.random.default_rng(1))
    assert np.isnan(nothing).all()


def test_the_interval_of_a_statistic_is_that_of_its_samples() -> None:
    values, rng = np.arange(4.0)[:, None], np.random.default_rng(2)
    assert bootstrap(values, rng, lambda rows: float(rows.max()), draws=200) == (3.0, 1.0, 3.0)
    median, low, high = bootstrap(values, rng, lambda rows: np.median(rows, axis=0), draws=200)
    assert low < median == 1.5 < high


def test_a_band_covers_the_days_that_every_patient_reached() -> None:
    courses = {0: [0.0, 0.2, 0.4], 1: [0.0, 0.6, 0.8], 2: [0.0, 0.4]}
    rows = [(who, day, r) for who, course in courses.items() for day, r in enumerate(course)]
    table = pd.DataFrame(rows, columns=["patient", "day", "recovery"]).assign(lost=lambda t: 1 - t.recovery)
    days, mean, low, high = mean_bands(table, ["recovery", "lost"], 1)
    np.testing.assert_array_equal(days, [0.0, 1.0])
    np.testing.assert_allclose(mean, [[0.0, 0.4], [1.0, 0.6]])
    np.testing.assert_allclose(low, [[0.0, 0.2], [1.0, 0.4]])
    np.testing.assert_allclose(high, [[0.0, 0.6], [1.0, 0.8]])


def test_durability_counts_from_the_last_dose_to_the_relapse(mean_field: Circuit) -> None:
    outcome = scored(mean_field, [0, 10, 100, 110, 200], [0, 1, 1, 0, 0], last_dose_day=84)
    assert outcome.relapsed
    assert outcome.relapse_day == 106  # R is 0.5 on day 105 and lower from then on
    assert outcome.durability_days == pytest.approx(22)
    assert not outcome.durability_censored


def test_durability_is_censored_at_the_end_of_the_follow_up(mean_field: Circuit) -> None:
    outcome = scored(mean_field, [0, 10, 200], [0, 1, 1], last_dose_day=84)
    assert (outcome.relapsed, outcome.durability_censored) == (False, True)
    assert outcome.durability_days == pytest.approx(116)


def test_without_an_onset_there_is_no_durability(mean_field: Circuit) -> None:
    outcome = scored(mean_field, [0, 200], [0, 0.2])
    assert math.isnan(outcome.onset_day)
    assert math.isnan(outcome.durability_days)
    assert (outcome.recovered_days, outcome.relapsed, outcome.durability_censored) == (0, False, False)


@pytest.mark.parametrize(
    ("recovery", "recovered", "remitted"), [(0.499, False, False), (0.5, True, False), (0.8, True, True)]
)
def test_response_and_remission_are_read_on_the_endpoint_day(
    mean_field: Circuit, recovery: float, recovered: bool, remitted: bool
) -> None:
    outcome = scored(mean_field, [0, 84, 168], [0, recovery + 1e-12, 0])
    assert (outcome.recovered, outcome.remitted) == (recovered, remitted)
    assert outcome.overactive_activity_endpoint == 84


@pytest.mark.parametrize(("recovery", "recovered", "remitted"), [(0.5, True, False), (0.8, True, True)])
def test_exactly_the_threshold_counts_as_reached(
    mean_field: Circuit, recovery: float, recovered: bool, remitted: bool
) -> None:
    outcome = scored(mean_field, [0, 84], [0, recovery], stuck=0.5)
    assert outcome.recovery_endpoint == recovery
    assert (outcome.recovered, outcome.remitted) == (recovered, remitted)


@pytest.mark.parametrize(("late", "still_recovered"), [(0.51, True), (0.49, False)])
def test_out_of_the_ditch_is_asked_twelve_weeks_after_the_drug_is_gone(
    mean_field: Circuit, late: float, still_recovered: bool
) -> None:
    outcome = scored(mean_field, [0, 100, 184, 300], [1, 1 - late, late, 1 - late], gone_day=100)
    assert outcome.still_recovered is still_recovered


def test_out_of_the_ditch_asks_for_health_without_the_drug(mean_field: Circuit) -> None:
    assert not scored(mean_field, [0, 84, 90, 168], [0, 1, 0, 0], gone_day=84).still_recovered


def test_a_patient_who_was_not_followed_long_enough_is_not_judged(mean_field: Circuit) -> None:
    assert scored(mean_field, [0, 84, 167.9], [0, 1, 1], gone_day=84).still_recovered is None
    assert scored(mean_field, [0, 84, 168 - 1e-8], [0, 1, 1], gone_day=84).still_recovered is True
    early = scored(mean_field, [0, 60], [0, 1], gone_day=30)
    assert (early.recovered, early.remitted, early.still_recovered) == (None, None, None)


@pytest.mark.parametrize(("stuck", "not_stuck"), [(0.85, False), (0.851, True)])
def test_who_stays_near_health_never_got_stuck(mean_field: Circuit, stuck: float, not_stuck: bool) -> None:
    assert scored(mean_field, [0, 100], [0, 0], stuck=stuck).not_stuck is not_stuck


def test_who_was_never_ill_has_no_recovery_index() -> None:
    assert math.isnan(recovery_index(1.0, 1.0, 1.0))
    assert recovery_index(0.8, 0.6, 1.0) == pytest.approx(0.5)


# Medians that lifelines 0.30.0 gives (KaplanMeierFitter().fit(days, happened).median_survival_time_).
LIFELINES = [
    ([3, 5, 7, 9], [1, 1, 1, 1], 5),
    ([3, 5, 7, 9], [1, 0, 1, 1], 7),
    ([1, 2, 3, 4, 5], [0, 1, 0, 1, 1], 4),
    ([10, 10, 10, 84, 84], [1, 1, 1, 0, 0], 10),
    ([10, 20, 84, 84, 84], [1, 1, 0, 0, 0], None),
    ([84, 84], [0, 0], None),
    ([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35], [1] * 9 + [0] * 12, 23),
]


@pytest.mark.parametrize(("days", "happened", "median"), LIFELINES)
def test_the_median_onset_is_that_of_kaplan_and_meier(
    days: list[float], happened: list[int], median: float | None
) -> None:
    assert kaplan_meier_median(np.array(days, float), np.array(happened, bool)) == median


def test_the_median_equals_that_of_scipy_on_random_data() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        days = rng.integers(1, 20, size=rng.integers(1, 25)).astype(float)
        happened = rng.random(len(days)) < 0.6
        curve = ecdf(CensoredData(uncensored=days[happened], right=days[~happened])).sf
        reached = curve.quantiles[curve.probabilities <= 0.5 + 1e-12]
        expected = reached[0] if len(reached) else math.inf
        found = kaplan_meier_median(days, happened)
        assert (math.inf if found is None else found) == expected


def test_the_bootstrap_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for _ in range(300):
        _, low, high = bootstrap_mean(rng.normal(2.0, 1.0, 30), rng, draws=500)
        covered += low <= 2.0 <= high
    assert 0.89 <= covered / 300 <= 0.98


def test_the_bootstrap_interval_of_equal_values_is_a_point() -> None:
    assert bootstrap_mean(np.full(8, 0.25), np.random.default_rng(1)) == (0.25, 0.25, 0.25)


def test_the_bootstrap_of_nobody_is_not_a_number() -> None:
    assert all(math.isnan(value) for value in bootstrap_mean(np.array([]), np.random.default_rng(1)))


def test_a_rating_is_the_mean_of_the_seven_days_that_end_on_a_day() -> None:
    course = RecoveryCourse([0.0, 100.0], [0.0, 1.0], rated_days=7)
    assert course.rated(50.0) == pytest.approx(0.47)
    assert course.rated(2.0) == pytest.approx(0.01)  # no days before day 0
    assert np.isnan(course.rated(120.0))
    assert RecoveryCourse([0.0, 100.0], [0.0, 1.0]).rated(50.0) == pytest.approx(0.5)


@pytest.mark.parametrize(("days_low", "relapses"), [(20, False), (40, True)])
def test_by_ratings_a_relapse_takes_four_weeks_in_a_row(days_low: int, relapses: bool) -> None:
    days = [0.0, 1.0, 50.0, 50.1, 50.0 + days_low, 50.1 + days_low, 200.0]
    recovery = [0.0, 0.8, 0.8, 0.1, 0.1, 0.8, 0.8]
    assert np.isfinite(RecoveryCourse(days, recovery, rated_days=7).relapse_day()) == relapses
    assert np.isfinite(RecoveryCourse(days, recovery).relapse_day())


def test_by_ratings_a_relapse_can_begin_while_the_first_recovery_is_not_yet_a_rating() -> None:
    course = RecoveryCourse([0, 10, 10.1, 12, 12.1, 100], [0, 0, 0.6, 0.6, 0, 0], rated_days=7)
    assert course.relapse_day() == 11  # two days of 0.6 make a rating of at most 0.2


def test_the_course_of_a_run_is_read_on_the_day_unless_ratings_are_asked_for(mean_field: Circuit) -> None:
    run = made_up_run(mean_field, [0, 9.9, 10, 11, 11.1, 20], [1, 1, 0.4, 0.4, 1, 1])
    assert recovery_course(run).relapse_day() == 10
