"""Figures of a study: heat maps over two axes, curves over one, treatments compared, clouds of a sample."""

from collections.abc import Iterator, Sequence
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from unstuck.state import Floats

from unstuck_analysis.outcomes import bootstrap_mean, mean_bands
from unstuck_analysis.output.columns import column_name
from unstuck_analysis.output.style import FAINT, INK, look, looks, styled, wrapped
from unstuck_analysis.study.results import Results

NOT_STUCK = "not_stuck"
ALWAYS_COUNTED = (NOT_STUCK, "connectivity_stuck")  # of all patients; other outcomes only of those stuck
MOST_CURVES = 6
SHARES = "boolean"
NOBODY = "no patient counts here"


def shown_outcomes(results: Results, most: int = 3) -> list[str]:
    """The outcomes that figures show: the first ones that the study file names."""
    return (results.inputs.study.outcomes or ["recovered", "recovered_days", "still_recovered"])[:most]


def counted(table: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Rows that count for an outcome: finished, with a value, and of patients who were stuck."""
    done = (table.status == "done") & table[outcome].notna()
    found = table.loc[done if outcome in ALWAYS_COUNTED else done & ~table.not_stuck.fillna(True)]
    return found.assign(not_stuck=~found.not_stuck) if outcome == NOT_STUCK else found


def shown_as(outcome: str) -> str:
    """An outcome in words; `not_stuck` is shown as its opposite."""
    return {NOT_STUCK: "stuck", "recovery_endpoint": "R at the endpoint"}.get(
        outcome, outcome.replace("_", " ")
    )


def label(results: Results, path: str) -> str:
    """A path or outcome as the label of an axis."""
    unit = results.units.get(column_name(path), "")
    return f"{axis_name(path)} ({unit})" if unit not in ("", "1") else axis_name(path)


def axis_name(path: str) -> str:
    """A path or outcome in words, such as "length of stress" for `treatment.phases.stress.for`."""
    kind, _, rest = path.partition(".")
    if path.startswith("treatment.phases."):
        phase, _, key = path.removeprefix("treatment.phases.").rpartition(".")
        stress = "strength of stress" if phase == "stress" else f"stress in {phase}"
        return f"length of {phase}" if key == "for" else stress
    if kind == "drug":
        name, _, key = rest.partition(".")
        return f"{key.replace('_', ' ')} of {name}"
    return path.replace("_", " ")


def axis_value(results: Results, path: str, value: float) -> str:
    """A value of an axis with its unit."""
    unit = results.units.get(column_name(path), "")
    return f"{value:g} {unit}" if unit not in ("", "1") else f"{value:g}"


def outcome_figure(results: Results, outcome: str) -> Figure | None:
    """An outcome over whatever the study varies; None where no patient counts."""
    table = results.by_path()
    if counted(table, outcome).empty:
        return None
    paths = [path for path in results.plan.paths if len(set(table[path])) > 1]
    if results.inputs.study.design not in ("grid", "list"):
        return _clouds(results, table, outcome, paths)
    if len(paths) >= 2:
        return _heat_maps(results, table, outcome, paths[1], paths[0])
    return _curves(results, table, outcome, paths[0]) if paths else _arms(results, table, outcome)


@styled
def _heat_maps(results: Results, table: pd.DataFrame, outcome: str, across: str, up: str) -> Figure:
    """Mean over patients (and over further axes) by two axes, one panel per treatment."""
    arms, counts = list(results.inputs.basis.arms), counted(table, outcome)
    figure = Figure(figsize=(1.6 + 5.4 * len(arms), 4.6), layout="constrained")
    maps = {
        arm: counts[counts.treatment == arm]
        .astype({outcome: float})
        .pivot_table(index=up, columns=across, values=outcome)
        for arm in arms
    }
    every = np.concatenate([m.to_numpy().ravel() for m in maps.values()])
    low, high = (0.0, 1.0) if table[outcome].dtype == SHARES else (np.nanmin(every), np.nanmax(every))
    images: list[AxesImage] = []
    for number, (arm, found) in enumerate(maps.items()):
        axes = figure.add_subplot(1, len(arms), number + 1)
        if found.empty:
            axes.set_title(f"{arm}: {NOBODY}")
            continue
        images.append(axes.imshow(found, origin="lower", aspect="auto", cmap="cividis", vmin=low, vmax=high))
        _write_cells(axes, found, (low + high) / 2, ".2f" if high == 1.0 else ".3g")
        axes.set_title(wrapped(arm, 40))
        axes.set_xlabel(label(results, across))
        axes.set_ylabel(label(results, up))
    figure.colorbar(images[-1], ax=figure.axes[-1]).set_label(_what(outcome, table))
    return figure


def _write_cells(axes: Axes, found: pd.DataFrame, middle: float, digits: str) -> None:
    axes.set_xticks(range(found.shape[1]), [f"{value:g}" for value in found.columns])
    axes.set_yticks(range(found.shape[0]), [f"{value:g}" for value in found.index])
    axes.spines[:].set_visible(False)
    if found.size > 200:
        return
    for (row, column), value in np.ndenumerate(found.to_numpy()):
        color = "white" if value < middle else "black"
        axes.text(column, row, f"{value:{digits}}", ha="center", va="center", color=color, fontsize=8)


@styled
def _curves(results: Results, table: pd.DataFrame, outcome: str, path: str) -> Figure:
    """Mean with its 95 % interval over one axis, one line per treatment."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.add_subplot()
    rows = counted(table, outcome)
    for arm, style in looks(results.inputs.basis.arms).items():
        of_arm = rows.loc[rows.treatment == arm]
        where, values = np.unique(of_arm[path].to_numpy(dtype=float)), of_arm[outcome].to_numpy(dtype=float)
        at = [values[of_arm[path] == number] for number in where]
        values = np.array([_interval(found, results.inputs.study.seed) for found in at])
        if len(values):
            ends = np.abs(values[:, 1:].T - values[:, 0])
            axes.errorbar(where, values[:, 0], ends, label=arm, marker="o", capsize=3, **style)
    axes.set_xlabel(label(results, path))
    axes.set_ylabel(_what(outcome, table))
    figure.legend(loc="outside right upper", frameon=False)
    return figure


@styled
def _arms(results: Results, table: pd.DataFrame, outcome: str) -> Figure:
    """Every patient, the mean and its 95 % interval, one row per treatment."""
    arms = list(results.inputs.basis.arms)
    figure = Figure(figsize=(8, 1.2 + 0.55 * len(arms)), layout="constrained")
    axes, rows = figure.add_subplot(), counted(table, outcome)
    rng = np.random.default_rng(results.inputs.study.seed)
    for position, (arm, style) in enumerate(looks(arms).items()):
        values = rows.loc[rows.treatment == arm, outcome].to_numpy(dtype=float)
        if not len(values):
            continue
        mean, low, high = _interval(values, results.inputs.study.seed)
        color = style["color"]
        if table[outcome].dtype != SHARES:
            spread = position + rng.uniform(-0.18, 0.18, len(values))
            axes.plot(values, spread, "o", color=color, alpha=0.3, markersize=4, markeredgewidth=0)
        axes.plot([low, high], [position, position], color=color, linewidth=3)
        axes.plot(mean, position, "o", color=color, markersize=9, markeredgecolor="white")
        axes.annotate(f"{mean:.2g}", (mean, position), (0, 8), textcoords="offset points", ha="center")
    axes.set_yticks(range(len(arms)), [wrapped(arm, 30) for arm in arms])
    axes.set_ylim(len(arms) - 0.4, -0.7)
    if table[outcome].dtype == SHARES:
        axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel(_what(outcome, table))
    return figure


@styled
def _clouds(results: Results, table: pd.DataFrame, outcome: str, paths: Sequence[str]) -> Figure:
    """The mean over patients of every sampled point, against each axis in turn."""
    columns = min(len(paths), 3)
    rows = ceil(len(paths) / columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    counts = counted(table, outcome).astype({outcome: float})
    for number, path in enumerate(paths):
        axes = figure.add_subplot(rows, columns, number + 1)
        for arm, style in looks(results.inputs.basis.arms).items():
            rows_of_arm = counts.loc[counts.treatment == arm, ["point", path, outcome]]
            x, y = rows_of_arm.groupby("point").mean().to_numpy(dtype=float).T
            axes.plot(x, y, "o", color=style["color"], markersize=3, alpha=0.6, label=arm)
        if results.inputs.study.vary[path].scale == "log":
            axes.set_xscale("log")
        axes.set_xlabel(label(results, path))
        axes.set_ylabel(_what(outcome, table))
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside right upper", frameon=False)
    return figure


def course_figure(results: Results, column: str) -> Figure | None:
    """A column of the series over days; None where no patient counts."""
    series, table = results.series(), results.by_path()
    who = ["run_id", "point", "treatment", "patient"]
    stuck = table.loc[~table.not_stuck.fillna(True), [*who, *results.plan.paths]]
    series = series.merge(stuck, on=who).dropna(subset=column)
    return None if series.empty else _course_figure(results, series, column)


@styled
def _course_figure(results: Results, series: pd.DataFrame, column: str) -> Figure:
    """Mean and 95 % band by treatment, or of one treatment by its first axis."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    axes = figure.add_subplot()
    styles = looks(results.inputs.basis.arms)
    for position, (name, rows) in enumerate(_courses(results, series), start=1):
        style = styles.get(name) or look(position)
        of_patients = rows.pivot_table(index=["patient", "day"], values=column).reset_index()
        days, (mean,), (low,), (high,) = mean_bands(of_patients, [column], results.inputs.study.seed)
        axes.fill_between(days, low, high, color=style["color"], alpha=0.16, linewidth=0)
        axes.plot(days, mean, label=name, linewidth=2, **style)
    axes.axhline(0.0, color=FAINT, linewidth=1, zorder=0)
    axes.axvline(0.0, color=FAINT, linewidth=1, zorder=0)
    axes.set_xlabel("days since day 0")
    axes.set_ylabel(label(results, column))
    figure.legend(loc="outside right upper", frameon=False)
    return figure


def _courses(results: Results, series: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """What each curve shows, and its readings; over further axes patients are averaged."""
    arms, paths = list(results.inputs.basis.arms), results.plan.paths
    if len(arms) > 1 or not paths:
        by, groups, names = "treatment", arms, arms
    else:
        by, values = paths[0], np.unique(series[paths[0]])
        groups = values[np.unique(np.linspace(0, len(values) - 1, MOST_CURVES).round().astype(int))]
        names = [f"{label(results, by)} {value:g}" for value in groups]
    for group, name in zip(groups, names, strict=True):
        rows = series.loc[series[by] == group]
        if len(rows):
            ends = rows.pivot_table(index="run_id", values="day", aggfunc="max")
            yield name, rows.loc[rows.day <= ends.to_numpy().min()]  # days that every run reached


@styled
def indices_figure(found: pd.DataFrame, first: str, second: str) -> Figure:
    """Two sensitivity measures of every axis, the strongest on top."""
    ordered = found.sort_values(second)
    figure = Figure(figsize=(8, 1.0 + 0.45 * len(ordered)), layout="constrained")
    axes, rows = figure.add_subplot(), np.arange(len(ordered))
    for offset, column, position in ((0.18, second, 1), (-0.18, first, 2)):
        errors = ordered.get(f"{column}_conf")
        axes.barh(
            rows + offset, ordered[column], 0.34, xerr=errors, label=column, color=look(position)["color"]
        )
    axes.set_yticks(rows, ordered["axis"], color=INK)
    axes.legend(frameon=False, loc="lower right")
    axes.set_xlim(left=min(0.0, *ordered[first]))
    share = "S1" in (first, second)
    axes.set_xlabel(
        "share of the variance (1)" if share else "effect over the whole axis (unit of the outcome)"
    )
    return figure


def _interval(values: Floats, seed: int) -> tuple[float, float, float]:
    return bootstrap_mean(np.asarray(values, dtype=float), np.random.default_rng(seed), draws=1_000)


def _what(outcome: str, table: pd.DataFrame) -> str:
    name = shown_as(outcome)
    return f"share of patients: {name}" if table[outcome].dtype == SHARES else f"mean: {name}"
