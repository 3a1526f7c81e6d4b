"""Courses of patients: who gets which treatment, what is stored, and the cohort of the reference program."""

import csv
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from unstuck.errors import InputError
from unstuck_analysis.evidence import runs
from unstuck_analysis.evidence.courses import Cohort
from unstuck_analysis.evidence.findings import OF_COHORT, TREATMENTS, Recorded
from unstuck_analysis.evidence.measure import part_values
from unstuck_analysis.evidence.mechanisms import choose_mechanisms, mechanisms
from unstuck_analysis.evidence.runs import Group, groups_of, run_group, simulate

REFERENCE = Path(__file__).parents[2] / "reference"
SEED = 20261130  # of the reference cohort
ROWS = {  # of cohort.csv -> finding and part
    **{id: (id, "") for id in ("T02", "T03", "T04", "T05", "T06", "T14", "F10", "F11", "F23", "F24")},
    **{id: (id, "") for id in ("F29", "F30", "F33", "F36", "F16", "F32", "T07", "T12")},
    "F28a": ("F28", "day 42"),
    "F28b": ("F28", "day 84"),
    "F31a": ("F31", "91 d"),
    "F31b": ("F31", "182 d"),
    "F31c": ("F31", "365 d"),
}
YEARS = {"F16", "F31a", "F31b", "F31c", "F32", "T07", "T12"}  # need long courses


def cohort(patients: int, rows: set[str]) -> Recorded:
    needed = {name for row in rows for name in TREATMENTS[ROWS[row][0]]}
    template = Group([], tuple(sorted(needed)), SEED, drawn=True)
    everyone = simulate(groups_of(patients, template), workers=1 if patients < 100 else os.cpu_count() or 1)
    return Recorded.of(Cohort({}, {}, np.arange(0)), everyone)


def reference() -> dict[str, tuple[float, float]]:
    """Value and standard error of each row of the 1,500 patients of the reference."""
    with (REFERENCE / "cohort.csv").open() as file:
        lines = [row for row in csv.DictReader(file) if row["row"] in ROWS]
    return {row["row"]: (float(row["value"]), float(row["standard_error"])) for row in lines}


@cache
def sixty() -> Recorded:
    return cohort(60, ROWS.keys() - YEARS)


@pytest.mark.parametrize("row", sorted(ROWS.keys() - YEARS))
def test_sixty_patients_agree_with_the_reference_cohort_within_three_standard_errors(row: str) -> None:
    value, error = reference()[row]
    id, part = ROWS[row]
    assert part_values(id, sixty())[part] == pytest.approx(value, abs=3 * error * (1_500 / 60) ** 0.5)


@pytest.mark.slow
def test_the_reference_cohort_is_reproduced_within_its_standard_errors() -> None:
    """Another solver: an independent program differed by 1 d in T07, within its standard error of 2 d."""
    data = cohort(1_500, set(ROWS))
    assert data.stuck.size == pytest.approx(1315, abs=2)
    for row, (value, error) in reference().items():
        id, part = ROWS[row]
        assert part_values(id, data)[part] == pytest.approx(value, abs=max(error, 1e-3)), row


def test_every_row_of_the_reference_cohort_but_the_order_of_onset_is_compared() -> None:
    with (REFERENCE / "cohort.csv").open() as file:
        named = {row["row"] for row in csv.DictReader(file)} - {"", "T01", "T08"}
    assert named == ROWS.keys() == reference().keys()
    assert {id for id, _ in ROWS.values()} <= OF_COHORT


def test_a_patient_who_is_not_stuck_gets_no_treatment_and_one_who_has_not_recovered_no_year_after_it() -> (
    None
):
    names = ("healthy-year", "ssri-84d", "ssri-84d-off-120d")
    arrays = run_group(Group([0, 1, 4], names, SEED, drawn=True))  # not recovered, recovered, not stuck
    known = {name: np.isfinite(arrays[name][:, -1, 1]).tolist() for name in names}
    assert known == {
        "healthy-year": [True, True, True],
        "ssri-84d": [True, True, False],
        "ssri-84d-off-120d": [False, True, False],
    }
    after = arrays["ssri-84d-off-120d"][1, :, 0]
    assert (after[0], after[-1]) == (84.0, 204.0)
    assert arrays["draw bdnf_genotype"].tolist() == ["Val/Val", "Val/Val", "Val/Val"]


def test_what_goes_on_after_the_course_starts_where_the_course_ends() -> None:
    arrays = run_group(Group([1], ("ssri-84d", "ssri-84d-off-120d"), SEED, drawn=True))
    assert arrays["ssri-84d-off-120d"][0, 0, 1:3] == pytest.approx(arrays["ssri-84d"][0, -1, 1:3], abs=1e-12)


def test_a_healthy_circuit_with_weaker_connections_recovers() -> None:
    typical = simulate([Group([0], ("small-knock",), 1, drawn=False)], workers=1)
    assert typical.at("small-knock", 0, "connectivity")[0] == pytest.approx(0.9, abs=1e-6)
    assert typical.at("small-knock", 60, "connectivity")[0] == pytest.approx(0.991, abs=1e-3)


def test_a_stored_group_is_read_and_not_simulated_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group([0], ("healthy",), 1, drawn=False, folder=tmp_path)
    first = run_group(group)
    monkeypatch.setattr(runs, "_run_patients", lambda group: pytest.fail("simulated again"))
    assert all(
        np.array_equal(values, first[name], equal_nan=True) for name, values in run_group(group).items()
    )
    assert len(list(tmp_path.iterdir())) == 1


def test_another_seed_or_mechanism_is_another_file(tmp_path: Path) -> None:
    group = Group([0], ("healthy",), 1, drawn=False, folder=tmp_path)
    others = [replace(group, seed=2), replace(group, values=(("b5", 0.0),)), replace(group, drawn=True)]
    assert len({group.path, *(other.path for other in others)}) == 4


def test_a_treatment_that_nobody_gets_has_no_value() -> None:
    scarless = Group([0], ("ssri-84d",), 1, drawn=False, values=(("mM", 0.0),))
    typical = simulate([scarless], workers=1)
    assert np.isnan(typical.at("ssri-84d", 84)).all()


@pytest.mark.parametrize("name", mechanisms())
def test_a_circuit_without_a_mechanism_stays_healthy(name: str) -> None:
    values = tuple(mechanisms()[name].values.items())
    typical = simulate([Group([0], ("healthy",), 1, drawn=False, values=values)], workers=1)
    assert typical.at("healthy", 60, "connectivity")[0] == pytest.approx(1.0, abs=2e-3)


def test_an_unknown_mechanism_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="unknown mechanism 'scars', did you mean 'scar'"):
        choose_mechanisms(["scars"])
    assert choose_mechanisms(["all"]) == list(mechanisms())
