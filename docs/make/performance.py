"""The page of benchmarks: sweeps against other programs, sizes, error by tolerance, patient-years per second.

`python docs/make/all.py performance` measures everything (minutes), keeps the numbers in performance.json,
and writes docs/performance.md and its figures; the prose is in performance.md. More choices:

    python docs/make/performance.py --only sweep      # or size, precision, years; no name: only write
    python docs/make/performance.py --folder peers    # keep the environments of the other programs there
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from quick_runs import DOCS
from sweeps import FLAGS, LARGEST_DIFFERENCE, OURS, PEERS, ROUNDS, C, draw_network, with_programs
from unstuck.engine.step import Accuracy
from unstuck.files.cohort import read_cohort
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, Life, get_stuck, run_treatment
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.markdown import table
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.output.style import look, looks, save_figure, styled

DATA, PROSE = (Path(__file__).with_suffix(ending) for ending in (".json", ".md"))
FIGURES = ("speed-by-size", "work-precision")
SEED, REPEATS, WEEKS = 1, 3, 12
TREATMENTS = ("ssri-like", "tianeptine-like", "ketamine-like")
SWEEPS = {500: 1_000, 2_000: 250, 10_000: 50}  # neurons: sweeps per round
SIZES = (500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
SYNAPSES_PER_ROUND = 20_000_000  # that a sweep passes, at every size
FACTORS, REFERENCE = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1), 0.01  # of the shipped tolerances
PRECISION_PATIENTS = {0: 5, 500: 5}  # neurons (0: mean-field): patients
YEARS_PATIENTS = {0: 20, 500: 6, 5_000: 1}
YEARS_TREATMENTS = ("untreated", *TREATMENTS)

Numbers = dict[str, Any]


def drawn(neurons: int, index: int = 0) -> Patient:
    """A patient of the shipped cohort."""
    cohort, file = read_cohort(cohort_path()), Treatment(TREATMENTS[0]).circuit
    return draw_patient(file, default_parameters(), cohort, seed=SEED, index=index, neurons=neurons)


def course(
    patient: Patient, name: str, stuck: Checkpoint, accuracy: Accuracy = Accuracy()
) -> tuple[float, float]:
    """Processor time (s) of the weeks from day 0 on, without readings, and R at their end."""
    begun = time.process_time()
    life = Life(patient, Treatment(name), stuck, accuracy)
    life.advance(stuck.time_h + WEEKS * 7 * 24.0)
    return time.process_time() - begun, life.recovery


def measure_sweeps(folder: Path) -> Numbers:
    """Sweeps of all programs at all sizes."""
    missing, sizes = dict[str, str](), Numbers()
    for neurons, sweeps in SWEEPS.items():
        network = draw_network(neurons, sweeps)
        programs = with_programs(network, folder, PEERS, missing)
        sizes[f"{neurons:,} neurons, {network.synapses:,} synapses"] = programs
    return {"sizes": sizes, "missing": missing}


def measure_size(neurons: int, folder: Path) -> Numbers:
    """A course, its memory, and sweeps at one size, in a process of its own."""
    patient = drawn(neurons)
    stuck = get_stuck(patient, Treatment(TREATMENTS[0]))
    repeats = 5 if neurons <= 5_000 else 1
    seconds = statistics.median(course(patient, TREATMENTS[0], stuck)[0] for _ in range(repeats))
    used = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    w = patient.circuit.wiring
    synapses = sum(len(each.pre) for each in (w.excitatory, w.inhibitory, w.plastic))
    network = draw_network(neurons, max(1, SYNAPSES_PER_ROUND // synapses))
    found = {"neurons": neurons, "synapses": synapses, "seconds": seconds}
    return found | {
        "peak_MB": int(used["VmHWM"].split()[0]) / 1e3,
        "programs": with_programs(network, folder, {}, {}),
    }


def measure_sizes(folder: Path) -> Numbers:
    """All sizes, each in a process of its own, so that its memory is counted alone."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as processes:
        return {"sizes": processes.starmap(measure_size, [(size, folder) for size in SIZES], chunksize=1)}


