"""The figure of `unstuck landscape`: four panels over the scar and connectivity."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.output.style import FAINT, INK, PALETTE, looks, styled
from unstuck_analysis.questions.landscape import EPISODE_DAYS, STRESSES, Landscape

SHOWS = (
    "Top left: {readout} at rest at each fixed scar, from three starts. Top right:"
    " change of the scar per day in that state, under constant stress and steady treatment. Bottom left: path"
    " of each treatment from the stuck state, dots every 28 days. Bottom right: scar 60 days after stress of"
    " different size and length, and after repeated episodes. Scar: mean over all cells."
)
SCAR = "scar (0 to 1)"
MARKERS = (("o", 9), ("x", 7), ("+", 9))  # with their sizes, so that all three are seen
EVERY_DAYS = 28


@styled
def landscape_figure(found: Landscape) -> Figure:
    """Slow manifold, movement of the scar, paths of treatments, and what stress leaves."""
    figure = Figure(figsize=(12, 9.5), layout="constrained")
    panels = figure.subplots(2, 2)
    _draw_states(panels[0, 0], found)
    _draw_changes(panels[0, 1], found)
    _draw_paths(panels[1, 0], found)
    _draw_stress(panels[1, 1], found)
    return figure


def _draw_states(axes: Axes, found: Landscape) -> None:
    axes.set_title("Where each start ends, at each scar")
    axes.plot(
        found.manifolds[0].scar, found.manifolds[0].connectivity, color=INK, linewidth=2, label="at rest"
    )
    for position, (start, one) in enumerate(found.starts.items()):
        label = f"run started from {start}" if start == "health" else f"run started from the {start} state"
        marker, size = MARKERS[position]
        axes.plot(
            one.scar,
            one.connectivity,
            marker,
            color=PALETTE[position + 1],
            markersize=size,
            label=label,
            mfc="none",
        )
    limit, side = found.file.readout.limit, "below" if found.file.readout.ill_when == "weaker" else "above"
    axes.axhline(limit, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.text(1.0, limit + 0.01, f"stuck {side} this line", color=INK, ha="right", fontsize=9)
    axes.plot(*found.stuck, "s", color=INK, markersize=9, label="stuck patient on day 0")
    _label(axes, SCAR, f"{found.readout} (1 = health)", rises=found.file.readout.ill_when == "stronger")


def _draw_changes(axes: Axes, found: Landscape) -> None:
    axes.set_title("Where the scar moves")
    axes.axhline(0.0, color=INK, linewidth=0.8)
    shades = np.linspace(0.45, 0.9, len(STRESSES))
    named = looks(path.treatment for path in found.paths)
    for one, shade in zip(found.manifolds[1:], [*shades, *[0.0] * len(found.manifolds)], strict=False):
        red = dict[str, Any](color=(shade, 0.1, 0.1, shade))
        style = named.get(one.acting, red)
        axes.plot(one.scar, one.change_per_day, linewidth=1.8, label=one.acting, **style)
    axes.plot(
        found.manifolds[0].scar,
        found.manifolds[0].change_per_day,
        linewidth=2.6,
        color=INK,
        label=UNTREATED,
    )
    axes.axvline(found.stuck[0], color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
    axes.set_yscale("symlog", linthresh=0.02, linscale=2.0)
    ticks = (-0.02, -0.01, 0.0, 0.01, 0.02, 0.05)
    axes.set_yticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylim(-0.02, 0.7)
    axes.text(0.18, 0.0007, "above: the scar grows, below: it heals", fontsize=9)
    axes.text(found.stuck[0], -0.0198, " stuck on day 0", fontsize=9)
    _label(axes, SCAR, "change of the scar per day", ncols=3)


def _draw_paths(axes: Axes, found: Landscape) -> None:
    axes.set_title("Treatments, from the stuck state")
    rest = found.manifolds[0]
    axes.plot(rest.scar, rest.connectivity, color=FAINT, linewidth=7, label="at rest, untreated")
    for path, style in zip(found.paths, looks(path.treatment for path in found.paths).values(), strict=True):
        axes.plot(path.scar, path.connectivity, linewidth=1.8, label=path.treatment, **style)
        days = np.arange(EVERY_DAYS, path.days[-1] + 1e-9, EVERY_DAYS)
        at = [np.interp(days, path.days, values) for values in (path.scar, path.connectivity)]
        axes.plot(*at, ".", color=style["color"], markersize=7)
    axes.plot(*found.stuck, "s", color=INK, markersize=9)
    axes.annotate("day 0", found.stuck, textcoords="offset points", xytext=(8, 8), fontsize=9)
    _label(axes, SCAR, f"{found.readout} (1 = health)", rises=found.file.readout.ill_when == "stronger")


def _draw_stress(axes: Axes, found: Landscape) -> None:
    axes.set_title("What stress leaves 60 d after it")
    for position, size in enumerate(STRESSES):
        rows = found.stress[(found.stress.stress == size) & (found.stress.episodes == 1)]
        axes.plot(
            rows.days, rows.scar, "o-", color=PALETTE[position + 1], label=f"one episode, stress {size:g}"
        )
    repeated = found.stress[(found.stress.stress == 1) & (found.stress.days == EPISODE_DAYS)]
    total = repeated.days * repeated.episodes
    label = f"1 to {len(repeated)} episodes of {EPISODE_DAYS:.0f} d, stress 1"
    axes.plot(total, repeated.scar, "s--", color=INK, label=label)
    axes.set_ylim(0, 1.3)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xlim(left=0)
    _label(axes, "days of stress in total", "scar 60 d after the last stress", ncols=2)


def _label(axes: Axes, x: str, y: str, ncols: int = 1, *, rises: bool = False) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    place = "lower right" if rises else "upper right" if ncols == 1 else "upper center"
    axes.legend(frameon=False, fontsize=8.5, ncols=ncols, loc=place)
