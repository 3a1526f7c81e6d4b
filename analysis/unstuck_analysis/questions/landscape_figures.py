"""Figures of the ditch: the two stable states over what varies, and the slope with every treatment's path."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from unstuck.circuit import Floats

from unstuck_analysis.output.style import INK, look, styled
from unstuck_analysis.questions.continuation import Branch
from unstuck_analysis.questions.landscape import Landscape, Path, QuasiPotential

HEALTHY, STUCK, EDGE, GROUND = "#009E73", "#0072B2", "#D55E00", "#eae6df"
LOOKS_HEALTHY = 0.8  # stable states above this connectivity are drawn as healthy


@styled
def bifurcation_figure(
    branches: Sequence[Branch],
    name: str,
    label: str = "",
    loops: dict[str, tuple[Floats, Floats]] | None = None,
) -> Figure:
    """Connectivity of every fixed point over what varies: stable solid, unstable dashed, folds marked.

    name: what varies, for the title; label: the same at the axis, with its unit.
    loops: connectivity of slow runs up and down again, by name, as (values, connectivity).
    """
    figure = Figure(figsize=(8.5, 5), layout="constrained")
    axes = figure.subplots()
    for branch in branches:
        _draw_branch(axes, branch)
    for position, (run, (values, connectivity)) in enumerate((loops or {}).items()):
        _draw_loop(axes, run, values, connectivity, position)
    axes.set_xlabel(label or name)
    axes.set_ylabel("connectivity C (healthy = 1)")
    axes.set_title(finding(branches, name))
    axes.margins(y=0.08)
    _direct_labels(axes, branches)
    if loops:
        title = "slow run up and down again\n(lags behind a state that has vanished)"
        axes.legend(frameon=False, fontsize=9, loc="upper right", title=title, title_fontsize=9)
    return figure


def _draw_loop(axes: Axes, name: str, values: Floats, connectivity: Floats, position: int) -> None:
    """A slow run up and down again, with an arrow on its largest fall."""
    color, marker = ("#8a8a8a", "o") if position == 0 else ("#4a4a4a", "^")
    style = {"marker": marker, "markersize": 4, "linewidth": 0.9, "color": color, "linestyle": ":"}
    axes.plot(values, connectivity, label=name, zorder=2, **style)
    k = int(np.argmin(np.diff(connectivity)))
    middle = (0.5 * (values[k] + values[k + 1]), 0.5 * (connectivity[k] + connectivity[k + 1]))
    arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 1.2}
    axes.annotate("", (values[k + 1], connectivity[k + 1]), xytext=middle, arrowprops=arrow)


def _draw_branch(axes: Axes, branch: Branch) -> None:
    values, connectivity = branch.values, branch.connectivity
    for first, last, stable in branch.stable_stretches():
        course = values[first : last + 1], connectivity[first : last + 1]
        color = EDGE if not stable else HEALTHY if course[1].mean() > LOOKS_HEALTHY else STUCK
        width, dashes = (3.0, "-") if stable else (1.6, (0, (4, 2.5)))
        axes.plot(*course, color=color, linewidth=width, linestyle=dashes, zorder=3)
    for k in branch.turns:
        place = (values[k], connectivity[k])
        axes.plot(*place, "o", markersize=8, color="white", markeredgecolor=INK, zorder=4)
        _note(axes, f"{values[k]:.3g}", place)
    for k in branch.lost_ends:
        place = (values[k], connectivity[k])
        axes.plot(*place, "x", markersize=8, markeredgewidth=2, color=INK, zorder=4)
        _note(axes, f"lost at {values[k]:.3g}", place)


def _note(axes: Axes, text: str, place: tuple[float, float]) -> None:
    style = {"textcoords": "offset points", "va": "center", "fontsize": 10}
    axes.annotate(text, place, xytext=(9, 0), **style)


def finding(branches: Sequence[Branch], name: str) -> str:
    """What the diagram over `name` shows, as its title."""
    turning = [(branch, fold) for branch in branches for fold in branch.folds]
    low, high = (f(float(f(branch.values)) for branch in branches) for f in (min, max))
    over = f"{name} {low:g} to {high:g}"
    throughout = [b for b in branches if b.stable.all() and np.ptp(b.values) > 0.999 * (high - low)]
    if not turning and len(branches) == 1 and throughout:
        return f"One stable state only for {over}: no ditch here"
    if len(throughout) > 1:
        lacks = "" if any(not b.stable.all() for b in branches) else "; the edge between was not found"
        return f"{len(throughout)} stable states for {over}, all the way{lacks}"
    if throughout and len(turning) == 1:
        branch, fold = turning[0]
        there = "stuck" if throughout[0].connectivity.mean() < LOOKS_HEALTHY else "healthy"
        gone = "Health" if there == "stuck" else "The stuck state"
        side = "beyond" if branch.values[branch.stable].mean() < fold else "below"
        return f"{gone} is gone {side} {name} {fold:.3g}; the {there} state is there all the way"
    if turning:
        folds = sorted(fold for _, fold in turning)
        return f"Stable states vanish at {name} {', '.join(f'{fold:.3g}' for fold in folds)}"
    return f"No fold found for {over}; not every state could be followed all the way"


def _direct_labels(axes: Axes, branches: Sequence[Branch]) -> None:
    """Name each kind of state once, beside its line at the left end of the range or else at the right end."""
    ends = [(branch, k) for branch in branches for k in (0, len(branch.values) - 1)]
    named: set[str] = set()
    for branch, k in sorted(ends, key=lambda end: float(end[0].values[end[1]])):
        value, height = float(branch.values[k]), float(branch.connectivity[k])
        name = "healthy" if height > LOOKS_HEALTHY else "stuck"
        name = name if branch.stable[k] else "edge (saddle)"
        if name in named:
            continue
        named.add(name)
        on_left = value < np.mean(axes.get_xlim())
        axes.annotate(
            name,
            (value, height),
            xytext=(14 if on_left else -14, 9 if name == "healthy" else -16),
            textcoords="offset points",
            ha="left" if on_left else "right",
            color={"healthy": HEALTHY, "stuck": STUCK}.get(name, EDGE),
            fontweight="bold",
        )


@styled
def ditch_figure(landscape: Landscape, potential: QuasiPotential, paths: Sequence[Path]) -> Figure:
    """The slope between stuck and healthy; below it, where each treatment takes the patient over time."""
    figure = Figure(figsize=(9, 8), layout="constrained")
    slope, ways = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1.5])
    furthest = max([1.0, *(max(path.position) for path in paths)])
    _draw_slope(slope, landscape, potential, (-0.15, min(furthest, 1.6) + 0.08))
    _draw_ways(ways, landscape, paths)
    slope.set_title("The ditch, and how far each treatment pulls")
    figure.supxlabel(
        "Position: projection of the whole slow state on the saddle's unstable direction; the slope is a"
        " quasi-potential along it,\nnot an energy. Mean-field, typical patient, no noise.",
        fontsize=8.5,
        color="#707070",
        x=0.01,
        ha="left",
    )
    return figure


def _draw_slope(
    axes: Axes, landscape: Landscape, potential: QuasiPotential, limits: tuple[float, float]
) -> None:
    position = np.linspace(*limits, 600)
    depth = max(potential.depths)
    height = 1000.0 * potential.at(position)
    edge = landscape.coordinate.point_of_no_return
    floor = -1250.0 * depth
    axes.fill_between(position, np.minimum(height, 800 * depth), floor, color=GROUND, linewidth=0)
    axes.plot(position, height, color=INK, linewidth=2)
    for name, place, color in (("stuck", 0.0, STUCK), ("healthy", 1.0, HEALTHY)):
        bottom = 1000.0 * float(potential.at(np.array(place)))
        axes.plot(place, bottom + 130 * depth, "o", markersize=17, color=color, zorder=4)
        axes.annotate(
            name,
            (place, bottom),
            xytext=(0, -16),
            textcoords="offset points",
            ha="center",
            color=color,
            fontweight="bold",
            fontsize=11,
        )
    axes.annotate(
        f"point of no return\n(C = {landscape.saddle.connectivity:.2f} there)" if landscape.saddle else "",
        (edge, 0.0),
        xytext=(edge, 520 * depth),
        ha="center",
        color=EDGE,
        fontweight="bold",
        fontsize=10,
        arrowprops={"arrowstyle": "-", "color": EDGE, "linewidth": 1.2},
    )
    axes.set_ylim(floor, 950 * depth)
    axes.set_xlim(*limits)
    axes.set_ylabel("quasi-potential\n(0.001 per day)")


def _draw_ways(axes: Axes, landscape: Landscape, paths: Sequence[Path]) -> None:
    edge, last = landscape.coordinate.point_of_no_return, max(path.days[-1] for path in paths)
    axes.axvspan(*axes.get_xlim()[:1], edge, color=STUCK, alpha=0.06, linewidth=0)
    axes.axvspan(edge, axes.get_xlim()[1], color=HEALTHY, alpha=0.06, linewidth=0)
    axes.axvline(edge, color=EDGE, linewidth=1.4, linestyle=(0, (4, 2.5)))
    for number, path in enumerate(paths):
        days, position, style = np.array(path.days), np.array(path.position), look(number)
        on_board = days <= path.gone_day
        axes.plot(position[on_board], days[on_board], linewidth=2.8, label=_fate(path, edge), **style)
        axes.plot(position[~on_board], days[~on_board], linewidth=1.0, **style)
    axes.set_ylim(last, -2)
    axes.set_yticks(np.arange(0, last + 1, 28))
    axes.set_ylabel("days since the first dose")
    axes.set_xlabel("position: 0 stuck, 1 healthy (thick while the drug acts)")
    place = {"loc": "center left", "bbox_to_anchor": (1.01, 0.5)}
    axes.legend(frameon=False, fontsize=9.5, handlelength=4.5, **place)


def _fate(path: Path, edge: float) -> str:
    """A treatment's name with when it passed the point of no return for good, or how far it came."""
    share, day = max(path.position) / edge, path.over_edge_day(edge)
    if day is None:
        return f"{path.treatment}\n" + (
            "over the edge, but falls back"
            if share > 1
            else f"{100 * share:.0f} % of the way, then back"
            if share > 0.05
            else "never moves"
        )
    return f"{path.treatment}\nover the edge on day {day:.0f}"
