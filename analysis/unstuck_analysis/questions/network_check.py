"""Whether networks of neurons agree with the mean-field on where the basins meet.

A network is led into its own stuck state and started a share of the way to its own healthy state; where it
then goes is set against the boundary that the mean-field has on the same line.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from unstuck.circuit import Circuit, network_circuit
from unstuck.engine.readouts import connectivity
from unstuck.engine.step import Engine, State, healthy_state
from unstuck.files.circuit import CircuitFile
from unstuck.parameters import ParameterSet

from unstuck_analysis.questions.fixed_points import Held

STRESS_DAYS, REST_DAYS, RUN_DAYS = 42.0, 150.0, 300.0
RECOVERED = 0.8  # connectivity above which a network counts as healthy; stuck ones end near 0.6


@dataclass(frozen=True)
class NetworkLine:
    """A network and the straight line from its stuck to its healthy slow state."""

    circuit: Circuit

    @classmethod
    def of(cls, file: CircuitFile, parameters: ParameterSet, neurons: int, seed: int) -> "NetworkLine":
        """The line of a network drawn from a seed."""
        return cls(network_circuit(file, parameters, neurons, np.random.default_rng(seed)))

    @cached_property
    def stuck(self) -> State:
        """The state after full stress and long rest."""
        calm, engine = Held(self.circuit), Engine(self.circuit)
        engine.advance(Held(self.circuit, calm.effects._replace(stress=1.0)), STRESS_DAYS * 24.0)
        engine.advance(calm, (STRESS_DAYS + REST_DAYS) * 24.0)
        return engine.state.copy()

    def recovers(self, share: float) -> bool:
        """Whether the network ends healthy from a share of the way."""
        start = self.stuck.copy()
        start.y += share * (healthy_state(self.circuit).y - start.y)
        run = Engine(self.circuit, start)
        run.advance(Held(self.circuit), RUN_DAYS * 24.0)
        return connectivity(self.circuit, run.state)[0] > RECOVERED

    def boundary(self, low: float, high: float, exactly: float) -> float:
        """The network's own boundary between two shares, by bisection; NaN if it does not lie there."""
        if self.recovers(low) or not self.recovers(high):
            return np.nan
        while high - low > exactly:
            middle = 0.5 * (low + high)
            low, high = (low, middle) if self.recovers(middle) else (middle, high)
        return 0.5 * (low + high)
