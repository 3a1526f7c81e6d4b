"""The report of a trial: flow of participants, baseline, arms, contrasts, curves and the true state."""

from collections.abc import Sequence
from math import ceil, nan
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from unstuck.state import Floats

from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.style import FAINT, INK, look, styled
from unstuck_analysis.output.table import Column, Table
from unstuck_analysis.questions.survival import Times, draw_curve, kaplan_meier
from unstuck_analysis.trial.analysis import (
    HANDLING,
    NAMES,
    ArmSummary,
    Contrast,
    TrialResult,
    carried_forward,
    crossed_over,
    difference_in_response,
    dose_trend,
    event_times,
    log_rank,
)
from unstuck_analysis.trial.dataset import Group, Pool
from unstuck_analysis.trial.file import CrossOver, LeadIn, Sequential, Withdrawal
from unstuck_analysis.trial.ratings import REASONS
from unstuck_analysis.trial.tables import ADAM, PARAMETERS, frames_of

SYNTHETIC = "All subjects are simulated, so that the true state under their ratings is known."


def about(pool: Pool) -> About:
    """Where the numbers of a trial come from."""
    file, arms = pool.trial.file, [arm.name for arm in pool.trial.file.arms]
    network = f"networks of {file.neurons} neurons" if file.neurons else "the mean-field"
    return About(
        f"{pool.trial.name}: {', '.join(arms)}",
        f"{pool.screened} screened patients of the cohort, {network}",
        f"{file.seed}, trial {file.trial}",
        inputs_hash(pool.trial.conduct(), file),
    )


def trial_answer(result: TrialResult) -> Answer:
    """Everything that `unstuck trial` prints and writes."""
    shown = {"baseline": baseline_table(result), "arms": arm_table(result)}
    if result.contrasts:
        shown["contrasts"] = contrast_table(result)
    shown |= {"events": event_table(result), "adherence": adherence_table(result)}
    return Answer(
        title=result.file.title,
        finding=findings(result),
        about=about(result.pool),
        tables=shown | {name: Table.of(frame, ADAM) for name, frame in frames_of(result).items()},
        figures=figures_of(result),
        printed=list(shown),
        notes=notes(result),
        data=result.json(),
        next_step=f"unstuck power {result.pool.trial.path}" if result.contrasts else "",
    )


def findings(result: TrialResult) -> list[str]:
    """The result in sentences: the primary contrast, response, the true effect, and what the design adds."""
    primary = [c for c in result.contrasts if c.analysis == result.file.endpoint.analyses[0]]
    scale = PARAMETERS[result.file.rating.scale][1].removesuffix(" total score")
    lines = [_contrast(contrast, scale) for contrast in primary]
    lines += [_response(result)] if primary else [_course(arm, scale) for arm in result.arms]
    lines += [
        f"True effect of {name} on these patients, if all had stayed: {mean:+.2f} points at the last visit"
        f" (SD between patients {spread:.2f}). Only a simulation knows this."
        for name, mean, spread in result.true_effects
    ]
    first = result.file.design.kind in ("randomised-withdrawal", "dose-finding", "sequential")
    lines.insert(0 if first else len(lines), _of_the_design(result))
    return [line for line in lines if line]


def _contrast(contrast: Contrast, scale: str) -> str:
    low, high = contrast.estimate.interval
    return (
        f"{contrast.arm} against {contrast.against}: {contrast.estimate.difference:+.1f} points on the"
        f" {scale} (95 % interval {low:.1f} to {high:.1f}, {_p(contrast.estimate.p)}; negative favours"
        f" {contrast.arm}). Standardised mean difference {contrast.smd:.2f}, {NAMES[contrast.analysis]}."
    )


def _response(result: TrialResult) -> str:
    """Response by arm, and its difference; nothing after an open phase.

    The number needed to treat has no meaning where the interval of the difference includes 0.
    """
    if any(arm.response is None for arm in result.arms):
        return ""
    lines = [f"Response: {', '.join(f'{arm.name} {_percent(arm.response)}' for arm in result.arms)}."]
    for arm in result.arms[1:]:
        difference, low, high = difference_in_response(arm, result.arms[0])
        lines.append(
            f"Difference with {arm.name}: {100 * difference:+.0f} % (95 % interval {100 * low:.0f} to"
            f" {100 * high:.0f} %)."
        )
        if low > 0.0:
            lines.append(f"Number needed to treat: {ceil(1.0 / difference)}.")
    return " ".join(lines)


def _course(arm: ArmSummary, scale: str) -> str:
    return (
        f"{arm.name}: {arm.n} patients, mean change {_number(arm.mean_change)} points on the {scale},"
        f" response {_percent(arm.response)}, remission {_percent(arm.remission)},"
        f" left {_percent(arm.dropout)}."
    )


