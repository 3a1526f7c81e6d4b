"""The shape of the ditch, computed from the circuit: two stable states, the saddle between, the basins.

Exact, up to the numbers stated: the three fixed points of the mean-field (Newton, 1e-8), how many
directions of each are unstable, the place on the straight line from stuck to health where the basins meet
(bisection of long runs), and the constant stress at which health disappears (fold).

A projection, and called one: the position in the ditch. The slow state has some forty dimensions; the
position is its distance along the saddle's unstable direction, read by the saddle's left eigenvector, and
scaled to 0 at the stuck state and 1 at health. The quasi-potential is what a ball on a slope would feel
along the one curve that leads from the saddle down to either state:

    position s(y),   U(s) = - integral of (ds/dt) ds along the saddle's unstable manifold,   per day

Typical patient, no noise, no life events. Source: Kuznetsov 2004 (10.1007/978-1-4757-3978-7); edge tracking,
Skufca, Yorke & Eckhardt 2006 (10.1103/PhysRevLett.96.174101).
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from unstuck.circuit import Circuit, Floats, mean_field_circuit
from unstuck.engine.step import State, healthy_state
from unstuck.files.circuit import CircuitFile
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.files.yaml import InputError
from unstuck.parameters import ParameterSet
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, Life
from unstuck.patient.simulation import get_stuck

from unstuck_analysis.outcomes import NOT_STUCK_ABOVE
from unstuck_analysis.questions.fixed_points import (
    LONG_RUNS,
    FixedPoint,
    Held,
    NoFixedPoint,
    connectivity_of,
    find_fixed_point,
    jacobians,
    relax,
)

SETTLING_DAYS = 600.0
ON_THE_LINE = 1e-9  # how exactly the boundary on the line is bisected, as a share of the line
NEAR_END = 0.05  # a run this near to where it ends is not on the edge any more
_NUDGE = 1e-4  # how far from the saddle its unstable manifold is entered


def typical_patient(file: CircuitFile, parameters: ParameterSet) -> Patient:
    """The mean-field patient with the given parameters, without noise and life events."""
    calm = parameters.with_values(sigma_n=0.0)
    return draw_patient(file, calm, None, seed=0, index=0, neurons=0)


def require_stuck(checkpoint: Checkpoint, whose: str) -> None:
    """InputError if a patient never got stuck: recovery from a state that is nearly healthy means nothing."""
    if checkpoint.stuck.connectivity > NOT_STUCK_ABOVE:
        raise InputError(
            f"{whose} never gets stuck: C_stuck = {checkpoint.stuck.connectivity:.4f} on day 0, above"
            f" {NOT_STUCK_ABOVE:g}; there is nothing to recover from"
        )


@dataclass(frozen=True)
class Line:
    """The straight line from the stuck to the healthy slow state; where on it the basins meet (0 to 1)."""

    stuck: Floats
    healthy: Floats
    boundary: float

    def at(self, share: float) -> Floats:
        """The slow state a share of the way from stuck to healthy."""
        return self.stuck + share * (self.healthy - self.stuck)


@dataclass(frozen=True)
class Landscape:
    """Health, and where there is one the stuck state, the saddle and the boundary on the line between."""

    circuit: Circuit
    healthy: FixedPoint
    stuck: FixedPoint | None = None
    saddle: FixedPoint | None = None
    line: Line | None = None

    @property
    def line_connectivity(self) -> float | None:
        """Connectivity where the basins meet on the line."""
        return (
            None if self.line is None else connectivity_of(self.circuit, self.line.at(self.line.boundary))[0]
        )

    @property
    def line_structure(self) -> float | None:
        """Structural connectivity where the basins meet on the line."""
        return (
            None if self.line is None else connectivity_of(self.circuit, self.line.at(self.line.boundary))[1]
        )

    @cached_property
    def coordinate(self) -> "Coordinate":
        """Position along the saddle's unstable direction; ValueError where there is no ditch."""
        if self.stuck is None or self.saddle is None:
            raise InputError("these parameters have one stable state only: there is no ditch to measure")
        return Coordinate.of(self.stuck.y, self.saddle, self.healthy.y)


