"""Every way of reading a finding, on invented courses whose numbers were worked out by hand."""

from collections.abc import Sequence
from math import inf, isnan

import numpy as np
import pytest
from unstuck_analysis.evidence.courses import Cohort, Course, kaplan_meier_median
from unstuck_analysis.evidence.findings import MEASURES, Recorded
from unstuck_analysis.evidence.measure import part_values

NOBODY = Cohort({}, {}, np.arange(0))
STUCK, HEALTHY = 0.6, 0.95
Rows = Sequence[Sequence[float]]


def course(days: Sequence[float], recovery: Rows, connectivity: Rows | None = None) -> Course:
    """One row of numbers per patient; connectivity (all stuck if not given) says on day 0 who is stuck."""
    values = np.array(recovery, float)
    whole = np.full(values.shape, STUCK) if connectivity is None else np.array(connectivity, float)
    return Course(np.array(days, float), {"recovery": values, "connectivity": whole})


def people(draws: dict[str, list[str]] | None = None, **courses: Course) -> Recorded:
    named = {name.replace("_", "-"): each for name, each in courses.items()}
    size = len(next(iter(named.values())).series["connectivity"])
    drawn = {name: np.array(values) for name, values in (draws or {}).items()}
    everyone = Cohort(named, drawn, np.arange(size))
    return Recorded.of(everyone, everyone)


def value(id: str, data: Recorded, part: str = "") -> float:
    return MEASURES[id](data)[part]


DAYS = (0, 7, 14, 42, 84)
ON_SSRI = (
    (0, 0.1, 0.3, 0.6, 1.0),
    (0, 0.0, 0.1, 0.4, 0.7),
    (0, 0.2, 0.2, 0.2, 0.2),
    (0, 0.0, 0.0, 0.1, 0.3),
)
SSRI = course(DAYS, ON_SSRI)


def test_shares_count_patients_at_or_above_the_limit() -> None:
    data = people(ssri_84d=SSRI)
    assert value("T02", data) == 0.5  # 1.0 and 0.7
    assert value("T03", data) == 0.25  # 1.0
    assert value("T14", data) == 0.25  # 0.2


def test_medians_of_responders_leave_the_others_out() -> None:
    data = people(ssri_84d=SSRI)
    assert value("F11", data) == pytest.approx(0.85)
    # Half recovery: day 14 + 28 * 2/3, and day 42 + 42 * 1/3.
    assert value("F10", data) == pytest.approx((14 + 28 * 2 / 3 + 42 + 14) / 2)


def test_a_patient_who_is_not_stuck_is_left_out_of_shares() -> None:
    connectivity = [[STUCK] * 5, [STUCK] * 5, [STUCK] * 5, [HEALTHY] * 5]
    data = people(ssri_84d=course(DAYS, ON_SSRI, connectivity))
    assert data.stuck.size == 3
    assert value("T02", data) == pytest.approx(2 / 3)


def test_the_early_advantage_is_a_ratio_of_mean_differences() -> None:
    untreated = course([0, 7, 42], [[0, 0, 0.1]] * 4)
    # Day 7: mean 0.075 - 0; day 42: mean 0.325 - 0.1.
    assert value("T04", people(ssri_84d=SSRI, untreated_42d=untreated)) == pytest.approx(0.075 / 0.225)


def test_the_difference_of_two_drugs_is_absolute() -> None:
    other = course([0, 42, 84], [[0, 0.6, 0.6], [0, 0.6, 0.6], [0, 0.6, 0.6], [0, 0, 0]])
    data = people(ssri_84d=SSRI, tianeptine_84d=other)
    assert (value("T08", data, "day 42"), value("T08", data, "day 84")) == (0.5, 0.25)


def test_kaplan_meier_medians_count_patients_who_never_recover() -> None:
    assert kaplan_meier_median(np.array([3.0, 1.0, inf, inf]), 84) == 3.0  # half is reached by the second
    assert kaplan_meier_median(np.array([3.0, 1.0, 90.0]), 84) == 3.0
    assert kaplan_meier_median(np.array([3.0, inf, inf]), 84) == inf
    assert isnan(kaplan_meier_median(np.array([]), 84))


def test_the_order_of_onset_compares_medians_over_all_stuck_patients() -> None:
    def recovers_on(day: float) -> Course:
        return course([0, day, 100], [[0, 0.5, 0.5]] * 2)

    data = people(
        ketamine_once_7d=recovers_on(0.5),
        psilocybin_once_42d=recovers_on(5),
        tianeptine_84d=recovers_on(40),
        ssri_84d=recovers_on(50),
    )
    assert MEASURES["T01"](data) == {
        "ketamine": 0.5,
        "ketamine / SSRI": 0.01,
        "ketamine / psilocybin": 0.1,
        "psilocybin / tianeptine": 0.125,
        "tianeptine / SSRI": 0.8,
    }


