"""Time to recovery and to relapse by treatment, from the outcomes of a comparison or a study.

Recovery is counted from day 0 and censored at the end of the follow-up. Relapse is counted from the first
recovery, in patients who recovered, and is censored in the same way. Patients who never became stuck and runs
that failed are left out and counted. Every patient goes through every treatment, so log-rank tests, which
take groups for independent, are conservative here; differences in the number needed to treat are paired.
A restricted mean reaches to the end of the follow-up of its treatment; compare only those up to the same day.
Sources: Kaplan & Meier 1958; log-rank test, Mantel 1966; intervals,
Greenwood's formula on log(-log S) (Kalbfleisch & Prentice 2002), all through scipy.stats; restricted mean,
Royston & Parmar 2013 (10.1186/1471-2288-13-152).
"""

import json
import warnings
from dataclasses import dataclass
from hashlib import blake2b
from math import inf, nan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import CensoredData, ecdf, logrank
from unstuck.errors import InputError, unknown
from unstuck.state import Floats

from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.outcomes import bootstrap
from unstuck_analysis.output.answer import About, Answer, Shown
from unstuck_analysis.output.files import read_parquet
from unstuck_analysis.output.page import NO_PLACEBO
from unstuck_analysis.output.style import FAINT, looks, styled
from unstuck_analysis.output.table import Column, Table

EVENTS = ("onset", "relapse")
FEW_EVENTS = 5  # with fewer events an estimate is marked as uncertain
RISK_TIMES = 6  # times at which the numbers at risk are given


@dataclass(frozen=True)
class StuckOutcomes:
    """Rows to analyse, one per stuck patient and treatment, and how many were left out and why.

    not_stuck: patients; failed: runs; by_arm: runs left out by treatment, {name: {not_stuck, failed, left}}.
    """

    rows: pd.DataFrame
    not_stuck: int
    failed: int
    by_arm: dict[str, dict[str, int]]

    @property
    def arms(self) -> list[str]:
        """Treatments with at least one patient left, in the order of the table."""
        return list(dict.fromkeys(self.rows.treatment))

    @property
    def empty_arms(self) -> list[str]:
        """Treatments without a patient left."""
        return [name for name, counts in self.by_arm.items() if not counts["left"]]

    def left_out(self) -> dict[str, Any]:
        """What was left out, as JSON can hold it."""
        return {"not_stuck": self.not_stuck, "failed": self.failed, "by_arm": self.by_arm}

    def left_out_sentences(self) -> list[str]:
        """What was left out, in sentences (also if nothing was)."""
        lines = [f"Left out: {self.not_stuck} patients did not become stuck, {self.failed} runs failed."]
        for name in self.empty_arms:
            counts = self.by_arm[name]
            reasons = f"{counts['not_stuck']} not stuck, {counts['failed']} failed"
            lines.append(f"Treatment {name}: no patient is left ({reasons}).")
        return lines

    def arm(self, name: str) -> pd.DataFrame:
        """The rows of one treatment."""
        return self.rows.loc[self.rows.treatment == name]

    def reference(self, against: str | None) -> str:
        """The treatment that others are compared with: the one asked for, else untreated, else the first."""
        if against is not None and against not in self.arms:
            raise InputError(unknown("treatment", against, self.arms))
        return against or (UNTREATED if UNTREATED in self.arms else self.arms[0])


def read_outcomes(folder: Path) -> StuckOutcomes:
    """The outcomes of a comparison or a study; InputError if there are none, or no patient was stuck."""
    if (folder / "outcomes.parquet").exists():
        table = read_parquet(folder / "outcomes.parquet")
    elif not (folder / "study.json").exists():
        raise InputError(
            f"{folder}: contains neither a comparison (outcomes.parquet) nor a study (study.json)"
        )
    else:
        from unstuck_analysis.study.results import Results

        table = Results(folder).outcomes()
    if "point" in table and table.point.nunique() > 1:
        points = table.point.nunique()
        raise InputError(
            f"{folder}: has {points} points of a sweep; treatments are compared at one point only"
        )
    return outcomes_of(table, str(folder))


