"""The compiled loops over neurons and synapses; every formula in them is a rule.

Slow state is one flat vector, so that one loop steps all of it:

    [ BDNF (neurons) | TrkB (neurons) | autoreceptor D | SERT Vmax factor v | labile (plastic synapses) |
      consolidated (plastic synapses) ]
"""

import numpy as np

from unstuck.circuit import INTERNEURON, PYRAMIDAL, SEROTONERGIC, Floats, Groups, Numbers, Synapses, Wiring
from unstuck.parameters import RuleParameters
from unstuck.rules import autoreceptor, bdnf, firing, plasticity
from unstuck.rules import serotonin as pools
from unstuck.rules.compiled import compiled
from unstuck.rules.receptors import hill, receptor_drive
from unstuck.targets import Effects

# The kernels call the rules by these names: numba follows names, not attributes of modules.
_autoreceptor_drive, _apparent_ratio = autoreceptor.autoreceptor_drive, autoreceptor.apparent_serotonin_ratio
_sensitivity_change = autoreceptor.sensitivity_change
_bdnf_change, _trkb_change = bdnf.bdnf_change, bdnf.trkb_change
_glutamate_gain, _total_drive, _rate = firing.glutamate_gain, firing.total_drive, firing.rate
_coincidence, _potentiation_rate = plasticity.coincidence, plasticity.potentiation_rate
_consolidation_rate, _loss_rate = plasticity.consolidation_rate, plasticity.consolidated_loss_rate
_labile_change, _consolidated_change = plasticity.labile_change, plasticity.consolidated_change
_pool, _transporter_change = pools.pool, pools.transporter_change

LOOK_BACK = 3  # earlier sweeps that Anderson acceleration combines


@compiled
def _weighted_sum(synapses: Synapses, weight: Floats, x: Floats, i: int) -> float:
    """Drive onto neuron i: sum of weight times presynaptic activity."""
    total = 0.0
    for k in range(synapses.start[i], synapses.start[i + 1]):
        total += weight[k] * x[synapses.pre[k]]
    return total


@compiled
def serotonin_pools(
    w: Wiring, p: RuleParameters, e: Effects, follow: float, x: Floats, serotonin_nM: Floats
) -> None:
    """Set the serotonin of every region to where release by the present raphe activity meets clearance."""
    raphe = x[w.first[w.source] : w.first[w.source + 1]].mean()
    for r in range(serotonin_nM.size):
        serotonin_nM[r] = _pool(
            raphe,
            e.sert_occupancy,
            e.sert_vmax * follow,
            w.uncleared[r],
            e.release_gain,
            e.agonist_1b,
            e.antagonist_1b,
            serotonin_nM[r],
            p.K1B,
            p.b1B,
            p.Km,
            p.S0,
        )


@compiled
def population_fields(
    w: Wiring,
    p: RuleParameters,
    e: Effects,
    region_input: Floats,
    sensitivity: float,
    serotonin_nM: Floats,
    gain: Floats,
    input_drive: Floats,
) -> None:
    """Set, by population, the gain of glutamatergic drive and the input that is no synapse.

    That input is stress, noise and stimulation, less the autoreceptor brake of serotonergic cells.
    """
    ampa = (1.0 + e.ampa) * (1.0 - e.ampa_block) - 1.0
    bound_in_health = hill(p.S0, p.K1B, 1.0)
    for k in range(w.cells.size):
        r, cells = int(w.region[k]), w.cells[k]
        bound = receptor_drive(hill(serotonin_nM[r], p.K1B, 1.0), e.agonist_1b, e.antagonist_1b)
        block = e.nmda_interneuron if cells == INTERNEURON else e.nmda_pyramidal
        gain_2a = e.gain_2a * (1.0 - e.antagonist_2a) if cells == PYRAMIDAL else 0.0
        gain[k] = _glutamate_gain(w.nmda_share[k], ampa, block, p.g1B * (bound - bound_in_health), gain_2a)
        input_drive[k] = w.stress_drive[k] * e.stress
        if cells == PYRAMIDAL:
            input_drive[k] += region_input[r]
        if cells == SEROTONERGIC:
            brake = _autoreceptor_drive(serotonin_nM[r], e.agonist_1a, e.antagonist_1a, p.K1A)
            input_drive[k] -= p.g1A * sensitivity * brake


@compiled
def fire(
    w: Wiring,
    gain: Floats,
    input_drive: Floats,
    gaba_gain: float,
    strength: Floats,
    x: Floats,
    driven: Floats,
) -> None:
    """One sweep over all synapses: the activity that the present activity x drives every neuron to."""
    for k in range(w.cells.size):
        for i in range(w.first[k], w.first[k + 1]):
            excitation = _weighted_sum(w.excitatory, w.excitatory.weight, x, i)
            excitation += _weighted_sum(w.plastic, strength, x, i)
            inhibition = gaba_gain * _weighted_sum(w.inhibitory, w.inhibitory.weight, x, i)
            driven[i] = _total_drive(w.bias[i], w.scaling[i], gain[k], excitation, inhibition, input_drive[k])
    for i in range(x.size):
        driven[i] = _rate(driven[i], w.maximal_Hz[i]) / w.set_point_Hz[i]


