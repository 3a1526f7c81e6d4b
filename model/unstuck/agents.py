# Not strict: Mesa has no complete types.
# pyright: standard
"""Neurons as Mesa agents: named views on the arrays of a circuit, each able to live by the rules alone.

A neuron owns no numbers. It is an index into the arrays of its milieu, with a name for every column and four
verbs, all of them through the functions in `rules`:

    sense    the drive that synapses, stress, serotonin and drugs add up to
    fire     the activity that this drive calls for
    signal   how fast its BDNF protein and its TrkB signalling change
    learn    how fast its incoming plastic synapses change

The verbs change nothing by themselves, so that a model can let all neurons act on the same old state and
write what follows together (`CircuitModel`). `step` is one neuron living for itself.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from mesa import Agent, Model

from unstuck.circuit import Circuit, Floats, Indices, Synapses
from unstuck.engine.step import State
from unstuck.rules.autoreceptor import apparent_serotonin_ratio, autoreceptor_drive, sensitivity_change
from unstuck.rules.bdnf import bdnf_change, trkb_change
from unstuck.rules.firing import glutamate_gain, rate, total_drive
from unstuck.rules.plasticity import (
    coincidence,
    consolidated_change,
    consolidated_loss_rate,
    consolidation_rate,
    labile_change,
    potentiation_rate,
)
from unstuck.rules.receptors import hill, receptor_drive
from unstuck.rules.serotonin import pool, transporter_change
from unstuck.targets import Effects


@dataclass
class Milieu:
    """What all neurons of a circuit share: its arrays, the serotonin around them, and what acts right now."""

    circuit: Circuit
    state: State
    effects: Effects
    region_input: Floats  # (regions,) drive
    hours: float = 1.0  # what one step of a neuron lasts

    @property
    def raphe(self) -> slice:
        """The neurons that release serotonin."""
        w = self.circuit.wiring
        return slice(int(w.first[w.source]), int(w.first[w.source + 1]))

    def release_serotonin(self) -> None:
        """Set the serotonin of every region to where release by the raphe meets clearance."""
        w, p, e, state = self.circuit.wiring, self.circuit.rules, self.effects, self.state
        raphe_activity, vmax = float(state.x[self.raphe].mean()), e.sert_vmax * state.follow
        for r, uncleared in enumerate(w.uncleared):
            state.serotonin_nM[r] = pool(
                raphe_activity,
                e.sert_occupancy,
                vmax,
                uncleared,
                e.release_gain,
                e.agonist_1b,
                e.antagonist_1b,
                state.serotonin_nM[r],
                p.K1B,
                p.b1B,
                p.Km,
                p.S0,
            )

    def adapt(self) -> tuple[float, float]:
        """Change per hour of autoreceptor sensitivity and of the SERT Vmax that follows raphe TrkB."""
        w, p, e = self.circuit.wiring, self.circuit.rules, self.effects
        raphe_nM = float(self.state.serotonin_nM[w.region[w.source]])
        bound = autoreceptor_drive(raphe_nM, e.agonist_1a, e.antagonist_1a, p.K1A)
        ratio = apparent_serotonin_ratio(bound, p.K1A, p.S0)
        raphe_trkb = float(self.state.trkb[self.raphe].mean())
        return (
            sensitivity_change(self.state.sensitivity, ratio, p.Dmin, p.KD, p.tauD),
            transporter_change(self.state.follow, raphe_trkb, e.sert_follows_trkb, p.tau_v),
        )


def _column(name: str, meaning: str) -> property:
    """A column of the state: this neuron's entry, read and written."""

    def read(neuron: "Neuron") -> float:
        return float(getattr(neuron.milieu.state, name)[neuron.index])

    def write(neuron: "Neuron", value: float) -> None:
        getattr(neuron.milieu.state, name)[neuron.index] = value

    return property(read, write, doc=meaning)


