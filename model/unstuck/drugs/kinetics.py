"""Drug concentration over time: linear compartments, solved exactly between doses.

    gut (oral, intranasal) --ka--> central --kel--> out,  central --f kel--> metabolite --km--> out

Amounts follow dx/dt = A x + input with constant A, so between two doses x(t) is a sum of exponentials of the
rates; nothing is stepped. Amounts are in units of the usual dose, time in hours.
Source: standard linear pharmacokinetics, Gibaldi & Perrier 1982.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from unstuck.circuit import Floats
from unstuck.files.schedule import Dose


@dataclass(frozen=True)
class Compartment:
    """One compartment: fed by another (None: by the dose), and the share of the feeder's outflow it gets."""

    half_life_h: float
    fed_by: int | None = None
    share: float = 1.0


class Amounts:
    """Amounts in every compartment after a series of doses, exact at any time."""

    def __init__(self, compartments: Sequence[Compartment], doses: Sequence[Dose]) -> None:
        self._rates, self._vectors, self._inverse = _modes(compartments)
        entry = np.array([float(c.fed_by is None) for c in compartments])
        self._entry = self._inverse @ entry
        changes: dict[float, list[float]] = {}
        for dose in doses:
            started = changes.setdefault(dose.time_h, [0.0, 0.0])
            if dose.over_h > 0:
                started[1] += dose.amount / dose.over_h
                changes.setdefault(dose.time_h + dose.over_h, [0.0, 0.0])[1] -= dose.amount / dose.over_h
            else:
                started[0] += dose.amount
        self._times_h = np.array(sorted(changes))
        self._flow, self._modes = self._march([changes[time] for time in self._times_h])

    def _march(self, changes: list[list[float]]) -> tuple[Floats, Floats]:
        """Infusion rate and amplitude of each mode just after each change."""
        flows, modes = np.zeros(len(changes)), np.zeros((len(changes), len(self._rates)))
        now, flow = np.zeros(len(self._rates)), 0.0
        for k, (bolus, rate_change) in enumerate(changes):
            if k:
                now = self._after(now, flow, self._times_h[k] - self._times_h[k - 1])
            now, flow = now + bolus * self._entry, flow + rate_change
            flows[k], modes[k] = flow, now
        return flows, modes

    def _after(self, modes: Floats, flow: float | Floats, elapsed_h: float | Floats) -> Floats:
        decayed = np.exp(-np.multiply.outer(elapsed_h, self._rates))
        return modes * decayed + np.multiply.outer(flow, self._entry) * (1.0 - decayed) / self._rates

    def at(self, times_h: Floats) -> Floats:
        """Amounts (times, compartments), each just after any dose at that moment; 0 before the first dose."""
        times_h = np.asarray(times_h, dtype=float)
        if not len(self._times_h):
            return np.zeros((*times_h.shape, len(self._rates)))
        last = np.searchsorted(self._times_h, times_h, side="right") - 1
        known = np.maximum(last, 0)
        elapsed_h = np.maximum(times_h - self._times_h[known], 0.0)
        decayed = np.exp(-elapsed_h[..., None] * self._rates)
        infused = self._flow[known][..., None] * self._entry * (1.0 - decayed) / self._rates
        amounts = (self._modes[known] * decayed + infused) @ self._vectors.T
        return np.where((last >= 0)[..., None], amounts, 0.0)


def _apart(rates: Floats) -> Floats:
    """Rates of which no two are equal, which would make the compartment matrix defective.

    Two are moved apart by 1e-8 and three by 1e-5, where the error of the move meets that of rounding: far
    below any knowledge of a half-life.
    """
    for share, number in ((1e-8, 2), (1e-5, 3)):
        for rate in rates.copy():
            alike = np.flatnonzero(np.abs(rates / rate - 1.0) < share)
            if len(alike) >= number:
                rates[alike] = rate * (1.0 + share * np.arange(len(alike)))
    return rates


def _modes(compartments: Sequence[Compartment]) -> tuple[Floats, Floats, Floats]:
    """Decay rates (1/h) and eigenvectors of the compartment matrix."""
    rates = _apart(np.array([log(2.0) / c.half_life_h for c in compartments]))
    matrix = -np.diag(rates)
    for k, compartment in enumerate(compartments):
        if compartment.fed_by is not None:
            matrix[k, compartment.fed_by] += compartment.share * rates[compartment.fed_by]
    values, vectors = np.linalg.eig(matrix)
    vectors = np.real(vectors)
    return -np.real(values), vectors, np.linalg.inv(vectors)
