"""Time to onset and to relapse between arms, by the field's methods (lifelines) on a comparison's outcomes.

Onset is counted from day 0 and censored at the end of the follow-up. Relapse is counted from the onset,
among those who had one, and censored in the same way. Patients who never got stuck and runs that failed are
left out and counted. Every patient goes through every arm, so log-rank tests, which take arms for
independent, are conservative here; differences in the number needed to treat are bootstrapped over patients
and are paired. Sources: Kaplan & Meier 1958; restricted mean survival time, Royston & Parmar 2013
(10.1186/1471-2288-13-152).
"""

import json
from dataclasses import dataclass
from hashlib import blake2b
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from unstuck.circuit import Floats
from unstuck.files.yaml import InputError, nearest

from unstuck_analysis.figures import FAINT, look, styled
from unstuck_analysis.output.captions import About
from unstuck_analysis.output.files import read_parquet

if TYPE_CHECKING:
    from lifelines import KaplanMeierFitter

EVENTS = ("onset", "relapse")
FEW_EVENTS = 5  # below this many events an estimate is named as uncertain
_DRAWS = 4_000


@dataclass(frozen=True)
class Outcomes:
    """Rows to analyse, one a stuck patient and arm, and how many were left out and why.

    not_stuck: patients; failed: runs; by_arm: runs left out of every arm, {arm: {not_stuck, failed, left}}.
    """

    rows: pd.DataFrame
    not_stuck: int
    failed: int
    by_arm: dict[str, dict[str, int]]

    @property
    def arms(self) -> list[str]:
        """Arms with anybody left, in the order of the table."""
        return list(dict.fromkeys(self.rows.treatment))

    @property
    def empty_arms(self) -> list[str]:
        """Arms of which nobody is left."""
        return [name for name, counts in self.by_arm.items() if not counts["left"]]

    def left_out(self) -> dict[str, Any]:
        """What was left out, as JSON can say it."""
        return {"not_stuck": self.not_stuck, "failed": self.failed, "by_arm": self.by_arm}

    def left_out_sentences(self) -> list[str]:
        """What was left out, in sentences; said also where it is nothing."""
        lines = [f"Left out: {self.not_stuck} patients never got stuck, {self.failed} runs failed."]
        for name in self.empty_arms:
            counts = self.by_arm[name]
            lines.append(
                f"Arm {name}: nobody is left ({counts['not_stuck']} never stuck, {counts['failed']} failed)."
            )
        return lines

    def arm(self, name: str) -> pd.DataFrame:
        """The rows of one arm."""
        return self.rows.loc[self.rows.treatment == name]


def read_outcomes(folder: Path) -> Outcomes:
    """The outcomes of a comparison or a study; InputError if there are none, or no patient was stuck."""
    if (folder / "outcomes.parquet").exists():
        table = read_parquet(folder / "outcomes.parquet")
    elif not (folder / "study.json").exists():
        raise InputError(f"{folder}: holds neither a comparison (outcomes.parquet) nor a study (study.json)")
    else:
        from unstuck_analysis.study.results import Results

        table = Results(folder).outcomes()
    if "point" in table and table.point.nunique() > 1:
        raise InputError(
            f"{folder}: has {table.point.nunique()} points of a sweep; arms are compared at one only"
        )
    return outcomes_of(table, str(folder))


def outcomes_of(table: pd.DataFrame, where: str) -> Outcomes:
    """Leave out, and count, failed runs and patients who never got stuck."""
    failed = table.status == "failed" if "status" in table else pd.Series(False, index=table.index)
    done = table.loc[~failed]
    not_stuck = done.not_stuck.astype(bool)
    stuck = done.loc[~not_stuck]
    if stuck.empty:
        raise InputError(
            f"{where}: nothing to analyse: of {len(table)} runs {int(failed.sum())} failed, and in"
            f" {int(not_stuck.sum())} the patient never got stuck"
        )
    never = done.loc[not_stuck]
    by_arm = {
        str(name): {
            "not_stuck": int((never.treatment == name).sum()),
            "failed": int((failed & (table.treatment == name)).sum()),
            "left": int((stuck.treatment == name).sum()),
        }
        for name in table.treatment.unique()
    }
    return Outcomes(stuck.reset_index(drop=True), never.patient.nunique(), int(failed.sum()), by_arm)