class Neuron(Agent):
    """One neuron: an index into the arrays of its milieu."""

    stride: ClassVar[float] = 1.0  # how far it goes towards the activity called for, while firing settles

    activity = _column("x", "Firing rate relative to the set-point (healthy = 1).")
    bdnf = _column("bdnf", "BDNF protein (healthy = 1).")
    trkb = _column("trkb", "TrkB signalling (healthy = 1).")

    def __init__(self, model: Model, milieu: Milieu, index: int, number: int) -> None:
        super().__init__(model)
        self.milieu, self.index, self._number = milieu, index, number

    @property
    def population(self) -> str:
        """Name of its population."""
        return self.milieu.circuit.populations[self._number]

    @property
    def region(self) -> str:
        """Name of its region."""
        return self.milieu.circuit.regions[self._region]

    @property
    def set_point_Hz(self) -> float:
        """Healthy firing rate."""
        return float(self.milieu.circuit.wiring.set_point_Hz[self.index])

    @property
    def maximal_Hz(self) -> float:
        """Highest firing rate."""
        return float(self.milieu.circuit.wiring.maximal_Hz[self.index])

    @property
    def rate_Hz(self) -> float:
        """Firing rate."""
        return self.activity * self.set_point_Hz

    @property
    def serotonin_nM(self) -> float:
        """Extracellular serotonin of its region."""
        return float(self.milieu.state.serotonin_nM[self._region])

    @property
    def labile(self) -> Floats:
        """Labile strength of its incoming plastic synapses (drive); a view."""
        return self.milieu.state.labile[self._incoming(self.milieu.circuit.wiring.plastic)]

    @property
    def consolidated(self) -> Floats:
        """Consolidated strength of its incoming plastic synapses (drive); a view."""
        return self.milieu.state.consolidated[self._incoming(self.milieu.circuit.wiring.plastic)]

    @property
    def healthy_strength(self) -> Floats:
        """Strength of its incoming plastic synapses in health (drive)."""
        plastic = self.milieu.circuit.wiring.plastic
        return plastic.weight[self._incoming(plastic)]

    @property
    def inputs(self) -> Indices:
        """The neurons at the other end of its incoming plastic synapses."""
        plastic = self.milieu.circuit.wiring.plastic
        return plastic.pre[self._incoming(plastic)]

    def sense(self) -> float:
        """Drive I: synapses, with stress, noise, serotonin and drugs acting on them and on the neuron."""
        here, w = self.milieu, self.milieu.circuit.wiring
        excitation = self._received(w.excitatory)
        excitation += float((self.labile + self.consolidated) @ here.state.x[self.inputs])
        inhibition = here.effects.gaba_gain * self._received(w.inhibitory)
        bias, scaling = float(w.bias[self.index]), float(w.scaling[self.index])
        return total_drive(bias, scaling, self._gain(), excitation, inhibition, self._input_drive())

    def fire(self) -> float:
        """The activity that the sensed drive calls for."""
        return rate(self.sense(), self.maximal_Hz) / self.set_point_Hz

    def signal(self) -> tuple[float, float]:
        """Change per hour of BDNF protein and of TrkB signalling."""
        p, e, bdnf = self.milieu.circuit.rules, self.milieu.effects, self.bdnf
        made = bdnf_change(bdnf, e.stress, self.serotonin_nM, e.bdnf_gain, p.stB, p.b5, p.KS, p.S0, p.tauB)
        heard = trkb_change(self.trkb, bdnf, self.activity, e.trkb_drive, e.trkb_block, p.rB, p.mB, p.tauT)
        return made, heard

    def learn(self) -> tuple[list[float], list[float]]:
        """Change per hour of labile and of consolidated strength, by incoming plastic synapse."""
        p, trkb, activity = self.milieu.circuit.rules, self.trkb, self.activity
        gained = potentiation_rate(trkb, p.etap, p.TS)
        kept = consolidation_rate(trkb, p.kc, p.QK, p.nT)
        lost = consolidated_loss_rate(
            trkb, activity, self.milieu.effects.stress, p.etad, p.stW, p.Th, p.nT, p.etah
        )
        labile_changes: list[float] = []
        consolidated_changes: list[float] = []
        senders = self.milieu.state.x[self.inputs]
        synapses = zip(senders, self.labile, self.consolidated, self.healthy_strength, strict=True)
        for sender, weak, strong, healthy in synapses:
            together = gained * coincidence(activity, sender, p.rho2)
            labile_changes.append(labile_change(weak, strong, healthy, together, kept, p.taul, p.wmaxf))
            consolidated_changes.append(consolidated_change(weak, strong, healthy, kept, lost, p.core))
        return labile_changes, consolidated_changes

    def step(self) -> None:
        """Live for `milieu.hours` by itself: sense, fire, then signal and learn from the same old state."""
        hours = self.milieu.hours
        self.activity = self.fire()
        made, heard = self.signal()
        weak, strong = self.learn()
        self.bdnf += hours * made
        self.trkb += hours * heard
        self.labile[:] += hours * np.array(weak)
        self.consolidated[:] += hours * np.array(strong)

    @property
    def _region(self) -> int:
        return int(self.milieu.circuit.wiring.region[self._number])

    def _incoming(self, synapses: Synapses) -> slice:
        return slice(int(synapses.start[self.index]), int(synapses.start[self.index + 1]))

    def _received(self, synapses: Synapses) -> float:
        """Summed weight times presynaptic activity over its incoming synapses of one kind."""
        mine = self._incoming(synapses)
        return float(synapses.weight[mine] @ self.milieu.state.x[synapses.pre[mine]])

    def _gain(self) -> float:
        """Gain of glutamatergic drive."""
        w, p, e = self.milieu.circuit.wiring, self.milieu.circuit.rules, self.milieu.effects
        bound = receptor_drive(hill(self.serotonin_nM, p.K1B, 1.0), e.agonist_1b, e.antagonist_1b)
        potentiation = p.g1B * (bound - hill(p.S0, p.K1B, 1.0))
        ampa = (1.0 + e.ampa) * (1.0 - e.ampa_block) - 1.0
        nmda_share = float(w.nmda_share[self._number])
        return glutamate_gain(nmda_share, ampa, self._nmda_block(), potentiation, self._gain_2a())

    def _nmda_block(self) -> float:
        return self.milieu.effects.nmda_pyramidal

    def _gain_2a(self) -> float:
        return 0.0

    def _input_drive(self) -> float:
        """Input that is no synapse."""
        return float(self.milieu.circuit.wiring.stress_drive[self._number]) * self.milieu.effects.stress


