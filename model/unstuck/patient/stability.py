"""Is the healthy state an attractor in its whole state? By its rates of return.

The equations have a kink in health (homeostasis acts on overactive cells alone), so that there are two rates
of return: one for a change upward and one for a change downward. Each is the largest real part among the
eigenvalues of the one-sided Jacobian of the slow variables (finite differences), in the mean-field. The
slowest return takes months (about 0.006 per day in depression).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unstuck.circuit import RECEPTOR_5HT2C, Circuit, healthy_state, mean_field_circuit
from unstuck.drugs.exposure import Constant
from unstuck.engine.readouts import connectivity
from unstuck.engine.step import Engine, rates_of_change
from unstuck.files.circuit import CircuitFile
from unstuck.files.treatment import TYPICAL_STRESS_H
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import ParameterSet
from unstuck.state import Floats, Integers
from unstuck.targets import NO_EFFECT, Effects

REST_H = 60 * HOURS_A_DAY
_STEP = 1e-6  # of the Jacobian, relative to the scale of each variable


class RatesOfReturn(NamedTuple):
    """Largest real part (per day) of the eigenvalues of the slow variables in health; negative is stable."""

    above: float
    below: float


def rates_of_return(circuit: Circuit) -> RatesOfReturn:
    """The one-sided rates of return to health of a mean-field circuit (see above)."""
    health, scale = healthy_state(circuit), circuit.layout.scale()
    moves = _STEP * np.diag(scale)[_moving(circuit)]
    states = health.with_rows(np.concatenate([health.y[None], health.y + moves, health.y - moves]))
    rates = rates_of_change(circuit, states) / scale
    now, (up, down) = rates[0], np.split(rates[1:], 2)
    kept = _moving(circuit)
    sides = ((up - now) / _STEP)[:, kept], ((now - down) / _STEP)[:, kept]
    return RatesOfReturn(*(HOURS_A_DAY * _largest_real_part(side) for side in sides))


def _largest_real_part(matrix: Floats) -> float:
    """Largest real part among the eigenvalues."""
    eigenvalues: npt.NDArray[np.complex128] = np.linalg.eigvals(matrix).astype(np.complex128)
    return float(eigenvalues.real.max())


def _moving(circuit: Circuit) -> Integers:
    """Positions of the slow variables that can change: 5-HT2C only where a population has that receptor."""
    moving = np.ones(circuit.layout.size, dtype=bool)
    lacking = circuit.wiring.populations.traits[:, RECEPTOR_5HT2C] == 0.0
    circuit.layout.views(moving).sensitivity_5ht2c[lacking] = False
    return np.flatnonzero(moving)


def healthy_is_attractor(file: CircuitFile, parameters: ParameterSet) -> bool:
    """Whether the mean-field comes back to health from above and from below."""
    return max(rates_of_return(mean_field_circuit(file, parameters))) < 0.0


def stuck_readout(file: CircuitFile, parameters: ParameterSet) -> float:
    """The primary readout of the typical patient after 6 weeks of full stress and 60 days of rest."""
    circuit = mean_field_circuit(file, parameters)
    engine, regions = Engine(circuit), len(circuit.regions)
    engine.advance(Constant(regions, Effects(stress=1.0)), TYPICAL_STRESS_H)
    engine.advance(Constant(regions), TYPICAL_STRESS_H + REST_H)
    return connectivity(circuit, engine.settled(NO_EFFECT, np.zeros(regions)))[0]
