"""The healthy state after all connections were made a little stronger or weaker, or after another change."""

from collections.abc import Callable

import numpy as np
from unstuck.circuit import Circuit
from unstuck.drugs.exposure import Constant
from unstuck.engine.readouts import population_means, projection_strength
from unstuck.engine.step import Accuracy, Engine
from unstuck.files.units import HOURS_A_DAY
from unstuck.state import State

WITHIN = 0.005  # every activity and every projection must return this close to health
KNOCKS = (1.01, 0.98)  # all plastic strengths times this


def after_knock(circuit: Circuit, factor: float, days: float, accuracy: Accuracy = Accuracy()) -> State:
    """The settled state some undisturbed days after all plastic strengths were multiplied by a factor."""

    def weaken(state: State) -> None:
        for strength in (state.slow.labile, state.slow.intermediate, state.slow.consolidated):
            strength[:] *= factor

    return after_change(circuit, weaken, days, accuracy)


def after_change(
    circuit: Circuit, change: Callable[[State], None], days: float, accuracy: Accuracy = Accuracy()
) -> State:
    """The settled state some undisturbed days after the healthy state was changed."""
    engine = Engine(circuit, accuracy=accuracy)
    change(engine.state)
    calm = Constant(len(circuit.regions))
    engine.advance(calm, days * HOURS_A_DAY)
    return engine.settled(*calm.at(0.0))


def distance_from_health(circuit: Circuit, state: State) -> float:
    """Largest relative distance of any population's activity or any projection's strength from health."""
    activity = np.abs(population_means(circuit, state.x) - 1.0).max()
    strength = projection_strength(
        circuit, state.slow.labile + state.slow.intermediate + state.slow.consolidated
    )
    return float(max(activity, np.nanmax(np.abs(strength - 1.0))))
