"""Figures of dose and response: how long a course must be at each dose, and two drugs together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from unstuck.circuit import Floats

from unstuck_analysis.figures import FAINT, PALETTE, styled

ESCAPED, HELD = "#009E73", "#E69F00"


@styled
def dose_response_figure(table: pd.DataFrame, title: str, unit: str, label: str) -> Figure:
    """Left: R when the course ends and 180 d after, over the dose. Right: the shortest course that escapes.

    table: as from `dose_response`; unit: what the length of a course is counted in; label: the dose axis.
    """
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    response, shortest = figure.subplots(1, 2)
    amount = table.amount.to_numpy(dtype=float)
    response.plot(amount, table.recovery_end, "o-", color=HELD, label="when the course ends")
    response.plot(amount, table.recovery_later, "s-", color=ESCAPED, label="180 d after it")
    response.axhline(0.5, color=FAINT, linewidth=0.8, linestyle=(0, (1, 3)))
    response.set_ylabel("recovery index R")
    response.set_title(title)
    response.legend(frameon=False, fontsize=9)
    course = table.minimal_course.to_numpy(dtype=float)
    found = np.isfinite(course)
    shortest.plot(amount[found], course[found], "o-", color=PALETTE[1])
    top = np.nanmax(course, initial=1.0) * 1.15
    if found.any():
        shortest.fill_between(amount[found], course[found], top, color=ESCAPED, alpha=0.12, linewidth=0)
    for x in amount[~found]:
        shortest.text(
            x, 0.04 * top, "never", rotation=90, ha="center", va="bottom", color="#808080", fontsize=9
        )
    shortest.set_ylim(0, top)
    shortest.set_ylabel(f"shortest course that escapes ({unit})")
    shortest.set_title("How long it takes to be out of the ditch")
    for axes in (response, shortest):
        axes.set_xlabel(label)
    return figure


@styled
def surface_figure(
    surface: Floats, amounts: tuple[Sequence[float], Sequence[float]], names: tuple[str, str], title: str
) -> Figure:
    """R at 180 d after two drugs together, over the dose of each; the line is R = 0.5."""
    figure = Figure(figsize=(6.8, 4.8), layout="constrained")
    axes = figure.subplots()
    values = np.clip(surface.T, 0.0, 1.0)
    image = axes.pcolormesh(*amounts, values, cmap="cividis", vmin=0, vmax=1, shading="nearest")
    if values.min() < 0.5 < values.max():
        axes.contour(*amounts, values, levels=[0.5], colors="white", linewidths=2)
    axes.set_xticks(amounts[0])
    axes.set_yticks(amounts[1])
    axes.set_xlabel(f"{names[0]} (usual doses)")
    axes.set_ylabel(f"{names[1]} (usual doses)")
    axes.set_title(title)
    figure.colorbar(image, ax=axes).set_label("recovery index R")
    return figure
