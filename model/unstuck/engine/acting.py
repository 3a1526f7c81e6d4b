"""What acts on a circuit over a stretch of time, as a table that compiled code looks up.

Between two jumps everything that acts is smooth. The time between two jumps is one cell of the table, or is
halved. It is halved until the cubic through four points of each cell agrees within 1e-8 with what acts at
three points between them. A cell never spans a jump. What is constant within a cell is exact to rounding.

Where effects swing within a step (frequent doses), the table has two rows per point: what acts at the upper
and at the lower end of the swing. Such a table has one cell, which is the next step.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

import numpy as np

from unstuck.engine.settle import FIELDS
from unstuck.rules.compiled import compiled_part
from unstuck.state import Floats
from unstuck.targets import Effects

CLOSE = 1e-8  # largest difference between what acts and the cubic; larger ones would change steps
SHORTEST_H = 1e-3  # cells are not halved further
STAGES = np.array([0.0, 1.0 / 3.0, 2.0 / 3.0])  # of a step
_SIXTHS = np.arange(7) / 6.0  # of a cell: the points of the cubic and the points between them
_POINTS = _SIXTHS[::2]


class Exposure(Protocol):
    """What acts on a circuit over time; times in hours, region inputs in drive."""

    jumps_h: list[float]
    local_columns: int  # number of columns after the input of each region: those of `Local`, by population

    def at_times(self, times_h: Floats) -> tuple[Floats, Floats]:
        """Effects (times, fields of `Effects`) and region inputs (times, regions), just after any jump."""
        ...

    def reported_at(self, times_h: Floats) -> tuple[Floats, Floats]:
        """What readings at these times are taken under: what acts, or the mean of the last 24 h."""
        ...


class Swinging(Protocol):
    """An exposure to doses so frequent that a slow step sees their mean, and how far they swing about it."""

    swings: bool  # False: no dose is frequent

    def swing(self, time_h: float) -> tuple[float, tuple[Effects, Floats], tuple[Effects, Floats]] | None:
        """Share of the time at the upper end of the swing, what acts there, and at the lower end; or None."""
        ...


class Acting(NamedTuple):
    """A table of what acts; columns are the fields of `Effects`, then the input of each region.

    Where a drug names regions or populations, the fields of `Local` follow, each by population.
    """

    edges_h: Floats  # (cells + 1,)
    rows: Floats  # (cells, points, upper and lower end of a swing, columns)
    share: Floats  # (cells, points) of the time at the upper end


def weights_at(place: Floats) -> Floats:
    """Weights (places, points) of the cubic through the points of a cell, at places from 0 to 1."""
    weights = np.ones((len(place), len(_POINTS)))
    for k, point in enumerate(_POINTS):
        for other in np.delete(_POINTS, k):
            weights[:, k] *= (place - other) / (point - other)
    return weights


_BETWEEN = weights_at(_SIXTHS[1::2])


def tabulate(exposure: Exposure, edges_h: Sequence[float]) -> Acting:
    """The table for the time between the first and the last of the edges, none of which spans a jump."""
    start_h, end_h = np.array(edges_h[:-1]), np.array(edges_h[1:])
    starts: list[Floats] = []
    tables: list[Floats] = []
    while len(start_h):
        times_h = start_h[:, None] + (end_h - start_h)[:, None] * _SIXTHS
        # At the end of a cell counts what acts just before it.
        times_h[:, -1] = np.nextafter(end_h, start_h)
        found = np.hstack(exposure.at_times(times_h.ravel())).reshape(*times_h.shape, -1)
        rows = found[:, ::2]
        apart = np.abs(_BETWEEN @ rows - found[:, 1::2]).max(axis=(1, 2))
        kept = ~(apart > CLOSE) | (end_h - start_h < SHORTEST_H)
        starts.append(start_h[kept])
        tables.append(rows[kept])
        start_h, end_h = start_h[~kept], end_h[~kept]
        middle_h = 0.5 * (start_h + end_h)
        start_h, end_h = np.concatenate([start_h, middle_h]), np.concatenate([middle_h, end_h])
    begins = np.concatenate(starts)
    order = np.argsort(begins)
    rows = np.ascontiguousarray(np.concatenate(tables)[order][:, :, None])
    return Acting(np.append(begins[order], edges_h[-1]), rows, np.ones(rows.shape[:2]))


def swinging_step(exposure: Exposure, time_h: float, length_h: float) -> Acting:
    """The table for one step from time_h on, with both ends of the swing at each stage.

    The rates of the step are the mean of those at both ends: the mean of what drugs do is not what their mean
    does (two-point Gauss quadrature, exact to the third moment).
    """
    times_h = time_h + STAGES[[0, 1, 2, 2]] * length_h
    rows = np.repeat(np.hstack(exposure.at_times(times_h))[None, :, None], 2, axis=2)
    share = np.ones((1, len(times_h)))
    for point, hour in enumerate(times_h.tolist()):
        if swing := cast(Swinging, exposure).swing(hour):
            share[0, point] = swing[0]
            for row, (effects, region_input) in zip(rows[0, point], swing[1:], strict=True):
                row[:FIELDS], row[FIELDS:] = effects, region_input
    return Acting(np.array([time_h, time_h + length_h]), rows, share)


@compiled_part
def cell_at(table: Acting, time_h: float, cell: int) -> int:
    """The cell that a time is in, looked for from a cell on."""
    while cell + 2 < table.edges_h.size and time_h >= table.edges_h[cell + 1]:
        cell += 1
    return cell


@compiled_part
def set_acting(table: Acting, cell: int, time_h: float, rows: Floats) -> float:
    """Set rows (ends of a swing, columns) to what acts at a time; returns the share at the upper end."""
    u = 3.0 * (time_h - table.edges_h[cell]) / (table.edges_h[cell + 1] - table.edges_h[cell])
    first, last = (1.0 - u) * (2.0 - u) * (3.0 - u) / 6.0, u * (u - 1.0) * (u - 2.0) / 6.0
    second, third = u * (2.0 - u) * (3.0 - u) / 2.0, u * (u - 1.0) * (3.0 - u) / 2.0
    points = table.rows[cell]
    for end in range(points.shape[1]):
        for k in range(rows.shape[1]):
            rows[end, k] = first * points[0, end, k] + second * points[1, end, k]
            rows[end, k] += third * points[2, end, k] + last * points[3, end, k]
    share = table.share[cell]
    return first * share[0] + second * share[1] + third * share[2] + last * share[3]
