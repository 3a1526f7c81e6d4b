"""Firing of one neuron from its synaptic drive (fast, slaved to the slow state).

    g = [(1 - nu)(1 + A) + nu (1 - beta)] [1 + g1B (H1B(S) - H1B(S0))] (1 + P2A if pyramidal)
    I = b + q {g sum_exc w x - gaba sum_inh w x + input}
    r = rmax [I]+^2 / (1 + [I]+^2),        x = r / r*

nu: NMDA share of glutamatergic drive; A: AMPA potentiation; beta: NMDA block; q: synaptic scaling by the
drive that the set-point needs. In serotonergic neurons the input contains -g1A D H1A(S) (autoreceptor).

Sources: threshold-quadratic saturating rates as in Ahmadian 2013 (10.1162/NECO_a_00472); potentiation by
5-HT1B, Cai 2013 (PMC3609911); interneuron-first NMDA block, Homayoun & Moghaddam 2007; synaptic scaling,
Turrigiano 2008 (10.1016/j.cell.2008.10.008). Drive is dimensionless; rates in Hz.
"""

from math import sqrt

from unstuck.rules.compiled import compiled


@compiled
def needed_drive(rate_Hz: float, maximal_rate_Hz: float) -> float:
    """Drive at which a neuron fires at rate_Hz (0 < rate < maximal rate): the inverse of `rate`."""
    return sqrt(rate_Hz / (maximal_rate_Hz - rate_Hz))


@compiled
def rate(drive: float, maximal_rate_Hz: float) -> float:
    """Firing rate in Hz for a drive; silent below threshold, saturating at the maximal rate."""
    if drive <= 0.0:
        return 0.0
    squared = drive * drive
    return maximal_rate_Hz * squared / (1.0 + squared)


@compiled
def glutamate_gain(
    nmda_share: float,
    ampa_potentiation: float,
    nmda_block: float,
    serotonin_potentiation: float,
    gain_5ht2a: float,
) -> float:
    """Gain g of all glutamatergic drive to a neuron (1 in health).

    serotonin_potentiation: g1B (H1B(S) - H1B(S0)); gain_5ht2a: P2A, 0 unless the neuron is pyramidal.
    """
    through_ampa = (1.0 - nmda_share) * (1.0 + ampa_potentiation)
    through_nmda = nmda_share * (1.0 - nmda_block)
    return (through_ampa + through_nmda) * (1.0 + serotonin_potentiation) * (1.0 + gain_5ht2a)


@compiled
def total_drive(
    bias: float, scaling: float, gain: float, excitation: float, inhibition: float, input_drive: float
) -> float:
    """Drive I of a neuron from its summed excitation and inhibition (drive per healthy activity)."""
    return bias + scaling * (gain * excitation - inhibition + input_drive)
