"""Is the healthy state an attractor in its whole state? By runs of the mean-field from above and below."""

import numpy as np

from unstuck.circuit import Circuit, Floats, mean_field_circuit
from unstuck.engine.readouts import population_means, projection_strength
from unstuck.engine.step import Accuracy, Engine, State
from unstuck.files.circuit import CircuitFile
from unstuck.parameters import ParameterSet
from unstuck.targets import NO_EFFECT, Effects

WITHIN = 0.005  # every activity and every projection must come back this close
KNOCKS = (1.01, 0.98)  # all plastic strengths times this (model description, section 10)


class Undisturbed:
    """An exposure without any effect."""

    def __init__(self, regions: int) -> None:
        self.jumps_h: list[float] = []
        self._none = (NO_EFFECT, np.zeros(regions))

    def at(self, time_h: float) -> tuple[Effects, Floats]:
        """No effect."""
        return self._none

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """No effect."""
        return self._none


def after_knock(circuit: Circuit, factor: float, days: float, accuracy: Accuracy = Accuracy()) -> State:
    """The settled state some undisturbed days after all plastic strengths were multiplied by a factor."""
    engine = Engine(circuit, accuracy=accuracy)
    engine.state.labile[:] *= factor
    engine.state.consolidated[:] *= factor
    calm = Undisturbed(len(circuit.regions))
    engine.advance(calm, days * 24.0)
    return engine.settled(*calm.at(0.0))


def distance_from_health(circuit: Circuit, state: State) -> float:
    """Largest relative distance of any population's activity or any projection's strength from health."""
    activity = np.abs(population_means(circuit, state.x) - 1.0).max()
    strength = projection_strength(circuit, state.labile + state.consolidated)
    return float(max(activity, np.nanmax(np.abs(strength - 1.0))))


def healthy_is_attractor(file: CircuitFile, parameters: ParameterSet, days: float = 150.0) -> bool:
    """Whether the mean-field comes back to health from above and from below."""
    circuit = mean_field_circuit(file, parameters)
    return all(distance_from_health(circuit, after_knock(circuit, knock, days)) < WITHIN for knock in KNOCKS)
