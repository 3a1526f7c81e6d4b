"""Which parameters decide: Morris screening, then Sobol indices, on the typical patient in the mean-field.

Each named parameter is multiplied by a factor, lognormal as patients differ (scenarios/cohort.yaml) and cut
at two standard deviations. Outcomes are connectivities, which every draw has: `stuck` before day 0,
`endpoint` on the endpoint day, `later` 84 d after it. What heterogeneous networks of one and the same
patient differ by is measured, too, as the noise that no parameter explains. Sources: Morris 1991
(10.1080/00401706.1991.10484804); Saltelli 2010 (10.1016/j.cpc.2009.09.018); SALib, Herman & Usher 2017
(10.21105/joss.00097).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import repeat
from math import inf, nan, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from unstuck.circuit import mean_field_circuit, network_circuit
from unstuck.engine.readouts import connectivity
from unstuck.engine.step import RunError
from unstuck.files.cohort import ParameterDraw
from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.files.yaml import InputError
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import Patient, Traits, read_cohort
from unstuck.patient.life import Life
from unstuck.state import Floats

from unstuck_analysis.outcomes import NOT_STUCK_ABOVE
from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.style import INK, PALETTE, styled
from unstuck_analysis.output.table import Table
from unstuck_analysis.output.terminal import records
from unstuck_analysis.study.processes import spawned_pool

OUTCOMES = ("stuck", "endpoint", "later")
LATER_DAYS = 84.0
CUT = 2.0  # factors are cut at this many standard deviations
NOISE_NETWORKS, NOISE_NEURONS = 8, 300
FEWEST_STUCK = 8  # draws that got stuck, below which their recovery is not shown
CHUNK = 64  # runs handed to a process at a time


@dataclass(frozen=True)
class Question:
    """What is asked: parameters with the standard deviation of their log factor, under which treatment."""

    parameters: dict[str, float]
    treatment: str

    def problem(self) -> dict[str, Any]:
        """The question as SALib puts it: truncated normal log factors."""
        bounds = [[-CUT * sd, CUT * sd, 0.0, sd] for sd in self.parameters.values()]
        names = list(self.parameters)
        return {"num_vars": len(names), "names": names, "bounds": bounds, "dists": ["truncnorm"] * len(names)}


def cohort_question(treatment: str, names: Sequence[str] | None = None) -> Question:
    """The parameters in which patients differ, or those asked for (ValueError for one that is not drawn)."""
    draws = read_cohort(cohort_path()).draws
    spreads = {draw.symbol: draw.sigma for draw in draws if isinstance(draw, ParameterDraw) and draw.cv > 0}
    unknown = [name for name in names or [] if name not in spreads]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: not varied between patients (varied: {', '.join(spreads)})")
    return Question({name: spreads[name] for name in names or spreads}, treatment)


@cache
def _highest() -> dict[str, float]:
    """The value at which the cohort file limits a drawn parameter."""
    draws = read_cohort(cohort_path()).draws
    return {draw.symbol: draw.at_most for draw in draws if isinstance(draw, ParameterDraw) and draw.at_most}


@cache
def _treatment(name: str) -> Treatment:
    return Treatment(name)


def outcomes_at(
    treatment: str, values: dict[str, float], network: int | None = None
) -> tuple[float, float, float]:
    """Connectivity stuck, at the endpoint and later for parameters multiplied by factors; NaN if a run fails.

    network: seed of a heterogeneous network instead of the mean-field.
    """
    loaded, base = _treatment(treatment), default_parameters()
    try:
        most = _highest()
        changed = {name: min(base[name] * factor, most.get(name, inf)) for name, factor in values.items()}
        return _outcomes(loaded, base.with_values(**changed), network)
    except (RunError, ValueError):
        return nan, nan, nan


def _outcomes(
    treatment: Treatment, parameters: ParameterSet, network: int | None
) -> tuple[float, float, float]:
    if network is None:
        circuit = mean_field_circuit(treatment.circuit, parameters)
    else:
        rng = np.random.default_rng(np.random.SeedSequence([network, 10]))
        circuit = network_circuit(treatment.circuit, parameters, NOISE_NEURONS, rng)
    life = Life(Patient(0, 0, circuit, Traits(parameters)), treatment)
    found: list[float] = []
    for day in (0.0, treatment.file.endpoint_day, treatment.file.endpoint_day + LATER_DAYS):
        life.advance(treatment.file.day_0_h + day * HOURS_A_DAY)
        found.append(connectivity(circuit, life.state)[0])
    return found[0], found[1], found[2]


def run_all(
    question: Question,
    log_factors: Floats,
    workers: int,
    on_chunk: Callable[[object], None] = lambda done: None,
) -> Floats:
    """Outcomes (rows, 3) for log factors (rows, parameters), over processes; on_chunk hears of each part."""
    chunks = [log_factors[k : k + CHUNK] for k in range(0, len(log_factors), CHUNK)]
    found: list[Floats] = []
    for done in _mapped(question, chunks, workers):
        found.append(done)
        on_chunk(done)
    return np.concatenate(found)


def _mapped(question: Question, chunks: Sequence[Floats], workers: int) -> Iterable[Floats]:
    if workers <= 1 or len(chunks) == 1:
        yield from map(_run_chunk, repeat(question), chunks)
        return
    with spawned_pool(min(workers, len(chunks))) as pool:
        yield from pool.map(_run_chunk, repeat(question), chunks)


def _run_chunk(question: Question, log_factors: Floats) -> Floats:
    factors = [dict(zip(question.parameters, np.exp(row).tolist(), strict=True)) for row in log_factors]
    return np.array([outcomes_at(question.treatment, one) for one in factors])


@dataclass(frozen=True)
class Screening:
    """Elementary effects of a Morris screening, its runs, and how many failed (and count as the mean)."""

    effects: pd.DataFrame
    runs: int
    failed: int


def morris(question: Question, paths: int, *, workers: int = 1, seed: int = 1) -> Screening:
    """Elementary effects by parameter and outcome: mean, mean size mu_star with a 95 % interval, and sigma.

    Effects are per whole range of a parameter's law. Runs: paths (parameters + 1).
    """
    from SALib.analyze import morris as analysis
    from SALib.sample.morris import sample

    problem = question.problem()
    x = sample(problem, paths, num_levels=4, seed=seed)
    runs = run_all(question, x, workers)
    y = _without_gaps(runs)
    tables = []
    for number, outcome in enumerate(OUTCOMES):
        found = analysis.analyze(problem, x, y[:, number], num_levels=4, seed=seed)
        columns = {
            key: np.asarray(found[key], dtype=float) for key in ("mu", "mu_star", "mu_star_conf", "sigma")
        }
        tables.append(pd.DataFrame({"outcome": outcome, "parameter": problem["names"], **columns}))
    return Screening(pd.concat(tables, ignore_index=True), len(x), int(np.isnan(runs).any(axis=1).sum()))


@dataclass(frozen=True)
class Sobol:
    """Sobol indices by parameter and outcome, the sample they come from, and the noise between networks.

    indices: outcome, parameter, S1, S1_conf, ST, ST_conf (95 %). sample: one row a draw of the two
    independent base samples: parameters as factors, outcomes, and `recovery`, R at the endpoint if the draw
    got stuck (else, and for a failed run, NaN). failed: runs that could not be finished; in the indices they
    count as the mean of the others.
    """

    indices: pd.DataFrame
    sample: pd.DataFrame
    noise: pd.DataFrame
    runs: int
    failed: int

    @property
    def never_stuck(self) -> int:
        """Draws whose patient never got stuck."""
        return int((self.sample.stuck > NOT_STUCK_ABOVE).sum())

    def counts(self, screened: Screening) -> dict[str, int]:
        """Runs, draws, and what of them failed or never got stuck."""
        return {
            "sobol_runs": self.runs,
            "sobol_failed": self.failed,
            "morris_runs": screened.runs,
            "morris_failed": screened.failed,
            "draws": len(self.sample),
            "never_stuck": self.never_stuck,
        }


def sobol(
    question: Question,
    base_points: int,
    *,
    workers: int = 1,
    seed: int = 1,
    on_chunk: Callable[[object], None] = lambda done: None,
) -> Sobol:
    """Sobol indices by Saltelli's scheme: base_points (parameters + 2) runs; ValueError if no power of 2."""
    from SALib.analyze import sobol as analysis
    from SALib.sample.sobol import sample

    if base_points < 2 or base_points & (base_points - 1):
        raise InputError(f"{base_points} base points: a power of two is needed, such as 256 or 1024")
    problem = question.problem()
    x = sample(problem, base_points, calc_second_order=False, seed=seed)
    found = run_all(question, x, workers, on_chunk)
    failed, y = int(np.isnan(found).any(axis=1).sum()), _without_gaps(found)
    tables = []
    for number, outcome in enumerate(OUTCOMES):
        indices = analysis.analyze(problem, y[:, number], calc_second_order=False, seed=seed)
        columns = {key: np.asarray(indices[key], dtype=float) for key in ("S1", "S1_conf", "ST", "ST_conf")}
        tables.append(pd.DataFrame({"outcome": outcome, "parameter": problem["names"], **columns}))
    block = len(problem["names"]) + 2  # rows of a base point: A, one for each parameter, B
    base = np.sort(np.concatenate([np.arange(0, len(x), block), np.arange(block - 1, len(x), block)]))
    kept = pd.DataFrame(np.exp(x[base]), columns=problem["names"]).assign(
        **{outcome: found[base, number] for number, outcome in enumerate(OUTCOMES)}
    )
    recovery = (kept.endpoint - kept.stuck) / (1.0 - kept.stuck)  # healthy C is 1 in the mean-field
    kept["recovery"] = recovery.where(kept.stuck <= NOT_STUCK_ABOVE)
    return Sobol(pd.concat(tables, ignore_index=True), kept, network_noise(question, workers), len(x), failed)