@compiled
def _product(a: Floats, b: Floats) -> float:
    """Scalar product."""
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@compiled
def _solve_small(a: Floats, b: Floats, n: int) -> None:
    """Solve the n x n system a y = b in place by elimination (a symmetric, positive definite)."""
    for j in range(n):
        for i in range(j + 1, n):
            factor = a[i, j] / a[j, j]
            for k in range(j, n):
                a[i, k] -= factor * a[j, k]
            b[i] -= factor * b[j]
    for j in range(n - 1, -1, -1):
        for k in range(j + 1, n):
            b[j] -= a[j, k] * b[k]
        b[j] /= a[j, j]


@compiled
def settle(
    w: Wiring,
    p: RuleParameters,
    e: Effects,
    region_input: Floats,
    y: Floats,
    x: Floats,
    serotonin_nM: Floats,
    tolerance: float,
    most_sweeps: int,
    look_back: int,
    damping: float,
) -> tuple[float, int]:
    """Find the firing that sustains itself, starting from x; returns the largest change left and the sweeps.

    x and serotonin_nM are overwritten. Each sweep's proposal is combined with earlier ones (Anderson 1965,
    look_back = 0 for plain damped iteration). Serotonergic neurons, braked by their own release, move less.
    """
    n, plastic = x.size, w.plastic.pre.size
    sensitivity, follow = y[2 * n], y[2 * n + 1]
    strength = y[2 * n + 2 : 2 * n + 2 + plastic] + y[2 * n + 2 + plastic :]
    steps = np.ones(n) * damping
    for k in range(w.cells.size):
        if w.cells[k] == SEROTONERGIC:
            steps[w.first[k] : w.first[k + 1]] *= 0.4
    gain, input_drive = np.empty(w.cells.size), np.empty(w.cells.size)
    driven, residual, proposal = np.empty(n), np.empty(n), np.empty(n)
    last_residual, last_proposal = np.empty(n), np.empty(n)
    residual_changes, proposal_changes = np.empty((LOOK_BACK, n)), np.empty((LOOK_BACK, n))
    normal, weights = np.empty((LOOK_BACK, LOOK_BACK)), np.empty(LOOK_BACK)
    largest = np.inf
    for taken in range(most_sweeps):
        serotonin_pools(w, p, e, follow, x, serotonin_nM)
        population_fields(w, p, e, region_input, sensitivity, serotonin_nM, gain, input_drive)
        fire(w, gain, input_drive, e.gaba_gain, strength, x, driven)
        largest = 0.0
        for i in range(n):
            residual[i] = steps[i] * (driven[i] - x[i])
            proposal[i] = x[i] + residual[i]
            moved = abs(driven[i] - x[i])
            if moved > largest or moved != moved:  # NaN must not pass for settled
                largest = moved
        if not largest > tolerance or not np.isfinite(largest):
            x[:] = proposal
            return largest, taken + 1
        known = min(taken, look_back)
        if known > 0:
            slot = (taken - 1) % look_back
            residual_changes[slot] = residual - last_residual
            proposal_changes[slot] = proposal - last_proposal
        last_residual[:] = residual
        last_proposal[:] = proposal
        for a in range(known):
            for b in range(a + 1):
                normal[a, b] = normal[b, a] = _product(residual_changes[a], residual_changes[b])
            normal[a, a] = normal[a, a] * (1.0 + 1e-10) + 1e-300
            weights[a] = _product(residual_changes[a], residual)
        _solve_small(normal, weights, known)
        for i in range(n):
            back = 0.0
            for a in range(known):
                back += weights[a] * proposal_changes[a, i]
            x[i] = max(proposal[i] - back, 0.0)
    return largest, most_sweeps


@compiled
def slow_change(
    w: Wiring, p: RuleParameters, e: Effects, y: Floats, x: Floats, serotonin_nM: Floats, change: Floats
) -> None:
    """Rate of change (1/h) of the whole slow state y under settled firing x."""
    n, plastic = x.size, w.plastic.pre.size
    weak, strong = y[2 * n + 2 : 2 * n + 2 + plastic], y[2 * n + 2 + plastic :]
    weak_change, strong_change = change[2 * n + 2 : 2 * n + 2 + plastic], change[2 * n + 2 + plastic :]
    for k in range(w.cells.size):
        s = serotonin_nM[int(w.region[k])]
        for i in range(w.first[k], w.first[k + 1]):
            trkb = y[n + i]
            change[i] = _bdnf_change(y[i], e.stress, s, e.bdnf_gain, p.stB, p.b5, p.KS, p.S0, p.tauB)
            change[n + i] = _trkb_change(trkb, y[i], x[i], e.trkb_drive, e.trkb_block, p.rB, p.mB, p.tauT)
            potentiation = _potentiation_rate(trkb, p.etap, p.TS)
            consolidation = _consolidation_rate(trkb, p.kc, p.QK, p.nT)
            loss = _loss_rate(trkb, x[i], e.stress, p.etad, p.stW, p.Th, p.nT, p.etah)
            for j in range(w.plastic.start[i], w.plastic.start[i + 1]):
                healthy = w.plastic.weight[j]
                pre_activity: float = x[w.plastic.pre[j]]  # pyright: ignore
                together = potentiation * _coincidence(x[i], pre_activity, p.rho2)
                weak_change[j] = _labile_change(
                    weak[j], strong[j], healthy, together, consolidation, p.taul, p.wmaxf
                )
                strong_change[j] = _consolidated_change(
                    weak[j], strong[j], healthy, consolidation, loss, p.core
                )
    raphe = int(w.region[w.source])
    bound = _autoreceptor_drive(serotonin_nM[raphe], e.agonist_1a, e.antagonist_1a, p.K1A)
    change[2 * n] = _sensitivity_change(y[2 * n], _apparent_ratio(bound, p.K1A, p.S0), p.Dmin, p.KD, p.tauD)
    raphe_trkb = y[n + w.first[w.source] : n + w.first[w.source + 1]].mean()
    change[2 * n + 1] = _transporter_change(y[2 * n + 1], raphe_trkb, e.sert_follows_trkb, p.tau_v)