def find_landscape(file: CircuitFile, parameters: ParameterSet) -> Landscape:
    """The landscape of the mean-field. Without a second stable state its stuck, saddle and line are None.

    The stuck state is the one that six weeks of full stress and long rest lead to. ValueError if health
    itself is no attractor; NoFixedPoint if what is found for the stuck state or the saddle is neither.
    """
    circuit = mean_field_circuit(file, parameters)
    calm = Held(circuit)
    healthy = find_fixed_point(calm, healthy_state(circuit).y)
    if not healthy.stable:
        raise InputError(
            "the healthy state of these parameters is no attractor: there is nothing to return to"
        )
    stressed = relax(Held(circuit, calm.effects._replace(stress=1.0)), healthy.y, 42.0)
    stuck = find_fixed_point(calm, relax(calm, stressed, SETTLING_DAYS))
    if np.abs(stuck.y - healthy.y).max() < 1e-4:
        return Landscape(circuit, healthy)
    if not stuck.stable:
        raise NoFixedPoint(
            f"the state found {SETTLING_DAYS:g} d after stress (C = {stuck.connectivity:.4f}) is not stable:"
            " it is no stuck state"
        )
    line, saddle = saddle_between(calm, stuck.y, healthy.y)
    return Landscape(circuit, healthy, stuck, saddle, line)


def saddle_between(held: Held, worse: Floats, healthier: Floats) -> tuple[Line, FixedPoint]:
    """The line between two stable states with where their basins meet, and the saddle on that boundary."""
    line, edge = _basin_boundary(held, worse, healthier)
    saddle = find_fixed_point(held, edge)
    if saddle.unstable_directions != 1:
        raise NoFixedPoint(
            f"the state on the edge has {saddle.unstable_directions} unstable directions, not 1"
        )
    return line, saddle


def _basin_boundary(calm: Held, stuck: Floats, healthy: Floats) -> tuple[Line, Floats]:
    """Where the basins meet on the line, and the slowest state of the run nearest to the boundary."""
    below, above, edge = 0.0, 1.0, stuck
    while above - below > ON_THE_LINE:
        middle = 0.5 * (below + above)
        end, edge = _end_and_slowest(calm, stuck + middle * (healthy - stuck))
        if np.abs(end - healthy).max() < np.abs(end - stuck).max():
            above = middle
        else:
            below = middle
    return Line(stuck, healthy, 0.5 * (below + above)), edge


def _end_and_slowest(calm: Held, start: Floats) -> tuple[Floats, Floats]:
    """Where a long run ends, and the state on its way (after 20 days) that changed most slowly."""
    states: list[tuple[float, Floats]] = []

    def note(hour: float, state: State) -> None:
        if hour > 20 * HOURS_A_DAY:
            states.append((hour, state.y.copy()))

    end = relax(calm, start, SETTLING_DAYS, on_step=note)
    speeds = [
        np.abs(after - y).max() / (later - hour) if np.abs(y - end).max() > NEAR_END else np.inf
        for (hour, y), (later, after) in pairwise(states)
    ]
    return end, states[int(np.argmin(speeds))][1]


@dataclass(frozen=True)
class Coordinate:
    """Position along the saddle's unstable direction: 0 at the stuck state, 1 at health."""

    origin: Floats
    weights: Floats  # position gained per unit of each slow variable
    saddle: FixedPoint
    direction: Floats  # unit vector along which the state leaves the saddle, towards health

    @classmethod
    def of(cls, stuck: Floats, saddle: FixedPoint, healthy: Floats) -> "Coordinate":
        """The coordinate of a saddle, from the left and right eigenvectors of its unstable direction."""
        matrix = jacobians(saddle.held, saddle.y)[0]
        left, right = (_leading_vector(m) for m in (matrix.T, matrix))
        span = float(left @ (healthy - stuck))
        return cls(stuck, left / span, saddle, right * np.sign(left @ right) * np.sign(span))

    def position(self, y: Floats) -> float:
        """Position of a slow state."""
        return float(self.weights @ (y - self.origin))

    @property
    def point_of_no_return(self) -> float:
        """Position of the saddle."""
        return self.position(self.saddle.y)


def _leading_vector(matrix: Floats) -> Floats:
    rates, vectors = np.linalg.eig(matrix)
    return np.real(vectors[:, int(np.argmax(np.real(rates)))])


