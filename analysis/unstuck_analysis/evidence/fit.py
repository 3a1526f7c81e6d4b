"""Fit the free parameters to the findings of role fit, and walk through the sets that fit as well.

    parameters (shares of their logarithmic ranges) -> stable in health? -> fit rows -> cost -> CMA-ES
    (Hansen 2016, arXiv:1604.00772), in the mean-field first, then in networks; then random walks, an ensemble

The cost is 0 where every row lies inside its band. Rows of role test are dropped as the fact sheet is read.
Costs are stored generation by generation, so that the same command goes on where it stopped.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.resources import files
from math import isfinite, isnan, log
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from unstuck.circuit import Floats, mean_field_circuit
from unstuck.engine.step import RunError
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.files.yaml import InputError, choose
from unstuck.parameters import Parameter, ParameterSet, default_parameters
from unstuck.patient.stability import KNOCKS, WITHIN, after_knock, distance_from_health

from unstuck_analysis.evidence.arms import Subject, plan_typical, run_subject
from unstuck_analysis.evidence.facts import Fact, read_facts, read_protocols
from unstuck_analysis.evidence.findings import Measured
from unstuck_analysis.evidence.runs import code_and_data
from unstuck_analysis.output.command import Seed, Workers
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.terminal import say
from unstuck_analysis.study.processes import available_cores, interrupts_held, spawned_pool

FREE_ORIGINS = ("fitted", "literature range, fitted inside it")
WORST_EXCESS = 5.0
UNSTABLE = 1e3  # least cost of a set whose healthy state is no attractor, or whose run breaks down
STARTS = ("middle", "shipped")
FOLDER = Path("results") / "calibration"  # always the same, so that a stopped calibration resumes
WALKERS, FIRST_STEP = 16, 0.02  # of the ensemble; step as a share of a parameter's range


@dataclass(frozen=True)
class Free:
    """A free parameter with its bounds; they are assumed where no range is stated."""

    symbol: str
    low: float
    high: float

    def value(self, share: float) -> float:
        """The value at a share (0 to 1) of the logarithmic range."""
        return float(self.low * (self.high / self.low) ** share)

    def share(self, value: float) -> float:
        """Where a value lies in the logarithmic range."""
        return log(value / self.low) / log(self.high / self.low)


def free_parameters(parameters: ParameterSet, only: Sequence[str] = ()) -> list[Free]:
    """The parameters that were fitted (or only some of them; ValueError for another), within their ranges.

    Where a parameter has no range it is half to double its value.
    """

    def bounds(record: Parameter) -> tuple[float, float]:
        return record.range or (record.value / 2, record.value * 2)

    fitted = [record for record in parameters.records.values() if record.origin in FREE_ORIGINS]
    for symbol in only:
        choose(symbol, [record.symbol for record in fitted], "free parameter")
    return [Free(r.symbol, *bounds(r)) for r in fitted if not only or r.symbol in only]


@dataclass(frozen=True)
class Task:
    """One parameter set to judge by the fit rows, over some typical subjects."""

    values: dict[str, float]
    facts: tuple[Fact, ...]
    subjects: tuple[Subject, ...]


def cost_of(task: Task) -> float:
    """Sum of squared excesses of all parts of the fit rows (their medians over the subjects)."""
    parameters = default_parameters().with_values(**task.values)
    circuit, _ = read("circuits", "default", CircuitFile)
    plan = plan_typical(task.facts)
    try:
        left = distance_left(circuit, parameters)
        if not left < WITHIN:
            return UNSTABLE + left
        runs = [run_subject(subject, plan, parameters) for subject in task.subjects]
    except (RunError, ValueError):
        return 2 * UNSTABLE
    numbers = [
        {key: number for record in records.values() for key, number in record.numbers.items()}
        for records in runs
    ]
    return cost(task.facts, {key: float(np.median([n[key] for n in numbers])) for key in numbers[0]})


def distance_left(file: CircuitFile, parameters: ParameterSet, days: float = 150.0) -> float:
    """How far from health the mean-field still is some days after small knocks up and down."""
    circuit = mean_field_circuit(file, parameters)
    return max(distance_from_health(circuit, after_knock(circuit, knock, days)) for knock in KNOCKS)


def cost(facts: Sequence[Fact], numbers: dict[str, float]) -> float:
    """Cost of measured numbers ("F06.1" -> number); 0 if every part lies inside its band."""
    total = 0.0
    for fact in facts:
        for position, part in enumerate(fact.parts):
            value = numbers[f"{fact.id}.{position}"]
            margin = Measured("", value, (value, value), *fact.band(part)).margin
            excess = WORST_EXCESS if isnan(value) or not isfinite(margin) else -margin
            total += min(max(0.0, excess), WORST_EXCESS) ** 2
    return total


@dataclass(frozen=True)
class Calibration:
    """What a calibration is asked to do."""

    folder: Path
    facts: Sequence[Fact]
    seed: int
    evaluations: int  # most evaluations in the mean-field
    network_evaluations: int
    networks: int
    ensemble_steps: int
    start: str = "middle"  # of every range, or shipped
    only: Sequence[str] = ()  # symbols to fit; all that were ever fitted if none is named
    neurons: int = 500
    workers: int = 1

    @property
    def specification(self) -> dict[str, Any]:
        """What must be the same for a calibration to be resumed, with all that its costs depend on."""
        free = free_parameters(default_parameters(), self.only)
        rows = [[fact.id, fact.low, fact.high] for fact in self.facts]
        return {
            "seed": self.seed,
            "start": choose(self.start, STARTS, "start"),
            "rows": rows,
            "free": [[each.symbol, each.low, each.high] for each in free],
            "parameters_code_and_protocols": _digest(),
            "networks": self.networks,
            "neurons": self.neurons,
        }


def _digest() -> str:
    """Hash of the shipped parameters, the model's code, and how the rows are measured."""
    protocols = read_protocols().model_dump_json()
    return hashlib.sha256((code_and_data() + protocols).encode()).hexdigest()[:24]


