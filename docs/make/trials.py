"""The page on virtual trials: published and simulated values next to each other, errors and power.

    python docs/make/all.py trials         measure, keep the numbers in trials.json, write docs/trials.md
    python docs/make/trials.py --held-out  measure the held-out findings too (once, when all else is fixed)

trials.csv has the findings, trials.md the prose. A finding is read from every patient of a pool under every
arm, so that its error is that of the pool.
"""

import csv
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from quick_runs import DOCS
from unstuck.state import Floats
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.markdown import table
from unstuck_analysis.trial.analysis import Estimate, carried_forward, times_to_relapse
from unstuck_analysis.trial.dataset import Group, Pool, TrialData
from unstuck_analysis.trial.power import power_of
from unstuck_analysis.trial.run import Trial

DATA, PROSE, FINDINGS = (Path(__file__).with_suffix(ending) for ending in (".json", ".md", ".csv"))
STORE = Path("results") / "trials-page"
SCREENED, COMPLETE, COMPLETE_SIZE, RESAMPLED = 900, 40, 10, 1000
EQUAL = [{"name": "placebo"}, {"name": "also-placebo"}]

Numbers = dict[str, Any]
Read = Callable[[Pool], tuple[float, float]]


def group_of(pool: Pool, arm: str) -> Group:
    """Every patient of a pool under one arm."""
    everyone = np.arange(len(pool.patients))
    position = pool.arms.index(arm)
    data = TrialData(pool, everyone, np.full(len(everyone), position))
    return data.groups()[position]


def falls(group: Group) -> Floats:
    """Improvements by visit (patients, visits), the last rating carried forward."""
    filled = carried_forward(group)
    return filled[:, :1] - filled[:, 1:]


def responses(group: Group) -> Floats:
    """Whether the last rating is at most half of the baseline (0 or 1)."""
    filled = carried_forward(group)
    return (filled[:, -1] <= 0.5 * filled[:, 0]).astype(float)


@dataclass(frozen=True)
class Reading:
    """How a finding is read: the trial, and the mean over patients that is published (with its error)."""

    trial: str
    value: Callable[[Pool], tuple[float, float]]


def mean_of(arm: str, what: Callable[[Group], Floats]) -> Read:
    """Mean of a number per patient under an arm, with its standard error."""

    def read(pool: Pool) -> tuple[float, float]:
        values = what(group_of(pool, arm))
        return float(values.mean()), float(values.std(ddof=1) / sqrt(len(values)))

    return read


def ratio_of(arm: str, first: int, last: int) -> Read:
    """Mean fall on one day over that on another day, with its standard error (delta method)."""

    def read(pool: Pool) -> tuple[float, float]:
        group = group_of(pool, arm)
        days = group.days[1:].tolist()
        found = falls(group)
        one, other = found[:, days.index(first)], found[:, days.index(last)]
        ratio = one.mean() / other.mean()
        error = (one - ratio * other).std(ddof=1) / sqrt(len(one)) / abs(other.mean())
        return float(ratio), float(error)

    return read


def difference_of(arm: str, control: str, what: Callable[[Group], Floats]) -> Read:
    """Difference of two means, arm minus control, over the same patients."""

    def read(pool: Pool) -> tuple[float, float]:
        values = what(group_of(pool, arm)) - what(group_of(pool, control))
        return float(values.mean()), float(values.std(ddof=1) / sqrt(len(values)))

    return read


def last_fall(group: Group) -> Floats:
    """Fall at the last visit."""
    return falls(group)[:, -1]


def fall_on(day: int) -> Callable[[Group], Floats]:
    """Fall on a day with a visit."""
    return lambda group: falls(group)[:, group.days[1:].tolist().index(day)]


def remitted(group: Group) -> Floats:
    """Whether the last rating is at most 7 (0 or 1)."""
    return (carried_forward(group)[:, -1] <= 7).astype(float)


def hardly_better(group: Group) -> Floats:
    """Whether the fall is below a quarter of the baseline (0 or 1)."""
    return (last_fall(group) < 0.25 * group.points[:, 0]).astype(float)


def relapsed(group: Group) -> Floats:
    """Whether the patient relapsed (0 or 1): at least 16 points at two visits in a row."""
    return times_to_relapse(group, 16, 2).seen.astype(float)


def standardised(arm: str, control: str, keep: Callable[[Group], Floats] | None = None) -> Read:
    """Difference of mean improvements per pooled SD of the change, of those whom `keep` (baseline) names."""

    def read(pool: Pool) -> tuple[float, float]:
        one, other = group_of(pool, arm), group_of(pool, control)
        kept = np.ones(one.n, dtype=bool) if keep is None else keep(one).astype(bool)
        a, b = last_fall(one)[kept], last_fall(other)[kept]
        pooled = sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
        return float((a.mean() - b.mean()) / pooled), float((a - b).std(ddof=1) / sqrt(len(a)) / pooled)

    return read


def spread_ratio(pool: Pool) -> tuple[float, float]:
    """SD of the change under the drug over that under placebo."""
    a, b = (last_fall(group_of(pool, arm)).std(ddof=1) for arm in ("ssri", "placebo"))
    return float(a / b), float(a / b / sqrt(len(pool.patients)))


