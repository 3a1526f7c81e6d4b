"""Power by sample size: many trials whose patients are drawn from one pool of simulated patients.

The pool contains every patient under every arm, so that a trial of any size is a draw of patients and arms.
Trials from one pool share patients: their spread is too small where a trial takes a large part of the pool.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from unstuck.errors import InputError

from unstuck_analysis.output.answer import About, Answer, Shown
from unstuck_analysis.output.style import FAINT, PALETTE, styled
from unstuck_analysis.output.table import Column, Table
from unstuck_analysis.trial.analysis import resampled
from unstuck_analysis.trial.dataset import Pool
from unstuck_analysis.trial.report import about
from unstuck_analysis.trial.run import Trial

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Power:
    """Share of trials of one size in which an arm is better than the control with p below 0.05."""

    trial: str
    arm: str
    analysis: str
    patients_per_arm: int
    power: float
    mean_difference: float
    trials: int
    pool: int

    @property
    def error(self) -> float:
        """Monte Carlo standard error of the power."""
        return sqrt(self.power * (1.0 - self.power) / self.trials)


def power_of(pool: Pool, sizes: Sequence[int], trials: int, *, two_sided: bool = False) -> list[Power]:
    """Power by size, analysis and arm. two_sided counts every p below 0.05, as for the type I error.

    InputError for a design that compares no arms.
    """
    if len(pool.arms) < 2:
        raise InputError(f"{pool.trial.path}: power needs two arms that are compared; this design has one")
    found: list[Power] = []
    for size in sizes:
        rng = np.random.default_rng(np.random.SeedSequence([pool.trial.file.seed, size, trials]))
        hits: dict[tuple[str, str], list[tuple[bool, float]]] = {}
        for _ in range(trials):
            for contrast in resampled(pool, size, rng).contrasts:
                estimate = contrast.estimate
                hit = estimate.p < SIGNIFICANT and (two_sided or estimate.difference < 0)
                hits.setdefault((contrast.arm, contrast.analysis), []).append((hit, estimate.difference))
        for (arm, analysis), each in hits.items():
            share, difference = np.mean(each, axis=0).tolist()
            found.append(Power(pool.trial.name, arm, analysis, size, share, difference, trials, pool.n))
    return found


def parse_sizes(text: str) -> list[int]:
    """Sample sizes as typed, such as 50,100; InputError for anything else."""
    sizes = [int(part) for part in text.split(",") if part.strip().isdigit()]
    if not sizes or len(sizes) < len(text.split(",")) or min(sizes) < 4 or max(sizes) > 10_000:
        raise InputError(f"--sizes {text}: whole numbers from 4 to 10000 with commas, such as 50,100,150")
    return sorted(set(sizes))


def pools_of(trials: Sequence[str], folder: Path, patients: int, **how: Any) -> list[Pool]:
    """A pool per trial file: in the folder, or in a folder of its own there if there are several.

    InputError for two files of one name. `how` is passed to `Trial.pool`.
    """
    loaded = {trial.loaded.name: trial for trial in map(Trial.load, trials)}
    if len(loaded) < len(trials):
        raise InputError(f"{' '.join(trials)}: each trial needs another name")
    places = {name: folder / name if len(loaded) > 1 else folder for name in loaded}
    return [trial.pool(places[name], patients, **how) for name, trial in loaded.items()]


def needed(line: Sequence[Power], wanted: float) -> float | None:
    """Patients per arm for a power, linear between the sizes that were tried; None if it is not reached."""
    if line[0].power >= wanted:
        return float(line[0].patients_per_arm)
    for low, high in pairwise(line):
        if low.power < wanted <= high.power:
            more = high.patients_per_arm - low.patients_per_arm
            return low.patients_per_arm + more * (wanted - low.power) / (high.power - low.power)
    return None


def power_answer(pools: Sequence[Pool], sizes: Sequence[int], trials: int) -> Answer:
    """The power of one or several trials as an answer: a sentence per arm, a table, a figure."""
    lines: dict[str, list[Power]] = {}
    for pool in pools:
        for one in power_of(pool, sizes, trials):
            label = f"{one.arm} ({one.analysis})"
            lines.setdefault(f"{one.trial}, {label}" if len(pools) > 1 else label, []).append(one)
    note = (
        f"The {trials} trials per size are drawn from one pool of simulated patients and share patients."
        " The error is the Monte Carlo error of the power alone."
    )
    rows = [[*asdict(one).values(), one.error] for line in lines.values() for one in line]
    table = Table(_COLUMNS, rows, "Power by sample size")
    abouts = [about(pool) for pool in pools]
    return Answer(
        title=f"Power: {'; '.join(pool.trial.file.title for pool in pools)}",
        finding=[_sentence(label, line) for label, line in lines.items()],
        about=About(*("; ".join(dict.fromkeys(texts)) for texts in zip(*map(astuple, abouts), strict=True))),
        tables={"power": table},
        figures={"power": Shown(power_figure(lines), "Power by sample size, with its Monte Carlo error.")},
        printed=["power"],
        notes=[note],
        data={"pool": min(pool.n for pool in pools), "power": table.records()},
        opens="power.html",
    )


def _sentence(label: str, line: Sequence[Power]) -> str:
    sizes = [needed(line, wanted) for wanted in (0.8, 0.9)]
    told = [f"{size:.0f}" if size else "more than the largest size" for size in sizes]
    return f"{label}: 80 % power with {told[0]} patients per arm, 90 % with {told[1]}."


@styled
def power_figure(lines: Mapping[str, Sequence[Power]]) -> Figure:
    """Power over patients per arm, one line per trial, arm and analysis."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for position, (label, line) in enumerate(lines.items()):
        points = ((one.patients_per_arm, one.power, 2 * one.error) for one in line)
        sizes, power, error = zip(*points, strict=True)
        color = PALETTE[(1 + position) % len(PALETTE)]
        axes.errorbar(sizes, power, error, color=color, label=label, capsize=3)
    axes.axhline(0.8, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set(xlabel="patients per arm", ylabel="power", ylim=(0, 1.02), title="Power by sample size")
    axes.legend(frameon=False)
    return figure


_COLUMNS = (
    Column("trial"),
    Column("arm"),
    Column("analysis"),
    Column("patients_per_arm", "patients per arm"),
    Column("power", meaning="share of trials with p below 0.05 in favour of the arm", format=".3f"),
    Column("mean_difference", "mean difference", "points", "arm minus control; negative is better", ".2f"),
    Column("trials"),
    Column("pool", meaning="simulated patients that the trials are drawn from"),
    Column("error", meaning="Monte Carlo standard error of the power", format=".3f"),
)
