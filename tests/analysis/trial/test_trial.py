"""Trials that are simulated: against the reference program, missed doses, rescue, and the whole command."""

import json
from pathlib import Path

import numpy as np
import pytest
from command_line import Unstuck, fails
from unstuck.files.cohort import read_cohort
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Regimen
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient
from unstuck.patient.life import get_stuck
from unstuck_analysis.study.cluster import client_workers
from unstuck_analysis.study.results import Results
from unstuck_analysis.study.vary import ArmFiles, VariedTreatment
from unstuck_analysis.trial.conduct import (
    Subject,
    days_taken,
    doses_taken,
    follow,
    needs_rescue,
    run_in,
    with_care,
)
from unstuck_analysis.trial.dataset import courses_of, planned_days, rating_days
from unstuck_analysis.trial.file import LoadedTrial, conducted_trial, course_file, load_trial
from unstuck_analysis.trial.run import Trial
from unstuck_analysis.trial.tables import LABELS

STRICT = "patients_per_arm: 80\nentry: {at_least: 48}\narms: [{name: placebo}]\n"
REFERENCE = json.loads((Path(__file__).parents[2] / "reference" / "trials.json").read_text())
OPEN = "title: No dropout\nextends: small.yaml\nleaving: {any_reason: {value: 0, source: none}}\n"
ARMS = {
    "waiting_list": ("placebo-against-waiting-list", "waiting-list"),
    "placebo": ("ssri-against-placebo", "placebo"),
    "ssri": ("ssri-against-placebo", "ssri"),
}
SMALL = """title: A small trial
extends: placebo-against-waiting-list
patients_per_arm: 4
visits: {every: 7 d, last: 14 d}
"""


def subject_of(trial: LoadedTrial, arm: str, index: int) -> Subject:
    patient = draw_patient(
        trial.circuit, default_parameters(), read_cohort(cohort_path()), seed=1, index=index, neurons=0
    )
    files = ArmFiles(treatment=course_file(trial.file, arm), circuit=trial.circuit, drugs=trial.drugs)
    patient = with_care(patient, trial, arm)
    checkpoint = get_stuck(patient, VariedTreatment(arm, files))
    return Subject(patient, checkpoint, trial, arm, [checkpoint.stuck.connectivity])


@pytest.mark.parametrize("index", ["0", "3"])
def test_patients_are_those_of_the_reference_program(index: str) -> None:
    """Care, missed doses and ratings: tests/reference/trials.json is from an independent program."""
    wanted, days = REFERENCE["patients"][index], REFERENCE["days"]
    for arm, (name, arm_name) in ARMS.items():
        subject = subject_of(load_trial(name), arm_name, int(index))
        assert run_in(subject)
        follow(subject)
        course = np.array(subject.connectivity)[np.array(days) + 14]
        assert course == pytest.approx(wanted[arm]["connectivity"], abs=1e-3)
        points = subject.ratings.points(days)[0]
        assert points == pytest.approx(wanted[arm]["points"], abs=1)  # a rounding may fall the other way
        if arm == "placebo":
            _, seen = subject.shown(9)
            assert seen[0].astype(int).tolist() == wanted["seen_on_placebo"]


def test_missed_doses_are_those_of_the_reference_program() -> None:
    trial = load_trial("ssri-against-placebo").file
    for index, wanted in REFERENCE["patients"].items():
        taken = days_taken(trial, int(index))
        assert int(taken.sum()) == wanted["doses_taken"]
        assert int(np.argmin(taken)) == wanted["first_missed"]


def test_missed_days_leave_their_doses_out_and_clinic_days_do_not() -> None:
    taken = np.ones(28, dtype=bool)
    taken[[2, 9]] = False
    daily = Regimen.model_validate({"drug": "ssri-like", "every": "12 h", "for": "14 d"})
    clinic = Regimen.model_validate({"drug": "ketamine-like", "on_days": [2, 9]})
    kept = doses_taken([daily, clinic], taken)
    assert kept[1] == clinic
    assert len(kept[0].on_days or []) == 2 * 12
    assert not {2.0, 2.5, 9.0, 9.5} & set(kept[0].on_days or [])
    assert doses_taken([daily], np.zeros(28, dtype=bool)) == []
    assert doses_taken([daily], np.ones(28, dtype=bool)) == [daily]


def test_rescue_is_given_to_those_who_do_not_improve_and_changes_the_circuit() -> None:
    loaded = load_trial("ssri-against-placebo")
    given = {"day": 14, "improved_below": 1.0, "drugs": [{"drug": "ketamine-like", "on_days": [0, 3, 7]}]}
    with_rescue = Trial.load("ssri-against-placebo", rescue=given).loaded
    courses: list[np.ndarray] = []
    for trial in (loaded, with_rescue):
        subject = subject_of(trial, "placebo", 3)
        assert run_in(subject)
        follow(subject)
        courses.append(np.array(subject.connectivity))
    assert courses[0][: 14 + 15] == pytest.approx(courses[1][: 14 + 15], abs=2e-4)
    assert courses[1][-1] > courses[0][-1] + 0.01
    points = np.array([[20.0, 15.0, 9.0], [20.0, 15.0, 19.0], [20.0, 15.0, 19.0]])
    seen = np.array([[True] * 3, [True] * 3, [True, True, False]])
    half = Trial.load("ssri-against-placebo", rescue={**given, "improved_below": 0.5}).loaded.file
    assert needs_rescue(half, points, seen).tolist() == [False, True, False]


