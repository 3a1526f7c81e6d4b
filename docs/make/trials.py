"""The page on virtual trials: published and simulated values next to each other, errors and power.

    python docs/make/all.py trials         measure, keep the numbers in trials.json, write docs/trials.md
    python docs/make/trials.py --held-out  measure the held-out findings too (once, when all else is fixed)

trials.csv has the findings, trials.md the prose. A finding is read from every patient of a pool under every
arm, with several independent ratings of each patient, so that its error is that of the pool.
"""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import quick_runs
from quick_runs import DOCS
from unstuck.state import Floats
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.markdown import table
from unstuck_analysis.study.results import Results
from unstuck_analysis.trial.analysis import Estimate, carried_forward, times_to_relapse
from unstuck_analysis.trial.dataset import Group, Integers, Pool, courses_of, joined, pool_of
from unstuck_analysis.trial.power import power_of
from unstuck_analysis.trial.ratings import Booleans
from unstuck_analysis.trial.run import Trial

DATA, PROSE, FINDINGS = (Path(__file__).with_suffix(ending) for ending in (".json", ".md", ".csv"))
STORE = Path("results") / "trials-page"
SCREENED, RATINGS, BOOTSTRAPS = 1500, 4, 100  # per finding: patients, independent ratings of each
COMPLETE, COMPLETE_SIZE, RESAMPLED = 40, 10, 1000
EQUAL = [{"name": "placebo"}, {"name": "also-placebo"}]
Numbers = dict[str, Any]
Read = Callable[[Pool], float]
PerPatient = Callable[[Group], Floats]


def falls(group: Group) -> Floats:
    """Improvements by visit (patients, visits), the last rating carried forward."""
    filled = carried_forward(group)
    return filled[:, :1] - filled[:, 1:]


def last_fall(group: Group) -> Floats:
    """Fall at the last visit."""
    return falls(group)[:, -1]


def fall_on(day: int) -> PerPatient:
    """Fall on a day with a visit."""
    return lambda group: falls(group)[:, group.days[1:].tolist().index(day)]


def responses(group: Group) -> Floats:
    """Whether the last rating is at most half of the baseline (0 or 1)."""
    filled = carried_forward(group)
    return (filled[:, -1] <= 0.5 * filled[:, 0]).astype(float)


def remitted(group: Group) -> Floats:
    """Whether the last rating is at most 7 (0 or 1)."""
    return (carried_forward(group)[:, -1] <= 7).astype(float)


def hardly_better(group: Group) -> Floats:
    """Whether the fall is below a quarter of the baseline (0 or 1)."""
    return (last_fall(group) < 0.25 * group.points[:, 0]).astype(float)


def relapsed(group: Group) -> Floats:
    """Whether the patient relapsed (0 or 1): at least 16 points at two visits in a row."""
    return times_to_relapse(group, 16, 2).seen.astype(float)


def mean_of(arm: str, what: PerPatient) -> Read:
    """Mean of a number per patient under an arm."""
    return lambda pool: float(what(pool.arm(arm)).mean())


def difference_of(arm: str, control: str, what: PerPatient) -> Read:
    """Difference of two means, arm minus control, over the same patients."""
    return lambda pool: mean_of(arm, what)(pool) - mean_of(control, what)(pool)


def ratio_of(one: Read, other: Read) -> Read:
    """One number over another."""
    return lambda pool: one(pool) / other(pool)


def spread_of(arm: str) -> Read:
    """SD of the change under an arm."""
    return lambda pool: float(last_fall(pool.arm(arm)).std(ddof=1))


def smd(pool: Pool) -> float:
    """Difference of mean improvements, SSRI minus placebo, per pooled SD of the change."""
    pooled = sqrt((spread_of("ssri")(pool) ** 2 + spread_of("placebo")(pool) ** 2) / 2)
    return difference_of("ssri", "placebo", last_fall)(pool) / pooled


