"""Findings about anxiety and OCD: fitted ones are reproduced, every other is read from invented courses.

No held-out finding is simulated here.
"""

from collections import defaultdict
from collections.abc import Mapping

import numpy as np
import pytest
from unstuck.engine.readouts import Reading
from unstuck.errors import InputError
from unstuck_analysis.evidence import measure as measuring
from unstuck_analysis.evidence import runs
from unstuck_analysis.evidence.courses import Cohort, Course
from unstuck_analysis.evidence.facts import read_facts
from unstuck_analysis.evidence.findings import CIRCUIT, MEASURES, OF_COHORT, TABLES, Recorded, ill
from unstuck_analysis.evidence.measure import Evidence, Plan, healthy_year, measure, unwatched

OTHERS = tuple(name for name in TABLES if name != "default")
VALUE, GROWTH = "connectivity", "readout_growth"
Given = Mapping[tuple[str, float, str], float]


def of(
    treatment: str, readings: Mapping[float, float], what: str = "recovery"
) -> dict[tuple[str, float, str], float]:
    """Readings of one treatment by day."""
    return {(treatment, day, what): value for day, value in readings.items()}


def one_patient(readings: Given, circuit: str) -> Recorded:
    """The typical patient with invented readings (treatment, day, series)."""
    days: dict[str, set[float]] = defaultdict(set)
    for treatment, day, _ in readings:
        days[treatment].add(day)
    courses: dict[str, Course] = {}
    for treatment, known in days.items():
        rows = sorted(known)
        series: dict[str, np.ndarray] = defaultdict(lambda rows=rows: np.full((1, len(rows)), np.nan))
        for (name, day, what), value in readings.items():
            if name == treatment:
                series[what][0, rows.index(day)] = value
        courses[treatment] = Course(np.array(rows, float), dict(series))
    nobody = Cohort({}, {}, np.arange(0))
    return Recorded(Cohort(courses, {}, np.arange(1)), nobody, nobody, circuit)


HOUR = 1 / 24
SSRI, BUSPIRONE, GABA = "ssri-84d", "buspirone-29d", "gaba-up-fifth-57d"
HIGH, LOW, SILENCED = "ssri-88-84d", "ssri-76-84d", "d1-silenced-90d-off-28d"
CASES = [
    ("AT01", {**of(BUSPIRONE, {7: 0.1, 28: 0.2}), **of(GABA, {7: 0.3, 28: 0.4})}, 1.0),
    ("AT01", {**of(BUSPIRONE, {7: 0.1, 28: 0.1}), **of(GABA, {7: 0.3, 28: 0.4})}, 0.5),
    ("AT01", {**of(BUSPIRONE, {7: 0.4, 28: 0.1}), **of(GABA, {7: 0.3, 28: 0.4})}, 0.0),
    ("AT02", of("tianeptine-84d", {1: 0.1, 28: 0.6}), 0.1),
    ("AT03", of("tianeptine-84d", {1: 0.1, 28: 0.6}), 0.6),
    ("AT04", of("ssri-5ht2c-blocked-2d", {0: 0.0, 1: 0.2}), 0.2),
    ("AT05", of("raphe-stimulation-once", {HOUR: 1.3, 1: 1.0}, VALUE), 1.3),
    (  # three quarters of a loss of 0.4 have returned; a tenth of a growth of 0.2 is gone
        "AT06",
        {
            **of("stress-10d", {0: 0.6, 21: 0.9}, "strength_IL_P > vHPC_P"),
            **of("stress-10d", {0: 1.2, 21: 1.18}, GROWTH),
        },
        0.65,
    ),
    ("AT08", of("stress-10d", {0: 0.9, 21: 1.0}, "strength_IL_P > BLA_I"), 0.9),
    ("AT09", {**of(GABA, {56: 0.5}), **of(SSRI, {56: 0.7})}, -0.2),
    ("OT02", of("ssri-88-84d-depletion", {84: 0.5, 85: 0.4}), -0.1),
    ("OT03", of(SILENCED, {89.99: 0.4, 90: 0.1, 118: 0.0}), 0.4),
    ("OT04", of(SILENCED, {89.99: 0.4, 90: 0.1, 118: 0.2}), 0.2),
    ("OT05", {**of("ssri-88-d2-input-29d", {28: 0.5}), **of(HIGH, {28: 0.2})}, 0.3),
    ("OT06", of("striatal-interneurons-driven-once", {HOUR: 0.7, 1: 0.1}), 0.7),
    ("OT08", of(GABA, {28: 0.1}), 0.1),
    ("OT09", {**of(HIGH, {84: 0.6}), **of(LOW, {84: 0.5})}, 1.2),
    *(
        (
            "OT10",
            {
                **of("stress-21d", {0: grown}, "strength_TH_P > OFC_P"),
                **of("stress-21d", {0: 0.7}, "strength_OFC_P > ACC_P"),
                **of("stress-21d", {0: other}, "strength_TH_P > ACC_P"),
            },
            value,
        )
        for grown, other, value in ((1.3, 0.9, 1.0), (1.7, 0.9, 0.5), (1.3, 0.6, 0.5), (1.1, 1.3, 0.0))
    ),
    *(
        (
            "OT11",
            {
                **of("acc-silenced-once", {HOUR: loop}, VALUE),
                **of("ketamine-once", {HOUR: cingulate}, "activity_ACC_P"),
            },
            value,
        )
        for loop, cingulate, value in ((1.1, 1.2, 1.0), (1.0, 1.2, 0.5), (1.0, 1.0, 0.0))
    ),
    ("A05", of("stress-10d", {0: 1.2, 21: 1.1}, GROWTH), 0.5),
]


