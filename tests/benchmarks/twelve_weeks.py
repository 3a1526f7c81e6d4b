"""CPU time of twelve weeks of one and of all treatments, and the memory of a large circuit.

    python tests/benchmarks/twelve_weeks.py

CPU time of one core, for drawn patients with their daily noise; compiled code is loaded beforehand.
"""

import platform
import resource
import statistics
import time

import numba
import numpy as np
from unstuck.circuit import Circuit, network_circuit
from unstuck.drugs.exposure import Constant
from unstuck.engine.step import Diagnostics, Engine
from unstuck.files.circuit import CircuitFile
from unstuck.files.cohort import read_cohort
from unstuck.files.find import cohort_path, read
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters, shipped_parameter_file
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, Life, get_stuck, run_treatment

TREATMENT, WEEKS, RUNS = "ssri-like", 12, 5
PATIENTS = {0: 3, 500: 3, 5_000: 1}  # neurons (0: mean-field): patients
LARGE = 50_000
ARMS = (  # of the cohort: model description, section 14
    "untreated-42d",
    "ssri-84d-off-120d",
    "ssri-84d-stop-year",
    "ssri-84d-continue-year",
    "tianeptine-84d",
    "ketamine-once-7d",
    "psilocybin-once-42d",
    "ketamine-six-events-120d",
    "untreated-events-365d",
)


def drawn(treatment: Treatment, index: int, neurons: int) -> Patient:
    """A patient of the shipped cohort."""
    cohort = read_cohort(cohort_path())
    return draw_patient(treatment.circuit, default_parameters(), cohort, seed=1, index=index, neurons=neurons)


def twelve_weeks(patient: Patient, treatment: Treatment, checkpoint: Checkpoint) -> tuple[float, Diagnostics]:
    """CPU seconds from the stuck checkpoint on, and what the solver did."""
    life = Life(patient, treatment, checkpoint)
    begun = time.process_time()
    life.advance(checkpoint.time_h + WEEKS * 7 * 24.0)
    return time.process_time() - begun, life.engine.diagnostics


def patients(neurons: int, count: int) -> None:
    """Print the cost of each patient of a size: the median of several runs that give the same numbers."""
    treatment = Treatment(TREATMENT)
    run_treatment(drawn(treatment, 0, 0), treatment)  # loads the compiled code
    for index in range(count):
        begun = time.process_time()
        patient = drawn(treatment, index, neurons)
        ready = time.process_time()
        checkpoint = get_stuck(patient, treatment)
        stuck = time.process_time()
        runs = [twelve_weeks(patient, treatment, checkpoint) for _ in range(RUNS)]
        cpu_s, did = statistics.median(cpu_s for cpu_s, _ in runs), runs[0][1]
        begun_arm = time.process_time()
        arm = run_treatment(patient, treatment, checkpoint)
        arm_s = time.process_time() - begun_arm
        print(
            f"{neurons:>7,} neurons, patient {index}: {cpu_s:.3f} s for {WEEKS} weeks ({did.steps} steps,"
            f" {did.rejected} rejected, {did.sweeps:,} sweeps, {did.fallbacks} fallbacks); drawing"
            f" {ready - begun:.3f} s, stress and rest {stuck - ready:.3f} s, whole treatment of"
            f" {arm.end_day:.0f} days with readings {arm_s:.3f} s"
        )


def cohort_arms(count: int = 4) -> None:
    """Print the cost of all treatments of the cohort per mean-field patient."""
    folder = shipped_parameter_file().parent / "evidence"
    treatments = [Treatment(str(folder / f"{name}.yaml")) for name in ARMS]
    begun = time.process_time()
    for index in range(count):
        patient = drawn(treatments[0], index, 0)
        checkpoint = get_stuck(patient, treatments[0])
        for treatment in treatments:
            run_treatment(patient, treatment, checkpoint, hours=(), functional_days=())
    print(f"all {len(ARMS)} arms of the cohort: {(time.process_time() - begun) / count:.3f} s per patient")


def bytes_of(circuit: Circuit) -> int:
    """Memory of the arrays of a circuit."""
    w = circuit.wiring
    arrays = [*w.excitatory, *w.inhibitory, *w.plastic, *(a for a in w if isinstance(a, np.ndarray))]
    return sum(array.nbytes for array in arrays)


def large_circuit() -> None:
    """Print the memory of a large circuit after a simulated day, as the operating system reports it."""
    file, _ = read("circuits", "default", CircuitFile)
    circuit = network_circuit(file, default_parameters(), LARGE, np.random.default_rng(1))
    begun = time.process_time()
    Engine(circuit).advance(Constant(len(circuit.regions)), 24.0)
    day_s, w = time.process_time() - begun, circuit.wiring
    synapses = sum(len(group.pre) for group in (w.excitatory, w.inhibitory, w.plastic))
    peak_GB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{LARGE:>7,} neurons, {synapses:,} synapses: circuit {bytes_of(circuit) / 1e9:.2f} GB, peak of the"
        f" whole process {peak_GB:.2f} GB; a healthy day {day_s:.2f} s"
    )


def main() -> None:
    """Print one line per patient, one for the cohort, and one for the large circuit."""
    versions = f"numba {numba.__version__}, numpy {np.__version__}"
    print(f"{platform.processor() or platform.machine()}; Python {platform.python_version()}, {versions}")
    for neurons, count in PATIENTS.items():
        patients(neurons, count)
    cohort_arms()
    large_circuit()


if __name__ == "__main__":
    main()