@dataclass(frozen=True)
class Fit:
    """The best set found, and sets found to fit as well."""

    values: dict[str, float]
    cost: float
    evaluations: int
    ensemble: list[dict[str, float]]


class _Judge:
    """Costs of generations of points; each generation is computed once and then read from its file."""

    def __init__(
        self, calibration: Calibration, free: Sequence[Free], pool: ProcessPoolExecutor | None
    ) -> None:
        self._calibration, self._free, self._pool = calibration, free, pool
        self.evaluations = 0

    def values(self, point: Floats) -> dict[str, float]:
        """The parameter values of a point (shares of the ranges)."""
        return {free.symbol: free.value(share) for free, share in zip(self._free, point, strict=True)}

    def costs(self, stage: str, generation: int, points: Sequence[Floats], networks: int) -> list[float]:
        """Costs of a generation's points, in the mean-field (networks = 0) or in networks."""
        self.evaluations += len(points)
        path = self._calibration.folder / "generations" / f"{stage}-{generation:05d}.json"
        if path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            if len(stored) == len(points):
                return stored
        tasks = [self._task(point, networks) for point in points]
        if self._pool:
            with interrupts_held():
                futures = [self._pool.submit(cost_of, task) for task in tasks]
            found = [future.result() for future in futures]
        else:
            found = [cost_of(task) for task in tasks]
        path.parent.mkdir(exist_ok=True)
        write_whole(path, json.dumps(found).encode())
        return found

    def _task(self, point: Floats, networks: int) -> Task:
        neurons, seed = (self._calibration.neurons if networks else 0), self._calibration.seed
        subjects = tuple(Subject(seed, index, neurons, varied=False) for index in range(max(networks, 1)))
        return Task(self.values(point), tuple(self._calibration.facts), subjects)


