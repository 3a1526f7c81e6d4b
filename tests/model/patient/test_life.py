"""A patient can be simulated step by step, and changed between steps."""

from math import isnan
from pathlib import Path

import numpy as np
import pytest
from unstuck.engine.step import RunError
from unstuck.errors import InputError
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY, DoseAmount
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, Life, PatientRun, get_stuck, run_treatment

SWITCH = """
title: a switch
extends: untreated
phases:
  treatment:
    drugs:
      - {drug: ssri-like, every: 1 d, for: 12 weeks, stop_when: {day: 7, recovery_below: 0.9}}
      - {drug: ketamine-like, on_days: [8, 11], when: {day: 7, recovery_below: 0.9}}
      - {drug: psilocybin-like, on_days: [8], when: {day: 7, recovery_at_least: 0.9}}
"""
TOO_EARLY = """
title: asked too early
extends: untreated
phases:
  rest:
    drugs: [{drug: ssri-like, every: 1 d, for: 7 d, stop_when: {day: 3, recovery_below: 0.5}}]
"""


@pytest.fixture(scope="module")
def patient() -> Patient:
    """A typical patient as a mean-field circuit: fast, and stuck once the stress is over."""
    return draw_patient(
        Treatment("untreated").circuit, default_parameters(), None, seed=1, index=0, neurons=0
    )


@pytest.fixture(scope="module")
def stuck(patient: Patient) -> Checkpoint:
    return get_stuck(patient, Treatment("untreated"))


def written(folder: Path, text: str) -> Treatment:
    path = folder / "written.yaml"
    path.write_text(text)
    return Treatment(str(path))


def at_day(life: Life, day: float) -> float:
    life.advance(life.treatment.file.day_0_h + day * HOURS_A_DAY)
    return life.recovery


def recovery_on(run: PatientRun, day: float) -> float:
    return run.recovery(next(r.connectivity for r in run.readings if abs(r.day - day) < 1e-6))


def test_a_life_lived_in_one_go_is_a_run(patient: Patient, stuck: Checkpoint) -> None:
    treatment = Treatment("ketamine-like")
    run = run_treatment(patient, treatment, stuck)
    life = Life(patient, treatment, stuck)
    life.advance(life.end_h)
    assert life.recovery == run.recovery(run.steps[-1][1])
    assert (life.end_h - stuck.time_h) / HOURS_A_DAY == run.end_day


def test_a_life_lived_hour_by_hour_ends_where_a_run_does(patient: Patient, stuck: Checkpoint) -> None:
    treatment = Treatment("ssri-like")
    run = run_treatment(patient, treatment, stuck)
    life = Life(patient, treatment, stuck)
    for day in (1.0, 7.0, 28.0):
        while life.day < day - 1e-9:
            life.advance(life.time_h + 1.0)
        assert life.recovery == pytest.approx(recovery_on(run, day), abs=0.01)


def test_a_life_from_health_passes_through_the_same_checkpoint(patient: Patient, stuck: Checkpoint) -> None:
    from_health = Life(patient, Treatment("ssri-like"))
    assert isnan(from_health.recovery)
    assert from_health.day < 0
    from_day_0 = Life(patient, Treatment("ssri-like"), stuck)
    assert at_day(from_health, 5.0) == at_day(from_day_0, 5.0)
    assert from_health.checkpoint is not None
    np.testing.assert_array_equal(from_health.checkpoint.state.y, stuck.state.y)


def test_conditions_turn_a_life_as_they_turn_a_run(
    patient: Patient, stuck: Checkpoint, tmp_path: Path
) -> None:
    treatment = written(tmp_path, SWITCH)
    run = run_treatment(patient, treatment, stuck)
    assert run.last_dose_day == 11
    life = Life(patient, treatment, stuck)
    for day in range(1, 15):
        at_day(life, day)
    assert (life.last_dose_h - stuck.time_h) / HOURS_A_DAY == 11
    assert life.recovery == pytest.approx(recovery_on(run, 14), abs=0.01)


@pytest.mark.parametrize(("start", "day"), [("healthy", "-102.00"), ("day 0", "0.00")])
def test_a_run_that_is_lost_tells_the_day_from_day_0(
    patient: Patient, stuck: Checkpoint, start: str, day: str
) -> None:
    life = Life(patient, Treatment("untreated"), stuck if start == "day 0" else None)
    life.state.slow.bdnf[:] = float("nan")
    with pytest.raises(RunError, match=f"BDNF of mPFC_P is nan on day {day}"):
        life.advance(life.time_h + 24.0)


def test_a_condition_before_day_0_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="recovery is not defined before day 0"):
        written(tmp_path, TOO_EARLY)


def test_a_dose_by_hand_does_what_a_prescribed_one_does(patient: Patient, stuck: Checkpoint) -> None:
    by_hand = Life(patient, Treatment("untreated"), stuck)
    by_hand.give("ketamine-like")
    prescribed = Life(patient, Treatment("ketamine-like"), stuck)
    assert at_day(by_hand, 3.0) == at_day(prescribed, 3.0) > 0.2


