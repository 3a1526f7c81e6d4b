"""Ways to expose a circuit in a test, and to see its state on the way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from unstuck.engine.step import Accuracy, Engine, Exposure
from unstuck.state import Floats, State
from unstuck.targets import NO_EFFECT, Effects

TIGHT = Accuracy(slow=1e-6, firing=1e-11)


@dataclass
class Held:
    """An exposure of constant effects, or of effects that change at given hours."""

    regions: int
    effects: Effects = NO_EFFECT
    later: dict[float, Effects] = field(default_factory=dict)
    local_columns: int = 0

    def __post_init__(self) -> None:
        self.jumps_h = sorted(self.later)

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """The effects that act at this moment."""
        begun = [hour for hour in self.jumps_h if hour <= time_h]
        return (self.later[begun[-1]] if begun else self.effects), np.zeros(self.regions)

    def at_times(self, times_h: Floats) -> tuple[Floats, Floats]:
        """The same at each of the times."""
        effects = [self.reported(hour)[0] for hour in times_h.tolist()]
        return np.array(effects), np.zeros((len(effects), self.regions))

    reported_at = at_times


def kept(seen: dict[float, State]) -> Callable[[Floats, State], None]:
    """An observer that keeps every state by its hour."""
    return lambda hours, states: seen.update(zip(hours.tolist(), states.copy().rows(), strict=True))


def now_settled(engine: Engine, exposure: Exposure) -> State:
    """The present state, with firing settled under what an exposure reports."""
    effects, region_input = exposure.reported_at(np.array([engine.time_h]))
    return engine.settled(Effects(*effects[0].tolist()), region_input[0])


def states_at(engine: Engine, exposure: Exposure, hours: Iterable[float]) -> dict[float, State]:
    """The settled state of a run at each of the hours, the first of which may be now."""
    seen: dict[float, State] = {}
    wanted = sorted(hours)
    if wanted[0] == engine.time_h:
        seen[wanted[0]] = now_settled(engine, exposure)
    engine.advance(exposure, wanted[-1], output_h=wanted, on_output=kept(seen))
    return seen