def test_a_relapse_needs_two_daily_rows_below_one_half() -> None:
    rows = [
        [0, 1, 1, 0.4, 0.4, 1, 1],  # relapses on day 13
        [0, 1, 1, 0.4, 0.6, 0.4, 0.4],  # one row is not enough: day 15
        [0, 1, 0.4, 0.4, 0.4, 0.4, 0.4],  # not recovered on day 12: left out
        [0, 1, 1, 1, 1, 1, 0.4],  # the last row has no next one
    ]
    data = people(ketamine_six_events_120d=course([0, 11, 12, 13, 14, 15, 16], rows))
    assert value("T07", data) == 4.0  # 2, 4 and never, counted from day 11


def test_stopping_is_compared_with_continuing_among_responders() -> None:
    days, nothing = [84, 85, 86], [[np.nan] * 3] * 2
    stop = course(days, [[1, 0.4, 0.4], [0.7, 0.4, 0.4], *nothing])
    carry_on = course(days, [[1, 0.4, 0.4], [0.7, 0.7, 0.7], *nothing])
    data = people(ssri_84d=SSRI, ssri_84d_stop_year=stop, ssri_84d_continue_year=carry_on)
    assert value("T12", data) == 2.0


def test_recovery_after_a_course_is_read_among_responders_on_day_84() -> None:
    off = course([84, 204], [[1, 0.9], [0.7, 0.5], [np.nan] * 2, [np.nan] * 2])
    assert value("F16", people(ssri_84d=SSRI, ssri_84d_off_120d=off)) == pytest.approx(0.7)


def test_illness_after_a_healthy_year_is_a_share_of_all_drawn_patients() -> None:
    year = course([0, 365], [[np.nan] * 2] * 4, [[1, 0.8], [1, 0.9], [1, 0.84], [1, 1]])
    connectivity = [[HEALTHY] * 5] * 3 + [[STUCK] * 5]
    data = people(healthy_year=year, ssri_84d=course(DAYS, ON_SSRI, connectivity))
    assert (data.stuck.size, value("F32", data)) == (1, 0.5)


def test_predictive_values_of_early_improvement() -> None:
    data = people(ssri_84d=SSRI)  # improved on day 14: patients 0 and 2; recovered: 0 and 1
    assert value("U01", data) == 0.5
    assert value("U02", data) == 0.5


def test_relapse_after_psilocybin_is_a_share_of_those_recovered_on_day_8() -> None:
    rows = [[0, 1, 0.4, 0.4], [0, 1, 1, 1], [0, 0.2, 0.2, 0.2]]
    data = people(psilocybin_once_events_84d=course([0, 8, 9, 10], rows))
    assert value("U04", data) == 0.5


def test_carriers_are_compared_with_the_others() -> None:
    ketamine = course([0, 1], [[0, 0.2], [0, 0.4], [0, 0.6]])
    data = people({"bdnf_genotype": ["Met carrier", "Met carrier", "Val/Val"]}, ketamine_once_7d=ketamine)
    assert value("U07", data) == pytest.approx(0.5)


def test_each_length_of_illness_has_its_own_stuck_patients() -> None:
    long = course([0, 84], [[0, 0.2], [0, 0.6]])
    short = course([0, 84], [[0, 0.6], [0, 0.2]], [[STUCK] * 2, [HEALTHY] * 2])
    courses = {"ssri-84d-after-stress-of-168d": long, "ssri-84d-after-stress-of-42d": short}
    assert value("U08", Recorded.of(NOBODY, Cohort(courses, {}, np.arange(2)))) == -0.5


def test_a_reading_of_several_networks_is_their_median() -> None:
    networks = course([0, 1], [[0, 0.2], [0, 0.5], [0, 0.6]])
    typical = Cohort({"ketamine-once": networks}, {}, np.arange(3))
    assert value("F18", Recorded(typical, NOBODY, NOBODY)) == 0.5


def test_a_day_between_rows_is_read_on_the_line_between_them() -> None:
    cohort = Cohort({"ssri-84d": SSRI}, {}, np.arange(4))
    assert cohort.at("ssri-84d", 10.5)[0] == pytest.approx(0.2)
    with pytest.raises(KeyError, match="followed to day 84, not to day 85"):
        cohort.at("ssri-84d", 85)


def test_a_cohort_without_stuck_patients_has_no_value() -> None:
    data = people(ssri_84d=course([0, 84], [[0, 1]], [[HEALTHY] * 2]))
    assert all(isnan(number) for number in part_values("T02", data).values())