def _of_the_design(result: TrialResult) -> str:
    """What only this design can say, as a sentence."""
    design, pool = result.file.design, result.pool
    if isinstance(design, CrossOver):
        _, carry = crossed_over(result.sequences)
        order = f"higher if {result.groups[1].name} comes first ({_p(carry.p)})"
        return f"Carry-over: the sum of both end scores is {carry.difference:+.2f} points {order}."
    if isinstance(design, LeadIn):
        share = pool.stopped / max(pool.entered, 1)
        return f"{share:.0%} improved by at least {design.exclude_improved:.0%} and were not randomised."
    if isinstance(design, Withdrawal):
        relapsed = zip(result.groups, event_times(result)[1], strict=True)
        shares = ", ".join(f"{group.name} {times.seen.mean():.0%}" for group, times in relapsed)
        responded = f"{pool.n / max(pool.entered, 1):.0%} responded to the open treatment."
        return f"Relapsed: {shares} (log-rank {', '.join(map(_p, log_rank(result)))}). {responded}"
    if isinstance(design, Sequential):
        ended = [g.seen[:, -1] & (g.points[:, -1] <= result.file.remission) for g in result.groups]
        remitted = sum(int(each.sum()) for each in ended)
        return f"Remitted in any step: {remitted} of {result.groups[0].n} patients."
    if design.kind == "dose-finding":
        slope, p, lowest = dose_trend(result)
        least = "none" if lowest is None else f"{lowest:g}"
        trend = f"{slope:+.3f} points per unit of dose ({_p(p)})"
        return f"Linear trend {trend}; lowest effective dose: {least}."
    return ""


def notes(result: TrialResult) -> list[str]:
    """What a reader must know: the estimand, how missing ratings were handled, and what is simulated."""
    endpoint, pool = result.file.endpoint, result.pool
    entry = f"the limit of {result.file.entry.at_least:g} points twice"
    lines = [
        f"Estimand (ICH E9(R1)): {endpoint.estimand}. {_ESTIMANDS[endpoint.estimand]}",
        *(f"Leaving, {NAMES[name]}: {HANDLING[name]}." for name in endpoint.analyses),
        f"Entry: {pool.entered} of {pool.screened} screened patients reach {entry}"
        f" ({pool.entered / max(pool.screened, 1):.0%}).",
        "Arms: shares and mean changes are from the last rating carried forward.",
        "Harms are not modelled: side effects are only a weekly probability of leaving, by class of drug.",
        SYNTHETIC,
    ]
    if context := pool.trial.context:
        lines.append(f"Context: {context.title}.")
    return lines


_ESTIMANDS = {
    "treatment-policy": "Ratings count whether or not doses were taken. There are no ratings after leaving.",
    "hypothetical": "Every dose is taken, and ratings after rescue count as missing.",
    "composite": "Leaving and rescue count as no change.",
}


def arm_table(result: TrialResult) -> Table:
    """One row per arm."""
    rows: list[list[Any]] = []
    for arm, group in zip(result.arms, result.groups, strict=True):
        last = carried_forward(group)[:, [-1]] - group.points[:, [0]]
        mean, half = (float(part[0]) for part in _means(last))
        counts = [arm.response, arm.remission, arm.dropout]
        rows.append([arm.name, arm.n, arm.mean_change, mean - half, mean + half, *counts])
    columns = [
        *_ARM,
        Column(
            "mean_change", "mean change", "points", "last rating minus baseline; negative is better", ".2f"
        ),
        Column("low", "from", format=".2f", meaning="95 % interval of the mean change"),
        Column("high", "to", format=".2f"),
        Column("response", "", "", f"rating at most {result.file.endpoint.response:.0%} of baseline", ".0%"),
        Column("remission", "", "", f"rating at most {result.file.remission:g}", ".0%"),
        Column("dropout", "left", format=".0%", meaning="not seen at the last visit"),
    ]
    return Table(columns, rows, "Arms")


def contrast_table(result: TrialResult) -> Table:
    """One row per contrast and analysis."""
    rows = [
        [c.arm, c.against, c.analysis, e.difference, *e.interval, e.p, c.smd, c.variance_ratio]
        for c in result.contrasts
        for e in [c.estimate]
    ]
    return Table(_CONTRASTS, rows, "Differences between arms")


def baseline_table(result: TrialResult) -> Table:
    """One row per arm: patients, mean, SD and range of the rating before the first dose."""
    rows: list[list[Any]] = []
    for group in result.groups:
        base = pd.Series(group.points[:, 0])
        rows.append([group.name, group.n, base.mean(), base.std(), base.min(), base.max()])
    return Table(_BASELINE, rows, "Baseline")


