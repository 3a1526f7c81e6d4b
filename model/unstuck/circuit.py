# Not strict: networkx has no complete types.
# pyright: standard
"""A circuit file becomes a graph of regions, and the graph becomes neurons and synapses as arrays.

    circuit file -> CircuitFile (checked) -> networkx graph -> Circuit (arrays, CSR by postsynaptic neuron)

The network draws heterogeneous neurons and sparse random synapses; `mean_field_circuit` makes the same
circuit with one average neuron a population, so that engine and rules serve both. The healthy state is an
exact fixed point of either, because every neuron's bias is set to make it one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import networkx
import numpy as np
import numpy.typing as npt

from unstuck.files.circuit import CircuitFile, projection_ends
from unstuck.files.yaml import InputError
from unstuck.parameters import ParameterSet, RuleParameters
from unstuck.rules.firing import needed_drive
from unstuck.rules.receptors import hill

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Indices = npt.NDArray[np.uint32]
Groups = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.uint16]

PYRAMIDAL, INTERNEURON, SEROTONERGIC = 0, 1, 2
CELL_TYPES = {"pyramidal": PYRAMIDAL, "interneuron": INTERNEURON, "serotonergic": SEROTONERGIC}

SET_POINT_SIGMA = 0.4  # lognormal spread of set-points (Mizuseki & Buzsaki 2013: rates are lognormal)
WEIGHT_SIGMA = 0.5  # lognormal spread of synaptic weights (Buzsaki & Mizuseki 2014, PMC4051294)
SMALLEST, LARGEST = 100, 50_000


class Synapses(NamedTuple):
    """Synapses in CSR form: those onto neuron i are start[i] to start[i + 1]."""

    start: npt.NDArray[np.uint64]
    pre: Indices
    weight: Floats
    projection: Numbers


class Wiring(NamedTuple):
    """All that the compiled kernels need of a circuit; neurons are sorted by population."""

    first: Integers  # (populations + 1,) first neuron of each population
    region: Integers  # (populations,)
    cells: Integers  # (populations,) PYRAMIDAL, INTERNEURON or SEROTONERGIC
    nmda_share: Floats  # (populations,)
    stress_drive: Floats  # (populations,) drive at full stress
    uncleared: Floats  # (regions,) share k_r of serotonin not cleared by SERT
    source: int  # population that releases serotonin
    bias: Floats  # (neurons,)
    scaling: Floats  # (neurons,) q
    set_point_Hz: Floats  # (neurons,)
    maximal_Hz: Floats  # (neurons,)
    excitatory: Synapses  # not plastic
    inhibitory: Synapses
    plastic: Synapses  # weight is the healthy weight w0


@dataclass(frozen=True)
class Circuit:
    """A circuit ready to run: names, graph and arrays, by `network_circuit` or `mean_field_circuit`."""

    file: CircuitFile
    parameters: ParameterSet
    rules: RuleParameters
    graph: networkx.DiGraph
    wiring: Wiring

    @property
    def regions(self) -> list[str]:
        """Names of the regions, in the order of every array by region."""
        return list(self.file.regions)

    @property
    def populations(self) -> list[str]:
        """Names of the populations, in the order of every array by population."""
        return list(self.file.populations)

    @property
    def projections(self) -> list[str]:
        """Names of the projections; synapses carry the position in this list."""
        return list(self.file.projections)

    @cached_property
    def healthy_strength(self) -> Floats:
        """Summed healthy weight of every projection (0 where it is not plastic)."""
        plastic = self.wiring.plastic
        sums = np.bincount(plastic.projection, weights=plastic.weight, minlength=len(self.file.projections))
        return sums.astype(float)

    @cached_property
    def readout(self) -> list[int]:
        """Positions of the readout projections."""
        return [self.projections.index(name) for name in self.file.roles.readout]

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.wiring.bias)

    def population_of(self, neuron: int) -> str:
        """The population that a neuron belongs to."""
        return self.populations[int(np.searchsorted(self.wiring.first, neuron, side="right")) - 1]

    def members(self, population: str) -> slice:
        """The neurons of a population."""
        position = self.populations.index(population)
        return slice(int(self.wiring.first[position]), int(self.wiring.first[position + 1]))


def _graph(file: CircuitFile, parameters: ParameterSet) -> networkx.DiGraph:
    """The populations as nodes and the projections as edges, weights worked out."""
    graph = networkx.DiGraph(title=file.title)
    for name, population in file.populations.items():
        position = file.regions[population.region].position
        graph.add_node(name, region=population.region, cells=population.cells, position=position)
    for name, projection in file.projections.items():
        pre, post = projection_ends(name)
        weight = parameters.number(projection.weight) * parameters.number(projection.times)
        if weight < 0:
            raise ValueError(f"projection {name}: weight {weight:g} is negative")
        graph.add_edge(pre, post, name=name, weight=weight, plastic=projection.plastic)
    return graph


def _sizes(shares: list[float], neurons: int) -> list[int]:
    """Neurons by population that add up to `neurons`, largest remainders first, at least 2 each."""
    if 2 * len(shares) > neurons:
        raise InputError(f"{neurons} neurons for {len(shares)} populations: at least 2 each")
    exact = np.array(shares) / sum(shares) * neurons
    sizes = np.maximum(np.floor(exact), 2).astype(int)
    for position in np.argsort(np.floor(exact) - exact)[: max(0, neurons - int(sizes.sum()))]:
        sizes[position] += 1
    while sizes.sum() > neurons:  # the least of tiny populations is taken from the largest
        sizes[int(sizes.argmax())] -= 1
    return sizes.tolist()


def _distinct_inputs(targets: int, available: int, inputs: int, rng: np.random.Generator) -> Integers:
    """For each target `inputs` different numbers below `available`, uniformly."""
    if available <= 4 * inputs:
        return np.argsort(rng.random((targets, available)), axis=1)[:, :inputs]
    chosen = np.sort(rng.integers(available, size=(targets, inputs)), axis=1)
    while True:
        repeated = np.zeros(chosen.shape, dtype=bool)
        repeated[:, 1:] = chosen[:, 1:] == chosen[:, :-1]
        if not repeated.any():
            return chosen
        chosen[repeated] = rng.integers(available, size=int(repeated.sum()))
        chosen.sort(axis=1)


def _random_projection(
    pre: slice, post: slice, inputs: int, weight: float, spread: float, rng: np.random.Generator
) -> tuple[Integers, Floats]:
    """Presynaptic neurons and lognormal weights (targets, inputs); each row adds up to `weight`."""
    targets, available = post.stop - post.start, pre.stop - pre.start
    recurrent = pre == post
    inputs = min(inputs, available - recurrent)
    chosen = _distinct_inputs(targets, available - recurrent, inputs, rng)
    if recurrent:  # no neuron projects to itself: skip over the target's own number
        chosen = chosen + (chosen >= np.arange(targets)[:, None])
    relative = rng.lognormal(0.0, spread * WEIGHT_SIGMA, size=chosen.shape)
    return chosen + pre.start, weight * relative / relative.sum(axis=1, keepdims=True)


def _synapses(rows: list[tuple[Integers, Integers, Floats, int]], neurons: int) -> Synapses:
    """Join projections, given as (targets, presynaptic, weights, number), into one CSR by target."""
    if not rows:
        return Synapses(
            np.zeros(neurons + 1, np.uint64), np.zeros(0, np.uint32), np.zeros(0), np.zeros(0, np.uint16)
        )
    post = np.concatenate([np.repeat(targets, pre.shape[1]) for targets, pre, _, _ in rows])
    order = np.argsort(post, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(post, minlength=neurons))])
    pre = np.concatenate([pre.ravel() for _, pre, _, _ in rows])[order]
    weight = np.concatenate([weight.ravel() for _, _, weight, _ in rows])[order]
    projection = np.concatenate([np.full(pre.size, number) for _, pre, _, number in rows])[order]
    return Synapses(start.astype(np.uint64), pre.astype(np.uint32), weight, projection.astype(np.uint16))


def _row_sums(synapses: Synapses) -> Floats:
    """Sum of weights onto each neuron."""
    in_degree = np.diff(synapses.start.astype(np.int64))
    target = np.repeat(np.arange(len(in_degree)), in_degree)
    return np.bincount(target, weights=synapses.weight, minlength=len(in_degree)).astype(float)


def _healthy_bias(wiring: Wiring, p: RuleParameters) -> Floats:
    """Bias at which every neuron fires at its set-point in health: all x = 1, serotonin at S0, no drug."""
    needed = np.sqrt(wiring.set_point_Hz / (wiring.maximal_Hz - wiring.set_point_Hz))
    received = _row_sums(wiring.excitatory) + _row_sums(wiring.plastic) - _row_sums(wiring.inhibitory)
    of_cells = np.repeat(wiring.cells, np.diff(wiring.first))
    received[of_cells == SEROTONERGIC] -= p.g1A * hill(p.S0, p.K1A, 1.0)
    return needed - wiring.scaling * received


# How one projection is wired: (presynaptic, postsynaptic, in-degree, weight) -> inputs and weights by target.
Wire = Callable[[slice, slice, int, float], tuple[Integers, Floats]]


def _one_average_input(pre: slice, post: slice, _inputs: int, weight: float) -> tuple[Integers, Floats]:
    """The mean-field's projection: the average presynaptic neuron with the whole weight."""
    targets = post.stop - post.start
    return np.full((targets, 1), pre.start), np.full((targets, 1), weight)


