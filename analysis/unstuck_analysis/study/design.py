"""The points of a study: a list, a grid with zipped axes, or a sample (Latin hypercube, Sobol, Morris).

Samples are drawn in the unit cube from the study's seed alone and stretched along each axis, so that the same
file always gives the same points. Sources: McKay 1979 (Latin hypercube), Saltelli 2002 (Sobol indices),
Morris 1991 (elementary effects), through scipy.stats.qmc and SALib.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from math import exp, inf, log, prod, sqrt
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator
from unstuck.errors import InputError, nearest
from unstuck.files.yaml import Document, Key, Places
from unstuck.state import Floats

from unstuck_analysis.study.vary import Knob, Settings

Value = float | str
Kind = Literal["list", "grid", "latin-hypercube", "sobol", "morris"]
MORRIS_LEVELS = 4


CUT = 2.0  # standard deviations of the logarithm at which a lognormal axis ends


class Axis(Document):
    """One thing that varies: values, a range, or lognormal around a median (both with steps in a grid).

    A lognormal axis has the coefficient of variation `cv`, ends at two standard deviations of the logarithm,
    and gives no number above `at_most`.
    """

    values: list[Value] | None = None
    lowest: Value | None = Field(default=None, alias="from")
    highest: Value | None = Field(default=None, alias="to")
    steps: int | None = Field(default=None, ge=2)
    scale: Literal["linear", "log"] = "linear"
    median: Value | None = None
    cv: float | None = Field(default=None, gt=0)
    at_most: Value | None = None

    @model_validator(mode="after")
    def _is_values_or_a_range(self) -> "Axis":
        kinds = ([self.values], [self.lowest, self.highest], [self.median, self.cv])
        given = [kind for kind in kinds if any(part is not None for part in kind)]
        if len(given) != 1 or None in given[0]:
            raise ValueError("an axis has values, or from and to, or median and cv")
        if self.at_most is not None and self.cv is None:
            raise ValueError("at_most belongs to median and cv")
        if self.values is not None and not self.values:
            raise ValueError("an empty design: this axis has no values")
        return self


class Design(Document):
    """How points are chosen; the part of a study file that samplers read."""

    design: Kind = "grid"
    vary: dict[str, Axis] = {}
    together: list[list[str]] = []  # axes of a grid that move together (zipped)
    points: list[dict[str, Value]] = []  # of a list
    samples: int | None = Field(default=None, ge=1)  # of a sample; of Morris, trajectories
    fixed: dict[str, Value] = {}

    @property
    def paths(self) -> list[str]:
        """Everything that varies between points, in the order of the file."""
        return list(dict.fromkeys([*self.vary, *(path for point in self.points for path in point)]))


class DesignReader:
    """Turns a design into numbers, with faults reported at their place in the file."""

    def __init__(self, design: Design, knobs: Mapping[str, Knob], places: Places) -> None:
        self.design, self.knobs, self.places = design, knobs, places
        self._check_keys()

    def points(self, seed: int) -> list[Settings]:
        """Every point's settings, the fixed ones first."""
        fixed = tuple((path, self._number(path, v, ("fixed", path))) for path, v in self.design.fixed.items())
        kind = self.design.design
        found = self._list() if kind == "list" else self._grid() if kind == "grid" else self._sample(seed)
        return [fixed + point for point in found]

    def count(self) -> int:
        """Number of points, worked out without making them."""
        design, dimensions = self.design, len(self.design.vary)
        if design.design == "list":
            return len(design.points)
        if design.design == "grid":
            return prod(len(columns) for columns in self._blocks())
        assert design.samples is not None
        times = {"latin-hypercube": 1, "sobol": dimensions + 2, "morris": dimensions + 1}
        return design.samples * times[design.design]

    def _check_keys(self) -> None:
        design = self.design
        for key, paths in (("vary", design.vary), ("fixed", design.fixed)):
            for path in paths:
                self._knob(path, (key, path))
        for path in set(design.fixed) & set(design.paths):
            raise self.places.error(("fixed", path), "is varied too; a path is varied or fixed")
        listed, sampled = design.design == "list", design.design not in ("list", "grid")
        wrong = {"points": bool(design.points) != listed, "vary": bool(design.vary) == listed}
        for key, is_wrong in wrong.items():
            if is_wrong:
                text = "needed, or it is an empty design" if not getattr(design, key) else "not used"
                raise self.places.error((key,), f"{text} with design {design.design}")
        if (design.samples is not None) != sampled:
            raise self.places.error(
                ("samples",), f"{'needed' if sampled else 'not used'} with {design.design}"
            )
        if design.design == "sobol" and design.samples and design.samples & (design.samples - 1):
            raise self.places.error(("samples",), f"a power of two for sobol, not {design.samples}")
        if design.together and design.design != "grid":
            raise self.places.error(("together",), "only a grid has axes that move together")

    def _knob(self, path: str, key: Key) -> Knob:
        if path not in self.knobs:
            near = nearest(path, self.knobs)
            start = path.split(".")[0]
            known = [known for known in self.knobs if known.startswith(f"{start}.")]
            starts = sorted({known.split(".")[0] for known in self.knobs})
            allowed = (
                ", ".join(known[:30]) + (", ..." if len(known) > 30 else "") if known else ", ".join(starts)
            )
            raise self.places.error(key, f"there is no parameter {path!r}{near} (there are: {allowed})")
        return self.knobs[path]

    def _number(self, path: str, value: Value, key: Key) -> float:
        try:
            return self._knob(path, key).number(value)
        except InputError:
            raise
        except ValueError as fault:
            raise self.places.error(key, str(fault)) from None

    def _list(self) -> list[Settings]:
        return [
            tuple((path, self._number(path, value, ("points", k, path))) for path, value in point.items())
            for k, point in enumerate(self.design.points)
        ]

    def _grid(self) -> list[Settings]:
        """Every combination, the last block fastest; a block is an axis, or axes that go together."""
        return [tuple(pair for part in parts for pair in part) for parts in product(*self._blocks())]

    def _blocks(self) -> list[list[Settings]]:
        self._check_that_axes_move_once()
        groups = [self._together(number, group) for number, group in enumerate(self.design.together)]
        zipped = {path: group for group in groups for path in group}
        blocks: list[list[Settings]] = []
        for path in self.design.vary:
            group = zipped.get(path, [path])
            if path == group[0]:
                columns = [[(p, number) for number in self._axis(p)] for p in group]
                blocks.append([tuple(row) for row in zip(*columns, strict=True)])
        return blocks

    def _check_that_axes_move_once(self) -> None:
        seen: set[str] = set()
        for number, group in enumerate(self.design.together):
            for path in group:
                if path in seen:
                    raise self.places.error(("together", number), f"{path!r} is in together twice")
                seen.add(path)

    def _together(self, number: int, group: Sequence[str]) -> list[str]:
        key: Key = ("together", number)
        for path in group:
            if path not in self.design.vary:
                raise self.places.error(key, f"{path!r} is not in vary{nearest(path, self.design.vary)}")
        sizes = {path: len(self._axis(path)) for path in group}
        if len(set(sizes.values())) > 1:
            told = ", ".join(f"{path} {size}" for path, size in sizes.items())
            raise self.places.error(key, f"axes that move together need equally many values: {told}")
        return [path for path in self.design.vary if path in group]

    def _axis(self, path: str) -> list[float]:
        """The numbers along an axis of a grid."""
        axis, key = self.design.vary[path], ("vary", path)
        if axis.values is not None:
            return [self._number(path, v, (*key, "values", k)) for k, v in enumerate(axis.values)]
        if axis.steps is None:
            raise self.places.error(key, "a range in a grid needs steps")
        return [self._along(path, share) for share in np.linspace(0.0, 1.0, axis.steps).tolist()]

    def _along(self, path: str, share: float) -> float:
        """The number at a share (0 to 1) of a range."""
        axis = self.design.vary[path]
        if axis.cv is not None:
            return self._lognormal(path, axis, share)
        low, high = self._ends(path, axis)
        if axis.scale == "log":
            number = exp(log(low) + share * (log(high) - log(low)))
        else:
            number = low + share * (high - low)
        number = min(max(number, low), high)
        return float(round(number)) if self.knobs[path].whole else number

    def _lognormal(self, path: str, axis: Axis, share: float) -> float:
        """The number at a share (0 to 1) of a lognormal law that is cut at both ends."""
        from scipy.special import ndtr, ndtri

        key: Key = ("vary", path)
        assert axis.median is not None
        assert axis.cv is not None
        median, sigma = self._number(path, axis.median, (*key, "median")), sqrt(log(1.0 + axis.cv**2))
        most = inf if axis.at_most is None else self._number(path, axis.at_most, (*key, "at_most"))
        deviation = float(ndtri(ndtr(-CUT) + share * (ndtr(CUT) - ndtr(-CUT))))
        number = min(median * exp(sigma * deviation), most)
        try:
            return self.knobs[path].allowed(float(round(number)) if self.knobs[path].whole else number)
        except ValueError as fault:
            raise self.places.error(key, str(fault)) from None

    def _ends(self, path: str, axis: Axis) -> tuple[float, float]:
        key: Key = ("vary", path)
        if axis.lowest is None or axis.highest is None:
            raise self.places.error(key, f"design {self.design.design} needs from and to, not values")
        low = self._number(path, axis.lowest, (*key, "from"))
        high = self._number(path, axis.highest, (*key, "to"))
        if low >= high:
            raise self.places.error(key, f"from must be below to, but from is {low:g} and to is {high:g}")
        if axis.scale == "log" and low <= 0:
            raise self.places.error((*key, "from"), "a logarithmic range starts above 0")
        return low, high

    def _sample(self, seed: int) -> list[Settings]:
        shares = unit_sample(self.design, seed)
        return [
            tuple((p, self._along(p, float(s))) for p, s in zip(self.design.vary, row, strict=True))
            for row in shares
        ]


def problem_of(design: Design) -> dict[str, Any]:
    """The design's axes as SALib knows them, in the unit cube."""
    return {
        "num_vars": len(design.vary),
        "names": list(design.vary),
        "bounds": [[0.0, 1.0]] * len(design.vary),
    }


def unit_sample(design: Design, seed: int) -> Floats:
    """Points of a sampled design in the unit cube (points, axes)."""
    assert design.samples is not None
    if design.design == "latin-hypercube":
        from scipy.stats import qmc

        return qmc.LatinHypercube(len(design.vary), rng=np.random.default_rng(seed)).random(design.samples)
    if design.design == "sobol":
        from SALib.sample import sobol

        return sobol.sample(problem_of(design), design.samples, calc_second_order=False, seed=seed)
    from SALib.sample import morris

    return morris.sample(problem_of(design), design.samples, num_levels=MORRIS_LEVELS, seed=seed)