def event_table(result: TrialResult) -> Table:
    """One row per arm: patients with the event that the trial waits for, median time, log-rank test."""
    event, times = event_times(result)
    rows: list[list[Any]] = []
    tests = [nan, *log_rank(result)]
    for group, each, p in zip(result.groups, times, tests, strict=True):
        curve = kaplan_meier(each)
        rows.append([group.name, group.n, int(each.seen.sum()), curve.median if curve else nan, p])
    return Table(_EVENTS, rows, f"Time to {event}")


def adherence_table(result: TrialResult) -> Table:
    """One row per arm: doses taken until the last rating that was made, placebo included."""
    rows: list[list[Any]] = []
    for group in result.groups:
        last = np.maximum(group.seen.sum(axis=1) - 1, 0)
        taken = group.doses[np.arange(group.n), last] - group.doses[:, 0]
        days = group.days[last]
        share = pd.Series(taken[days > 0] / days[days > 0])
        counts = [share.mean(), (share >= 0.8).mean(), int((share == 0).sum())]
        rows.append([group.name, len(share), *counts])
    return Table(_ADHERENCE, rows, "Adherence")


_PER_SD = (
    "difference per pooled SD of the change (last rating carried forward; of completers, those who stayed);"
    " positive is better"
)
_ARM = (Column("arm"), Column("n", "patients"))
_BASELINE = (
    *_ARM,
    Column("baseline", "mean", "points", format=".1f"),
    Column("sd", "SD", format=".1f"),
    Column("lowest", format=".0f"),
    Column("highest", format=".0f"),
)
_CONTRASTS = (
    Column("arm"),
    Column("against"),
    Column("analysis"),
    Column(
        "difference", "", "points", "change of the arm minus change of the other; negative is better", ".2f"
    ),
    Column("low", "from", format=".2f", meaning="95 % interval of the difference"),
    Column("high", "to", format=".2f"),
    Column("p", format=".2g"),
    Column("smd", "SMD", "", _PER_SD, ".2f"),
    Column("variance_ratio", "variance ratio", "", "variance of the change, arm over the other", ".2f"),
)
_EVENTS = (
    *_ARM,
    Column("events", "with the event"),
    Column("median_days", "median", "days", "half of the patients had the event", ".0f", "not reached"),
    Column("p", "log-rank p", "", "against the first arm", ".2g"),
)
_ADHERENCE = (
    Column("arm"),
    Column("n", "patients", meaning="rated at least once after the baseline"),
    Column("taken", "days with a dose", "", "mean share, placebo included; 0 in a waiting list", ".0%"),
    Column("adherent", "at least 80 %", format=".0%", meaning="share of patients with at least 80 % of days"),
    Column("no_dose", "no dose", meaning="patients who took no dose"),
)


def figures_of(result: TrialResult) -> dict[str, Shown]:
    """Flow of participants, curves with the true state, and time to the event."""
    event, times = event_times(result)
    groups, scale = result.groups, result.file.rating.scale
    low = [f"{g.name}: {g.n}" for g in groups]
    rated = [f"{g.name} {', '.join(map(str, g.seen.sum(axis=0).tolist()))}" for g in groups]
    days = ", ".join(map(str, groups[0].days.tolist()))
    above = "Above: observed means with 95 % intervals, of patients who were rated."
    below = "Below: the score of the circuit alone, of all randomised patients, as if all had stayed."
    numbers = f"Patients rated on days {days}: {'; '.join(rated)}."
    curves = Shown(curves_figure(groups, scale), f"{above} {below} {numbers}")
    tests = zip(groups[1:], log_rank(result), strict=True)
    names = [(f"{g.name} against {groups[0].name}", p) for g, p in tests if p == p]
    against = "".join(f" Log-rank test, {name}: {_p(p)}." for name, p in names)
    without = f"Share without {event} (Kaplan-Meier, 95 % interval); ticks are censored patients.{against}"
    return {
        "flow": Shown(flow_figure(result), "Flow of participants (CONSORT).", f"Patients: {', '.join(low)}."),
        "curves": curves,
        "events": Shown(events_figure(groups, times, event), without),
    }


@styled
def curves_figure(groups: Sequence[Group], scale: str) -> Figure:
    """Observed means by visit with intervals, and the true score below on the same axes."""
    figure = Figure(figsize=(8, 7), layout="constrained")
    observed, true = figure.subplots(2, 1, sharex=True, sharey=True)
    for position, group in enumerate(groups):
        style = look(position + 1)
        mean, half = _means(np.where(group.seen, group.points, np.nan))
        band = {"color": style["color"], "alpha": 0.14, "linewidth": 0}
        observed.fill_between(group.days, mean - half, mean + half, **band)
        observed.plot(group.days, mean, label=f"{group.name} (n = {group.n})", linewidth=2, **style)
        true.plot(group.days, _means(group.true_points)[0], linewidth=2, **style)
    observed.set(title="Observed ratings", ylabel=f"{PARAMETERS[scale][1]}")
    true.set(title="True score: without trait, rater, state and error", ylabel="points")
    true.set_xlabel("days since randomisation")
    observed.set_ylim(bottom=0)
    observed.legend(frameon=False)
    return figure


