"""Firing and monoamines settle to the fixed point that sustains itself.

    x = F(x):   every neuron fires as the activity of all neurons, serotonin included, drives it to

Plain iteration does not converge near health. Each sweep is followed by a Newton step for the mean activity
of the populations, with the derivative of serotonin by raphe firing; single neurons follow their population
in proportion to their own slope. In the mean-field this is Newton's method. In a network the deviations
within a population are iterated plainly, which converges because each input is small. If firing does not
settle, the iteration begins again from healthy firing with ever smaller plain moves, which is counted.
"""

from math import isfinite
from typing import NamedTuple

import numpy as np

from unstuck.circuit import OWN_POOL, Circuit, Wiring
from unstuck.engine.neuron import (
    Fast,
    Surroundings,
    act_locally,
    monoamine_pools,
    neuron_activity,
    population_mean,
    surround,
)
from unstuck.rules import Rules
from unstuck.rules.compiled import compiled, compiled_part
from unstuck.rules.firing import activity_slope
from unstuck.state import VARIABLES, Floats, Positions, Slow, State, compiled_views
from unstuck.targets import Effects, compiled_effects

FIELDS = len(Effects._fields)
MOST_SWEEPS = 60
LARGEST_MOVE = 0.5  # of an activity, per sweep
RELATIVE_STEP = 1e-6  # of raphe activity, for the derivative of serotonin
# Share of the residual that a Newton move leaves along runs: 0.013 in networks of 500. From random starts it
# is up to 0.25.
LEFT_BY_MOVE = 0.025
# Plain moves from health where Newton does not settle: (damping, most sweeps).
FALLBACKS = ((0.5, 5_000), (0.1, 10_000), (0.02, 20_000))


effects_of = compiled_effects()
slow_views = compiled_views()


class Work(NamedTuple):
    """Arrays that settling needs: by population, by pair of populations (onto, from), and by neuron."""

    around: Surroundings
    moved: Surroundings  # at slightly more raphe activity
    here: Floats  # (populations, 5) what acts on each population, as from `act_locally`
    excitation: Floats  # mean excitatory weight between populations
    coupling: Floats  # change of drive to a population by the mean activity of another
    system: Floats
    mean_x: Floats
    nearby_x: Floats  # the same with slightly more raphe activity
    mean_move: Floats
    driven: Floats  # activity that each neuron is driven to
    residual: Floats
    slope: Floats


def work_for(w: Wiring) -> Work:
    """Empty arrays for settling."""
    k, strength = w.populations.cells.size, np.empty(w.plastic.weight.size)
    return Work(
        Surroundings(np.empty(k), np.empty(k), np.empty(k), strength),
        Surroundings(np.empty(k), np.empty(k), np.empty(k), strength),
        np.empty((k, 5)),
        np.empty((k, k)),
        np.empty((k, k)),
        np.empty((k, k)),
        np.empty(k),
        np.empty(k),
        np.empty(k),
        np.empty(w.bias.size),
        np.empty(w.bias.size),
        np.empty(w.bias.size),
    )


@compiled
def whole_strength(w: Wiring, y: Slow, strength: Floats, excitation: Floats) -> None:
    """Set the whole strength of every plastic synapse, and the mean excitatory weight between populations."""
    first, groups = w.populations.first, w.groups
    for k in range(first.size - 1):
        for m in range(first.size - 1):
            excitation[k, m] = w.fixed_excitation[k, m]
    for g in range(groups.projection.size):
        total, projection = 0.0, groups.projection[g]
        for j in range(groups.start[g], groups.start[g + 1]):
            strength[j] = y.labile[j] + y.intermediate[j] + y.consolidated[j]
            total += strength[j]
        onto = w.projection_post[projection]
        excitation[onto, w.projection_pre[projection]] += total / (first[onto + 1] - first[onto])


@compiled_part
def solve(a: Floats, b: Floats) -> None:
    """Solve a z = b by elimination with row exchange; b becomes z, a is overwritten."""
    n = b.size
    for j in range(n):
        best = j
        for i in range(j + 1, n):
            if abs(a[i, j]) > abs(a[best, j]):
                best = i
        for k in range(n):
            a[j, k], a[best, k] = a[best, k], a[j, k]
        b[j], b[best] = b[best], b[j]
        for i in range(j + 1, n):
            factor = a[i, j] / a[j, j]
            for k in range(j, n):
                a[i, k] -= factor * a[j, k]
            b[i] -= factor * b[j]
    for j in range(n - 1, -1, -1):
        for k in range(j + 1, n):
            b[j] -= a[j, k] * b[k]
        b[j] /= a[j, j]


@compiled_part
def sweep(w: Wiring, x: Floats, do: Work) -> None:
    """Set the activity that every neuron is driven to."""
    for i in range(x.size):
        do.driven[i] = neuron_activity(w, do.around, x, i)