@dataclass(frozen=True)
class QuasiPotential:
    """U over position along the saddle's unstable manifold (0 at the saddle, per day).

    floor_rates_per_day: how fast the stuck and the healthy state pull back in their slowest direction.
    """

    position: Floats
    height: Floats
    connectivity: Floats
    floor_rates_per_day: tuple[float, float]

    @property
    def depths(self) -> tuple[float, float]:
        """Depth of the stuck state and of health below the saddle (per day)."""
        return -float(self.height[0]), -float(self.height[-1])

    def at(self, position: Floats) -> Floats:
        """Height at positions; beyond the two floors a parabola with their slowest rate."""
        inside = np.interp(position, self.position, self.height)
        left, right = (
            np.minimum(position - self.position[0], 0.0),
            np.maximum(position - self.position[-1], 0.0),
        )
        return inside + 0.5 * (self.floor_rates_per_day[0] * left**2 + self.floor_rates_per_day[1] * right**2)


def quasi_potential(landscape: Landscape, days: float = 400.0) -> QuasiPotential:
    """The quasi-potential from the stuck state over the saddle to health."""
    coordinate = landscape.coordinate
    assert landscape.stuck is not None
    sides = [_descent(coordinate, sign, days) for sign in (-1.0, 1.0)]
    ys = np.array([*reversed(sides[0]), coordinate.saddle.y, *sides[1]])
    held = coordinate.saddle.held
    position = np.array([coordinate.position(y) for y in ys])
    speed = np.array([24.0 * coordinate.weights @ held.change(y) for y in ys])
    height = -np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(position))])
    floors = [-float(np.real(point.rates_per_day).max()) for point in (landscape.stuck, landscape.healthy)]
    connectivity = np.array([connectivity_of(landscape.circuit, y)[0] for y in ys])
    return QuasiPotential(position, height - height[len(sides[0])], connectivity, (floors[0], floors[1]))


def _descent(coordinate: Coordinate, sign: float, days: float) -> list[Floats]:
    """The slow state every day on the way down from the saddle, as long as the position still moves on."""
    ys: list[Floats] = []
    start = coordinate.saddle.y + sign * _NUDGE * coordinate.direction
    last = coordinate.point_of_no_return

    def note(hour: float, state: State) -> None:
        nonlocal last
        position = coordinate.position(state.y)
        if sign * (position - last) > 1e-5:
            ys.append(state.y.copy())
            last = position

    relax(coordinate.saddle.held, start, days, on_step=note)
    return ys


@dataclass
class Path:
    """One treatment's way through the ditch: position (and connectivity) by day from day 0."""

    treatment: str
    days: list[float] = field(default_factory=list)
    position: list[float] = field(default_factory=list)
    connectivity: list[float] = field(default_factory=list)
    gone_day: float = 0.0

    def over_edge_day(self, edge: float) -> float | None:
        """Day from which the position stays beyond the edge; None if it ends inside."""
        inside = np.flatnonzero(np.array(self.position) <= edge)
        if len(inside) and inside[-1] == len(self.position) - 1:
            return None
        return self.days[int(inside[-1]) + 1] if len(inside) else self.days[0]


def treatment_path(
    landscape: Landscape, patient: Patient, treatment: Treatment, checkpoint: Checkpoint | None = None
) -> Path:
    """How a treatment moves the typical patient's position, twice a day until its follow-up ends."""
    life = Life(patient, treatment, checkpoint or get_stuck(patient, treatment, LONG_RUNS), LONG_RUNS)
    assert life.checkpoint is not None
    path, day_0_h = Path(treatment.name), life.checkpoint.time_h

    def note(hour: float, state: State) -> None:
        path.days.append((hour - day_0_h) / HOURS_A_DAY)
        path.position.append(landscape.coordinate.position(state.y))
        path.connectivity.append(connectivity_of(landscape.circuit, state.y)[0])

    note(day_0_h, life.checkpoint.state)
    while life.time_h < life.end_h:
        stop_h = min(life.next_turn_h, life.end_h)
        output_h = np.arange(day_0_h + 12.0, stop_h + 1e-6, 12.0).tolist()
        life.advance(stop_h, output_h=output_h, on_output=note)
    path.gone_day = (life.gone_h - day_0_h) / HOURS_A_DAY
    return path
