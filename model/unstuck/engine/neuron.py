"""How the rules act together in one neuron and in one circuit: the only place where they are composed.

The engine loops over these functions; an agent calls them for itself.
"""

from typing import NamedTuple

from unstuck.circuit import INTERNEURON, PYRAMIDAL, SEROTONERGIC, Populations, Synapses, Wiring
from unstuck.rules import Rules
from unstuck.rules.adaptation import receptors_change
from unstuck.rules.autoreceptor import autoreceptor_drive, autoreceptor_inhibition, sensitivity_change
from unstuck.rules.bdnf import bdnf_change
from unstuck.rules.compiled import compiled, compiled_part
from unstuck.rules.firing import activity, receptor_gain, serotonin_gain, total_drive
from unstuck.rules.plasticity import (
    coincidence,
    consolidated_change,
    intermediate_change,
    labile_change,
    loss_rate,
    potentiation,
)
from unstuck.rules.scar import scar_change
from unstuck.rules.serotonin import serotonin_pool, transporter_change
from unstuck.rules.trkb import gate, recent_activity_change, released, surge, trkb_change, trkb_input
from unstuck.state import Floats, Slow
from unstuck.targets import Effects


class Fast(NamedTuple):
    """What settles within seconds."""

    x: Floats  # (neurons,) activity
    serotonin_nM: Floats  # (regions,)


class Receptors(NamedTuple):
    """Receptors of a circuit that are open to their transmitter at one moment (healthy = 1)."""

    open_nmda_principal: float
    open_nmda_interneuron: float
    autoreceptor_sensitivity: float


class Surroundings(NamedTuple):
    """What all neurons of a population have in common at one moment."""

    gain: Floats  # (populations,) gain of excitatory drive
    input_drive: Floats  # (populations,) input that is no synapse, less the autoreceptor's inhibition
    inhibition: Floats  # (1,) gain of inhibitory drive
    strength: Floats  # (plastic synapses,) whole strength


@compiled_part
def population_mean(w: Wiring, values: Floats, k: int) -> float:
    """Mean over the neurons of population k."""
    first = w.populations.first
    total = 0.0
    for i in range(first[k], first[k + 1]):
        total += values[i]
    return total / (first[k + 1] - first[k])


@compiled
def serotonin_pools(
    w: Wiring, p: Rules, acting: Effects, y: Slow, raphe_activity: float, serotonin_nM: Floats
) -> None:
    """Set the serotonin of every region to where clearance equals release by this raphe activity."""
    release = raphe_activity * acting.release_gain
    vmax = acting.sert_vmax_factor * y.sert_vmax_following[0]
    for r in range(serotonin_nM.size):
        serotonin_nM[r] = serotonin_pool(release, acting.sert_occupancy, vmax, w.uncleared[r], p.serotonin)


@compiled_part
def population_drive(
    of: Populations,
    p: Rules,
    acting: Effects,
    receptors: Receptors,
    local_nM: float,
    local_input: float,
    k: int,
) -> tuple[float, float]:
    """Gain of excitatory drive to population k, and its input that is no synapse (stress, noise, 5-HT1A).

    local_nM, local_input: serotonin and input of its region. It gets few arrays, because numba counts
    references to every array that is passed to a function with branches, which takes longer than the rest.
    """
    cells, open_nmda = of.cells[k], receptors.open_nmda_principal
    if cells == INTERNEURON:
        open_nmda = receptors.open_nmda_interneuron
    gain = receptor_gain(of.nmda_share[k], acting.ampa, open_nmda)
    gain *= serotonin_gain(local_nM, acting.agonist_5ht1b, acting.antagonist_5ht1b, p.firing)
    input_drive = of.stress_drive[k] * acting.stress
    if cells != INTERNEURON:
        input_drive += local_input
    if cells == PYRAMIDAL:
        gain *= 1.0 + acting.gain_5ht2a
    if cells == SEROTONERGIC:
        drive = autoreceptor_drive(local_nM, acting.agonist_5ht1a, acting.antagonist_5ht1a, p.autoreceptor)
        input_drive -= autoreceptor_inhibition(receptors.autoreceptor_sensitivity, drive, p.autoreceptor)
    return gain, input_drive


@compiled
def surround(
    w: Wiring,
    p: Rules,
    acting: Effects,
    region_input: Floats,
    y: Slow,
    serotonin_nM: Floats,
    around: Surroundings,
) -> None:
    """Set what all neurons of each population have in common, except the strength of synapses."""
    of = w.populations
    receptors = Receptors(
        y.nmda_receptors_principal[0] * (1.0 - acting.nmda_block_principal),
        y.nmda_receptors_interneuron[0] * (1.0 - acting.nmda_block_interneuron),
        y.autoreceptor_sensitivity[0],
    )
    around.inhibition[0] = y.gaba_receptors[0] * acting.gaba_gain
    for k in range(around.gain.size):
        local_nM, local_input = float(serotonin_nM[of.region[k]]), float(region_input[of.region[k]])
        around.gain[k], around.input_drive[k] = population_drive(
            of, p, acting, receptors, local_nM, local_input, k
        )