def outcomes_of(table: pd.DataFrame, where: str) -> StuckOutcomes:
    """Leave out, and count, failed runs and patients who did not become stuck."""
    failed = table.status == "failed" if "status" in table else pd.Series(False, index=table.index)
    done = table.loc[~failed]
    not_stuck = done.not_stuck.astype(bool)
    stuck = done.loc[~not_stuck]
    if stuck.empty:
        raise InputError(
            f"{where}: nothing to analyse: of {len(table)} runs {int(failed.sum())} failed, and in"
            f" {int(not_stuck.sum())} the patient did not become stuck"
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
    return StuckOutcomes(stuck.reset_index(drop=True), never.patient.nunique(), int(failed.sum()), by_arm)


class Times(NamedTuple):
    """Days (patients,) until an event or the end of the follow-up; whether the event was seen; follow-up."""

    days: Floats
    seen: npt.NDArray[np.bool_]
    followed: Floats

    def censored(self) -> CensoredData:
        """The times as scipy.stats takes them."""
        return CensoredData(uncensored=self.days[self.seen], right=self.days[~self.seen])

    def at_risk(self, day: float) -> int:
        """Patients whose event or end of follow-up comes on this day or later."""
        return int((self.days >= day).sum())


def times_to(event: str, arm: pd.DataFrame) -> Times:
    """Times to the first recovery, or from the first recovery to the relapse (patients who recovered)."""
    onset, followed = (arm[name].to_numpy(dtype=float) for name in ("onset_day", "followed_days"))
    had = np.isfinite(onset)
    if event == "onset":
        return Times(np.where(had, onset, followed), had, followed)
    seen, since = arm.relapsed.to_numpy(dtype=bool)[had], (followed - onset)[had]
    return Times(np.where(seen, arm.relapse_day.to_numpy(dtype=float)[had] - onset[had], since), seen, since)


class Curve(NamedTuple):
    """Kaplan-Meier estimate: share without the event from each day on, with a 95 % interval."""

    days: Floats
    share: Floats
    low: Floats
    high: Floats

    @property
    def median(self) -> float:
        """First day on which at most half are without the event (infinite if this is never reached)."""
        reached = np.flatnonzero(self.share <= 0.5 + 1e-12)
        return float(self.days[reached[0]]) if len(reached) else inf

    def restricted_mean(self, until: float) -> float:
        """Mean time without the event, up to a day: the area under the curve."""
        inside = self.days < until
        ends = np.append(self.days[inside], until)
        return float((np.diff(ends) * self.share[inside]).sum())


def kaplan_meier(times: Times) -> Curve | None:
    """The Kaplan-Meier curve up to the end of the follow-up; None without a patient at risk."""
    if not len(times.days):
        return None
    estimate = ecdf(times.censored()).sf
    share = np.asarray(estimate.probabilities, dtype=float)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # where all or none had the event: no interval
        interval = estimate.confidence_interval(method="log-log")
    ends = [
        np.where(np.isnan(p), share, p) for p in (interval.low.probabilities, interval.high.probabilities)
    ]
    days = np.array([0.0, *estimate.quantiles, times.followed.max()])
    share, low, high = (np.array([1.0, *values, values[-1]]) for values in (share, *ends))
    return Curve(days, share, low, high)


def horizon_days(outcomes: StuckOutcomes, event: str, name: str, reference: str) -> float:
    """The day up to which the restricted mean of a treatment counts: that of all that were followed as long.

    It comes from follow-up and not from events, so a treatment that acts early and in all patients does not
    shorten it. Nor does a treatment that was followed for a shorter time, nor the one compared with.
    """
    followed = {arm: outcomes.arm(arm).followed_days.max() for arm in outcomes.arms}
    asked = [arm for arm in outcomes.arms if arm == name or arm != reference]
    as_long = [arm for arm in asked if followed[arm] >= followed[name]]
    ends = [times_to(event, outcomes.arm(arm)).followed for arm in as_long]
    return min((float(days.max()) for days in ends if len(days)), default=nan)


def survival_table(outcomes: StuckOutcomes, against: str | None = None) -> pd.DataFrame:
    """One row per event and treatment: patients at risk, events, median, restricted mean, log-rank p.

    NaN where an estimate does not exist; the column `note` says why.
    """
    reference = outcomes.reference(against)
    rows = [_survival_row(outcomes, event, name, reference) for event in EVENTS for name in outcomes.arms]
    return pd.DataFrame(rows)


def _survival_row(outcomes: StuckOutcomes, event: str, name: str, reference: str) -> dict[str, Any]:
    times = times_to(event, outcomes.arm(name))
    events = int(times.seen.sum())
    row = {"event": event, "treatment": name, "at_risk": len(times.days), "events": events}
    curve = kaplan_meier(times)
    if curve is None:
        missing = dict.fromkeys(("median_days", "restricted_mean_days", "horizon_days", "logrank_p"), nan)
        return {**row, **missing, "note": "no patient recovered"}
    horizon = horizon_days(outcomes, event, name, reference)
    other = times_to(event, outcomes.arm(reference))
    few = f"only {events} events: too few for a reliable estimate" if events < FEW_EVENTS else ""
    return {
        **row,
        "median_days": curve.median,
        "restricted_mean_days": curve.restricted_mean(horizon),
        "horizon_days": horizon,
        "logrank_p": nan if name == reference else logrank_p(times, other),
        "note": few,
    }


def logrank_p(times: Times, other: Times) -> float:
    """Two-sided p of the log-rank test; NaN without patients or events."""
    if not len(times.days) or not len(other.days) or not (times.seen.any() or other.seen.any()):
        return nan
    return float(logrank(times.censored(), other.censored()).pvalue)


def numbers_at_risk(outcomes: StuckOutcomes, event: str) -> pd.DataFrame:
    """One row per treatment and time: event, treatment, day, patients still at risk."""
    longest = max(times_to(event, outcomes.arm(name)).followed.max(initial=0.0) for name in outcomes.arms)
    rows = [
        (event, name, float(day), times_to(event, outcomes.arm(name)).at_risk(day))
        for name in outcomes.arms
        for day in np.floor(np.linspace(0.0, longest, RISK_TIMES))
    ]
    return pd.DataFrame(rows, columns=pd.Index(["event", "treatment", "day", "at_risk"]))


def needed_to_treat(outcomes: StuckOutcomes, against: str | None = None, *, seed: int = 1) -> pd.DataFrame:
    """Number needed to treat for one more patient who recovers (or is still recovered) than untreated.

    Columns: treatment, against, outcome, share, share_reference, difference with its paired 95 % bootstrap
    interval over patients, and nnt = 1 / difference (infinite where the treatment is not better).
    """
    reference = outcomes.reference(against)
    rows: list[dict[str, Any]] = []
    for outcome in ("recovered", "still_recovered"):
        wide = outcomes.rows.pivot_table(index="patient", columns="treatment", values=outcome, aggfunc="mean")
        for name in (arm for arm in outcomes.arms if arm != reference):
            pairs = wide.reindex(columns=[name, reference]).dropna().to_numpy(dtype=float)
            if not len(pairs):  # no patient was stuck and followed so long under both
                continue
            rng = np.random.default_rng(np.random.SeedSequence([seed, outcomes.arms.index(name)]))
            difference, low, high = map(float, bootstrap(pairs[:, 0] - pairs[:, 1], rng))
            row = {"treatment": name, "against": reference, "outcome": outcome}
            row |= {"share": float(pairs[:, 0].mean()), "share_reference": float(pairs[:, 1].mean())}
            row |= {"difference": difference, "low": low, "high": high}
            rows.append({**row, "nnt": 1.0 / difference if difference > 0 else inf})
    return pd.DataFrame(rows)


def about_outcomes(outcomes: StuckOutcomes, folder: Path) -> About:
    """Where the numbers of a comparison or study come from."""
    if (folder / "study.json").exists():
        source = f"study {json.loads((folder / 'study.json').read_text(encoding='utf-8'))['hash']}"
    else:
        digest = blake2b((folder / "outcomes.parquet").read_bytes(), digest_size=8).hexdigest()
        source = f"outcomes.parquet {digest}"
    counts = f"{outcomes.not_stuck} never stuck and {outcomes.failed} failed runs left out"
    n = f"{outcomes.rows.patient.nunique()} stuck patients ({counts})"
    seeds = sorted(outcomes.rows.seed.unique()) if "seed" in outcomes.rows else []
    return About(", ".join(outcomes.arms), n, ", ".join(map(str, seeds)) or "not stored", source)


def ask(folder: Path, against: str | None = None) -> Answer:
    """The survival analysis of a folder of results."""
    outcomes = read_outcomes(folder)
    table, needed = survival_table(outcomes, against), needed_to_treat(outcomes, against)
    risk = pd.concat([numbers_at_risk(outcomes, event) for event in EVENTS], ignore_index=True)
    tables = {
        "survival": Table.of(table, _COLUMNS, "Time to recovery and to relapse"),
        "needed-to-treat": Table.of(needed, _NEEDED, "Number needed to treat"),
        "numbers-at-risk": Table.of(risk),
    }
    data = {
        "against": outcomes.reference(against),
        "left_out": outcomes.left_out(),
        "survival": tables["survival"].records(),
        "needed_to_treat": tables["needed-to-treat"].records(),
        "note": NO_PLACEBO,
    }
    found = findings(outcomes, table)
    return Answer(
        title="Survival: time to recovery and to relapse",
        finding=found,
        about=about_outcomes(outcomes, folder),
        tables=tables,
        figures={"survival": Shown(survival_figure(outcomes), _SHOWS, " ".join(found))},
        printed=["survival", "needed-to-treat"] if len(needed) else ["survival"],
        notes=[NO_PLACEBO],
        data=data,
        next_step=f"unstuck crossover {folder}",
    )


_COLUMNS = (
    Column("event", meaning="onset: R at least 0.5 for the first time; relapse: below 0.5 again"),
    Column("at_risk", "patients"),
    Column("events"),
    Column("median_days", "median", "d", "half of the patients had the event", ".1f", "not reached"),
    Column("restricted_mean_days", "restricted mean", "d", "mean time without the event", ".1f"),
    Column("horizon_days", "up to day", "", "the restricted mean counts to this day", ".0f"),
    Column("logrank_p", "log-rank p", "", "against the treatment compared with", ".2g"),
)
_NEEDED = (
    Column("outcome", meaning="recovered: R at least 0.5 at the endpoint; still recovered: 12 weeks later"),
    Column("share", format=".0%"),
    Column("share_reference", "share, compared with", format=".0%"),
    Column("difference", format="+.2f"),
    Column("low", "95 % from", format="+.2f"),
    Column("high", "to", format="+.2f"),
    Column("nnt", "needed to treat", format=".1f", none="not defined (no benefit)"),
)
_SHOWS = (
    "Kaplan-Meier curves with 95 % bands; ticks are censored patients, numbers are patients at risk. Left:"
    " first recovery (R at least 0.5). Right: still recovered, in patients who recovered."
)


def findings(outcomes: StuckOutcomes, table: pd.DataFrame) -> list[str]:
    """The result in sentences, with what was left out."""
    onset = table.loc[(table.event == "onset") & np.isfinite(table.median_days)].sort_values("median_days")
    lines = [f"{outcomes.rows.patient.nunique()} stuck patients, {len(outcomes.arms)} treatments."]
    if len(onset):
        first = onset.iloc[0]
        lines[0] += f" Half recover by day {first.median_days:.0f} under {first.treatment}, the earliest."
    else:
        lines[0] += " Under no treatment do half of the patients recover."
    lines += outcomes.left_out_sentences()
    rows = table.to_dict("records")
    notes = [f"{row['event']}, {row['treatment']}: {row['note']}." for row in rows if row["note"]]
    return [*lines, *notes]


@styled
def survival_figure(outcomes: StuckOutcomes) -> Figure:
    """Share recovered by day, and still recovered by days since; 95 % bands, numbers at risk below."""
    figure = Figure(figsize=(11, 4.4 + 0.2 * len(outcomes.arms)), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, event in zip(panels, EVENTS, strict=True):
        for name, style in looks(outcomes.arms).items():
            draw_curve(axes, times_to(event, outcomes.arm(name)), event, name, style)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(left=0)
        axes.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)), zorder=0)
    onset, relapse = panels
    onset.set_title("Recovered at least once")
    onset.set_ylabel("share of stuck patients")
    onset.set_xlabel(f"days since day 0\n{_risk_text(outcomes, 'onset')}", loc="left")
    relapse.set_title("Still recovered, in patients who recovered")
    relapse.set_ylabel("share of patients who recovered")
    relapse.set_xlabel(f"days since the recovery\n{_risk_text(outcomes, 'relapse')}", loc="left")
    handles, labels = onset.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def _risk_text(outcomes: StuckOutcomes, event: str) -> str:
    """Numbers at risk, one line per treatment, for the space under a panel."""
    risk = numbers_at_risk(outcomes, event)
    days = ", ".join(f"{day:.0f}" for day in dict.fromkeys(risk.day))
    lines = [f"at risk on days {days}:"]
    for name in outcomes.arms:
        lines.append(f"{name}: {', '.join(str(n) for n in risk.at_risk[risk.treatment == name])}")
    return "\n".join(lines)


def draw_curve(axes: Axes, times: Times, event: str, name: str, style: dict[str, Any]) -> None:
    """The Kaplan-Meier curve of one group with its 95 % band and censored patients; an onset rises."""
    curve = kaplan_meier(times)
    if curve is None:
        return
    days, share, low, high = curve
    if event == "onset":
        share, low, high = 1.0 - share, 1.0 - high, 1.0 - low
    color = str(style["color"])
    axes.fill_between(days, low, high, step="post", alpha=0.13, linewidth=0, color=color)
    label = f"{name} (n = {len(times.days)})" if event == "onset" else name
    axes.plot(days, share, drawstyle="steps-post", linewidth=2, label=label, **style)
    ends = np.unique(times.days[~times.seen])
    at_end = share[np.searchsorted(days, ends, side="right") - 1]
    axes.plot(ends, at_end, "|", markersize=6, color=color)
