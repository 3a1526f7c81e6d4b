"""Readouts of a circuit, functional connectivity, and averages by population and region.

A readout of strength is the mean over its projections of sum w / sum w0; a readout of activity is the mean
activity of its populations. Both are 1 in health. Recovery is read from the primary one, which is
connectivity C in depression:

    C = mean over the readout projections of sum w / sum w0;  C_c the same with consolidated strength alone
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from unstuck.circuit import PROJECTION_GABA, PYRAMIDAL, Circuit, Groups
from unstuck.engine.settle import FIELDS, settled_states
from unstuck.files.circuit import projection_ends
from unstuck.rules.compiled import compiled
from unstuck.state import Floats, State
from unstuck.targets import Effects

PROBE_DRIVE = 0.01  # input of the functional readout


@dataclass(frozen=True)
class Reading:
    """What was seen at one moment (day from day 0); arrays by population or region of the circuit.

    connectivity: the primary readout. structure: the first readout of strength, by consolidated strength
    alone.
    """

    day: float
    connectivity: float
    structure: float
    function: float  # NaN where it was not probed
    activity: Floats
    serotonin_ratio: Floats
    bdnf: Floats
    trkb: Floats
    scar: Floats
    strength: Floats  # by projection, relative to health; NaN where not plastic
    labile_share: float  # of the readout projections
    autoreceptor_sensitivity: float  # mean of the serotonergic populations
    readouts: Floats  # by name, as in `CircuitFile.all_readouts`
    noradrenaline_ratio: Floats  # by region of `CircuitFile.noradrenaline_feeders`


def take_reading(
    circuit: Circuit, day: float, state: State, acting: tuple[Effects, Floats], *, probe: bool
) -> Reading:
    """Read a settled state under the effects and region inputs that act on it."""
    return take_readings(circuit, [day], state.as_rows(), {0: acting} if probe else {})[0]


def take_readings(
    circuit: Circuit, days: Sequence[float], states: State, probed: Mapping[int, tuple[Effects, Floats]]
) -> list[Reading]:
    """Read several settled states.

    probed: effects and region inputs of the states, by number, whose functional connectivity is asked for.
    """
    slow, monoamines = states.slow, states.monoamine_nM / circuit.healthy_nM
    labile, whole, structure = _strengths(circuit, states)
    summed = circuit.readout_mean > 0.0
    readouts = _readouts(circuit, whole, states)
    function = np.full(len(days), nan)
    if probed:
        which, acting = list(probed), [[*effects, *region_input] for effects, region_input in probed.values()]
        asked = State(states.y[which], states.x[which], states.monoamine_nM[which], states.layout)
        function[which] = mean_functional_connectivity(circuit, asked, np.array(acting))
    columns = (
        readouts[:, 0].tolist(),
        (structure @ circuit.readout_mean).tolist(),
        function.tolist(),
        population_means(circuit, states.x),
        monoamines[:, : len(circuit.regions)],
        *(population_means(circuit, part) for part in (slow.bdnf, slow.trkb, slow.scar)),
        _relative(circuit, whole),
        (labile[:, summed].sum(axis=1) / whole[:, summed].sum(axis=1)).tolist(),
        slow.autoreceptor_sensitivity.mean(axis=1).tolist(),
        readouts,
        monoamines[:, list(circuit.noradrenaline_pools.values())],
    )
    return [Reading(*row) for row in zip(days, *columns, strict=True)]


def recovery_index(value: float, stuck: float, healthy: float) -> float:
    """Where a value is between the stuck state (0) and health (1); NaN for a patient who was never ill."""
    return (value - stuck) / (healthy - stuck) if stuck != healthy else nan


def connectivity(circuit: Circuit, state: State) -> tuple[float, float]:
    """The primary readout (connectivity C) and the structural one (C_c); healthy: 1 and 1 - l0 - m0."""
    whole, structure = connectivities(circuit, state.as_rows())
    return float(whole[0]), float(structure[0])


def connectivities(circuit: Circuit, states: State) -> tuple[Floats, Floats]:
    """The primary and the structural readout of several states, whose firing has settled if they need it."""
    _, whole, structure = _strengths(circuit, states)
    return _readouts(circuit, whole, states)[:, 0], structure @ circuit.readout_mean


def settled_connectivities(
    circuit: Circuit, states: State, acting: tuple[Floats, Floats], tolerance: float = 1e-6
) -> tuple[Floats, Floats]:
    """As `connectivities`, of states whose firing settles under what acts, if activity is read."""
    if circuit.file.readout.kind == "activity":
        states = settled_states(circuit, states, np.hstack(acting), tolerance)
    return connectivities(circuit, states)


def _readouts(circuit: Circuit, whole: Floats, states: State) -> Floats:
    """(states, readouts) from the whole strength of projections (drive) and from activity."""
    of_strength, of_activity = circuit.readout_weights
    return whole @ of_strength + population_means(circuit, states.x) @ of_activity


def projection_strength(circuit: Circuit, strength: Floats) -> Floats:
    """Strength of every projection relative to health (NaN for projections that are not plastic).

    strength: (plastic synapses,) in drive.
    """
    projection = circuit.wiring.plastic.projection
    sums = np.bincount(projection, strength, len(circuit.healthy_strength))
    return _relative(circuit, sums.astype(float))


def _strengths(circuit: Circuit, states: State) -> Floats:
    """Summed labile, whole and consolidated strength (3, states, projections) in drive."""
    slow = states.slow
    sums = np.zeros((3, len(states.y), len(circuit.healthy_strength)))
    parts = slow.labile, slow.intermediate, slow.consolidated
    add_up(circuit.wiring.groups, *parts, sums)
    return sums


@compiled
def add_up(groups: Groups, labile: Floats, intermediate: Floats, consolidated: Floats, sums: Floats) -> None:
    """Add labile, whole and consolidated strength (states, synapses) to the sums of projections."""
    for row in range(labile.shape[0]):
        for g in range(groups.projection.size):
            fresh, young, old, k = 0.0, 0.0, 0.0, groups.projection[g]
            for j in range(groups.start[g], groups.start[g + 1]):
                fresh += labile[row, j]
                young += intermediate[row, j]
                old += consolidated[row, j]
            sums[0, row, k] += fresh
            sums[1, row, k] += fresh + young + old
            sums[2, row, k] += old


def _relative(circuit: Circuit, sums: Floats) -> Floats:
    healthy = circuit.healthy_strength
    return np.divide(sums, healthy, out=np.full_like(sums, np.nan), where=healthy > 0)


def population_means(circuit: Circuit, values: Floats) -> Floats:
    """Mean over the neurons of each population, of values (..., neurons)."""
    return np.add.reduceat(values, circuit.wiring.populations.first[:-1], axis=-1) / circuit.sizes


def readout_regions(circuit: Circuit) -> list[int]:
    """Regions that the projections of the structural readout connect, in the order of the circuit."""
    names = {end for name in circuit.structural_readout.of for end in projection_ends(name)}
    regions = {circuit.file.populations[name].region for name in names}
    return [k for k, region in enumerate(circuit.regions) if region in regions]


def principal_activity(circuit: Circuit, x: Floats, regions: Sequence[int]) -> Floats:
    """Mean activity (..., regions) of the principal cells of some regions, of activities x (..., neurons).

    These are pyramidal cells, or projection neurons where a region has none.
    """
    means, of = population_means(circuit, x), circuit.wiring.populations
    principal: list[Floats] = []
    for r in regions:
        kinds = [(of.region == r) & (of.cells == cells) for cells in (PYRAMIDAL, PROJECTION_GABA)]
        principal.append(means[..., kinds[0] if kinds[0].any() else kinds[1]].mean(axis=-1))
    return np.stack(principal, axis=-1)


def functional_connectivity(
    circuit: Circuit,
    states: State,
    acting: Floats,
    tolerance: float = 1e-7,
    regions: Sequence[int] | None = None,
) -> Floats:
    """Response (states, regions i, regions j) of region j's principal activity to a small input to region i.

    dx_j / d input_i by an input of 0.01 drive to the principal cells of i, drug and noise on board. acting:
    (states, columns) effects and region inputs. regions: those of the readout if not given.
    """
    regions = readout_regions(circuit) if regions is None else regions
    probed = np.repeat(acting, 1 + len(regions), axis=0)
    for row, region in enumerate(regions, 1):
        probed[row :: 1 + len(regions), FIELDS + region] += PROBE_DRIVE
    activity = principal_activity(circuit, settled_states(circuit, states, probed, tolerance).x, regions)
    activity = activity.reshape(len(acting), 1 + len(regions), len(regions))
    return (activity[:, 1:] - activity[:, :1]) / PROBE_DRIVE


def mean_functional_connectivity(circuit: Circuit, states: State, acting: Floats) -> Floats:
    """Mean response (states,) over ordered pairs of different readout regions."""
    if len(readout_regions(circuit)) < 2:
        return np.full(len(acting), nan)
    response = functional_connectivity(circuit, states, acting)
    return response[:, ~np.eye(response.shape[1], dtype=bool)].mean(axis=1)