def _without_gaps(y: Floats) -> Floats:
    """Failed runs (NaN) replaced by the mean of the others, which SALib needs."""
    return np.where(np.isnan(y), np.nanmean(y, axis=0), y)


def network_noise(question: Question, workers: int = 1) -> pd.DataFrame:
    """Mean and standard deviation of each outcome over networks of the typical patient."""
    seeds = range(NOISE_NETWORKS)
    if workers <= 1:
        rows = [outcomes_at(question.treatment, {}, seed) for seed in seeds]
    else:
        with spawned_pool(min(workers, NOISE_NETWORKS)) as pool:
            rows = list(pool.map(outcomes_at, repeat(question.treatment), repeat({}), seeds))
    values = np.array(rows)
    columns = {"mean": np.nanmean(values, axis=0), "sd": np.nanstd(values, axis=0, ddof=1)}
    return pd.DataFrame({"outcome": OUTCOMES, **columns, "networks": NOISE_NETWORKS})


def partial_dependence(found: Sobol, parameter: str, outcome: str, bins: int = 12) -> pd.DataFrame:
    """Mean of an outcome over a parameter's factor, all others varying: factor, mean, standard error.

    Over draws that have the outcome; fewer bins where there are few of them.
    """
    order = found.sample.dropna(subset=[outcome]).sort_values(parameter)
    groups = np.array_split(np.arange(len(order)), min(bins, len(order) // 4))
    x, y = order[parameter].to_numpy(), order[outcome].to_numpy()
    rows = [(x[g].mean(), y[g].mean(), y[g].std(ddof=1) / sqrt(len(g))) for g in groups]
    return pd.DataFrame(rows, columns=pd.Index(["factor", "mean", "standard_error"]))


def dependence_table(found: Sobol) -> pd.DataFrame:
    """Partial dependence of every outcome, and of recovery, on every parameter."""
    tables = [
        partial_dependence(found, name, outcome).assign(outcome=outcome, parameter=name)
        for outcome in (*OUTCOMES, "recovery")
        if int(found.sample[outcome].count()) >= FEWEST_STUCK  # pyright: ignore[reportArgumentType]
        for name in found.indices.parameter.unique()
    ]
    return pd.concat(tables, ignore_index=True)


def study_sensitivity(folder: Path) -> tuple[pd.DataFrame, dict[str, Shown], About]:
    """Indices, by outcome and treatment, of a finished study whose design is sobol or morris, with their figures.

    InputError for another design, and where no outcome has indices (runs miss, or all draws fare alike).
    """
    from unstuck_analysis.study.figures import indices_figure, shown_outcomes
    from unstuck_analysis.study.report import sensitivity_indices
    from unstuck_analysis.study.results import Results

    results, tables, figures = Results(folder), [], {}
    spec, counts = results.inputs, results.store.status()
    if spec.study.design not in ("sobol", "morris"):
        raise InputError(
            f"{folder}: design {spec.study.design}; indices need a study of design sobol or morris"
        )
    for outcome in shown_outcomes(results):
        for arm in spec.basis.arms:
            found = sensitivity_indices(results, outcome, arm)
            if found is not None:
                figure = indices_figure(found, found.columns[1], found.columns[3])
                text = f"{spec.study.design} indices of {outcome} under {arm}"
                figures[f"{outcome}-{arm}"] = Shown(figure, text)
                tables.append(found.assign(outcome=outcome, treatment=arm))
    if not tables:
        told = ", ".join(f"{number} {name}" for name, number in counts.items())
        raise InputError(f"{folder}: no outcome has indices: runs are missing, or all fare alike ({told})")
    n = f"{counts['done']} runs ({counts['failed']} failed)"
    about = About(", ".join(spec.basis.arms), n, str(spec.study.seed), f"study {spec.hash}")
    return pd.concat(tables, ignore_index=True), figures, about


class Sizes(NamedTuple):
    """How large the samples are: Sobol base points, Morris paths; and their seed."""

    base_points: int
    paths: int
    seed: int


def ask(treatment: str, parameters: Sequence[str] | None, sizes: Sizes, workers: int) -> Answer:
    """Screening and Sobol indices of a treatment (name or path) in the typical patient."""
    question = cohort_question(treatment, parameters)
    screened = morris(question, sizes.paths, workers=workers, seed=sizes.seed)
    found = sobol(question, sizes.base_points, workers=workers, seed=sizes.seed)
    tables = {"morris": screened.effects, "sobol": found.indices, "noise": found.noise}
    tables["partial-dependence"] = dependence_table(found)
    data = {"morris": records(screened.effects), "sobol": records(found.indices)}
    lines = sentences(found, screened)
    return Answer(
        title=f"Sensitivity of {treatment}",
        finding=lines,
        about=about_sobol(question, found, sizes.seed),
        tables={name: Table.of(table) for name, table in tables.items()},
        figures={"sensitivity": Shown(sensitivity_figure(found), SHOWS, " ".join(lines))},
        data={**data, "counts": found.counts(screened)},
    )


def of_study(folder: Path) -> Answer:
    """The indices of a study of design sobol or morris."""
    table, figures, about = study_sensitivity(folder)
    return Answer(
        title=f"Sensitivity of study {folder.name}",
        finding=[f"Indices of {len(figures)} outcomes and treatments."],
        about=about,
        tables={"indices": Table.of(table)},
        figures=figures,
        printed=["indices"],
    )


def about_sobol(question: Question, found: Sobol, seed: int) -> About:
    """What the caption of the figure says of where its numbers come from."""
    n = f"{found.runs} runs of the mean-field ({found.failed} failed), {len(found.sample)} draws"
    n += f" ({found.never_stuck} never got stuck); {NOISE_NETWORKS} networks of {NOISE_NEURONS} neurons"
    inputs = inputs_hash(
        _treatment(question.treatment), default_parameters(), question.parameters, found.runs
    )
    return About(f"treatment {question.treatment}", n, str(seed), inputs)


SHOWS = (
    "Left: Sobol indices of connectivity at the endpoint, with 95 % intervals; the dashed line is the"
    " variance between networks of one patient. Right: mean recovery at the endpoint of the draws that got"
    " stuck over the factor of the three strongest parameters; bands are two standard errors."
)


@styled
def sensitivity_figure(found: Sobol, outcome: str = "endpoint", top: int = 3) -> Figure:
    """Parameters by total Sobol index, the noise between networks, and how recovery depends on the top."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    ranking, *panels = figure.subplots(1, 1 + top, width_ratios=[2.2] + [1] * top)
    indices = found.indices.loc[found.indices.outcome == outcome].sort_values("ST")
    place = np.arange(len(indices))
    ranking.barh(
        place,
        indices.ST,
        xerr=indices.ST_conf,
        color=PALETTE[2],
        height=0.7,
        label="total, with interactions",
    )
    ranking.barh(place, indices.S1, xerr=indices.S1_conf, color=PALETTE[1], height=0.35, label="alone")
    noise = float(found.noise.loc[found.noise.outcome == outcome, "sd"].iloc[0])
    share = noise**2 / float(np.nanvar(found.sample[outcome], ddof=1))
    ranking.axvline(share, color=PALETTE[3], linewidth=1.6, linestyle=(0, (4, 2.5)))
    ranking.text(share, len(indices) - 0.4, " between networks", color=PALETTE[3], va="bottom", fontsize=9)
    ranking.set_yticks(place, labels=list(indices.parameter))
    ranking.set_xlim(left=0)
    ranking.set_xlabel("share of the variance (95 % interval)")
    ranking.set_title(f"What decides connectivity ({outcome})", pad=14)
    ranking.legend(frameon=False, fontsize=9, loc="lower right")
    stuck = int(found.sample.recovery.notna().sum())
    for panel, name in zip(panels, indices.parameter.iloc[::-1], strict=False):
        panel.set_title(name)
        panel.set_xlabel("times its value")
        if stuck < FEWEST_STUCK:
            continue
        course = partial_dependence(found, name, "recovery")
        panel.fill_between(
            course.factor,
            course["mean"] - 2 * course.standard_error,
            course["mean"] + 2 * course.standard_error,
            color=PALETTE[1],
            alpha=0.2,
            linewidth=0,
        )
        panel.plot(course.factor, course["mean"], color=PALETTE[1], linewidth=2)
        panel.set_ylim(min(0.0, course["mean"].min() - 0.1), max(1.0, course["mean"].max() + 0.1))
    panels[0].set_ylabel(f"mean recovery R of the {stuck} draws that got stuck", color=INK)
    return figure


def sentences(found: Sobol, screened: Screening, outcome: str = "endpoint") -> list[str]:
    """The ranking in sentences, with noise, failures and draws that never got stuck."""
    noise = found.noise.set_index("outcome").sd
    lines = [
        f"Morris: {screened.runs} runs, {screened.failed} failed. Sobol: {found.runs} runs,"
        f" {found.failed} failed (a failed run counts as the mean of the others).",
        f"{found.never_stuck} of {len(found.sample)} draws never got stuck; they count in the connectivities,"
        " not in recovery.",
    ]
    ranked = found.indices.loc[found.indices.outcome == outcome].sort_values("ST", ascending=False)
    for row in ranked.to_dict("records"):
        total, alone = (f"{row[key]:.3f} +- {row[key + '_conf']:.3f}" for key in ("ST", "S1"))
        lines.append(f"{row['parameter']}: total {total}, alone {alone}")
    spread = float(np.nanstd(found.sample[outcome], ddof=1))
    lines.append(
        f"Standard deviation of C by parameters {spread:.3f}, between networks {noise[outcome]:.4f}."
    )
    return lines