def gradient(pool: Pool) -> float:
    """SMD of those with at least 25 points on day 0 minus SMD of those with less than 23."""
    baseline = pool.arms[0].points[:, 0]
    return smd(picked(pool, baseline >= 25)) - smd(picked(pool, baseline < 23))


def needed(pool: Pool) -> float:
    """Patients per arm for 80 % power: 15.7 / SMD squared."""
    return 15.7 / smd(pool) ** 2


@dataclass(frozen=True)
class Reading:
    """How a finding is read: the trial, what is read, and whether only from patients whom an SSRI fails."""

    trial: str
    value: Read
    resistant: bool = False


C, OPEN, RCT = "placebo-against-waiting-list", "ssri-open", "ssri-against-placebo"
KETAMINE, PSILOCYBIN = "ketamine-against-midazolam", "psilocybin-against-placebo"
RELAPSE = "ssri-randomised-withdrawal"
SSRI = ("ssri", "placebo")
DOSED = ("psilocybin", "placebo")
READINGS: dict[str, Reading] = {
    "C01": Reading(C, mean_of("placebo", last_fall)),
    "C02": Reading(C, mean_of("placebo", responses)),
    "C03": Reading(C, mean_of("waiting-list", last_fall)),
    "C04": Reading(C, ratio_of(mean_of("placebo", fall_on(14)), mean_of("placebo", fall_on(56)))),
    "V06": Reading(OPEN, mean_of("ssri", responses)),
    "V07": Reading(OPEN, mean_of("ssri", remitted)),
    "V08": Reading(OPEN, mean_of("ssri", hardly_better)),
}
HELD_OUT: dict[str, Reading] = {  # written before any of them was measured
    "V01": Reading(RCT, difference_of(*SSRI, last_fall)),
    "V02": Reading(RCT, smd),
    "V03": Reading(RCT, mean_of("ssri", responses)),
    "V04": Reading(RCT, ratio_of(spread_of("ssri"), spread_of("placebo"))),
    "V05": Reading(RCT, ratio_of(difference_of(*SSRI, fall_on(7)), difference_of(*SSRI, fall_on(42)))),
    "V09": Reading(RELAPSE, mean_of("stop", relapsed)),
    "V10": Reading(RELAPSE, mean_of("go-on", relapsed)),
    "V11": Reading(KETAMINE, difference_of("ketamine", "midazolam", fall_on(1))),
    "V12": Reading(KETAMINE, difference_of("ketamine", "midazolam", responses)),
    "V13": Reading("esketamine-with-ssri", difference_of("esketamine-and-ssri", "ssri", last_fall)),
    "V14": Reading(PSILOCYBIN, difference_of(*DOSED, fall_on(8))),
    "V15": Reading(PSILOCYBIN, difference_of(*DOSED, fall_on(21)), resistant=True),
    "V16": Reading(PSILOCYBIN, difference_of(*DOSED, last_fall)),
    "V17": Reading(RCT, gradient),
    "V18": Reading(RCT, needed),
}


def picked(pool: Pool, rows: Integers | Booleans) -> Pool:
    """The same with some of the patients; a patient can be there several times."""
    return replace(pool, arms=[group.part(rows) for group in pool.arms])


def together(pools: Sequence[Pool]) -> Pool:
    """Several ratings of the same patients as one pool."""
    return replace(
        pools[0], arms=[joined(groups) for groups in zip(*(pool.arms for pool in pools), strict=True)]
    )


def pools_of(name: str, workers: int, **changes: Any) -> list[Pool]:
    """The patients of a shipped trial who can be randomised, by each of `RATINGS` independent ratings.

    All patients who could enter are simulated, because each rating lets others enter. After a lead-in or an
    open phase only those go on whom the first rating lets in, so these trials are rated once.
    """
    loaded = Trial.load(name, **changes).loaded
    if loaded.file.start_day:
        return [Trial.load(name, **changes).screened(STORE / name, SCREENED, workers)]
    Trial.load(name, **changes, entry={"at_least": 0}).screened(STORE / name, SCREENED, workers)
    courses = courses_of(loaded, Results(STORE / name))
    return [pool_of(loaded, courses, copy) for copy in range(RATINGS)]


