"""Treatments from a dosing table: doses, times and weights as in the table; what is impossible is refused."""

from pathlib import Path

import pytest
from command_line import Unstuck, fails
from unstuck.files.find import find
from unstuck.files.treatment import Treatment

HEAD = "ID,TIME,EVID,AMT,II,ADDL,RATE,SS,CMT,WT,DV\n"
ONE = "1,0,1,10,24,27,0,0,1,54,.\n1,672,1,20,24,27,0,0,1,54,.\n1,700,0,.,.,.,.,.,1,54,21.4\n"
NEW = ("new", "treatment", "trial", "--from", "events.csv", "--drug")


def doses(path: Path) -> list[tuple[float, float]]:
    """Hour after the start of the phase and relative dose of every dose of a treatment."""
    treatment = Treatment(str(path))
    return sorted(
        (dose.time_h, dose.relative_dose)
        for regimen in treatment.file.phases["treatment"].drugs
        for dose in regimen.doses(0.0, treatment.drugs[regimen.drug].relative_dose(regimen.dose, 70.0))
    )


def test_additional_doses_are_given_at_their_interval(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(HEAD + ONE)
    assert unstuck(*NEW, "escitalopram-like").code == 0
    assert unstuck("check", "trial.yaml").out == "trial.yaml: a valid treatment\n"
    assert doses(tmp_path / "trial.yaml") == [(24.0 * day, 1.0 if day < 28 else 2.0) for day in range(56)]


def test_each_patient_gets_a_treatment_with_the_own_weight(unstuck: Unstuck, tmp_path: Path) -> None:
    rows = "7,0,1,35,0,0,0,0,1,70,.\n8,48,1,45,0,0,90,0,1,90,.\n"
    (tmp_path / "events.csv").write_text(HEAD + rows)
    assert unstuck(*NEW, "ketamine-infusion-like").code == 0
    assert unstuck("check", "trial.yaml").out == "trial.yaml: a valid study\n"
    assert doses(tmp_path / "trial" / "patient-7.yaml") == [(0.0, 1.0)]
    assert doses(tmp_path / "trial" / "patient-8.yaml") == [(48.0, 1.0)]
    (regimen,) = Treatment(str(tmp_path / "trial" / "patient-8.yaml")).file.phases["treatment"].drugs
    assert (str(regimen.dose), regimen.over) == ("0.5 mg/kg", 0.5)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("2,0,1,10,24,55,0,1,1,92,.", "2:SS: a start at steady state"),
        ("3,0,1,10,0,0,-1,0,1,92,.", "2:RATE: below 0"),
        ("3,48,3,0,0,0,0,0,1,70,.", "2:EVID: 3 (reset)"),
        ("3,60,4,10,12,3,0,0,1,70,.", "2:EVID: 4 (reset and dose)"),
        ("4,0,1,10,24,-1,0,0,1,70,.", "2:ADDL: must be a whole number"),
        ("4,0,1,10,0,3,0,0,1,70,.", "2:II: 3 additional doses need an interval"),
        ("4,x,1,10,0,0,0,0,1,70,.", "2:TIME: must be a number, not 'x'"),
        ("4,0,1,10,0,0,5,0,1,70,.", "RATE: escitalopram-like is given at once"),
        ("4,0,0,.,.,.,.,.,1,70,21.4", "this table has no dose"),
    ],
)
def test_what_is_impossible_is_refused_by_line_and_column(
    unstuck: Unstuck, tmp_path: Path, row: str, place: str
) -> None:
    (tmp_path / "events.csv").write_text(f"{HEAD}{row}\n")
    assert place in fails(unstuck, *NEW, "escitalopram-like")
    assert not (tmp_path / "trial.yaml").exists()


def test_a_table_without_a_drug_asks_for_it(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(HEAD + ONE)
    assert "--drug NAME" in fails(unstuck, "new", "treatment", "trial", "--from", "events.csv")
    assert "did you mean" in fails(unstuck, *NEW, "escitalopram-lik")
    assert find("drugs", "escitalopram-like")
