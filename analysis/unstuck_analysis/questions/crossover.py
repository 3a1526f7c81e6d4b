"""The same patients under every treatment, as only a model allows: which patients recover under which.

Two treatments overlap as far as they help the same patients. A baseline feature (firing, BDNF,
strength of a connection on day 0) is related to recovery if its rank correlation with R at the endpoint is
far from 0; the interval is a bootstrap over patients. Many features are looked at together: a single interval
that does not include 0 is exploratory and no finding.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata
from unstuck.errors import InputError
from unstuck.state import Floats

from unstuck_analysis.outcomes import bootstrap
from unstuck_analysis.output.answer import About, Answer, Shown
from unstuck_analysis.output.files import read_parquet
from unstuck_analysis.output.style import FAINT, INK, looks, styled
from unstuck_analysis.output.table import Column, Table
from unstuck_analysis.questions.survival import StuckOutcomes, about_outcomes, read_outcomes

BASELINE = (
    *("connectivity", "activity_", "bdnf_", "trkb_", "scar_", "strength_"),
    *("serotonin_", "autoreceptor_sensitivity"),
)
FEW_PATIENTS = 8
_DRAWS = 2_000


@dataclass(frozen=True)
class Crossover:
    """Recovery (patients by treatments), overlap of recovered patients, rank correlations of day-0 measures.

    outcomes: what was read; incomplete: patients left out because a run of theirs failed.
    """

    recovery: pd.DataFrame
    recovered: pd.DataFrame
    overlap: pd.DataFrame
    features: pd.DataFrame
    outcomes: StuckOutcomes
    incomplete: int


def read_series(folder: Path) -> pd.DataFrame:
    """The readings of a comparison; InputError if the folder has none."""
    path = folder / "series.parquet"
    if not path.exists():
        raise InputError(f"{path}: not found; crossover needs the readings of `unstuck compare`")
    return read_parquet(path)


def read_draws(folder: Path) -> pd.DataFrame | None:
    """The draws of every patient of a comparison (None for a comparison that has none)."""
    path = folder / "patients.parquet"
    return read_parquet(path).drop(columns="seed") if path.exists() else None


def crossover(
    outcomes: StuckOutcomes, series: pd.DataFrame, draws: pd.DataFrame | None = None, *, seed: int = 1
) -> Crossover:
    """Compare the recovery of each patient under all treatments.

    outcomes: of the stuck patients; series: readings of the same comparison, for the state on day 0; draws:
    one row per patient, what was drawn of each.
    """
    wide = outcomes.rows.pivot(index="patient", columns="treatment", values="recovery_endpoint")
    recovered = outcomes.rows.pivot(index="patient", columns="treatment", values="recovered")
    recovery = wide.loc[:, outcomes.arms].dropna()
    recovered = recovered.loc[recovery.index, outcomes.arms].astype(bool)
    features = rank_correlations(
        baseline_features(series.loc[series.patient.isin(recovery.index)], draws), recovery, seed=seed
    )
    overlap, incomplete = overlap_of(recovered), len(wide) - len(recovery)
    return Crossover(recovery, recovered, overlap, features, outcomes, incomplete)


def overlap_of(recovered: pd.DataFrame) -> pd.DataFrame:
    """Share of the patients recovered under one treatment (row) who recover under another, or NaN."""
    values = recovered.to_numpy(dtype=float)
    both, each = values.T @ values, values.sum(axis=0)
    shares = np.divide(both, each[:, None], out=np.full(both.shape, np.nan), where=each[:, None] > 0)
    return pd.DataFrame(shares, index=recovered.columns, columns=recovered.columns)


def baseline_features(series: pd.DataFrame, draws: pd.DataFrame | None = None) -> pd.DataFrame:
    """Readings on day 0 and draws of every patient (rows); a class counts 1 for its members, else 0.

    Columns that do not differ between patients are left out.
    """
    start = series.loc[series.day == 0].drop_duplicates("patient").set_index("patient")
    wanted = [column for column in start.columns if column.startswith(BASELINE)]
    features = start[wanted].dropna(axis=1)
    if draws is not None:
        drawn = pd.get_dummies(draws.set_index("patient"), prefix_sep=": ", drop_first=True, dtype=float)
        features = features.join(drawn)
    return features.loc[:, features.std() > 1e-9 * features.abs().max()]


def rank_correlations(features: pd.DataFrame, recovery: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Spearman's rho of every feature with R at the endpoint under every treatment, strongest first.

    Columns: treatment, feature, rho, low, high (95 % bootstrap over patients), patients. NaN where R is the
    same in all patients.
    """
    tables: list[pd.DataFrame] = []
    for name in recovery.columns:
        rng = np.random.default_rng(np.random.SeedSequence([seed, 8]))
        rows = np.column_stack([features.to_numpy(dtype=float), recovery[name].to_numpy(dtype=float)])
        rho, low, high = bootstrap(rows, rng, _rho_with_last, draws=_DRAWS)
        columns = {"treatment": name, "feature": features.columns, "rho": rho, "low": low, "high": high}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True).assign(patients=len(features))
    return table.sort_values("rho", key=lambda rho: -rho.abs(), ignore_index=True)


def _rho_with_last(rows: Floats) -> Floats:
    """Spearman's rho of each column with the last one."""
    return _rho(rows[:, :-1], rows[:, -1])


