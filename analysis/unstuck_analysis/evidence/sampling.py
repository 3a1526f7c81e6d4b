"""Draw parameter sets that reproduce every fitted finding: a command for developers that takes hours.

    python -m unstuck_analysis.evidence.sampling --chain 4 --minutes 60    # look for sets
    python -m unstuck_analysis.evidence.sampling --complete 3 --patients 1000   # check three sets

Prior: the fitted parameters are independent, each uniform (shares) or log-uniform (all others) between the
ends of its range in scenarios/parameters.csv. Target: the prior within the sets that reproduce every fitted
finding (approximate Bayesian computation; the published ranges are the accepted region). Findings on cohorts
are read in the first 250 patients of seed 1, the same patients for every set.

Sampler: hit-and-run in rounds of two chains, which can run at the same time. Round 0 (chains 0 and 1) walks
among the sets that reproduce the findings on the typical patient, and measures most findings on cohorts in 40
patients. Later rounds walk among those of these sets that a regression predicts to reproduce these findings,
too; it learns from the sets of all earlier rounds and of the chain itself. After `STEPS` steps the set is
measured in 250 patients, and the next steps begin at the last accepted set. Accepted sets have the target as
their distribution, but for sets that the regression excludes by mistake.

Every measured set is appended to ensemble.csv at once. The random numbers of an iteration depend on chain and
iteration only, so the same command continues a stopped chain exactly. Every chain begins at the shipped set.
Chains from 100 on have sets that were tested while the sampler was tuned; the regression learns from them.

Sources: Smith 1984, 10.1287/opre.32.6.1296 (hit-and-run); Neal 2003, 10.1214/aos/1056562461 (shrinkage);
Braak 2006, 10.1007/s11222-006-8769-1 (differences of sets as directions); Vernon et al. 2010,
10.1214/10-BA524 (regression before simulation).
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic

import numpy as np
from unstuck.engine.settle import RunError
from unstuck.parameters import default_parameters

from unstuck_analysis.evidence.courses import Floats
from unstuck_analysis.evidence.ensemble import (
    PATIENTS,
    READINGS,
    SETS,
    Ensemble,
    Outcome,
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
from unstuck_analysis.evidence.measure import Evidence, Plan, measure, unwatched
from unstuck_analysis.evidence.regression import Regression, fit
from unstuck_analysis.output.provenance import model_version

SEED, STEPS = 1, 40
CHAINS, TUNING = 2, 100  # chains per round; first chain of the sets that were tested during tuning
FEW = 40  # patients of round 0
SHIPPED = -1  # chain of the shipped set in the readings
ALONG_AXIS = 0.4  # share of steps that change one parameter only
# Findings on the typical patient that a set fails most often for the time they take, group by group.
FIRST = (("F18", "F19", "F20", "F21"), ("F35",), ("F05", "F06", "F07", "F08"), ("F26", "F27"), ("F17",))
LONG = ("F16", "F31", "F32", "T12")  # findings on cohorts that take longest and are rarely failed
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
    """Which sets the steps may visit; counts the sets that were simulated and those that failed.

    regression: predicts the findings on cohorts; None: the typical patient decides alone.
    """

    def __init__(self, regression: Regression | None) -> None:
        typical = {f.id: f for f in read_facts() if f.group == "fitted" and f.id not in OF_COHORT}
        first = [id for group in FIRST for id in group]
        rest = [fact for id, fact in typical.items() if id not in first]
        self.groups = [*([typical[id] for id in group] for group in FIRST), rest]
        self.regression, self.tried, self.failed = regression, 0, 0

    def passes(self, place: Floats) -> bool:
        """Whether a set reproduces the findings on the typical patient and probably the others, too."""
        if self.regression is not None and not self.regression.likely(place):
            return False
        self.tried += 1
        plan = plan_of(values_at(place), PATIENTS)
        try:
            return not any(outside(measure(facts, plan, unwatched)) for facts in self.groups)
        except FAULTS:
            self.failed += 1
            return False


def on_cohorts(ids: Callable[[str], bool]) -> list[Fact]:
    """The fitted findings on cohorts whose ids are asked for."""
    return [f for f in read_facts() if f.group == "fitted" and f.id in OF_COHORT and ids(f.id)]


def outside(evidence: Evidence) -> str:
    """Parts outside their ranges, with their values."""
    parts = (part for finding in evidence.findings for part in finding.parts if not part.inside)
    return "; ".join(f"{f'{part.id} {part.name}'.strip()} {part.value:.3g}" for part in parts)


def plan_of(values: Values, patients: int, folder: Path | None = None, workers: int = 1) -> Plan:
    """How findings are read under a set of parameters. folder: keeps what was simulated."""
    return Plan(patients, 0, SEED, workers, folder, values=tuple(values.items()), samples=1)


def quick_findings(plan: Plan) -> Evidence:
    """The fitted findings on cohorts that do not take long."""
    return measure(on_cohorts(lambda id: id not in LONG), plan, unwatched)


def verdict(values: Values) -> tuple[Outcome, str, Evidence | None]:
    """Test a set in cohorts: outcome, reason, and its readings (all findings if the set is accepted)."""
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_of(values, PATIENTS, Path(folder))
        try:
            evidence = quick_findings(plan)
            if reason := outside(evidence):
                return "rejected", reason, evidence
            if reason := outside(measure(on_cohorts(lambda id: id in LONG), plan, unwatched)):
                return "rejected", reason, evidence
            return "accepted", "", measure(read_facts(), plan, unwatched)
        except FAULTS as fault:
            return "failed", str(fault), None


def run_chain(chain: int, minutes: float, sets: Path, readings: Path) -> None:
    """Continue a chain for some minutes; an iteration that has begun is finished."""
    end_s = monotonic() + 60.0 * minutes
    measure_shipped(readings)
    first = chain - chain % CHAINS  # of the round
    while monotonic() < end_s:
        tried = read_tried(sets)
        own = [each for each in tried if each.chain == chain]
        earlier = [each for each in tried if each.chain < first or each.chain >= TUNING]
        screen = Screen(regression_on([*earlier, *own], readings) if chain >= CHAINS else None)
        found, evidence = iterate(chain, own, screen, [place_of(each.values) for each in earlier])
        if evidence is not None:
            append_readings(readings, (chain, found.iteration, found.patients), evidence)
        append_tried(sets, [found])
        print(chain, found.iteration, found.outcome, found.reason, flush=True)


def iterate(
    chain: int, own: Sequence[Tried], screen: Screen, archive: Sequence[Floats]
) -> tuple[Tried, Evidence | None]:
    """The next set of a chain, and its readings.

    own: the sets of the chain so far; archive: the places of the sets of earlier rounds.
    """
    good = [each for each in own if each.outcome in ("training", "accepted")]
    place = place_of(good[-1].values if good else default_parameters())
    rng = np.random.default_rng(np.random.SeedSequence([SEED, chain, len(own)]))
    if chain < CHAINS:
        place = step(place, [place_of(each.values) for each in own], screen.passes, rng)
        outcome, reason, evidence, patients = (
            "training",
            "",
            quick_findings(plan_of(values_at(place), FEW)),
            FEW,
        )
    else:
        for _ in range(STEPS):
            place = step(place, archive, screen.passes, rng)
        (outcome, reason, evidence), patients = verdict(values_at(place)), PATIENTS
    counts = patients, screen.tried, screen.failed
    return Tried(chain, len(own), outcome, reason, *counts, model_version(), values_at(place)), evidence


def regression_on(sets: Sequence[Tried], path: Path) -> Regression:
    """The regression of the readings of earlier sets, and of the shipped set, on their parameters."""
    readings = read_readings(path)
    places = {(each.chain, each.iteration, each.patients): place_of(each.values) for each in sets}
    places |= {(SHIPPED, 0, patients): place_of(default_parameters()) for patients in (FEW, PATIENTS)}
    quick = {fact.id: fact for fact in on_cohorts(lambda id: id not in LONG)}
    parts = [name for name in readings[SHIPPED, 0, FEW] if name[0] in quick]
    ranges = {(id, part): quick[id].range_of(part) for id, part in parts}
    keys = [key for key in places if key in readings]
    values = [[readings[key][name] for name in ranges] for key in keys]
    more = np.array([float(patients > FEW) for _, _, patients in keys])
    return fit(np.array([places[key] for key in keys]), np.array(values), more, list(ranges.values()))


def measure_shipped(path: Path) -> None:
    """Measure the shipped set in few and in all patients, if its readings are not in the file yet."""
    known = read_readings(path)
    for patients in (FEW, PATIENTS):
        if (SHIPPED, 0, patients) not in known:
            append_readings(path, (SHIPPED, 0, patients), quick_findings(plan_of({}, patients)))


def complete(number: int, patients: int, workers: int, sets: Path, readings: Path) -> None:
    """Measure what has no reading in so many patients yet, in the first accepted sets."""
    ensemble = Ensemble(read_tried(sets), read_readings(readings))
    for each in ensemble.accepted[:number]:
        key = each.chain, each.iteration, patients
        known = {id for id, _ in ensemble.readings.get(key, {})}
        missing = [fact for fact in read_facts() if fact.id not in known]
        if missing:
            plan = plan_of(each.values, patients, workers=workers)
            append_readings(readings, key, measure(missing, plan, unwatched))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--chain", type=int, default=0, help="which chain is continued")
    parser.add_argument("--minutes", type=float, default=0.0, help="for how long")
    parser.add_argument("--complete", type=int, default=0, help="how many accepted sets are completed")
    parser.add_argument("--patients", type=int, default=PATIENTS, help="in how many patients")
    parser.add_argument("--workers", type=int, default=1, help="processes that complete sets")
    asked = parser.parse_args()
    files = shipped_file(SETS), shipped_file(READINGS)
    if asked.minutes:
        run_chain(asked.chain, asked.minutes, *files)
    complete(asked.complete, asked.patients, asked.workers, *files)


if __name__ == "__main__":
    main()
