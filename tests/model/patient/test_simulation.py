"""One patient under one treatment: stuck once, arms paired, followed until the drug is long gone."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from unstuck.files.treatment import Treatment
from unstuck.files.yaml import InputError
from unstuck.parameters import default_parameters, reference_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, Life
from unstuck.patient.simulation import FUNCTIONAL_DAYS, Arm, Simulation, checkpoint_key

NETWORK = 200


@cache
def patient(neurons: int = 0, noisy: bool = False) -> Patient:
    parameters = default_parameters() if noisy else reference_parameters()
    return draw_patient(Treatment("untreated").circuit, parameters, None, seed=6, index=1, neurons=neurons)


@cache
def stuck(neurons: int = 0, noisy: bool = False) -> Checkpoint:
    return Simulation(patient(neurons, noisy), Treatment("untreated")).checkpoint


@cache
def arm(treatment: str, neurons: int = 0, noisy: bool = False) -> Arm:
    return Simulation(patient(neurons, noisy), Treatment(treatment), stuck(neurons, noisy)).run()


def recovery_on(arm: Arm, day: float) -> float:
    return next(arm.recovery(reading.connectivity) for reading in arm.readings if reading.day == day)


def onset_day(arm: Arm) -> float:
    return next(day for day, connectivity, _ in arm.steps if arm.recovery(connectivity) >= 0.5)


def test_health_is_connected_and_the_ditch_is_not() -> None:
    assert stuck().healthy.connectivity == pytest.approx(1.0)
    assert stuck().healthy.structure == pytest.approx(1.0 - reference_parameters()["l0"])
    assert 0.50 < stuck().stuck.connectivity < 0.75
    assert stuck().stuck.function < 0.5 * stuck().healthy.function
    overactive = patient().circuit.populations.index("AMY_P")
    assert stuck().stuck.activity[overactive] > 1.1


def test_all_arms_of_a_patient_share_one_way_into_the_ditch() -> None:
    keys = {checkpoint_key(Treatment(name)) for name in ("untreated", "ssri-like", "ketamine-like")}
    assert len(keys) == 1
    assert checkpoint_key(Treatment("ssri-like-with-habenula")) not in keys
    again = Simulation(patient(), Treatment("ketamine-like")).checkpoint
    np.testing.assert_array_equal(again.state.y, stuck().state.y)
    np.testing.assert_array_equal(again.state.x, stuck().state.x)


def test_every_arm_begins_at_zero_recovery() -> None:
    for name in ("untreated", "ssri-like", "ketamine-like"):
        assert arm(name).steps[0][1] == stuck().stuck.connectivity
        assert recovery_on(arm(name), 0.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("neurons", [0, NETWORK])
def test_each_class_of_drug_keeps_its_time_course(neurons: int) -> None:
    assert abs(recovery_on(arm("untreated", neurons), 84.0)) < 0.05
    ssri, tianeptine, ketamine = (arm(n, neurons) for n in ("ssri-like", "tianeptine-like", "ketamine-like"))
    assert recovery_on(ssri, 2.0) < 0.1
    assert 14 < onset_day(ssri) < 56
    assert recovery_on(ssri, 84.0) > 0.8
    assert onset_day(tianeptine) <= onset_day(ssri)
    assert recovery_on(tianeptine, 84.0) > 0.8
    assert recovery_on(ketamine, 1.0) > 0.4
    assert recovery_on(ketamine, 28.0) < 0.2 < recovery_on(ketamine, 1.0)


def test_readings_are_taken_every_day_and_in_the_first_hours() -> None:
    days = [reading.day for reading in arm("ssri-like").readings]
    assert days == sorted(days)
    assert set(range(int(arm("ssri-like").end_day) + 1)) <= set(days)
    hours = [1 / 24, 2 / 24, 4 / 24, 8 / 24, 12 / 24]
    assert all(min(abs(day - hour) for day in days) < 1e-9 for hour in hours)


LONGER = "title: Longer\nextends: untreated\nphases: {{treatment: {{for: 13 weeks, drugs: [{}]}}}}\n"


@pytest.mark.parametrize("name", ["ssri-like", "ssre-only", "tianeptine-like"])
def test_the_last_day_of_a_treatment_is_read_as_a_day_of_a_longer_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / "longer.yaml"
    path.write_text(LONGER.format(f"{{drug: {name}, every: 1 d, for: 13 weeks}}"))
    longer = Simulation(patient(), Treatment(str(path)), stuck()).run()
    seen, expected = (next(r for r in a.readings if r.day == 84.0) for a in (arm(name), longer))
    np.testing.assert_allclose(seen.serotonin_ratio, expected.serotonin_ratio, rtol=2e-3)
    np.testing.assert_allclose(seen.activity, expected.activity, rtol=2e-3)
    assert seen.function == pytest.approx(expected.function, rel=5e-3)


def test_serotonin_under_the_enhancer_is_low_on_its_last_day_and_back_a_week_later() -> None:
    day_42, day_84, day_90 = (
        next(r for r in arm("ssre-only").readings if r.day == day).serotonin_ratio for day in (42, 84, 90)
    )
    np.testing.assert_allclose(day_84, day_42, rtol=0.01)
    np.testing.assert_array_less(day_84, 0.95 * day_90)


def test_day_0_is_read_with_the_first_dose_given() -> None:
    first, untreated = (arm(name).readings[0].serotonin_ratio for name in ("ssre-only", "untreated"))
    np.testing.assert_array_less(first, 0.95 * untreated)


def test_readings_lie_on_whole_days_whatever_the_way_to_day_0_takes(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text("title: Odd\nextends: untreated\nphases:\n  stress: {for: 1000.1 h}\n")
    days = [r.day for r in Simulation(patient(), Treatment(str(path))).run(hours=()).readings]
    assert days[:169] == [float(day) for day in range(169)]


def test_function_is_probed_on_the_days_asked_for_and_nan_elsewhere() -> None:
    for reading in arm("ssri-like").readings:
        asked = any(abs(reading.day - day) < 1e-6 for day in FUNCTIONAL_DAYS)
        assert np.isnan(reading.function) != asked


def test_follow_up_lasts_twelve_weeks_after_the_drug_is_gone() -> None:
    for name in ("untreated", "ssri-like", "ketamine-like"):
        course = arm(name)
        assert course.end_day >= course.gone_day + 84.0 - 1e-6
        assert course.readings[-1].day == pytest.approx(course.end_day, abs=1.0)
    assert arm("untreated").gone_day == 84.0
    assert arm("ssri-like").last_dose_day == 83.0
    assert arm("ssri-like").gone_day == pytest.approx(84.0 + 30.0 / 24.0 * np.log2(100), abs=0.1)


def test_a_run_reaches_the_endpoint_that_was_asked_for(tmp_path: Path) -> None:
    path, lines = tmp_path / "late.yaml", "title: Late\nextends: ketamine-like\nendpoint_day: {}\n"
    path.write_text(lines.format(200) + "phases: {wash-out: {for: 5 weeks}}\n")
    late = Simulation(patient(), Treatment(str(path)), stuck()).run(hours=(), functional_days=())
    assert late.end_day == 200.0
    path.write_text(lines.format(400))
    with pytest.raises(InputError, match=r"late\.yaml:3:endpoint_day: day 400 is after the run"):
        Treatment(str(path))


def test_a_run_is_the_same_whoever_reads_and_whatever_is_read() -> None:
    simulation = Simulation(patient(), Treatment("psilocybin-like"), stuck())
    seen = []
    watched = simulation.run(on_reading=seen.append)
    alone = simulation.run(hours=(), functional_days=())
    assert seen == watched.readings
    assert watched.steps == alone.steps


def test_arms_share_their_noise_to_the_last_bit_until_a_drug_acts(tmp_path: Path) -> None:
    path = tmp_path / "late.yaml"
    path.write_text(
        "title: Late\nextends: untreated\nphases:\n"
        "  treatment: {for: 12 weeks, drugs: [{drug: ketamine-like, on_days: [60]}]}\n"
    )
    placebo = arm("untreated", NETWORK, True)
    late = Simulation(patient(NETWORK, True), Treatment(str(path)), stuck(NETWORK, True)).run()
    before = [step for step in late.steps if step[0] <= 60.0]
    assert len(before) > 50
    assert before == placebo.steps[: len(before)]
    assert recovery_on(late, 61.0) > recovery_on(placebo, 61.0) + 0.2
    assert len({round(connectivity, 9) for _, connectivity, _ in placebo.steps}) > 50


def test_a_checkpoint_of_another_patient_circuit_or_treatment_is_refused(tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text("title: Calm\nphases:\n  treatment: {for: 1 d}\n")
    untreated, other = Treatment("untreated"), Treatment("ssri-like-with-habenula")
    parameters = default_parameters()
    patient = draw_patient(untreated.circuit, parameters, None, seed=1, index=0, neurons=0)
    checkpoint = Simulation(patient, untreated).checkpoint
    assert Simulation(patient, Treatment("ssri-like"), checkpoint).checkpoint is checkpoint
    another = draw_patient(untreated.circuit, parameters, None, seed=1, index=1, neurons=0)
    changed = parameters.with_values(stB=0.9 * parameters["stB"])
    rewired = draw_patient(untreated.circuit, changed, None, seed=1, index=0, neurons=0)
    elsewhere = draw_patient(other.circuit, parameters, None, seed=1, index=0, neurons=0)
    for given, treatment, told in (
        (another, untreated, "untreated, patient 1: the checkpoint is of another patient"),
        (rewired, untreated, "untreated, patient 0: the checkpoint is of another circuit"),
        (elsewhere, other, "the checkpoint is of another circuit, another treatment before day 0"),
        (patient, Treatment(str(tmp_path / "calm.yaml")), "of another treatment before day 0"),
    ):
        for begin in (Simulation, Life):
            with pytest.raises(InputError, match=f"{told}$"):
                begin(given, treatment, checkpoint)
