"""Raters: whole points within the scale, noise as the file says, care on the rating; who leaves."""

from dataclasses import replace

import numpy as np
import pytest
from unstuck.files.context import ContextFile
from unstuck.files.find import read
from unstuck_analysis.trial.file import LoadedTrial, load_trial
from unstuck_analysis.trial.ratings import REASONS, Raters, Ratings, leaving

DAYS = [-14, 0, 28, 56]


def rated(trial: LoadedTrial, connectivity: float, patients: int = 400) -> Ratings:
    courses = np.full((patients, 14 + 56 + 1), connectivity)
    return Ratings(trial, "placebo", courses, Raters.of(1, range(patients), 56))


@pytest.fixture(scope="module")
def trial() -> LoadedTrial:
    return load_trial("ssri-against-placebo")


def test_ratings_are_whole_points_within_the_scale(trial: LoadedTrial) -> None:
    for connectivity in (-1.0, 0.4, 1.3):
        points = rated(trial, connectivity).points(DAYS)
        assert (points == np.round(points)).all()
        assert points.min() >= 0
        assert points.max() <= 52
    assert rated(trial, -1.0).points([56]).max() == 52


def test_entry_is_inflated_and_the_spread_is_that_of_trait_state_rater_and_error(trial: LoadedTrial) -> None:
    points = rated(trial, 0.5, 4000).points(DAYS)
    assert points[:, 0].mean() - points[:, 3].mean() == pytest.approx(1.4, abs=0.25)
    assert points[:, 3].mean() == pytest.approx(3.3 + 17.0, abs=0.2)
    assert points[:, 3].std() == pytest.approx((1.35**2 + 3.45**2 + 1.5**2 + 1.5**2) ** 0.5, abs=0.15)
    between_days = np.corrcoef(points[:, 2], points[:, 3])[0, 1]
    wanted = (1.35**2 + 1.5**2 + 3.45**2 * np.exp(-28 / 40)) / points[:, 3].var()
    assert between_days == pytest.approx(wanted, abs=0.05)


def test_madrs_is_a_multiple_of_the_same_sum(trial: LoadedTrial) -> None:
    madrs = trial.file.rating.model_copy(update={"scale": "madrs"})
    other = replace(trial, file=trial.file.model_copy(update={"rating": madrs}))
    assert rated(other, 0.5).points([56]).mean() == pytest.approx(
        1.33 * rated(trial, 0.5).points([56]).mean(), abs=0.1
    )
    assert rated(other, -1.0).points([56]).max() == 60


def test_care_that_is_added_to_the_rating_lowers_it_and_leaves_the_circuit_alone(trial: LoadedTrial) -> None:
    context, _ = read("contexts", "care-added-to-the-rating", ContextFile)
    added = replace(trial, context=context)
    difference = rated(added, 0.4).points(DAYS) - rated(replace(trial, context=None), 0.4).points(DAYS)
    assert (difference[:, :2] >= 1).all()  # inflation at entry
    assert difference[:, 3].mean() == pytest.approx(-6.0 * (1 - np.exp(-56 / 16)) * 1.12, abs=0.4)


def test_care_grows_and_fades_with_one_time_constant() -> None:
    context, _ = read("contexts", "care", ContextFile)
    share = context.course(np.array([-1.0, 0.0, 5.5, 56.0, 61.5]), end_day=56.0)
    assert share == pytest.approx([0, 0, 1 - np.exp(-1), 1, np.exp(-1)], abs=1e-3)


def test_who_leaves_stays_away_and_has_a_reason(trial: LoadedTrial) -> None:
    points = rated(trial, 0.4, 2000).points([0, *range(7, 57, 7)])
    uniform = Raters.of(1, range(2000), 56).leaving
    days = [0, *range(7, 57, 7)]
    for arm, reasons in (("placebo", 2), ("ssri", 3)):
        seen, why = leaving(points, days, uniform, trial, arm)
        assert (np.diff(seen.astype(int), axis=1) <= 0).all()
        assert ((why > 0) == ~seen[:, -1]).all()
        assert set(why.tolist()) == set(range(reasons + 1))
    assert len(REASONS) == 4
    on_placebo, _ = leaving(points, days, uniform, trial, "placebo")
    stayed = 1 - (1 - (1 - 0.026) ** 3 * (1 - 0.026 - 0.045) ** 5)  # nobody improves by 20 % here
    assert on_placebo[:, -1].mean() == pytest.approx(stayed, abs=0.05)


@pytest.mark.parametrize(
    ("ratings", "unlucky_week", "leaves"),
    [
        ((20, 19), 2, False),  # nobody leaves for lack of improvement before week 4
        ((20, 19), 3, True),
        ((20, 15), 3, False),
        ((1, 1), 3, True),
        ((0, 0), 3, False),  # nothing is left to improve
    ],
)
def test_who_has_not_improved_by_20_percent_may_leave_from_week_4_on(
    trial: LoadedTrial, ratings: tuple[int, int], unlucky_week: int, leaves: bool
) -> None:
    days = [0, *range(7, 57, 7)]
    points = np.array([[ratings[0], *[ratings[1]] * 8]], dtype=float)
    uniform = np.ones((1, 8))
    uniform[0, unlucky_week] = 0.03  # above the hazard of other reasons (0.026), below both (0.071)
    seen, why = leaving(points, days, uniform, trial, "placebo")
    left = 9 if not leaves else 1 + unlucky_week
    assert seen[0].tolist() == [visit < left for visit in range(9)]
    assert REASONS[why[0]] == ("no improvement" if leaves else "")


def test_who_leaves_between_two_distant_visits_is_missing_at_the_second(trial: LoadedTrial) -> None:
    uniform = np.ones((1, 8))
    uniform[0, 1] = 0.0  # leaves in the second week
    seen, why = leaving(np.full((1, 3), 20.0), [0, 14, 56], uniform, trial, "placebo")
    assert seen.tolist() == [[True, False, False]]
    assert REASONS[why[0]] == "other reason"