Told = Callable[[str, int, float], None]  # stage, evaluations so far, best cost


def calibrate(calibration: Calibration, told: Told = lambda stage, done, best: None) -> Fit:
    """Fit, mean-field first, then network; then the ensemble. Goes on where an earlier call stopped."""
    _check_specification(calibration)
    parameters = default_parameters()
    free = free_parameters(parameters, calibration.only)
    shipped = np.array([each.share(parameters[each.symbol]) for each in free]).clip(0.001, 0.999)
    point = shipped if calibration.start == "shipped" else np.full(len(free), 0.5)
    with _pool(calibration.workers) as pool:
        judge = _Judge(calibration, free, pool)
        point, best = _search(judge, "mean-field", point, 0.2, calibration.evaluations, 0, calibration, told)
        if calibration.network_evaluations:
            budget, networks = calibration.network_evaluations, calibration.networks
            point, best = _search(judge, "network", point, 0.03, budget, networks, calibration, told)
        walkers = _walk(judge, point, calibration, told) if best == 0.0 and calibration.ensemble_steps else []
        ensemble = [judge.values(walker) for walker in walkers]
        fit = Fit(judge.values(point), best, judge.evaluations, ensemble)
    write_whole(calibration.folder / "parameters.json", _parameter_file(fit, calibration).encode())
    if ensemble:
        write_whole(calibration.folder / "ensemble.json", json.dumps(ensemble, indent=1).encode())
    return fit


def run(calibration: Calibration) -> None:
    """Calibrate, and say what was found."""
    fit = calibrate(calibration, lambda stage, done, best: say(f"{stage}: {done} evaluations, {best:.4g}"))
    say(f"Cost {fit.cost:.4g} after {fit.evaluations} evaluations (0: every fit row is in its band)")
    if fit.ensemble:
        say(f"{len(fit.ensemble)} sets that fit as well are in {calibration.folder / 'ensemble.json'}")
    say(f"Written to {calibration.folder}: parameters.json")


def _search(
    judge: _Judge,
    stage: str,
    start: Floats,
    sigma: float,
    budget: int,
    networks: int,
    calibration: Calibration,
    told: Told,
) -> tuple[Floats, float]:
    """CMA-ES within the ranges until the cost is 0 or the budget is spent; the best point and its cost."""
    import cma

    rng = np.random.default_rng(np.random.SeedSequence([calibration.seed, networks]))
    best_point, best = start, judge.costs(stage, 0, [start], networks)[0]
    options = {
        "bounds": [0.0, 1.0],
        "seed": float("nan"),  # leave numpy's global stream alone
        "randn": lambda *shape: rng.standard_normal(shape),
        "verbose": -9,
    }
    strategy = cma.CMAEvolutionStrategy(start, sigma, options)
    generation = 0
    while best > 0.0 and (generation + 1) * strategy.popsize <= budget:
        generation += 1
        points = strategy.ask()
        costs = judge.costs(stage, generation, points, networks)
        strategy.tell(points, costs)
        if min(costs) < best:
            best_point, best = np.array(points[int(np.argmin(costs))]), min(costs)
        told(stage, generation * strategy.popsize, best)
    return best_point, best


def _walk(judge: _Judge, start: Floats, calibration: Calibration, told: Told) -> list[Floats]:
    """Random walks among the points of cost 0 (Metropolis in a region); where each walker ends.

    The step adapts to a third of accepted moves. The walks are short, so that the spread of their ends is a
    lower bound on how far the region reaches.
    """
    rng = np.random.default_rng(np.random.SeedSequence([calibration.seed, WALKERS]))
    walkers, step = [start.copy() for _ in range(WALKERS)], FIRST_STEP
    for generation in range(1, calibration.ensemble_steps + 1):
        tried = [_reflected(walker + step * rng.standard_normal(len(start))) for walker in walkers]
        costs = judge.costs("ensemble", generation, tried, 0)
        accepted = [each == 0.0 for each in costs]
        walkers = [new if ok else old for new, old, ok in zip(tried, walkers, accepted, strict=True)]
        step *= 1.15 if sum(accepted) > WALKERS / 3 else 0.87
        told("ensemble", generation * WALKERS, step)
    return walkers


