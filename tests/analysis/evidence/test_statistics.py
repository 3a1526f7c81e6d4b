"""Statistics over a cohort, on synthetic courses whose answers are known."""

from math import inf, isnan

import numpy as np
import pytest
from unstuck_analysis.evidence.arms import Record, Setup, Subject
from unstuck_analysis.evidence.facts import CohortPart, Responders
from unstuck_analysis.evidence.statistics import STATISTICS, Cohort, measure, relapse_after

Course = list[tuple[float, float]]
FLAT: Course = [(0, 0), (100, 0)]


def record(course: Course, not_stuck: bool = False) -> Record:
    days, recovery = zip(*course, strict=True)
    return Record({}, days, recovery, not_stuck)


def cohort(*patients: dict[str, Course]) -> Cohort:
    return Cohort(
        {
            Subject(1, number, 0, True): {Setup(name): record(course) for name, course in arms.items()}
            for number, arms in enumerate(patients)
        }
    )


def value(of: Cohort, part: CohortPart) -> float:
    return STATISTICS[part.statistic](of, part)(np.arange(of.stuck))


def rising(day: float) -> Course:
    """A course that crosses 0.5 on a day (below 50) and stays."""
    return [(0, 0), (2 * day, 1), (100, 1)]


def test_a_share_counts_patients_at_or_above_a_level_and_below_one() -> None:
    of = cohort({"a": rising(10)}, {"a": rising(20)}, {"a": FLAT}, {"a": FLAT})
    assert value(of, CohortPart(statistic="share", scenario="a", day=15, at_least=0.5)) == 0.25
    assert value(of, CohortPart(statistic="share", scenario="a", day=84, at_least=0.5)) == 0.5
    assert value(of, CohortPart(statistic="share", scenario="a", day=84, below=0.25)) == 0.5


def test_patients_who_never_got_stuck_are_drawn_but_not_counted() -> None:
    arms = {Setup("a"): record(FLAT)}
    of = Cohort({Subject(1, 0, 0, True): arms, Subject(1, 1, 0, True): {Setup("a"): record(FLAT, True)}})
    assert (of.drawn, of.stuck) == (2, 1)


def test_a_gap_of_shares_has_no_sign() -> None:
    of = cohort({"a": rising(10), "b": FLAT}, {"a": FLAT, "b": FLAT})
    for one, other in (("a", "b"), ("b", "a")):
        part = CohortPart(statistic="share_gap", scenario=one, against=other, day=84, at_least=0.5)
        assert value(of, part) == 0.5


def test_early_gain_is_a_ratio_of_mean_differences_from_the_other_arm() -> None:
    of = cohort({"drug": [(0, 0), (7, 0.3), (42, 0.9), (100, 1)], "none": [(0, 0), (42, 0.1), (100, 0.1)]})
    part = CohortPart(statistic="early_gain", scenario="drug", against="none", day=7, of_day=42)
    assert value(of, part) == pytest.approx((0.3 - 0.1 / 6) / 0.8)


def test_a_median_onset_that_is_not_reached_is_later_than_any_other() -> None:
    of = cohort({"fast": rising(1), "slow": FLAT}, {"fast": rising(3), "slow": FLAT})
    fast = CohortPart(statistic="median_onset", scenario="fast")
    assert value(of, fast) == pytest.approx(1.0)
    assert value(of, CohortPart(statistic="median_onset", scenario="slow")) == inf
    assert value(of, fast.model_copy(update={"against": "slow"})) == 0.0
    assert value(of, CohortPart(statistic="median_onset", scenario="slow", against="slow")) == inf


def test_relapse_is_a_day_below_one_half_after_the_responder_day() -> None:
    dips: Course = [(0, 1), (5, 1), (6, 0), (7, 1), (20, 1), (40, 0), (100, 0)]
    of = cohort({"a": dips})
    assert relapse_after(of.course(0, "a"), 10) == pytest.approx(30.0)  # type: ignore[arg-type]
    part = CohortPart(
        statistic="median_relapse", scenario="a", since_day=9, responders=Responders(of="a", on_day=10)
    )
    assert value(of, part) == pytest.approx(21.0)


def test_a_half_day_below_one_half_is_no_relapse() -> None:
    of = cohort({"a": [(0, 1), (20, 0.6), (20.2, 0.4), (20.4, 0.6), (100, 1)]})
    assert isnan(relapse_after(of.course(0, "a"), 10))  # type: ignore[arg-type]


def test_relapse_shares_are_compared_among_responders_only() -> None:
    relapsing: Course = [(0, 1), (20, 1), (40, 0), (100, 0)]
    of = cohort(
        {"acute": rising(10), "stop": relapsing, "go": rising(10)},
        {"acute": rising(10), "stop": relapsing, "go": relapsing},
        {"acute": FLAT},
    )
    part = CohortPart(
        statistic="relapse_share",
        scenario="stop",
        against="go",
        responders=Responders(of="acute", on_day=20),
    )
    assert value(of, part) == 2.0


def test_intervals_contain_the_value_and_depend_on_the_seed_alone() -> None:
    of = cohort(*[{"a": rising(10) if k % 3 else FLAT} for k in range(30)])
    part = CohortPart(statistic="share", scenario="a", day=84, at_least=0.5)
    found, low, high = measure(of, part, seed=5)
    assert 0.4 < low < found < high < 0.9
    assert measure(of, part, seed=5) == (found, low, high)
