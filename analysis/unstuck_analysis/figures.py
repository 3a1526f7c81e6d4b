"""Figures of a comparison: read in five seconds, colour-blind safe, units on every axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from unstuck.files.treatment import Regimen, Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.state import Floats

from unstuck_analysis.compare import Comparison, main_population
from unstuck_analysis.outcomes import RECOVERED, mean_bands
from unstuck_analysis.output.style import FAINT, SOFT, look, looks, styled, wrapped

RECOVERY = "recovery R (share of lost connection strength)"
DAYS = "days since the start of treatment (day 0)"
MOST_TREATMENTS = 9  # of a figure in which every treatment has a panel
MAIN_LINES = 3  # with an interval; further treatments are thin lines
PER_ROW = 5  # panels


def shown(comparison: Comparison) -> list[Treatment]:
    """The treatments under which a patient was stuck."""
    return [treatment for treatment in comparison.treatments if len(comparison.arm(treatment.name))]


@styled
def recovery_figure(comparison: Comparison) -> Figure:
    """Recovery by treatment, when each drug is given, and every patient as one stripe per treatment.

    More treatments than one panel can show are drawn by class instead.
    """
    treatments = shown(comparison)
    if len(treatments) > MOST_TREATMENTS:
        return shelf_figure(comparison)
    with_drugs = [treatment for treatment in treatments if treatment.drugs]
    rows = max(-(-len(treatments) // PER_ROW), 1)
    heights = [4.4 + 0.2 * len(with_drugs), 0.3 + 1.7 * rows]
    figure = Figure(figsize=(11, sum(heights)), layout="constrained")
    above, below = np.atleast_1d(figure.subfigures(2, 1, height_ratios=heights))  # pyright: ignore
    styles = looks(treatment.name for treatment in comparison.treatments)
    lines, strip = above.subplots(2, 1, sharex=True, height_ratios=[4, 0.2 + 0.2 * len(with_drugs)])
    _draw_recovery(lines, comparison, treatments, styles)
    _draw_doses(strip, with_drugs, styles)
    panels = below.subplots(rows, min(max(len(treatments), 1), PER_ROW), squeeze=False).ravel()
    for panel in panels[len(treatments) :]:
        panel.set_axis_off()
    image = _draw_patients(panels[: len(treatments)], comparison, treatments, styles)
    if image is not None:
        bar = below.colorbar(image, ax=list(panels), fraction=0.02, pad=0.01, aspect=12, ticks=[0, 0.5, 1])
        bar.set_label("recovery R")
    return figure


def main_treatments(comparison: Comparison, treatments: Sequence[Treatment]) -> list[str]:
    """What has an interval: the first, the fastest, and the one with the highest R at its endpoint."""
    if len(treatments) <= MAIN_LINES:
        return [treatment.name for treatment in treatments]
    medians = {t.name: comparison.summaries[t.name]["onset_day_median"] for t in treatments}
    onset = {name: day for name, day in medians.items() if day is not None}
    end = {t.name: comparison.arm(t.name).recovery_endpoint.mean() for t in treatments}
    ordered = [treatments[0].name, *sorted(onset, key=lambda name: onset[name])[:1]]
    ordered += sorted(end, key=lambda name: -end[name])
    return list(dict.fromkeys(ordered))[:MAIN_LINES]


def recovery_band(comparison: Comparison, treatment: Treatment) -> tuple[Floats, Floats, Floats, Floats]:
    """Days, mean recovery under a treatment, and the ends of its 95 % bootstrap band; each (days,)."""
    readings = comparison.readings(treatment.name)
    days, (mean,), (low,), (high,) = mean_bands(readings, ["recovery"], comparison.seed)
    return days, mean, low, high


def _draw_recovery(
    axes: Axes, comparison: Comparison, treatments: Sequence[Treatment], styles: dict[str, Any]
) -> None:
    main = main_treatments(comparison, treatments)
    bands = {t.name: recovery_band(comparison, t) for t in treatments}
    for height, style in ((1.0, "-"), (RECOVERED, (0, (1, 3))), (0.0, "-")):
        axes.axhline(height, color=FAINT, linewidth=0.8, linestyle=style, zorder=0)
    for treatment in treatments:
        name, (days, mean, low, high) = treatment.name, bands[treatment.name]
        color, is_main = styles[name]["color"], name in main
        if is_main:
            axes.fill_between(days, low, high, color=color, alpha=0.13, linewidth=0)
        style = {"color": color, "linewidth": 2.6} if is_main else {"linewidth": 1.0, **styles[name]}
        axes.plot(days, mean, zorder=3 if is_main else 2, **style)
        end = treatment.file.endpoint_day
        if end <= days[-1]:
            axes.plot(end, np.interp(end, days, mean), "o", color="white", markeredgecolor=color, zorder=4)
    last = max((float(days[-1]) for days, *_ in bands.values()), default=84.0)
    axes.set_xlim(0, last)
    axes.set_ylabel(RECOVERY)
    axes.tick_params(labelbottom=False)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["stuck  0", "0.25", "recovered  0.5", "0.75", "healthy  1"])
    who = _who(comparison, treatments[0].name) if treatments else "no stuck patient"
    kinds = "bands: its 95 % interval" + ("" if len(main) == len(treatments) else "; thin lines: mean only")
    axes.set_title(f"Recovery of {who}\n", pad=2)
    note = f"lines: mean; {kinds}; circles: endpoint"
    axes.text(0, 1.015, note, color=SOFT, transform=axes.transAxes, fontsize=9)
    _name_lines(axes, {name: (days[-1], mean[-1]) for name, (days, mean, *_) in bands.items()}, styles, main)


def _name_lines(
    axes: Axes, ends: dict[str, tuple[float, float]], styles: dict[str, Any], main: Sequence[str]
) -> None:
    """Write the name of every line next to its end."""
    low, high = axes.get_ylim()
    heights = _spread([height for _, height in ends.values()], 0.068 * (high - low))
    right = axes.get_xlim()[1]
    for (name, end), height in zip(ends.items(), heights, strict=True):
        axes.annotate(
            wrapped(name, 26),
            end,
            xytext=(1.02 * right, height),
            va="center",
            color=styles[name]["color"],
            fontweight="bold" if name in main else "normal",
            fontsize=10 if name in main else 9,
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2},
            annotation_clip=False,
        )


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved apart until no two are closer than gap, order kept."""
    order = np.argsort(heights)
    placed = np.array(heights, dtype=float)[order]
    for _ in range(200):
        close = np.diff(placed) < gap - 1e-9
        if not close.any():
            break
        for k in np.flatnonzero(close):
            middle = placed[k : k + 2].mean()
            placed[k], placed[k + 1] = middle - gap / 2, middle + gap / 2
    result = np.empty_like(placed)
    result[order] = placed
    return result.tolist()


