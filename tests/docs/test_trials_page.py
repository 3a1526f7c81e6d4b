"""The page on virtual trials: made of its kept numbers, and no held-out finding is read twice."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import trials
from quick_runs import DOCS
from trial_cases import made_up_pool
from unstuck.files.find import shipped
from unstuck_analysis.trial.dataset import Pool
from unstuck_analysis.trial.file import load_trial
from unstuck_analysis.trial.run import Trial

READINGS = {**trials.READINGS, **trials.HELD_OUT}


def test_the_page_is_made_of_its_kept_numbers() -> None:
    numbers = json.loads(trials.DATA.read_text())
    assert trials.page(numbers) == (DOCS / "explanation" / "trials.md").read_text()


def test_every_finding_is_read_from_a_shipped_trial_and_the_held_out_ones_are_apart() -> None:
    assert {reading.trial for reading in READINGS.values()} <= set(shipped("trials"))
    with trials.FINDINGS.open(encoding="utf-8", newline="") as file:
        roles = {row["id"]: row["role"] for row in csv.DictReader(file)}
    assert set(trials.HELD_OUT) == {key for key, role in roles.items() if role == "test"}
    assert set(READINGS) == set(roles)


def made_up(name: str, patients: int = 60) -> Pool:
    """A pool of a shipped trial whose arms rise by 0.1, 0.3, ... of connectivity from a random start."""
    trial = load_trial(name)
    days = trial.file.entry.days + trial.file.total_days + 1
    rise = np.clip(np.arange(days) - trial.file.entry.days, 0, None) / trial.file.total_days
    start = np.random.default_rng(4).uniform(0.2, 0.6, (patients, 1))
    names = [arm.name for arm in trial.file.arms]
    return made_up_pool(
        trial, {arm: start + size * rise for arm, size in zip(names, (0.1, 0.3), strict=False)}
    )


@pytest.mark.parametrize("key", READINGS)
def test_every_protocol_reads_a_made_up_trial(key: str) -> None:
    """Held-out findings are not simulated here: connectivity is made up."""
    reading = READINGS[key]
    value, error = trials.with_error(reading.value, made_up(reading.trial))
    assert np.isfinite([value, error]).all()
    assert error > 0 or value in (0.0, 1.0)


def test_a_difference_is_positive_if_the_arm_improves_more() -> None:
    pool = made_up("psilocybin-against-placebo")
    assert trials.READINGS.keys().isdisjoint(trials.HELD_OUT)
    assert trials.HELD_OUT["V16"].value(pool) == pytest.approx(0.2 * 34 * 1.33, abs=0.5)
    assert trials.HELD_OUT["V15"].resistant


def test_patients_whom_an_ssri_fails_are_those_below_half_of_the_way_to_health() -> None:
    ends = [0.5, 0.69, 0.71, 0.9, np.nan]  # R 0.17, 0.48, 0.52, 0.83; the last one was not followed
    courses = np.array([[0.4, 0.45, end] for end in ends])
    assert trials.not_recovered(courses).tolist() == [0, 1]


def test_the_error_counts_patients_and_not_their_ratings() -> None:
    pool = made_up("placebo-against-waiting-list")
    once = trials.with_error(trials.READINGS["C01"].value, pool)
    four_times = trials.with_error(trials.READINGS["C01"].value, trials.together([pool] * 4))
    assert four_times[0] == pytest.approx(once[0])
    assert four_times[1] == pytest.approx(once[1], rel=0.05)


def test_each_rating_lets_its_own_patients_enter_and_the_first_is_that_of_the_trial(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trials, "STORE", tmp_path)
    monkeypatch.setattr(trials, "SCREENED", 12)
    short = {"visits": {"on_days": [7]}}
    first, second, *_ = trials.pools_of(trials.C, 1, **short)
    alone = Trial.load(trials.C, **short).screened(tmp_path / "alone", 12)
    for name in ("placebo", "waiting-list"):
        assert first.arm(name).patients.tolist() == alone.arm(name).patients.tolist()
        assert first.arm(name).points.tolist() == alone.arm(name).points.tolist()
    assert first.arm("placebo").patients.tolist() != second.arm("placebo").patients.tolist()


def test_patients_whom_an_ssri_fails_are_found_by_a_simulation_with_every_dose_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trials, "STORE", tmp_path)
    monkeypatch.setattr(trials, "SCREENED", 8)
    hard = trials.resistant_patients(1)
    assert set(hard.tolist()) < set(range(8))
