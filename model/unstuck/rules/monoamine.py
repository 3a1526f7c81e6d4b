"""Extracellular serotonin or noradrenaline of one region (fast), and the autoreceptor that brakes its source.

    rel = x_S release_gain = (1 - k) v f S (Km + S0) / ((Km + f S) S0) + k S / S0,       f = 1 - occupancy

The transporter (SERT, NET) follows Michaelis-Menten, a blocker competes (Km -> Km/f), an enhancer scales Vmax
by v, and the share k leaves by other routes. This is a quadratic in S, a2 S^2 + a1 S - a0 = 0, with one
positive root. Concentrations in nM; only ratios to S0 are meaningful, because methods differ 10 to 100 fold.

    tau_v dv/dt = 1 + e_v max(0, T - 1) - v           SERT Vmax that follows raphe TrkB (off: e_v = 0)

The somatodendritic autoreceptor (5-HT1A of the raphe, alpha-2 of the locus coeruleus) inhibits the source by
the concentration around it, and desensitizes over days:

    inhibition = gA D H'(S_source,KA)
    dD/dt      = (min(1, H(S0,KA) / H'(S_source,KA)) - D) / tauD

Firing of the source so returns to its baseline and not beyond. H' includes drugs at the receptor
(rules/receptors); the ratio is 1 where H' is 0. Sensitivity D is 1 in health; time in hours. Serotonin has
gA = g1A and KA = K1A. A circuit with noradrenaline gives numbers of its own: KmN, N0, g2A and K2A. Its
alpha-2 receptor does not desensitize (D = 1), and nothing moves the Vmax of NET (v = 1).

Sources: Km 60 nM and share of other routes, Mena, Hashemi, Best, Nijhout, Reed (code VSERT, a14); competition
keeps a steady state where loss of Vmax would not (derived). Fall and return of raphe firing on an SSRI within
14 d, Chaput 1986 (10.1007/BF00500007), Czachura 2000; a small tone at rest, Andrade 2015 (PMC4849862).
The brake of the locus coeruleus, Mateo 1998 (10.1046/j.1471-4159.1998.71020790.x); it does not desensitize,
Sacchetti 1999 (PMC1571760), Parini 2005.
"""

from math import sqrt
from typing import NamedTuple

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill, receptor_drive


class Monoamine(NamedTuple):
    """Clearance and autoreceptor; values and sources in scenarios/parameters.csv or in the circuit's file."""

    Km: float  # nM, half-saturation of the transporter
    S0: float  # nM, healthy concentration
    tau_v: float  # h, SERT Vmax that follows TrkB
    gA: float  # drive, inhibition of the source by its autoreceptor
    KA: float  # nM, half-effect at the autoreceptor
    tauD: float  # h, desensitization of the autoreceptor
    KS: float  # nM, half-effect on BDNF synthesis


@compiled
def monoamine_pool(
    release: float, occupancy: float, vmax_factor: float, uncleared_share: float, p: Monoamine
) -> float:
    """Concentration (nM) at which clearance equals release (healthy = 1)."""
    if release <= 0.0:
        return 0.0
    free = 1.0 - occupancy
    squared = uncleared_share * free / p.S0
    linear = (
        (1.0 - uncleared_share) * vmax_factor * free * (p.Km + p.S0) / p.S0
        + uncleared_share * p.Km / p.S0
        - release * free
    )
    constant = release * p.Km
    root = sqrt(linear * linear + 4.0 * squared * constant)
    if linear >= 0.0:
        return 2.0 * constant / (linear + root)
    return (root - linear) / (2.0 * squared)  # the same root without loss of digits


@compiled
def transporter_change(vmax_factor: float, raphe_trkb: float, follow_gain: float, p: Monoamine) -> float:
    """Change per hour of the SERT Vmax factor v that follows raphe TrkB (healthy = 1)."""
    return (1.0 + follow_gain * max(0.0, raphe_trkb - 1.0) - vmax_factor) / p.tau_v


@compiled
def autoreceptor_drive(
    concentration_nM: float, agonist: float, antagonist: float, half_effect_nM: float
) -> float:
    """Drive H' of the autoreceptor (0 to 1) by the monoamine around the source and by drugs."""
    return receptor_drive(hill(concentration_nM, half_effect_nM, 1.0), agonist, antagonist)


@compiled
def autoreceptor_inhibition(strength: float, sensitivity: float, drive: float) -> float:
    """Inhibition (drive) of the neurons of the source."""
    return strength * sensitivity * drive


@compiled
def sensitivity_change(sensitivity: float, drive: float, p: Monoamine) -> float:
    """Change per hour of the autoreceptor's sensitivity D under its drive H'."""
    healthy = hill(p.S0, p.KA, 1.0)
    target = 1.0 if drive <= healthy else healthy / drive
    return (target - sensitivity) / p.tauD