def test_an_excluded_patient_is_simulated_no_further() -> None:
    strict = Trial.load("ssri-against-placebo", entry={"at_least": 50})
    subject = subject_of(strict.loaded, "placebo", 0)
    assert not run_in(subject)
    assert len(subject.connectivity) == 1  # excluded at the first rating


def test_visits_are_shifted_within_their_window_only() -> None:
    loaded = Trial.load(
        "ssri-against-placebo", visits={"every": "7 d", "last": "56 d", "window": "2 d"}
    ).loaded
    days, planned = rating_days(loaded.file, range(200)), planned_days(loaded.file)
    shift = days - planned
    assert (shift[:, 0] == 0).all()
    assert set(shift[:, 1:-1].ravel().tolist()) == {-2, -1, 0, 1, 2}
    assert days.max() <= loaded.file.total_days


def test_a_trial_is_continued_read_by_other_programs_and_compared_in_power_with_another(
    unstuck: Unstuck,
) -> None:
    Path("small.yaml").write_text(SMALL)
    done = unstuck("trial", "small.yaml", "--json", "--out", "first", "--workers", "1")
    assert done.code == 0, done.err
    assert [arm["n"] for arm in done.json["arms"]] == [4, 4]
    stored = {path: path.stat().st_mtime_ns for path in Path("first/runs").glob("*.parquet")}
    again = unstuck("trial", "small.yaml", "--json", "--out", "first", "--workers", "1")
    assert again.json == done.json
    assert {path: path.stat().st_mtime_ns for path in Path("first/runs").glob("*.parquet")} == stored
    report = Path("first/report.html").read_text()
    for text in ("CONSORT", "True effect", "Estimand (ICH E9(R1)): treatment-policy", "screened patients"):
        assert text in report
    for name in ("adsl", "adqs", "adtte"):
        header = Path(f"first/{name}.csv").read_text().splitlines()[0].split(",")
        assert set(header) <= set(LABELS)
    long = Path("first/long.csv").read_text().splitlines()
    assert long[0] == "subject,arm,visit,day,value,baseline,change"
    assert len(long) == 1 + 8 * 3
    power_options = ("--json", "--pool", "20", "--trials", "10", "--sizes", "4,8", "--workers", "1")
    alone = unstuck("power", "small.yaml", "--out", "first", *power_options)
    assert alone.code == 0, alone.err
    assert Path("first/report.html").read_text() == report
    assert Path("first/power.html").exists()
    Path("open.yaml").write_text(OPEN)
    both = unstuck("power", "small.yaml", "open.yaml", "--out", "both", *power_options)
    assert both.code == 0, both.err
    rows = [row for row in both.json["power"] if row["analysis"] == "locf"]
    assert [(row["trial"], row["patients_per_arm"]) for row in rows] == [
        ("small", 4),
        ("small", 8),
        ("open", 4),
        ("open", 8),
    ]
    assert [row for row in both.json["power"] if row["trial"] == "small"] == alone.json["power"]


def test_all_that_decides_how_patients_live_through_a_trial_is_stored_with_its_runs() -> None:
    trial = Trial.load("three-steps", endpoint={"analyses": ["locf"], "remission": 5}).loaded
    stored = conducted_trial(trial.conduct())
    assert stored.file.remission == 5  # decides who gets the next step
    assert stored.side_effects == trial.side_effects
    names = ("circuit", "context", "regimens", "open_phase", "drugs")
    assert [getattr(stored, name) for name in names] == [getattr(trial, name) for name in names]


def test_two_trials_of_one_name_are_not_compared(unstuck: Unstuck) -> None:
    Path("small.yaml").write_text(SMALL)
    Path("other").mkdir()
    Path("other/small.yaml").write_text(SMALL)
    assert "each trial needs another name" in fails(unstuck, "power", "small.yaml", "other/small.yaml")


@pytest.mark.slow
def test_a_trial_on_a_dask_cluster_of_two_workers_finds_the_same_bytes(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    trial = Trial.load("ssri-against-placebo", patients_per_arm=6, visits={"every": "7 d", "last": "14 d"})
    alone = trial.run(tmp_path / "alone")
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        shared = trial.run(tmp_path / "cluster", workers=client_workers(client, 2))
    assert shared.json() == alone.json()
    courses = [courses_of(trial.loaded, Results(tmp_path / name)).tobytes() for name in ("alone", "cluster")]
    assert courses[0] == courses[1]


def test_a_limit_that_hardly_anybody_reaches_is_refused_with_the_rate(unstuck: Unstuck) -> None:
    Path("strict.yaml").write_text(SMALL.replace("patients_per_arm: 4\n", STRICT))
    done = unstuck("trial", "strict.yaml", "--workers", "1")
    assert (done.code, done.out) == (2, "")
    assert "strict.yaml:4:entry.at_least: 0 of 200 screened patients reach 48 points twice" in done.err
