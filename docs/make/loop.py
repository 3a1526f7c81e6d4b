"""The picture of the feedback loop that keeps the circuit stuck or heals it, for the README."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from unstuck.files.circuit import CircuitFile
from unstuck_analysis.output.style import INK, styled

RAISES, LOWERS = "#075733", "#c24900"  # what acts on the loop
Point = tuple[float, float]


@styled
def loop_figure(circuit: CircuitFile) -> Figure:
    """The feedback loop of the model, and where stress, serotonin and drugs act on it."""
    figure = Figure(figsize=(10, 5.6), layout="constrained")
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    plastic = sum(projection.plastic for projection in circuit.projections.values())
    between = f"Strength of {plastic} bundles\nof connections between\n{', '.join(circuit.regions)}"
    for place, text in (
        ((0.5, 0.85), "Activity\nof principal cells"),
        ((0.8, 0.16), "BDNF release\nand TrkB signalling"),
        ((0.2, 0.16), between),
    ):
        _write_box(axes, place, text, INK, loop=True)
    for start, end, place, text in (
        ((0.575, 0.8), (0.815, 0.21), (0.82, 0.66), "active cells\nrelease BDNF"),
        ((0.705, 0.13), (0.33, 0.13), (0.515, 0.0), "TrkB lets connections grow\nand the scar heal"),
        ((0.19, 0.23), (0.42, 0.8), (0.17, 0.6), "strong connections\ndrive the cells"),
    ):
        _draw_arrow(axes, start, end, INK, width=3.0, bend=-0.22)
        axes.text(*place, text, ha="center", va="center", fontsize=9.5, color=INK)
    verdict = "Weak signalling keeps\nthe loop weak: stuck.\nStrong signalling keeps\nit strong: healthy."
    axes.text(0.5, 0.42, verdict, ha="center", va="center", fontsize=11, style="italic", color=INK)
    _draw_acting(axes, sorted({circuit.populations[name].region for name in circuit.roles.stress_input}))
    return figure


def _draw_acting(axes: Axes, stressed: Sequence[str]) -> None:
    """What acts on the loop from outside."""
    ampa = "AMPA potentiation,\nNMDA block:\nactivity rises at once"
    for place, text, start, end, color in (
        ((0.11, 0.85), ampa, (0.19, 0.85), (0.42, 0.85), RAISES),
        ((0.89, 0.85), f"Stress drives\n{', '.join(stressed)}", (0.835, 0.85), (0.58, 0.85), LOWERS),
        ((0.93, 0.48), "Stress leaves\na scar: less\nBDNF is made", (0.92, 0.41), (0.87, 0.21), LOWERS),
        ((0.56, 0.24), "Serotonin:\nmore BDNF\nis made", (0.61, 0.22), (0.71, 0.18), RAISES),
    ):
        _draw_arrow(axes, start, end, color, width=2.0, bend=0.0)
        _write_box(axes, place, text, color)


def _write_box(axes: Axes, place: Point, text: str, color: str, *, loop: bool = False) -> None:
    """A text in a rounded box; one of the loop is large."""
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": color, "linewidth": 1.6}
    size, weight = (11, "bold") if loop else (9.5, "normal")
    axes.text(*place, text, ha="center", va="center", color=color, fontsize=size, weight=weight, bbox=box)


def _draw_arrow(axes: Axes, start: Point, end: Point, color: str, *, width: float, bend: float) -> None:
    """A bent arrow from point to point."""
    bow = f"arc3,rad={bend}"
    arrow = FancyArrowPatch(
        start, end, connectionstyle=bow, arrowstyle="-|>", mutation_scale=18, linewidth=width, color=color
    )
    axes.add_patch(arrow)