@pytest.mark.parametrize(("id", "readings", "value"), CASES)
def test_a_finding_on_the_typical_patient_is_read_as_its_table_says(
    id: str, readings: Given, value: float
) -> None:
    assert MEASURES[id](one_patient(readings, CIRCUIT[id]))[""] == pytest.approx(value)


LAST_DAY = {"untreated-events-365d": 365.0, SSRI: 84.0, HIGH: 84.0}


def cohort(recovery: Mapping[str, list[list[float]]], circuit: str) -> Recorded:
    """Drawn patients, all ill on day 0, with invented R on day 0 and in the last rows of every treatment."""
    courses: dict[str, Course] = {}
    for name, rows in recovery.items():
        values, after = np.array(rows), len(rows[0]) - 1
        last = LAST_DAY.get(name, 84.0 + after)
        days = np.array([0.0, *(last - np.arange(after)[::-1])])
        courses[name] = Course(days, {"recovery": values, VALUE: np.full_like(values, 1.3)})
    everyone = Cohort(courses, {}, np.arange(len(next(iter(recovery.values())))))
    return Recorded.of(everyone, everyone, circuit)


@pytest.mark.parametrize(
    ("id", "treatment", "ends", "value"),
    [
        ("A18", SSRI, (0.6, 0.5, 0.4, 0.1), 0.5),
        ("AT07", "untreated-events-365d", (0.6, 0.4, 0.4, 0.1), 0.25),
        ("OT01", HIGH, (0.6, 0.35, 0.36, 0.1), 0.75),
        ("OT07", "untreated-events-365d", (0.6, 0.4, 0.4, 0.1), 0.25),
    ],
)
def test_shares_of_a_cohort(id: str, treatment: str, ends: tuple[float, ...], value: float) -> None:
    data = cohort({treatment: [[0.0, end] for end in ends]}, CIRCUIT[id])
    assert (id in OF_COHORT, MEASURES[id](data)[""]) == (True, value)


def test_a_relapse_is_four_weeks_in_a_row_below_the_response_less_a_fifth() -> None:
    def after(days_low: int, low: float) -> list[float]:
        return [0.0, *[0.9] * 30, *[low] * days_low, *[0.9] * (90 - days_low)]

    def ratio(id: str, course: str, stop: str, low: float, responders: float) -> float:
        rows = [after(28, low), after(27, low), after(60, low)]
        stay = [after(28, low), after(0, low), after(0, low)]
        ends = [[0.0, responders], [0.0, responders], [0.0, 0.1]]  # the last one did not respond
        recovery = {course: ends, stop: rows, stop.replace("stop", "continue"): stay}
        return MEASURES[id](cohort(recovery, CIRCUIT[id]))[""]

    assert ratio("A19", SSRI, "ssri-84d-stop-year", 0.29, 0.5) == 1.0
    assert np.isnan(ratio("A19", SSRI, "ssri-84d-stop-year", 0.31, 0.5))  # nobody relapses
    assert ratio("O15", HIGH, "ssri-88-84d-stop-168d", 0.14, 0.35) == 1.0
    assert np.isnan(ratio("O15", HIGH, "ssri-88-84d-stop-168d", 0.16, 0.35))