def early_share(pool: Pool) -> tuple[float, float]:
    """Difference on day 7 over that on day 42."""
    drug, placebo = group_of(pool, "ssri"), group_of(pool, "placebo")
    early, late = (fall_on(day)(drug) - fall_on(day)(placebo) for day in (7, 42))
    ratio = early.mean() / late.mean()
    error = (early - ratio * late).std(ddof=1) / sqrt(len(early)) / abs(late.mean())
    return float(ratio), float(error)


def gradient(pool: Pool) -> tuple[float, float]:
    """SMD of those with at least 25 points on day 0 minus SMD of those with less than 23."""
    severe = standardised("ssri", "placebo", lambda g: (g.points[:, 0] >= 25).astype(float))(pool)
    mild = standardised("ssri", "placebo", lambda g: (g.points[:, 0] < 23).astype(float))(pool)
    return severe[0] - mild[0], sqrt(severe[1] ** 2 + mild[1] ** 2)


def needed(pool: Pool) -> tuple[float, float]:
    """Patients per arm for 80 % power: 15.7 / SMD squared."""
    smd, error = standardised("ssri", "placebo")(pool)
    return 15.7 / smd**2, 2 * 15.7 / abs(smd) ** 3 * error


C, OPEN, RCT = "placebo-against-waiting-list", "ssri-open", "ssri-against-placebo"
READINGS: dict[str, Reading] = {
    "C01": Reading(C, mean_of("placebo", last_fall)),
    "C02": Reading(C, mean_of("placebo", responses)),
    "C03": Reading(C, mean_of("waiting-list", last_fall)),
    "C04": Reading(C, ratio_of("placebo", 14, 56)),
    "V06": Reading(OPEN, mean_of("ssri", responses)),
    "V07": Reading(OPEN, mean_of("ssri", remitted)),
    "V08": Reading(OPEN, mean_of("ssri", hardly_better)),
}
HELD_OUT: dict[str, Reading] = {  # written before any of them was measured
    "V01": Reading(RCT, difference_of("ssri", "placebo", last_fall)),
    "V02": Reading(RCT, standardised("ssri", "placebo")),
    "V04": Reading(RCT, spread_ratio),
    "V05": Reading(RCT, early_share),
    "V09": Reading("ssri-randomised-withdrawal", mean_of("stop", relapsed)),
    "V10": Reading("ssri-randomised-withdrawal", mean_of("go-on", relapsed)),
    "V11": Reading("ketamine-against-midazolam", difference_of("ketamine", "midazolam", fall_on(1))),
    "V12": Reading("ketamine-against-midazolam", difference_of("ketamine", "midazolam", responses)),
    "V13": Reading("esketamine-with-ssri", difference_of("esketamine-and-ssri", "ssri", last_fall)),
    "V14": Reading("psilocybin-against-placebo", difference_of("psilocybin", "placebo", fall_on(8))),
    "V16": Reading("psilocybin-against-placebo", difference_of("psilocybin", "placebo", last_fall)),
    "V17": Reading(RCT, gradient),
    "V18": Reading(RCT, needed),
}


def pool_of(name: str, workers: int) -> Pool:
    """All who can be randomised among the screened patients of a shipped trial."""
    return Trial.load(name).screened(STORE / name, SCREENED, workers)


def measured(readings: Mapping[str, Reading], workers: int) -> Numbers:
    """Value and error of each finding, by its id."""
    pools = {name: pool_of(name, workers) for name in {one.trial for one in readings.values()}}
    return {key: reading.value(pools[reading.trial]) for key, reading in readings.items()}


def about_arm(pool: Pool, arm: str) -> Numbers:
    """What is known of such arms apart from the findings."""
    group = group_of(pool, arm)
    fall = last_fall(group)
    return {
        "patients": group.n,
        "screened": pool.screening.screened,
        "baseline": float(group.points[:, 0].mean()),
        "baseline_sd": float(group.points[:, 0].std(ddof=1)),
        "change_sd": float(fall.std(ddof=1)),
        "left": float(1 - group.seen[:, -1].mean()),
    }


def equal_arms(pool: Pool, workers: int) -> Numbers:
    """Type I error: resampled trials from one pool, and complete trials of other patients each."""
    changes: Numbers = {"arms": EQUAL, "endpoint": {"analyses": ["mmrm", "locf", "completers"]}}
    position = pool.arms.index("placebo")
    doubled = {
        name: getattr(pool, name)[[position, position]]
        for name in ("points", "seen", "why", "rescued", "true_points", "courses")
    }
    both = replace(pool, trial=Trial.load(C, **changes).loaded, **doubled)
    resampled = {one.analysis: one.power for one in power_of(both, [100], RESAMPLED, two_sided=True)}
    found: dict[str, list[Estimate]] = {}
    for number in range(1, COMPLETE + 1):
        trial = Trial.load(C, **changes, trial=number, patients_per_arm=COMPLETE_SIZE)
        for contrast in trial.run(STORE / f"equal-{number}", workers=workers).contrasts:
            found.setdefault(contrast.analysis, []).append(contrast.estimate)
    t = {name: [one.difference / one.error for one in each] for name, each in found.items()}
    return {
        "resampled": resampled,
        "pool": len(pool.patients),
        "complete": {name: [float(np.mean(each)), float(np.std(each, ddof=1))] for name, each in t.items()},
        "hits": {name: sum(one.p < 0.05 for one in each) for name, each in found.items()},
    }


