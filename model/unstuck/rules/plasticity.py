"""Strength of one plastic glutamatergic synapse j -> i: labile l and consolidated c, w = c + l (slow).

    h     = x_i x_j / (x_i x_j + rho2),    Q = H(T_i,QK,nT),    s = TS T_i / (T_i + TS - 1)
    dl/dt = etap s h [wmax w0 - c - l]+  -  l/taul  -  kc Q l
    dc/dt = kc Q l  -  etad (1 + stW stress)(1 - H(T_i,Th,nT))(c - core w0)  -  etah [x_i - 1]+ (c - core w0)

Labile strength is potentiated by coincident activity when TrkB signals, fades in days, and is consolidated at
a rate gated by TrkB. Consolidated strength is lost when TrkB is silent (proBDNF/p75, faster under stress),
down to a core, and is scaled down when the neuron runs above its set-point. etap and etad follow from the
healthy state standing still (`healthy_rates`). Strength in drive per healthy activity; time in hours.

Sources: two pools, Holtmaat 2009, Grutzendler 2002; proBDNF and TrkB of opposite sign, Woo 2005; loss of
AMPA drive under stress, Fischell 2015 (PMC4569955); homeostasis, Turrigiano 2008; spines kept by TrkB,
Moda-Sava 2019.
"""

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill


@compiled
def coincidence(post_activity: float, pre_activity: float, rho2: float) -> float:
    """Coincidence h (0 to 1) of pre- and postsynaptic activity."""
    product = post_activity * pre_activity
    return product / (product + rho2)


@compiled
def potentiation_rate(trkb: float, etap: float, TS: float) -> float:
    """Potentiation per hour at full coincidence: etap times the saturating TrkB signal s(T)."""
    return etap * TS * trkb / (trkb + TS - 1.0)


@compiled
def consolidation_rate(trkb: float, kc: float, QK: float, nT: float) -> float:
    """Share of labile strength consolidated per hour, kc Q(T)."""
    return kc * hill(trkb, QK, nT)


@compiled
def consolidated_loss_rate(
    trkb: float,
    activity: float,
    stress: float,
    etad: float,
    stW: float,
    Th: float,
    nT: float,
    etah: float,
) -> float:
    """Loss rate (1/h) of consolidated strength above the core: silent TrkB, stress and homeostasis."""
    by_silence = etad * (1.0 + stW * stress) * (1.0 - hill(trkb, Th, nT))
    by_homeostasis = etah * max(0.0, activity - 1.0)
    return by_silence + by_homeostasis


@compiled
def labile_change(
    labile: float,
    consolidated: float,
    healthy: float,
    potentiation: float,
    consolidation: float,
    taul: float,
    wmaxf: float,
) -> float:
    """Change per hour of labile strength; potentiation is etap s h, consolidation kc Q (1/h)."""
    room = max(0.0, wmaxf * healthy - consolidated - labile)
    return potentiation * room - labile / taul - consolidation * labile


@compiled
def consolidated_change(
    labile: float, consolidated: float, healthy: float, consolidation: float, loss: float, core: float
) -> float:
    """Change per hour of consolidated strength; loss as from `consolidated_loss_rate`."""
    return consolidation * labile - loss * (consolidated - core * healthy)


@compiled
def healthy_rates(
    l0: float, taul: float, kc: float, QK: float, Th: float, nT: float, core: float, wmaxf: float, rho2: float
) -> tuple[float, float]:
    """The rates (etap, etad) at which the healthy state x = T = 1, l = l0 w0, c + l = w0 stands still."""
    consolidation = consolidation_rate(1.0, kc, QK, nT)
    etap = l0 * (1.0 / taul + consolidation) / ((wmaxf - 1.0) * coincidence(1.0, 1.0, rho2))
    etad = consolidation * l0 / ((1.0 - l0 - core) * (1.0 - hill(1.0, Th, nT)))
    return etap, etad
