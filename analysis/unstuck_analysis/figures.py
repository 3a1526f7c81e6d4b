"""Figures of a comparison: drawn to be read in five seconds, colour-blind safe, units on every axis."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import FancyArrowPatch
from unstuck.files.circuit import CircuitFile, projection_ends
from unstuck.files.treatment import Treatment

from unstuck_analysis.compare import Comparison, main_population
from unstuck_analysis.outcomes import mean_band
from unstuck_analysis.output.columns import column_name
from unstuck_analysis.output.style import FAINT, INK, PALETTE, look, styled

FIRING = mpl.colormaps["PuOr_r"]  # below health purple, at health white, above orange
MOST_ARMS = 9
BAND = 5.0  # points, of a connection as strong as in health


def _spread_labels(heights: Sequence[float], gap: float) -> list[float]:
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


@styled
def recovery_figure(comparison: Comparison) -> Figure:
    """Recovery over time by treatment (mean, 95 % band), and below every single patient as one stripe.

    More treatments than one panel can hold are drawn by class instead.
    """
    if len(comparison.treatments) > MOST_ARMS:
        return shelf_figure(comparison)
    arms = [t.name for t in comparison.treatments if len(comparison.arm(t.name))]
    rows = -(-len(arms) // 5)
    figure = Figure(figsize=(11, 5.2 + 1.9 * rows), layout="constrained")
    grid = figure.add_gridspec(1 + rows, min(len(arms), 5) or 1, height_ratios=[2.6] + [1] * rows)
    axes = figure.add_subplot(grid[0, :])
    _draw_recovery(axes, comparison, arms)
    image = None
    for position, name in enumerate(arms):
        strip = figure.add_subplot(grid[1 + position // 5, position % 5])
        image = _draw_patients(strip, comparison, name, position)
    if image is not None:
        bar = figure.colorbar(image, ax=figure.axes[-1], shrink=0.9, pad=0.08, aspect=10)
        bar.set_label("recovery index R")
    return figure


def _draw_recovery(axes: Axes, comparison: Comparison, arms: Sequence[str]) -> None:
    last, ends = 84.0, []
    for position, name in enumerate(arms):
        days, mean, low, high = mean_band(comparison.readings(name), "recovery", comparison.seed)
        axes.fill_between(days, low, high, color=PALETTE[position % len(PALETTE)], alpha=0.12, linewidth=0)
        axes.plot(days, mean, linewidth=2.2, **look(position))
        last = max(last, float(days[-1]))
        ends.append((name, float(mean[-1]), float(days[-1])))
    axes.axhline(1.0, color=FAINT, linewidth=1, zorder=0)
    axes.axhline(0.0, color=FAINT, linewidth=1, zorder=0)
    axes.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)), zorder=0)
    axes.axvline(84, color=FAINT, linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    low, high = axes.get_ylim()
    labels = _spread_labels([end for _, end, _ in ends], 0.062 * (high - low))
    for position, ((name, _, day), height) in enumerate(zip(ends, labels, strict=True)):
        axes.annotate(
            name,
            (day, ends[position][1]),
            xytext=(last + 4, height),
            va="center",
            color=PALETTE[position % len(PALETTE)],
            fontweight="bold",
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 2},
            annotation_clip=False,
        )
    axes.set_xlim(0, last + 1)
    axes.set_xticks(np.arange(0, last + 1, 28))
    axes.text(1, 1.015, "healthy", color="#808080", fontsize=9, va="bottom")
    axes.text(1, -0.015, "stuck", color="#808080", fontsize=9, va="top")
    axes.text(84.6, axes.get_ylim()[1], "day 84: 12-week courses end", color="#808080", fontsize=9, va="top")
    axes.set_xlabel("days since the first dose")
    axes.set_ylabel("recovery index R")
    who = _who(comparison, arms[0]) if arms else "no stuck patient"
    axes.set_title(f"Recovery of {who} (mean and 95 % interval of the mean)")


def _draw_patients(axes: Axes, comparison: Comparison, name: str, position: int) -> AxesImage:
    table = comparison.readings(name).pivot_table(index="patient", columns="day", values="recovery")
    days = np.arange(0, 169)
    values = np.array(
        [np.interp(days, table.columns, row, right=np.nan) for row in table.to_numpy()], dtype=float
    )
    order = np.argsort(-np.nansum(np.clip(values, 0, 1), axis=1))
    image = axes.imshow(
        values[order],
        aspect="auto",
        cmap="cividis",
        vmin=0,
        vmax=1,
        extent=(0, 168, len(values), 0),
        interpolation="nearest",
    )
    outcomes = comparison.arm(name)
    endpoint_day = next(t.file.endpoint_day for t in comparison.treatments if t.name == name)
    axes.set_title(name, color=PALETTE[position % len(PALETTE)], fontsize=10)
    axes.set_xlabel(
        f"days\nrecovered, day {endpoint_day:g}: {_count(outcomes.recovered)} of {len(outcomes)}"
        f"\nstill recovered later: {_count(outcomes.still_recovered)}",
        fontsize=8.5,
    )
    axes.set_xticks([0, 84, 168])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    if position % 5 == 0:
        axes.set_ylabel("one row per patient", fontsize=8.5)
    return image


def _count(answers: pd.Series) -> str:
    """How many yes there are among answers, if there is any."""
    return str(int(answers.sum())) if answers.notna().any() else "n/a"


def _who(comparison: Comparison, first: str) -> str:
    """The patients a figure shows, in words."""
    if comparison.starts_elsewhere:
        return "the stuck patients"
    return f"the same {len(comparison.arm(first))} stuck patients"


@styled
def shelf_figure(comparison: Comparison) -> Figure:
    """One panel per drug class: mean recovery of every treatment, with the first treatment in each."""
    reference, *others = [t for t in comparison.treatments if len(comparison.arm(t.name))]
    by_class: dict[str, list[Treatment]] = {}
    for treatment in others:
        by_class.setdefault(treatment_class(treatment), []).append(treatment)
    columns = min(2, max(len(by_class), 1))
    rows = -(-len(by_class) // columns)
    figure = Figure(figsize=(11, 2.5 * rows + 0.3), layout="constrained")
    axes = figure.subplots(max(rows, 1), columns, sharex=True, sharey=True, squeeze=False).ravel()
    for panel in axes[len(by_class) :]:
        panel.set_axis_off()
    for panel, (title, treatments) in zip(axes, by_class.items(), strict=False):
        days, mean, _, _ = mean_band(comparison.readings(reference.name), "recovery", comparison.seed)
        panel.plot(days, mean, color=FAINT, linewidth=3, zorder=1, label=reference.name)
        for position, treatment in enumerate(treatments):
            days, mean, _, _ = mean_band(comparison.readings(treatment.name), "recovery", comparison.seed)
            panel.plot(days, mean, linewidth=1.7, label=treatment.name, **look(position + 1))
        panel.axhline(1.0, color=FAINT, linewidth=0.8, zorder=0)
        panel.axhline(0.0, color=FAINT, linewidth=0.8, zorder=0)
        panel.set(title=title, xlim=(0, 168), ylim=(-0.3, 1.25))
        panel.set_xticks([0, 28, 56, 84, 112, 140, 168])
        panel.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.03))
    for panel in axes[::columns]:
        panel.set_ylabel("recovery index R")
    figure.supxlabel("days since the first dose", fontsize=10)
    who = _who(comparison, reference.name)
    figure.suptitle(f"Mean recovery of {who}, by class", x=0.01, ha="left", fontsize=12)
    return figure


def treatment_class(treatment: Treatment) -> str:
    """The panel a treatment belongs to: the class of its drug, combinations, or tools for experiments."""
    names = [r.drug for phase in treatment.file.phases.values() for r in phase.drugs]
    classes = {treatment.drugs[name].drug_class.split(",")[0] for name in names}
    if len(classes) > 1:
        return "Combinations and switches"
    return classes.pop() if classes else "No drug"


@styled
def by_region_figure(
    comparison: Comparison, columns: dict[str, str], label: str, title: str, *, ratio: bool = False
) -> Figure:
    """Small multiples by region: the mean of a column over patients, one line a treatment, with its band.

    A ratio is drawn on a logarithmic axis, so that half and double look equally far from health.
    """
    figure = Figure(figsize=(11, 3.1), layout="constrained")
    axes = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, (region, column) in zip(axes, columns.items(), strict=True):
        for position, treatment in enumerate(comparison.treatments):
            readings = comparison.readings(treatment.name)
            if not len(readings[column].dropna()):  # nobody stuck, or a circuit without this region
                continue
            days, mean, low, high = mean_band(readings, column, comparison.seed)
            panel.fill_between(
                days, low, high, color=PALETTE[position % len(PALETTE)], alpha=0.14, linewidth=0
            )
            panel.plot(days, mean, linewidth=1.6, label=treatment.name, **look(position))
        panel.axhline(1.0, color=FAINT, linewidth=1, zorder=0)
        if ratio:
            panel.set_yscale("log")
            panel.set_yticks([0.5, 1, 2, 5, 10], labels=["0.5", "1", "2", "5", "10"])
            panel.minorticks_off()
        panel.set_title(region)
        panel.set_xlabel("days")
        panel.set_xlim(0, 168)
        panel.set_xticks([0, 84, 168])
    axes[0].set_ylabel(label)
    handles, labels = axes[0].get_legend_handles_labels()
    columns_of_legend = min(len(labels), 5) or 1
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns_of_legend, frameon=False, fontsize=9
    )
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", fontsize=11)
    return figure


def serotonin_figure(comparison: Comparison) -> Figure:
    """Extracellular serotonin by region, as a ratio to health."""
    columns = {region: f"serotonin_{region}" for region in comparison.circuit.regions}
    title = "Extracellular serotonin by region"
    return by_region_figure(comparison, columns, "serotonin (healthy = 1)", title, ratio=True)


def bdnf_figure(comparison: Comparison) -> Figure:
    """BDNF protein of each region's main cells."""
    circuit = comparison.circuit
    columns = {region: f"bdnf_{main_population(circuit, region)}" for region in circuit.regions}
    return by_region_figure(
        comparison, columns, "BDNF (healthy = 1)", "BDNF of principal cells (serotonergic cells in the raphe)"
    )


