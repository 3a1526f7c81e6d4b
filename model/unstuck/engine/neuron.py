"""How the rules act together in one neuron and in one circuit: the only place where they are composed.

The engine loops over these functions; an agent calls them for itself.
"""

from typing import NamedTuple

import numpy as np

from unstuck.circuit import (
    AMPA_SHARE,
    AUTORECEPTOR,
    CORE,
    GAIN_5HT1B,
    GAIN_5HT2A,
    HALF_AUTORECEPTOR,
    HEALING,
    HETERORECEPTOR,
    HOMEOSTASIS,
    INTERNEURON,
    IS_5HT1A,
    LARGEST_STRENGTH,
    LOSS,
    NMDA_SHARE,
    NORADRENALINE_RAISES_BDNF,
    OWN_POOL,
    POTENTIATION,
    RECEPTOR_5HT2C,
    SCAR_LOWERS_BDNF,
    SEROTONIN_RAISES_BDNF,
    STRESS_DRIVE,
    STRESS_LOWERS_BDNF,
    Populations,
    Synapses,
    Wiring,
)
from unstuck.rules import Rules
from unstuck.rules.adaptation import gaba_receptors_change, receptors_change
from unstuck.rules.bdnf import Bdnf, bdnf_change, raised_by_monoamine
from unstuck.rules.compiled import compiled, compiled_in_order, compiled_part
from unstuck.rules.firing import Firing, activity, receptor_gain, serotonin_gain, total_drive
from unstuck.rules.heteroreceptors import (
    excitation_by_5ht2c,
    heteroreceptor_inhibition,
    sensitivity_5ht2c_change,
)
from unstuck.rules.monoamine import (
    autoreceptor_drive,
    autoreceptor_inhibition,
    monoamine_pool,
    sensitivity_change,
    transporter_change,
)
from unstuck.rules.plasticity import (
    Plasticity,
    coincidence,
    consolidated_change,
    intermediate_change,
    labile_change,
    loss_rate,
    potentiation,
)
from unstuck.rules.scar import scar_change
from unstuck.rules.trkb import (
    gate,
    healing_gate,
    recent_activity_change,
    released,
    surge,
    trkb_change,
    trkb_input,
)
from unstuck.state import Floats, Slow
from unstuck.targets import Effects


class Fast(NamedTuple):
    """What settles within seconds."""

    x: Floats  # (neurons,) activity
    monoamine_nM: Floats  # (pools,) as in `Wiring`


class Receptors(NamedTuple):
    """Receptors of a population that are open to their transmitter at one moment (healthy = 1)."""

    open_nmda: float
    autoreceptors: float  # sensitivity; 1 where the population releases no serotonin
    sensitivity_5ht2c: float


# Columns of what acts on each population at one moment (`act_locally`).
STRESS, AMPA, NMDA_LEFT, GABA_GAIN, INPUT = range(5)
ONE, TWO = np.uint64(1), np.uint64(2)  # steps between positions of synapses, which have no sign


class Surroundings(NamedTuple):
    """What all neurons of a population have in common at one moment."""

    gain: Floats  # (populations,) gain of excitatory drive
    input_drive: Floats  # (populations,) input that is no synapse, less the autoreceptor's inhibition
    inhibition: Floats  # (populations,) gain of inhibitory drive
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
def monoamine_pools(
    w: Wiring, p: Rules, acting: Effects, y: Slow, mean_x: Floats, monoamine_nM: Floats
) -> None:
    """Set every pool to where clearance equals release by the population that feeds it.

    mean_x: (populations,) mean activity.
    """
    for r in range(w.regions):
        feeder = int(w.feeder[r])
        release = mean_x[feeder] * acting.release_gain
        source = int(w.populations.source[feeder])
        vmax = acting.sert_vmax_factor * y.sert_vmax_following[source]
        monoamine_nM[r] = monoamine_pool(release, acting.sert_occupancy, vmax, w.uncleared[r], p.serotonin)
    for r in range(w.regions, monoamine_nM.size):
        feeder = int(w.feeder[r])
        release = mean_x[feeder] if feeder >= 0 else 0.0
        monoamine_nM[r] = monoamine_pool(release, acting.net_occupancy, 1.0, w.uncleared[r], p.noradrenaline)


@compiled
def act_locally(w: Wiring, acting: Effects, region_input: Floats, here: Floats) -> None:
    """Set what acts on each population (populations, 5): stress, AMPA, NMDA receptors left, GABA gain, input.

    region_input: (regions,) input to all cells of a region but interneurons. Where drugs name regions or
    populations it goes on with the fields of `Local`, each by population.
    """
    of, regions = w.populations, w.regions
    populations = of.cells.size
    for k in range(populations):
        here[k, STRESS], here[k, AMPA], here[k, GABA_GAIN] = acting.stress, acting.ampa, acting.gaba_gain
        if of.cells[k] == INTERNEURON:
            here[k, NMDA_LEFT], here[k, INPUT] = 1.0 - acting.nmda_block_interneuron, 0.0
        else:
            here[k, NMDA_LEFT], here[k, INPUT] = 1.0 - acting.nmda_block_principal, region_input[of.region[k]]
        if region_input.size > regions:
            here[k, STRESS] *= region_input[regions + k]
            here[k, AMPA] = max(-1.0, here[k, AMPA] + region_input[regions + populations + k])
            here[k, NMDA_LEFT] *= 1.0 - region_input[regions + 2 * populations + k]
            here[k, GABA_GAIN] *= region_input[regions + 3 * populations + k]
            here[k, INPUT] += region_input[regions + 4 * populations + k]


