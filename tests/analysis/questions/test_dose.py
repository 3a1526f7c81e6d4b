"""Dose and duration: courses, and the shortest one whose effect lasts."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from unstuck.drugs.effects import usual_course
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.treatment import Treatment, drug_for
from unstuck.parameters import default_parameters
from unstuck.patient.life import run_treatment
from unstuck_analysis.questions.dose import (
    GivenCourse,
    Schedule,
    ask,
    dose_response,
    dose_response_figure,
    first_with,
    minimal_course,
    parse_amounts,
    refuse_effect,
    schedule_of,
)
from unstuck_analysis.questions.stuck import StuckPatient, untreated_course


@pytest.fixture(scope="module")
def stuck(default_file: CircuitFile) -> StuckPatient:
    return StuckPatient.typical(default_file, default_parameters())


@pytest.fixture(scope="module")
def ssri(default_file: CircuitFile) -> DrugFile:
    return drug_for(default_file, "ssri-like")


def test_single_doses_fall_on_monday_wednesday_and_friday() -> None:
    days = [dose.time_h / 24 for dose in Schedule(daily=False).doses(5)]
    assert days == [0, 2, 4, 7, 9]
    assert Schedule(daily=False).end_day(5) == 9
    assert Schedule(daily=True).end_day(5) == 5


def test_what_is_held_is_taken_daily_and_what_is_infused_in_single_doses(default_file: CircuitFile) -> None:
    units = {name: schedule_of(drug_for(default_file, name)).unit for name in ("ssri-like", "ketamine-like")}
    assert units == {"ssri-like": "days", "ketamine-like": "doses"}


@pytest.mark.parametrize(
    ("name", "hours", "over_h"),
    [
        ("tianeptine-oral-both", [0, 8, 16, 24, 32, 40], 0.0),
        ("venlafaxine-like", [0, 12, 24, 36], 0.0),
        ("ssri-like", [0, 24], 0.0),
        ("esketamine-nasal-like", [0, 48], 0.0),
        ("psilocybin-like-compound", [0, 48], 0.0),
        ("ketamine-infusion-like", [0, 48], 2 / 3),
    ],
)
def test_a_course_is_given_as_often_and_as_long_as_the_drug_s_file_says(
    default_file: CircuitFile, name: str, hours: list[float], over_h: float
) -> None:
    doses = schedule_of(drug_for(default_file, name)).doses(2, 0.5)
    assert [dose.time_h for dose in doses] == hours
    assert all(dose.over_h == pytest.approx(over_h) for dose in doses)
    assert {dose.relative_dose for dose in doses} == {0.5}


def test_a_course_of_the_usual_dose_is_the_usual_course(default_file: CircuitFile) -> None:
    drug = drug_for(default_file, "tianeptine-oral-both")
    assert schedule_of(drug).doses(7) == usual_course(drug, 7 * 24.0).doses


def test_the_shortest_course_lasts_and_one_day_less_does_not(stuck: StuckPatient, ssri: DrugFile) -> None:
    shortest = minimal_course(stuck, ssri)
    assert shortest is not None
    plan = schedule_of(ssri)
    assert GivenCourse(stuck, ssri, plan, shortest).lasts
    assert not GivenCourse(stuck, ssri, plan, shortest - 1).lasts


def test_the_patient_is_looked_at_twelve_weeks_after_the_drug_is_gone(
    stuck: StuckPatient, ssri: DrugFile
) -> None:
    given = GivenCourse(stuck, ssri, schedule_of(ssri), 84)
    run = run_treatment(stuck.patient, Treatment("ssri-like"), stuck.checkpoint, functional_days=())
    assert given.later_day == pytest.approx(run.gone_day + 84.0)
    assert given.later_day > 84.0 + 84.0


def test_the_shortest_course_is_over_before_the_untreated_patient_recovers(
    stuck: StuckPatient, ssri: DrugFile
) -> None:
    shortest = minimal_course(stuck, ssri, amount=0.5)
    assert shortest is not None
    given = GivenCourse(stuck, ssri, schedule_of(ssri), shortest, 0.5)
    assert given.later_day < untreated_course(stuck).first_day


def test_the_shortest_course_lasts_as_a_treatment_file_too(
    stuck: StuckPatient, ssri: DrugFile, tmp_path: Path
) -> None:
    shortest = minimal_course(stuck, ssri)
    assert shortest is not None
    for days, lasts in ((shortest + 1, True), (shortest - 2, False)):  # readings are daily
        phases = {
            "treatment": {
                "for": f"{days} d",
                "drugs": [{"drug": "ssri-like", "every": "1 d", "for": f"{days} d"}],
            },
            "wash-out": {"for": "100 d"},
        }
        path = tmp_path / f"course-{days}.yaml"
        path.write_text(yaml.safe_dump({"title": "course", "extends": "untreated", "phases": phases}))
        run = run_treatment(stuck.patient, Treatment(str(path)), functional_days=())
        reading = min(run.readings, key=lambda reading: abs(reading.day - run.gone_day - 84))
        assert (run.recovery(reading.connectivity) >= 0.5) == lasts


@pytest.mark.parametrize("least", [1, 2, 5, 16, 17, 99, 100, 101])
def test_the_least_count_with_a_property_is_found_or_there_is_none(least: int) -> None:
    assert first_with(lambda count: count >= least, 100) == (least if least <= 100 else None)
    assert first_with(lambda count: count >= least, 0) is None


def test_more_of_a_drug_never_needs_longer(stuck: StuckPatient, ssri: DrugFile) -> None:
    half, usual = (minimal_course(stuck, ssri, amount=amount) for amount in (0.5, 1.0))
    assert half is not None
    assert usual is not None
    assert usual < half


@pytest.mark.parametrize("text", ["1,x", "0", "-1", "nan"])
def test_amounts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amounts"):
        parse_amounts(text)


AMPA = """title: AMPA potentiation
class: one target
usual_every: 24 h
actions:
  - {target: ampa, mode: potentiate, level: {while_taken: {value: 0.1, source: assumed}}}
