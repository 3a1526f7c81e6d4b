"""Serotonin receptors on neurons that release no serotonin: one inhibits, 5-HT2C excites and desensitizes.

    inhibition = a (H'(S,K1H) - H(S0,K1H))
    excitation = e (1 - n) (D H(S,K2C) - H(S0,K2C))
    dD/dt      = (min(1, H(S0,K2C) / H(S,K2C)) - D) / tauD

Both are zero in health. a and e (drive) are data of a population, n is the share of 5-HT2C that a drug
blocks. The inhibiting receptor represents 5-HT1A in the amygdala and for 5-HT2 receptors in orbitofrontal
cortex; it does not desensitize. D follows the law of the autoreceptor. Time in hours.

Sources: inhibition, Stutzmann 1998 (PMC6792882), Marcinkiewcz 2019 (PMC6996028), El Mansari & Blier 2005;
5-HT2C, Marcinkiewcz 2016 (PMC5124365), Foilb 2015 (PMC5425091).
"""

from typing import NamedTuple

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill, receptor_drive


class Heteroreceptors(NamedTuple):
    """Affinities and desensitization; K1A and tauD of the autoreceptor unless a circuit says otherwise."""

    K1H: float  # nM, half-effect at the inhibiting receptor
    K2C: float  # nM, half-effect at 5-HT2C
    S0: float  # nM, healthy serotonin
    tauD: float  # h, desensitization of 5-HT2C


@compiled
def heteroreceptor_inhibition(
    strength: float, serotonin_nM: float, agonist: float, antagonist: float, p: Heteroreceptors
) -> float:
    """Inhibition (drive) beyond that of health."""
    bound = receptor_drive(hill(serotonin_nM, p.K1H, 1.0), agonist, antagonist)
    return strength * (bound - hill(p.S0, p.K1H, 1.0))


@compiled
def excitation_by_5ht2c(
    strength: float, sensitivity: float, serotonin_nM: float, blocked: float, p: Heteroreceptors
) -> float:
    """Excitation (drive) beyond that of health; blocked: share of the receptors that a drug occupies."""
    bound = sensitivity * hill(serotonin_nM, p.K2C, 1.0)
    return strength * (1.0 - blocked) * (bound - hill(p.S0, p.K2C, 1.0))


@compiled
def sensitivity_5ht2c_change(sensitivity: float, serotonin_nM: float, p: Heteroreceptors) -> float:
    """Change per hour of the sensitivity of 5-HT2C."""
    healthy, bound = hill(p.S0, p.K2C, 1.0), hill(serotonin_nM, p.K2C, 1.0)
    target = 1.0 if bound <= healthy else healthy / bound
    return (target - sensitivity) / p.tauD