def _wire_all(file: CircuitFile, graph: networkx.DiGraph, first: Integers, wire: Wire) -> dict[str, Synapses]:
    """Synapses of the three kinds: excitatory (fixed), inhibitory and plastic."""
    names = list(file.populations)
    members = {name: slice(int(first[k]), int(first[k + 1])) for k, name in enumerate(names)}
    kinds: dict[str, list[tuple[Integers, Integers, Floats, int]]] = {
        "excitatory": [],
        "inhibitory": [],
        "plastic": [],
    }
    for number, (name, projection) in enumerate(file.projections.items()):
        pre, post = projection_ends(name)
        weight = graph.edges[pre, post]["weight"]
        inputs, weights = wire(members[pre], members[post], projection.inputs, weight)
        fixed = "inhibitory" if file.populations[pre].cells == "interneuron" else "excitatory"
        targets = np.arange(members[post].start, members[post].stop)
        kinds["plastic" if projection.plastic else fixed].append((targets, inputs, weights, number))
    return {kind: _synapses(rows, int(first[-1])) for kind, rows in kinds.items()}


def _assemble(
    file: CircuitFile, parameters: ParameterSet, sizes: list[int], set_point_Hz: Floats, wire: Wire
) -> Circuit:
    """Wire neurons of given set-points and balance each one's bias."""
    graph, rules = _graph(file, parameters), parameters.for_rules()
    populations, names, regions = list(file.populations.values()), list(file.populations), list(file.regions)
    maximal = np.repeat([p.maximal_Hz for p in populations], sizes)
    typical = np.repeat([needed_drive(p.set_point_Hz, p.maximal_Hz) for p in populations], sizes)
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    stress = {name: parameters.number(drive) for name, drive in file.roles.stress_input.items()}
    wiring = Wiring(
        first=first,
        region=np.array([regions.index(p.region) for p in populations]),
        cells=np.array([CELL_TYPES[p.cells] for p in populations]),
        nmda_share=np.array([parameters.number(p.nmda_share) for p in populations]),
        stress_drive=np.array([stress.get(name, 0.0) for name in names]),
        uncleared=np.array([parameters.number(r.uncleared_serotonin) for r in file.regions.values()]),
        source=names.index(file.roles.serotonin_source),
        bias=np.zeros(int(first[-1])),
        scaling=np.sqrt(set_point_Hz / (maximal - set_point_Hz)) / typical,
        set_point_Hz=set_point_Hz,
        maximal_Hz=maximal.astype(float),
        **_wire_all(file, graph, first, wire),
    )
    return Circuit(file, parameters, rules, graph, wiring._replace(bias=_healthy_bias(wiring, rules)))