def scar_figure(comparison: Comparison) -> Figure:
    """Scar of each region's main cells: lasting repression of BDNF synthesis."""
    circuit = comparison.circuit
    columns = {region: f"scar_{main_population(circuit, region)}" for region in circuit.regions}
    return by_region_figure(comparison, columns, "scar (0 to 1)", "Scar of principal cells")


def firing_figure(comparison: Comparison) -> Figure:
    """Firing of each region's main cells relative to their set-points."""
    circuit = comparison.circuit
    columns = {region: f"activity_{main_population(circuit, region)}" for region in circuit.regions}
    return by_region_figure(
        comparison,
        columns,
        "firing (healthy = 1)",
        "Firing of principal cells (serotonergic cells in the raphe)",
    )


@styled
def circuit_figure(comparison: Comparison) -> Figure:
    """The circuit healthy, stuck and on day 84: the width of a band is proportional to the strength."""
    arms = [t for t in comparison.treatments if len(comparison.arm(t.name))]
    panels: list[tuple[str, pd.Series]] = [("healthy", pd.Series(dtype=float))]
    if arms:
        untreated = comparison.readings(arms[0].name)
        panels.append(("stuck (day 0)", pd.Series(untreated[untreated.day == 0].mean(numeric_only=True))))
        for treatment in arms:
            readings = comparison.readings(treatment.name)
            if len(on_day := readings[readings.day == 84]):
                panels.append((f"{treatment.name}, day 84", pd.Series(on_day.mean(numeric_only=True))))
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(11, 2.9 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in axes[len(panels) :]:
        panel.set_axis_off()
    for panel, (title, state) in zip(axes, panels, strict=False):
        _draw_circuit(panel, comparison.circuit, state)
        panel.set_title(title, fontsize=10)
    _draw_circuit_key(axes[len(panels)] if len(panels) < len(axes) else axes[-1])
    return figure


def region_strengths(circuit: CircuitFile, state: pd.Series) -> dict[tuple[str, str], float]:
    """Mean strength (healthy = 1) of the plastic projections from one region to another."""
    found: dict[tuple[str, str], list[float]] = {}
    for name, projection in circuit.projections.items():
        if projection.plastic:
            pre, post = projection_ends(name)
            ends = (circuit.populations[pre].region, circuit.populations[post].region)
            strength = _value(state, column_name(f"strength_{name}"))
            found.setdefault(ends, []).append(strength)
    return {ends: float(np.mean(strengths)) for ends, strengths in found.items()}


def _value(state: pd.Series, name: str) -> float:
    """A value of a state, or the healthy 1."""
    return float(state.to_dict().get(name, 1.0))


def _draw_circuit(axes: Axes, circuit: CircuitFile, state: pd.Series) -> None:
    """Regions as discs coloured by firing; a pale band of the healthy width is behind every connection."""
    place = {name: region.position for name, region in circuit.regions.items()}
    for (pre, post), strength in region_strengths(circuit, state).items():
        both_ways = (post, pre) in region_strengths(circuit, state)
        for share, color, zorder in ((1.0, "#e3e3e3", 1), (strength, "#4a4a4a", 2)):
            arrow = FancyArrowPatch(
                place[pre],
                place[post],
                connectionstyle=f"arc3,rad={0.16 if both_ways else 0.08}",
                arrowstyle="-|>" if zorder == 2 else "-",
                mutation_scale=9,
                linewidth=BAND * share,
                color=color,
                shrinkA=16,
                shrinkB=17,
                zorder=zorder,
            )
            axes.add_patch(arrow)
    for region, (x, y) in place.items():
        activity = _value(state, f"activity_{main_population(circuit, region)}")
        color = FIRING(activity - 0.5)
        axes.scatter(x, y, s=900, color=color, edgecolor=INK, linewidth=0.9, zorder=3)
        ink = "white" if np.dot(color[:3], (0.3, 0.59, 0.11)) < 0.5 else INK
        axes.text(x, y, region, ha="center", va="center", fontsize=8, color=ink, zorder=4)
    axes.set(xlim=(0, 1.05), ylim=(0, 1))
    axes.set_aspect("equal")
    axes.set_axis_off()


def _draw_circuit_key(axes: Axes) -> None:
    axes.text(0.0, 0.92, "band: strength of a connection", fontsize=9, transform=axes.transAxes)
    for height, share, text in ((0.78, 1.0, "healthy"), (0.64, 0.6, "60 % of healthy")):
        axes.plot(
            [0.02, 0.3],
            [height, height],
            color="#4a4a4a",
            linewidth=BAND * share,
            transform=axes.transAxes,
        )
        axes.text(0.36, height, text, va="center", fontsize=9, transform=axes.transAxes)
    axes.text(0.0, 0.46, "pale band: what it was in health", fontsize=9, transform=axes.transAxes)
    axes.text(0.0, 0.28, "disc: firing of principal cells", fontsize=9, transform=axes.transAxes)
    for k, activity in enumerate((0.6, 0.8, 1.0, 1.2)):
        color = FIRING(activity - 0.5)
        axes.scatter(
            0.06 + 0.2 * k, 0.13, s=170, color=color, edgecolor=INK, linewidth=0.8, transform=axes.transAxes
        )
        axes.text(0.06 + 0.2 * k, -0.01, f"{activity:g}", ha="center", fontsize=8, transform=axes.transAxes)


@styled
def patient_figure(comparison: Comparison) -> Figure:
    """One patient under one treatment: recovery, serotonin, BDNF and firing over time."""
    readings, circuit = comparison.series, comparison.circuit
    figure = Figure(figsize=(9, 7), layout="constrained")
    recovery, serotonin, bdnf, firing = figure.subplots(4, 1, sharex=True)
    recovery.plot(readings.day, readings.recovery, color=PALETTE[1], linewidth=2)
    recovery.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
    recovery.set_ylabel("recovery index R")
    treatment, patient = comparison.treatments[0], int(readings.patient.iloc[0])
    recovery.set_title(f"{treatment.file.title}: patient {patient}, seed {comparison.seed}")
    for position, region in enumerate(circuit.regions):
        style = {"linewidth": 1.4, **look(position + 1)}
        main = main_population(circuit, region)
        serotonin.plot(readings.day, readings[f"serotonin_{region}"], label=region, **style)
        bdnf.plot(readings.day, readings[f"bdnf_{main}"], **style)
        firing.plot(readings.day, readings[f"activity_{main}"], **style)
    for panel, label in ((serotonin, "serotonin"), (bdnf, "BDNF"), (firing, "firing")):
        panel.axhline(1.0, color=FAINT, linewidth=1, zorder=0)
        panel.set_ylabel(f"{label}\n(healthy = 1)")
    serotonin.legend(loc="upper right", ncols=len(circuit.regions), frameon=False, fontsize=8)
    firing.set_xlabel("days since the first dose")
    return figure