def _means(values: Floats) -> tuple[Floats, Floats]:
    """Mean by column and half its 95 % interval; NaN where no patient was seen."""
    counts = np.isfinite(values).sum(axis=0)
    safe, freedom = np.maximum(counts, 1), np.maximum(counts - 1, 1)
    mean = np.where(counts > 0, np.nansum(values, axis=0) / safe, np.nan)
    error = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / freedom / safe)
    return mean, stats.t.ppf(0.975, freedom) * error


@styled
def events_figure(groups: Sequence[Group], times: Sequence[Times], event: str) -> Figure:
    """Kaplan-Meier curves of the arms, with the numbers at risk below."""
    figure = Figure(figsize=(8, 4 + 0.2 * len(groups)), layout="constrained")
    axes, days = figure.subplots(), groups[0].days[:: ceil(len(groups[0].days) / 10)].tolist()
    risk = [f"at risk on days {', '.join(map(str, days))}:"]
    for position, (group, each) in enumerate(zip(groups, times, strict=True)):
        draw_curve(axes, each, event, group.name, look(position + 1))
        risk.append(f"{group.name}: {', '.join(str(each.at_risk(day)) for day in days)}")
    axes.set(title=f"Time to {event}", ylabel=f"share without {event}", ylim=(0, 1.02))
    axes.set_xlabel("\n".join(["days since randomisation", *risk]), loc="left")
    axes.legend(frameon=False, loc="lower left")
    return figure


@styled
def flow_figure(result: TrialResult) -> Figure:
    """The CONSORT flow of participants: boxes from screening to analysis."""
    groups, pool = result.groups, result.pool
    figure = Figure(figsize=(max(8.0, 2.9 * len(groups)), 6.2), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    _box(axes, 0.5, 0.94, f"Screened (n = {pool.screened})")
    _arrow(axes, (0.5, 0.91), (0.5, 0.74))
    _arrow(axes, (0.5, 0.82), (0.70, 0.82))
    _box(axes, 0.84, 0.82, _excluded(result))
    started = "Started step 1" if isinstance(result.file.design, Sequential) else "Randomised"
    _box(axes, 0.5, 0.70, f"{started} (n = {len(result.rows)})")
    for position, group in enumerate(groups):
        _draw_arm(axes, (position + 0.5) / len(groups), group, rescue=result.file.rescue is not None)
    return figure


def _excluded(result: TrialResult) -> str:
    """Why screened patients were not randomised, as the text of a box."""
    file, pool, randomised = result.file, result.pool, len(result.rows)
    lines = [
        f"Not randomised (n = {pool.screened - randomised})",
        f"below the entry limit: {pool.screened - pool.entered}",
    ]
    if file.start_day:
        reason = "improved in the lead-in" if isinstance(file.design, LeadIn) else "no response when open"
        lines.append(f"{reason}: {pool.stopped}")
    return "\n".join([*lines, f"trial was full: {pool.n - randomised}"])


def _draw_arm(axes: Axes, center: float, group: Group, *, rescue: bool) -> None:
    """The boxes of one arm: allocated and treated, left and why, analysed."""
    gone, treated = ~group.seen[:, -1], int((group.doses[:, -1] > group.doses[:, 0]).sum())
    received = f"received treatment: {treated}\ndid not: {group.n - treated}"
    received = received if group.doses.any() else "no treatment"
    left = [f"Left (n = {int(gone.sum())})"]
    left += [f"{reason}: {int((group.why[gone] == k).sum())}" for k, reason in enumerate(REASONS) if k]
    left += [f"rescue given: {int(group.rescued.sum())}"] if rescue else []
    _arrow(axes, (0.5, 0.67), (center, 0.58))
    _box(axes, center, 0.50, f"{group.name}\nallocated (n = {group.n})\n{received}")
    _arrow(axes, (center, 0.43), (center, 0.35))
    _box(axes, center, 0.27, "\n".join(left))
    _arrow(axes, (center, 0.19), (center, 0.10))
    _box(axes, center, 0.07, f"In the analysis (n = {group.n})\nlast visit seen: {group.n - int(gone.sum())}")


def _box(axes: Axes, x: float, y: float, text: str) -> None:
    shape = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": INK}
    axes.text(x, y, text, ha="center", va="center", fontsize=9, bbox=shape)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": FAINT, "linewidth": 1.2})


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p {value:.2g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
