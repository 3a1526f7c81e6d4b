"""The same patients through every treatment, as only a model allows: who responds to what, and why.

Responders overlap as far as two treatments help the same patients. A baseline feature (firing, BDNF,
strength of a connection on day 0) goes with response if its rank correlation with R at the endpoint is far
from 0; the interval is a bootstrap over patients. Many features are looked at together, so a single
interval that misses 0 is a hint and no finding.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import rankdata
from unstuck.circuit import Floats
from unstuck.files.yaml import InputError

from unstuck_analysis.figures import FAINT, INK, look, styled
from unstuck_analysis.output.files import read_parquet
from unstuck_analysis.output.terminal import records
from unstuck_analysis.questions.survival import Outcomes

BASELINE = ("connectivity", "activity_", "bdnf_", "strength_", "serotonin_", "autoreceptor_sensitivity")
FEW_PATIENTS = 8
_DRAWS = 2_000


@dataclass(frozen=True)
class Crossover:
    """Recovery (patients by treatments), overlap of responders, rank correlations of baseline features.

    outcomes: what was read; incomplete: patients left out because a run of theirs failed.
    """

    recovery: pd.DataFrame
    responded: pd.DataFrame
    overlap: pd.DataFrame
    features: pd.DataFrame
    outcomes: Outcomes
    incomplete: int

    def finding(self) -> dict[str, Any]:
        """The crossover as JSON can say it."""
        known = self.overlap.astype(object).where(self.overlap.notna(), None)
        return {
            "patients": len(self.recovery),
            "responders": {str(name): int(count) for name, count in self.responded.sum().items()},
            "overlap": known.to_dict("index"),
            "features": records(self.features),
            "left_out": {**self.outcomes.left_out(), "incomplete": self.incomplete},
        }


def read_series(folder: Path) -> pd.DataFrame:
    """The readings of a comparison; InputError if the folder has none."""
    path = folder / "series.parquet"
    if not path.exists():
        raise InputError(f"{path}: not found; crossover needs the readings of `unstuck compare`")
    return read_parquet(path)


def crossover(outcomes: Outcomes, series: pd.DataFrame, *, seed: int = 1) -> Crossover:
    """Set every patient against itself under all treatments.

    outcomes: of the stuck patients; series: readings of the same comparison, for the state on day 0.
    """
    wide = outcomes.rows.pivot(index="patient", columns="treatment", values="recovery_endpoint")
    responded = outcomes.rows.pivot(index="patient", columns="treatment", values="responded")
    recovery = wide.loc[:, outcomes.arms].dropna()
    responded = responded.loc[recovery.index, outcomes.arms].astype(bool)
    features = rank_correlations(
        baseline_features(series.loc[series.patient.isin(recovery.index)]), recovery, seed=seed
    )
    overlap, incomplete = responder_overlap(responded), len(wide) - len(recovery)
    return Crossover(recovery, responded, overlap, features, outcomes, incomplete)


def responder_overlap(responded: pd.DataFrame) -> pd.DataFrame:
    """Share of the responders to one treatment (row) who also respond to another; NaN without any."""
    values = responded.to_numpy(dtype=float)
    both, each = values.T @ values, values.sum(axis=0)
    shares = np.divide(both, each[:, None], out=np.full(both.shape, np.nan), where=each[:, None] > 0)
    return pd.DataFrame(shares, index=responded.columns, columns=responded.columns)


def baseline_features(series: pd.DataFrame) -> pd.DataFrame:
    """Readings of every patient (rows) on day 0; columns that do not differ between patients are left out."""
    start = series.loc[series.day == 0].drop_duplicates("patient").set_index("patient")
    wanted = [column for column in start.columns if column.startswith(BASELINE)]
    features = start[wanted].dropna(axis=1)
    return features.loc[:, features.std() > 1e-9 * features.abs().max()]


def rank_correlations(features: pd.DataFrame, recovery: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Spearman's rho of every feature with R at the endpoint under every treatment, strongest first.

    Columns: treatment, feature, rho, low, high (95 % bootstrap over patients), patients. NaN where all
    patients fare alike.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed, 8]))
    picks = rng.integers(len(features), size=(_DRAWS, len(features)))
    x = features.to_numpy(dtype=float)
    tables: list[pd.DataFrame] = []
    for name in recovery.columns:
        y = recovery[name].to_numpy(dtype=float)
        drawn = np.array([_rho(x[pick], y[pick]) for pick in picks])
        low, high = _interval(drawn)
        columns = {
            "treatment": name,
            "feature": features.columns,
            "rho": _rho(x, y),
            "low": low,
            "high": high,
        }
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True).assign(patients=len(features))
    return table.sort_values("rho", key=lambda rho: -rho.abs(), ignore_index=True)


def _interval(drawn: Floats) -> Floats:
    """95 % interval (2, features) of bootstrap draws (draws, features); NaN where no draw has a value."""
    known = np.isfinite(drawn).any(axis=0)
    bounds = np.full((2, drawn.shape[1]), np.nan)
    if known.any():
        bounds[:, known] = np.nanquantile(drawn[:, known], [0.025, 0.975], axis=0)
    return bounds


def _rho(x: Floats, y: Floats) -> Floats:
    """Spearman's rank correlation of each column of x with y."""
    of_x, of_y = rankdata(x, axis=0), rankdata(y)
    of_x, of_y = of_x - of_x.mean(axis=0), of_y - of_y.mean()
    spread = np.sqrt((of_x**2).sum(axis=0) * (of_y**2).sum())
    return np.divide(of_y @ of_x, spread, out=np.full(x.shape[1], np.nan), where=spread > 0)