def _draw_doses(axes: Axes, treatments: Sequence[Treatment], styles: dict[str, Any]) -> None:
    """One row per treatment: bars where a drug is taken at least every second day, marks for single doses."""
    for row, treatment in enumerate(treatments):
        for phase, content in treatment.file.phases.items():
            start_h = treatment.file.start_h(phase) - treatment.file.day_0_h
            for regimen in content.drugs:
                _draw_course(axes, row, start_h, regimen, styles[treatment.name]["color"])
    axes.set_ylim(len(treatments) - 0.4, -0.6)
    axes.yaxis.tick_right()
    axes.set_yticks(
        range(len(treatments)), [wrapped(t.name, 34).split("\n")[0] for t in treatments], fontsize=8
    )
    for label, treatment in zip(axes.get_yticklabels(), treatments, strict=True):
        label.set_color(styles[treatment.name]["color"])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylabel("drug\ngiven", fontsize=9, rotation=0, ha="right", va="center")
    _tick_weeks(axes)
    axes.set_xlabel(DAYS)


def _tick_weeks(axes: Axes, most: int = 10) -> None:
    """At most `most` ticks along a time axis in days, at whole weeks."""
    last = axes.get_xlim()[1]
    weeks = next(step for step in (1, 2, 4, 12, 26, 52, 520, 5200) if last / step / 7 <= most)
    axes.set_xticks(np.arange(0, last + 1, 7 * weeks))


def _draw_course(axes: Axes, row: int, start_h: float, regimen: Regimen, color: str) -> None:
    """The days of one regimen; pale where a condition decides whether it is given."""
    alpha = 0.35 if regimen.when or regimen.stop_when else 1.0
    if regimen.every and regimen.every <= 2 * HOURS_A_DAY:
        ends = np.array([start_h + regimen.first_h, start_h + regimen.last_h]) / HOURS_A_DAY
        axes.plot(ends, [row, row], color=color, alpha=alpha, linewidth=6, solid_capstyle="butt")
        return
    days = [dose.time_h / HOURS_A_DAY for dose in regimen.doses(start_h, 1.0)]
    style = {"color": color, "alpha": alpha, "markersize": 7, "markeredgewidth": 2.5, "clip_on": False}
    axes.plot(days, [row] * len(days), "|", **style)