def network_circuit(
    file: CircuitFile,
    parameters: ParameterSet,
    neurons: int,
    rng: np.random.Generator,
    *,
    spread: float = 1.0,
) -> Circuit:
    """A network of heterogeneous neurons with sparse random synapses (ValueError outside 100 to 50,000).

    spread scales the lognormal spreads of set-points and weights; at 0 all neurons of a population are equal.
    """
    if not SMALLEST <= neurons <= LARGEST:
        raise InputError(f"{neurons} neurons: a network has {SMALLEST} to {LARGEST}")
    populations = list(file.populations.values())
    sizes = _sizes([p.share for p in populations], neurons)
    typical = np.repeat([p.set_point_Hz for p in populations], sizes)
    maximal = np.repeat([p.maximal_Hz for p in populations], sizes)
    sigma = spread * SET_POINT_SIGMA
    set_point_Hz = np.minimum(typical * rng.lognormal(-0.5 * sigma**2, sigma, len(typical)), 0.5 * maximal)

    def wire(pre: slice, post: slice, inputs: int, weight: float) -> tuple[Integers, Floats]:
        return _random_projection(pre, post, inputs, weight, spread, rng)

    return _assemble(file, parameters, sizes, set_point_Hz, wire)


def mean_field_circuit(file: CircuitFile, parameters: ParameterSet) -> Circuit:
    """The population average of the same circuit: one neuron a population, one synapse a projection."""
    set_points = np.array([p.set_point_Hz for p in file.populations.values()])
    return _assemble(file, parameters, [1] * len(set_points), set_points, _one_average_input)
