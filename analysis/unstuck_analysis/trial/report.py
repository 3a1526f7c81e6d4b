"""The report of a trial: flow of participants, baseline, arms, contrasts, curves and the true state."""

from collections.abc import Sequence
from math import ceil, nan
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from unstuck.state import Floats

from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.style import FAINT, INK, look, styled
from unstuck_analysis.output.table import Column, Table
from unstuck_analysis.questions.survival import Times, kaplan_meier
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
from unstuck_analysis.trial.conduct import conduct_text
from unstuck_analysis.trial.dataset import Group, Pool
from unstuck_analysis.trial.file import CrossOver, DoseFinding, LeadIn, Sequential, Withdrawal
from unstuck_analysis.trial.ratings import REASONS
from unstuck_analysis.trial.tables import PARAMETERS, adam_columns, frames_of

SYNTHETIC = "All subjects are simulated, so that the true state under their ratings is known."


def about(pool: Pool) -> About:
    """Where the numbers of a trial come from."""
    file, found = pool.trial.file, pool.screening
    network = f"networks of {file.neurons} neurons" if file.neurons else "the mean-field"
    return About(
        f"{pool.trial.name}: {', '.join(arm.name for arm in file.arms)}",
        f"{found.screened} screened patients of the cohort, {network}",
        f"{file.seed}, trial {file.trial}",
        inputs_hash(conduct_text(pool.trial), file),
    )