def _draw_patients(
    panels: Sequence[Axes], comparison: Comparison, treatments: Sequence[Treatment], styles: dict[str, Any]
) -> AxesImage | None:
    """One panel per treatment, one row per patient, the same patient in the same row of every panel."""
    if not treatments:
        return None
    stuck = pd.concat([comparison.readings(treatment.name) for treatment in treatments])
    mean = stuck.assign(recovery=stuck.recovery.clip(0, 1)).groupby("patient").recovery.mean()
    order, last = mean.sort_values(ascending=False).index, float(stuck.day.max())
    days, image = np.arange(0, last + 1), None
    for number, (axes, treatment) in enumerate(zip(panels, treatments, strict=True)):
        readings = comparison.readings(treatment.name)
        table = readings.pivot_table(index="patient", columns="day", values="recovery").reindex(order)
        values = np.array([np.interp(days, table.columns, row, right=np.nan) for row in table.to_numpy()])
        extent = (0, last, len(values), 0)
        image = axes.imshow(
            values, aspect="auto", cmap="cividis", vmin=0, vmax=1, extent=extent, interpolation="nearest"
        )
        _label_patients(axes, comparison, treatment, last, styles[treatment.name]["color"])
        if number % PER_ROW == 0:
            axes.set_ylabel("one row per patient,\nsame row everywhere", fontsize=8.5)
    return image


def _label_patients(
    axes: Axes, comparison: Comparison, treatment: Treatment, last: float, color: str
) -> None:
    outcomes, end = comparison.arm(treatment.name), treatment.file.endpoint_day
    followed = float(np.floor(outcomes.followed_days.min()))
    axes.set_title(wrapped(treatment.name, 22), color=color, fontsize=10)
    axes.set_xlabel(
        f"days\nrecovered, day {end:g}: {_count(outcomes.recovered)} of {len(outcomes)}"
        f"\n12 weeks after the drug: {_count(outcomes.still_recovered)}",
        fontsize=8.5,
    )
    axes.set_xlim(0, last)
    axes.set_xticks(sorted({0.0, min(end, followed), followed}))
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _count(answers: pd.Series) -> str:
    """How many yes there are among answers, if there is any."""
    return str(int(answers.sum())) if answers.notna().any() else "n/a"


def _who(comparison: Comparison, first: str) -> str:
    """The patients a figure shows, in words."""
    count = len(comparison.arm(first))
    if comparison.starts_elsewhere:
        return "the stuck patients"
    return f"the same {count} stuck patients" if count != 1 else "one stuck patient"