@compiled_part
def set_residual(w: Wiring, x: Floats, do: Work) -> float:
    """Set how far every neuron is from the activity it is driven to, and its slope; returns the farthest."""
    farthest = 0.0
    for i in range(x.size):
        do.residual[i] = do.driven[i] - x[i]
        do.slope[i] = w.scaling[i] * activity_slope(do.driven[i], w.highest_activity[i])
        far = abs(do.residual[i])
        if far > farthest or far != far:  # NaN must not pass for settled
            farthest = far
    return farthest


@compiled_part
def couple_populations(w: Wiring, do: Work) -> None:
    """Set how the drive to every population changes with the mean activity of every other."""
    populations = do.mean_x.size
    for k in range(populations):
        feeder = w.feeder[int(w.populations.traits[k, OWN_POOL])]
        raphe_step = RELATIVE_STEP * max(do.mean_x[feeder], RELATIVE_STEP)
        onto = 0.0
        for m in range(populations):
            onto += do.excitation[k, m] * do.mean_x[m]
            do.coupling[k, m] = do.around.gain[k] * do.excitation[k, m]
            do.coupling[k, m] -= do.around.inhibition[k] * w.fixed_inhibition[k, m]
        by_serotonin = (do.moved.gain[k] - do.around.gain[k]) * onto
        by_serotonin += do.moved.input_drive[k] - do.around.input_drive[k]
        do.coupling[k, feeder] += by_serotonin / raphe_step


@compiled_part
def newton_move(w: Wiring, x: Floats, do: Work) -> None:
    """Move the populations by Newton's method, and every neuron with its population."""
    couple_populations(w, do)
    populations = do.mean_x.size
    for k in range(populations):
        do.mean_move[k] = population_mean(w, do.residual, k)
        slope = population_mean(w, do.slope, k)
        for m in range(populations):
            do.system[k, m] = -slope * do.coupling[k, m]
        do.system[k, k] += 1.0
    solve(do.system, do.mean_move)
    for k in range(populations):
        drive = 0.0
        for m in range(populations):
            drive += do.coupling[k, m] * do.mean_move[m]
        for i in range(w.populations.first[k], w.populations.first[k + 1]):
            move = do.residual[i] + do.slope[i] * drive
            x[i] = max(0.0, x[i] + min(LARGEST_MOVE, max(-LARGEST_MOVE, move)))


@compiled_part
def set_means(w: Wiring, x: Floats, mean_x: Floats) -> None:
    """Set the mean activity of every population."""
    for k in range(mean_x.size):
        mean_x[k] = population_mean(w, x, k)


@compiled
def monoamines_and_surroundings(w: Wiring, p: Rules, acting: Effects, y: Slow, fast: Fast, do: Work) -> None:
    """Set monoamines and what surrounds the neurons at the present raphe activity, and at slightly more.

    What acts on each population (`do.here`) is set already.
    """
    set_means(w, fast.x, do.mean_x)
    for k in range(do.mean_x.size):
        do.nearby_x[k] = do.mean_x[k] + RELATIVE_STEP * max(do.mean_x[k], RELATIVE_STEP)
    monoamine_pools(w, p, acting, y, do.nearby_x, fast.monoamine_nM)
    surround(w, p, acting, do.here, y, fast.monoamine_nM, do.moved)
    monoamine_pools(w, p, acting, y, do.mean_x, fast.monoamine_nM)
    surround(w, p, acting, do.here, y, fast.monoamine_nM, do.around)


@compiled
def settle(
    w: Wiring,
    p: Rules,
    acting: Effects,
    region_input: Floats,
    y: Slow,
    fast: Fast,
    tolerance: float,
    do: Work,
) -> tuple[float, int, int]:
    """Find the firing that sustains itself, starting from fast.x; fast and `do` are overwritten.

    Returns how far the farthest neuron is from it, as estimated before the last move (above tolerance, or
    NaN, if firing does not settle), the number of sweeps and of fallbacks.
    """
    x = fast.x
    whole_strength(w, y, do.around.strength, do.excitation)
    act_locally(w, acting, region_input, do.here)
    sweeps, fallbacks, damping, left = 0, 0, 0.0, MOST_SWEEPS
    while True:
        monoamines_and_surroundings(w, p, acting, y, fast, do)
        sweep(w, x, do)
        farthest = set_residual(w, x, do) * (LEFT_BY_MOVE if damping == 0.0 else 1.0)
        sweeps, left = sweeps + 1, left - 1
        lost = not np.isfinite(farthest)
        if not lost and damping == 0.0:
            newton_move(w, x, do)
        elif not lost:
            for i in range(x.size):
                x[i] += damping * do.residual[i]
        failed = left == 0 or lost
        if farthest <= tolerance or (failed and fallbacks >= (1 if lost else len(FALLBACKS))):
            set_means(w, x, do.mean_x)
            monoamine_pools(w, p, acting, y, do.mean_x, fast.monoamine_nM)
            return farthest, sweeps, fallbacks
        if failed:
            damping, left = FALLBACKS[fallbacks]
            fallbacks += 1
            for i in range(x.size):
                x[i] = 1.0


