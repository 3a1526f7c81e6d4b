"""Extracellular serotonin of one region (fast): release by raphe firing against clearance.

    release   = x_5HT release_gain max(0, 1 - b1B (H1B(S) - H1B(S0)))
    clearance = (1 - k) v f S (Km + S0) / ((Km + f S) S0) + k S / S0,       f = 1 - occupancy

Both are in units of the healthy release. SERT follows Michaelis-Menten, a blocker competes (Km -> Km/f), an
enhancer scales Vmax by v, and the share k leaves by other routes. Release falls and clearance rises with S,
so the pool they agree on is unique. Concentrations in nM; only ratios to S0 are meaningful, because methods
differ 10 to 100 fold.

    tau_v dv/dt = 1 + e_v max(0, T - 1) - v           SERT Vmax that follows raphe TrkB (off: e_v = 0)

Sources: Km 60 nM and share of other routes, Mena, Hashemi, Best, Nijhout, Reed (code VSERT, a14); terminal
brake, Best 2010 (PMC2942809); competition keeps a steady state where loss of Vmax would not (derived).
"""

from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill, receptor_drive


@compiled
def release(
    serotonin_nM: float,
    raphe_activity: float,
    release_gain: float,
    agonist_1b: float,
    antagonist_1b: float,
    K1B: float,
    b1B: float,
    S0: float,
) -> float:
    """Release (healthy = 1) by raphe activity (healthy = 1) under the terminal 5-HT1B brake."""
    braked = receptor_drive(hill(serotonin_nM, K1B, 1.0), agonist_1b, antagonist_1b) - hill(S0, K1B, 1.0)
    return raphe_activity * release_gain * max(0.0, 1.0 - b1B * braked)


@compiled
def clearance(
    serotonin_nM: float, free_transporter: float, vmax: float, uncleared_share: float, Km: float, S0: float
) -> float:
    """Clearance (healthy = 1): competitive SERT, plus the share that leaves by other routes."""
    reachable = free_transporter * serotonin_nM
    by_transporter = (1.0 - uncleared_share) * vmax * reachable * (Km + S0) / ((Km + reachable) * S0)
    return by_transporter + uncleared_share * serotonin_nM / S0


@compiled
def pool(
    raphe_activity: float,
    occupancy: float,
    vmax: float,
    uncleared_share: float,
    release_gain: float,
    agonist_1b: float,
    antagonist_1b: float,
    guess_nM: float,
    K1B: float,
    b1B: float,
    Km: float,
    S0: float,
) -> float:
    """Concentration (nM) at which release equals clearance, by a bracketed secant (Illinois) iteration.

    Converges to 1e-13 of the upper bracket; the bracket [0, S0 x release_gain (1 + b1B) / k] always holds it.
    """
    if raphe_activity <= 0.0 or release_gain <= 0.0:
        return 0.0
    free = 1.0 - occupancy
    low, high = 0.0, S0 * raphe_activity * release_gain * (1.0 + b1B) / uncleared_share
    tolerance = 1e-13 * high
    surplus_low = release(low, raphe_activity, release_gain, agonist_1b, antagonist_1b, K1B, b1B, S0)
    surplus_high = release(
        high, raphe_activity, release_gain, agonist_1b, antagonist_1b, K1B, b1B, S0
    ) - clearance(high, free, vmax, uncleared_share, Km, S0)
    trial = min(max(guess_nM, 1e-6 * high), (1.0 - 1e-6) * high)
    last_moved = 0
    for _ in range(200):
        surplus = release(
            trial, raphe_activity, release_gain, agonist_1b, antagonist_1b, K1B, b1B, S0
        ) - clearance(trial, free, vmax, uncleared_share, Km, S0)
        if surplus > 0.0:
            low, surplus_low = trial, surplus
            surplus_high *= 0.5 if last_moved == -1 else 1.0
            last_moved = -1
        else:
            high, surplus_high = trial, surplus
            surplus_low *= 0.5 if last_moved == 1 else 1.0
            last_moved = 1
        previous = trial
        trial = high - surplus_high * (high - low) / (surplus_high - surplus_low)
        if abs(trial - previous) <= tolerance or surplus == 0.0:
            break
    return trial


@compiled
def transporter_change(vmax_factor: float, raphe_trkb: float, follow_gain: float, tau_v: float) -> float:
    """Change per hour of the SERT Vmax factor v that follows raphe TrkB (healthy = 1)."""
    return (1.0 + follow_gain * max(0.0, raphe_trkb - 1.0) - vmax_factor) / tau_v
