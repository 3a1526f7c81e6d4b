"""Weeks of slow change over firing that has always settled.

One slow step, from t to t + h (exponential Runge-Kutta of third order, Hochbruck & Ostermann 2010):

1. under the effects at t, settle firing and serotonin; rates of change now
2. the same at t + h/3, where the rates now lead
3. the same at t + 2h/3, where both lead
4. end point from the first and third rates, companion from the first and second
5. accept if end point and companion agree within the tolerance, else shorten

Half of the linear decay of labile strength, the fastest variable, is solved exactly. A step ends exactly on
every event that makes an effect jump. Output is dense interpolation and never changes a step. If firing does
not settle, or a variable is no longer a number, the run stops and says where.

Source: Hochbruck & Ostermann 2010 (10.1017/S0962492910000048); model description, section 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple, Protocol, cast

import numpy as np

from unstuck.circuit import Circuit, Wiring, healthy_state
from unstuck.engine.neuron import Fast, circuit_change, neuron_change
from unstuck.engine.settle import RunError as RunError
from unstuck.engine.settle import not_finite, settle, settled_state, why_not_settled
from unstuck.rules import Rules
from unstuck.rules.compiled import compiled, compiled_part
from unstuck.rules.plasticity import coincidence, labile_decay, potentiation
from unstuck.rules.trkb import gate
from unstuck.state import Floats, Integers, Positions, Slow, State, compiled_views
from unstuck.targets import Effects, compiled_effects

HOURS_A_DAY = 24.0
MOST_TRIES, MOST_TRIES_A_JUMP = 20_000, 100  # steps of a stretch, refused ones too: more lead nowhere
EXACT_DECAY = 0.5  # share of the linear decay of labile strength that is solved exactly
FIELDS = len(Effects._fields)
STAGES = np.array([0.0, 1.0 / 3.0, 2.0 / 3.0])  # of a step


class Exposure(Protocol):
    """What acts on a circuit over time; times in hours, region inputs in drive."""

    jumps_h: list[float]

    def at_times(self, times_h: Floats) -> tuple[Floats, Floats]:
        """Effects (times, fields of `Effects`) and region inputs (times, regions), just after any jump."""
        ...

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """What a reading at this moment is taken under: what acts, or the mean of the last 24 h."""
        ...


class Swinging(Protocol):
    """An exposure to doses so frequent that a slow step sees their mean, and how far they swing about it."""

    def swing(self, time_h: float) -> tuple[float, tuple[Effects, Floats], tuple[Effects, Floats]] | None:
        """Share of the time at the upper end of the swing, what acts there, and at the lower end; or None."""
        ...


@dataclass(frozen=True)
class Accuracy:
    """How exactly a run is solved: largest local error of the slow state, and of settled firing."""

    slow: float = 1e-3
    firing: float = 1e-4
    longest_step_h: float = 3 * HOURS_A_DAY


class StepController(NamedTuple):
    """The next step from the error of the last: safety x (tolerance / error)^(1/order), within limits."""

    safety: float = 0.9
    smallest: float = 0.2
    largest: float = 4.0
    order: int = 3

    def factor(self, error: float, tolerance: float) -> float:
        """How much longer (or shorter) the next step is."""
        wanted = self.safety * (tolerance / (error + 1e-12)) ** (1.0 / self.order)
        return min(self.largest, max(self.smallest, wanted))


CONTROLLER = StepController()


@dataclass
class Diagnostics:
    """What a run cost and where its solver had to fall back."""

    steps: int = 0
    rejected: int = 0
    sweeps: int = 0
    fallbacks: int = 0


class Decay(NamedTuple):
    """Groups of slow variables that share a decay rate which is solved exactly."""

    bounds: Positions  # (groups + 1,)
    neuron: Integers  # (groups,) whose synapses they are; -1: no decay
    per_h: Floats  # (groups,)


class Solver(NamedTuple):
    """What all steps of one circuit share."""

    start: Positions  # (variables + 1,) first position of each variable in the slow state
    scale: Floats  # what a deviation of each entry of the slow state is relative to
    tolerance: float  # of settled firing


class Acting(NamedTuple):
    """What acts at the stages of a step."""

    rows: Floats  # (stages, upper and lower end of a swing, fields + regions) effects and region inputs
    share: Floats  # (stages,) of the time at the upper end


class Firing(NamedTuple):
    """Firing that the stages start from: at the upper end of a swing of effects, and at the lower."""

    above: Fast
    below: Fast


class Course(NamedTuple):
    """One step: start and end point, and what dense output needs."""

    start: Floats
    change: Floats  # 1/h, at the start
    bend: Floats  # departure of the change at the third stage from the linear course
    bend_before: Floats  # the same at the second stage
    end: Floats


_views = compiled_views()
effects_of = compiled_effects()


@compiled_part
def add_rates(
    w: Wiring, p: Rules, row: Floats, y: Slow, fast: Fast, tolerance: float, rate: Slow
) -> tuple[float, int, int]:
    """Settle firing under a row of effects and region inputs, and set all rates of change (1/h)."""
    acting = effects_of(row)
    left, sweeps, fallbacks = settle(w, p, acting, row[FIELDS:], y, fast, tolerance)
    for i in range(fast.x.size):
        neuron_change(w, p, acting, y, fast, i, rate)
    circuit_change(w, p, acting, y, fast, rate)
    return left, sweeps, fallbacks


@compiled_part
def set_decay(w: Wiring, p: Rules, y: Slow, x: Floats, decay: Decay) -> None:
    """Set the share of the decay of labile strength that is solved exactly: a mean by weight per neuron."""
    for g in range(decay.per_h.size):
        i = int(decay.neuron[g])
        decay.per_h[g] = 0.0
        if i >= 0 and w.plastic.start[i + 1] > w.plastic.start[i]:
            together, weight = 0.0, 0.0
            for j in range(w.plastic.start[i], w.plastic.start[i + 1]):
                weight += w.plastic.weight[j]
                together += w.plastic.weight[j] * coincidence(x[i], float(x[w.plastic.pre[j]]), p.plasticity)
            made = potentiation(y.trkb[i], together / weight, p.plasticity)
            decay.per_h[g] = EXACT_DECAY * labile_decay(made, gate(y.trkb[i], p.trkb), p.plasticity)


@compiled
def move(course: Course, length_h: float, bend: Floats, bend_per_h: float, decay: Decay, out: Floats) -> None:
    """Set out to the start moved by length_h, each group's decay exact, with a departure that grows evenly.

    y + t phi1(L t) change + (t^2 bend_per_h) phi2(L t) bend, phi1(z) = (1 - e^-z)/z, phi2(z) = (1 - phi1)/z.
    """
    for g in range(decay.per_h.size):
        z = decay.per_h[g] * length_h
        phi1 = (1.0 - np.exp(-z)) / z if z > 1e-3 else 1.0 - z / 2.0 + z * z / 6.0
        phi2 = (1.0 - phi1) / z if z > 1e-3 else 0.5 - z / 6.0 + z * z / 24.0
        straight, bent = length_h * phi1, length_h * length_h * bend_per_h * phi2
        for i in range(decay.bounds[g], decay.bounds[g + 1]):
            out[i] = course.start[i] + straight * course.change[i] + bent * bend[i]


@compiled_part
def depart(course: Course, there: Floats, bend: Floats, decay: Decay) -> None:
    """Turn bend, the change at a stage, into its departure from the course of the start."""
    for g in range(decay.per_h.size):
        for i in range(decay.bounds[g], decay.bounds[g + 1]):
            bend[i] += decay.per_h[g] * (there[i] - course.start[i]) - course.change[i]


@compiled_part
def error_of(course: Course, companion: Floats, solver: Solver) -> float:
    """Largest root mean square difference of end point and companion among the variables; NaN in, NaN out."""
    largest, start, scale = 0.0, solver.start, solver.scale
    for v in range(start.size - 1):
        total = 0.0
        for i in range(start[v], start[v + 1]):
            total += ((course.end[i] - companion[i]) / scale[i]) ** 2
        error = np.sqrt(total / max(start[v + 1] - start[v], 1))
        if error > largest or error != error:
            largest = error
    return largest


@compiled_part
def rates_at(
    w: Wiring, p: Rules, acting: Acting, stage: int, y: Floats, firing: Firing, solver: Solver, rate: Floats
) -> tuple[float, int, int]:
    """Set the rates of change at a stage: the mean over both ends of a swing; returns what `settle` does."""
    share, below = acting.share[stage], np.empty(y.size)
    slow = _views(y, solver.start)
    left, sweeps, fallbacks = add_rates(
        w, p, acting.rows[stage, 0], slow, firing.above, solver.tolerance, _views(rate, solver.start)
    )
    if share < 1.0 and left <= solver.tolerance:
        left, more, fell = add_rates(
            w, p, acting.rows[stage, 1], slow, firing.below, solver.tolerance, _views(below, solver.start)
        )
        sweeps += more
        fallbacks += fell
        for i in range(rate.size):
            rate[i] = share * rate[i] + (1.0 - share) * below[i]
    return left, sweeps, fallbacks


@compiled
def try_step(
    w: Wiring,
    p: Rules,
    acting: Acting,
    firing: Firing,
    solver: Solver,
    decay: Decay,
    course: Course,
    length_h: float,
) -> tuple[float, int, int]:
    """All stages of one step; sets course and firing.

    Returns the error, or -1 where firing does not settle (for the slow state that `course.end` then has), the
    number of sweeps and of fallbacks.
    """
    there, sweeps, fallbacks = course.start.copy(), 0, 0
    for stage in range(acting.share.size):
        rate = course.change if stage == 0 else course.bend_before if stage == 1 else course.bend
        left, swept, fell = rates_at(w, p, acting, stage, there, firing, solver, rate)
        sweeps += swept
        fallbacks += fell
        if not left <= solver.tolerance:
            course.end[:] = there
            return -1.0, sweeps, fallbacks
        if stage == 0:
            set_decay(w, p, _views(course.start, solver.start), firing.above.x, decay)
            move(course, length_h / 3.0, course.change, 0.0, decay, there)
        elif stage == 1:
            depart(course, there, course.bend_before, decay)
            move(course, 2.0 * length_h / 3.0, course.bend_before, 3.0 / length_h, decay, there)
        else:
            depart(course, there, course.bend, decay)
    move(course, length_h, course.bend, 1.5 / length_h, decay, course.end)
    move(course, length_h, course.bend_before, 3.0 / length_h, decay, there)
    return error_of(course, there, solver), sweeps, fallbacks


@dataclass(frozen=True)
class Step:
    """An accepted step from start_h on."""

    start_h: float
    length_h: float
    course: Course
    decay: Decay

    def at(self, time_h: float) -> Floats:
        """The slow state at a time within the step."""
        y, course = np.empty_like(self.course.end), self.course
        move(course, time_h - self.start_h, course.bend, 1.5 / self.length_h, self.decay, y)
        return y


class Engine:
    """One circuit in time; `state` and `time_h` are the present. Errors count days from day_0_h."""

    def __init__(
        self,
        circuit: Circuit,
        state: State | None = None,
        time_h: float = 0.0,
        accuracy: Accuracy = Accuracy(),
        day_0_h: float = 0.0,
    ) -> None:
        self.circuit, self.accuracy, self.time_h = circuit, accuracy, time_h
        self.state = healthy_state(circuit) if state is None else state.copy()
        self.diagnostics = Diagnostics()
        self.last_step: Step | None = None
        self._day_0_h = day_0_h
        self._step_h = 1.0
        self._solver = Solver(circuit.layout.start, circuit.layout.scale(), accuracy.firing)
        self._groups = circuit.layout.groups()
        below = self.state.copy()
        self._firing = Firing(Fast(self.state.x, self.state.serotonin_nM), Fast(below.x, below.serotonin_nM))
        regions = len(circuit.regions)
        self._acting = Acting(np.empty((len(STAGES), 2, FIELDS + regions)), np.ones(len(STAGES)))

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
        """Simulate until until_h, ending a step on every jump of the exposure.

        on_step sees every accepted step's end (slow state only); on_output sees the state at each of output_h
        (sorted) after the start, with firing settled under what the exposure reports for that moment (just
        after a jump), or under what `settled_under` gives for it.

        Raises:
            RunError: firing does not settle, or a variable is no longer a number.
        """
        reported = settled_under or exposure.reported
        waiting = [hour for hour in output_h if self.time_h < hour <= until_h]
        stops = [hour for hour in exposure.jumps_h if self.time_h < hour < until_h] + [until_h]
        most = self._tries + MOST_TRIES + MOST_TRIES_A_JUMP * len(stops)
        for stop_h in stops:
            while self.time_h < stop_h:
                step = self.last_step = self._step(exposure, stop_h, most)
                end_h = step.start_h + step.length_h
                self.time_h = stop_h if end_h >= stop_h - 1e-9 else end_h
                while waiting and waiting[0] <= self.time_h:
                    hour = waiting.pop(0)
                    if on_output:
                        on_output(hour, self.settled(*reported(hour), y=step.at(hour)))
                self.state.y[:] = step.course.end
                if on_step:
                    on_step(self.time_h, self.state)

    def settled(self, effects: Effects, region_input: Floats, y: Floats | None = None) -> State:
        """The present state, or slow state y, with firing settled under given effects; changes nothing."""
        try:
            return settled_state(self.circuit, self.state, effects, region_input, self.accuracy.firing, y)
        except RunError as fault:
            raise RunError(f"{fault} {self._when}") from None

    def _step(self, exposure: Exposure, stop_h: float, most_tries: int) -> Step:
        """One accepted step from the present towards stop_h."""
        left_h, y = stop_h - self.time_h, self.state.y
        bounds, neuron = self._groups
        decay = Decay(bounds, neuron, np.empty(len(neuron)))
        course = Course(y.copy(), *(np.empty_like(y) for _ in range(4)))
        while self._tries < most_tries:
            h = min(self._step_h, left_h, self.accuracy.longest_step_h)
            if h < left_h < 1.5 * h:  # no very short step at the end
                h = 0.5 * left_h
            self._deliver(exposure, h)
            error = self._try(course, decay, h)
            factor = CONTROLLER.factor(error, self.accuracy.slow)
            if error <= self.accuracy.slow:
                self._step_h = max(h * factor, self._step_h if h == left_h else 0.0)
                self.diagnostics.steps += 1
                return Step(self.time_h, h, course, decay)
            self.diagnostics.rejected += 1
            self._step_h = h * factor
        raise RunError(f"the slow variables change too fast to be followed {self._when}")

    def _deliver(self, exposure: Exposure, h: float) -> None:
        """Write down what acts at the stages of a step of length h.

        Where effects swing within a step, the rates are the mean of those at both ends of the swing: the mean
        of what drugs do is not what their mean does (two-point Gauss quadrature, exact to the third moment).
        """
        times_h = self.time_h + STAGES * h
        effects, region_input = exposure.at_times(times_h)
        rows, share = self._acting
        rows[:, 0, :FIELDS], rows[:, 0, FIELDS:] = effects, region_input
        share[:] = 1.0
        if not hasattr(exposure, "swing"):  # isinstance of a protocol would cost a sixth of a mean-field run
            return
        for stage, time_h in enumerate(times_h.tolist()):
            if swing := cast(Swinging, exposure).swing(time_h):
                share[stage] = swing[0]
                for row, acting in zip(rows[stage], swing[1:], strict=True):
                    row[:FIELDS], row[FIELDS:] = acting

    def _try(self, course: Course, decay: Decay, h: float) -> float:
        """The error of a step of length h (RunError where there is none)."""
        error, sweeps, fallbacks = try_step(
            self.circuit.wiring,
            self.circuit.rules,
            self._acting,
            self._firing,
            self._solver,
            decay,
            course,
            h,
        )
        self.diagnostics.sweeps += sweeps
        self.diagnostics.fallbacks += fallbacks
        if error < 0.0:
            row = self._acting.rows[0, 0]
            why = why_not_settled(
                self.circuit, self.state.copy(course.end), Effects(*row[:FIELDS]), row[FIELDS:]
            )
            raise RunError(f"{why} {self._when}")
        if not isfinite(error):
            raise RunError(f"{not_finite(self.circuit, course.end) or 'the change'} {self._when}")
        return error

    @property
    def _tries(self) -> int:
        return self.diagnostics.steps + self.diagnostics.rejected

    @property
    def _when(self) -> str:
        return f"on day {(self.time_h - self._day_0_h) / HOURS_A_DAY:.2f}"
