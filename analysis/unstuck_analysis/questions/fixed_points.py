"""Where the slow state of a circuit stands still, and whether it comes back there when pushed.

    change(y) = 0,   y = [BDNF | TrkB | autoreceptor | SERT factor | labile | consolidated]

Firing is settled to 1e-13 at every y. Newton's method refines a guess; the eigenvalues of the Jacobian
count the directions in which the state runs away. The slow change is smooth but for kinks, at most one in
each row of it: homeostasis [x - 1]+ and the room for potentiation [wmax w0 - w]+ of a synapse, and the cap
of autoreceptor sensitivity at 1. A state on a kink (health is one) has a Jacobian on each side; all of them
are looked at. Source: Kuznetsov 2004, Elements of Applied Bifurcation Theory (10.1007/978-1-4757-3978-7),
chapter 10.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt
from unstuck.circuit import Circuit, Floats, Integers
from unstuck.engine import kernels
from unstuck.engine.readouts import connectivity
from unstuck.engine.step import Accuracy, Engine, RunError, State, settle
from unstuck.rules.autoreceptor import apparent_serotonin_ratio, autoreceptor_drive
from unstuck.targets import NO_EFFECT, Effects

FIRING_TOLERANCE = 1e-13
NEWTON_TOLERANCE = 1e-10  # last Newton step, in units of the slow state
ON_KINK = 1e-7
SMOOTH = -1  # marks a row of the slow change without a kink
LONG_RUNS = Accuracy(slow=1e-3, firing=1e-8)
_SHIFT = 1e-6
_MOST_STEPS = 40
_MOST_KINKS = 6  # beyond, only the two extreme one-sided Jacobians are looked at


class NoFixedPoint(RunError):
    """Newton's method found no state that stands still near the guess."""


@dataclass
class Held:
    """Constant effects on a circuit, as the engine's `Exposure`."""

    circuit: Circuit
    effects: Effects = NO_EFFECT
    jumps_h: list[float] = field(default_factory=list)

    def at(self, time_h: float) -> tuple[Effects, Floats]:
        """The same effects at every moment."""
        return self.effects, np.zeros(len(self.circuit.regions))

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """The same."""
        return self.at(time_h)

    def firing(self, y: Floats, near: tuple[Floats, Floats] | None = None) -> tuple[Floats, Floats]:
        """Settled activity (neurons,) and serotonin (regions,) in nM at a slow state, found from `near`."""
        regions = len(self.circuit.regions)
        if near is None:
            near = np.ones(self.circuit.neurons), np.full(regions, self.circuit.rules.S0)
        x, serotonin_nM = near[0].copy(), near[1].copy()
        settle(self.circuit, y, x, serotonin_nM, self.effects, np.zeros(regions), FIRING_TOLERANCE)
        return x, serotonin_nM

    def change(self, y: Floats, near: tuple[Floats, Floats] | None = None) -> Floats:
        """Rate of change (1/h) of a slow state."""
        change = np.empty_like(y)
        x, serotonin_nM = self.firing(y, near)
        kernels.slow_change(self.circuit.wiring, self.circuit.rules, self.effects, y, x, serotonin_nM, change)
        return change

    def beyond_kink(self, y: Floats, near: tuple[Floats, Floats] | None = None) -> Floats:
        """How far beyond its kink each row of the change is: x - 1, room / w0, S/S0 - 1 (inf: none)."""
        wiring, p, e = self.circuit.wiring, self.circuit.rules, self.effects
        x, serotonin_nM = self.firing(y, near)
        raphe_nM = float(serotonin_nM[wiring.region[wiring.source]])
        drive = autoreceptor_drive(raphe_nM, e.agonist_1a, e.antagonist_1a, p.K1A)
        n, healthy = self.circuit.neurons, wiring.plastic.weight
        weak, strong = np.split(y[2 * n + 2 :], 2)
        beyond = np.full(len(y), np.inf)
        beyond[2 * n] = apparent_serotonin_ratio(drive, p.K1A, p.S0) - 1.0
        beyond[2 * n + 2 : 2 * n + 2 + len(weak)] = p.wmaxf - (weak + strong) / healthy
        beyond[2 * n + 2 + len(weak) :] = x[_targets(self.circuit)] - 1.0
        return beyond


def _targets(circuit: Circuit) -> Integers:
    """The postsynaptic neuron of every plastic synapse."""
    return np.repeat(np.arange(circuit.neurons), np.diff(circuit.wiring.plastic.start.astype(np.int64)))


def _kinks(circuit: Circuit, rows: int) -> Integers:
    """Number of the kink of each row; rows that turn on the same neuron's x = 1 share one."""
    n, targets = circuit.neurons, _targets(circuit)
    kinks = np.full(rows, SMOOTH)
    kinks[2 * n] = 2 * n
    kinks[2 * n + 2 : rows - len(targets)] = np.arange(2 * n + 2, rows - len(targets))
    kinks[rows - len(targets) :] = targets
    return kinks


