"""The treatment files of the evidence reproduce the readings of the independent reference program.

The typical circuit is read as in reference/readings.csv, ten patients as in reference/patients-sample.csv.
"""

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from unstuck.files.cohort import read_cohort
from unstuck.files.find import scenario_folders
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, PatientRun, get_stuck, run_treatment

WITHIN = 1e-3  # of R and C at the shipped accuracy
REFERENCE = Path(__file__).parents[1] / "reference"
EVIDENCE = next(path for folder in scenario_folders() if (path := folder / "evidence").exists())
SEED = 20261130  # of the ten patients
# Treatments that act in regions of another circuit.
OTHER_CIRCUIT = {
    "acc-silenced-once": "ocd",
    "d1-silenced-90d-off-28d": "ocd",
    "raphe-stimulation-once": "anxiety",
    "ssri-88-d2-input-29d": "ocd",
    "striatal-interneurons-driven-once": "ocd",
    "ofc-stimulation-once": "ocd",
    "ofc-stimulation-6d": "ocd",
    "stress-10d-tianeptine": "anxiety",
}


def evidence(name: str) -> Treatment:
    return Treatment(str(EVIDENCE / f"{name}.yaml"))


@cache
def typical() -> Patient:
    circuit = evidence("untreated-84d").circuit
    return draw_patient(circuit, default_parameters(), None, seed=1, index=0, neurons=0)


@cache
def stuck() -> Checkpoint:
    return get_stuck(typical(), evidence("untreated-84d"))


@cache
def run(name: str) -> PatientRun:
    """The typical patient under a file of the evidence; stuck patients share their way to day 0."""
    treatment = evidence(name)
    checkpoint = stuck() if "rest" in treatment.file.phases else None
    return run_treatment(typical(), treatment, checkpoint, functional_days=())


def connectivity(name: str, day: float) -> float:
    return next(reading.connectivity for reading in run(name).readings if abs(reading.day - day) < 1e-9)


def recovery(name: str, day: float) -> float:
    return run(name).recovery(connectivity(name, day))


def serotonin(name: str, day: float, *regions: str) -> float:
    reading = next(reading for reading in run(name).readings if reading.day == day)
    return float(np.mean([reading.serotonin_ratio[typical().circuit.regions.index(r)] for r in regions]))


def activity(name: str, day: float, population: str) -> float:
    reading = next(reading for reading in run(name).readings if reading.day == day)
    return float(reading.activity[typical().circuit.populations.index(population)])


FOREBRAIN = ("mPFC", "HPC", "NAc", "AMY")
FITTED: dict[str, Callable[[], float]] = {
    "F01": lambda: connectivity("healthy", 60),
    "F03": lambda: connectivity("stress-7d", 60),
    "F04": lambda: connectivity("mild-stress-120d", 120),
    "F05": lambda: connectivity("stress-21d", 60),
    "F06": lambda: connectivity("stress-42d", 60),
    "F07": lambda: serotonin("untreated-84d", 0, *FOREBRAIN),
    "F08": lambda: activity("untreated-84d", 0, "AMY_P"),
    "F09": lambda: recovery("ssri-84d", 2),
    "F12": lambda: serotonin("ssri-rat-healthy", 2, "mPFC"),
    "F13": lambda: serotonin("ssri-rat-healthy", 14, "mPFC"),
    "F14": lambda: activity("ssri-rat-healthy", 2, "DRN_S"),
    "F15": lambda: activity("ssri-rat-healthy", 21, "DRN_S"),
    "F17": lambda: recovery("ssri-14d-off-90d", 104),
    "F18": lambda: recovery("ketamine-once", 1),
    "F19": lambda: recovery("ketamine-once", 4 / 24),
    "F20": lambda: recovery("ketamine-once", 7),
    "F21": lambda: recovery("ketamine-once", 21),
    "F22": lambda: recovery("ketamine-six", 12),
    "F25": lambda: serotonin("tianeptine-84d", 1, *FOREBRAIN),
    "F26": lambda: recovery("psilocybin-once", 8),
    "F27": lambda: recovery("psilocybin-once", 42),
    "F34a": lambda: recovery("nmda-block-84d", 84),
    "F34b": lambda: recovery("nmda-block-interneurons-84d", 84),
    "F35": lambda: recovery("gaba-down-6h", 1),
}
FILES = {  # of the further readings of R: protocol of the reference -> file of the evidence
    "untreated": "untreated-365d",
    "ssri-84d": "ssri-84d-off-120d",
    "ssri-14d": "ssri-14d-off-90d",
    "tianeptine-84d": "tianeptine-84d-off-120d",
    "ketamine-1": "ketamine-once",
    "ketamine-6": "ketamine-six",
    "psilocybin-1": "psilocybin-once",
    "gaba-down-6h": "gaba-down-6h",
    "nmda-block-84d": "nmda-block-84d",
}
READINGS = list(csv.DictReader((REFERENCE / "readings.csv").open()))
PATIENTS = list(csv.DictReader((REFERENCE / "patients-sample.csv").open()))
FURTHER = [
    pytest.param(FILES[name], float(hour) / 24, float(row["value"]), id=row["reading"])
    for row in READINGS
    if ": R at hour " in row["reading"]
    for name, hour in [row["reading"].split(": R at hour ")]
]


@pytest.mark.parametrize("row", FITTED)
def test_a_fitted_finding_has_the_value_of_the_reference(row: str) -> None:
    told = next(reading for reading in READINGS if reading["row"] == row)
    assert FITTED[row]() == pytest.approx(float(told["value"]), abs=WITHIN)
    assert float(told["low"]) <= FITTED[row]() <= float(told["high"])


@pytest.mark.parametrize(("name", "day", "value"), FURTHER)
def test_recovery_on_a_day_has_the_value_of_the_reference(name: str, day: float, value: float) -> None:
    assert recovery(name, day) == pytest.approx(value, abs=WITHIN)


def test_every_single_circuit_reading_of_the_reference_is_compared() -> None:
    told = {row["row"] for row in READINGS} - {""}
    assert told - FITTED.keys() == {"F02"}  # begins with weaker strengths: tests of the engine
    assert len(FURTHER) == sum(": R at hour " in row["reading"] for row in READINGS) > 30


@pytest.mark.parametrize("row", PATIENTS, ids=lambda row: row["patient"])
def test_a_patient_of_the_reference_gets_stuck_and_recovers_as_there(row: dict[str, str]) -> None:
    ssri, ketamine = evidence("ssri-84d"), evidence("ketamine-once-7d")
    patient = draw_patient(
        ssri.circuit,
        default_parameters(),
        read_cohort(EVIDENCE.parent / "cohort.yaml"),
        seed=SEED,
        index=int(row["patient"]),
        neurons=0,
    )
    checkpoint = get_stuck(patient, ssri)
    assert checkpoint.stuck.connectivity == pytest.approx(float(row["C_checkpoint"]), abs=WITHIN)
    for treatment, day, column in ((ssri, 84.0, "R_SSRI_84d"), (ketamine, 1.0, "R_ketamine_24h")):
        course = run_treatment(patient, treatment, checkpoint, hours=(), functional_days=())
        reading = next(reading for reading in course.readings if reading.day == day)
        assert course.recovery(reading.connectivity) == pytest.approx(float(row[column]), abs=WITHIN)


@pytest.mark.parametrize("path", sorted(EVIDENCE.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_treatment_of_the_evidence_loads_and_ends_with_its_last_phase(path: Path) -> None:
    treatment = Treatment(str(path), OTHER_CIRCUIT.get(path.stem, ""))
    assert treatment.file.title
    assert treatment.file.follow_up == 0.0
