"""Firing of one neuron from its synaptic drive (fast: a fixed point at every slow step).

    g = [(1 - nu)(1 + A) + nu N (1 - beta)] [1 + g1B (H'(S,K1B) - H(S0,K1B))] (1 + P2A if pyramidal)
    I = b + q {g sum_exc w x - G gaba sum_inh w x + input}
    x = (rmax/r*) [I]+^2 / (1 + [I]+^2)

nu: NMDA share of excitatory drive; A: AMPA potentiation; beta: NMDA block; N, G: adaptation of NMDA and
GABA-A receptors; q: synaptic scaling by the drive that the set-point r* needs. Drive has no unit; rates in
Hz; activity x is the rate relative to r*.

Sources: threshold-quadratic saturating rates as in Ahmadian 2013 (10.1162/NECO_a_00472); potentiation by
5-HT1B, Cai 2013 (PMC3609911); interneuron-first NMDA block, Homayoun & Moghaddam 2007; synaptic scaling,
Turrigiano 2008 (10.1016/j.cell.2008.10.008).
"""

from math import sqrt
from typing import NamedTuple

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill, receptor_drive


class Firing(NamedTuple):
    """Firing and its modulation by serotonin; values and sources in scenarios/parameters.csv."""

    g1B: float  # gain of excitatory drive by 5-HT1B
    K1B: float  # nM, half-effect of serotonin at 5-HT1B
    S0: float  # nM, healthy serotonin


@compiled
def needed_drive(rate_Hz: float, maximal_rate_Hz: float) -> float:
    """Drive at which a neuron fires at rate_Hz (0 < rate < maximal rate): the inverse of `activity`."""
    return sqrt(rate_Hz / (maximal_rate_Hz - rate_Hz))


@compiled
def activity(drive: float, highest_activity: float) -> float:
    """Activity x for a drive; silent below threshold, saturating at highest_activity = rmax/r*."""
    if drive <= 0.0:
        return 0.0
    squared = drive * drive
    return highest_activity * squared / (1.0 + squared)


@compiled
def activity_slope(activity: float, highest_activity: float) -> float:
    """Change of activity per drive, at the drive that gives this activity."""
    share = activity / highest_activity
    return 2.0 * highest_activity * sqrt(share * (1.0 - share)) * (1.0 - share)


@compiled
def receptor_gain(nmda_share: float, ampa_potentiation: float, open_nmda: float) -> float:
    """Gain of excitatory drive by AMPA and NMDA receptors (1 in health); open_nmda is N (1 - beta)."""
    return (1.0 - nmda_share) * (1.0 + ampa_potentiation) + nmda_share * open_nmda


@compiled
def serotonin_gain(serotonin_nM: float, agonist: float, antagonist: float, p: Firing) -> float:
    """Gain of excitatory drive by 5-HT1B (1 in health)."""
    bound = receptor_drive(hill(serotonin_nM, p.K1B, 1.0), agonist, antagonist)
    return 1.0 + p.g1B * (bound - hill(p.S0, p.K1B, 1.0))


@compiled
def total_drive(
    bias: float, scaling: float, excitation: float, inhibition: float, input_drive: float
) -> float:
    """Drive I of a neuron from excitation and inhibition (gains included) and other input."""
    return bias + scaling * (excitation - inhibition + input_drive)