@compiled_part
def population_drive(
    of: Populations,
    p: Rules,
    acting: Effects,
    here: Floats,
    receptors: Receptors,
    local_nM: float,
    own_nM: float,
    k: int,
) -> tuple[float, float]:
    """Gain of excitatory drive to population k, and its input that is no synapse (stress, noise, serotonin).

    local_nM: serotonin of its region. own_nM: the same, or noradrenaline around noradrenergic cells. It gets
    few arrays, because numba counts references to every array that is passed to a function with branches,
    which takes longer than the rest. More branches cost as much.
    """
    firing = Firing(of.traits[k, GAIN_5HT1B], p.firing.K1B, p.firing.S0)
    gain = receptor_gain(
        of.traits[k, NMDA_SHARE], of.traits[k, AMPA_SHARE] * here[k, AMPA], receptors.open_nmda
    )
    gain *= serotonin_gain(local_nM, acting.agonist_5ht1b, acting.antagonist_5ht1b, firing)
    gain *= 1.0 + of.traits[k, GAIN_5HT2A] * acting.gain_5ht2a
    input_drive = of.traits[k, STRESS_DRIVE] * here[k, STRESS] + here[k, INPUT]
    if of.traits[k, AUTORECEPTOR] != 0.0:
        agonist = of.traits[k, IS_5HT1A] * acting.agonist_5ht1a
        antagonist = of.traits[k, IS_5HT1A] * acting.antagonist_5ht1a
        drive = autoreceptor_drive(own_nM, agonist, antagonist, of.traits[k, HALF_AUTORECEPTOR])
        input_drive -= autoreceptor_inhibition(of.traits[k, AUTORECEPTOR], receptors.autoreceptors, drive)
    if of.traits[k, HETERORECEPTOR] != 0.0:
        input_drive -= heteroreceptor_inhibition(
            of.traits[k, HETERORECEPTOR],
            local_nM,
            acting.agonist_heteroreceptor,
            acting.antagonist_heteroreceptor,
            p.heteroreceptors,
        )
    if of.traits[k, RECEPTOR_5HT2C] != 0.0:
        input_drive += excitation_by_5ht2c(
            of.traits[k, RECEPTOR_5HT2C],
            receptors.sensitivity_5ht2c,
            local_nM,
            acting.antagonist_5ht2c,
            p.heteroreceptors,
        )
    return gain, input_drive


@compiled
def surround(
    w: Wiring, p: Rules, acting: Effects, here: Floats, y: Slow, monoamine_nM: Floats, around: Surroundings
) -> None:
    """Set what all neurons of each population have in common, except the strength of synapses.

    here: what acts on each population, as from `act_locally`.
    """
    of = w.populations
    for k in range(around.gain.size):
        source = int(of.source[k])
        receptors = Receptors(
            y.nmda_receptors[k] * here[k, NMDA_LEFT],
            y.autoreceptor_sensitivity[source] if source >= 0 else 1.0,
            y.sensitivity_5ht2c[k],
        )
        around.inhibition[k] = y.gaba_receptors[k] * here[k, GABA_GAIN]
        local_nM = float(monoamine_nM[of.region[k]])
        own_nM = float(monoamine_nM[int(of.traits[k, OWN_POOL])])
        around.gain[k], around.input_drive[k] = population_drive(
            of, p, acting, here, receptors, local_nM, own_nM, k
        )


@compiled_in_order
def received(synapses: Synapses, strength: Floats, x: Floats, i: int) -> float:
    """Drive onto neuron i: sum of strength times presynaptic activity.

    Every other synapse is summed apart, so that no sum waits for the other.
    """
    first, last = synapses.start[i], synapses.start[i + 1]
    pairs, total, other = (last - first) >> ONE, 0.0, 0.0
    for pair in range(pairs):
        j = first + TWO * pair
        total += float(strength[j] * x[synapses.pre[j]])
        other += float(strength[j + ONE] * x[synapses.pre[j + ONE]])
    for j in range(first + TWO * pairs, last):
        total += strength[j] * x[synapses.pre[j]]
    return total + other


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
        around.inhibition[k] * inhibition,
        around.input_drive[k],
    )
    return activity(drive, w.highest_activity[i])