def measure_all(workers: int) -> Numbers:
    """Everything on the page but the held-out findings."""
    rows = measured(READINGS, workers)
    pool = pool_of(C, workers)
    added = Trial.load(C, context="care-added-to-the-rating")
    added_pool = added.screened(STORE / "added", SCREENED, workers)
    additive = {key: READINGS[key].value(added_pool) for key in ("C01", "C02", "C03", "C04")}
    arms = {
        "placebo": about_arm(pool, "placebo"),
        "open": about_arm(pool_of(OPEN, workers), "ssri"),
    }
    power = [
        [one.patients_per_arm, one.power, one.error]
        for one in power_of(pool, [6, 8, 10, 15, 20], 500)
        if one.analysis == "mmrm"
    ]
    numbers: Numbers = {"rows": rows, "additive": additive, "arms": arms, "power": power}
    return numbers | {"equal": equal_arms(pool, workers)}


def page(numbers: Numbers) -> str:
    """The page, from its prose and the numbers."""
    with FINDINGS.open(encoding="utf-8", newline="") as file:
        findings = list(csv.DictReader(file))
    known = {**numbers["rows"], **numbers.get("held_out", {})}
    shown = [row for row in findings if row["id"] in known]
    equal, arms = numbers["equal"], numbers["arms"]
    heads = ("finding", "trial", "read", "published", "model", "verdict")
    errors = [
        (name, f"{share:.3f}", "{:.2f} ({:.2f})".format(*equal["complete"][name]), str(equal["hits"][name]))
        for name, share in equal["resampled"].items()
    ]
    parts = {
        "findings": table(heads, [_row(row, known) for row in shown]),
        "additive": table(("finding", "care in the circuit", "care added to the rating"), _additive(numbers)),
        "arms": table(_ARM_HEADS, [_arm(name, arm) for name, arm in arms.items()]),
        "error": table(_ERROR_HEADS, errors),
        "power": table(
            ("patients per arm", "power", "Monte Carlo error"),
            [(str(n), f"{p:.2f}", f"{e:.2f}") for n, p, e in numbers["power"]],
        ),
        "waiting": ", ".join(row["id"] for row in findings if row not in shown) or "none",
        "pool": str(equal["pool"]),
        "screened": str(arms["placebo"]["screened"]),
    }
    return Template(PROSE.read_text(encoding="utf-8")).substitute(parts)


_ARM_HEADS = ("arm", "patients", "baseline (SD)", "SD of change", "left")
_ERROR_HEADS = (
    "analysis",
    "1,000 resampled trials",
    "40 complete trials: t, mean (SD)",
    "of 40 with p < 0.05",
)


def _row(row: Mapping[str, str], known: Mapping[str, Any]) -> tuple[str, ...]:
    value, error = known[row["id"]]
    low, high = (float(row[end]) if row[end] else None for end in ("low", "high"))
    inside = (low is None or value >= low) and (high is None or value <= high)
    digits = 2 if abs(value) < 2 else 1
    band = f"{row['low']} to {row['high']}"
    told = f"{value:.{digits}f} (SE {error:.{digits}f})"
    verdict = "reproduced" if inside else "**miss**"
    return row["id"], row["trial"], row["measure"], f"{band} ({row['source']})", told, verdict


def _additive(numbers: Numbers) -> list[tuple[str, ...]]:
    return [
        (key, "{:.2f} (SE {:.2f})".format(*numbers["rows"][key]), f"{value:.2f} (SE {error:.2f})")
        for key, (value, error) in numbers["additive"].items()
    ]


def _arm(name: str, arm: Mapping[str, float]) -> tuple[str, ...]:
    base = f"{arm['baseline']:.1f} ({arm['baseline_sd']:.1f})"
    return name, f"{arm['patients']:.0f}", base, f"{arm['change_sd']:.1f}", f"{arm['left']:.0%}"


def make(workers: int) -> None:
    """Measure all but the held-out findings, keep the numbers, and write the page."""
    before = json.loads(DATA.read_text()) if DATA.exists() else {}
    keep(measure_all(workers) | {key: before[key] for key in ("held_out",) if key in before})


def keep(numbers: Numbers) -> None:
    """Write the numbers and the page."""
    write_whole(DATA, (json.dumps(numbers, indent=1) + "\n").encode())
    write_whole(DOCS / "explanation" / "trials.md", page(numbers).encode())


if __name__ == "__main__":
    if "--held-out" in sys.argv:
        keep({**json.loads(DATA.read_text()), "held_out": measured(HELD_OUT, 2)})
    else:
        make(2)