SHOWS = (
    "Left: R at the endpoint of every patient under every treatment. Right: the baseline features whose rank"
    " correlation with it is strongest, with 95 % bootstrap intervals over patients."
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
    axes.set_ylabel("one row a patient")
    counts = found.responded.sum()
    for column, name in enumerate(found.recovery.columns):
        axes.text(column, -0.7, f"{counts[name]}", ha="center", va="bottom", fontsize=9)
    axes.set_title(f"Recovery of the same {len(values)} patients\n(responders on top)", pad=22)
    figure.colorbar(image, ax=axes, shrink=0.7).set_label("R at the endpoint")


def _draw_features(axes: Axes, found: Crossover, strongest: int) -> None:
    place, labels = 0, []
    for position, name in enumerate(found.recovery.columns):
        best = found.features.loc[found.features.treatment == name].dropna().head(strongest)
        for row in best.to_dict("records"):
            color = str(look(position)["color"])
            axes.plot([row["low"], row["high"]], [place, place], color=color, linewidth=2)
            axes.plot(row["rho"], place, "o", color=color, markeredgecolor=INK, markersize=6)
            labels.append(f"{name}: {row['feature'].replace('_', ' ')}")
            place += 1
    axes.set_yticks(range(place), labels=labels, fontsize=8)
    axes.invert_yaxis()
    axes.axvline(0.0, color=FAINT, linewidth=1, zorder=0)
    axes.set_xlim(-1.02, 1.02)
    axes.set_xlabel("rank correlation with recovery (95 % interval over patients)")
    axes.set_title("What on day 0 goes with recovery")


def sentences(found: Crossover) -> list[str]:
    """The crossover in sentences."""
    responders, patients = found.responded.sum(), len(found.recovery)
    lines = found.outcomes.left_out_sentences()
    if found.incomplete:
        lines.append(f"Left out: {found.incomplete} more patients, of whom a run failed.")
    lines += [
        f"{name}: {responders[name]} of {patients} patients respond." for name in found.recovery.columns
    ]
    none, every = (
        int(np.sum(~found.responded.to_numpy().any(axis=1))),
        int(np.sum(found.responded.to_numpy().all(axis=1))),
    )
    lines.append(f"{none} patients respond to nothing, {every} to everything.")
    if patients < FEW_PATIENTS:
        lines.append(f"Only {patients} patients: correlations mean little.")
    clear = found.features.loc[(found.features.low > 0) | (found.features.high < 0)].head(5)
    for row in clear.to_dict("records"):
        lines.append(
            f"{row['treatment']}: {row['feature']} goes with recovery, rho = {row['rho']:+.2f}"
            f" ({row['low']:+.2f} to {row['high']:+.2f})."
        )
    return lines