@compiled
def neuron_change(
    w: Wiring, p: Rules, acting: Effects, here: Floats, y: Slow, fast: Fast, i: int, rate: Slow
) -> None:
    """Set the rates of change (1/h) of neuron i and of the plastic synapses onto it."""
    k, traits = int(w.population[i]), w.populations.traits
    x, serotonin_nM = fast.x[i], float(fast.monoamine_nM[w.populations.region[k]])
    bdnf, trkb, scar, recent = y.bdnf[i], y.trkb[i], y.scar[i], y.recent_activity[i]
    stress, scar_lowers = here[k, STRESS], traits[k, SCAR_LOWERS_BDNF]
    lowered, raised = traits[k, STRESS_LOWERS_BDNF], traits[k, SEROTONIN_RAISES_BDNF]
    synthesis = Bdnf(lowered, raised, p.bdnf.KS, p.bdnf.S0, scar_lowers, p.bdnf.tauB)
    gain = acting.bdnf_gain
    if traits[k, NORADRENALINE_RAISES_BDNF] != 0.0:
        around_nM = float(fast.monoamine_nM[w.regions + w.populations.region[k]])
        own = p.noradrenaline
        gain *= raised_by_monoamine(traits[k, NORADRENALINE_RAISES_BDNF], around_nM, own.KS, own.S0)
    rate.bdnf[i] = bdnf_change(bdnf, scar, serotonin_nM, stress, gain, synthesis)
    input_u = trkb_input(released(bdnf, x, p.trkb), surge(bdnf, x, recent, p.trkb), acting)
    rate.trkb[i] = trkb_change(trkb, input_u, p.trkb)
    rate.recent_activity[i] = recent_activity_change(recent, x, p.trkb)
    open_gate = gate(trkb, p.trkb)
    healing = traits[k, HEALING] * healing_gate(trkb, scar_lowers, p.trkb)
    rate.scar[i] = scar_change(scar, stress, healing, p.scar)
    for g in range(w.groups.onto[i], w.groups.onto[i + 1]):
        own = plasticity_of(
            w.projection_traits, int(w.groups.projection[g]), traits[k, HOMEOSTASIS], p.plasticity
        )
        loss = loss_rate(open_gate, x, own)
        first, last = w.groups.start[g], w.groups.start[g + 1]
        # Only loops that set one array, and read from no scattered places, are vectorised.
        for j in range(first, last):
            rate.labile[j] = fast.x[w.plastic.pre[j]]
        for j in range(first, last):
            labile, strength = y.labile[j], y.labile[j] + y.intermediate[j] + y.consolidated[j]
            made = potentiation(trkb, coincidence(x, rate.labile[j], own), own)
            rate.labile[j] = labile_change(labile, strength, w.plastic.weight[j], made, open_gate, own)
        for j in range(first, last):
            rate.intermediate[j] = intermediate_change(y.labile[j], y.intermediate[j], open_gate, own)
        for j in range(first, last):
            young, old = y.intermediate[j], y.consolidated[j]
            rate.consolidated[j] = consolidated_change(young, old, w.plastic.weight[j], open_gate, loss, own)


@compiled_part
def plasticity_of(projections: Floats, k: int, homeostasis: float, p: Plasticity) -> Plasticity:
    """The plasticity of projection k: its own largest strength, core and rates."""
    return Plasticity(
        p.taul,
        p.taum,
        p.k2,
        p.rho2,
        homeostasis,
        projections[k, LARGEST_STRENGTH],
        projections[k, CORE],
        p.k1,
        projections[k, POTENTIATION],
        projections[k, LOSS],
    )


@compiled
def circuit_change(
    w: Wiring, p: Rules, acting: Effects, here: Floats, y: Slow, fast: Fast, rate: Slow
) -> None:
    """Set the rates of change (1/h) of what every population has once: receptors, and SERT."""
    of = w.populations
    for s in range(w.sources.size):
        raphe = w.sources[s]
        drive = autoreceptor_drive(
            float(fast.monoamine_nM[of.region[raphe]]),
            acting.agonist_5ht1a,
            acting.antagonist_5ht1a,
            p.serotonin.KA,
        )
        rate.autoreceptor_sensitivity[s] = sensitivity_change(
            y.autoreceptor_sensitivity[s], drive, p.serotonin
        )
        rate.sert_vmax_following[s] = transporter_change(
            y.sert_vmax_following[s],
            population_mean(w, y.trkb, raphe),
            acting.sert_follows_trkb,
            p.serotonin,
        )
    for k in range(of.cells.size):
        rate.nmda_receptors[k] = receptors_change(y.nmda_receptors[k], here[k, NMDA_LEFT], p.adaptation)
        rate.gaba_receptors[k] = gaba_receptors_change(y.gaba_receptors[k], here[k, GABA_GAIN], p.adaptation)
        rate.sensitivity_5ht2c[k] = 0.0
        if of.traits[k, RECEPTOR_5HT2C] != 0.0:
            local_nM = float(fast.monoamine_nM[of.region[k]])
            rate.sensitivity_5ht2c[k] = sensitivity_5ht2c_change(
                y.sensitivity_5ht2c[k], local_nM, p.heteroreceptors
            )