@styled
def shelf_figure(comparison: Comparison) -> Figure:
    """One panel per drug class: mean recovery of every treatment, with the first treatment in each."""
    reference, *others = shown(comparison)
    by_class: dict[str, list[Treatment]] = {}
    for treatment in others:
        by_class.setdefault(treatment_class(treatment), []).append(treatment)
    columns = min(2, max(len(by_class), 1))
    rows = max(-(-len(by_class) // columns), 1)
    figure = Figure(figsize=(11, 2.6 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel in axes[len(by_class) :]:
        panel.set_axis_off()
    for panel, (title, treatments) in zip(axes, by_class.items(), strict=False):
        _draw_class(panel, comparison, reference, treatments)
        panel.set_title(wrapped(title, 40))
    figure.supylabel(RECOVERY, fontsize=10)
    figure.supxlabel(DAYS, fontsize=10)
    who = _who(comparison, reference.name)
    figure.suptitle(f"Mean recovery of {who}, by class of drug", x=0.01, ha="left", fontsize=12)
    return figure


def _draw_class(
    panel: Axes, comparison: Comparison, reference: Treatment, treatments: Sequence[Treatment]
) -> None:
    styles = looks(treatment.name for treatment in treatments)
    for treatment in (reference, *treatments):
        days, mean, _, _ = recovery_band(comparison, treatment)
        style = styles.get(treatment.name, {"color": FAINT, "linewidth": 3, "zorder": 1})
        panel.plot(days, mean, label=wrapped(treatment.name, 30), **{"linewidth": 1.7, **style})
    for height in (0.0, 1.0):
        panel.axhline(height, color=FAINT, linewidth=0.8, zorder=0)
    panel.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.03))


def treatment_class(treatment: Treatment) -> str:
    """The panel of a treatment: the class of its drug, combinations, or no drug."""
    names = [r.drug for phase in treatment.file.phases.values() for r in phase.drugs]
    classes = {treatment.drugs[name].drug_class.split(",")[0] for name in names}
    if len(classes) > 1:
        return "Combinations and switches"
    return classes.pop() if classes else "No drug"


def region_columns(comparison: Comparison) -> dict[str, dict[str, str]]:
    """Columns of the readings of each region's main cells, by what is read and by region."""
    circuit = comparison.circuit
    main = {region: main_population(circuit, region) for region in circuit.regions}
    return {
        "serotonin": {region: f"serotonin_{region}" for region in main},
        "BDNF supply": {region: f"bdnf_{cells}" for region, cells in main.items()},
        "firing": {region: f"activity_{cells}" for region, cells in main.items()},
    }


@styled
def regions_figure(comparison: Comparison) -> Figure:
    """Mean serotonin, BDNF supply and firing of every region over time, one line per treatment."""
    rows, treatments = region_columns(comparison), shown(comparison)
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    panels = figure.subplots(
        len(rows), len(comparison.circuit.regions), sharex=True, sharey="row", squeeze=False
    )
    styles, main = looks(t.name for t in comparison.treatments), main_treatments(comparison, treatments)
    for treatment in treatments:
        style = {"linewidth": 1.8 if treatment.name in main else 1.0, **styles[treatment.name]}
        _draw_regions(panels, comparison, treatment, style, banded=treatment.name in main)
    for row, what in zip(panels, rows, strict=True):
        row[0].set_ylabel(f"{what}\n(healthy = 1)")
        _scale(row[0], ratio=what == "serotonin", least=0.5)
        for panel in row:
            panel.axhline(1.0, color=FAINT, linewidth=1, zorder=0)
    for panel, region in zip(panels[0], comparison.circuit.regions, strict=True):
        panel.set_title(region, fontsize=10)
        panel.set_xlim(left=0)
        _tick_weeks(panel, most=3)
    for panel in panels[-1]:
        panel.set_xlabel("days")
    lines, names = panels[0, 0].get_legend_handles_labels()
    figure.legend(lines, names, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    return figure


def _draw_regions(
    panels: npt.NDArray[Any],
    comparison: Comparison,
    treatment: Treatment,
    style: dict[str, Any],
    *,
    banded: bool,
) -> None:
    """One line per panel; nothing for a region that the circuit of the treatment does not have."""
    columns = [column for row in region_columns(comparison).values() for column in row.values()]
    readings = comparison.readings(treatment.name).reindex(columns=["patient", "day", *columns])
    days, *bands = mean_bands(readings, columns, comparison.seed)
    for panel, mean, low, high in zip(panels.ravel(), *bands, strict=True):
        panel.plot(days, mean, label=treatment.name, **style)
        if banded:
            panel.fill_between(days, low, high, color=style["color"], alpha=0.14, linewidth=0)


def _scale(axes: Axes, *, ratio: bool, least: float) -> None:
    """Set the scale of a value axis, at least `least` high around what is drawn."""
    if ratio:
        axes.set_yscale("log")
        axes.set_yticks([0.5, 1, 2, 5, 10], labels=["0.5", "1", "2", "5", "10"])
        axes.minorticks_off()
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.6), max(high, 1.7))
        return
    low, high = axes.get_ylim()
    missing = max(least - (high - low), 0.0) / 2
    axes.set_ylim(low - missing, high + missing)


@styled
def patient_figure(comparison: Comparison) -> Figure:
    """One patient under one treatment: recovery, serotonin, BDNF and firing over time, and each dose."""
    readings, circuit, treatment = comparison.series, comparison.circuit, comparison.treatments[0]
    figure = Figure(figsize=(9, 8), layout="constrained")
    panels = figure.subplots(5, 1, sharex=True, height_ratios=[1.2, 1, 1, 1, 0.25])
    recovery, serotonin, bdnf, firing, doses = panels
    color = looks([treatment.name])[treatment.name]["color"]
    recovery.plot(readings.day, readings.recovery, color=color, linewidth=2)
    recovery.axhline(RECOVERED, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
    recovery.set_ylabel("recovery R")
    patient = int(readings.patient.iloc[0])
    recovery.set_title(wrapped(f"{treatment.file.title}: patient {patient}, seed {comparison.seed}", 80))
    for position, region in enumerate(circuit.regions):
        main = main_population(circuit, region)
        for panel, column in (
            (serotonin, f"serotonin_{region}"),
            (bdnf, f"bdnf_{main}"),
            (firing, f"activity_{main}"),
        ):
            panel.plot(readings.day, readings[column], label=region, linewidth=1.4, **look(position + 1))
    for panel, label in ((serotonin, "serotonin"), (bdnf, "BDNF supply"), (firing, "firing")):
        panel.axhline(1.0, color=FAINT, linewidth=1, zorder=0)
        panel.set_ylabel(f"{label}\n(healthy = 1)")
        _scale(panel, ratio=False, least=0.5)
    _scale(recovery, ratio=False, least=0.5)
    serotonin.legend(loc="upper right", ncols=len(circuit.regions), frameon=False, fontsize=8)
    recovery.set_xlim(0, float(readings.day.max()))
    _draw_doses(doses, [treatment] if treatment.drugs else [], looks([treatment.name]))
    return figure