def trial_answer(result: TrialResult) -> Answer:
    """Everything that `unstuck trial` prints and writes."""
    tables = {"arms": arm_table(result), "baseline": baseline_table(result)}
    if result.contrasts:
        tables["contrasts"] = contrast_table(result)
    printed = ["baseline", "arms", *(["contrasts"] if result.contrasts else [])]
    others = {name: Table.of(frame, adam_columns()) for name, frame in frames_of(result).items()}
    return Answer(
        title=result.file.title,
        finding=findings(result),
        about=about(result.data.pool),
        tables={**tables, **others},
        figures=figures_of(result),
        printed=printed,
        notes=notes(result),
        data=result.json(),
        next_step=f"unstuck power {result.data.trial.path}" if result.contrasts else "",
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
    of_the_design = [line for line in [_of_the_design(result)] if line]
    first = isinstance(result.file.design, Withdrawal | DoseFinding | Sequential)
    return [line for line in (of_the_design + lines if first else lines + of_the_design) if line]


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
    design, found = result.file.design, result.data.pool.screening
    if isinstance(design, CrossOver):
        carry = crossed_over(result.data.sequences()).carry_over
        order = f"higher if {result.groups[1].name} comes first ({_p(carry.p)})"
        return f"Carry-over: the sum of both end scores is {carry.difference:+.2f} points {order}."
    if isinstance(design, LeadIn):
        share = found.stopped_in_run_in / max(found.entered, 1)
        return f"{share:.0%} improved by at least {design.exclude_improved:.0%} and were not randomised."
    if isinstance(design, Withdrawal):
        relapsed = zip(result.groups, event_times(result)[1], strict=True)
        shares = ", ".join(f"{group.name} {times.seen.mean():.0%}" for group, times in relapsed)
        tests = ", ".join(_p(p) for p in log_rank(result))
        responded = f"{found.randomisable / max(found.entered, 1):.0%} responded to the open treatment."
        return f"Relapsed: {shares} (log-rank {tests}). {responded}"
    if isinstance(design, DoseFinding):
        trend = dose_trend(result)
        lowest = "none" if trend.lowest_dose is None else f"{trend.lowest_dose:g}"
        slope = f"{trend.slope:+.3f} points per unit of dose ({_p(trend.p)})"
        return f"Linear trend {slope}; lowest effective dose: {lowest}."
    if isinstance(design, Sequential):
        ended = [g.seen[:, -1] & (g.points[:, -1] <= result.file.remission) for g in result.groups]
        remitted = sum(int(each.sum()) for each in ended)
        return f"Remitted in any step: {remitted} of {result.groups[0].n} patients."
    return ""


def notes(result: TrialResult) -> list[str]:
    """What a reader must know: the estimand, how missing ratings were handled, and what is simulated."""
    endpoint, found = result.file.endpoint, result.data.pool.screening
    entry = f"the limit of {result.file.entry.at_least:g} points twice"
    lines = [
        f"Estimand (ICH E9(R1)): {endpoint.estimand}. {_ESTIMANDS[endpoint.estimand]}",
        *(f"Leaving, {NAMES[name]}: {HANDLING[name]}." for name in endpoint.analyses),
        f"Entry: {found.entered} of {found.screened} screened patients reach {entry}"
        f" ({found.entered / max(found.screened, 1):.0%}).",
        "Arms: shares and mean changes are from the last rating carried forward.",
        SYNTHETIC,
    ]
    if context := result.data.trial.context:
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
    response = f"rating at most {result.file.endpoint.response:.0%} of baseline"
    changed = "last rating minus baseline; negative is better"
    columns = [
        Column("arm"),
        Column("n", "patients"),
        Column("mean_change", "mean change", "points", changed, ".2f"),
        Column("low", "from", format=".2f", meaning="95 % interval of the mean change"),
        Column("high", "to", format=".2f"),
        Column("response", format=".0%", meaning=response),
        Column("remission", format=".0%", meaning=f"rating at most {result.file.remission:g}"),
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
    apart = "change of the arm minus change of the other; negative is better"
    per_sd = "difference per pooled SD of the change; positive is better"
    ratio = "variance of the change, arm over the other"
    columns = [
        Column("arm"),
        Column("against"),
        Column("analysis"),
        Column("difference", "", "points", apart, ".2f"),
        Column("low", "from", format=".2f", meaning="95 % interval of the difference"),
        Column("high", "to", format=".2f"),
        Column("p", format=".2g"),
        Column("smd", "SMD", meaning=per_sd, format=".2f"),
        Column("variance_ratio", "variance ratio", meaning=ratio, format=".2f"),
    ]
    return Table(columns, rows, "Differences between arms")


def baseline_table(result: TrialResult) -> Table:
    """One row per arm: patients, mean, SD and range of the rating before the first dose."""
    rows = []
    for group in result.groups:
        base = group.points[:, 0]
        spread = float(base.std(ddof=1)) if group.n > 1 else nan
        ends = (float(base.min()), float(base.max())) if group.n else (nan, nan)
        rows.append([group.name, group.n, float(base.mean()) if group.n else nan, spread, *ends])
    columns = [
        Column("arm"),
        Column("n", "patients"),
        Column("baseline", "mean", "points", format=".1f"),
        Column("sd", "SD", format=".1f"),
        Column("lowest", format=".0f"),
        Column("highest", format=".0f"),
    ]
    return Table(columns, rows, "Baseline")


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
    without = f"Share without {event} (Kaplan-Meier, 95 % interval)."
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
        observed.fill_between(
            group.days, mean - half, mean + half, color=style["color"], alpha=0.14, linewidth=0
        )
        observed.plot(group.days, mean, label=f"{group.name} (n = {group.n})", linewidth=2, **style)
        true.plot(group.days, _means(group.true_points)[0], linewidth=2, **style)
    observed.set(title="Observed ratings", ylabel=f"{PARAMETERS[scale][1]}")
    true.set(
        title="True score: without trait, rater, state and error",
        ylabel="points",
        xlabel="days since randomisation",
    )
    observed.set_ylim(bottom=0)
    observed.legend(frameon=False)
    return figure


def _means(values: Floats) -> tuple[Floats, Floats]:
    """Mean by column and half its 95 % interval; NaN where no patient was seen."""
    counts = np.isfinite(values).sum(axis=0)
    safe = np.maximum(counts, 1)
    mean = np.where(counts > 0, np.nansum(values, axis=0) / safe, np.nan)
    squares = np.nansum((values - mean) ** 2, axis=0)
    error = np.sqrt(squares / np.maximum(counts - 1, 1) / safe)
    return mean, stats.t.ppf(0.975, np.maximum(counts - 1, 1)) * error


@styled
def events_figure(groups: Sequence[Group], times: Sequence[Times], event: str) -> Figure:
    """Kaplan-Meier curves of the arms."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for position, (group, each) in enumerate(zip(groups, times, strict=True)):
        curve, style = kaplan_meier(each), look(position + 1)
        if curve is not None:
            axes.fill_between(
                curve.days, curve.low, curve.high, step="post", color=style["color"], alpha=0.14, linewidth=0
            )
            axes.plot(curve.days, curve.share, drawstyle="steps-post", linewidth=2, label=group.name, **style)
    axes.set(
        title=f"Time to {event}",
        ylabel=f"share without {event}",
        xlabel="days since randomisation",
        ylim=(0, 1.02),
    )
    axes.legend(frameon=False, loc="lower left")
    return figure


@styled
def flow_figure(result: TrialResult) -> Figure:
    """The CONSORT flow of participants: boxes from screening to analysis."""
    groups, found = result.groups, result.data.pool.screening
    figure = Figure(figsize=(max(8.0, 2.9 * len(groups)), 6.2), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    _box(axes, 0.5, 0.94, f"Screened (n = {found.screened})")
    _arrow(axes, (0.5, 0.91), (0.5, 0.74))
    _arrow(axes, (0.5, 0.82), (0.70, 0.82))
    _box(axes, 0.84, 0.82, _excluded(result))
    started = "Started step 1" if isinstance(result.file.design, Sequential) else "Randomised"
    _box(axes, 0.5, 0.70, f"{started} (n = {len(result.data.rows)})")
    for position, group in enumerate(groups):
        _draw_arm(axes, (position + 0.5) / len(groups), group, rescue=result.file.rescue is not None)
    return figure


def _excluded(result: TrialResult) -> str:
    """Why screened patients were not randomised, as the text of a box."""
    file, found, randomised = result.file, result.data.pool.screening, len(result.data.rows)
    lines = [
        f"Not randomised (n = {found.screened - randomised})",
        f"below the entry limit: {found.screened - found.entered}",
    ]
    if file.start_day:
        reason = "improved in the lead-in" if isinstance(file.design, LeadIn) else "no response when open"
        lines.append(f"{reason}: {found.stopped_in_run_in}")
    return "\n".join([*lines, f"trial was full: {found.randomisable - randomised}"])


def _draw_arm(axes: Axes, center: float, group: Group, *, rescue: bool) -> None:
    """The boxes of one arm: allocated, left and why, analysed."""
    gone = ~group.seen[:, -1]
    left = [f"Left (n = {int(gone.sum())})"]
    left += [f"{reason}: {int((group.why[gone] == k).sum())}" for k, reason in enumerate(REASONS) if k]
    left += [f"rescue given: {int(group.rescued.sum())}"] if rescue else []
    _arrow(axes, (0.5, 0.67), (center, 0.54))
    _box(axes, center, 0.50, f"{group.name}\nallocated (n = {group.n})")
    _arrow(axes, (center, 0.46), (center, 0.33))
    _box(axes, center, 0.27, "\n".join(left))
    _arrow(axes, (center, 0.19), (center, 0.10))
    _box(axes, center, 0.07, f"In the analysis (n = {group.n})\nlast visit seen: {group.n - int(gone.sum())}")


def _box(axes: Axes, x: float, y: float, text: str) -> None:
    axes.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        fontsize=9,
        bbox={"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": INK},
    )


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": FAINT, "linewidth": 1.2})


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p {value:.2g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
