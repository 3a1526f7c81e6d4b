"""TrkB to mTORC1 signalling of one neuron, and its memory of recent activity (slow, healthy = 1).

    u     = {B [phi + (1 - phi) 2 H(x,1,mB)] (1 + fac) + kB B [x - X - th]+ + trk_drive} (1 - trk_block)
    dT/dt = (TS u / (u + TS - 1) - T) / tauT
    dX/dt = (x - X) / taux
    Q(T)  = H(T,QK,nT)

BDNF is released constitutively (share phi) and by activity. A rise of activity above its recent mean X by
more than th is a surge: bursts release BDNF many-fold, steady firing does not. Signalling saturates at TS,
and T = 1 at u = 1. The gate Q opens consolidation and the healing of the scar, and halts loss; time in hours.

Sources: Balkowiec & Katz 2000 (10.1523/JNEUROSCI.20-19-07417.2000); constitutive share, Egan 2003, Chen 2004;
facilitation by antidepressants, Rantamaki 2011 (PMC3110188), Casarotto 2021 (10.1016/j.cell.2021.01.034);
translation within an hour of ketamine, Autry 2011.
"""

from typing import NamedTuple

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill
from unstuck.targets import Effects


class Trkb(NamedTuple):
    """Release of BDNF and TrkB signalling; values and sources in scenarios/parameters.csv."""

    phi: float  # constitutive share of release
    mB: float  # Hill coefficient of release by activity
    kB: float  # weight of a surge of activity
    th: float  # rise of activity that is no surge yet
    taux: float  # h, memory of recent activity
    TS: float  # ceiling of signalling
    tauT: float  # h
    QK: float  # signalling at which the gate is half open
    nT: float  # Hill coefficient of the gate


@compiled
def released(bdnf: float, activity: float, p: Trkb) -> float:
    """BDNF released by steady activity (healthy = 1)."""
    return bdnf * (p.phi + (1.0 - p.phi) * 2.0 * hill(activity, 1.0, p.mB))


@compiled
def surge(bdnf: float, activity: float, recent_activity: float, p: Trkb) -> float:
    """BDNF released by a rise of activity above its recent mean (0 in health)."""
    return p.kB * bdnf * max(0.0, activity - recent_activity - p.th)


@compiled
def trkb_input(steady_release: float, surge_release: float, acting: Effects) -> float:
    """Input u of TrkB: BDNF and drugs (healthy = 1)."""
    by_bdnf = steady_release * (1.0 + acting.trkb_facilitation) + surge_release
    return (by_bdnf + acting.trkb_drive) * (1.0 - acting.trkb_block)


@compiled
def trkb_change(trkb: float, input_u: float, p: Trkb) -> float:
    """Change per hour of TrkB signalling."""
    return (p.TS * input_u / (input_u + p.TS - 1.0) - trkb) / p.tauT


@compiled
def recent_activity_change(recent_activity: float, activity: float, p: Trkb) -> float:
    """Change per hour of recent activity."""
    return (activity - recent_activity) / p.taux


@compiled
def gate(trkb: float, p: Trkb) -> float:
    """Gate Q (0 to 1) that TrkB signalling opens."""
    return hill(trkb, p.QK, p.nT)


@compiled
def healing_gate(trkb: float, scar_lowers_bdnf: float, p: Trkb) -> float:
    """Gate behind which a scar heals: Q(T), and Q(1/T) for a scar that raises BDNF (scar_lowers_bdnf < 0)."""
    return gate(trkb, p) if scar_lowers_bdnf >= 0.0 else gate(1.0 / max(trkb, 1e-9), p)
