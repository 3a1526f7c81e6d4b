"""One patient under one treatment: stuck once, treatments paired, followed until the drug has left."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from unstuck.errors import InputError
from unstuck.files.cohort import CohortFile, read_cohort
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import (
    FUNCTIONAL_DAYS,
    Checkpoint,
    Life,
    PatientRun,
    checkpoint_key,
    get_stuck,
    phase_spells,
    run_treatment,
)

NETWORK = 200


@cache
def cohort() -> CohortFile:
    return read_cohort(cohort_path())


@cache
def patient(neurons: int = 0, drawn: bool = False) -> Patient:
    circuit, law = Treatment("untreated").circuit, cohort() if drawn else None
    return draw_patient(circuit, default_parameters(), law, seed=6, index=1, neurons=neurons)


@cache
def stuck(neurons: int = 0, drawn: bool = False) -> Checkpoint:
    return get_stuck(patient(neurons, drawn), Treatment("untreated"))


@cache
def run(treatment: str, neurons: int = 0, drawn: bool = False) -> PatientRun:
    return run_treatment(patient(neurons, drawn), Treatment(treatment), stuck(neurons, drawn))


def recovery_on(run: PatientRun, day: float) -> float:
    return next(run.recovery(reading.connectivity) for reading in run.readings if reading.day == day)


def test_health_is_connected_and_the_stuck_state_is_not() -> None:
    parameters = default_parameters()
    assert stuck().healthy.connectivity == pytest.approx(1.0)
    assert stuck().healthy.structure == pytest.approx(1.0 - parameters["l0"] - parameters["m0"])
    assert 0.50 < stuck().stuck.connectivity < 0.75
    assert stuck().stuck.function < 0.6 * stuck().healthy.function
    overactive = patient().circuit.populations.index("AMY_P")
    assert stuck().stuck.activity[overactive] > 1.1


def test_all_treatments_of_a_patient_share_one_way_to_day_0() -> None:
    keys = {checkpoint_key(Treatment(name)) for name in ("untreated", "ssri-like", "ketamine-like")}
    assert len(keys) == 1
    assert checkpoint_key(Treatment("ssri-like-with-habenula")) not in keys
    again = get_stuck(patient(), Treatment("ketamine-like"))
    np.testing.assert_array_equal(again.state.y, stuck().state.y)
    np.testing.assert_array_equal(again.state.x, stuck().state.x)


def test_a_checkpoint_of_another_patient_or_treatment_is_refused(tmp_path: Path) -> None:
    circuit = Treatment("untreated").circuit
    other = draw_patient(circuit, default_parameters(), None, seed=6, index=2, neurons=0)
    with pytest.raises(ValueError, match="belongs to another patient than number 2 of seed 6"):
        run_treatment(other, Treatment("untreated"), stuck())
    faster = default_parameters().with_values(tauT=20.0)
    changed = draw_patient(circuit, faster, None, seed=6, index=1, neurons=0)
    with pytest.raises(ValueError, match="with this circuit and these parameters"):
        run_treatment(changed, Treatment("untreated"), stuck())
    path = tmp_path / "short.yaml"
    path.write_text("title: Short\nextends: untreated\nphases: {rest: {for: 30 d}}\n")
    with pytest.raises(ValueError, match="another treatment than short"):
        run_treatment(patient(), Treatment(str(path)), stuck())


def test_every_treatment_begins_at_zero_recovery() -> None:
    for name in ("untreated", "ssri-like", "ketamine-like"):
        assert run(name).steps[0][1] == stuck().stuck.connectivity
        assert recovery_on(run(name), 0.0) == pytest.approx(0.0, abs=1e-12)


def test_the_length_of_the_stress_is_the_patient_s_own() -> None:
    one, typical = patient(drawn=True), patient()
    assert one.stress_h is not None
    assert one.stress_h != 42 * 24.0
    assert stuck(drawn=True).time_h == one.stress_h + 60 * 24.0
    assert typical.stress_h is None
    assert stuck().time_h == 102 * 24.0


def test_draws_are_recorded_with_the_run() -> None:
    assert run("untreated", drawn=True).draws == patient(drawn=True).draws
    assert len(run("untreated", drawn=True).draws) == 21
    assert run("untreated").draws == {}


def test_day_0_is_read_with_the_first_dose_given() -> None:
    first, untreated = (run(name).readings[0].serotonin_ratio for name in ("ssre-only", "untreated"))
    np.testing.assert_array_less(first, 0.95 * untreated)


def test_readings_lie_on_whole_days_whatever_the_way_to_day_0_takes(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("title: Odd\nextends: untreated\nphases:\n  stress: {for: 1000.1 h}\n")
    days = [r.day for r in run_treatment(patient(), Treatment(str(path)), hours=()).readings]
    assert days[:169] == [float(day) for day in range(169)]


def test_function_is_probed_on_the_days_asked_for_and_nan_elsewhere() -> None:
    for reading in run("ssri-like").readings:
        asked = any(abs(reading.day - day) < 1e-6 for day in FUNCTIONAL_DAYS)
        assert np.isnan(reading.function) != asked


def test_follow_up_lasts_twelve_weeks_after_the_drug_is_gone() -> None:
    for name in ("untreated", "ssri-like", "ketamine-like"):
        course = run(name)
        assert course.end_day >= course.gone_day + 84.0 - 1e-6
        assert course.readings[-1].day == pytest.approx(course.end_day, abs=1.0)
    assert run("untreated").gone_day == 84.0
    assert run("ssri-like").last_dose_day == 83.0
    odds = 0.008 / 0.992  # one per cent of an occupancy of 0.8
    assert run("ssri-like").gone_day == pytest.approx(84.0 + 30.0 / 24.0 * np.log2(4.0 / odds), abs=0.1)


def test_a_run_reaches_the_endpoint_that_was_asked_for(tmp_path: Path) -> None:
    path, lines = tmp_path / "late.yaml", "title: Late\nextends: ketamine-like\nendpoint_day: {}\n"
    path.write_text(lines.format(200) + "phases: {wash-out: {for: 5 weeks}}\n")
    late = run_treatment(patient(), Treatment(str(path)), stuck(), hours=(), functional_days=())
    assert late.end_day == 200.0
    path.write_text(lines.format(400))
    with pytest.raises(InputError, match=r"late\.yaml:3:endpoint_day: day 400 is after the run"):
        Treatment(str(path))


def test_a_treatment_without_follow_up_ends_with_its_last_phase(tmp_path: Path) -> None:
    path = tmp_path / "short.yaml"
    path.write_text(
        "title: Short\nfollow_up: 0 d\nphases:\n  stress: {for: patient, stress: 1.0}\n  rest: {for: 60 d}\n"
        "  treatment: {for: 10 d, drugs: [{drug: ssri-like, every: 1 d, for: 10 d}]}\n"
    )
    assert run_treatment(patient(), Treatment(str(path)), stuck()).end_day == 10.0


def test_a_run_is_the_same_whatever_is_read() -> None:
    treatment = Treatment("psilocybin-like")
    watched = run_treatment(patient(), treatment, stuck())
    alone = run_treatment(patient(), treatment, stuck(), hours=(), functional_days=())
    assert len(watched.readings) > len(alone.readings)
    assert watched.steps == alone.steps


SWITCH = """
title: a switch
extends: untreated
phases:
  treatment:
    drugs:
      - {drug: ssri-like, every: 1 d, for: 12 weeks, stop_when: {day: 7, recovery_below: 0.9}}
      - {drug: ketamine-like, on_days: [8, 11], when: {day: 7, recovery_below: 0.9}}
      - {drug: psilocybin-like, on_days: [8], when: {day: 9, recovery_at_least: 1}}