def _reflected(point: Floats) -> Floats:
    """A point that left the ranges a little, mirrored back at their ends."""
    return 1.0 - np.abs(1.0 - np.abs(point))


def _check_specification(calibration: Calibration) -> None:
    """Refuse a folder that holds another calibration."""
    path = calibration.folder / "specification.json"
    wanted = json.dumps(calibration.specification, indent=1)
    if path.exists() and path.read_text(encoding="utf-8") != wanted:
        raise InputError(f"{path}: this folder holds another calibration; give another one with --out")
    calibration.folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, wanted.encode())


def _parameter_file(fit: Fit, calibration: Calibration) -> str:
    """The shipped parameter file with the fitted values, their ranges, and where they come from."""
    from unstuck_analysis.output.provenance import git_state

    content = json.loads((files("unstuck") / "defaults.json").read_text(encoding="utf-8"))
    free = free_parameters(default_parameters(), calibration.only)
    bounds = {each.symbol: [each.low, each.high] for each in free}
    for entry in [*content["parameters"], *content["drug_strengths"]]:
        if entry["symbol"] in fit.values:
            entry["value"] = float(f"{fit.values[entry['symbol']]:.6g}")
            if not entry.get("range"):
                entry |= {"range": bounds[entry["symbol"]], "range_origin": "assumed"}
    rows = json.dumps(calibration.specification["rows"])
    content["provenance"] = {
        "method": "CMA-ES on the findings of role fit; healthy state an attractor",
        "cost": fit.cost,
        "evaluations": fit.evaluations,
        "rows": [fact.id for fact in calibration.facts],
        "rows_sha256": hashlib.sha256(rows.encode()).hexdigest(),
        "start": calibration.start,
        "fitted": [each.symbol for each in free],
        "seed": calibration.seed,
        "networks": calibration.networks if calibration.network_evaluations else 0,
        "code": git_state(),
    }
    return json.dumps(content, indent=1)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor | None]:
    with spawned_pool(workers) if workers > 1 else nullcontext() as pool:
        yield pool


def fit_rows(path: Path | None = None) -> list[Fact]:
    """The findings that may shape parameters: rows of role fit of typical patients, and no other."""
    return [fact for fact in read_facts(path, roles=("fit",)) if not fact.of_cohort]


def main(
    evaluations: Annotated[int, typer.Option(min=1, help="Most evaluations in the mean-field.")] = 4000,
    network_evaluations: Annotated[int, typer.Option(min=0, help="Most evaluations in networks.")] = 200,
    networks: Annotated[int, typer.Option(min=1, help="Networks per evaluation.")] = 4,
    ensemble_steps: Annotated[int, typer.Option(min=0, help="Steps of 16 walks among equal fits.")] = 100,
    start: Annotated[
        str, typer.Option(help="Where to begin: middle (of every range) or shipped.")
    ] = "middle",
    free: Annotated[
        list[str] | None, typer.Option(help="Symbol to fit, again for more; all fitted ones if not given.")
    ] = None,
    seed: Seed = 1,
    workers: Workers = None,
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = FOLDER,
    facts: Annotated[Path | None, typer.Option(help="Another fact sheet than the shipped one.")] = None,
) -> None:
    """Fit the free parameters to the fitted findings (never the held-out ones)."""
    asked = Calibration(
        out,
        fit_rows(facts),
        seed,
        evaluations,
        network_evaluations,
        networks,
        ensemble_steps,
        start=start,
        only=free or (),
        workers=workers or available_cores(),
    )
    run(asked)


if __name__ == "__main__":
    typer.run(main)