def jacobians(held: Held, y: Floats) -> list[Floats]:
    """Every one-sided Jacobian (1/h) of the slow change at a state: one where the change is smooth."""
    near = held.firing(y)
    shifts = _SHIFT * np.eye(len(y))
    up, down = (np.array([held.change(y + sign * s, near) for s in shifts]).T for sign in (1.0, -1.0))
    kinks = _kinks(held.circuit, len(y))
    kinks[np.abs(held.beyond_kink(y, near)) > ON_KINK] = SMOOTH
    smooth, present = (up - down) / (2.0 * _SHIFT), [kink for kink in np.unique(kinks) if kink != SMOOTH]
    if not present:
        return [smooth]
    here = held.change(y, near)[:, None]
    rising, falling = (up - here) / _SHIFT, (here - down) / _SHIFT
    beyond_up, beyond_down = (
        np.array([held.beyond_kink(y + sign * s, near) for s in shifts]).T for sign in (1.0, -1.0)
    )
    # Each column is taken from the shift that leads to the wanted side of the row's kink.
    on_side = {side: np.where((beyond_up >= beyond_down) == side, rising, falling) for side in (False, True)}
    pieces: list[Floats] = []
    for sides in _sides(len(present)):
        piece = smooth.copy()
        for kink, above in zip(present, sides, strict=True):
            piece[kinks == kink] = on_side[above][kinks == kink]
        pieces.append(piece)
    return pieces


def _sides(kinks: int) -> Sequence[tuple[bool, ...]]:
    """Sides of every kink to look at: all combinations, or for many kinks all below and all above."""
    if kinks <= _MOST_KINKS:
        return list(product((False, True), repeat=kinks))
    return [(False,) * kinks, (True,) * kinks]


@dataclass(frozen=True)
class FixedPoint:
    """A slow state that stands still: its connectivity, how exactly it is known, and its rates.

    rates_per_day: eigenvalues of each one-sided Jacobian, largest real part first, (pieces, slow variables).
    """

    held: Held
    y: Floats
    error: float
    rates_per_day: npt.NDArray[np.complex128]

    @property
    def connectivity(self) -> float:
        """Connectivity C (healthy = 1)."""
        return connectivity_of(self.held.circuit, self.y)[0]

    @property
    def structure(self) -> float:
        """Structural connectivity C_c: what is consolidated."""
        return connectivity_of(self.held.circuit, self.y)[1]

    @property
    def unstable_directions(self) -> int:
        """Directions in which the state runs away (the most on any side of a kink)."""
        return int((self.rates_per_day.real > 0).sum(axis=1).max())

    @property
    def stable(self) -> bool:
        """Whether the state comes back from every small push, on every side of its kinks."""
        return self.unstable_directions == 0


def state_of(circuit: Circuit, y: Floats) -> State:
    """A slow state with its named parts (firing not settled)."""
    return State(
        y,
        np.ones(circuit.neurons),
        np.full(len(circuit.regions), circuit.rules.S0),
        circuit.neurons,
        len(circuit.wiring.plastic.weight),
    )


def connectivity_of(circuit: Circuit, y: Floats) -> tuple[float, float]:
    """Connectivity C and structural connectivity C_c of a slow state."""
    return connectivity(circuit, state_of(circuit, y))


def find_fixed_point(held: Held, guess: Floats) -> FixedPoint:
    """Refine a guess by Newton's method until a step is below 1e-10; NoFixedPoint if it does not converge."""
    y, size = guess.copy(), np.inf
    for _ in range(_MOST_STEPS):
        step = np.linalg.solve(jacobians(held, y)[0], held.change(y))
        size = float(np.abs(step).max())
        y -= step * min(1.0, 0.5 / size) if size > 0 else 0.0
        if size < NEWTON_TOLERANCE:
            return fixed_point_at(held, y, size)
    raise NoFixedPoint(f"Newton's method still moves by {size:.1e} after {_MOST_STEPS} steps")


def fixed_point_at(held: Held, y: Floats, error: float) -> FixedPoint:
    """The fixed point known to lie at a slow state, with its eigenvalues."""
    rates = np.array([np.linalg.eigvals(piece) for piece in jacobians(held, y)])
    order = np.argsort(-np.real(rates), axis=1)
    return FixedPoint(held, y, error, 24.0 * np.take_along_axis(rates, order, axis=1).astype(np.complex128))


def relax(
    held: Held,
    y: Floats,
    days: float,
    on_step: Callable[[float, State], None] | None = None,
) -> Floats:
    """The slow state some days later under constant effects; on_step sees hour and state of every step."""
    engine = Engine(held.circuit, state_of(held.circuit, y), accuracy=LONG_RUNS)
    engine.advance(held, days * 24.0, on_step=on_step)
    return engine.state.y
