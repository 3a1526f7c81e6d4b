"""How fast is the compiled sweep beside a plain C kernel of the same arithmetic?

    python tests/benchmarks/sweep_against_c.py

Builds `sweep.c` with cc, checks that both give the same numbers, then interleaves them by CPU time.
"""

import ctypes
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
from unstuck.circuit import Circuit, Floats, Synapses, Wiring, network_circuit
from unstuck.engine import kernels
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.parameters import reference_parameters
from unstuck.rules.compiled import compiled

NEURONS = (500, 2_000, 5_000, 10_000)
ROUNDS, SYNAPSES_A_ROUND = 25, 10_000_000
FLAGS = ("-O3 -march=native", "-O3 -march=native -ffast-math")

_fire = kernels.fire


@compiled
def sweeps(
    w: Wiring, gain: Floats, input_drive: Floats, strength: Floats, x: Floats, other: Floats, count: int
) -> None:
    """An even number of sweeps, each from what the last one gave."""
    for _ in range(count // 2):
        _fire(w, gain, input_drive, 1.0, strength, x, other)
        _fire(w, gain, input_drive, 1.0, strength, other, x)


class _CSynapses(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("start", "pre", "weight")]


class _CCircuit(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("populations", "neurons")),
        ("first", ctypes.c_void_p),
        *((name, _CSynapses) for name in ("excitatory", "inhibitory", "plastic")),
        *((name, ctypes.c_void_p) for name in ("gain", "input_drive")),
        *((name, ctypes.c_void_p) for name in ("bias", "scaling", "set_point_Hz", "maximal_Hz")),
        ("gaba_gain", ctypes.c_double),
    ]


def c_library(flags: str, folder: Path) -> ctypes.CDLL:
    """The C kernel built with these flags."""
    built = folder / f"sweep{flags.count('-')}.so"
    source = Path(__file__).with_name("sweep.c")
    subprocess.run(["cc", *flags.split(), "-shared", "-fPIC", str(source), "-o", str(built)], check=True)
    library = ctypes.CDLL(str(built))
    library.sweeps.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    return library


def _in_c(synapses: Synapses) -> _CSynapses:
    return _CSynapses(synapses.start.ctypes.data, synapses.pre.ctypes.data, synapses.weight.ctypes.data)


def c_circuit(circuit: Circuit, gain: Floats, input_drive: Floats) -> _CCircuit:
    """The arrays of a circuit as the C kernel reads them (which must outlive it)."""
    w = circuit.wiring
    return _CCircuit(
        len(w.cells),
        circuit.neurons,
        w.first.ctypes.data,
        *(_in_c(group) for group in (w.excitatory, w.inhibitory, w.plastic)),
        *(values.ctypes.data for values in (gain, input_drive)),
        *(values.ctypes.data for values in (w.bias, w.scaling, w.set_point_Hz, w.maximal_Hz)),
        1.0,
    )


def cpu_time(work: Callable[[], Any]) -> float:
    """CPU seconds of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def ratios(circuit: Circuit, library: ctypes.CDLL) -> tuple[Floats, float]:
    """CPU time of our sweeps over C's, round by round, and the median microseconds of one of our sweeps."""
    w, populations = circuit.wiring, len(circuit.wiring.cells)
    gain, input_drive = np.full(populations, 0.97), np.full(populations, -0.01)
    ours, theirs, other = (
        np.full(circuit.neurons, 0.9),
        np.full(circuit.neurons, 0.9),
        np.empty(circuit.neurons),
    )
    in_c = ctypes.byref(c_circuit(circuit, gain, input_drive))
    synapses = sum(len(group.pre) for group in (w.excitatory, w.inhibitory, w.plastic))
    count = max(2, SYNAPSES_A_ROUND // synapses // 2 * 2)

    def python() -> None:
        sweeps(w, gain, input_drive, w.plastic.weight, ours, other, count)

    def c() -> None:
        library.sweeps(in_c, theirs.ctypes.data, other.ctypes.data, count)

    for one_round in (python, c):
        one_round()
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    times = np.array([(cpu_time(python), cpu_time(c)) for _ in range(ROUNDS)])
    return times[:, 0] / times[:, 1], float(np.median(times[:, 0])) / count * 1e6


def machine() -> str:
    """Processor, compiler and versions that the figures belong to."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    cc = subprocess.run(["cc", "--version"], check=True, capture_output=True, text=True).stdout.splitlines()[
        0
    ]
    return (
        f"{cpu}; {cc}; Python {platform.python_version()}, numba {numba.__version__}, numpy {np.__version__}"
    )


def main() -> None:
    """Print the table."""
    print(machine())
    file, _ = read("circuits", "default", CircuitFile)
    with tempfile.TemporaryDirectory() as folder:
        for flags in FLAGS:
            library = c_library(flags, Path(folder))
            print(f"\nour sweep over C with cc {flags}: median of {ROUNDS} rounds (5 to 95 %), our sweep")
            for neurons in NEURONS:
                circuit = network_circuit(file, reference_parameters(), neurons, np.random.default_rng(1))
                ratio, ours_us = ratios(circuit, library)
                low, median, high = np.percentile(ratio, (5, 50, 95))
                print(f"{neurons:>8,} neurons   {median:.2f} ({low:.2f} to {high:.2f})   {ours_us:7.1f} us")


if __name__ == "__main__":
    main()
