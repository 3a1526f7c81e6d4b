"""Many patients under several treatments: the same stuck patients in every arm, spread over processes.

Patients are independent and draw from streams of their own, so the numbers are the same for any number of
workers and in any order.
"""

import contextlib
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass

import pandas as pd
from unstuck.circuit import Circuit
from unstuck.engine.step import Accuracy, RunError
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient, read_cohort
from unstuck.patient.simulation import Arm, Checkpoint, Reading, Simulation, checkpoint_key

from unstuck_analysis.outcomes import Outcome, functional_recovery, outcome_of, recovery_index
from unstuck_analysis.study.processes import interrupts_held, spawned_pool

NEURONS = 500
DEFAULT_ACCURACY = Accuracy()


@dataclass(frozen=True)
class Job:
    """One patient under several treatments (names or paths)."""

    seed: int
    patient: int
    treatments: tuple[str, ...]
    neurons: int = NEURONS
    varied: bool = True
    accuracy: Accuracy = DEFAULT_ACCURACY


@dataclass(frozen=True)
class PatientResult:
    """What became of one patient: an outcome an arm, and all readings as rows."""

    patient: int
    outcomes: list[Outcome]
    series: pd.DataFrame


def get_patient(job: Job, treatment: Treatment) -> Patient:
    """The patient of a job in the circuit of a treatment."""
    return draw_patient(
        treatment.circuit,
        default_parameters(),
        read_cohort(cohort_path()) if job.varied else None,
        seed=job.seed,
        index=job.patient,
        neurons=job.neurons,
    )


def run_patient(job: Job) -> PatientResult:
    """Run every arm of one patient; arms that agree on the way to day 0 share its checkpoint."""
    patients: dict[str, Patient] = {}
    checkpoints: dict[str, Checkpoint] = {}
    outcomes: list[Outcome] = []
    frames: list[pd.DataFrame] = []
    for name in job.treatments:
        treatment = Treatment(name)
        circuit_key = treatment.circuit.model_dump_json()
        if circuit_key not in patients:
            patients[circuit_key] = get_patient(job, treatment)
        patient, key = patients[circuit_key], checkpoint_key(treatment)
        try:
            simulation = Simulation(patient, treatment, checkpoints.get(key), job.accuracy)
            checkpoints[key] = simulation.checkpoint
            arm = simulation.run()
        except RunError as fault:
            raise RunError(f"{treatment.name}, patient {job.patient} of seed {job.seed}: {fault}") from None
        outcomes.append(
            outcome_of(
                arm,
                patient.circuit,
                treatment.file.endpoint_day,
                seed=job.seed,
                patient=job.patient,
                redraws=patient.redraws,
            )
        )
        frames.append(series_frame(arm, patient, job.seed))
    return PatientResult(job.patient, outcomes, pd.concat(frames, ignore_index=True))


def reading_cells(arm: Arm, circuit: Circuit, reading: Reading) -> dict[str, float]:
    """One reading of an arm by column: recovery, and activity, serotonin and BDNF by population or region."""
    stuck, healthy = arm.checkpoint.stuck.structure, arm.checkpoint.healthy.structure
    cells = {
        "day": reading.day,
        "recovery": arm.recovery(reading.connectivity),
        "connectivity": reading.connectivity,
        "structural_recovery": recovery_index(reading.structure, stuck, healthy),
        "functional_recovery": functional_recovery(arm, reading),
        "autoreceptor_sensitivity": reading.sensitivity,
    }
    for name, ratio in zip(circuit.regions, reading.serotonin_ratio, strict=True):
        cells[f"serotonin_{name}"] = float(ratio)
    for k, name in enumerate(circuit.populations):
        cells[f"activity_{name}"] = float(reading.activity[k])
        cells[f"bdnf_{name}"] = float(reading.bdnf[k])
        cells[f"trkb_{name}"] = float(reading.trkb[k])
    for k, (name, projection) in enumerate(circuit.file.projections.items()):
        if projection.plastic:
            cells[f"strength_{name}"] = float(reading.strength[k])
    return cells


def series_columns(file: CircuitFile) -> list[str]:
    """Names of the columns that a reading of a circuit has, the day aside."""
    columns = ["recovery", "connectivity", "structural_recovery", "functional_recovery"]
    columns += ["autoreceptor_sensitivity", *(f"serotonin_{name}" for name in file.regions)]
    columns += [f"{what}_{name}" for name in file.populations for what in ("activity", "bdnf", "trkb")]
    return columns + [
        f"strength_{name}" for name, projection in file.projections.items() if projection.plastic
    ]


def series_frame(arm: Arm, patient: Patient, seed: int) -> pd.DataFrame:
    """All readings of an arm as rows."""
    frame = pd.DataFrame([reading_cells(arm, patient.circuit, reading) for reading in arm.readings])
    frame.insert(0, "treatment", arm.treatment)
    frame.insert(0, "patient", patient.index)
    frame.insert(0, "seed", seed)
    return frame


def run_jobs(
    jobs: Sequence[Job], workers: int, on_done: Callable[[PatientResult], None] = lambda result: None
) -> list[PatientResult]:
    """Run jobs over `workers` processes (1: in this one); results in the order of the jobs."""
    by_patient: dict[int, PatientResult] = {}
    results = _serial(jobs) if workers <= 1 or len(jobs) == 1 else _parallel(jobs, workers)
    with contextlib.closing(results):  # at once, so that no worker outlives Ctrl-C
        for result in results:
            by_patient[result.patient] = result
            on_done(result)
    return [by_patient[job.patient] for job in jobs]


def _serial(jobs: Sequence[Job]) -> Generator[PatientResult]:
    for job in jobs:
        yield run_patient(job)


def _parallel(jobs: Sequence[Job], workers: int) -> Generator[PatientResult]:
    pool = spawned_pool(min(workers, len(jobs)))
    waiting: set[Future[PatientResult]] = set()
    try:
        with interrupts_held():
            waiting = {pool.submit(run_patient, job) for job in jobs}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        processes = list(getattr(pool, "_processes", {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        if waiting:
            for process in processes:
                process.terminate()


def outcomes_frame(results: Sequence[PatientResult]) -> pd.DataFrame:
    """One row a patient and treatment; answers that may be missing are of pandas' nullable type."""
    table = pd.DataFrame([asdict(outcome) for result in results for outcome in result.outcomes])
    return table.astype(dict.fromkeys(("responded", "remitted", "escaped"), "boolean"))
