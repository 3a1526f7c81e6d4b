"""Simulate weeks in slow steps; firing and serotonin are fast, and at their steady state at every stage.

One slow step, from t to t + h (exponential Runge-Kutta of third order, Hochbruck & Ostermann 2010):

1. Settle firing and serotonin under the effects at t, and compute the first rates of the slow state.
2. Follow the first rates to t + h/3, settle again, and compute the second rates.
3. Follow both rates to t + 2h/3, settle again, and compute the third rates.
4. Compute the end point from the first and third rates, and a second one from the first and second rates.
5. Accept the step if both end points agree within the tolerance; else repeat it with a shorter length.

The linear decay of TrkB signalling, recent activity and labile strength is solved exactly in steps of up to
a day. In longer steps a part of it is, because what drives these variables nearly cancels their decay. A step
ends exactly on every event that makes an effect jump. Readings within a step are interpolated, so they
never change a step. If firing does not settle, or a variable is not a finite number, the run stops with the
place of the fault.

Source: Hochbruck & Ostermann 2010 (10.1017/S0962492910000048).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple, NoReturn

import numpy as np

from unstuck.circuit import Circuit, Wiring, healthy_state
from unstuck.engine.acting import (
    STAGES,
    Acting,
    Exposure,
    cell_at,
    set_acting,
    swinging_step,
    tabulate,
)
from unstuck.engine.neuron import (
    Fast,
    act_locally,
    circuit_change,
    neuron_change,
    plasticity_of,
    population_mean,
)
from unstuck.engine.settle import (
    FIELDS,
    Work,
    effects_of,
    not_finite,
    settle,
    settled_state,
    settled_states,
    slow_views,
    why_not_settled,
    work_for,
)
from unstuck.engine.settle import RunError as RunError
from unstuck.rules import Rules
from unstuck.rules.compiled import compiled, compiled_part
from unstuck.rules.plasticity import coincidence, labile_decay, potentiation
from unstuck.rules.trkb import gate
from unstuck.state import VARIABLES, Floats, Positions, Slow, State
from unstuck.targets import NO_EFFECT, Effects

HOURS_A_DAY = 24.0
MOST_TRIES, MOST_TRIES_A_JUMP = 20_000, 100  # steps of a stretch, refused ones too: more lead nowhere
EXACT_FIRING = 1e-13  # tolerance of firing, where rates of change are differentiated
EXACT_H = 24.0  # longest step in which the linear decay is solved exactly
EXACT_LABILE = 0.8  # share of it for labile strength
LABILE = list(VARIABLES).index("labile")  # the first variable of synapses; the others follow
NEIGHBOURS = 32  # neurons whose synapses are computed together, so that they stay in the processor's cache
# For the point after each stage: the share of the step up to it, and the weight of the bend.
AFTER, BENT = np.array([1.0 / 3.0, 2.0 / 3.0, 1.0]), np.array([0.0, 3.0, 1.5])
BLOCK = 500_000  # numbers that are kept for observers at a time (4 MB)
# Instead of an error of a step: firing does not settle in the step, or in an output.
UNSETTLED, UNSETTLED_OUTPUT = -1.0, -2.0


@dataclass(frozen=True)
class Accuracy:
    """How exactly a run is solved: largest local error of the slow state, and of settled firing."""

    slow: float = 5e-4
    firing: float = 1e-4
    longest_step_h: float = 3 * HOURS_A_DAY


class StepController(NamedTuple):
    """The next step from the error of the last: safety x (tolerance / error)^(1/order), within limits."""

    safety: float = 0.9
    smallest: float = 0.2
    largest: float = 4.0
    order: int = 3


CONTROLLER = StepController()


@dataclass
class Diagnostics:
    """What a run cost and where its solver had to fall back."""

    steps: int = 0
    rejected: int = 0
    sweeps: int = 0
    fallbacks: int = 0


class Solver(NamedTuple):
    """What all steps of one circuit share: how exactly they are solved, and arrays that they work on."""

    start: Positions  # (variables + 1,) first position of each variable in the slow state
    parts: Positions  # (parts + 1,) bounds of the parts that are no synapses
    linear_decay: Floats  # (parts,) 1/h
    decay: Floats  # (parts,) 1/h, what is solved exactly of it in this step
    labile_decay: Floats  # (populations,) 1/h, the same of labile strength
    blocks: Positions  # bounds of neurons that are computed together, of one population each
    per_scale: Floats  # 1 / what a deviation of each entry of the slow state is relative to
    tolerance: float  # of settled firing
    slow_tolerance: float  # largest error of a step
    longest_step_h: float
    acting: Floats  # (ends of a swing, columns) what acts at a stage
    rate_below: Floats  # rates of change at the lower end of a swing
    squares: Floats  # (parts + variables of synapses,) sums of squared errors
    settling: Work


class Firing(NamedTuple):
    """Firing that settled last, at the upper end of a swing of effects and at the lower."""

    above: Fast
    below: Fast
    before: Floats  # (ends of a swing, neurons) activity at the stage before


class Course(NamedTuple):
    """One step."""

    points: Floats  # (4, variables) slow state at the start, after a third, after two thirds, and at the end
    change: Floats  # 1/h, at the start
    failed: Floats  # the slow state at which a step failed


class Outputs(NamedTuple):
    """States that observers asked for, a row for each of the next hours."""

    hours: Floats
    acting: Floats  # (hours, columns) effects and region inputs that firing settles under
    y: Floats
    x: Floats
    monoamine_nM: Floats


class Ends(NamedTuple):
    """The slow state at the ends of steps; no rows if they were not asked for."""

    hours: Floats
    y: Floats


class Progress(NamedTuple):
    """Where a run is, and what the last call of `follow` did."""

    time_h: float
    step_h: float  # wanted length of the next step
    start_h: float = 0.0  # of the last accepted step
    length_h: float = 1.0
    due: bool = False  # the last end has not been shown to observers
    settled: bool = False  # firing at the start of the next step has settled already, for an output
    origin: int = 0  # row of the points of the course that is the start of the next step
    error: float = 0.0  # of the last step, or a reason for which the run cannot go on
    steps: int = 0
    rejected: int = 0
    sweeps: int = 0
    fallbacks: int = 0
    outputs: int = 0  # rows that are filled
    ends: int = 0


@compiled_part
def set_decay(w: Wiring, p: Rules, trkb: Floats, length_h: float, solver: Solver) -> None:
    """Set what decay is solved exactly; that of labile strength is of mean neurons, weighted by strength."""
    exact = min(1.0, EXACT_H / length_h)
    for part in range(solver.decay.size):
        solver.decay[part] = exact * solver.linear_decay[part]
    do, pre, post = solver.settling, w.projection_pre, w.projection_post
    for k in range(solver.labile_decay.size):
        mean_trkb, made, strength = population_mean(w, trkb, k), 0.0, 1e-12
        for projection in range(pre.size):
            if post[projection] == k:
                m = int(pre[projection])
                own = plasticity_of(w.projection_traits, projection, 0.0, p.plasticity)
                plastic = do.excitation[k, m] - w.fixed_excitation[k, m]
                strength += plastic
                made += plastic * potentiation(mean_trkb, coincidence(do.mean_x[k], do.mean_x[m], own), own)
        decay = labile_decay(made / strength, gate(mean_trkb, p.trkb), p.plasticity)
        solver.labile_decay[k] = exact * EXACT_LABILE * decay


@compiled_part
def phi(z: float) -> tuple[float, float]:
    """phi1 = (1 - e^-z)/z and phi2 = (1 - phi1)/z, with which decay is solved exactly."""
    if z > 1e-3:
        phi1 = (1.0 - np.exp(-z)) / z
        return phi1, (1.0 - phi1) / z
    return 1.0 - z / 2.0 + z * z / 6.0, 0.5 - z / 6.0 + z * z / 24.0


class Weights(NamedTuple):
    """Weights (h) of the next point after a stage, for one rate of decay, and of the error of the step."""

    straight: float  # of the change at the start
    bent: float  # of how far the change has bent since
    straight_before: float  # the first weight of the stage before
    companion: float  # how far the companion bends in the end, relative to the point after the stage before


@compiled_part
def weights_after(stage: int, length_h: float, decay_per_h: float) -> Weights:
    """Weights of the point after a stage; the end has a companion, which bends as the second rates do."""
    elapsed_h = AFTER[stage] * length_h
    phi1, phi2 = phi(decay_per_h * elapsed_h)
    straight, bent = elapsed_h * phi1, BENT[stage] * elapsed_h * elapsed_h / length_h * phi2
    if stage < 2:
        return Weights(straight, bent, 0.0, 0.0)
    before_h = AFTER[1] * length_h
    phi1, phi2 = phi(decay_per_h * before_h)
    companion = 2.0 * bent / (BENT[1] * before_h * before_h / length_h * phi2)
    return Weights(straight, bent, before_h * phi1, companion)


class Leg(NamedTuple):
    """The way of the slow state from the point at a stage to the next point; few arrays, to save memory."""

    start: Floats
    there: Floats
    after: Floats  # first the rates at the stage (1/h), then the next point
    change: Floats  # 1/h, at the start
    rate_below: Floats  # 1/h, at the stage, at the lower end of a swing
    per_scale: Floats


@compiled_part
def leg_of(course: Course, solver: Solver, stage: int, origin: int) -> Leg:
    """The leg after a stage of a step whose start is in row `origin` of the points (0 or 3)."""
    there = course.points[stage if stage > 0 else origin]
    after = course.points[stage + 1 if stage < 2 else 3 - origin]
    return Leg(course.points[origin], there, after, course.change, solver.rate_below, solver.per_scale)


@compiled_part
def go_on(
    leg: Leg, stage: int, first: int, last: int, share: float, decay_per_h: float, weights: Weights
) -> float:
    """Set a range of the slow state at the next point, from the rates at the stage.

    point = start + straight change + bent (rate + decay (there - start) - change)
    Where effects swing, the rate is the mean of those at both ends, of which the upper one has a share.
    Returns the sum of squares of how far the companion is from the end point (0 for other points).
    """
    squares = 0.0
    for i in range(first, last if share < 1.0 else first):
        leg.after[i] = share * leg.after[i] + (1.0 - share) * leg.rate_below[i]
    for i in range(first, last if stage == 0 else first):
        leg.change[i] = leg.after[i]
    for i in range(first, last):
        bend = leg.after[i] + decay_per_h * (leg.there[i] - leg.start[i]) - leg.change[i]
        leg.after[i] = leg.start[i] + weights.straight * leg.change[i] + weights.bent * bend
    for i in range(first, last if stage == 2 else first):
        apart = leg.after[i] - leg.start[i] - weights.straight * leg.change[i]
        before = leg.there[i] - leg.start[i] - weights.straight_before * leg.change[i]
        apart = leg.per_scale[i] * (apart - weights.companion * before)
        squares += apart * apart
    return squares


@compiled_part
def error_of_step(solver: Solver, synapses: int) -> float:
    """The largest root mean square error among the parts (NaN in, NaN out)."""
    largest, parts = 0.0, solver.decay.size
    for part in range(solver.squares.size):
        size = solver.parts[part + 1] - solver.parts[part] if part < parts else synapses
        error = np.sqrt(solver.squares[part] / max(float(size), 1.0))
        if error > largest or error != error:
            largest = error
    return largest


@compiled_part
def go_within(
    course: Course, origin: int, solver: Solver, w: Wiring, elapsed_h: float, length_h: float, out: Floats
) -> None:
    """Set out to the slow state within a step (dense output); at its end this is the end point."""
    synapses, labile = w.plastic.start, solver.start[LABILE]
    for part in range(solver.decay.size):
        first, last = solver.parts[part], solver.parts[part + 1]
        interpolate(course, origin, first, last, solver.decay[part], elapsed_h, length_h, out)
    for k in range(solver.labile_decay.size):
        first, last = w.populations.first[k], w.populations.first[k + 1]
        of_k = labile + synapses[first], labile + synapses[last]
        interpolate(course, origin, of_k[0], of_k[1], solver.labile_decay[k], elapsed_h, length_h, out)
    interpolate(course, origin, solver.start[LABILE + 1], solver.start[-1], 0.0, elapsed_h, length_h, out)


@compiled_part
def interpolate(
    course: Course,
    origin: int,
    first: int,
    last: int,
    decay_per_h: float,
    elapsed_h: float,
    length_h: float,
    out: Floats,
) -> None:
    """Set a range of out to the slow state within a step: what bends the course grows with time squared."""
    phi1, phi2 = phi(decay_per_h * elapsed_h)
    whole_phi1, whole_phi2 = phi(decay_per_h * length_h)
    straight, whole = elapsed_h * phi1, length_h * whole_phi1
    share = elapsed_h * elapsed_h * phi2 / (length_h * length_h * whole_phi2)
    start, end = course.points[origin], course.points[3 - origin]
    for i in range(first, last):
        bend = end[i] - start[i] - whole * course.change[i]
        out[i] = start[i] + straight * course.change[i] + share * bend


@compiled_part
def look_ahead(x: Floats, before: Floats, stage: int) -> None:
    """Set activity to a guess for a stage: the last one goes on as from the stage before it to the last."""
    for i in range(x.size):
        last, lead = x[i], 0.0 if stage == 1 else x[i] - before[i]
        x[i], before[i] = max(0.0, last + lead), last


@compiled_part
def change_synapses(
    w: Wiring,
    p: Rules,
    acting: Effects,
    y: Slow,
    fast: Fast,
    rates: Slow,
    leg: Leg,
    solver: Solver,
    share: float,
    stage: int,
    length_h: float,
    moves: bool,
) -> None:
    """Set the rates of all neurons and of their synapses, and move the synapses on if asked to."""
    synapses, parts, still = w.plastic.start, solver.decay.size, weights_after(stage, length_h, 0.0)
    for block in range(solver.blocks.size - 1):
        first, last = solver.blocks[block], solver.blocks[block + 1]
        for i in range(first, last):
            neuron_change(w, p, acting, solver.settling.here, y, fast, i, rates)
        decay = solver.labile_decay[int(w.population[first])]
        weights = weights_after(stage, length_h, decay)
        for v in range(LABILE, solver.start.size - 1 if moves else LABILE):
            begin, end = solver.start[v] + synapses[first], solver.start[v] + synapses[last]
            solver.squares[parts + v - LABILE] += go_on(leg, stage, begin, end, share, decay, weights)
            decay, weights = 0.0, still


@compiled_part
def make_stage(
    w: Wiring,
    p: Rules,
    share: float,
    firing: Firing,
    solver: Solver,
    leg: Leg,
    stage: int,
    length_h: float,
    settled: bool,
) -> tuple[float, int, int]:
    """Settle firing, set all rates of change, and move to the next point; returns what `settle` does.

    Where effects swing, the rates at the lower end are set first. settled: firing has settled already.
    """
    left, sweeps, fallbacks, do = 0.0, 0, 0, solver.settling
    y = slow_views(leg.there, solver.start)
    for end in range(1 if share < 1.0 else 0, -1, -1):
        row, fast = solver.acting[end], firing.below if end else firing.above
        acting = effects_of(row)
        if not settled:
            look_ahead(fast.x, firing.before[end], stage)
            left, swept, fell = settle(w, p, acting, row[FIELDS:], y, fast, solver.tolerance, do)
            sweeps, fallbacks = sweeps + swept, fallbacks + fell
        if not left <= solver.tolerance:
            return left, sweeps, fallbacks
        if stage == 0:
            set_decay(w, p, y.trkb, length_h, solver)
        rates = slow_views(leg.rate_below if end else leg.after, solver.start)
        change_synapses(w, p, acting, y, fast, rates, leg, solver, share, stage, length_h, end == 0)
        circuit_change(w, p, acting, do.here, y, fast, rates)
    for part in range(solver.decay.size):
        first, last, decay = solver.parts[part], solver.parts[part + 1], solver.decay[part]
        weights = weights_after(stage, length_h, decay)
        solver.squares[part] += go_on(leg, stage, first, last, share, decay, weights)
    return left, sweeps, fallbacks


@compiled_part
def try_step(
    w: Wiring,
    p: Rules,
    table: Acting,
    cell: int,
    firing: Firing,
    solver: Solver,
    course: Course,
    origin: int,
    start_h: float,
    length_h: float,
    settled: bool,
) -> tuple[float, int, int]:
    """All stages of one step; sets course and firing. settled: firing at the start has settled already.

    Returns the error, or UNSETTLED where firing does not settle, the number of sweeps and of fallbacks.
    """
    sweeps, fallbacks = 0, 0
    for stage in range(STAGES.size):
        solver.squares[:] = 0.0
        time_h = start_h + STAGES[stage] * length_h
        cell = cell_at(table, time_h, cell)
        share = set_acting(table, cell, time_h, solver.acting)
        share = 1.0 if share > 1.0 - 1e-9 else share
        known = settled and stage == 0
        leg = leg_of(course, solver, stage, origin)
        left, swept, fell = make_stage(w, p, share, firing, solver, leg, stage, length_h, known)
        sweeps, fallbacks = sweeps + swept, fallbacks + fell
        if not left <= solver.tolerance:
            course.failed[:] = leg.there
            return UNSETTLED, sweeps, fallbacks
    error = error_of_step(solver, w.plastic.weight.size)
    if not np.isfinite(error):
        course.failed[:] = course.points[3 - origin]
    return error, sweeps, fallbacks


@compiled
def length_of_step(wanted_h: float, left_h: float, longest_h: float) -> float:
    """Length of the next step, if so much time is left: there is no very short step at the end."""
    h = min(wanted_h, left_h, longest_h)
    return 0.5 * left_h if h < left_h < 1.5 * h else h


@compiled_part
def factor_of_step(error: float, tolerance: float) -> float:
    """How much longer (or shorter) the next step is."""
    wanted = CONTROLLER.safety * (tolerance / (error + 1e-12)) ** (1.0 / CONTROLLER.order)
    return min(CONTROLLER.largest, max(CONTROLLER.smallest, wanted))


@compiled_part
def put_out(
    w: Wiring,
    p: Rules,
    outputs: Outputs,
    k: int,
    at: Progress,
    firing: Firing,
    solver: Solver,
    course: Course,
    starts: bool,
) -> tuple[float, int, int]:
    """Set row k of the outputs to the state at its hour, which is within the last step; returns as `settle`.

    starts: this is also the start of the next step, whose firing settles at the same time.
    """
    y, fast, row = outputs.y[k], Fast(outputs.x[k], outputs.monoamine_nM[k]), outputs.acting[k]
    if starts:
        y[:] = course.points[at.origin]
        look_ahead(firing.above.x, firing.before[0], 0)
    else:
        go_within(course, 3 - at.origin, solver, w, outputs.hours[k] - at.start_h, at.length_h, y)
    fast.x[:] = firing.above.x
    slow, do = slow_views(y, solver.start), solver.settling
    done = settle(w, p, effects_of(row), row[FIELDS:], slow, fast, solver.tolerance, do)
    if starts:
        firing.above.x[:], firing.above.monoamine_nM[:] = fast.x, fast.monoamine_nM
    return done


@compiled_part
def is_start(
    table: Acting, cell: int, hour: float, row: Floats, time_h: float, end_h: float, acting: Floats
) -> bool:
    """Whether an output is the start of the next step: its hour, and what acts (which is set)."""
    if hour != time_h or time_h >= end_h or table.rows.shape[2] > 1:
        return False
    set_acting(table, cell_at(table, time_h, cell), time_h, acting)
    return bool(np.all(acting[0] == row))


@compiled_part
def observe(
    w: Wiring,
    p: Rules,
    table: Acting,
    cell: int,
    end_h: float,
    at: Progress,
    firing: Firing,
    solver: Solver,
    course: Course,
    outputs: Outputs,
    ends: Ends,
) -> Progress:
    """Fill the rows of outputs that are due up to now, and then that of the end of the last step."""
    rows, k, left, settled = min(outputs.y.shape[0], outputs.hours.size), at.outputs, 0.0, at.settled
    sweeps, fallbacks, due, ended, y = at.sweeps, at.fallbacks, at.due, at.ends, course.points[at.origin]
    while k < rows and outputs.hours[k] <= at.time_h and left <= solver.tolerance:
        starts = is_start(table, cell, outputs.hours[k], outputs.acting[k], at.time_h, end_h, solver.acting)
        left, swept, fell = put_out(w, p, outputs, k, at, firing, solver, course, starts)
        if starts:
            sweeps, fallbacks, settled = sweeps + swept, fallbacks + fell, True
        k += left <= solver.tolerance
    if due and not 0 < rows == k and ended < ends.hours.size:
        ends.hours[ended], ends.y[ended], due = at.time_h, y, False
        ended += 1
    error = at.error if left <= solver.tolerance else UNSETTLED_OUTPUT
    did = (at.steps, at.rejected, sweeps, fallbacks, k, ended)
    return Progress(at.time_h, at.step_h, at.start_h, at.length_h, due, settled, at.origin, error, *did)


@compiled_part
def step_on(
    w: Wiring,
    p: Rules,
    table: Acting,
    cell: int,
    stop_h: float,
    at: Progress,
    firing: Firing,
    solver: Solver,
    course: Course,
) -> Progress:
    """Try one step, which does not go beyond a stop."""
    left_h, origin = stop_h - at.time_h, at.origin
    h = length_of_step(at.step_h, left_h, solver.longest_step_h)
    error, swept, fell = try_step(w, p, table, cell, firing, solver, course, origin, at.time_h, h, at.settled)
    wanted_h, sweeps, fallbacks = h * factor_of_step(error, solver.slow_tolerance), at.sweeps, at.fallbacks
    did, seen = (sweeps + swept, fallbacks + fell), (at.outputs, at.ends)
    if not 0.0 <= error <= solver.slow_tolerance:
        tries = (at.steps, at.rejected + 1)
        last = (at.start_h, at.length_h, at.due, False, origin, error)
        return Progress(at.time_h, wanted_h, *last, *tries, *did, *seen)
    step_h = max(wanted_h, at.step_h if h == left_h else 0.0)
    time_h = at.time_h + h
    time_h, tries = stop_h if time_h >= stop_h - 1e-9 else time_h, (at.steps + 1, at.rejected)
    return Progress(time_h, step_h, at.time_h, h, True, False, 3 - origin, error, *tries, *did, *seen)


@compiled
def follow(
    w: Wiring,
    p: Rules,
    table: Acting,
    stops_h: Floats,
    at: Progress,
    most_tries: int,
    y: Floats,
    firing: Firing,
    solver: Solver,
    course: Course,
    outputs: Outputs,
    ends: Ends,
) -> Progress:
    """Make steps, and move y, until the last stop, or until all rows of outputs or of ends are filled.

    A step ends exactly on every stop. The run also ends after most_tries, and where a step fails.
    """
    last = (at.time_h, at.step_h, at.start_h, at.length_h, at.due, at.settled, at.origin)
    at, cell, stop, end_h = Progress(*last, 0.0, 0, 0, 0, 0, 0, 0), 0, 0, stops_h[-1]
    course.points[at.origin] = y
    while True:
        at = observe(w, p, table, cell, end_h, at, firing, solver, course, outputs, ends)
        full = 0 < min(outputs.y.shape[0], outputs.hours.size) == at.outputs or 0 < ends.hours.size == at.ends
        tried = at.steps + at.rejected == most_tries
        if full or tried or at.time_h >= end_h or not 0.0 <= at.error < np.inf:
            y[:] = course.points[at.origin]
            return at
        cell = cell_at(table, at.time_h, cell)
        while stops_h[stop] <= at.time_h:
            stop += 1
        at = step_on(w, p, table, cell, stops_h[stop], at, firing, solver, course)


@compiled
def rates_of_rows(
    w: Wiring, p: Rules, acting: Floats, y: Floats, start: Positions, firing: Fast, do: Work, rates: Floats
) -> None:
    """Set the rates of change (1/h) of several slow states, whose firing has settled."""
    effects = effects_of(acting)
    act_locally(w, effects, acting[FIELDS:], do.here)
    for row in range(y.shape[0]):
        slow, rate = slow_views(y[row], start), slow_views(rates[row], start)
        fast = Fast(firing.x[row], firing.monoamine_nM[row])
        for i in range(fast.x.size):
            neuron_change(w, p, effects, do.here, slow, fast, i, rate)
        circuit_change(w, p, effects, do.here, slow, fast, rate)


def rates_of_change(circuit: Circuit, states: State, effects: Effects = NO_EFFECT) -> Floats:
    """Rates of change (1/h) of several slow states (states, variables), firing settled under constant
    effects.

    Raises:
        RunError: firing does not settle, or a variable is not a number.
    """
    acting = np.append(np.array(effects), np.zeros(len(circuit.regions)))
    settled = settled_states(circuit, states, np.tile(acting, (len(states.y), 1)), EXACT_FIRING)
    w, p, start = circuit.wiring, circuit.rules, circuit.layout.start
    rates, firing = np.empty_like(settled.y), Fast(settled.x, settled.monoamine_nM)
    rates_of_rows(w, p, acting, settled.y, start, firing, work_for(w), rates)
    return rates


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
        self._day_0_h = day_0_h
        self._at = Progress(time_h, step_h=1.0)
        y, below = self.state.y, self.state.copy()
        before = np.tile(below.x, (2, 1))
        above = Fast(self.state.x, self.state.monoamine_nM)
        self._firing = Firing(above, Fast(below.x, below.monoamine_nM), before)
        self.course = Course(np.empty((4, len(y))), np.empty_like(y), np.empty_like(y))
        self._columns = FIELDS + len(circuit.regions)
        layout, first = circuit.layout, circuit.wiring.populations.first
        decay = layout.decay(circuit.parameters)
        self._solver = Solver(
            layout.start,
            layout.parts,
            decay,
            np.empty_like(decay),
            np.empty(len(first) - 1),
            np.unique([*first, *range(0, circuit.neurons, NEIGHBOURS)]).astype(np.uint64),
            1.0 / layout.scale(),
            accuracy.firing,
            accuracy.slow,
            accuracy.longest_step_h,
            np.empty((2, self._columns)),
            np.empty_like(y),
            np.empty(len(decay) + len(layout.start) - 1 - LABILE),
            work_for(circuit.wiring),
        )

    def advance(
        self,
        exposure: Exposure,
        until_h: float,
        *,
        output_h: Sequence[float] = (),
        on_output: Callable[[Floats, State], None] | None = None,
        on_step: Callable[[Floats, State], None] | None = None,
    ) -> None:
        """Simulate until until_h, ending a step on every jump of the exposure.

        Observers see several moments at a time: their hours and states (rows of `State`, to be copied if they
        are kept). on_output sees the state at each of output_h (sorted) after the start, with firing settled
        under what the exposure reports for that moment (just after a jump). on_step then sees every accepted
        step's end up to there (slow state only).

        Raises:
            RunError: firing does not settle, or a variable is no longer a number.
        """
        self._make_room(FIELDS + len(self.circuit.regions) + exposure.local_columns)
        waiting = np.array([hour for hour in output_h if on_output and self.time_h < hour <= until_h])
        stops_h = np.array([hour for hour in exposure.jumps_h if self.time_h < hour < until_h] + [until_h])
        most = MOST_TRIES + MOST_TRIES_A_JUMP * len(stops_h)
        swings = getattr(exposure, "swings", False)
        table = None if swings or until_h <= self.time_h else tabulate(exposure, [self.time_h, *stops_h])
        self._at = self._at._replace(due=False, settled=False)
        outputs, ends = self._rows_for_observers(exposure, waiting, on_step is not None)
        while self.time_h < until_h or len(outputs.hours) or (on_step and self._at.due):
            stops_h = stops_h[min(int(np.searchsorted(stops_h, self.time_h, "right")), len(stops_h) - 1) :]
            acting = table or self._swinging_step(exposure, float(stops_h[0]))
            at = self._follow(acting, stops_h, 1 if swings else most, outputs, ends)
            most, n = most - at.steps - at.rejected, at.outputs
            if on_output and n:
                found = State(outputs.y[:n], outputs.x[:n], outputs.monoamine_nM[:n], self.circuit.layout)
                on_output(outputs.hours[:n], found)
            outputs = outputs._replace(hours=outputs.hours[n:], acting=outputs.acting[n:])
            if on_step and at.ends:
                on_step(ends.hours[: at.ends], self.state.with_rows(ends.y[: at.ends]))
            if most <= 0 and self.time_h < until_h:
                raise RunError(f"the slow variables change too fast to be followed {self._when}")

    def settled(self, effects: Effects, region_input: Floats, y: Floats | None = None) -> State:
        """The present state, or slow state y, with firing settled under given effects; changes nothing."""
        try:
            return settled_state(self.circuit, self.state, effects, region_input, self.accuracy.firing, y)
        except RunError as fault:
            raise RunError(f"{fault} {self._when}") from None

    def _make_room(self, columns: int) -> None:
        """Set how many columns there are for what acts."""
        if columns != self._columns:
            self._columns = columns
            self._solver = self._solver._replace(acting=np.empty((2, columns)))

    def _swinging_step(self, exposure: Exposure, stop_h: float) -> Acting:
        """What acts in the next step, where effects swing."""
        length_h = length_of_step(self._at.step_h, stop_h - self.time_h, self.accuracy.longest_step_h)
        return swinging_step(exposure, self.time_h, length_h)

    def _rows_for_observers(self, exposure: Exposure, waiting: Floats, watched: bool) -> tuple[Outputs, Ends]:
        """Empty rows, used again and again, for outputs, with what acts then, and for the ends of steps."""
        most = max(1, BLOCK // len(self.state.y))
        rows, steps = min(most, len(waiting)), most if watched else 0
        acting = np.hstack(exposure.reported_at(waiting)) if rows else np.empty((0, self._columns))
        state = self.state.y, self.state.x, self.state.monoamine_nM
        y, x, monoamine_nM = (np.empty((rows, len(part))) for part in state)
        return Outputs(waiting, acting, y, x, monoamine_nM), Ends(
            np.empty(steps), np.empty((steps, len(y.T)))
        )

    def _follow(
        self, acting: Acting, stops_h: Floats, most_tries: int, outputs: Outputs, ends: Ends
    ) -> Progress:
        """Make steps as `follow` does; RunError where the run cannot go on."""
        at = self._at = follow(
            self.circuit.wiring,
            self.circuit.rules,
            acting,
            stops_h,
            self._at._replace(time_h=float(self.time_h)),
            most_tries,
            self.state.y,
            self._firing,
            self._solver,
            self.course,
            outputs,
            ends,
        )
        self.time_h = at.time_h
        self.diagnostics.steps += at.steps
        self.diagnostics.rejected += at.rejected
        self.diagnostics.sweeps += at.sweeps
        self.diagnostics.fallbacks += at.fallbacks
        if at.error == UNSETTLED:
            self._stop_unsettled(self.course.failed, self._solver.acting[0])
        if at.error == UNSETTLED_OUTPUT:
            self._stop_unsettled(outputs.y[at.outputs], outputs.acting[at.outputs])
        if not isfinite(at.error):
            raise RunError(f"{not_finite(self.circuit, self.course.failed) or 'the change'} {self._when}")
        return at

    def _stop_unsettled(self, y: Floats, row: Floats) -> NoReturn:
        effects = Effects(*row[:FIELDS])
        why = why_not_settled(self.circuit, self.state.copy(y), effects, row[FIELDS:])
        raise RunError(f"{why} {self._when}")

    @property
    def _when(self) -> str:
        return f"on day {(self.time_h - self._day_0_h) / HOURS_A_DAY:.2f}"