def durations(arm: pd.DataFrame, event: str) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Days (patients,) until an event or the end of the follow-up, and whether the event was seen."""
    onset, followed = arm.onset_day.to_numpy(dtype=float), follow_up(arm, event)
    if event == "onset":
        seen = np.isfinite(onset)
        return np.where(seen, onset, followed), seen
    had = np.isfinite(onset)
    seen = arm.relapsed.to_numpy(dtype=bool)[had]
    return np.where(seen, arm.relapse_day.to_numpy(dtype=float)[had] - onset[had], followed), seen


def follow_up(arm: pd.DataFrame, event: str) -> Floats:
    """Days (patients at risk,) for which each was followed, from day 0 or, for relapse, from the onset."""
    onset, until = (arm[column].to_numpy(dtype=float) for column in ("onset_day", "followed_days"))
    return until if event == "onset" else (until - onset)[np.isfinite(onset)]


def horizon_days(outcomes: Outcomes, event: str) -> float:
    """The day up to which every arm with anybody at risk was followed: the horizon of restricted means.

    It comes from follow-up and not from events: an arm that responds early and completely stays comparable.
    """
    followed = [follow_up(outcomes.arm(name), event) for name in outcomes.arms]
    return min((float(days.max()) for days in followed if len(days)), default=np.nan)


def kaplan_meier(arm: pd.DataFrame, event: str) -> "KaplanMeierFitter | None":
    """The Kaplan-Meier curve of an arm with its 95 % band; None if nobody is at risk."""
    from lifelines import KaplanMeierFitter

    days, seen = durations(arm, event)
    return KaplanMeierFitter().fit(days, seen) if len(days) else None


def survival_table(outcomes: Outcomes, against: str | None = None) -> pd.DataFrame:
    """One row an event and arm: patients at risk, events, median, restricted mean, log-rank p against an arm.

    NaN where an estimate does not exist; the column `note` says why.
    """
    reference = reference_arm(outcomes, against)
    rows = [_survival_row(outcomes, event, name, reference) for event in EVENTS for name in outcomes.arms]
    return pd.DataFrame(rows)


def _survival_row(outcomes: Outcomes, event: str, name: str, reference: str) -> dict[str, Any]:
    from lifelines.statistics import logrank_test
    from lifelines.utils import restricted_mean_survival_time

    days, seen = durations(outcomes.arm(name), event)
    row: dict[str, Any] = {"event": event, "treatment": name, "at_risk": len(days), "events": int(seen.sum())}
    row |= {
        "median_days": np.nan,
        "restricted_mean_days": np.nan,
        "horizon_days": np.nan,
        "logrank_p": np.nan,
    }
    curve = kaplan_meier(outcomes.arm(name), event)
    if curve is None:
        return {**row, "note": "nobody had an onset"}
    horizon = horizon_days(outcomes, event)
    row["median_days"] = float(curve.median_survival_time_)
    row["restricted_mean_days"] = _number(restricted_mean_survival_time(curve, t=horizon))
    row["horizon_days"] = horizon
    against_days, against_seen = durations(outcomes.arm(reference), event)
    if name != reference and len(against_days) and (seen.any() or against_seen.any()):
        row["logrank_p"] = float(logrank_test(days, against_days, seen, against_seen).p_value)
    few = int(seen.sum()) < FEW_EVENTS
    return {**row, "note": f"only {int(seen.sum())} events: too few for a reliable estimate" if few else ""}


def _number(value: Any) -> float:
    return float(value)


def reference_arm(outcomes: Outcomes, against: str | None) -> str:
    """The arm others are compared with: the one asked for, else untreated, else the first."""
    if against is not None and against not in outcomes.arms:
        raise InputError(
            f"unknown arm {against!r}{nearest(against, outcomes.arms)} (known: {', '.join(outcomes.arms)})"
        )
    return against or ("untreated" if "untreated" in outcomes.arms else outcomes.arms[0])


def needed_to_treat(outcomes: Outcomes, against: str | None = None, *, seed: int = 1) -> pd.DataFrame:
    """Number needed to treat for one more responder (and one more who escapes) than under the reference arm.

    Columns: treatment, against, outcome, share, share_reference, difference with its paired 95 % bootstrap
    interval over patients, and nnt = 1 / difference (infinite where the arm is not better).
    """
    reference = reference_arm(outcomes, against)
    rows: list[dict[str, Any]] = []
    for outcome in ("responded", "escaped"):
        wide = outcomes.rows.pivot_table(index="patient", columns="treatment", values=outcome, aggfunc="mean")
        for name in (arm for arm in outcomes.arms if arm != reference):
            pairs = wide.reindex(columns=[name, reference]).dropna().to_numpy(dtype=float)
            if not len(pairs):  # nobody was followed that long, or stuck, under both
                continue
            rng = np.random.default_rng(np.random.SeedSequence([seed, outcomes.arms.index(name)]))
            gains = pairs[:, 0] - pairs[:, 1]
            draws = gains[rng.integers(len(gains), size=(_DRAWS, len(gains)))].mean(axis=1)
            low, high = np.quantile(draws, [0.025, 0.975])
            difference = float(gains.mean())
            rows.append(
                {
                    "treatment": name,
                    "against": reference,
                    "outcome": outcome,
                    "share": float(pairs[:, 0].mean()),
                    "share_reference": float(pairs[:, 1].mean()),
                    "difference": difference,
                    "low": float(low),
                    "high": float(high),
                    "nnt": 1.0 / difference if difference > 0 else inf,
                }
            )
    return pd.DataFrame(rows)


def about_outcomes(outcomes: Outcomes, folder: Path) -> About:
    """What the caption of a figure made from a comparison or study says of where its numbers come from."""
    if (folder / "study.json").exists():
        told = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        source = f"study {told['hash']}"
    else:
        digest = blake2b((folder / "outcomes.parquet").read_bytes(), digest_size=8).hexdigest()
        source = f"outcomes.parquet {digest}"
    counts = f"{outcomes.not_stuck} never stuck and {outcomes.failed} failed runs left out"
    n = f"{outcomes.rows.patient.nunique()} stuck patients ({counts})"
    seeds = sorted(outcomes.rows.seed.unique()) if "seed" in outcomes.rows else []
    return About(", ".join(outcomes.arms), n, ", ".join(map(str, seeds)) or "not told", source)


SHOWS = (
    "Kaplan-Meier curves with 95 % bands; ticks are censored patients. Left: first recovery (R >= 0.5) since"
    " the first dose. Right: of those who recovered, still well since their onset."
)


@styled
def survival_figure(outcomes: Outcomes) -> Figure:
    """Share with an onset by day, and still well by days since the onset; 95 % bands, ticks are censored."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    onset, relapse = figure.subplots(1, 2)
    for position, name in enumerate(outcomes.arms):
        _draw_curve(onset, outcomes.arm(name), "onset", name, position)
        _draw_curve(relapse, outcomes.arm(name), "relapse", name, position)
    onset.set_title("Recovered at least once")
    onset.set_xlabel("days since the first dose")
    relapse.set_title("Still well, of those who recovered")
    relapse.set_xlabel("days since the onset")
    relapse.set_ylabel("share of those who recovered")
    for axes in (onset, relapse):
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(left=0)
        axes.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)), zorder=0)
    onset.set_ylabel("share of stuck patients")
    handles, labels = onset.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def _draw_curve(axes: Axes, arm: pd.DataFrame, event: str, name: str, position: int) -> None:
    curve = kaplan_meier(arm, event)
    if curve is None:
        return
    days, share = curve.survival_function_.index.to_numpy(), curve.survival_function_.to_numpy()[:, 0]
    band = curve.confidence_interval_.to_numpy()
    if (end := follow_up(arm, event).max()) > days[-1]:  # a complete response is followed to the end too
        days, share = np.append(days, end), np.append(share, share[-1])
        band = np.vstack([band, band[-1]])
    if event == "onset":
        share, band = 1.0 - share, 1.0 - band
    style = look(position)
    axes.fill_between(
        days,
        band.min(axis=1),
        band.max(axis=1),
        step="post",
        alpha=0.13,
        linewidth=0,
        color=str(style["color"]),
    )
    label = f"{name} (n = {len(arm)})" if event == "onset" else name
    axes.plot(days, share, drawstyle="steps-post", linewidth=2, label=label, **style)
    last_days, seen = durations(arm, event)
    censored = np.unique(last_days[~seen])
    axes.plot(censored, np.interp(censored, days, share), "|", markersize=6, color=str(style["color"]))


