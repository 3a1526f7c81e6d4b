"""Somatodendritic 5-HT1A autoreceptors of raphe neurons: inhibition now, desensitization over days.

    inhibition = g1A D H1A(S_raphe)
    dD/dt      = (Dinf - D) / tauD
    Dinf       = Dmin + (1 - Dmin) (1 - H(S_raphe/S0, KD, 4)) / (1 - H(1, KD, 4)),   at most 1

Under an agonist or antagonist the ratio is the one that would give H' (see receptors).

Sources: fall and return of raphe firing on an SSRI within 14 d, Chaput 1986 (10.1007/BF00500007), Czachura
2000; a small tone at rest, Andrade 2015 (PMC4849862). Sensitivity D is 1 in health; time in hours.
"""

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill, receptor_drive

_STEEPNESS = 4.0


@compiled
def autoreceptor_drive(serotonin_nM: float, agonist_1a: float, antagonist_1a: float, K1A: float) -> float:
    """Drive H' of the 5-HT1A autoreceptor (0 to 1) by raphe serotonin and drugs."""
    return receptor_drive(hill(serotonin_nM, K1A, 1.0), agonist_1a, antagonist_1a)


@compiled
def apparent_serotonin_ratio(drive: float, K1A: float, S0: float) -> float:
    """Raphe serotonin, as a ratio to S0, that would give this receptor drive without any drug."""
    return K1A * drive / (S0 * max(1.0 - drive, 1e-12))


@compiled
def sensitivity_change(
    sensitivity: float, serotonin_ratio: float, Dmin: float, KD: float, tauD: float
) -> float:
    """Change per hour of the autoreceptor's sensitivity D under raphe serotonin, as a ratio to S0."""
    kept = (1.0 - hill(serotonin_ratio, KD, _STEEPNESS)) / (1.0 - hill(1.0, KD, _STEEPNESS))
    target = min(1.0, Dmin + (1.0 - Dmin) * kept)
    return (target - sensitivity) / tauD