def resistant_patients(workers: int) -> Integers:
    """Numbers of the patients with R below 0.5 after 84 days of an SSRI with care, every dose taken."""
    taken = {"value": 0, "source": "every dose is taken"}
    changes: Numbers = {
        "arms": [{"name": "ssri", "treatment": "ssri-like"}],
        "visits": {"on_days": [84]},
        "adherence": dict.fromkeys(("never", "stopping_weekly", "missed_days"), taken),
        "entry": {"at_least": 0},
    }
    trial = Trial.load(RCT, **changes)
    trial.screened(STORE / "resistant", SCREENED, workers)
    return not_recovered(courses_of(trial.loaded, Results(STORE / "resistant"))[0])


def not_recovered(courses: Floats) -> Integers:
    """Numbers of the patients whose R is below 0.5 on the last day (courses: connectivity by patient, day).

    A patient who was not followed, because of a connectivity above the limit of illness, does not count.
    """
    stuck, last = courses[:, 0], courses[:, -1]
    return np.flatnonzero((last - stuck) / (1.0 - stuck) < 0.5)


def with_error(read: Read, pool: Pool) -> tuple[float, float]:
    """A number and its standard error: bootstrap over patients, each with all of its ratings."""
    rng = np.random.default_rng(1)
    patients, of = np.unique(pool.arms[0].patients, return_inverse=True)
    order = np.argsort(of, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(of))[:-1])
    found = [
        read(picked(pool, np.concatenate([rows[k] for k in rng.integers(0, len(patients), len(patients))])))
        for _ in range(BOOTSTRAPS)
    ]
    return read(pool), float(np.std(found, ddof=1))


def measured(readings: Mapping[str, Reading], workers: int) -> Numbers:
    """Value and error of each finding, by its id."""
    pools = {name: together(pools_of(name, workers)) for name in {one.trial for one in readings.values()}}
    asked = any(reading.resistant for reading in readings.values())
    hard = resistant_patients(workers) if asked else np.array([], dtype=np.int64)
    found: Numbers = {}
    for key, reading in readings.items():
        pool = pools[reading.trial]
        pool = picked(pool, np.isin(pool.arms[0].patients, hard)) if reading.resistant else pool
        found[key] = with_error(reading.value, pool)
    return found


def about_arm(pool: Pool, arm: str) -> Numbers:
    """What is known of such arms apart from the findings."""
    group = pool.arm(arm)
    fall = last_fall(group)
    return {
        "patients": len(np.unique(group.patients)),
        "screened": pool.screened,
        "baseline": float(group.points[:, 0].mean()),
        "baseline_sd": float(group.points[:, 0].std(ddof=1)),
        "change_sd": float(fall.std(ddof=1)),
        "left": float(1 - group.seen[:, -1].mean()),
    }


def equal_arms(pool: Pool, workers: int) -> Numbers:
    """Type I error: resampled trials from one pool, and complete trials of other patients each."""
    changes: Numbers = {"arms": EQUAL, "endpoint": {"analyses": ["mmrm", "locf", "completers"]}}
    arms = [replace(pool.arm("placebo"), name=arm["name"]) for arm in EQUAL]
    both = replace(pool, trial=Trial.load(C, **changes).loaded, arms=arms)
    resampled = {one.analysis: one.power for one in power_of(both, [100], RESAMPLED, two_sided=True)}
    found: dict[str, list[Estimate]] = {}
    for number in range(1, COMPLETE + 1):
        trial = Trial.load(C, **changes, trial=number, patients_per_arm=COMPLETE_SIZE)
        for contrast in trial.run(STORE / f"equal-{number}", workers=workers).contrasts:
            found.setdefault(contrast.analysis, []).append(contrast.estimate)
    t = {name: [one.difference / one.error for one in each] for name, each in found.items()}
    return {
        "resampled": resampled,
        "pool": pool.n,
        "complete": {name: [float(np.mean(each)), float(np.std(each, ddof=1))] for name, each in t.items()},
        "hits": {name: sum(one.p < 0.05 for one in each) for name, each in found.items()},
    }


