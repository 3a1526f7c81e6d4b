"""Strength of one plastic synapse j -> i: labile l, intermediate m and consolidated c, w = l + m + c (slow).

    h     = x_i x_j / (x_i x_j + rho2)
    dl/dt = etap T_i h [wmaxf w0 - w]+ - l/taul - k1 Q l
    dm/dt = k1 Q l - m/taum - k2 Q m
    dc/dt = k2 Q m - {etad (1 - Q) + etah [x_i - 1]+} (c - core w0)

Labile strength is made by coincident activity where TrkB signals and fades in a day. Intermediate strength
represents young spines. Consolidated strength is lost where TrkB is silent, down to a core, and is scaled
down where the cell runs above its set-point. Q is the TrkB gate of the postsynaptic neuron (rules/trkb).
k1, etap and etad follow from the demand that the healthy state does not change. Strength in drive per healthy
activity; time in hours.

Sources: pools, Holtmaat 2009, Grutzendler 2002; young spines after ketamine, PMC4819286, Moda-Sava 2019;
homeostasis, Turrigiano 2008.
"""

from typing import NamedTuple

from unstuck.rules.compiled import compiled


class Plasticity(NamedTuple):
    """Plastic synapses; values and sources in scenarios/parameters.csv."""

    taul: float  # h, decay of labile strength
    taum: float  # h, decay of intermediate strength
    k2: float  # 1/h, consolidation of intermediate strength
    rho2: float  # coincidence half-point
    etah: float  # 1/h, homeostatic scaling
    wmaxf: float  # largest strength, share of healthy
    core: float  # share of strength that is never lost
    k1: float  # 1/h, labile to intermediate (derived)
    etap: float  # 1/h, potentiation (derived)
    etad: float  # 1/h, loss where TrkB is silent (derived)


@compiled
def coincidence(post_activity: float, pre_activity: float, p: Plasticity) -> float:
    """Coincidence h (0 to 1) of pre- and postsynaptic activity."""
    product = post_activity * pre_activity
    return product / (product + p.rho2)


@compiled
def potentiation(trkb: float, coincidence: float, p: Plasticity) -> float:
    """Rate (1/h) at which free room fills with labile strength."""
    return p.etap * trkb * coincidence


@compiled
def labile_decay(potentiation: float, gate: float, p: Plasticity) -> float:
    """Rate (1/h) at which labile strength decays towards its target, all else kept."""
    return potentiation + 1.0 / p.taul + p.k1 * gate


@compiled
def loss_rate(gate: float, post_activity: float, p: Plasticity) -> float:
    """Rate (1/h) at which consolidated strength above the core is lost: silent TrkB, and homeostasis."""
    return p.etad * (1.0 - gate) + p.etah * max(0.0, post_activity - 1.0)


@compiled
def labile_change(
    labile: float, strength: float, healthy: float, potentiation: float, gate: float, p: Plasticity
) -> float:
    """Change per hour of labile strength; strength is the whole strength of the synapse."""
    room = max(0.0, p.wmaxf * healthy - strength)
    return potentiation * room - labile / p.taul - p.k1 * gate * labile


@compiled
def intermediate_change(labile: float, intermediate: float, gate: float, p: Plasticity) -> float:
    """Change per hour of intermediate strength."""
    return p.k1 * gate * labile - intermediate / p.taum - p.k2 * gate * intermediate


@compiled
def consolidated_change(
    intermediate: float, consolidated: float, healthy: float, gate: float, loss: float, p: Plasticity
) -> float:
    """Change per hour of consolidated strength; loss as from `loss_rate`."""
    return p.k2 * gate * intermediate - loss * (consolidated - p.core * healthy)
