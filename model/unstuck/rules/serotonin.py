"""Extracellular serotonin of one region (fast): release by raphe firing equals clearance.

    rel = x_S release_gain = (1 - k) v f S (Km + S0) / ((Km + f S) S0) + k S / S0,       f = 1 - occupancy

SERT follows Michaelis-Menten, a blocker competes (Km -> Km/f), an enhancer scales Vmax by v, and the share k
leaves by other routes. This is a quadratic in S, a2 S^2 + a1 S - a0 = 0, with one positive root.
Concentrations in nM; only ratios to S0 are meaningful, because methods differ 10 to 100 fold.

    tau_v dv/dt = 1 + e_v max(0, T - 1) - v           SERT Vmax that follows raphe TrkB (off: e_v = 0)

Sources: Km 60 nM and share of other routes, Mena, Hashemi, Best, Nijhout, Reed (code VSERT, a14);
competition keeps a steady state where loss of Vmax would not (derived). Model description, sections 5 and 9.
"""

from math import sqrt
from typing import NamedTuple

from unstuck.rules.compiled import compiled


class Serotonin(NamedTuple):
    """Clearance of serotonin; values and sources in scenarios/parameters.csv."""

    Km: float  # nM, half-saturation of SERT
    S0: float  # nM, healthy serotonin
    tau_v: float  # h, SERT Vmax that follows TrkB


@compiled
def serotonin_pool(
    release: float, occupancy: float, vmax_factor: float, uncleared_share: float, p: Serotonin
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
def transporter_change(vmax_factor: float, raphe_trkb: float, follow_gain: float, p: Serotonin) -> float:
    """Change per hour of the SERT Vmax factor v that follows raphe TrkB (healthy = 1)."""
    return (1.0 + follow_gain * max(0.0, raphe_trkb - 1.0) - vmax_factor) / p.tau_v