def _rho(x: Floats, y: Floats) -> Floats:
    """Spearman's rank correlation of each column of x with y."""
    of_x, of_y = rankdata(x, axis=0), rankdata(y)
    of_x, of_y = of_x - of_x.mean(axis=0), of_y - of_y.mean()
    spread = np.sqrt((of_x**2).sum(axis=0) * (of_y**2).sum())
    return np.divide(of_y @ of_x, spread, out=np.full(x.shape[1], np.nan), where=spread > 0)


def ask(folder: Path, *, seed: int = 1) -> Answer:
    """The crossover of a comparison's folder."""
    outcomes = read_outcomes(folder)
    return answer_of(
        crossover(outcomes, read_series(folder), read_draws(folder), seed=seed),
        about_outcomes(outcomes, folder),
    )


def answer_of(found: Crossover, about: About) -> Answer:
    """The crossover in sentences, tables and one figure."""
    tables = {
        "overlap": Table.of(found.overlap.reset_index(names="recovered_under"), _shares(found), _OVERLAP),
        "recovery": Table.of(found.recovery.reset_index()),
        "features": Table.of(found.features),
    }
    data = {
        "patients": len(found.recovery),
        "recovered": {str(name): int(count) for name, count in found.recovered.sum().items()},
        "overlap": found.overlap.astype(object).where(found.overlap.notna(), None).to_dict("index"),
        "features": tables["features"].records(),
        "left_out": {**found.outcomes.left_out(), "incomplete": found.incomplete},
    }
    lines = sentences(found)
    return Answer(
        title="Crossover: which patients recover under which treatment",
        finding=lines,
        about=about,
        tables=tables,
        figures={"crossover": Shown(crossover_figure(found), _SHOWS, " ".join(lines))},
        printed=["overlap"],
        data=data,
    )


def _shares(found: Crossover) -> list[Column]:
    return [Column(str(name), str(name), format=".0%") for name in found.overlap.columns]


_OVERLAP = "Of the patients who recover under the treatment of a row, the share who recover under another"
_SHOWS = (
    "Left: R at the endpoint of every patient under every treatment. Right, exploratory: the day-0 features"
    " whose rank correlation with R is strongest, with 95 % bootstrap intervals over patients."
)


@styled
def crossover_figure(found: Crossover, strongest: int = 4) -> Figure:
    """Left: every patient under every treatment. Right: the strongest baseline features of each treatment."""
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    patients, features = figure.subplots(1, 2, width_ratios=[1, 1.25])
    _draw_patients(figure, patients, found)
    _draw_features(features, found, strongest)
    return figure


def _draw_patients(figure: Figure, axes: Axes, found: Crossover) -> None:
    order = pd.Series(found.recovery.mean(axis=1)).sort_values(ascending=False).index
    values = found.recovery.loc[order].to_numpy()
    image = axes.imshow(values, aspect="auto", cmap="cividis", vmin=0, vmax=1, interpolation="nearest")
    axes.set_xticks(range(values.shape[1]), labels=list(found.recovery.columns), rotation=30, ha="right")
    axes.set_yticks([])
    axes.set_ylabel("one row per patient")
    counts = found.recovered.sum()
    for column, name in enumerate(found.recovery.columns):
        axes.text(column, -0.7, f"{counts[name]}", ha="center", va="bottom", fontsize=9)
    axes.set_title(f"Recovery of the same {len(values)} patients\n(recovered on top)", pad=22)
    figure.colorbar(image, ax=axes, shrink=0.7).set_label("R at the endpoint")


def _draw_features(axes: Axes, found: Crossover, strongest: int) -> None:
    place, labels = 0, []
    for name, style in looks(found.recovery.columns).items():
        best = found.features.loc[found.features.treatment == name].dropna().head(strongest)
        for row in best.to_dict("records"):
            color = str(style["color"])
            axes.plot([row["low"], row["high"]], [place, place], color=color, linewidth=2)
            axes.plot(row["rho"], place, "o", color=color, markeredgecolor=INK, markersize=6)
            labels.append(f"{name}: {row['feature'].replace('_', ' ')}")
            place += 1
    axes.set_yticks(range(place), labels=labels, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0.0, color=FAINT, linewidth=1, zorder=0)
    axes.set_xlim(-1.02, 1.02)
    axes.set_xlabel("rank correlation with recovery (95 % interval over patients)")
    axes.set_title("Exploratory: day-0 features that go with recovery")


def sentences(found: Crossover) -> list[str]:
    """The crossover in sentences."""
    recovered, patients = found.recovered.sum(), len(found.recovery)
    by_patient = found.recovered.to_numpy().sum(axis=1)
    none, every = int((by_patient == 0).sum()), int((by_patient == len(found.recovery.columns)).sum())
    lines = [f"{none} of {patients} patients recover under no treatment, {every} under every treatment."]
    lines += found.outcomes.left_out_sentences()
    if found.incomplete:
        lines.append(f"Left out: {found.incomplete} more patients with a run that failed.")
    lines += [f"{name}: {recovered[name]} of {patients} patients recover." for name in found.recovery.columns]
    if patients < FEW_PATIENTS:
        noun = "patient" if patients == 1 else "patients"
        lines.append(f"Only {patients} {noun}: correlations mean little.")
    clear = found.features.loc[(found.features.low > 0) | (found.features.high < 0)].head(5)
    for row in clear.to_dict("records"):
        interval = f"{row['low']:+.2f} to {row['high']:+.2f}"
        feature = f"{row['feature']} goes with recovery, rho = {row['rho']:+.2f} ({interval})"
        lines.append(f"Exploratory, {row['treatment']}: {feature}.")
    return lines