"""


def test_a_run_records_which_conditions_applied_and_on_which_day(tmp_path: Path) -> None:
    path = tmp_path / "switch.yaml"
    path.write_text(SWITCH.replace("on_days: [8], when: {day: 9", "on_days: [10], when: {day: 9"))
    switched = run_treatment(patient(), Treatment(str(path)), stuck())
    told = [(each.drug, each.kind, each.day, each.applied) for each in switched.conditions]
    assert told == [
        ("ssri-like", "stop_when", 7.0, True),
        ("ketamine-like", "when", 7.0, True),
        ("psilocybin-like", "when", 9.0, False),
    ]
    assert switched.conditions[0].recovery == pytest.approx(recovery_on(switched, 7.0), abs=1e-9)
    assert switched.last_dose_day == 11.0


def test_treatments_share_their_noise_to_the_last_bit_until_a_drug_acts(tmp_path: Path) -> None:
    path = tmp_path / "late.yaml"
    path.write_text(
        "title: Late\nextends: untreated\nphases:\n"
        "  treatment: {for: 12 weeks, drugs: [{drug: ketamine-like, on_days: [60]}]}\n"
    )
    untreated = run("untreated", NETWORK, True)
    late = run_treatment(patient(NETWORK, True), Treatment(str(path)), stuck(NETWORK, True))
    before = [step for step in late.steps if step[0] <= 60.0]
    assert len(before) > 50
    assert before == untreated.steps[: len(before)]
    assert recovery_on(late, 61.0) > recovery_on(untreated, 61.0) + 0.05


EVENTS = """
title: Events
follow_up: 0 d
phases:
  stress: {for: patient, stress: 1.0}
  rest: {for: 60 d}
  treatment: {for: 84 d}
  year: {for: 300 d, life_events: true}