"""


@pytest.fixture(scope="module")
def ampa(default_file: CircuitFile, tmp_path_factory: pytest.TempPathFactory) -> DrugFile:
    """A drug file with one constant effect on one target."""
    path = tmp_path_factory.mktemp("drugs") / "ampa.yaml"
    path.write_text(AMPA)
    return drug_for(default_file, str(path))


def test_a_dose_too_weak_to_act_has_no_shortest_course(stuck: StuckPatient, ampa: DrugFile) -> None:
    assert minimal_course(stuck, ampa, amount=1e-3) is None


def test_dose_response_separates_a_dose_that_lasts_from_one_that_does_nothing(
    stuck: StuckPatient, ampa: DrugFile
) -> None:
    table = dose_response(stuck, ampa, [1e-3, 1.0], 84)
    assert table.lasts.tolist() == [False, True]
    assert np.isnan(table.onset_day[0])
    assert table.recovery_end[1] > table.recovery_end[0] + 0.2
    assert len(dose_response_figure(table, "ampa", "days").axes) == 2


def test_the_answer_names_the_least_dose_that_lasts_and_the_usual_length(tmp_path: Path) -> None:
    answer = ask("default", "ketamine-like", [0.001, 1.0])
    assert answer.title == "Dose and duration: ketamine-like, 6 doses"
    assert "1 times the usual one" in answer.finding[0]
    names = answer.write(tmp_path)
    assert {"dose-response.csv", "dose-response.caption.md", "report.html"} <= set(names)
    assert "n: 1 typical patient" in (tmp_path / "dose-response.caption.md").read_text()


def test_an_effect_instead_of_a_drug_is_refused_with_a_drug_file_that_works(
    default_file: CircuitFile, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="this is not a drug") as refused:
        refuse_effect("ampa:potentiate")
    lines = str(refused.value).splitlines()[1:]
    (tmp_path / "mine.yaml").write_text("\n".join(lines))
    drug = drug_for(default_file, str(tmp_path / "mine.yaml"))
    assert [(action.target, action.mode) for action in drug.actions] == [("ampa", "potentiate")]