@compiled
def settle_rows(
    w: Wiring,
    p: Rules,
    acting: Floats,
    y: Floats,
    start: Positions,
    firing: Fast,
    tolerance: float,
    do: Work,
) -> int:
    """Settle rows of firing under rows of effects and inputs; returns the first that fails (or how many).

    Each slow state (row of y) belongs to as many successive rows of the others.
    """
    for k in range(acting.shape[0]):
        effects, fast = effects_of(acting[k]), Fast(firing.x[k], firing.monoamine_nM[k])
        slow = slow_views(y[k * y.shape[0] // acting.shape[0]], start)
        left, _, _ = settle(w, p, effects, acting[k, FIELDS:], slow, fast, tolerance, do)
        if not left <= tolerance:
            return k
    return acting.shape[0]


@compiled
def approach(w: Wiring, x: Floats, do: Work) -> float:
    """One Newton move of x for a caller that has set `do.driven` itself; returns how far the farthest was."""
    farthest = set_residual(w, x, do)
    newton_move(w, x, do)
    return farthest


class RunError(RuntimeError):
    """A run that cannot go on: which variable, in which region, on which day."""


def settled_state(
    circuit: Circuit,
    state: State,
    effects: Effects,
    region_input: Floats,
    tolerance: float,
    y: Floats | None = None,
) -> State:
    """A copy of a state, with slow state y where one is given, with firing settled under given effects.

    Raises:
        RunError: firing does not settle, or a variable is not a number.
    """
    acting = np.concatenate([np.array(effects), region_input])
    states = state.with_rows(np.array([state.y if y is None else y]))
    return settled_states(circuit, states, acting[None], tolerance).row(0)


def settled_states(circuit: Circuit, states: State, acting: Floats, tolerance: float) -> State:
    """Several states, with firing settled under rows of effects and region inputs.

    Each slow state belongs to as many successive rows, which share it with the states returned.

    Raises:
        RunError: firing does not settle, or a variable is not a number.
    """
    times, w = len(acting) // len(states.y), circuit.wiring
    x, monoamine_nM = (np.repeat(part, times, axis=0) for part in (states.x, states.monoamine_nM))
    start, firing, do = states.layout.start, Fast(x, monoamine_nM), work_for(w)
    unsettled = settle_rows(w, circuit.rules, acting, states.y, start, firing, tolerance, do)
    if unsettled == len(acting):
        return State(states.y, x, monoamine_nM, states.layout)
    effects, region_input = np.split(acting[unsettled], [FIELDS])
    lost = State(states.y[unsettled // times], x[unsettled], monoamine_nM[unsettled], states.layout)
    raise RunError(why_not_settled(circuit, lost, Effects(*effects), region_input))


def why_not_settled(circuit: Circuit, state: State, effects: Effects, region_input: Floats) -> str:
    """Which variable is not a number, or which population does not come to rest."""
    if lost := not_finite(circuit, state.y):
        return lost
    x, fast = state.x.copy(), Fast(state.x, state.monoamine_nM)
    if not np.isfinite(x).all():
        x[:] = fast.x[:] = 1.0
    w, do = circuit.wiring, work_for(circuit.wiring)
    whole_strength(w, state.slow, do.around.strength, do.excitation)
    act_locally(w, effects, region_input, do.here)
    monoamines_and_surroundings(w, circuit.rules, effects, state.slow, fast, do)
    driven = np.array([neuron_activity(w, do.around, x, i) for i in range(circuit.neurons)])
    for name, pool_nM in zip(circuit.pool_names, fast.monoamine_nM, strict=True):
        if not isfinite(pool_nM):
            return f"{name} is {pool_nM}"
    change = np.abs(driven - x)
    worst = int(np.argmax(np.where(np.isfinite(change), change, np.inf)))
    name = f"firing of {circuit.population_of(worst)}"
    if not isfinite(driven[worst]):
        return f"{name} is {driven[worst]}"
    return f"{name} does not settle: it changes by {change[worst]:g} per sweep"


def not_finite(circuit: Circuit, y: Floats) -> str:
    """Which slow variable, of which population or projection, is not a number (nothing if all are)."""
    lost = np.flatnonzero(~np.isfinite(y))
    if not len(lost):
        return ""
    name, place = circuit.layout.place(int(lost[0]))
    variable, where = VARIABLES[name], ""
    if variable.per == "neuron":
        where = f" of {circuit.population_of(place)}"
    if variable.per == "population":
        where = f" of {circuit.populations[place]}"
    if variable.per == "synapse":
        where = f" of {circuit.projections[circuit.wiring.plastic.projection[place]]}"
    return f"{variable.meaning}{where} is {y[lost[0]]}"