@compiled
def labile_decay(w: Wiring, p: RuleParameters, y: Floats, x: Floats, decay: Floats) -> None:
    """Decay rate (1/h) of labile strength onto each neuron, averaged over its plastic synapses."""
    n = x.size
    for i in range(n):
        start, stop = w.plastic.start[i], w.plastic.start[i + 1]
        together = 0.0
        for j in range(start, stop):
            pre_activity: float = x[w.plastic.pre[j]]  # pyright: ignore
            together += _coincidence(x[i], pre_activity, p.rho2)
        potentiation = _potentiation_rate(y[n + i], p.etap, p.TS) * together / max(stop - start, 1)
        decay[i] = 1.0 / p.taul + _consolidation_rate(y[n + i], p.kc, p.QK, p.nT) + potentiation


@compiled
def departure(
    y: Floats, there: Floats, k_here: Floats, k_there: Floats, decay: Floats, group: Groups, out: Floats
) -> None:
    """How far the change at a stage departs from the linear decay that the step solves exactly."""
    for f in range(decay.size):
        for i in range(group[f], group[f + 1]):
            out[i] = k_there[i] - k_here[i] + decay[f] * (there[i] - y[i])


@compiled
def move(
    y: Floats,
    change: Floats,
    length_h: float,
    bend: Floats,
    bend_per_h: float,
    decay: Floats,
    group: Groups,
    out: Floats,
) -> None:
    """out = y moved by length_h under change, each group's decay exact, with a departure that grows evenly.

    y + t phi1(L t) change + (t^2 bend_per_h) phi2(L t) bend, phi1(z) = (1 - e^-z)/z, phi2(z) = (1 - phi1)/z.
    """
    for f in range(decay.size):
        z = decay[f] * length_h
        phi1 = (1.0 - np.exp(-z)) / z if z > 1e-3 else 1.0 - z / 2.0 + z * z / 6.0
        phi2 = (1.0 - phi1) / z if z > 1e-3 else 0.5 - z / 6.0 + z * z / 24.0
        straight, bent = length_h * phi1, length_h * length_h * bend_per_h * phi2
        for i in range(group[f], group[f + 1]):
            out[i] = y[i] + straight * change[i] + bent * bend[i]


@compiled
def add_up(projection: Numbers, strength: Floats, sums: Floats) -> None:
    """Add the strength of every synapse to the sum of its projection; neighbours mostly share one."""
    total = 0.0
    for j in range(projection.size):
        total += strength[j]
        if j + 1 == projection.size or projection[j + 1] != projection[j]:
            sums[projection[j]] += total
            total = 0.0


@compiled
def slow_error(y: Floats, other: Floats, healthy: Floats, neurons: int) -> float:
    """Distance of two slow states: the largest root mean square among B, T, D, v, labile and consolidated.

    Strengths are relative to their healthy weight. NaN in, NaN out.
    """
    plastic = healthy.size
    of_bdnf, of_trkb, of_labile, of_consolidated = 0.0, 0.0, 0.0, 0.0
    for i in range(neurons):
        of_bdnf += (y[i] - other[i]) ** 2
        of_trkb += (y[neurons + i] - other[neurons + i]) ** 2
    for j in range(plastic):
        labile, consolidated = 2 * neurons + 2 + j, 2 * neurons + 2 + plastic + j
        of_labile += ((y[labile] - other[labile]) / healthy[j]) ** 2
        of_consolidated += ((y[consolidated] - other[consolidated]) / healthy[j]) ** 2
    largest = abs(y[2 * neurons] - other[2 * neurons]) + abs(y[2 * neurons + 1] - other[2 * neurons + 1])
    for mean_square in (
        of_bdnf / neurons,
        of_trkb / neurons,
        of_labile / max(plastic, 1),
        of_consolidated / max(plastic, 1),
    ):
        root = np.sqrt(mean_square)
        if root > largest or root != root:
            largest = root
    return largest