class Pyramidal(Neuron):
    """Glutamatergic principal neuron: hears the input to its region, and 5-HT2A agonists."""

    def _gain_2a(self) -> float:
        return self.milieu.effects.gain_2a * (1.0 - self.milieu.effects.antagonist_2a)

    def _input_drive(self) -> float:
        return super()._input_drive() + float(self.milieu.region_input[self._region])


class Interneuron(Neuron):
    """GABAergic neuron, with NMDA receptors of its own sensitivity to block."""

    def _nmda_block(self) -> float:
        return self.milieu.effects.nmda_interneuron


class Serotonergic(Neuron):
    """Raphe neuron that releases serotonin and is braked by it through 5-HT1A autoreceptors."""

    stride: ClassVar[float] = 0.4  # the brake overshoots at full stride

    def _input_drive(self) -> float:
        here, p = self.milieu, self.milieu.circuit.rules
        brake = autoreceptor_drive(
            self.serotonin_nM, here.effects.agonist_1a, here.effects.antagonist_1a, p.K1A
        )
        return super()._input_drive() - p.g1A * here.state.sensitivity * brake


AGENTS: dict[str, type[Neuron]] = {
    "pyramidal": Pyramidal,
    "interneuron": Interneuron,
    "serotonergic": Serotonergic,
}
