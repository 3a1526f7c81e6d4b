"""What is read from a circuit: connectivity, functional connectivity, and averages by population and region.

C = mean over the readout projections of sum w / sum w0;  C_c the same with consolidated strength alone
"""

from dataclasses import dataclass
from math import nan

import numpy as np

from unstuck.circuit import PYRAMIDAL, Circuit, Floats
from unstuck.engine import kernels
from unstuck.engine.step import State, settle
from unstuck.files.circuit import projection_ends
from unstuck.targets import Effects

PROBE_DRIVE = 0.01  # input of the functional readout (model description, section 9)


@dataclass(frozen=True)
class Reading:
    """What was seen at one moment (day from day 0); arrays by population or region of the circuit."""

    day: float
    connectivity: float
    structure: float
    function: float  # NaN where it was not probed
    activity: Floats
    serotonin_ratio: Floats
    bdnf: Floats
    trkb: Floats
    strength: Floats  # by projection, relative to health; NaN where not plastic
    sensitivity: float


def take_reading(
    circuit: Circuit, day: float, state: State, acting: tuple[Effects, Floats], *, probe: bool
) -> Reading:
    """Read a settled state under the effects and region inputs that act on it."""
    weak, strong = _sums(circuit, state.labile), _sums(circuit, state.consolidated)
    whole, structure = _connectivity(circuit, weak, strong)
    return Reading(
        day,
        whole,
        structure,
        mean_functional_connectivity(circuit, state, *acting) if probe else nan,
        population_means(circuit, state.x),
        state.serotonin_nM / circuit.rules.S0,
        population_means(circuit, state.bdnf),
        population_means(circuit, state.trkb),
        _relative(circuit, weak + strong),
        state.sensitivity,
    )


def projection_strength(circuit: Circuit, strength: Floats) -> Floats:
    """Strength of every projection relative to health (NaN for projections that are not plastic)."""
    return _relative(circuit, _sums(circuit, strength))


def _sums(circuit: Circuit, strength: Floats) -> Floats:
    """Summed strength (drive) of every projection."""
    sums = np.zeros_like(circuit.healthy_strength)
    kernels.add_up(circuit.wiring.plastic.projection, strength, sums)
    return sums


def _relative(circuit: Circuit, sums: Floats) -> Floats:
    healthy = circuit.healthy_strength
    return np.divide(sums, healthy, out=np.full_like(sums, np.nan), where=healthy > 0)


def connectivity(circuit: Circuit, state: State) -> tuple[float, float]:
    """Connectivity C and structural connectivity C_c (healthy: 1 and 1 - l0)."""
    return _connectivity(circuit, _sums(circuit, state.labile), _sums(circuit, state.consolidated))


def _connectivity(circuit: Circuit, weak: Floats, strong: Floats) -> tuple[float, float]:
    healthy, readout = circuit.healthy_strength[circuit.readout], circuit.readout
    labile, consolidated = (weak[readout] / healthy).mean(), (strong[readout] / healthy).mean()
    return float(labile + consolidated), float(consolidated)


def population_means(circuit: Circuit, values: Floats) -> Floats:
    """Mean over the neurons of each population."""
    first = circuit.wiring.first
    return np.add.reduceat(values, first[:-1]) / np.diff(first)


def readout_regions(circuit: Circuit) -> list[int]:
    """Regions that the readout projections connect, in the order of the circuit."""
    names = {end for name in circuit.file.roles.readout for end in projection_ends(name)}
    regions = {circuit.file.populations[name].region for name in names}
    return [k for k, region in enumerate(circuit.regions) if region in regions]


def functional_connectivity(
    circuit: Circuit, state: State, effects: Effects, region_input: Floats, tolerance: float = 1e-7
) -> Floats:
    """Response (regions i, regions j) of region j's principal activity to a small input to region i.

    dx_j / d input_i by an input of 0.01 drive to the principal cells of i, drug and noise on board.
    """
    regions = readout_regions(circuit)
    resting = _principal_activity(circuit, state, effects, region_input, tolerance)
    response = np.empty((len(regions), len(regions)))
    for row, region in enumerate(regions):
        probed = region_input.copy()
        probed[region] += PROBE_DRIVE
        response[row] = _principal_activity(circuit, state, effects, probed, tolerance) - resting
    return response / PROBE_DRIVE


def mean_functional_connectivity(
    circuit: Circuit, state: State, effects: Effects, region_input: Floats
) -> float:
    """Mean response over ordered pairs of different readout regions."""
    response = functional_connectivity(circuit, state, effects, region_input)
    return float(response[~np.eye(len(response), dtype=bool)].mean())


def _principal_activity(
    circuit: Circuit, state: State, effects: Effects, region_input: Floats, tolerance: float
) -> Floats:
    x, serotonin_nM = state.x.copy(), state.serotonin_nM.copy()
    settle(circuit, state.y, x, serotonin_nM, effects, region_input, tolerance)
    means, w = population_means(circuit, x), circuit.wiring
    return np.array(
        [means[(w.region == r) & (w.cells == PYRAMIDAL)].mean() for r in readout_regions(circuit)]
    )
