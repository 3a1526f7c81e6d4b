"""BDNF protein and the TrkB signalling it starts (slow, one of each a neuron, healthy = 1).

    dB/dt = (Binf - B) / tauB,   Binf = (1 - stB stress) max(0.05, 1 + b5 (H(S,KS,1) - H(S0,KS,1))) gain
    dT/dt = ([B H(x,rB,mB) / H(1,rB,mB) + drive] (1 - block) - T) / tauT

The protein is made (less under stress, more with serotonin) and released by activity, steeply: bursts count.
Release saturates near health (rB below or about 1), which keeps the healthy state stable from both sides.
T is TrkB to mTORC1 signalling, the protein-synthesis window of about a day; time in hours.

Sources: stress lowers BDNF, Brunoni 2008 (10.1017/S1461145708009309, peripheral); direct action of drugs on
TrkB, Casarotto 2021 (PMC7938888); translation within an hour of ketamine, Autry 2011 (PMC3172695).
"""

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill


@compiled
def bdnf_change(
    bdnf: float,
    stress: float,
    serotonin_nM: float,
    synthesis_gain: float,
    stB: float,
    b5: float,
    KS: float,
    S0: float,
    tauB: float,
) -> float:
    """Change per hour of BDNF protein; synthesis_gain is 1 without a perturbation."""
    by_serotonin = max(0.05, 1.0 + b5 * (hill(serotonin_nM, KS, 1.0) - hill(S0, KS, 1.0)))
    target = (1.0 - stB * stress) * by_serotonin * synthesis_gain
    return (target - bdnf) / tauB


@compiled
def trkb_change(
    trkb: float,
    bdnf: float,
    activity: float,
    trkb_drive: float,
    trkb_block: float,
    rB: float,
    mB: float,
    tauT: float,
) -> float:
    """Change per hour of TrkB signalling: BDNF released by activity, plus a drug's drive."""
    released = bdnf * hill(activity, rB, mB) / hill(1.0, rB, mB)
    return ((released + trkb_drive) * (1.0 - trkb_block) - trkb) / tauT