def test_a_rating_is_the_mean_of_the_seven_days_that_end_on_a_day() -> None:
    reading = {name: np.zeros(1) for name in Reading.__dataclass_fields__}
    stuck, healthy = Reading(**{**reading, VALUE: 1.4}), Reading(**{**reading, VALUE: 1.0})
    checkpoint = runs.Checkpoint("", "", None, 0.0, healthy, stuck, None)  # type: ignore[arg-type]
    rows = np.column_stack([np.arange(9.0), [9.9, *[1.4] * 6, 0.7, 1.4], np.zeros(9)])
    later = rows.copy()
    runs._rate(rows, None, checkpoint)
    assert rows[:, 1] == pytest.approx([1.4] * 7 + [1.3, 1.3])
    assert rows[:, 2] == pytest.approx([0.0] * 7 + [0.25, 0.25])
    runs._rate(later, np.array([0.0, *[1.4] * 6, 0.7]), checkpoint)  # goes on after a course
    assert later[:2, 1] == pytest.approx([1.3, 1.3])


def test_illness_is_a_loss_in_depression_and_a_gain_in_the_others() -> None:
    values = np.array([0.8, 1.0, 1.2])
    assert ill(values, "default").tolist() == [True, False, False]
    assert [ill(values, name).tolist() for name in OTHERS] == [[False, False, True]] * 2


@pytest.mark.parametrize("name", OTHERS)
def test_every_fitted_finding_on_the_typical_patient_is_reproduced(name: str) -> None:
    facts = [f for f in read_facts(circuit=name) if f.group == "fitted" and f.id not in OF_COHORT]
    evidence = measure(facts, Plan(circuit=name), unwatched)
    assert [f.fact.id for f in evidence.findings if not f.reproduced] == []
    assert len(facts) > 14


def test_held_out_findings_are_simulated_only_when_asked_for_each_in_its_circuit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []
    nobody = Cohort({}, {}, np.arange(0))

    def recorded(facts: list, plan: Plan, watch: object) -> Recorded:
        asked.append([fact.id for fact in facts])
        return Recorded(nobody, nobody, nobody, plan.circuit)

    monkeypatch.setattr(measuring, "_recorded", recorded)
    monkeypatch.setattr(measuring, "_parts", lambda *_: [])
    monkeypatch.setattr(measuring, "first_measurements", lambda generation: {})
    facts = [fact for fact in read_facts(circuit="ocd") if fact.id in ("O01", "OT08", "OT09")]
    measure(facts, Plan(circuit="ocd"), unwatched)
    measure(facts, Plan(circuit="ocd"), unwatched, held_out=True)
    assert asked == [["O01"], ["O01", "OT08"], ["OT09"]]


def test_every_series_that_is_recorded_exists_in_its_circuit() -> None:
    for circuit in OTHERS:
        group = runs.Group([0], ("healthy",), 1, drawn=False, circuit=circuit)
        arrays = runs.run_group(group)["healthy"]
        assert arrays.shape == (1, 61, 1 + len(runs.series_of(circuit)))
        assert arrays[0, -1, 5:] == pytest.approx(1.0, abs=1e-3)


def test_a_warning_says_that_many_healthy_patients_become_ill() -> None:
    evidence = {share: Evidence([], Plan(), 100, 80, share) for share in (0.15, 0.16)}
    assert healthy_year(evidence[0.15]) == "A year of life events made 15.0% of healthy patients ill."
    assert healthy_year(evidence[0.16]).endswith(
        "made 16.0% of healthy patients ill; more than 15% is too many."
    )
    assert healthy_year(Evidence([], Plan())) == ""


def test_a_name_that_is_unknown_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="--circuit: unknown circuit with findings 'anxeity', did you mean"):
        read_facts(circuit="anxeity")
