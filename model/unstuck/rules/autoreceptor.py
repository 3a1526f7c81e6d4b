"""Somatodendritic 5-HT1A autoreceptors of raphe neurons: inhibition now, desensitization over days.

    inhibition = g1A D H'(S_raphe,K1A)
    dD/dt      = (min(1, H(S0,K1A) / H'(S_raphe,K1A)) - D) / tauD

Raphe firing so returns to its baseline and not beyond. H' includes drugs at the receptor (rules/receptors);
the ratio is 1 where H' is 0. Sensitivity D is 1 in health; time in hours.

Sources: fall and return of raphe firing on an SSRI within 14 d, Chaput 1986 (10.1007/BF00500007), Czachura
2000; a small tone at rest, Andrade 2015 (PMC4849862). Model description, sections 5 and 8.
"""

from typing import NamedTuple

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill, receptor_drive


class Autoreceptor(NamedTuple):
    """The autoreceptor; values and sources in scenarios/parameters.csv."""

    g1A: float  # drive, inhibition of raphe neurons
    K1A: float  # nM, half-effect of serotonin
    S0: float  # nM, healthy serotonin
    tauD: float  # h, desensitization


@compiled
def autoreceptor_drive(serotonin_nM: float, agonist: float, antagonist: float, p: Autoreceptor) -> float:
    """Drive H' of the autoreceptor (0 to 1) by raphe serotonin and drugs."""
    return receptor_drive(hill(serotonin_nM, p.K1A, 1.0), agonist, antagonist)


@compiled
def autoreceptor_inhibition(sensitivity: float, drive: float, p: Autoreceptor) -> float:
    """Inhibition (drive) of raphe neurons."""
    return p.g1A * sensitivity * drive


@compiled
def sensitivity_change(sensitivity: float, drive: float, p: Autoreceptor) -> float:
    """Change per hour of the autoreceptor's sensitivity D under its drive H'."""
    healthy = hill(p.S0, p.K1A, 1.0)
    target = 1.0 if drive <= healthy else healthy / drive
    return (target - sensitivity) / p.tauD
