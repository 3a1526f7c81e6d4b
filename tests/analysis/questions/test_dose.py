"""Dose and duration: courses, the shortest one that escapes, and effects on one target."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from unstuck.drugs.effects import usual_course
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.treatment import Treatment, drug_for
from unstuck.files.yaml import InputError
from unstuck.parameters import default_parameters
from unstuck.patient.simulation import Simulation
from unstuck_analysis.questions.dose import (
    Schedule,
    StuckPatient,
    counts_together,
    dose_response,
    drug_on_target,
    escapes,
    measure,
    minimal_course,
    parse_amounts,
    response_surface,
    schedule_of,
    target_response,
)
from unstuck_analysis.questions.dose_figures import dose_response_figure, surface_figure


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
    assert {dose.amount for dose in doses} == {0.5}


def test_a_course_of_the_usual_dose_is_the_usual_course(default_file: CircuitFile) -> None:
    drug = drug_for(default_file, "tianeptine-oral-both")
    assert schedule_of(drug).doses(7) == usual_course(drug, 7 * 24.0).doses


def test_the_shortest_course_escapes_and_one_day_less_does_not(stuck: StuckPatient, ssri: DrugFile) -> None:
    shortest = minimal_course(stuck, ssri)
    assert shortest is not None
    plan = schedule_of(ssri)
    assert escapes(stuck, ssri, plan, shortest)
    assert not escapes(stuck, ssri, plan, shortest - 1)


def test_the_shortest_course_holds_as_a_treatment_file_too(
    stuck: StuckPatient, ssri: DrugFile, tmp_path: Path
) -> None:
    shortest = minimal_course(stuck, ssri)
    assert shortest is not None
    for days, escaped in ((shortest, True), (shortest - 2, False)):
        phases = {
            "treatment": {
                "for": f"{days} d",
                "drugs": [{"drug": "ssri-like", "every": "1 d", "for": f"{days} d"}],
            },
            "wash-out": {"for": "180 d"},
        }
        path = tmp_path / f"course-{days}.yaml"
        path.write_text(yaml.safe_dump({"title": "course", "extends": "untreated", "phases": phases}))
        arm = Simulation(stuck.patient, Treatment(str(path))).run(functional_days=())
        reading = min(arm.readings, key=lambda reading: abs(reading.day - days - 180))
        assert (arm.recovery(reading.connectivity) >= 0.5) == escaped


def test_more_of_a_drug_never_needs_longer(stuck: StuckPatient, ssri: DrugFile) -> None:
    half, usual = (minimal_course(stuck, ssri, amount=amount) for amount in (0.5, 1.0))
    assert half is not None
    assert usual is not None
    assert usual < half


def test_an_effect_too_weak_for_ever_has_no_shortest_course(stuck: StuckPatient) -> None:
    assert minimal_course(stuck, drug_on_target("ampa", "potentiate", 1e-4)) is None


def test_dose_response_tells_held_up_from_out(stuck: StuckPatient) -> None:
    table = target_response(stuck, "ampa", "potentiate", [1e-4, 0.1], 28)
    assert table.escaped.tolist() == [False, True]
    assert np.isnan(table.onset_day[0])
    assert table.recovery_end[1] > 0.5
    figure = dose_response_figure(table, "ampa", "days", "strength")
    assert len(figure.axes) == 2


def test_two_drugs_together_do_what_one_alone_does_at_the_edges(
    stuck: StuckPatient, ssri: DrugFile, default_file: CircuitFile
) -> None:
    ketamine = drug_for(default_file, "ketamine-like")
    grid = (0.0, 1.0)
    surface = response_surface(stuck, (ssri, ketamine), (grid, grid), (42, 18))
    alone = dose_response(stuck, ssri, [1.0], 42).recovery_later[0]
    assert surface[0, 0] == pytest.approx(0.0, abs=0.02)
    assert surface[1, 0] == pytest.approx(alone, abs=1e-6)
    assert surface_figure(surface, (grid, grid), ("a", "b"), "both").axes


def test_two_drugs_are_given_over_the_same_time_whatever_the_length_is_counted_in() -> None:
    daily, single = Schedule(daily=True), Schedule(daily=False)
    assert counts_together((daily, single), 84) == (84, 36)
    assert counts_together((single, daily), 6) == (6, 14)
    assert counts_together((single, single), 6) == (6, 6)


def test_a_surface_says_how_long_each_drug_was_given_and_is_written_as_a_table(
    default_file: CircuitFile, tmp_path: Path
) -> None:
    found = measure(default_file, "ketamine-like", [1.0], 2, "ssri-like")
    assert found.together is not None
    assert found.together.counts_told() == "2 doses of ketamine-like with 5 days of ssri-like"
    names = found.write(tmp_path)
    assert {"surface.csv", "surface.caption.md", "dose-response.caption.md"} <= set(names)
    assert len(found.together.table()) == 4
    assert "n: 1 typical patient" in (tmp_path / "surface.caption.md").read_text()


def test_the_usual_length_is_in_the_unit_of_the_drug(default_file: CircuitFile) -> None:
    found = measure(default_file, "ketamine-like", [1.0])
    assert (found.length, found.schedule.unit) == (6, "doses")


@pytest.mark.parametrize(
    ("first", "other"), [("ampa:potentiate", "ssri-like"), ("ssri-like", "ampa:potentiate")]
)
def test_an_effect_together_with_a_drug_is_refused(default_file: CircuitFile, first: str, other: str) -> None:
    with pytest.raises(InputError, match="ampa:potentiate is an effect"):
        measure(default_file, first, [], None, other)


def test_an_effect_that_needs_a_region_says_so() -> None:
    with pytest.raises(InputError, match="needs a region"):
        drug_on_target("region.input", "drive", 0.1)


def test_a_strength_that_a_target_does_not_allow_is_named() -> None:
    with pytest.raises(InputError, match="at most 1"):
        drug_on_target("sert.occupancy", "block", 2.0)


def test_a_patient_who_never_gets_stuck_is_named(default_file: CircuitFile) -> None:
    resilient = default_parameters().with_values(rB=0.85)
    with pytest.raises(InputError, match="never gets stuck"):
        StuckPatient.typical(default_file, resilient)


@pytest.mark.parametrize("text", ["1,x", "0", "-1", "nan"])
def test_amounts_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amounts"):
        parse_amounts(text)


def test_an_unknown_target_is_named() -> None:
    with pytest.raises(ValueError, match="ampa"):
        drug_on_target("amap", "potentiate", 0.1)