@compiled_part
def received(synapses: Synapses, strength: Floats, x: Floats, i: int) -> float:
    """Drive onto neuron i: sum of strength times presynaptic activity."""
    total = 0.0
    for j in range(synapses.start[i], synapses.start[i + 1]):
        total += strength[j] * x[synapses.pre[j]]
    return total


@compiled
def neuron_activity(w: Wiring, around: Surroundings, x: Floats, i: int) -> float:
    """Activity that the present activity x of all neurons drives neuron i to (healthy = 1)."""
    k = int(w.population[i])
    excitation = received(w.excitatory, w.excitatory.weight, x, i)
    excitation += received(w.plastic, around.strength, x, i)
    inhibition = received(w.inhibitory, w.inhibitory.weight, x, i)
    drive = total_drive(
        w.bias[i],
        w.scaling[i],
        around.gain[k] * excitation,
        around.inhibition[0] * inhibition,
        around.input_drive[k],
    )
    return activity(drive, w.highest_activity[i])


@compiled
def neuron_change(w: Wiring, p: Rules, acting: Effects, y: Slow, fast: Fast, i: int, rate: Slow) -> None:
    """Set the rates of change (1/h) of neuron i and of the plastic synapses onto it."""
    x, serotonin_nM = fast.x[i], float(fast.serotonin_nM[w.populations.region[w.population[i]]])
    bdnf, trkb, scar, recent = y.bdnf[i], y.trkb[i], y.scar[i], y.recent_activity[i]
    rate.bdnf[i] = bdnf_change(bdnf, scar, serotonin_nM, acting.stress, acting.bdnf_gain, p.bdnf)
    input_u = trkb_input(released(bdnf, x, p.trkb), surge(bdnf, x, recent, p.trkb), acting)
    rate.trkb[i] = trkb_change(trkb, input_u, p.trkb)
    rate.recent_activity[i] = recent_activity_change(recent, x, p.trkb)
    open_gate = gate(trkb, p.trkb)
    rate.scar[i] = scar_change(scar, acting.stress, open_gate, p.scar)
    loss = loss_rate(open_gate, x, p.plasticity)
    for j in range(w.plastic.start[i], w.plastic.start[i + 1]):
        labile, intermediate, consolidated = y.labile[j], y.intermediate[j], y.consolidated[j]
        strength, healthy = labile + intermediate + consolidated, w.plastic.weight[j]
        together = coincidence(x, float(fast.x[w.plastic.pre[j]]), p.plasticity)
        made = potentiation(trkb, together, p.plasticity)
        rate.labile[j] = labile_change(labile, strength, healthy, made, open_gate, p.plasticity)
        rate.intermediate[j] = intermediate_change(labile, intermediate, open_gate, p.plasticity)
        rate.consolidated[j] = consolidated_change(
            intermediate, consolidated, healthy, open_gate, loss, p.plasticity
        )


@compiled
def circuit_change(w: Wiring, p: Rules, acting: Effects, y: Slow, fast: Fast, rate: Slow) -> None:
    """Set the rates of change (1/h) of what the whole circuit has once: autoreceptors, SERT, receptors."""
    drive = autoreceptor_drive(
        float(fast.serotonin_nM[w.populations.region[w.source]]),
        acting.agonist_5ht1a,
        acting.antagonist_5ht1a,
        p.autoreceptor,
    )
    rate.autoreceptor_sensitivity[0] = sensitivity_change(
        y.autoreceptor_sensitivity[0], drive, p.autoreceptor
    )
    raphe_trkb = population_mean(w, y.trkb, w.source)
    rate.sert_vmax_following[0] = transporter_change(
        y.sert_vmax_following[0], raphe_trkb, acting.sert_follows_trkb, p.serotonin
    )
    rate.nmda_receptors_interneuron[0] = receptors_change(
        y.nmda_receptors_interneuron[0], 1.0 - acting.nmda_block_interneuron, p.adaptation
    )
    rate.nmda_receptors_principal[0] = receptors_change(
        y.nmda_receptors_principal[0], 1.0 - acting.nmda_block_principal, p.adaptation
    )
    rate.gaba_receptors[0] = receptors_change(y.gaba_receptors[0], acting.gaba_gain, p.adaptation)
