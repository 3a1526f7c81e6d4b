"""The circuit in pictures: its state under each treatment."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from unstuck.files.circuit import CircuitFile, projection_ends

from unstuck_analysis.compare import Comparison
from unstuck_analysis.figures import shown
from unstuck_analysis.output.columns import column_name
from unstuck_analysis.output.style import INK, styled, wrapped

FIRING = mpl.colormaps["PuOr_r"]  # below health purple, at health white, above orange
EXCITES, INHIBITS, HEALTH = "#333333", "#9c2f7f", "#e6e6e6"
WIDTH, FIXED = 5.0, 0.3  # points, of a connection as strong as in health; share of it for fixed ones
DISC = 620  # area of a disc in square points
APART = (0.12, 0.08)  # from the place of a region to the outer of its populations

Point = tuple[float, float]


def circuit_states(comparison: Comparison) -> dict[str, pd.Series]:
    """Mean readings by title of a panel: healthy (empty), stuck, and at the endpoint of each treatment."""
    states = {"healthy": pd.Series(dtype=float)}
    for treatment in shown(comparison):
        readings, end = comparison.readings(treatment.name), treatment.file.endpoint_day
        states.setdefault("stuck (day 0)", _mean_on(readings, 0.0))
        last = readings.groupby("patient").day.max().min()
        states[f"{treatment.name}, day {min(end, last):g}"] = _mean_on(readings, min(end, last))
    return states


def _mean_on(readings: pd.DataFrame, day: float) -> pd.Series:
    days = readings.day.unique()
    nearest = days[np.argmin(np.abs(days - day))]
    return pd.Series(readings[readings.day == nearest].mean(numeric_only=True))


@styled
def circuit_figure(comparison: Comparison) -> Figure:
    """The circuit healthy, stuck and at the endpoint of each treatment."""
    states, circuit = circuit_states(comparison), comparison.circuit
    columns = min(4, len(states))
    rows = -(-len(states) // columns)
    figure = Figure(figsize=(11, 2.75 * rows + 0.6), layout="constrained")
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[*[2.75] * rows, 0.5])
    panels = [figure.add_subplot(grid[k // columns, k % columns]) for k in range(len(states))]
    key = figure.add_subplot(grid[rows, :])
    firing = [firing_of(circuit, name, state) for state in states.values() for name in discs_of(circuit)]
    norm = TwoSlopeNorm(1.0, min(0.5, *firing), max(1.5, *firing))
    for panel, (title, state) in zip(panels, states.items(), strict=True):
        _draw_circuit(panel, circuit, state, norm)
        panel.set_title(wrapped(title, 28), fontsize=10)
        panel.set_axis_off()
    _draw_circuit_key(key, fixed=bool(fixed_links(circuit)))
    bar = figure.colorbar(ScalarMappable(norm, FIRING), ax=panels, shrink=0.8, aspect=30, pad=0.01)
    bar.set_label("discs: firing of principal\ncells (healthy = 1)", fontsize=9)
    return figure


Link = tuple[str, str, bool]


def discs_of(circuit: CircuitFile) -> dict[str, tuple[str, Point]]:
    """Label and place of every population that is drawn as a disc.

    Interneurons that share a region with other cells are not drawn. A disc has the name and the place of its
    region; where a region has several discs, each has the name of its population, and they share the place.
    """
    found: dict[str, tuple[str, Point]] = {}
    for region, about in circuit.regions.items():
        cells = {name: p.cells for name, p in circuit.populations.items() if p.region == region}
        names = [name for name in cells if cells[name] != "interneuron"] or list(cells)
        x, y = about.position
        for name, along in zip(
            names, np.linspace(-1.0, 1.0, len(names)) if len(names) > 1 else [0.0], strict=True
        ):
            found[name] = name if len(names) > 1 else region, (x + APART[0] * along, y + APART[1] * along)
    return found


def region_strengths(circuit: CircuitFile, state: pd.Series) -> dict[Link, float]:
    """Mean strength (healthy = 1) of the plastic projections by disc, disc, and whether they inhibit."""
    found: dict[Link, list[float]] = {}
    discs, of = discs_of(circuit), circuit.populations
    first = {of[name].region: name for name in reversed(discs)}  # stands for interneurons of its region
    drawn = {name: name if name in discs else first[population.region] for name, population in of.items()}
    for name, projection in circuit.projections.items():
        if projection.plastic:
            pre, post = projection_ends(name)
            link = (drawn[pre], drawn[post], of[post].cells == "interneuron")
            found.setdefault(link, []).append(_value(state, column_name(f"strength_{name}")))
    return {link: float(np.mean(strengths)) for link, strengths in found.items()}


def fixed_links(circuit: CircuitFile) -> list[Link]:
    """Connections between discs that never change, and whether they inhibit."""
    discs = discs_of(circuit)
    ends = [
        projection_ends(name) for name, projection in circuit.projections.items() if not projection.plastic
    ]
    between = [(pre, post) for pre, post in ends if pre in discs and post in discs and pre != post]
    return [(pre, post, circuit.populations[pre].inhibits) for pre, post in between]


def firing_of(circuit: CircuitFile, population: str, state: pd.Series) -> float:
    """Firing of a population (healthy = 1)."""
    return _value(state, f"activity_{population}")


def _value(state: pd.Series, name: str) -> float:
    """A value of a state, or the healthy 1."""
    return float(state.to_dict().get(name, 1.0))


def _draw_circuit(axes: Axes, circuit: CircuitFile, state: pd.Series, norm: TwoSlopeNorm) -> None:
    """Discs coloured by firing; a pale band of the healthy width is behind every connection that changes."""
    discs = discs_of(circuit)
    place = {name: where for name, (_, where) in discs.items()}
    for pre, post, inhibits in fixed_links(circuit):
        _draw_link(axes, place[pre], place[post], FIXED, INHIBITS if inhibits else EXCITES, inhibits=inhibits)
    for (pre, post, inhibits), strength in region_strengths(circuit, state).items():
        _draw_link(axes, place[pre], place[post], 1.0, HEALTH, inhibits=inhibits)
        color = INHIBITS if inhibits else EXCITES
        _draw_link(axes, place[pre], place[post], strength, color, inhibits=inhibits)
        if len(state):
            _write_strength(axes, place[pre], place[post], strength, color)
    for name, (label, (x, y)) in discs.items():
        color = FIRING(norm(firing_of(circuit, name, state)))
        axes.scatter(x, y, s=DISC, color=color, edgecolor=INK, linewidth=0.9, zorder=3)
        ink = "white" if np.dot(color[:3], (0.3, 0.59, 0.11)) < 0.5 else INK
        axes.text(x, y, label, ha="center", va="center", fontsize=8, color=ink, zorder=4)
    axes.set(xlim=(-0.02, 1.07), ylim=(-0.02, 1.0))
    axes.set_aspect("equal")


def _draw_link(axes: Axes, pre: Point, post: Point, strength: float, color: str, *, inhibits: bool) -> None:
    """A bent arrow; one that inhibits, or excites interneurons and so inhibits, ends in a bar."""
    pale = color == HEALTH
    arrow = FancyArrowPatch(
        pre,
        post,
        connectionstyle="arc3,rad=0.16",
        arrowstyle="-" if pale else "-[,widthB=0.7,lengthB=0" if inhibits else "-|>",
        mutation_scale=9,
        linewidth=WIDTH * strength,
        color=color,
        shrinkA=13,
        shrinkB=15,
        zorder=1 if pale else 2,
    )
    axes.add_patch(arrow)


def _write_strength(axes: Axes, pre: Point, post: Point, strength: float, color: str) -> None:
    """The strength in per cent of health, on the bent arrow between its middle and its end."""
    (x0, y0), (x1, y1) = pre, post
    x, y = 0.42 * x0 + 0.58 * x1 + 0.08 * (y1 - y0), 0.42 * y0 + 0.58 * y1 - 0.08 * (x1 - x0)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    axes.text(
        x, y, f"{100 * strength:.0f}", color=color, fontsize=7, ha="center", va="center", bbox=box, zorder=5
    )


def _draw_circuit_key(axes: Axes, *, fixed: bool) -> None:
    """What arrows mean, in one line below the panels; fixed: also those that never change."""
    entries = [
        (1.0, False, "excites, as in health"),
        (0.5, False, "excites, 50 % of health"),
        (1.0, True, "excites interneurons,\nand so inhibits"),
        *([(FIXED, True, "fixed connection\n(with arrow: excites)")] if fixed else []),
    ]
    axes.set(xlim=(0, 5), ylim=(0, 1))
    axes.set_axis_off()
    for place, (strength, inhibits, text) in enumerate(entries):
        color = INHIBITS if inhibits else EXCITES
        _draw_link(axes, (place - 0.06, 0.5), (place + 0.34, 0.5), strength, color, inhibits=inhibits)
        axes.text(place + 0.33, 0.5, text, va="center", fontsize=8)
    meaning = "numbers: strength in % of health\npale band: strength in health"
    axes.text(len(entries) + 0.1, 0.5, meaning, va="center", fontsize=8)
