"""A few fixed quick runs that together use every rule: do the generated pages belong to the present code?

`quick_runs.json` keeps the outcomes that these runs had when each page was made. Numbers are compared and not
sources, because a refactoring that changes no number leaves the pages right. To change the runs: check that
all pages are up to date (`python docs/make/all.py --list`), edit TREATMENTS or DAYS, and note the new numbers
with `python docs/make/all.py --accept`.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from unstuck_analysis.compare import compare

DOCS = Path(__file__).resolve().parents[1]
KEPT = Path(__file__).with_suffix(".json")
TREATMENTS = (
    "untreated",
    "ssri-like",
    "tianeptine-oral-both",
    "tianeptine-oral-downstream",
    "ketamine-infusion-like",
    "psilocybin-25mg",
    "ssri-with-tryptophan-depletion",
)
PATIENTS, NEURONS, SEED = 1, 100, 3
DAYS = (0.0, 7.0, 84.0)
TOLERANCE, NOTHING = 1e-6, 1e-9  # relative; and of numbers near 0. Processors differ by 1e-10

Numbers = dict[str, float]


def measure() -> Numbers:
    """Every number of the readings of the quick runs on a few days, by "treatment, patient, day, name"."""
    series = compare(TREATMENTS, patients=PATIENTS, neurons=NEURONS, seed=SEED).series
    readings = series[series.day.isin(DAYS)].set_index(["treatment", "patient", "day"])
    named = {
        f"{treatment}, patient {patient}, day {day:g}, {name}": float(f"{value:.12g}")
        for (treatment, patient, day), row in readings.select_dtypes("number").iterrows()  # pyright: ignore
        for name, value in row.items()
    }
    return {name: value for name, value in named.items() if np.isfinite(value)}


def differing(then: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """Names of the numbers that only one side has, or that differ by more than the tolerance."""
    both = then.keys() & now.keys()
    moved = {name for name in both if not np.isclose(then[name], now[name], rtol=TOLERANCE, atol=NOTHING)}
    return sorted((then.keys() ^ now.keys()) | moved)


def read_kept() -> dict[str, Any]:
    """What is kept of every page: its files by digest, and which set of outcomes it was made with."""
    return json.loads(KEPT.read_text(encoding="utf-8"))


def keep(page: str, made: tuple[str, ...], numbers: Numbers) -> None:
    """Note that a page was made with these outcomes; remove sets of outcomes that no page has any more."""
    kept = read_kept() if KEPT.exists() else {"pages": {}, "outcomes": {}}
    equal = [name for name, then in kept["outcomes"].items() if not differing(then, numbers)]
    name = equal[0] if equal else sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:12]
    kept["outcomes"].setdefault(name, numbers)
    kept["pages"][page] = {"outcomes": name, "files": {path: digest(path) for path in made}}
    used = {entry["outcomes"] for entry in kept["pages"].values()}
    kept["outcomes"] = {key: then for key, then in kept["outcomes"].items() if key in used}
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def digest(path: str) -> str:
    """Digest of a file of the docs."""
    return sha256((DOCS / path).read_bytes()).hexdigest()[:12]


def out_of_date(now: Numbers) -> dict[str, list[str]]:
    """Pages whose quick runs give other numbers today, with the names of those numbers."""
    kept = read_kept()
    found = {
        page: differing(kept["outcomes"][entry["outcomes"]], now) for page, entry in kept["pages"].items()
    }
    return {page: names for page, names in found.items() if names}


def edited() -> list[str]:
    """Generated files that are not as they were made."""
    return [
        path
        for entry in read_kept()["pages"].values()
        for path, then in entry["files"].items()
        if not (DOCS / path).exists() or digest(path) != then
    ]