def measure_precision(_: Path) -> Numbers:
    """For every size and treatment a row per tolerance: mean processor time, and largest error in R."""
    found, shipped = Numbers(), Accuracy()
    for neurons, patients in PRECISION_PATIENTS.items():
        runs: dict[tuple[str, float], list[tuple[float, float]]] = {}
        for patient in (drawn(neurons, index) for index in range(patients)):
            for factor in (REFERENCE, *FACTORS):
                accuracy = Accuracy(factor * shipped.slow, factor * shipped.firing, shipped.longest_step_h)
                stuck = get_stuck(patient, Treatment(TREATMENTS[0]), accuracy)
                for name in TREATMENTS:
                    repeated = sorted(course(patient, name, stuck, accuracy) for _ in range(REPEATS))
                    runs.setdefault((name, factor), []).append(repeated[REPEATS // 2])
        found[_size(neurons)] = {
            name: [time_and_error(runs[name, factor], runs[name, REFERENCE]) for factor in FACTORS]
            for name in TREATMENTS
        }
    return asdict(shipped) | {"sizes": found}


def time_and_error(
    runs: Sequence[tuple[float, float]], exact: Sequence[tuple[float, float]]
) -> tuple[float, float]:
    """Mean processor time of runs (time, R) of several patients, and the largest error in R."""
    off = [abs(recovery - other) for (_, recovery), (_, other) in zip(runs, exact, strict=True)]
    return statistics.mean(seconds for seconds, _ in runs), max(off)


def measure_years(_: Path) -> Numbers:
    """Whole patients as `unstuck compare` simulates them: years, and processor time."""
    found, treatments = Numbers(), [Treatment(name) for name in YEARS_TREATMENTS]
    for neurons, patients in YEARS_PATIENTS.items():
        days, begun = 0.0, time.process_time()
        for patient in (drawn(neurons, index) for index in range(patients)):
            stuck = get_stuck(patient, treatments[0])
            days += stuck.time_h / 24.0
            days += sum(run_treatment(patient, treatment, stuck).end_day for treatment in treatments)
        seconds = time.process_time() - begun
        found[_size(neurons)] = {"patients": patients, "years": days / 365.0, "seconds": seconds}
    return {"sizes": found}


PARTS: dict[str, Callable[[Path], Numbers]] = {
    "sweep": measure_sweeps,
    "size": measure_sizes,
    "precision": measure_precision,
    "years": measure_years,
}


def machine() -> str:
    """What the program runs on, and what it was made with."""
    about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    names = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", about, re.MULTILINE))
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout
    return (
        f"{names['model name']} (family {names['cpu family']}, model {names['model']}) with {os.cpu_count()}"
        f" cores, {platform.system()}, Python {platform.python_version()}, numba {version('numba')}, numpy"
        f" {version('numpy')}, {compiler.splitlines()[0]}"
    )


def measured(parts: Sequence[str], kept: Mapping[str, Any], folder: Path) -> Numbers:
    """The kept numbers, with some parts measured again, one after the other."""
    numbers = dict(kept)
    course(drawn(0), TREATMENTS[0], get_stuck(drawn(0), Treatment(TREATMENTS[0])))  # loads compiled code
    for part in parts:
        before = os.getloadavg()[0]
        found = PARTS[part](folder)
        load = f"{before:.1f} before, {os.getloadavg()[0]:.1f} after"
        when = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "load": load}
        numbers[part] = found | when | {"model": model_version(), "machine": machine()}
        write_whole(DATA, (json.dumps(numbers, indent=1) + "\n").encode())
    return numbers


def sweep_table(found: Mapping[str, Any]) -> str:
    """A row per program: its ratio to C at every size, and for C the time per synapse."""
    sizes = found["sizes"].values()

    def cell(name: str, ns: float, ratio: Sequence[float]) -> str:
        digits = 2 if ratio[0] < 10.0 else 0
        median, low, high = (f"{value:.{digits}f}" for value in ratio)
        return f"{ns:.2f} ns" if name == C else f"{median} ({low} to {high})"

    names = list(dict.fromkeys(name for programs in sizes for name in programs))
    rows = [[name, *(cell(name, **each[name]) if name in each else "" for each in sizes)] for name in names]
    return table(["program", *found["sizes"]], rows)


def size_table(found: Mapping[str, Any]) -> str:
    """A row per size: time of the course, memory, and sweeps."""
    rows = [
        (
            f"{each['neurons']:,}",
            f"{each['synapses']:,}",
            f"{each['seconds']:.1f} s" if each["seconds"] > 1.0 else f"{1e3 * each['seconds']:.0f} ms",
            f"{_us_per_synapse(each):.2f} µs",
            f"{each['peak_MB']:.0f} MB",
            *(f"{each['programs'][name]['ns']:.2f} ns" for name in (OURS, C)),
        )
        for each in found["sizes"]
    ]
    weeks = (f"{WEEKS} weeks", f"{WEEKS} weeks, per synapse")
    sweep = ("a sweep, per synapse", "the same in C")
    return table(("neurons", "synapses", *weeks, "peak memory", *sweep), rows)


def _us_per_synapse(of_size: Mapping[str, Any]) -> float:
    return 1e6 * of_size["seconds"] / of_size["synapses"]


def precision_table(found: Mapping[str, Any]) -> str:
    """A row per size and treatment: processor time and error at the shipped tolerance."""
    rows = list[tuple[str, ...]]()
    for size, treatments in found["sizes"].items():
        for name, each in treatments.items():
            seconds, error = each[FACTORS.index(1.0)]
            rows.append((size, name, f"{1e3 * seconds:.0f} ms", f"{error:.5f}"))
    return table(("size", "treatment", f"{WEEKS} weeks", "largest error in R"), rows)


def years_table(found: Mapping[str, Any]) -> str:
    """A row per size: patient-years per second."""
    rows = [
        (
            size,
            each["patients"],
            f"{each['years'] / each['patients']:.2f}",
            f"{each['seconds'] / each['patients']:.2g} s",
            f"{each['years'] / each['seconds']:.2g}",
        )
        for size, each in found["sizes"].items()
    ]
    per_patient = ("years per patient", "processor time per patient")
    return table(("size", "patients", *per_patient, "patient-years per second per core"), rows)


def _size(neurons: int) -> str:
    return f"{neurons:,} neurons" if neurons else "mean-field"


@styled
def size_figure(found: Mapping[str, Any]) -> Figure:
    """Cost per synapse of a sweep and of a course, by number of neurons."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    neurons = [each["neurons"] for each in found["sizes"]]
    for position, name in enumerate((C, OURS)):
        costs = [each["programs"][name]["ns"] for each in found["sizes"]]
        left.plot(neurons, costs, marker="o", markersize=4, label=name, color=look(position)["color"])
    left.legend(frameon=False)
    left.set(title="One sweep", ylabel="ns per synapse")
    costs = [_us_per_synapse(each) for each in found["sizes"]]
    right.plot(neurons, costs, marker="o", markersize=4, color=look(1)["color"])
    right.set(title=f"{WEEKS} weeks of {TREATMENTS[0]}", ylabel="µs per synapse")
    for axes in (left, right):
        axes.set(xscale="log", ylim=(0, None), xlabel="neurons")
        axes.set_xticks([500, 5_000, 50_000], ["500", "5,000", "50,000"])
        axes.minorticks_off()
    return figure


@styled
def precision_figure(found: Mapping[str, Any]) -> Figure:
    """Work-precision diagram: error in R against processor time, a line per treatment."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    panels, shipped = figure.subplots(1, len(found["sizes"]), sharey=True), FACTORS.index(1.0)
    for axes, (size, treatments) in zip(panels, found["sizes"].items(), strict=True):
        for name, style in looks(treatments).items():
            seconds, errors = np.array(treatments[name]).T
            axes.plot(1e3 * seconds, errors, marker="o", markersize=3, label=name, **style)
            axes.plot(1e3 * seconds[shipped], errors[shipped], "o", markersize=9, color=style["color"])
        axes.set(
            yscale="log",
            xlim=(0, None),
            ylim=(None, 2e-3),
            title=size,
            xlabel=f"processor time of {WEEKS} weeks (ms)",
        )
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6f}".rstrip("0")))
    panels[0].set_ylabel(f"largest error in R on day {WEEKS * 7}")
    panels[-1].legend(frameon=False)
    return figure