def sentences(outcomes: Outcomes, table: pd.DataFrame, needed: pd.DataFrame) -> list[str]:
    """The analysis in sentences, with what was left out."""
    lines = [f"{outcomes.rows.patient.nunique()} stuck patients, {len(outcomes.arms)} arms."]
    lines += outcomes.left_out_sentences()
    for row in table.to_dict("records"):
        median = f"{row['median_days']:.1f} d" if isfinite(row["median_days"]) else "not reached"
        p = "" if np.isnan(row["logrank_p"]) else f", log-rank p = {row['logrank_p']:.2g}"
        note = f" ({row['note']})" if row["note"] else ""
        mean = (
            ""
            if np.isnan(row["restricted_mean_days"])
            else (f", restricted mean {row['restricted_mean_days']:.1f} d of {row['horizon_days']:.1f} d")
        )
        events = f"{row['event']}, {row['treatment']}: {row['events']} of {row['at_risk']}"
        lines.append(f"{events}, median {median}{mean}{p}{note}")
    for row in needed.to_dict("records"):
        number = f"{row['nnt']:.1f}" if isfinite(row["nnt"]) else "none: not better"
        lines.append(
            f"Number needed to treat ({row['outcome']}), {row['treatment']}: {number}; difference"
            f" {row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"
        )
    return lines
