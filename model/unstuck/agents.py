# Not strict: Mesa has no complete types.
# pyright: standard
"""Neurons as Mesa agents: named views on the arrays of a circuit, each able to act by the rules alone.

A neuron owns no numbers. It is an index into the arrays of its milieu, with a name for every column and two
verbs. They call the same compiled functions as the engine, for this one neuron:

    fire      the activity that its present inputs drive it to
    change    how fast its BDNF, TrkB signalling, recent activity, scar and incoming plastic synapses change

The verbs change no state by themselves, so that a model can let all neurons act on the same old state and
write what follows together (`CircuitModel`). `step` is one neuron acting for itself.
"""

from typing import NoReturn

import numpy as np
from mesa import Agent, Model

from unstuck.circuit import Circuit, Indices
from unstuck.engine.neuron import Fast, act_locally, circuit_change, neuron_activity, neuron_change
from unstuck.engine.settle import approach, monoamines_and_surroundings, whole_strength, work_for
from unstuck.state import VARIABLES, Floats, State
from unstuck.targets import Effects


class Milieu:
    """What all neurons of a circuit share: its arrays, the serotonin around them, and what acts right now."""

    def __init__(self, circuit: Circuit, state: State, effects: Effects, region_input: Floats) -> None:
        self.circuit, self.hours = circuit, 1.0  # what one step of a neuron lasts
        self.rate = State(np.zeros_like(state.y), state.x, state.monoamine_nM, state.layout)
        self.work = work_for(circuit.wiring)
        self.deliver(state, effects, region_input)

    def deliver(self, state: State, effects: Effects, region_input: Floats) -> None:
        """Bring drugs, stress and input to the neurons, and whole strength to the synapses."""
        self.state, self.effects, self.region_input = state, effects, region_input
        self.fast = Fast(state.x, state.monoamine_nM)
        w = self.circuit.wiring
        whole_strength(w, state.slow, self.work.around.strength, self.work.excitation)
        act_locally(w, effects, region_input, self.work.here)
        self.release_monoamines()

    def release_monoamines(self) -> None:
        """Set the serotonin and noradrenaline of every region to where release meets clearance."""
        w, p = self.circuit.wiring, self.circuit.rules
        monoamines_and_surroundings(w, p, self.effects, self.state.slow, self.fast, self.work)

    def approach(self, driven: Floats) -> float:
        """Bring all activity nearer to what it is driven to; returns how far the farthest neuron was."""
        self.work.driven[:] = driven
        return approach(self.circuit.wiring, self.state.x, self.work)

    def adapt(self) -> None:
        """Set the rates of change (1/h) of autoreceptors, SERT and receptors."""
        w, p = self.circuit.wiring, self.circuit.rules
        circuit_change(w, p, self.effects, self.work.here, self.state.slow, self.fast, self.rate.slow)


def _column(name: str, meaning: str) -> property:
    """A slow variable of neurons: this neuron's entry, read and written."""

    def read(neuron: "Neuron") -> float:
        return float(getattr(neuron.milieu.state.slow, name)[neuron.index])

    def write(neuron: "Neuron", value: float) -> None:
        getattr(neuron.milieu.state.slow, name)[neuron.index] = value

    return property(read, write, doc=meaning)


