"""Power by sample size: many trials whose patients are drawn from one pool of simulated patients.

The pool contains every patient under every arm, so that a trial of any size is a draw of patients and arms.
Trials from one pool share patients: their spread is too small where a trial takes a large part of the pool.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

import numpy as np
from matplotlib.figure import Figure
from unstuck.errors import InputError

from unstuck_analysis.output.answer import Answer, Shown
from unstuck_analysis.output.style import FAINT, PALETTE, styled
from unstuck_analysis.output.table import Column, Table
from unstuck_analysis.trial.analysis import TrialResult
from unstuck_analysis.trial.dataset import Pool, resampled
from unstuck_analysis.trial.report import about

SIZES, TRIALS, SIGNIFICANT = (50, 75, 100, 150, 200), 500, 0.05
POOL = 600  # patients who can be randomised


@dataclass(frozen=True)
class Power:
    """Share of trials of one size in which an arm is better than the control with p below 0.05."""

    arm: str
    analysis: str
    patients_per_arm: int
    trials: int
    power: float
    mean_difference: float

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
            for contrast in TrialResult(resampled(pool, size, rng)).contrasts:
                estimate = contrast.estimate
                hit = estimate.p < SIGNIFICANT and (two_sided or estimate.difference < 0)
                hits.setdefault((contrast.arm, contrast.analysis), []).append((hit, estimate.difference))
        for (arm, analysis), each in hits.items():
            share, difference = np.mean(each, axis=0).tolist()
            found.append(Power(arm, analysis, size, trials, share, difference))
    return found


def parse_sizes(text: str) -> list[int]:
    """Sample sizes as typed, such as 50,100; InputError for anything else."""
    sizes = [int(part) for part in text.split(",") if part.strip().isdigit()]
    if not sizes or len(sizes) < len(text.split(",")) or min(sizes) < 4 or max(sizes) > 10_000:
        raise InputError(f"--sizes {text}: whole numbers from 4 to 10000 with commas, such as 50,100,150")
    return sorted(set(sizes))


def needed(found: Sequence[Power], arm: str, analysis: str, wanted: float) -> float | None:
    """Patients per arm for a power, linear between the sizes that were tried; None if it is not reached."""
    curve = [(one.power, one.patients_per_arm) for one in found if (one.arm, one.analysis) == (arm, analysis)]
    if curve[0][0] >= wanted:
        return float(curve[0][1])
    for (low, before), (high, after) in pairwise(curve):
        if low < wanted <= high:
            return before + (after - before) * (wanted - low) / (high - low)
    return None


def power_answer(pool: Pool, sizes: Sequence[int], trials: int) -> Answer:
    """The power of a trial as an answer: a sentence per arm, a table, a figure."""
    found = power_of(pool, sizes, trials)
    arms = list(dict.fromkeys((one.arm, one.analysis) for one in found))
    sentences = [_sentence(found, arm, analysis) for arm, analysis in arms]
    note = (
        f"The {trials} trials per size are drawn from one pool of {pool.n} simulated patients"
        " and share patients. The error is the Monte Carlo error of the power alone."
    )
    rows = [
        [o.arm, o.analysis, o.patients_per_arm, o.power, o.error, o.mean_difference, o.trials] for o in found
    ]
    table = Table(_COLUMNS, rows, "Power by sample size")
    return Answer(
        title=f"Power: {pool.trial.file.title}",
        finding=sentences,
        about=about(pool),
        tables={"power": table},
        figures={"power": Shown(power_figure(found), "Power by sample size, with its Monte Carlo error.")},
        printed=["power"],
        notes=[note],
        data={"pool": pool.n, "power": table.records()},
    )


def _sentence(found: Sequence[Power], arm: str, analysis: str) -> str:
    sizes = [needed(found, arm, analysis, wanted) for wanted in (0.8, 0.9)]
    told = [f"{size:.0f}" if size else "more than the largest size" for size in sizes]
    return f"{arm} ({analysis}): 80 % power with {told[0]} patients per arm, 90 % with {told[1]}."


@styled
def power_figure(found: Sequence[Power]) -> Figure:
    """Power over patients per arm, one line per arm and analysis."""
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    lines = list(dict.fromkeys((one.arm, one.analysis) for one in found))
    for position, (arm, analysis) in enumerate(lines):
        of_line = [one for one in found if (one.arm, one.analysis) == (arm, analysis)]
        points = ((one.patients_per_arm, one.power, 2 * one.error) for one in of_line)
        sizes, power, error = zip(*points, strict=True)
        color = PALETTE[(1 + position) % len(PALETTE)]
        axes.errorbar(sizes, power, error, color=color, label=f"{arm}, {analysis}", capsize=3)
    axes.axhline(0.8, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set(xlabel="patients per arm", ylabel="power", ylim=(0, 1.02), title="Power by sample size")
    axes.legend(frameon=False)
    return figure


_COLUMNS = (
    Column("arm"),
    Column("analysis"),
    Column("patients_per_arm", "patients per arm"),
    Column("power", meaning="share of trials with p below 0.05 in favour of the arm", format=".3f"),
    Column("error", meaning="Monte Carlo standard error of the power", format=".3f"),
    Column("mean_difference", "mean difference", "points", "arm minus control; negative is better", ".2f"),
    Column("trials"),
)
