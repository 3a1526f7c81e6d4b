"""Which parameters decide: Morris screening, then Sobol indices, on the typical patient in the mean-field.

A study varies every parameter as it differs between patients (scenarios/cohort.yaml). Its outcomes are
connectivities, because every patient has them: `stuck` on day 0, `endpoint` on the endpoint day, `later` 84
days after it. The variance between networks of the typical patient is the noise that no parameter explains.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from unstuck.engine.readouts import recovery_index
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.cohort import ParameterDraw
from unstuck.files.find import cohort_path
from unstuck.files.treatment import TreatmentFile
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.draw import read_cohort

from unstuck_analysis.output.answer import About, Answer, Shown
from unstuck_analysis.output.style import FAINT, INK, PALETTE, styled
from unstuck_analysis.output.table import Table
from unstuck_analysis.output.terminal import records
from unstuck_analysis.study.file import Study
from unstuck_analysis.study.indices import DESIGNS, SHOWN, indices, indices_of
from unstuck_analysis.study.results import Results

OUTCOMES = ("stuck", "endpoint", "later")
LATER_DAYS = 84.0
NOISE_NETWORKS, NOISE_NEURONS = 8, 300
FEWEST_STUCK = 8  # draws that became stuck, below which their recovery is not shown
MODEL = "model."  # start of the path of a parameter

Law = dict[str, float]


def cohort_laws(names: Sequence[str] | None = None) -> dict[str, Law]:
    """The law by which each parameter differs between patients, of all of them or of those asked for.

    Raises InputError for a parameter that is the same in all patients.
    """
    draws = {d.symbol: d for d in read_cohort(cohort_path()).draws if isinstance(d, ParameterDraw) and d.cv}
    if unknown := [name for name in names or [] if name not in draws]:
        raise InputError(f"{', '.join(unknown)}: the same in all patients (these differ: {', '.join(draws)})")
    medians, chosen = default_parameters(), [draws[name] for name in names or draws]
    return {
        draw.symbol: {"median": medians[draw.symbol], "cv": draw.cv}
        | ({"at_most": draw.at_most} if draw.at_most else {})
        for draw in chosen
    }


def study_of(
    treatment: str, circuit: str = "", *, patients: int = 1, neurons: int = 0, **design: Any
) -> Study:
    """The typical patient under a treatment (name or path), followed until 84 days after the endpoint.

    circuit: another one than that of the treatment.
    """
    loaded = runnable_treatment(treatment, circuit)
    file = loaded.file
    last_h = file.day_0_h + (file.endpoint_day + LATER_DAYS) * HOURS_A_DAY
    follow_up = f"{max(last_h - file.end_h, file.follow_up) / HOURS_A_DAY!r} d"
    return Study.of_treatments(
        [str(loaded.path)],
        name="sensitivity",
        circuit=circuit,
        patients=patients,
        varied=False,
        neurons=neurons,
        fixed={"treatment.follow_up": follow_up},
        series={"columns": ["connectivity"]},
        budget=10**7,
        **design,
    )


def connectivities(results: Results) -> pd.DataFrame:
    """Connectivity by run, as planned (rows), and outcome (columns) of `study_of`; NaN where a run failed."""
    (arm,) = results.inputs.basis.arms.values()
    days = _days(arm.treatment)
    found = {
        key: np.interp(days, readings.day, readings.connectivity)
        for key, readings in results.series(["connectivity"]).groupby(["point", "patient"])
    }
    planned = results.plan.table[["point", "patient"]].itertuples(index=False, name=None)
    return pd.DataFrame([found.get(run, np.full(3, np.nan)) for run in planned], columns=pd.Index(OUTCOMES))


def _days(file: TreatmentFile) -> list[float]:
    return [0.0, file.endpoint_day, file.endpoint_day + LATER_DAYS]


@dataclass(frozen=True)
class Sampled:
    """A sample of the typical patient: what its outcomes depend on, and its points.

    indices: one row per outcome and parameter, with `study.indices.MEASURES`. sample: one row per point (of
    Sobol's two independent halves), with parameters as factors, the outcomes, and `recovery` at the endpoint
    where the patient became stuck. notes: outcomes without indices and points that are left out, in words.
    inputs: digest of the study; circuit: says what recovery is read from.
    """

    indices: pd.DataFrame
    sample: pd.DataFrame
    runs: int
    failed: int
    notes: Sequence[str]
    inputs: str
    circuit: CircuitFile

    @property
    def never_stuck(self) -> int:
        """Number of points of the sample whose patient did not become stuck."""
        return int((self.sample.stuck.notna() & ~self.circuit.readout.is_ill(self.sample.stuck)).sum())

    def ranked(self, outcome: str) -> pd.DataFrame:
        """Sobol indices of an outcome, the strongest parameter first."""
        of_outcome = self.indices.loc[self.indices.outcome == outcome]
        return of_outcome.sort_values("ST", ascending=False)


def sampled(
    treatment: str,
    laws: Mapping[str, Law],
    design: str,
    samples: int,
    *,
    circuit: str = "",
    workers: int = 1,
    seed: int = 1,
) -> Sampled:
    """Run a sample of design `sobol` (base points, a power of two) or `morris` (paths).

    Raises InputError for another number of base points, and where no outcome has indices.
    """
    axes = {f"{MODEL}{name}": law for name, law in laws.items()}
    study = study_of(treatment, circuit, seed=seed, design=design, points=[], vary=axes, samples=samples)
    found, failed = _run(study, workers)
    tables, notes = _measured(study, found)
    if not tables:
        raise InputError(f"{treatment}: no outcome has indices. {' '.join(notes)}")
    sample = _factors(study, laws).join(found)
    recovery = [recovery_index(end, stuck, 1.0) for stuck, end in found[["stuck", "endpoint"]].to_numpy()]
    (arm,) = study.inputs.basis.arms.values()
    sample["recovery"] = pd.Series(recovery).where(arm.circuit.readout.is_ill(found.stuck))
    if design == "sobol":  # the two halves are the first and the last point of a group
        place, last = sample.index % (len(laws) + 2), len(laws) + 1
        sample = sample.loc[(place == 0) | (place == last)]
    measures = pd.concat(tables, ignore_index=True)
    return Sampled(measures, sample, len(found), failed, notes, study.inputs.hash, arm.circuit)


def _run(study: Study, workers: int) -> tuple[pd.DataFrame, int]:
    """Connectivities of all runs, and the number of runs that failed."""
    with tempfile.TemporaryDirectory() as folder:
        results = study.run(folder, workers=workers)
        return connectivities(results), results.store.status()["failed"]


def _measured(study: Study, found: pd.DataFrame) -> tuple[list[pd.DataFrame], list[str]]:
    """Indices of each outcome that has them, and sentences on outcomes and points that are left out."""
    tables, notes = list[pd.DataFrame](), list[str]()
    for outcome in OUTCOMES:
        measures, note = indices_of(study.inputs.study, study.inputs.study.seed, found[outcome].to_numpy())
        if measures is not None:
            names = measures.pop("axis").str.removeprefix(MODEL)
            tables.append(pd.DataFrame({"outcome": outcome, "parameter": names}).join(measures))
        notes += _noted(f"Connectivity ({outcome})", measures, note)
    return tables, notes


def _noted(what: str, measures: pd.DataFrame | None, note: str) -> list[str]:
    """A sentence on an outcome without indices, or on points that are left out of them."""
    return [f"{what}{' has no indices' if measures is None else ''}: {note}."] if note else []


def _factors(study: Study, laws: Mapping[str, Law]) -> pd.DataFrame:
    """The parameters of every point, relative to those of the typical patient."""
    table, medians = study.plan.table, default_parameters()
    return pd.DataFrame({name: table[f"{MODEL}{name}"] / medians[name] for name in laws})


def network_noise(treatment: str, workers: int = 1, circuit: str = "") -> pd.DataFrame:
    """Mean and standard deviation of each outcome over networks of the typical patient."""
    found, _ = _run(study_of(treatment, circuit, patients=NOISE_NETWORKS, neurons=NOISE_NEURONS), workers)
    columns = {"mean": found.mean(), "sd": found.std(), "networks": found.count()}
    return pd.DataFrame(columns).rename_axis("outcome").reset_index()


def partial_dependence(found: Sampled, parameter: str, outcome: str, bins: int = 12) -> pd.DataFrame:
    """Mean of an outcome over a parameter's factor, all others varying: factor, mean, standard error.

    Over points that have the outcome; fewer bins where there are few of them.
    """
    order = found.sample.dropna(subset=[outcome]).sort_values(parameter)
    groups = np.array_split(np.arange(len(order)), min(bins, len(order) // 4))
    x, y = order[parameter].to_numpy(), order[outcome].to_numpy()
    rows = [(x[g].mean(), y[g].mean(), y[g].std(ddof=1) / sqrt(len(g))) for g in groups]
    return pd.DataFrame(rows, columns=pd.Index(["factor", "mean", "standard_error"]))


def dependence_table(found: Sampled) -> pd.DataFrame:
    """Partial dependence of every outcome, and of recovery, on every parameter."""
    tables = [
        partial_dependence(found, name, outcome).assign(outcome=outcome, parameter=name)
        for outcome in (*OUTCOMES, "recovery")
        if len(found.sample.dropna(subset=outcome)) >= FEWEST_STUCK
        for name in found.indices.parameter.unique()
    ]
    return pd.concat(tables, ignore_index=True)


class Sizes(NamedTuple):
    """How large the samples are: Sobol base points, Morris paths; and their seed."""

    base_points: int
    paths: int
    seed: int


def ask(
    treatment: str, parameters: Sequence[str] | None, sizes: Sizes, workers: int, circuit: str = ""
) -> Answer:
    """Screening and Sobol indices of a treatment (name or path) in the typical patient."""
    laws = cohort_laws(parameters)
    options: dict[str, Any] = {"circuit": circuit, "workers": workers, "seed": sizes.seed}
    found = sampled(treatment, laws, "sobol", sizes.base_points, **options)
    screened = sampled(treatment, laws, "morris", sizes.paths, **options)
    noise = network_noise(treatment, workers, circuit)
    outcome = shown_outcome(found)
    tables = {"morris": screened.indices, "sobol": found.indices, "noise": noise}
    tables["partial-dependence"] = dependence_table(found)
    lines = sentences(found, screened, noise, outcome)
    return Answer(
        title=f"Sensitivity of {treatment}",
        finding=lines,
        about=_about(treatment, found, sizes.seed),
        tables={name: Table.of(table) for name, table in tables.items()},
        figures={
            "sensitivity": Shown(
                sensitivity_figure(found, noise, outcome),
                SHOWS.format(readout=found.circuit.readout_name),
                " ".join(lines),
            )
        },
        notes=[*(f"Sobol: {note}" for note in found.notes), *(f"Morris: {note}" for note in screened.notes)],
        data={
            "morris": records(screened.indices),
            "sobol": records(found.indices),
            "counts": _counts(found, screened),
        },
    )


def shown_outcome(found: Sampled) -> str:
    """The outcome that sentences and the figure are about: connectivity at the endpoint if it has indices."""
    known = list(found.indices.outcome.unique())
    return "endpoint" if "endpoint" in known else known[0]


def _counts(found: Sampled, screened: Sampled) -> dict[str, int]:
    """Runs and draws, how many of them failed, and how many patients did not become stuck."""
    return {
        "sobol_runs": found.runs,
        "sobol_failed": found.failed,
        "morris_runs": screened.runs,
        "morris_failed": screened.failed,
        "draws": len(found.sample),
        "never_stuck": found.never_stuck,
    }


def _about(treatment: str, found: Sampled, seed: int) -> About:
    """Where the numbers come from, for captions."""
    n = f"{found.runs} runs of the mean-field ({found.failed} failed), {len(found.sample)} draws"
    n += f" ({found.never_stuck} did not become stuck); {NOISE_NETWORKS} networks of {NOISE_NEURONS} neurons"
    return About(f"treatment {treatment}", n, str(seed), f"study {found.inputs}")


def of_study(folder: Path) -> Answer:
    """Indices of every outcome under every treatment of a study of design sobol or morris, with figures.

    Raises InputError for another design, and where no outcome has indices.
    """
    from unstuck_analysis.study.figures import indices_figure, label, shown_outcomes

    results = Results(folder)
    study, counts = results.inputs.study, results.store.status()
    if study.design not in DESIGNS:
        raise InputError(f"{folder}: design {study.design}; indices need a study of design sobol or morris")
    tables, figures, notes = list[pd.DataFrame](), dict[str, Shown](), list[str]()
    for outcome, treatment in product(shown_outcomes(results), results.inputs.basis.arms):
        table, note = indices(results, outcome, treatment)
        if table is not None:
            table["axis"] = [label(results, path) for path in table["axis"]]
            figure = indices_figure(table, *SHOWN[study.design])
            text = f"{study.design} indices of {outcome} under {treatment}"
            figures[f"{outcome}-{treatment}"] = Shown(figure, text)
            tables.append(table.assign(outcome=outcome, treatment=treatment))
        notes += _noted(f"{outcome} under {treatment}", table, note)
    if not tables:
        raise InputError(f"{folder}: no outcome has indices. {' '.join(notes)}")
    n = f"{counts['done']} runs ({counts['failed']} failed)"
    return Answer(
        title=f"Sensitivity of study {folder.name}",
        finding=[f"Indices of {len(figures)} combinations of outcome and treatment.", *notes],
        about=About(", ".join(results.inputs.basis.arms), n, str(study.seed), f"study {results.inputs.hash}"),
        tables={"indices": Table.of(pd.concat(tables, ignore_index=True))},
        figures=figures,
        printed=["indices"],
    )


SHOWS = (
    "Left: Sobol indices of {readout} at the endpoint, with 95 % intervals; the dashed line is the"
    " variance between networks of one patient. Right: mean recovery at the endpoint of the draws that became"
    " stuck over the factor of the three strongest parameters; bands are two standard errors."
)


@styled
def sensitivity_figure(
    found: Sampled, noise: pd.DataFrame, outcome: str = "endpoint", top: int = 3
) -> Figure:
    """Parameters by total Sobol index, the noise between networks, and how recovery depends on the top."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    ranking, *panels = figure.subplots(1, 1 + top, width_ratios=[2.2] + [1] * top)
    ranked = found.ranked(outcome)
    _draw_ranking(ranking, ranked.iloc[::-1])
    between = float(noise.set_index("outcome").sd[outcome])
    share = between**2 / float(np.nanvar(found.sample[outcome], ddof=1))
    ranking.axvline(share, color=PALETTE[2], linewidth=1.6, linestyle=(0, (4, 2.5)))
    ranking.text(share, len(ranked) - 0.4, " between networks", color=PALETTE[2], va="bottom", fontsize=9)
    ranking.set_title(f"What decides {found.circuit.readout_name} ({outcome})", pad=14)
    stuck = int(found.sample.recovery.notna().sum())
    for panel, name in zip(panels, ranked.parameter, strict=False):
        panel.set(title=name, xlabel="times its value")
        if stuck >= FEWEST_STUCK:
            _draw_dependence(panel, partial_dependence(found, name, "recovery"))
    panels[0].set_ylabel(f"mean recovery R of the {stuck} draws that became stuck", color=INK)
    return figure


def _draw_ranking(axes: Axes, indices: pd.DataFrame) -> None:
    place = np.arange(len(indices))
    total, alone = "total, with interactions", "alone"
    axes.barh(place, indices.ST, xerr=indices.ST_conf, color=FAINT, height=0.7, label=total)
    axes.barh(place, indices.S1, xerr=indices.S1_conf, color=PALETTE[1], height=0.35, label=alone)
    axes.set_yticks(place, labels=list(indices.parameter))
    axes.set_xlim(left=0)
    axes.set_xlabel("share of the variance (95 % interval)")
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def _draw_dependence(axes: Axes, course: pd.DataFrame) -> None:
    mean, half = course["mean"].to_numpy(dtype=float), 2 * course["standard_error"].to_numpy(dtype=float)
    axes.fill_between(course.factor, mean - half, mean + half, color=PALETTE[1], alpha=0.2, linewidth=0)
    axes.plot(course.factor, mean, color=PALETTE[1], linewidth=2)
    axes.set_ylim(min(0.0, float(mean.min()) - 0.1), max(1.0, float(mean.max()) + 0.1))


def sentences(found: Sampled, screened: Sampled, noise: pd.DataFrame, outcome: str = "endpoint") -> list[str]:
    """The ranking in sentences, with noise, failures and draws that did not become stuck."""
    lines = [
        f"Morris: {screened.runs} runs, {screened.failed} failed. Sobol: {found.runs} runs,"
        f" {found.failed} failed.",
        f"{found.never_stuck} of {len(found.sample)} draws did not become stuck; they count in the"
        " indices, not in recovery.",
    ]
    for row in found.ranked(outcome).to_dict("records"):
        total, alone = (f"{row[key]:.3f} +- {row[key + '_conf']:.3f}" for key in ("ST", "S1"))
        lines.append(f"{row['parameter']}: total {total}, alone {alone}")
    spread, between = float(np.nanstd(found.sample[outcome], ddof=1)), noise.set_index("outcome").sd[outcome]
    name = found.circuit.readout_name
    lines.append(f"Standard deviation of {name} by parameters {spread:.3f}, between networks {between:.4f}.")
    return lines
