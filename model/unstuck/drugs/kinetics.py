"""Drug concentration over time: linear compartments, solved exactly between doses.

    gut (oral, intranasal) --ka--> central --kel--> out,  central --f kel--> metabolite --km--> out

Amounts follow dx/dt = A x + input with constant A, so between two doses x(t) = exp(A t) x(0). Off its
diagonal, A has no negative entry. With r the fastest rate, exp(A t) = exp(-r t) exp((A + r) t) is a sum of
positive terms: nothing cancels, however close two half-lives are. Amounts are in units of the usual dose,
time in hours.

Sources: standard linear pharmacokinetics, Gibaldi & Perrier 1982; scaling and squaring, Moler & Van Loan 2003
(10.1137/S00361445024180).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from unstuck.files.schedule import Dose
from unstuck.rules.compiled import compiled, compiled_part
from unstuck.state import Floats

TERMS = 14  # of the series of exp(B), where B is scaled to a size of at most a half: exact to rounding


@dataclass(frozen=True)
class Compartment:
    """One compartment: fed by another (None: by the dose), and the share of the feeder's outflow it gets."""

    half_life_h: float
    fed_by: int | None = None
    share: float = 1.0


@compiled_part
def multiply(a: Floats, b: Floats, out: Floats) -> None:
    """Set out to the product of two square matrices."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@compiled
def move_on(shifted: Floats, fastest_per_h: float, now: Floats, elapsed_h: float, out: Floats) -> None:
    """Set out to exp(A t) now by scaling and squaring; shifted is A plus the fastest rate on its diagonal."""
    n = now.size
    largest, halvings, scaled_h = 0.0, 0, elapsed_h
    for j in range(n):
        column = 0.0
        for i in range(n):
            column += shifted[i, j]
        largest = max(largest, column)
    while scaled_h * largest > 0.5:
        scaled_h *= 0.5
        halvings += 1
    total, power, spare = np.eye(n), np.eye(n), np.empty((n, n))
    for term in range(1, TERMS + 1):
        multiply(power, shifted, spare)
        for i in range(n):
            for j in range(n):
                power[i, j] = spare[i, j] * scaled_h / term
                total[i, j] += power[i, j]
    decayed = np.exp(-fastest_per_h * scaled_h)
    for i in range(n):
        for j in range(n):
            total[i, j] *= decayed
    for _ in range(halvings):
        multiply(total, total, spare)
        for i in range(n):
            for j in range(n):
                total[i, j] = spare[i, j]
    for i in range(n):
        out[i] = 0.0
        for j in range(n):
            out[i] += total[i, j] * now[j]


@compiled
def amounts_at(
    shifted: Floats, fastest_per_h: float, changes_h: Floats, after: Floats, times_h: Floats, out: Floats
) -> None:
    """Set out (times, flow and compartments) to what is there at each time; after: what each change left."""
    for k in range(times_h.size):
        last = int(np.searchsorted(changes_h, float(times_h[k]), side="right")) - 1
        if last < 0:
            out[k, :] = 0.0
        else:
            move_on(shifted, fastest_per_h, after[last], times_h[k] - changes_h[last], out[k])


class Amounts:
    """Amounts in every compartment after a series of doses, exact at any time.

    shifted, fastest_per_h: as in `move_on`. enters: 1 where doses enter and for an infusion's flow, else 0.
    """

    def __init__(self, compartments: Sequence[Compartment], doses: Sequence[Dose]) -> None:
        self.shifted, self.fastest_per_h = _shifted_matrix(compartments)
        changes: dict[float, list[float]] = {}
        for dose in doses:
            started = changes.setdefault(dose.time_h, [0.0, 0.0])
            if dose.over_h > 0:
                flow = dose.relative_dose / dose.over_h
                started[0] += flow
                changes.setdefault(dose.time_h + dose.over_h, [0.0, 0.0])[0] -= flow
            else:
                started[1] += dose.relative_dose
        self._changes_h = np.array(sorted(changes), dtype=float)
        self._after = np.zeros((len(changes), len(self.shifted)))
        self.enters = np.array([1.0, *(float(c.fed_by is None) for c in compartments)])
        for k, hour in enumerate(self._changes_h.tolist()):
            if k:
                elapsed_h = hour - float(self._changes_h[k - 1])
                move_on(self.shifted, self.fastest_per_h, self._after[k - 1], elapsed_h, self._after[k])
            flow_change, bolus = changes[hour]
            self._after[k] += self.enters * np.array([flow_change, *[bolus] * len(compartments)])

    def at(self, times_h: Floats) -> Floats:
        """Amounts (times, compartments), each just after any dose at that moment; 0 before the first dose."""
        times_h = np.asarray(times_h, dtype=float)
        found = np.empty((times_h.size, len(self.shifted)))
        amounts_at(self.shifted, self.fastest_per_h, self._changes_h, self._after, times_h.reshape(-1), found)
        return found[:, 1:].reshape(*times_h.shape, -1)


def _shifted_matrix(compartments: Sequence[Compartment]) -> tuple[Floats, float]:
    """The matrix A plus its fastest rate on the diagonal, and this rate (1/h).

    Row and column 0 are the flow of an infusion, which stays as it is and enters where doses enter.
    """
    rates = np.array([log(2.0) / c.half_life_h for c in compartments])
    matrix = np.zeros((len(rates) + 1, len(rates) + 1))
    for k, compartment in enumerate(compartments):
        matrix[k + 1, k + 1] = -rates[k]
        feeder = compartment.fed_by
        matrix[k + 1, 0 if feeder is None else feeder + 1] += (
            1.0 if feeder is None else compartment.share * rates[feeder]
        )
    fastest_per_h = float(rates.max())
    return matrix + fastest_per_h * np.eye(len(matrix)), fastest_per_h
