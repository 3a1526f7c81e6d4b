"""Receptor binding: Hill occupancy, and what agonists and antagonists make of it.

    H(s, k, n) = s^n / (s^n + k^n)
    H' = (1 - n) [H + (1 - H) e a]          a, n: occupancy by agonist (times efficacy e) and antagonist

Source: Hill 1910; competition as in Gaddum 1937.
"""

from unstuck.rules.compiled import compiled


@compiled
def hill(concentration: float, half_effect: float, exponent: float) -> float:
    """Share of the full effect at a concentration (same unit as half_effect; both >= 0)."""
    if concentration <= 0.0:
        return 0.0
    ratio = half_effect / concentration
    power = ratio * ratio * ratio if exponent == 3.0 else ratio**exponent  # 3 in every neuron, and slow
    return 1.0 / (1.0 + power)


@compiled
def receptor_drive(bound_by_serotonin: float, agonist: float, antagonist: float) -> float:
    """Drive of a receptor (0 to 1) that serotonin, an agonist and an antagonist share.

    agonist is occupancy times intrinsic efficacy, antagonist is occupancy; both 0 without a drug.
    """
    return (1.0 - antagonist) * (bound_by_serotonin + (1.0 - bound_by_serotonin) * agonist)
