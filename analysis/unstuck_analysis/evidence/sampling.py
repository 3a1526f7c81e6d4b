"""Draw parameter sets that reproduce every fitted finding: a command for developers that takes hours.

    python -m unstuck_analysis.evidence.sampling --chain 0 --minutes 60    # look for sets
    python -m unstuck_analysis.evidence.sampling --check 3                 # three sets in 1,000 patients

Prior: the fitted parameters are independent, each uniform (shares) or log-uniform (all others) between the
ends of its range in scenarios/parameters.csv. Target: the prior within the sets that reproduce every fitted
finding (approximate Bayesian computation; the published ranges are the accepted region). Findings on cohorts
are read in the first 250 patients of seed 1, the same patients for every set.

Sampler: hit-and-run among the sets that reproduce the findings on the typical patient and are not hopeless in
ten patients. After every `STEPS` steps the set is tested in more patients. Sets that pass have the target as
their distribution. A set is hopeless if a finding is outside its range, and by more than its standard error
over the patients so far. The shipped set, in these patients and in all 250, corrects for their choice.

Every tried set is appended to ensemble.csv at once. The random numbers of an iteration depend on chain and
iteration only, so the same command continues a stopped chain exactly. The first `DIRECTIONS` sets are single
steps that are not tested in patients; later steps of all chains follow differences of these sets. Then chains
are independent, and each begins at the shipped set: start one process for each. Chain 100 has the sets that
were tried, and rejected, while the sampler was tuned.

Sources: Smith 1984, 10.1287/opre.32.6.1296 (hit-and-run); Neal 2003, 10.1214/aos/1056562461 (shrinkage);
Braak 2006, 10.1007/s11222-006-8769-1 (differences of sets as directions).
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from time import monotonic

import numpy as np
from unstuck.engine.settle import RunError
from unstuck.parameters import default_parameters

from unstuck_analysis.evidence.courses import Floats
from unstuck_analysis.evidence.ensemble import (
    CHECKED,
    PATIENTS,
    READINGS,
    SETS,
    Ensemble,
    Outcome,
    Readings,
    Tried,
    append_readings,
    append_tried,
    chord,
    place_of,
    read_readings,
    read_tried,
    values_at,
)
from unstuck_analysis.evidence.facts import Fact, read_facts, shipped_file
from unstuck_analysis.evidence.findings import OF_COHORT
from unstuck_analysis.evidence.measure import Evidence, Part, Plan, measure, unwatched
from unstuck_analysis.output.provenance import model_version

SEED, STEPS, DIRECTIONS = 1, 3, 400
SHIPPED = -1  # chain of the shipped set in the readings
ALONG_AXIS = 0.4  # share of steps that change one parameter only
# Findings on the typical patient that a set fails most often for the time they take, group by group.
FIRST = (("F18", "F19", "F20", "F21"), ("F35",), ("F05", "F06", "F07", "F08"), ("F26", "F27"), ("F17",))
QUICK = ("T05", "T06", "F36")  # findings on cohorts that a set fails most often for the time they take
LONG = ("F16", "F31", "F32", "T07", "T12")  # findings whose courses take longest
SAMPLES = 50  # bootstrap samples behind a standard error
EARLY = (10, 40, 100)  # patients after which hopeless sets are rejected
FAULTS = (RunError, ValueError, ArithmeticError)
Values = Mapping[str, float]


def step(
    place: Floats, archive: Sequence[Floats], inside: Callable[[Floats], bool], rng: np.random.Generator
) -> Floats:
    """One step of hit-and-run: a place that is inside, on a random line through `place`.

    The line follows one parameter, or the difference of two places of the archive. Places outside shorten it.
    """
    if len(archive) <= len(place) or rng.random() < ALONG_AXIS:
        direction = np.eye(len(place))[rng.integers(len(place))]
    else:
        one, other = rng.choice(len(archive), 2, replace=False)
        direction = archive[one] - archive[other]
    low, high = chord(place, direction)
    while high - low > 1e-9:
        far = rng.uniform(low, high)
        proposed = np.clip(place + far * direction, 0.0, 1.0)
        if inside(proposed):
            return proposed
        low, high = (far, high) if far < 0.0 else (low, far)
    return place


class Screen:
    """Which sets the steps may visit; counts the sets that were tried and those that failed.

    shipped: readings of the shipped set by number of patients; None: the typical patient decides alone.
    """

    def __init__(self, shipped: Mapping[int, Readings] | None) -> None:
        typical = {f.id: f for f in read_facts() if f.group == "fitted" and f.id not in OF_COHORT}
        first = [id for group in FIRST for id in group]
        rest = [fact for id, fact in typical.items() if id not in first]
        self.groups = [*([typical[id] for id in group] for group in FIRST), rest]
        self.shipped, self.tried, self.failed = shipped, 0, 0

    def passes(self, place: Floats) -> bool:
        """Whether a set reproduces the findings on the typical patient and is not hopeless in patients."""
        self.tried += 1
        values = values_at(place)
        plan = Plan(seed=SEED, values=tuple(values.items()))
        try:
            if any(outside(measure(facts, plan, unwatched)) for facts in self.groups):
                return False
            if self.shipped is None:
                return True
            quick, rest = (fact for fact in _fitted() if fact.id in QUICK), _fitted((*QUICK, *LONG))
            return not any(faults(values, self.shipped, EARLY[0], facts) for facts in (list(quick), rest))
        except FAULTS:
            self.failed += 1
            return False


def _fitted(left_out: Sequence[str] = ()) -> list[Fact]:
    """The fitted findings on cohorts, without some."""
    fitted = [fact for fact in read_facts() if fact.group == "fitted" and fact.id in OF_COHORT]
    return [fact for fact in fitted if fact.id not in left_out]


def faults(
    values: Values,
    shipped: Mapping[int, Readings],
    patients: int,
    facts: Sequence[Fact],
    folder: Path | None = None,
) -> str:
    """What is hopeless in so many patients, or outside its range in all of them."""
    plan = Plan(patients, 0, SEED, 1, folder, values=tuple(values.items()), samples=SAMPLES)
    evidence = measure(facts, plan, unwatched)
    return (
        outside(evidence, shipped[patients], shipped[PATIENTS]) if patients < PATIENTS else outside(evidence)
    )


def outside(evidence: Evidence, shipped: Readings | None = None, final: Readings | None = None) -> str:
    """Parts outside their ranges, with their values; with readings of the shipped set only hopeless ones.

    shipped, final: readings of the shipped set in these patients and in all of them.
    """
    found: list[str] = []
    for part in (part for finding in evidence.findings for part in finding.parts):
        name = part.id, part.name
        if hopeless(part, final[name] - shipped[name]) if shipped and final else not part.inside:
            found.append(f"{' '.join(name).strip()} {part.value:.3g}")
    return "; ".join(found)


def hopeless(part: Part, correction: float) -> bool:
    """Whether a value is outside its range, and by more than its standard error after a correction."""
    value, error = part.value + correction, (part.interval[1] - part.interval[0]) / 4.0
    if part.inside or not isfinite(value) or not isfinite(error):
        return False
    low, high = part.range
    return not low - error <= value <= high + error


def verdict(values: Values, shipped: Mapping[int, Readings]) -> tuple[Outcome, str, int, Evidence | None]:
    """Test a set in cohorts: outcome, reason, number of patients, and all readings of an accepted set.

    shipped: readings of the shipped set by number of patients.
    """
    patients = 0
    stages = [(EARLY[1], _fitted(LONG)), *((number, _fitted()) for number in (*EARLY[1:], PATIENTS))]
    with tempfile.TemporaryDirectory() as folder:
        try:
            for patients, facts in stages:
                if reason := faults(values, shipped, patients, facts, Path(folder)):
                    return "rejected", reason, patients, None
            plan = Plan(PATIENTS, 0, SEED, 1, Path(folder), values=tuple(values.items()))
            return "accepted", "", PATIENTS, measure(read_facts(), plan, unwatched)
        except FAULTS as fault:
            return "failed", str(fault), patients, None


def run_chain(chain: int, minutes: float, sets: Path, readings: Path) -> None:
    """Continue a chain for some minutes; an iteration that has begun is finished."""
    end_s = monotonic() + 60.0 * minutes
    while monotonic() < end_s:
        tried = read_tried(sets)
        exploring = sum(each.outcome == "direction" for each in tried) < DIRECTIONS
        found, evidence = iterate(chain, tried, None if exploring else shipped_readings(readings))
        if evidence is not None:
            append_readings(readings, (chain, found.iteration, PATIENTS), evidence)
        append_tried(sets, [found])
        print(chain, found.iteration, found.outcome, found.reason, flush=True)


def iterate(
    chain: int, tried: Sequence[Tried], shipped: Mapping[int, Readings] | None
) -> tuple[Tried, Evidence | None]:
    """The next set of a chain, and all its readings if it is accepted.

    tried: the sets so far; shipped: as for `Screen`.
    """
    own = [each for each in tried if each.chain == chain]
    directions = [each for each in tried if each.outcome == "direction"]
    visited = [each for each in own if shipped is None or each.patients > EARLY[0]]
    place = place_of(visited[-1].values if visited else default_parameters())
    archive = [place_of(each.values) for each in directions]
    screen, rng = Screen(shipped), np.random.default_rng(np.random.SeedSequence([SEED, chain, len(own)]))
    for _ in range(STEPS if shipped else 1):
        place = step(place, archive, screen.passes, rng)
    values = values_at(place)
    outcome, reason, patients, evidence = verdict(values, shipped) if shipped else ("direction", "", 0, None)
    counts = patients, screen.tried, screen.failed
    return Tried(chain, len(own), outcome, reason, *counts, model_version(), values), evidence


def shipped_readings(path: Path) -> dict[int, Readings]:
    """Readings of the shipped set by number of patients; what is not in the file yet is measured."""
    known = read_readings(path)
    with tempfile.TemporaryDirectory() as folder:
        for patients in (*EARLY, PATIENTS):
            key, plan = (SHIPPED, 0, patients), Plan(patients, seed=SEED, folder=Path(folder))
            if key not in known:
                append_readings(path, key, measure(read_facts(), plan, unwatched))
    known = read_readings(path)
    return {patients: known[SHIPPED, 0, patients] for patients in (*EARLY, PATIENTS)}


def check(number: int, workers: int, sets: Path, readings: Path) -> None:
    """Measure every finding in 1,000 patients for so many more of the accepted sets, the first ones first."""
    ensemble = Ensemble(read_tried(sets), read_readings(readings))
    keys = {(each.chain, each.iteration, CHECKED): each for each in ensemble.accepted}
    for key, each in [item for item in keys.items() if item[0] not in ensemble.readings][:number]:
        plan = Plan(CHECKED, 0, SEED, workers, values=tuple(each.values.items()))
        append_readings(readings, key, measure(read_facts(), plan, unwatched))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chain", type=int, default=0, help="which chain is continued")
    parser.add_argument("--minutes", type=float, default=0.0, help="for how long")
    parser.add_argument("--check", type=int, default=0, help=f"accepted sets to check in {CHECKED} patients")
    parser.add_argument("--workers", type=int, default=1, help="processes of the check")
    asked = parser.parse_args()
    files = shipped_file(SETS), shipped_file(READINGS)
    run_chain(asked.chain, asked.minutes, *files)
    check(asked.check, asked.workers, *files)


if __name__ == "__main__":
    main()