def test_a_smaller_dose_by_hand_does_less_and_others_are_left_alone(
    patient: Patient, stuck: Checkpoint
) -> None:
    treatment, drug = Treatment("untreated"), "ketamine-like"
    whole, half, none = (Life(patient, treatment, stuck) for _ in range(3))
    whole.give(drug)
    usual = Treatment(drug).drugs[drug].usual_dose
    assert usual is not None
    half.give(drug, DoseAmount(usual.amount / 2, per_kg=usual.per_kg))
    assert at_day(whole, 1.0) > at_day(half, 1.0) > at_day(none, 1.0)
    assert treatment.drugs == {}


def test_a_dose_by_hand_can_be_text(patient: Patient, stuck: Checkpoint) -> None:
    text, record = (Life(patient, Treatment("untreated"), stuck) for _ in range(2))
    text.give("ketamine-like", "0.25 mg/kg")
    record.give("ketamine-like", DoseAmount(0.25, per_kg=True))
    assert at_day(text, 1.0) == at_day(record, 1.0)
    with pytest.raises(ValueError, match="'-1 mg' must not be negative"):
        text.give("ketamine-like", "-1 mg")


def test_an_unknown_drug_by_hand_is_refused_with_the_nearest_name(
    patient: Patient, stuck: Checkpoint
) -> None:
    with pytest.raises(InputError, match="ketamine-like"):
        Life(patient, Treatment("untreated"), stuck).give("ketamin-like")


def test_stress_by_hand_acts_until_it_is_ended(patient: Patient, stuck: Checkpoint) -> None:
    life, calm = (Life(patient, Treatment("ssri-like"), stuck) for _ in range(2))
    at_day(life, 3.0)
    life.add_stress(0.8)
    assert at_day(life, 10.0) < at_day(calm, 10.0) - 0.01
    assert life.exposure.at(life.time_h)[0].stress == 0.8
    life.end_stress()
    assert life.exposure.at(life.time_h)[0].stress == 0.0
    life.add_stress(0.5, lasting_h=6.0)
    assert life.time_h + 6.0 in life.exposure.jumps_h
    at_day(life, 10.5)
    assert life.exposure.at(life.time_h)[0].stress == 0.0


@pytest.mark.parametrize(("stress", "lasting_h"), [(-0.1, 1.0), (1.5, 1.0), (0.5, 0.0), (float("nan"), 1.0)])
def test_impossible_stress_is_refused(
    patient: Patient, stuck: Checkpoint, stress: float, lasting_h: float
) -> None:
    with pytest.raises(ValueError, match="0 to 1"):
        Life(patient, Treatment("untreated"), stuck).add_stress(stress, lasting_h)


def test_life_goes_on_after_the_follow_up(patient: Patient, stuck: Checkpoint) -> None:
    life = Life(patient, Treatment("ketamine-like"), stuck)
    life.advance(life.end_h)
    end_h = life.end_h
    life.give("ketamine-like")
    life.advance(end_h + 40 * HOURS_A_DAY)
    assert life.time_h == end_h + 40 * HOURS_A_DAY
    assert life.exposure.end_h >= life.time_h
    assert (life.last_dose_h, life.end_h > end_h) == (end_h, True)


def test_what_acts_is_known_as_far_as_a_life_goes_on(patient: Patient, stuck: Checkpoint) -> None:
    life = Life(patient, Treatment("untreated"), stuck)
    until_h = life.end_h + 40 * HOURS_A_DAY
    assert next(life.stretches(until_h)) == until_h
    assert life.exposure.end_h >= until_h


def test_stages_end_on_every_jump_and_turn(patient: Patient, stuck: Checkpoint, tmp_path: Path) -> None:
    life = Life(patient, written(tmp_path, SWITCH), stuck)
    until_h, ends_h = stuck.time_h + 9 * HOURS_A_DAY, [stuck.time_h]
    for hours in life.stages(until_h, 7.0):
        assert 0 < hours <= 7.0
        assert life.time_h == pytest.approx(ends_h[-1])
        ends_h.append(ends_h[-1] + hours)
    assert life.time_h == pytest.approx(until_h)
    assert ends_h[-1] == pytest.approx(until_h)
    for day in (7.0, 8.0):  # the question, and the first dose that follows from it
        assert np.abs(np.array(ends_h) - (stuck.time_h + day * HOURS_A_DAY)).min() < 1e-9


def test_half_an_hour_of_stress_can_be_added_and_a_present_reading_has_no_functional_connectivity(
    patient: Patient, stuck: Checkpoint
) -> None:
    life = Life(patient, Treatment("untreated"), stuck)
    life.add_stress(1.0, lasting_h=0.5)
    assert life.exposure.at(life.time_h + 0.25)[0].stress == 1.0
    assert life.exposure.at(life.time_h + 0.75)[0].stress == 0.0
    assert isnan(life.present().function)
    assert not isnan(life.present(probe=True).function)
