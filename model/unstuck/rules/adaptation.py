"""Adaptation of NMDA and GABA-A receptors to a steady drug (slow, healthy = 1).

    dN/dt = (1 - N (1 - beta)) / tauR,      dG/dt = (1 + (1 - aG)(gaba - 1) - G gaba) / tauR

A steady block is answered by more receptors, so that a weak steady block does nothing; the price is that the
end of a long block is a stimulus itself. aG is the share of a lasting change of GABA-A effect that adaptation
undoes (1: all of it). Time in hours.

Sources: Gao & Tamminga 1995 (10.1007/BF01271549), Kilman 2002; against: Manallack 1989.
"""

from typing import NamedTuple

from unstuck.rules.compiled import compiled


class Adaptation(NamedTuple):
    """Receptor adaptation; values and sources in scenarios/parameters.csv."""

    tauR: float  # h
    aG: float  # share of a lasting change of GABA-A effect that adaptation undoes


@compiled
def receptors_change(receptors: float, effect_of_drug: float, p: Adaptation) -> float:
    """Change per hour of receptor number; effect_of_drug: factor on their effect (1 - beta, or gaba)."""
    return (1.0 - receptors * effect_of_drug) / p.tauR


@compiled
def gaba_receptors_change(receptors: float, gaba_gain: float, p: Adaptation) -> float:
    """Change per hour of GABA-A receptors; gaba_gain: factor on their effect by drugs."""
    wanted = 1.0 + (1.0 - p.aG) * (gaba_gain - 1.0)
    return (wanted - receptors * gaba_gain) / p.tauR
