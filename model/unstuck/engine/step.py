"""Weeks of slow change over firing that has always settled.

One slow step, from t to t + h (exponential Runge-Kutta of third order, Hochbruck & Ostermann 2010):

1. deliver the effects of the moment, settle firing and serotonin, work out the slow change: k1
2. the same at t + h/3, from where k1 leads: k2
3. the same at t + 2h/3, from where k1 and k2 lead: k3
4. move BDNF, TrkB, autoreceptors and synapses by k1 and k3
5. accept if a second-order move by k1 and k2 agrees within the tolerance; the next step follows from how well

Labile strength is the only stiff variable (7 h in health). Half of its decay is solved exactly, which keeps
steps of a day stable; measured against the reference, half is 20 times more accurate than all of it, because
the other half cancels against potentiation that follows TrkB.

A step ends exactly on every event that makes an effect jump. Output is dense interpolation and never changes
a step. A fixed point that is not reached falls back to small damped moves, which is counted; if that fails
too, the run stops and says where. Sources: Anderson 1965 (10.1145/321296.321305); Hochbruck & Ostermann 2010
(10.1017/S0962492910000048).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Protocol, cast

import numpy as np

from unstuck.circuit import Circuit, Floats, Groups
from unstuck.engine import kernels
from unstuck.targets import Effects

HOURS_A_DAY = 24.0
MOST_TRIES, MOST_TRIES_A_JUMP = 20_000, 100  # steps of a stretch, refused ones too: more lead nowhere


class Exposure(Protocol):
    """What acts on a circuit over time; times in hours, region inputs (regions,) in drive."""

    jumps_h: list[float]

    def at(self, time_h: float) -> tuple[Effects, Floats]:
        """Effects and region inputs that act at this moment, just after any jump."""
        ...

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """What a reading at this moment is taken under: as `at`, or the mean of the last 24 h."""
        ...


class Swinging(Protocol):
    """An exposure to doses so frequent that a slow step sees their mean, and how far they swing about it."""

    def swing(self, time_h: float) -> tuple[float, tuple[Effects, Floats], tuple[Effects, Floats]] | None:
        """Share of the time at the upper end of the swing, what acts there, and at the lower end; or None."""
        ...


class RunError(RuntimeError):
    """A run that cannot go on: which variable, in which region, on which day."""


@dataclass(frozen=True)
class Accuracy:
    """How exactly a run is solved: largest local error of the slow state, and of settled firing.

    Firing settled to 1e-4 moves the recovery index by less than 1e-4 (measured against 1e-8).
    """

    slow: float = 1e-2
    firing: float = 1e-4
    longest_step_h: float = 7 * HOURS_A_DAY


@dataclass
class State:
    """The slow state (one flat vector and its named parts) and the firing it last settled to."""

    y: Floats
    x: Floats
    serotonin_nM: Floats
    neurons: int
    plastic: int

    @property
    def bdnf(self) -> Floats:
        """BDNF protein by neuron (healthy = 1); a view, as all parts."""
        return self.y[: self.neurons]

    @property
    def trkb(self) -> Floats:
        """TrkB signalling by neuron (healthy = 1)."""
        return self.y[self.neurons : 2 * self.neurons]

    @property
    def sensitivity(self) -> float:
        """Sensitivity of 5-HT1A autoreceptors (healthy = 1)."""
        return float(self.y[2 * self.neurons])

    @property
    def follow(self) -> float:
        """SERT Vmax factor that follows raphe TrkB (1 unless a drug makes it follow)."""
        return float(self.y[2 * self.neurons + 1])

    @property
    def labile(self) -> Floats:
        """Labile strength by plastic synapse (drive)."""
        return self.y[2 * self.neurons + 2 : 2 * self.neurons + 2 + self.plastic]

    @property
    def consolidated(self) -> Floats:
        """Consolidated strength by plastic synapse (drive)."""
        return self.y[2 * self.neurons + 2 + self.plastic :]

    def copy(self) -> "State":
        """An independent copy."""
        return State(self.y.copy(), self.x.copy(), self.serotonin_nM.copy(), self.neurons, self.plastic)


def healthy_state(circuit: Circuit) -> State:
    """The healthy state: every activity and signal 1, every strength its healthy weight."""
    w, p = circuit.wiring, circuit.rules
    labile = p.l0 * w.plastic.weight
    n = circuit.neurons
    y = np.concatenate([np.ones(2 * n + 2), labile, w.plastic.weight - labile])
    return State(y, np.ones(n), np.full(len(circuit.regions), p.S0), n, len(labile))


@dataclass
class Diagnostics:
    """What a run cost and where its solver had to fall back."""

    steps: int = 0
    rejected: int = 0
    sweeps: int = 0
    fallbacks: int = 0


# Ever smaller moves without acceleration: (damping, most sweeps).
_FALLBACKS = ((0.5, 5_000), (0.1, 10_000), (0.02, 20_000))


def settle(
    circuit: Circuit,
    y: Floats,
    x: Floats,
    serotonin_nM: Floats,
    effects: Effects,
    region_input: Floats,
    tolerance: float,
) -> tuple[int, int]:
    """Settle firing x and serotonin (overwritten) for slow state y; returns sweeps and fallbacks taken.

    Accelerated iteration first; where it does not contract within 60 sweeps, ever smaller damped moves from
    healthy firing. RunError names the population that still moves.
    """
    given = (circuit.wiring, circuit.rules, effects, region_input, y)
    left, sweeps = kernels.settle(*given, x, serotonin_nM, tolerance, 60, kernels.LOOK_BACK, 1.0)
    for fallbacks, (damping, most) in enumerate(_FALLBACKS):
        if left <= tolerance:
            return sweeps, fallbacks
        x[:] = 1.0
        serotonin_nM[:] = circuit.rules.S0
        left, more = kernels.settle(*given, x, serotonin_nM, tolerance, most, 0, damping)
        sweeps += more
    if left <= tolerance:
        return sweeps, len(_FALLBACKS)
    # What is not a number is looked for before it has spread: the last try began from healthy firing.
    lost = _not_finite(circuit, x, serotonin_nM)
    if lost:
        raise RunError(lost)
    before = x.copy()
    kernels.settle(*given, x, serotonin_nM, tolerance, 1, 0, 1.0)
    moved = np.abs(x - before)
    worst = circuit.population_of(int(moved.argmax()))
    raise RunError(f"firing of {worst} does not settle: it changes by {moved.max():g} a sweep")


def _not_finite(circuit: Circuit, x: Floats, serotonin_nM: Floats) -> str:
    """Which of the fast variables is not a finite number (nothing if all are)."""
    for region, pool_nM in zip(circuit.regions, serotonin_nM, strict=True):
        if not isfinite(pool_nM):
            return f"serotonin in {region} is {pool_nM}"
    lost = np.flatnonzero(~np.isfinite(x))
    return f"firing of {circuit.population_of(int(lost[0]))} is {x[lost[0]]}" if len(lost) else ""


def _groups(circuit: Circuit) -> Groups:
    """Bounds of groups of slow variables: all but strengths, labile by neuron, consolidated."""
    n, start = circuit.neurons, circuit.wiring.plastic.start.astype(np.int64)
    return np.concatenate([[0], 2 * n + 2 + start, [2 * n + 2 + 2 * start[-1]]]).astype(np.uint64)


@dataclass(frozen=True)
class _Step:
    """An accepted step; the engine's buffers hold its solution until the next one."""

    start_h: float
    length_h: float


