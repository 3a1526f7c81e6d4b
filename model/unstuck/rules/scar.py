"""Scar of one neuron: lasting repression (or rise) of Bdnf after stress (slow, healthy = 0).

    dM/dt = kM stress^2 (1 - M) - M Q(T) / Q(1) / tauM

The scar grows with the square of stress (mild stress leaves none) and heals where TrkB signals. M is the net
repression, not the histone mark, which stays; time in hours. In a population where the scar raises BDNF it
heals where TrkB is quiet: Q(1/T) takes the place of Q(T).

Sources: Tsankova 2006 (10.1038/nn1659); healing, Chen 2003 (10.1126/science.1086446), Martinowich 2003
(10.1126/science.1090842).
"""

from typing import NamedTuple

from unstuck.rules.compiled import compiled


class Scar(NamedTuple):
    """Growth and healing of the scar; values and sources in scenarios/parameters.csv."""

    kM: float  # 1/h, growth at full stress
    tauM: float  # h, decay at healthy signalling
    Q1: float  # gate Q at healthy signalling (derived)


@compiled
def scar_change(scar: float, stress: float, gate: float, p: Scar) -> float:
    """Change per hour of the scar; gate is Q(T)."""
    return p.kM * stress * stress * (1.0 - scar) - scar * gate / p.Q1 / p.tauM
