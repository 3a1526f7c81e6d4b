"""What does a patient cost? Twelve weeks of a treatment, and the memory of a large circuit.

    python tests/benchmarks/twelve_weeks.py

CPU time of one core, with the shipped parameters and their daily noise; compiled code is loaded beforehand.
"""

import resource
import statistics
import time

import numpy as np
from sweep_against_c import machine
from unstuck.circuit import Circuit, network_circuit
from unstuck.engine.step import Diagnostics, Engine
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient
from unstuck.patient.life import Life
from unstuck.patient.simulation import Simulation
from unstuck.patient.stability import Undisturbed

TREATMENT, WEEKS, RUNS = "ssri-like", 12, 5
PATIENTS = {500: 3, 5_000: 1}
LARGE = 50_000


def twelve_weeks(simulation: Simulation) -> tuple[float, Diagnostics]:
    """CPU seconds from the stuck checkpoint on, and what the solver did."""
    patient, checkpoint = simulation.patient, simulation.checkpoint
    life = Life(patient, simulation.treatment, checkpoint)
    begun = time.process_time()
    life.advance(checkpoint.time_h + WEEKS * 7 * 24.0)
    return time.process_time() - begun, life.engine.diagnostics


def patients(neurons: int, count: int) -> None:
    """Print the cost of each patient of a size: the median of several runs that give the same numbers."""
    treatment = Treatment(TREATMENT)
    typical = draw_patient(treatment.circuit, default_parameters(), None, seed=1, index=0, neurons=100)
    Simulation(typical, treatment)  # loads the compiled code
    for index in range(count):
        begun = time.process_time()
        patient = draw_patient(
            treatment.circuit, default_parameters(), None, seed=1, index=index, neurons=neurons
        )
        drawn = time.process_time()
        simulation = Simulation(patient, treatment)
        stuck = time.process_time()
        runs = [twelve_weeks(simulation) for _ in range(RUNS)]
        cpu_s, did = statistics.median(cpu_s for cpu_s, _ in runs), runs[0][1]
        begun_arm = time.process_time()
        arm = simulation.run()
        arm_s = time.process_time() - begun_arm
        print(
            f"{neurons:>7,} neurons, patient {index}: {cpu_s:.3f} s for {WEEKS} weeks ({did.steps} steps,"
            f" {did.rejected} rejected, {did.sweeps:,} sweeps, {did.fallbacks} fallbacks); drawing"
            f" {drawn - begun:.3f} s, into the ditch {stuck - drawn:.3f} s, whole arm of"
            f" {arm.end_day:.0f} days with readings {arm_s:.3f} s"
        )


def bytes_of(circuit: Circuit) -> int:
    """Memory of the arrays of a circuit."""
    w = circuit.wiring
    arrays = [*w.excitatory, *w.inhibitory, *w.plastic, *(a for a in w if isinstance(a, np.ndarray))]
    return sum(array.nbytes for array in arrays)


def large_circuit() -> None:
    """Print the memory of a large circuit that has lived for a day, as the operating system saw it."""
    file, _ = read("circuits", "default", CircuitFile)
    circuit = network_circuit(file, default_parameters(), LARGE, np.random.default_rng(1))
    begun = time.process_time()
    Engine(circuit).advance(Undisturbed(len(circuit.regions)), 24.0)
    day_s, w = time.process_time() - begun, circuit.wiring
    synapses = sum(len(group.pre) for group in (w.excitatory, w.inhibitory, w.plastic))
    peak_GB = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{LARGE:>7,} neurons, {synapses:,} synapses: circuit {bytes_of(circuit) / 1e9:.2f} GB, peak of the"
        f" whole process {peak_GB:.2f} GB; a healthy day {day_s:.2f} s"
    )


def main() -> None:
    """Print one line a patient, and one for the large circuit."""
    print(machine())
    for neurons, count in PATIENTS.items():
        patients(neurons, count)
    large_circuit()


if __name__ == "__main__":
    main()
