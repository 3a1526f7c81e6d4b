"""Fixed points of the mean-field followed while one number varies, through folds (pseudo-arclength).

What varies is an effect on a target (stress, ampa, bdnf_gain, ...) held constant, or a parameter by its
symbol. A branch is followed by its length, not by what varies, so that it goes on where it turns back. A turn
is a fold: there a stable state and a saddle meet and vanish.
Source: Keller 1977, in Rabinowitz (ed.), Applications of Bifurcation Theory, 359; Kuznetsov 2004, chapter 10.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from unstuck.circuit import Circuit, Floats, mean_field_circuit
from unstuck.engine.readouts import connectivity
from unstuck.engine.step import Engine, RunError, healthy_state
from unstuck.files.circuit import CircuitFile
from unstuck.files.yaml import InputError, choose
from unstuck.parameters import ParameterSet
from unstuck.targets import NO_EFFECT, Effects

from unstuck_analysis.questions.fixed_points import (
    FixedPoint,
    Held,
    NoFixedPoint,
    find_fixed_point,
    fixed_point_at,
    jacobians,
    relax,
)
from unstuck_analysis.questions.landscape import saddle_between

Family = Callable[[float], Held]

LONG_DAYS = 2_000.0
_FIRST_STEP, _LONGEST_STEP, _SHORTEST_STEP = 0.02, 0.06, 1e-6  # of arclength; the range of what varies is 1
_MOST_POINTS = 600
_TOLERANCE = 1e-9
_SHIFT = 1e-6


def vary(file: CircuitFile, parameters: ParameterSet, name: str) -> Family:
    """The mean-field as a function of one effect on a target or one parameter (ValueError if unknown)."""
    choose(name, [*Effects._fields, *parameters], "effect or parameter")
    if name in Effects._fields:
        circuit = mean_field_circuit(file, parameters)
        return lambda value: Held(circuit, NO_EFFECT._replace(**{name: value}))
    return lambda value: Held(mean_field_circuit(file, parameters.with_values(**{name: value})))


def check_range(family: Family, name: str, low: float, high: float) -> None:
    """InputError for an empty range, or one at whose ends the model has no healthy rates (division by 0)."""
    if not low < high:
        raise InputError(f"range of {name}: {low:g} to {high:g}: the first number must be the smaller one")
    for value in (low, high):
        try:
            held = family(value)
            known = bool(np.isfinite(held.change(healthy_state(held.circuit).y)).all())
        except (ArithmeticError, RunError):
            known = False
        if not known:
            raise InputError(
                f"range of {name}: {low:g} to {high:g}: {name} = {value:g} is not allowed, the model has no"
                " rates there; give a range without it"
            )


@dataclass(frozen=True)
class Branch:
    """Fixed points in the order of arclength, and the value each belongs to.

    turns: numbers of the points that are folds, where the branch turns back; lost_ends: of the end points
    beyond which it could not be followed though they lie inside the range, because firing runs away or the
    branch meets another one on a kink.
    """

    values: Floats
    points: list[FixedPoint]
    turns: list[int]
    lost_ends: list[int]

    @property
    def folds(self) -> list[float]:
        """Values at which the branch turns back."""
        return self.values[self.turns].tolist()

    @property
    def lost(self) -> list[float]:
        """Values at which following the branch ended inside the range."""
        return self.values[self.lost_ends].tolist()

    @property
    def connectivity(self) -> Floats:
        """Connectivity C along the branch."""
        return np.array([point.connectivity for point in self.points])

    @property
    def stable(self) -> npt.NDArray[np.bool_]:
        """Which points are stable."""
        return np.array([point.stable for point in self.points])

    def stable_stretches(self) -> list[tuple[int, int, bool]]:
        """Stretches of equal stability as (first point, last point, stable); both reach to the fold between.

        A step on which stability changes without a fold counts as unstable.
        """
        stable, turns = self.stable, set(self.turns)
        steps = [
            bool(stable[b] if a in turns else stable[a] if b in turns else stable[a] and stable[b])
            for a, b in pairwise(range(len(self.points)))
        ]
        borders = [0, *(k for k in range(1, len(steps)) if steps[k] != steps[k - 1]), len(steps)]
        return [(a, b, steps[a]) for a, b in pairwise(borders) if a < b]

    def has_edge_at(self, value: float) -> bool:
        """Whether an unstable stretch of the branch passes a value."""
        return any(
            self.values[first : last + 1].min() <= value <= self.values[first : last + 1].max()
            for first, last, stable in self.stable_stretches()
            if not stable
        )

    def passes(self, value: float, y: Floats) -> bool:
        """Whether the branch runs through a slow state at a value."""
        for k, (a, b) in enumerate(pairwise(self.values)):
            if min(a, b) <= value <= max(a, b):
                share = (value - a) / (b - a) if b != a else 0.0
                on_branch = self.points[k].y + share * (self.points[k + 1].y - self.points[k].y)
                if np.abs(on_branch - y).max() < 0.02:
                    return True
        return False


def bifurcation_diagram(family: Family, low: float, high: float) -> list[Branch]:
    """All branches that pass a stable state found from health or from collapse at the ends or the middle.

    Where two are stable and no branch has brought the saddle between them, it is found on the boundary of
    their basins and followed. A branch that lies wholly between these three values is not found.
    """
    branches: list[Branch] = []
    for value in (low, 0.5 * (low + high), high):
        states = stable_states(family(value))
        for point in states:
            if not any(branch.passes(value, point.y) for branch in branches):
                branches.append(follow(family, value, point, low, high))
        if len(states) == 2 and not any(branch.has_edge_at(value) for branch in branches):
            healthier, worse = states
            with suppress(RunError, NoFixedPoint):  # the diagram then says that the edge is missing
                saddle = saddle_between(family(value), worse.y, healthier.y)[1]
                branches.append(follow(family, value, saddle, low, high))
    return branches


def stable_states(held: Held) -> list[FixedPoint]:
    """The fixed points that long runs from health and from collapsed connections end in, each once.

    A run whose firing runs away (much potentiation) ends in none.
    """
    found: list[FixedPoint] = []
    for start in (healthy_state(held.circuit).y, collapsed(held.circuit)):
        try:
            point = find_fixed_point(held, relax(held, start, LONG_DAYS))
        except (RunError, NoFixedPoint):
            continue
        if not any(np.abs(point.y - other.y).max() < 1e-4 for other in found):
            found.append(point)
    return found


def collapsed(circuit: Circuit) -> Floats:
    """Health, but with every plastic strength down to its core."""
    state = healthy_state(circuit)
    state.labile[:] = 0.0
    state.consolidated[:] = circuit.rules.core * circuit.wiring.plastic.weight
    return state.y


def follow(family: Family, value: float, point: FixedPoint, low: float, high: float) -> Branch:
    """The branch through a fixed point, both ways until it leaves the range or cannot be followed."""
    curve = _Curve(family, low, high)
    start = curve.join(point.y, value)
    back, forth = (list(curve.walk(start, sign)) for sign in (-1.0, 1.0))
    corners = [*reversed(back), (start, False), *forth]
    values = np.array([curve.value(z) for z, _ in corners])
    points = [
        fixed_point_at(family(v), z[:-1], _TOLERANCE) for v, (z, _) in zip(values, corners, strict=True)
    ]
    turns = [k for k, (_, turns_here) in enumerate(corners) if turns_here]
    lost = [k for k in sorted({0, len(corners) - 1}) if 1e-9 < corners[k][0][-1] < 1.0 - 1e-9]
    return Branch(values, points, turns, lost)


@dataclass(frozen=True)
class _Curve:
    """The curve change(y, value) = 0 in z = [y | value in units of the range]."""

    family: Family
    low: float
    high: float

    def join(self, y: Floats, value: float) -> Floats:
        return np.append(y, (value - self.low) / (self.high - self.low))

    def value(self, z: Floats) -> float:
        return float(self.low + z[-1] * (self.high - self.low))

    def change(self, z: Floats) -> Floats:
        return self.family(self.value(z)).change(z[:-1])

    def slopes(self, z: Floats) -> Floats:
        """Derivatives of the change by the whole of z, (rows, rows + 1)."""
        shift = np.append(np.zeros(len(z) - 1), _SHIFT)
        by_value = (self.change(z + shift) - self.change(z - shift)) / (2.0 * _SHIFT)
        return np.column_stack([jacobians(self.family(self.value(z)), z[:-1])[0], by_value])

    def tangent(self, z: Floats, along: Floats) -> Floats:
        """Unit vector along the curve, on the side of `along`."""
        system = np.vstack([self.slopes(z), along])
        direction = np.linalg.solve(system, np.append(np.zeros(len(z) - 1), 1.0))
        return direction / np.linalg.norm(direction)

    def correct(self, guess: Floats, normal: Floats) -> Floats | None:
        """The point of the curve in the plane through a guess with this normal; None if Newton fails."""
        z = guess.copy()
        for _ in range(8):
            residual = np.append(self.change(z), normal @ (z - guess))
            step = np.linalg.solve(np.vstack([self.slopes(z), normal]), residual)
            z -= step
            size = float(np.abs(step).max())
            if size < _TOLERANCE:
                return z
            if not size < 0.5:
                return None
        return None

    def walk(self, start: Floats, sign: float) -> Iterator[tuple[Floats, bool]]:
        """Points along the curve from a start, folds among them, and whether each is a fold.

        Ends at the border of the range, or where no next point is found however short the step.
        """
        z, length = start, _FIRST_STEP
        along = sign * self.tangent(z, np.append(np.zeros(len(start) - 1), 1.0))
        for _ in range(_MOST_POINTS):
            ahead = self._step(z, along, length)
            while ahead is None and length > _SHORTEST_STEP:
                length *= 0.5
                ahead = self._step(z, along, length)
            if ahead is None:
                return
            point, turned = ahead
            if not 0.0 <= point[-1] <= 1.0:
                if 0.0 < z[-1] < 1.0:
                    yield self._at_border(z, point), False
                return
            if turned[-1] * along[-1] < 0.0:
                yield self._fold(z, along, length), True
            z, along, length = point, turned, min(1.4 * length, _LONGEST_STEP)
            yield z, False

    def _step(self, z: Floats, along: Floats, length: float) -> tuple[Floats, Floats] | None:
        """The next point and the tangent there; None where Newton fails or firing does not settle."""
        try:
            ahead = self.correct(z + length * along, along)
            return None if ahead is None else (ahead, self.tangent(ahead, along))
        except (RunError, np.linalg.LinAlgError, ValueError):
            return None

    def _at_border(self, inside: Floats, outside: Floats) -> Floats:
        """The point of the curve exactly at the end of the range."""
        border = 0.0 if outside[-1] < 0.0 else 1.0
        share = (border - inside[-1]) / (outside[-1] - inside[-1])
        y = find_fixed_point(
            self.family(self.low + border * (self.high - self.low)),
            inside[:-1] + share * (outside[:-1] - inside[:-1]),
        ).y
        return np.append(y, border)

    def _fold(self, z: Floats, along: Floats, length: float) -> Floats:
        """The point at which the curve turns back within one step, by bisection of the step."""
        before, after, fold = 0.0, length, z
        for _ in range(20):
            middle = 0.5 * (before + after)
            ahead = self._step(z, along, middle)
            if ahead is None:
                break
            fold = ahead[0]
            turned_back = ahead[1][-1] * along[-1] < 0.0
            before, after = (before, middle) if turned_back else (middle, after)
        return fold


def hysteresis(circuit: Circuit, name: str, values: Sequence[float], hold_days: float) -> Floats:
    """Connectivity (values,) at the end of each of a row of constant effects, each held for some days."""
    engine, found = Engine(circuit), np.empty(len(values))
    for k, value in enumerate(values):
        held = Held(circuit, NO_EFFECT._replace(**{name: value}))
        engine.advance(held, engine.time_h + 24.0 * hold_days)
        found[k] = connectivity(circuit, engine.state)[0]
    return found