def page(numbers: Mapping[str, Any]) -> str:
    """The page as Markdown, from its numbers."""
    sweeps, sizes, precision = numbers["sweep"], numbers["size"]["sizes"], numbers["precision"]
    missing = [f"* {name} could not be measured: {reason}" for name, reason in sweeps["missing"].items()]
    conditions = [[part, *(numbers[part][key] for key in ("date", "load", "model"))] for part in PARTS]
    return Template(PROSE.read_text(encoding="utf-8")).substitute(
        sweeps=sweep_table(sweeps),
        missing="\n".join(missing) or "All programs could be installed and gave the same results.",
        rounds=ROUNDS,
        difference=f"{LARGEST_DIFFERENCE:.0e}",
        fewer=PEERS["mesa_sweeps"].fewer,
        sizes=size_table(numbers["size"]),
        bytes_per_synapse=f"{_bytes_per_synapse(sizes):.0f}",
        precision=precision_table(precision),
        slow=f"{precision['slow']:g}",
        firing=f"{precision['firing']:g}",
        longest_days=f"{precision['longest_step_h'] / 24.0:g}",
        patients=PRECISION_PATIENTS[500],
        most=f"{FACTORS[0]:g}",
        least=f"{FACTORS[-1]:g}",
        reference=f"{REFERENCE:g}",
        years=years_table(numbers["years"]),
        conditions=table(("part", "date", "load", "version of the model"), conditions),
        machines="\n".join(dict.fromkeys(f"* {numbers[part]['machine']}" for part in PARTS)),
        flags="` and `".join(" ".join(flags) for flags in FLAGS.values()),
    )


def _bytes_per_synapse(sizes: Sequence[Mapping[str, Any]]) -> float:
    small, large = sizes[0], sizes[-1]
    return 1e6 * (large["peak_MB"] - small["peak_MB"]) / (large["synapses"] - small["synapses"])


def stored() -> Numbers:
    """The numbers of the page as they were last measured."""
    return json.loads(DATA.read_text(encoding="utf-8"))


def write(numbers: Mapping[str, Any]) -> None:
    """Write the page and its figures."""
    write_whole(DOCS / "performance.md", page(numbers).encode())
    figures = size_figure(numbers["size"]), precision_figure(numbers["precision"])
    for name, figure in zip(FIGURES, figures, strict=True):
        save_figure(figure, DOCS / "images" / f"{name}.png")


def make(_: int) -> None:
    """Measure everything again in one process; write the numbers, the page and its figures."""
    with TemporaryDirectory() as folder:
        write(measured(list(PARTS), stored(), Path(folder)))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--folder", type=Path, help="keep the environments of the other programs here")
    asked = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = (asked.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        write(measured(asked.only, stored(), folder))


if __name__ == "__main__":
    main()