class Neuron(Agent):
    """One neuron: an index into the arrays of its milieu."""

    bdnf = _column("bdnf", "BDNF supply (healthy = 1).")
    trkb = _column("trkb", "TrkB signalling (healthy = 1).")
    recent_activity = _column("recent_activity", "Recent mean activity (healthy = 1).")
    scar = _column("scar", "Lasting repression of Bdnf (healthy = 0).")

    def __init__(self, model: Model, milieu: Milieu, index: int) -> None:
        super().__init__(model)
        self.milieu, self.index = milieu, index

    @property
    def activity(self) -> float:
        """Firing rate relative to the set-point (healthy = 1)."""
        return float(self.milieu.state.x[self.index])

    @activity.setter
    def activity(self, value: float) -> None:
        self.milieu.state.x[self.index] = value

    @property
    def population(self) -> str:
        """Name of its population."""
        return self.milieu.circuit.population_of(self.index)

    @property
    def region(self) -> str:
        """Name of its region."""
        return self.milieu.circuit.file.populations[self.population].region

    @property
    def set_point_Hz(self) -> float:
        """Healthy firing rate."""
        return float(self.milieu.circuit.set_point_Hz[self.index])

    @property
    def maximal_Hz(self) -> float:
        """Highest firing rate."""
        return float(self.milieu.circuit.wiring.highest_activity[self.index]) * self.set_point_Hz

    @property
    def rate_Hz(self) -> float:
        """Firing rate."""
        return self.activity * self.set_point_Hz

    @property
    def serotonin_nM(self) -> float:
        """Extracellular serotonin of its region."""
        return float(self.milieu.state.monoamine_nM[self.milieu.circuit.regions.index(self.region)])

    @property
    def labile(self) -> Floats:
        """Labile strength of its incoming plastic synapses (drive); a view, as the next ones."""
        return self.milieu.state.slow.labile[self._incoming]

    @property
    def intermediate(self) -> Floats:
        """Intermediate strength of its incoming plastic synapses (drive)."""
        return self.milieu.state.slow.intermediate[self._incoming]

    @property
    def consolidated(self) -> Floats:
        """Consolidated strength of its incoming plastic synapses (drive)."""
        return self.milieu.state.slow.consolidated[self._incoming]

    @property
    def healthy_strength(self) -> Floats:
        """Strength of its incoming plastic synapses in health (drive)."""
        return self.milieu.circuit.wiring.plastic.weight[self._incoming]

    @property
    def inputs(self) -> Indices:
        """The neurons at the other end of its incoming plastic synapses."""
        return self.milieu.circuit.wiring.plastic.pre[self._incoming]

    def fire(self) -> float:
        """The activity that the present inputs drive this neuron to (healthy = 1)."""
        here = self.milieu
        return neuron_activity(here.circuit.wiring, here.work.around, here.state.x, self.index)

    def change(self) -> None:
        """Set the rates of change (1/h) of this neuron and its incoming plastic synapses in the milieu."""
        here = self.milieu
        w, p = here.circuit.wiring, here.circuit.rules
        slow, rate = here.state.slow, here.rate.slow
        neuron_change(w, p, here.effects, here.work.here, slow, here.fast, self.index, rate)

    def step(self) -> None:
        """Act for `milieu.hours` alone: fire, then change by the rates of the same old state."""
        self.activity = self.fire()
        self.change()
        slow, rate = self.milieu.state.slow, self.milieu.rate.slow
        for variable, values, rates in zip(VARIABLES.values(), slow, rate, strict=True):
            if variable.per in ("neuron", "synapse"):
                mine = self.index if variable.per == "neuron" else self._incoming
                values[mine] += self.milieu.hours * rates[mine]

    def silence(self) -> None:
        """Stop this neuron from firing for the rest of the run, no matter which object makes the steps."""
        self.milieu.circuit.wiring.bias[self.index] = -np.inf
        self.activity = 0.0

    def remove(self) -> NoReturn:
        """Refuse: a neuron cannot leave the arrays of its circuit.

        Raises:
            TypeError: always; `silence` is the supported way.
        """
        raise TypeError("a neuron cannot be removed from its circuit; neuron.silence() stops it from firing")

    @property
    def _incoming(self) -> slice:
        start = self.milieu.circuit.wiring.plastic.start
        return slice(int(start[self.index]), int(start[self.index + 1]))


class Pyramidal(Neuron):
    """Glutamatergic principal neuron."""


class Interneuron(Neuron):
    """GABAergic neuron."""


class Serotonergic(Neuron):
    """Raphe neuron that releases serotonin."""


class ProjectionGaba(Neuron):
    """GABAergic projection neuron."""


class Noradrenergic(Neuron):
    """Neuron of the locus coeruleus that releases noradrenaline."""


AGENTS: dict[str, type[Neuron]] = {
    "pyramidal": Pyramidal,
    "interneuron": Interneuron,
    "serotonergic": Serotonergic,
    "projection_gaba": ProjectionGaba,
    "noradrenergic": Noradrenergic,
}
