"""Analyses of trials, on ratings that are made up; the mixed model against R (tests/reference/mmrm)."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trial_cases import made_up_trial
from unstuck.state import Floats
from unstuck_analysis.trial import analysis
from unstuck_analysis.trial.analysis import (
    Estimate,
    carried_forward,
    conducted,
    crossed_over,
    dose_trend,
    imputed,
    mixed_model,
    pooled_sd,
    pooled_t,
    times_to_relapse,
    times_to_response,
)
from unstuck_analysis.trial.conduct import is_randomised
from unstuck_analysis.trial.dataset import Group
from unstuck_analysis.trial.file import load_trial
from unstuck_analysis.trial.ratings import Raters, Ratings

REFERENCE = Path(__file__).parents[2] / "reference" / "mmrm"


def group(
    name: str, points: list[list[float]], seen: list[list[int]] | None = None, *, every: int = 7
) -> Group:
    values = np.array(points, dtype=float)
    there = np.ones(values.shape, bool) if seen is None else np.array(seen, dtype=bool)
    patients, zeros = np.arange(len(values)), np.zeros(len(values), dtype=np.int64)
    days = every * np.arange(values.shape[1])
    doses = np.tile(days, (len(values), 1))
    return Group(name, patients, days, values, there, zeros, zeros.astype(bool), values, doses)


def test_the_last_rating_is_carried_forward() -> None:
    filled = carried_forward(group("a", [[20, 15, 10, 5], [22, 18, 9, 9]], [[1, 1, 0, 0], [1, 1, 1, 1]]))
    assert filled.tolist() == [[20, 15, 15, 15], [22, 18, 9, 9]]


def test_the_pooled_t_test_is_that_of_textbooks() -> None:
    estimate = pooled_t(np.array([-10.0, -8.0, -6.0]), np.array([-4.0, -2.0, 0.0]))
    assert (estimate.difference, estimate.freedom) == (-6.0, 4)
    assert estimate.error == pytest.approx(2.0 * (2 / 3) ** 0.5)
    assert estimate.p == pytest.approx(0.0213, abs=1e-4)
    one_against_two = pooled_t(np.array([-3.0]), np.array([-1.0, 1.0]))
    assert (one_against_two.difference, one_against_two.freedom) == (-3.0, 1)
    assert np.isnan(pooled_t(np.array([-3.0]), np.array([-1.0])).difference)


def test_the_standardised_difference_needs_two_patients_per_arm() -> None:
    two = np.array([1.0, 3.0])
    assert pooled_sd(two, np.array([2.0, 6.0])) == pytest.approx(5.0**0.5)
    assert np.isnan(pooled_sd(two, np.array([2.0])))


def test_with_nobody_missing_the_mixed_model_is_the_regression_on_arm_and_baseline() -> None:
    rng = np.random.default_rng(3)
    points = np.cumsum(rng.normal(-2, 3, (80, 4)), axis=1) + 24
    one, other = group("control", points[:40].tolist()), group("drug", (points[40:] - [0, 1, 2, 3]).tolist())
    both = np.concatenate([one.points, other.points])
    arm = np.repeat([0.0, 1.0], 40)
    design = np.column_stack([np.ones(80), both[:, 0], arm])
    found = np.linalg.lstsq(design, both[:, -1] - both[:, 0], rcond=None)[0][2]
    assert mixed_model([one, other])[0].difference == pytest.approx(found)


def test_the_mixed_model_agrees_with_gls_of_r() -> None:
    """nlme::gls with corSymm and varIdent by REML, R 4 of Debian; see tests/reference/mmrm/gls.R."""
    with (REFERENCE / "long.csv").open() as file:
        rows = list(csv.DictReader(file))
    wanted = json.loads((REFERENCE / "gls.json").read_text())
    groups = [_read(rows, arm) for arm in dict.fromkeys(row["arm"] for row in rows)]
    (estimate,) = mixed_model(groups)
    assert -estimate.difference == pytest.approx(-wanted["difference"], abs=0.02)
    assert estimate.error == pytest.approx(wanted["error"], rel=0.03)


def _read(rows: list[dict[str, str]], arm: str) -> Group:
    subjects = dict.fromkeys(row["subject"] for row in rows if row["arm"] == arm)
    values = {(row["subject"], int(row["visit"])): row["value"] for row in rows if row["arm"] == arm}
    visits = range(1 + max(visit for _, visit in values))
    points = [[float(values[one, visit] or "nan") for visit in visits] for one in subjects]
    seen = [[int(bool(values[one, visit])) for visit in visits] for one in subjects]
    return group(arm, points, seen)


def test_a_patient_who_leaves_early_changes_nothing_but_by_what_was_seen() -> None:
    rng = np.random.default_rng(5)
    points = np.cumsum(rng.normal(-2, 3, (60, 5)), axis=1) + 24
    seen = np.ones((60, 5), dtype=int)
    seen[::4, 3:] = 0
    hidden = np.where(seen == 1, points, 99.0)
    halves = (("a", slice(0, 30)), ("b", slice(30, 60)))
    estimates = [
        mixed_model([group(name, part[rows].tolist(), seen[rows].tolist()) for name, rows in halves])
        for part in (points, hidden)
    ]
    assert estimates[0] == estimates[1]


def test_multiple_imputation_is_near_the_mixed_model_and_without_missing_ratings_the_t_test() -> None:
    result = made_up_trial(load_trial("ssri-against-placebo"), 300, {"placebo": 0.2, "ssri": 0.3})
    (mixed,) = mixed_model(result.groups)
    (several,) = imputed(result.groups, np.random.default_rng(2))
    assert several.difference == pytest.approx(mixed.difference, abs=0.5 * mixed.error)
    stayed = [replace(each, seen=np.ones_like(each.seen)) for each in result.groups]
    changes = [each.points[:, -1] - each.points[:, 0] for each in stayed]
    (whole,) = imputed(stayed, np.random.default_rng(2))
    assert whole.difference == pytest.approx(pooled_t(changes[1], changes[0]).difference)


def test_a_trial_with_multiple_imputation_gives_the_same_estimate_each_time() -> None:
    trial = load_trial("ssri-against-placebo")
    endpoint = trial.file.endpoint.model_copy(update={"analyses": ["multiple-imputation"]})
    asked = replace(trial, file=trial.file.model_copy(update={"endpoint": endpoint}))
    (one,), (again,) = (made_up_trial(asked, 100, {"placebo": 0.1, "ssri": 0.4}).contrasts for _ in "ab")
    assert one == again
    assert (one.analysis, one.arm) == ("multiple-imputation", "ssri")
    assert one.estimate.difference < -2.0


def test_imputed_estimates_are_pooled_by_the_rules_of_rubin(monkeypatch: pytest.MonkeyPatch) -> None:
    result = made_up_trial(load_trial("ssri-against-placebo"), 200, {"placebo": 0.2, "ssri": 0.3})
    few = [
        replace(arm, seen=arm.seen & ((np.arange(arm.n) % 3 == 0)[:, None] | (arm.days < 14)))
        for arm in result.groups
    ]
    each: list[Estimate] = []

    def noted(changes: Floats, control: Floats) -> Estimate:
        each.append(pooled_t(changes, control))
        return each[-1]

    monkeypatch.setattr(analysis, "pooled_t", noted)
    (pooled,) = imputed(few, np.random.default_rng(2))
    between = np.var([one.difference for one in each], ddof=1) * (1 + 1 / 20)
    total = np.mean([one.error**2 for one in each]) + between
    assert len(each) == 20
    assert pooled.difference == pytest.approx(np.mean([one.difference for one in each]))
    assert pooled.error == pytest.approx(total**0.5)
    assert pooled.freedom == pytest.approx(19 * (total / between) ** 2)


def test_the_signs_of_the_json_object_are_those_of_the_documentation() -> None:
    result = made_up_trial(load_trial("ssri-against-placebo"), 200, {"placebo": 0.1, "ssri": 0.4})
    found = json.loads(json.dumps(result.json()))
    assert set(found["arms"][0]) == {"name", "n", "mean_change", "response", "remission", "dropout"}
    arms = {arm["name"]: arm for arm in found["arms"]}
    assert arms["ssri"]["mean_change"] < arms["placebo"]["mean_change"] < 0
    keys = ["arm", "against", "difference", "interval", "smd", "variance_ratio", "estimand", "analysis"]
    for contrast in found["contrasts"]:
        assert list(contrast) == keys
        assert contrast["difference"] < 0 < contrast["smd"]
        assert contrast["interval"][0] < contrast["difference"] < contrast["interval"][1]
    assert [contrast["analysis"] for contrast in found["contrasts"]] == ["mmrm", "locf", "completers"]


def test_only_a_simulation_knows_the_true_effect() -> None:
    result = made_up_trial(load_trial("ssri-against-placebo"), 50, {"placebo": 0.1, "ssri": 0.2})
    ((name, mean, spread),) = result.true_effects
    assert (name, mean, spread) == ("ssri", pytest.approx(-3.4), pytest.approx(0.0, abs=1e-9))


def test_a_composite_estimand_counts_leaving_as_no_change() -> None:
    loaded = load_trial("ssri-against-placebo")
    endpoint = loaded.file.endpoint.model_copy(
        update={"estimand": "composite", "analyses": ["baseline-carried-forward"]}
    )
    loaded = replace(loaded, file=loaded.file.model_copy(update={"endpoint": endpoint}))
    result = made_up_trial(loaded, 200, {"placebo": 0.3, "ssri": 0.3})
    (contrast,) = result.contrasts
    left = 1 - np.concatenate([each.seen[:, -1] for each in result.groups]).mean()
    assert left > 0.1
    changes = result._changes(result.groups[0], contrast.analysis)  # pyright: ignore[reportPrivateUsage]
    assert (changes[~result.groups[0].seen[:, -1]] == 0).all()


def test_carry_over_is_seen_in_a_cross_over_only_if_the_first_treatment_lasts() -> None:
    rng = np.random.default_rng(7)
    noise = rng.normal(0, 1, (2, 40, 4))
    fades = np.array([[20, 14, 20, 18], [20, 18, 20, 14]])  # columns: start and end of each period
    lasts = np.array([[20, 14, 14, 13], [20, 18, 20, 14]])
    for means, effect, carried in ((fades, -4.0, False), (lasts, -1.5, True)):
        drug_first, placebo_first = (
            group(name, (means[k] + noise[k]).tolist()) for k, name in enumerate(("drug", "placebo"))
        )
        within, carry_over = crossed_over((placebo_first, drug_first))
        assert within.difference == pytest.approx(effect, abs=0.5)
        assert (carry_over.p < 0.01) == carried


def test_doses_are_tested_from_the_highest_down() -> None:
    loaded = load_trial("ssri-dose-finding")
    falls = {"placebo": 0.1, "10-mg": 0.1, "20-mg": 0.3, "40-mg": 0.35}
    slope, p, lowest = dose_trend(made_up_trial(loaded, 400, falls))
    assert slope < 0
    assert p < 0.001
    assert lowest == 20


def test_a_relapse_needs_two_high_ratings_in_a_row() -> None:
    times = times_to_relapse(
        group("stop", [[8, 17, 10, 17, 18], [8, 17, 18, 9, 9], [8, 9, 9, 9, 17]], every=14), 16, 2
    )
    assert times.days.tolist() == [42, 14, 56]
    assert times.seen.tolist() == [True, True, False]


def test_time_to_response_is_censored_at_the_last_visit_that_was_seen() -> None:
    times = times_to_response(group("a", [[20, 15, 10], [20, 15, 10]], [[1, 1, 1], [1, 1, 0]]), 0.5)
    assert (times.days.tolist(), times.seen.tolist()) == ([14, 7], [True, False])


def test_step_2_gets_only_those_who_did_not_remit_and_did_not_leave() -> None:
    loaded = load_trial("three-steps")
    days = loaded.file.entry.days + loaded.file.total_days + 1
    result = made_up_trial(loaded, 200, {"ssri": 0.9})
    assert result.pool.arms[0].points.shape == (200, 1 + 3 * len(loaded.file.visits.days))
    first, second, _ = result.groups
    stays = first.seen[:, -1] & (first.points[:, -1] > loaded.file.remission)
    assert second.patients.tolist() == first.patients[stays].tolist()
    assert 0 < second.n < first.n
    assert days == 14 + 3 * 84 + 1


@pytest.mark.parametrize(
    ("name", "later", "goes_on"),
    [("ssri-after-placebo-lead-in", 0.9, "ill"), ("ssri-randomised-withdrawal", 1.0, "well")],
)
def test_those_who_improve_before_randomisation_are_left_out_of_one_design_and_wanted_in_the_other(
    name: str, later: float, goes_on: str
) -> None:
    trial = load_trial(name)
    courses = np.full((20, 14 + trial.file.total_days + 1), 0.4)
    courses[10:, 14 + 7 :] = later  # better from day 7 on
    raters = Raters.of(1, range(20), trial.file.total_days)
    kept = is_randomised(trial.file, Ratings(trial, trial.file.arms[0].name, courses, raters))
    wanted, others = (kept[:10], kept[10:]) if goes_on == "ill" else (kept[10:], kept[:10])
    assert wanted.mean() > 0.8
    assert not others.any()


def test_patients_are_allocated_by_blocks_of_two_per_arm() -> None:
    pool = made_up_trial(load_trial("ssri-against-placebo"), 80, {"placebo": 0.1, "ssri": 0.1}).pool
    arms = conducted(pool, 40).arm.reshape(-1, 4)
    assert (arms.sum(axis=1) == 2).all()
    assert len({tuple(block) for block in arms.tolist()}) > 3


def test_a_trial_that_is_not_randomised_has_no_contrast() -> None:
    result = made_up_trial(load_trial("ssri-open"), 30, {"ssri": 0.3})
    assert result.contrasts == []