class Engine:
    """Steps one circuit through time; `state` and `time_h` are the present. Faults tell days from day_0_h."""

    def __init__(
        self,
        circuit: Circuit,
        state: State | None = None,
        time_h: float = 0.0,
        accuracy: Accuracy = Accuracy(),
        day_0_h: float = 0.0,
    ) -> None:
        self.circuit, self._day_0_h = circuit, day_0_h
        self.state = healthy_state(circuit) if state is None else state.copy()
        self.time_h = time_h
        self.accuracy = accuracy
        self.diagnostics = Diagnostics()
        self._step_h = 1.0
        self._group = _groups(circuit)
        self._decay = np.zeros(circuit.neurons + 2)
        self._buffers = [np.empty_like(self.state.y) for _ in range(5)]
        # Where effects swing, firing at the lower end of the swing and the change there.
        self._below = self.state.x.copy(), self.state.serotonin_nM.copy()
        self._change_below = np.empty_like(self.state.y)

    def advance(
        self,
        exposure: Exposure,
        until_h: float,
        *,
        output_h: Sequence[float] = (),
        on_output: Callable[[float, State], None] | None = None,
        on_step: Callable[[float, State], None] | None = None,
        settled_under: Callable[[float], tuple[Effects, Floats]] | None = None,
    ) -> None:
        """Go on to until_h, ending a step on every jump of the exposure.

        on_step sees every accepted step's end (slow state only); on_output sees the state at each of output_h
        (sorted) after the start, with firing settled under what the exposure reports for that moment (just
        after a jump), or under what `settled_under` gives for it.
        """
        reported = settled_under or exposure.reported
        waiting = [hour for hour in output_h if self.time_h < hour <= until_h]
        stops = [hour for hour in exposure.jumps_h if self.time_h < hour < until_h] + [until_h]
        most = self._tries + MOST_TRIES + MOST_TRIES_A_JUMP * len(stops)
        for stop_h in stops:
            while self.time_h < stop_h:
                if self._tries >= most:
                    raise RunError(f"the slow variables change too fast to be followed {self._when}")
                step = self._step(exposure, stop_h)
                end_h = step.start_h + step.length_h
                self.time_h = stop_h if end_h >= stop_h - 1e-9 else end_h
                while waiting and waiting[0] <= self.time_h:
                    hour = waiting.pop(0)
                    if on_output:
                        on_output(hour, self.settled(*reported(hour), y=self._within(step, hour)))
                self.state.y[:] = self._buffers[-1]
                if on_step:
                    on_step(self.time_h, self.state)

    def settled(self, effects: Effects, region_input: Floats, y: Floats | None = None) -> State:
        """The present state, or slow state y, with firing settled under given effects; changes nothing."""
        now = self.state
        y = (now.y if y is None else y).copy()
        state = State(y, now.x.copy(), now.serotonin_nM.copy(), now.neurons, now.plastic)
        self._settle(state.y, state.x, state.serotonin_nM, effects, region_input)
        return state

    def _within(self, step: _Step, time_h: float) -> Floats:
        """The slow state at a time inside the step just taken."""
        k1, _, bend, _, _ = self._buffers
        y = np.empty_like(k1)
        self._move(self.state.y, k1, time_h - step.start_h, bend, 1.5 / step.length_h, y)
        return y

    def _step(self, exposure: Exposure, stop_h: float) -> _Step:
        """One accepted step from the present towards stop_h."""
        y, start_h, left_h = self.state.y, self.time_h, stop_h - self.time_h
        k1, there, bend, companion, after = self._buffers
        self._slow_change(y, exposure, start_h, k1)
        self._decay[1:-1] = 0.5 * self._labile_decay(y)
        while True:
            h = min(self._step_h, left_h, self.accuracy.longest_step_h)
            if h < left_h < 1.5 * h:  # leave no crumb at the end
                h = 0.5 * left_h
            self._move(y, k1, h / 3, k1, 0.0, there)
            self._bend(y, there, k1, exposure, start_h + h / 3, bend)
            self._move(y, k1, 2 * h / 3, bend, 3 / h, there)
            self._move(y, k1, h, bend, 3 / h, companion)
            self._bend(y, there, k1, exposure, start_h + 2 * h / 3, bend)
            self._move(y, k1, h, bend, 1.5 / h, after)
            error = kernels.slow_error(
                after, companion, self.circuit.wiring.plastic.weight, self.circuit.neurons
            )
            if not isfinite(error):
                raise RunError(self._where_not_finite(after))
            grown = h * min(4.0, max(0.2, 0.9 * (self.accuracy.slow / (error + 1e-12)) ** (1 / 3)))
            if error <= self.accuracy.slow:
                self._step_h = max(grown, self._step_h if h == left_h else 0.0)
                self.diagnostics.steps += 1
                return _Step(start_h, h)
            self.diagnostics.rejected += 1
            self._step_h = grown

    def _move(
        self, y: Floats, change: Floats, length_h: float, bend: Floats, bend_per_h: float, out: Floats
    ) -> None:
        kernels.move(y, change, length_h, bend, bend_per_h, self._decay, self._group, out)

    def _bend(
        self, y: Floats, there: Floats, k1: Floats, exposure: Exposure, time_h: float, bend: Floats
    ) -> None:
        """Settle and work out how the slow change at a stage departs from the straight course."""
        self._slow_change(there, exposure, time_h, bend)
        kernels.departure(y, there, k1, bend, self._decay, self._group, bend)

    def _labile_decay(self, y: Floats) -> Floats:
        decay = np.empty(self.circuit.neurons)
        kernels.labile_decay(self.circuit.wiring, self.circuit.rules, y, self.state.x, decay)
        return decay

    def _slow_change(self, y: Floats, exposure: Exposure, time_h: float, change: Floats) -> None:
        """Settle firing for slow state y, from the last firing on, and work out the slow change.

        Where effects swing within a step, the mean of the changes at both ends of the swing: the mean of what
        drugs do is not what their mean does (two-point Gauss quadrature, exact to the third moment).
        """
        # isinstance of a protocol would cost a sixth of a mean-field run
        swing = cast(Swinging, exposure).swing(time_h) if hasattr(exposure, "swing") else None
        if swing is None:
            self._change_under(*exposure.at(time_h), y, self.state.x, self.state.serotonin_nM, change)
            return
        share, above, below = swing
        self._change_under(*above, y, self.state.x, self.state.serotonin_nM, change)
        self._change_under(*below, y, *self._below, self._change_below)
        change *= share
        change += (1.0 - share) * self._change_below

    def _change_under(
        self,
        effects: Effects,
        region_input: Floats,
        y: Floats,
        x: Floats,
        serotonin_nM: Floats,
        change: Floats,
    ) -> None:
        self._settle(y, x, serotonin_nM, effects, region_input)
        wiring, rules = self.circuit.wiring, self.circuit.rules
        kernels.slow_change(wiring, rules, effects, y, x, serotonin_nM, change)

    def _settle(
        self, y: Floats, x: Floats, serotonin_nM: Floats, effects: Effects, region_input: Floats
    ) -> None:
        given = (self.circuit, y, x, serotonin_nM, effects, region_input, self.accuracy.firing)
        try:
            sweeps, fallbacks = settle(*given)
        except RunError as fault:
            raise RunError(self._where_not_finite(y) or f"{fault} {self._when}") from None
        self.diagnostics.sweeps += sweeps
        self.diagnostics.fallbacks += fallbacks

    @property
    def _tries(self) -> int:
        return self.diagnostics.steps + self.diagnostics.rejected

    @property
    def _when(self) -> str:
        return f"on day {(self.time_h - self._day_0_h) / HOURS_A_DAY:.2f}"

    def _where_not_finite(self, y: Floats) -> str:
        """Which variable, of which population, left the finite numbers, and when (nothing if none did)."""
        lost = np.flatnonzero(~np.isfinite(y))
        if not len(lost):
            return ""
        return f"{self._variable(int(lost[0]))} is {y[lost[0]]} {self._when}"

    def _variable(self, position: int) -> str:
        """The name of one slow variable."""
        n, plastic = self.state.neurons, self.state.plastic
        if position < 2 * n:
            signal = "BDNF" if position < n else "TrkB signalling"
            return f"{signal} of {self.circuit.population_of(position % n)}"
        if position < 2 * n + 2:
            return ("autoreceptor sensitivity", "SERT Vmax factor")[position - 2 * n]
        synapse = (position - 2 * n - 2) % plastic
        return f"strength of {self.circuit.projections[self.circuit.wiring.plastic.projection[synapse]]}"
