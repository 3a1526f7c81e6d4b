"""Supply of BDNF of one neuron (slow, healthy = 1).

    dB/dt = (Binf - B) / tauB
    Binf  = (1 - stB stress) (1 + b5 (H(S,KS) - H(S0,KS))) (1 - mM M) gain

The protein is made less under stress and under the scar M, and more with serotonin; time in hours. A
population may have its own stB, b5 and mM. Where stress makes a connection grow, mM is negative: the scar
raises BDNF. `gain` is the effect of drugs. In a population that its circuit says so of, it has a factor for
noradrenaline too, like that for serotonin.

Sources: stress lowers BDNF, Brunoni 2008 (10.1017/S1461145708009309, peripheral); antidepressants raise it,
Nibuya 1995; lasting repression, Tsankova 2006 (10.1038/nn1659).
"""

from typing import NamedTuple

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill


class Bdnf(NamedTuple):
    """BDNF synthesis; values and sources in scenarios/parameters.csv."""

    stB: float  # share of synthesis lost under full stress
    b5: float  # gain of synthesis by serotonin
    KS: float  # nM, half-effect of serotonin
    S0: float  # nM, healthy serotonin
    mM: float  # share of synthesis lost at a full scar
    tauB: float  # h


@compiled
def raised_by_monoamine(
    gain: float, concentration_nM: float, half_effect_nM: float, healthy_nM: float
) -> float:
    """Factor on BDNF synthesis by a monoamine (1 in health)."""
    return 1.0 + gain * (hill(concentration_nM, half_effect_nM, 1.0) - hill(healthy_nM, half_effect_nM, 1.0))


@compiled
def bdnf_change(
    bdnf: float, scar: float, serotonin_nM: float, stress: float, synthesis_gain: float, p: Bdnf
) -> float:
    """Change per hour of BDNF; synthesis_gain is 1 without a drug or knock-down."""
    by_serotonin = raised_by_monoamine(p.b5, serotonin_nM, p.KS, p.S0)
    target = (1.0 - p.stB * stress) * by_serotonin * (1.0 - p.mM * scar) * synthesis_gain
    return (target - bdnf) / p.tauB