"""


def test_life_events_count_from_the_start_of_their_phase_and_end_with_it(tmp_path: Path) -> None:
    path = tmp_path / "events.yaml"
    path.write_text(EVENTS)
    one, treatment = patient(drawn=True), Treatment(str(path)).with_stress_of(patient(drawn=True).stress_h)
    start_h, end_h = treatment.file.start_h("year"), treatment.file.end_h
    spells = [s for s in phase_spells(treatment.file, one, end_h) if s.stress < 1.0]
    events = [event for event in one.life_events(365.0) if event.start_h < 300 * 24.0]
    assert len(events) > 0
    assert [s.start_h for s in spells] == [start_h + event.start_h for event in events]
    assert [s.end_h for s in spells] == [min(start_h + event.end_h, end_h) for event in events]
    assert phase_spells(treatment.file, patient(), end_h) == phase_spells(
        Treatment("untreated").with_stress_of(one.stress_h).file, patient(), end_h
    )


def test_life_events_of_the_last_phase_alone_go_on_through_the_follow_up(tmp_path: Path) -> None:
    path = tmp_path / "events.yaml"
    path.write_text(EVENTS.replace("treatment: {for: 84 d}", "treatment: {for: 84 d, life_events: true}"))
    one, file = patient(drawn=True), Treatment(str(path)).file
    until_h = file.end_h + 300 * 24.0
    starts = np.array([s.start_h for s in phase_spells(file, one, until_h) if s.stress < 1.0])
    first_h, last_h = file.start_h("treatment"), file.start_h("year")
    events = one.life_events(600.0)
    assert (starts >= file.end_h).sum() == sum(300.0 <= event.start_h / 24.0 < 600.0 for event in events) > 0
    in_treatment = ((first_h <= starts) & (starts < last_h)).sum()
    assert in_treatment == sum(event.start_h < 84 * 24.0 for event in events)


def test_stress_that_begins_on_day_0_is_not_in_the_stuck_reading(tmp_path: Path) -> None:
    path = tmp_path / "stressed.yaml"
    path.write_text("title: t\nextends: untreated\nphases:\n  treatment: {for: 84 d, stress: 1}\n")
    stressed = get_stuck(patient(), Treatment(str(path)))
    assert stressed.key == stuck().key
    np.testing.assert_array_equal(stressed.stuck.activity, stuck().stuck.activity)


def test_where_illness_is_read_from_activity_a_drawn_patient_is_as_stuck_as_the_last_week() -> None:
    treatment = Treatment("untreated", circuit="ocd")
    one = draw_patient(treatment.circuit, default_parameters(), cohort(), seed=6, index=1, neurons=0)
    life = Life(one, treatment)
    seen = list[float]()
    for day in range(-6, 1):
        life.advance(life.treatment.file.day_0_h + 24.0 * day)
        seen.append(life.present().connectivity)
    assert np.ptp(seen) > 1e-4
    assert get_stuck(one, treatment).stuck.connectivity == pytest.approx(np.mean(seen), abs=1e-6)


def test_the_noise_goes_on_from_the_stress_through_the_rest_and_the_treatment() -> None:
    one = patient(drawn=True)
    life = Life(one, Treatment("untreated"), stuck(drawn=True))
    rows = one.noise(400)
    first = round((one.stress_h or 0.0) / 24.0) + 60
    for day in (0, 1, 50):
        _, region_input = life.exposure.at(life.treatment.file.day_0_h + 24.0 * day + 3.0)
        np.testing.assert_array_equal(region_input, rows[first + day])


def test_readings_are_taken_in_the_first_hours_and_then_once_a_day() -> None:
    days = [reading.day for reading in run("untreated").readings]
    assert days[:6] == pytest.approx([0.0, 1 / 24, 2 / 24, 4 / 24, 8 / 24, 12 / 24], abs=1e-9)
    assert days[6:] == [float(day) for day in range(1, len(days) - 5)]


def test_functional_connectivity_is_computed_on_its_days_only() -> None:
    days = [reading.day for reading in run("untreated").readings if not np.isnan(reading.function)]
    hours, later = [0.0, 1 / 24, 2 / 24, 4 / 24, 8 / 24, 12 / 24], [1.0, 2.0, 7.0, 14.0, 28.0, 42.0, 84.0]
    assert days == pytest.approx([*hours, *later], abs=1e-9)


def test_the_first_step_is_the_stuck_state_on_day_0() -> None:
    assert run("untreated").steps[0] == (0.0, stuck().stuck.connectivity, stuck().stuck.structure)