def added_to_the_rating() -> Numbers:
    """C01 to C04 if care acts on the rating: the circuit is then that of the waiting list in both arms."""
    trial = Trial.load(C, context="care-added-to-the-rating").loaded
    courses = courses_of(trial, Results(STORE / C))
    courses[:] = courses[[arm.name for arm in trial.file.arms].index("waiting-list")]
    both = together([pool_of(trial, courses, copy) for copy in range(RATINGS)])
    return {key: with_error(READINGS[key].value, both) for key in ("C01", "C02", "C03", "C04")}


def measure_all(workers: int) -> Numbers:
    """Everything on the page but the held-out findings."""
    rows = measured(READINGS, workers)
    pools = pools_of(C, workers)
    arms = {
        "placebo": about_arm(together(pools), "placebo"),
        "open": about_arm(together(pools_of(OPEN, workers)), "ssri"),
    }
    power = [
        [one.patients_per_arm, one.power, one.error]
        for one in power_of(pools[0], [8, 10, 15, 20], 500)
        if one.analysis == "mmrm"
    ]
    numbers: Numbers = {"rows": rows, "additive": added_to_the_rating(), "arms": arms, "power": power}
    return numbers | {"equal": equal_arms(pools[0], workers)}


def page(numbers: Numbers) -> str:
    """The page, from its prose and the numbers."""
    with FINDINGS.open(encoding="utf-8", newline="") as file:
        findings = list(csv.DictReader(file))
    known = {**numbers["rows"], **numbers.get("held_out", {})}
    shown = [row for row in findings if row["id"] in known]
    equal, arms = numbers["equal"], numbers["arms"]
    heads = ("finding", "trial", "measure", "published range", "model", "result")
    rows = [_row(row, known) for row in shown]
    verdicts = [row[-1] for row in rows if row[0] in HELD_OUT]
    errors = [
        (name, f"{share:.3f}", "{:.2f} ({:.2f})".format(*equal["complete"][name]), str(equal["hits"][name]))
        for name, share in equal["resampled"].items()
    ]
    parts = {
        "findings": table(heads, rows),
        "held_out": f"{verdicts.count('reproduced')} of {len(verdicts)} are reproduced",
        "additive": table(("finding", "care in the circuit", "care added to the rating"), _additive(numbers)),
        "arms": table(_ARM_HEADS, [_arm(name, arm) for name, arm in arms.items()]),
        "error": table(_ERROR_HEADS, errors),
        "power": table(
            ("patients per arm", "power", "Monte Carlo error"),
            [(str(n), f"{p:.2f}", f"{e:.2f}") for n, p, e in numbers["power"]],
        ),
        "pool": str(equal["pool"]),
        "screened": str(arms["placebo"]["screened"]),
        "ratings": str(RATINGS),
    }
    return Template(PROSE.read_text(encoding="utf-8")).substitute(parts)


_ARM_HEADS = ("arm", "patients", "baseline (SD)", "SD of change", "left the trial")
_ERROR_HEADS = (
    "analysis",
    "1,000 resampled trials",
    "40 complete trials: mean t (SD)",
    "of these, with p < 0.05",
)


def _row(row: Mapping[str, str], known: Mapping[str, Any]) -> tuple[str, ...]:
    value, error = known[row["id"]]
    low, high = (float(row[end]) if row[end] else None for end in ("low", "high"))
    inside = (low is None or value >= low) and (high is None or value <= high)
    digits = 2 if abs(value) < 2 else 1
    band = f"{row['low']} to {row['high']}"
    told = f"{value:.{digits}f} (SE {error:.{digits}f})"
    verdict = "reproduced" if inside else "**miss**"
    verdict += "" if row["role"] == "test" else ", fitted"
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
        quick_runs.keep("trials", ("explanation/trials.md",), quick_runs.measure())
    else:
        make(2)
