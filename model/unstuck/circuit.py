# Not strict: networkx has no complete types.
# pyright: standard
"""A circuit file becomes neurons and synapses as arrays.

    circuit file -> CircuitFile (checked) -> Circuit (arrays, sorted by postsynaptic neuron) -> networkx graph

The network draws heterogeneous neurons and sparse random synapses; `mean_field_circuit` makes the same
circuit with one average neuron per population, so that engine and rules serve both. The healthy state is an
exact fixed point of either, because every neuron's bias is set to make it one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import networkx
import numpy as np
import numpy.typing as npt

from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile, ReadoutFile, projection_ends
from unstuck.parameters import ParameterSet
from unstuck.rules import Rules, healthy_loss, healthy_potentiation, rules_of
from unstuck.rules.firing import needed_drive
from unstuck.rules.monoamine import autoreceptor_drive, autoreceptor_inhibition
from unstuck.state import Floats, Integers, Layout, Positions, State, bound

Indices = npt.NDArray[np.uint32]
Numbers = npt.NDArray[np.uint16]

PYRAMIDAL, INTERNEURON, SEROTONERGIC, PROJECTION_GABA, NORADRENERGIC = range(5)
CELL_TYPES = {
    "pyramidal": PYRAMIDAL,
    "interneuron": INTERNEURON,
    "serotonergic": SEROTONERGIC,
    "projection_gaba": PROJECTION_GABA,
    "noradrenergic": NORADRENERGIC,
}

# Columns of `Populations.traits`: the key in the file of the population, and the sign of its number.
NMDA_SHARE, AMPA_SHARE, GAIN_5HT1B, GAIN_5HT2A, HETERORECEPTOR, RECEPTOR_5HT2C = range(6)
STRESS_LOWERS_BDNF, SEROTONIN_RAISES_BDNF, SCAR_LOWERS_BDNF, HEALING, HOMEOSTASIS = range(6, 11)
NORADRENALINE_RAISES_BDNF = 11
TRAITS = (
    *(("nmda_share", 1.0), ("ampa_share", 1.0), ("gain_5ht1b", 1.0), ("gain_5ht2a", 1.0)),
    *(("heteroreceptor", 1.0), ("receptor_5ht2c", 1.0), ("stress_on_bdnf", -1.0)),
    *(("serotonin_on_bdnf", 1.0), ("scar_on_bdnf", -1.0), ("healing", 1.0), ("homeostasis", 1.0)),
    ("noradrenaline_on_bdnf", 1.0),
)
# Columns of traits that are worked out: drive at full stress; strength and half-effect of the autoreceptor,
# and whether it is 5-HT1A, on which drugs act; pool of the monoamine around it.
STRESS_DRIVE, AUTORECEPTOR, HALF_AUTORECEPTOR, IS_5HT1A, OWN_POOL = range(12, 17)
# Columns of `Wiring.projection_traits`: largest strength, core (shares of healthy), and rates that follow.
LARGEST_STRENGTH, CORE, POTENTIATION, LOSS = range(4)

SET_POINT_SIGMA = 0.4  # lognormal spread of set-points (Mizuseki & Buzsaki 2013: rates are lognormal)
WEIGHT_SIGMA = 0.5  # lognormal spread of synaptic weights (Buzsaki & Mizuseki 2014, PMC4051294)
SMALLEST, LARGEST = 100, 50_000


class Synapses(NamedTuple):
    """Synapses sorted by target: those onto neuron i are start[i] to start[i + 1]."""

    start: Positions
    pre: Indices
    weight: Floats
    projection: Numbers


class Groups(NamedTuple):
    """Plastic synapses onto one neuron by one projection; neuron i has groups onto[i] to onto[i + 1]."""

    onto: Positions  # (neurons + 1,)
    start: Positions  # (groups + 1,) first synapse of each group
    projection: Numbers  # (groups,)


class Populations(NamedTuple):
    """What the neurons of a population have in common, by population."""

    first: Integers  # (populations + 1,) first neuron of each population
    region: Integers
    cells: Integers  # one of CELL_TYPES
    source: Integers  # number of a serotonergic population among the serotonergic ones; else -1
    traits: Floats  # (populations, traits) numbers with names as NMDA_SHARE


class Wiring(NamedTuple):
    """All that compiled code needs of a circuit; neurons are sorted by population.

    A pool is the serotonin of one region, in their order. In a circuit with noradrenaline as many pools of
    noradrenaline follow, of which those that nothing feeds stay empty.
    """

    populations: Populations
    regions: int
    feeder: Integers  # (pools,) population that releases the monoamine there; -1: none
    uncleared: Floats  # (pools,) share k that its transporter does not clear
    sources: Integers  # (sources,) the serotonergic populations
    population: Numbers  # (neurons,)
    bias: Floats  # (neurons,)
    scaling: Floats  # (neurons,) q
    highest_activity: Floats  # (neurons,) rmax / r*
    excitatory: Synapses  # not plastic
    inhibitory: Synapses
    plastic: Synapses  # weight is the healthy weight w0
    groups: Groups  # of plastic synapses
    projection_pre: Integers  # (projections,) population
    projection_post: Integers  # (projections,) population
    projection_traits: Floats  # (projections, 4) of plastic ones, with names as LARGEST_STRENGTH
    fixed_excitation: Floats  # (populations, populations) mean weight onto a neuron of i from all of j
    fixed_inhibition: Floats


@dataclass(frozen=True)
class Circuit:
    """A circuit ready to run: names and arrays, by `network_circuit` or `mean_field_circuit`."""

    file: CircuitFile
    parameters: ParameterSet
    rules: Rules
    wiring: Wiring
    layout: Layout
    set_point_Hz: Floats  # (neurons,)
    projection_weight: Floats  # (projections,) healthy drive onto one target neuron

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
    def healthy_nM(self) -> Floats:
        """Healthy concentration of the monoamine of every pool."""
        serotonin = np.arange(len(self.wiring.feeder)) < self.wiring.regions
        return np.where(serotonin, self.rules.serotonin.S0, self.rules.noradrenaline.S0)

    @property
    def pool_names(self) -> list[str]:
        """What each pool is, for messages: "serotonin in mPFC"."""
        names = [f"{what} in {r}" for what in ("serotonin", "noradrenaline") for r in self.regions]
        return names[: len(self.wiring.feeder)]

    @cached_property
    def noradrenaline_pools(self) -> dict[str, int]:
        """Pools of noradrenaline by the region that they are in."""
        return {r: len(self.regions) + self.regions.index(r) for r in self.file.noradrenaline_feeders}

    @cached_property
    def healthy_strength(self) -> Floats:
        """Summed healthy weight of every projection (0 where it is not plastic)."""
        plastic = self.wiring.plastic
        sums = np.bincount(plastic.projection, weights=plastic.weight, minlength=len(self.file.projections))
        return sums.astype(float)

    @cached_property
    def readout(self) -> list[int]:
        """Positions of the projections of the structural readout."""
        return [self.projections.index(name) for name in self.structural_readout.of]

    @property
    def structural_readout(self) -> ReadoutFile:
        """The first readout of strength, the primary one if it is; of no projection if there is none."""
        readouts = self.file.all_readouts.values()
        none = ReadoutFile.model_construct(kind="strength", ill_when="weaker", of=[], ill_at=None)
        return next((readout for readout in readouts if readout.kind == "strength"), none)

    @cached_property
    def readout_mean(self) -> Floats:
        """Weights by projection whose sum over summed strengths (drive) is the structural readout."""
        return self.mean_strength(self.structural_readout)

    @cached_property
    def readout_weights(self) -> tuple[Floats, Floats]:
        """Weights of every readout, by projection for strength and by population for activity."""
        all_readouts = self.file.all_readouts.values()
        none = np.zeros(len(self.projections)), np.zeros(len(self.populations))
        strength = [self.mean_strength(r) if r.kind == "strength" else none[0] for r in all_readouts]
        activity = [none[1] if r.kind == "strength" else self.mean_activity(r) for r in all_readouts]
        return np.stack(strength, axis=1), np.stack(activity, axis=1)

    def mean_strength(self, readout: ReadoutFile) -> Floats:
        """Weights by projection whose sum over summed strengths (drive) is a readout of strength."""
        weights = np.zeros(len(self.projections))
        read = [self.projections.index(name) for name in readout.of]
        weights[read] = 1.0 / (self.healthy_strength[read] * len(read))
        return weights

    def mean_activity(self, readout: ReadoutFile) -> Floats:
        """Weights by population whose sum over mean activities is a readout of activity, 1 in health."""
        weights = np.zeros(len(self.populations))
        weights[[self.populations.index(name) for name in readout.of]] = 1.0 / len(readout.of)
        return weights

    @cached_property
    def sizes(self) -> Integers:
        """Number of neurons of each population."""
        return np.diff(self.wiring.populations.first)

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.set_point_Hz)

    def population_of(self, neuron: int) -> str:
        """The population that a neuron belongs to."""
        return self.populations[int(self.wiring.population[neuron])]

    def members(self, population: str) -> slice:
        """The neurons of a population."""
        first, position = self.wiring.populations.first, self.populations.index(population)
        return slice(int(first[position]), int(first[position + 1]))

    @property
    def graph(self) -> networkx.DiGraph:
        """Populations as nodes and projections as edges; plain attributes, which every format can write."""
        graph = networkx.DiGraph(title=self.file.title)
        for (name, population), size in zip(self.file.populations.items(), self.sizes.tolist(), strict=True):
            left, up = self.file.regions[population.region].position
            graph.add_node(name, region=population.region, cells=population.cells, neurons=size, x=left, y=up)
        weights = self.projection_weight.tolist()
        for (name, projection), weight in zip(self.file.projections.items(), weights, strict=True):
            pre, post = projection_ends(name)
            sign = -1 if self.file.populations[pre].inhibits else 1
            graph.add_edge(pre, post, name=name, weight=weight, sign=sign, plastic=projection.plastic)
        return graph

    def graph_in(self, activity: Floats, strength: Floats) -> networkx.DiGraph:
        """The graph in one state.

        Nodes carry `activity`; edges carry `strength` (healthy = 1) and `weight` (drive, strength included).

        Args:
            activity: (populations,) mean activity.
            strength: (projections,) relative to health; NaN where not plastic.
        """
        graph = self.graph
        for name, value in zip(self.populations, activity.tolist(), strict=True):
            graph.nodes[name]["activity"] = value
        known = dict(zip(self.projections, np.nan_to_num(strength, nan=1.0).tolist(), strict=True))
        for _, _, edge in graph.edges(data=True):
            edge["strength"] = known[edge["name"]]
            edge["weight"] *= edge["strength"]
        return graph


def healthy_state(circuit: Circuit) -> State:
    """The healthy state: every activity 1, every slow variable its healthy value."""
    y = circuit.layout.filled(lambda variable: bound(variable.healthy, circuit.parameters))
    return State(y, np.ones(circuit.neurons), circuit.healthy_nM.copy(), circuit.layout)


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
    """Join projections, given as (targets, presynaptic, weights, number), sorted by target."""
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


def _groups(plastic: Synapses) -> Groups:
    """The groups of plastic synapses: a new one begins with every neuron and every projection."""
    begins = np.flatnonzero(np.diff(plastic.projection.astype(int), prepend=-1))
    begins = np.union1d(begins, plastic.start[:-1][np.diff(plastic.start) > 0]).astype(np.uint64)
    onto, size = np.searchsorted(begins, plastic.start), np.uint64(len(plastic.pre))
    return Groups(onto.astype(np.uint64), np.append(begins, size), plastic.projection[begins])


def _row_sums(synapses: Synapses) -> Floats:
    """Sum of weights onto each neuron."""
    in_degree = np.diff(synapses.start.astype(np.int64))
    target = np.repeat(np.arange(len(in_degree)), in_degree)
    return np.bincount(target, weights=synapses.weight, minlength=len(in_degree)).astype(float)


def _healthy_bias(wiring: Wiring, p: Rules) -> Floats:
    """Bias at which every neuron fires at its set-point in health: all x = 1, monoamines at S0, no drug."""
    needed = 1.0 / np.sqrt(wiring.highest_activity - 1.0)
    received = _row_sums(wiring.excitatory) + _row_sums(wiring.plastic) - _row_sums(wiring.inhibitory)
    for cells, monoamine in ((SEROTONERGIC, p.serotonin), (NORADRENERGIC, p.noradrenaline)):
        drive = autoreceptor_drive(monoamine.S0, 0.0, 0.0, monoamine.KA)
        braked = wiring.populations.cells[wiring.population] == cells
        received[braked] -= autoreceptor_inhibition(monoamine.gA, 1.0, drive)
    return needed - wiring.scaling * received


# How one projection is wired: (presynaptic, postsynaptic, in-degree, weight) -> inputs and weights by target.
Wire = Callable[[slice, slice, int, float], tuple[Integers, Floats]]


def _one_average_input(pre: slice, post: slice, _inputs: int, weight: float) -> tuple[Integers, Floats]:
    """The mean-field's projection: the average presynaptic neuron with the whole weight."""
    targets = post.stop - post.start
    return np.full((targets, 1), pre.start), np.full((targets, 1), weight)


def _projection_weights(file: CircuitFile, parameters: ParameterSet) -> Floats:
    """Healthy drive of every projection onto one target neuron."""
    weights = [parameters.number(p.weight) * parameters.number(p.times) for p in file.projections.values()]
    for name, weight in zip(file.projections, weights, strict=True):
        if weight < 0:
            raise ValueError(f"projection {name}: weight {weight:g} is negative")
    return np.array(weights)


def _wire_all(file: CircuitFile, weights: Floats, first: Integers, wire: Wire) -> dict[str, Synapses]:
    """Synapses of the three kinds: excitatory (fixed), inhibitory and plastic."""
    members = {name: slice(int(first[k]), int(first[k + 1])) for k, name in enumerate(file.populations)}
    kinds: dict[str, list[tuple[Integers, Integers, Floats, int]]] = {
        "excitatory": [],
        "inhibitory": [],
        "plastic": [],
    }
    for number, (name, projection) in enumerate(file.projections.items()):
        pre, post = projection_ends(name)
        inputs, drive = wire(members[pre], members[post], projection.inputs, float(weights[number]))
        fixed = "inhibitory" if file.populations[pre].inhibits else "excitatory"
        targets = np.arange(members[post].start, members[post].stop)
        kinds["plastic" if projection.plastic else fixed].append((targets, inputs, drive, number))
    return {kind: _synapses(rows, int(first[-1])) for kind, rows in kinds.items()}


def _autoreceptor(cells: str, rules: Rules) -> tuple[float, float, float]:
    """The traits of the autoreceptor of cells of this type, the pool aside; strength 0: they have none."""
    monoamine = {"serotonergic": rules.serotonin, "noradrenergic": rules.noradrenaline}.get(cells)
    return (monoamine.gA, monoamine.KA, float(cells == "serotonergic")) if monoamine else (0.0, 1.0, 0.0)


def _populations(file: CircuitFile, parameters: ParameterSet, rules: Rules, first: Integers) -> Populations:
    """What the neurons of each population have in common."""
    populations, regions = file.populations.values(), list(file.regions)
    stress = {name: parameters.number(drive) for name, drive in file.roles.stress_input.items()}
    sources = list(file.serotonin_sources)
    return Populations(
        first=first,
        region=np.array([regions.index(p.region) for p in populations]),
        cells=np.array([CELL_TYPES[p.cells] for p in populations]),
        source=np.array([sources.index(name) if name in sources else -1 for name in file.populations]),
        traits=np.array(
            [
                [
                    *(sign * parameters.number(p.trait(key)) for key, sign in TRAITS),
                    stress.get(name, 0.0),
                    *_autoreceptor(p.cells, rules),
                    regions.index(p.region) + (len(regions) if p.cells == "noradrenergic" else 0),
                ]
                for name, p in file.populations.items()
            ]
        ),
    )


def _pools(file: CircuitFile, parameters: ParameterSet) -> tuple[Integers, Floats]:
    """Feeder and uncleared share of every pool of serotonin, then of those of noradrenaline."""
    names, fed = list(file.populations), file.noradrenaline_feeders
    pools = [(file.feeder_of(name), region.uncleared_serotonin) for name, region in file.regions.items()]
    if fed:
        pools += [fed.get(region, ("", 1.0)) for region in file.regions]
    feeder = np.array([names.index(name) if name else -1 for name, _ in pools])
    return feeder, np.array([parameters.number(share) for _, share in pools])


def _projection_traits(file: CircuitFile, parameters: ParameterSet) -> Floats:
    """(projections, 4): largest strength, core, and the rates at which a plastic projection is constant in
    health.

    Raises:
        ValueError: the healthy shares of strength leave nothing to be lost, or strength cannot grow.
    """
    traits = np.zeros((len(file.projections), 4))
    for row, (name, projection) in zip(traits, file.projections.items(), strict=True):
        if not projection.plastic:
            continue
        largest, core = parameters.number(projection.largest), parameters.number(projection.core)
        if largest <= 1.0 or parameters["l0"] + parameters["m0"] + core >= 1.0:
            raise ValueError(
                f"projection {name}: largest {largest:g} must be above 1, and l0 + m0 + core ="
                f" {parameters['l0'] + parameters['m0'] + core:g} below 1"
            )
        row[:] = largest, core, healthy_potentiation(parameters, largest), healthy_loss(parameters, core)
    return traits


def _means_between(
    file: CircuitFile, weights: Floats, synapses: Synapses, ends: tuple[Integers, Integers]
) -> Floats:
    """(populations, populations): total weight onto one neuron of the row from all of the column."""
    means = np.zeros((len(file.populations), len(file.populations)))
    for number in np.unique(synapses.projection):
        means[ends[1][number], ends[0][number]] += weights[number]
    return means


def _rates_Hz(file: CircuitFile, parameters: ParameterSet) -> tuple[Floats, Floats]:
    """Set-point and maximal rate of each population.

    Raises:
        InputError: a set-point is above half of the maximal rate, so that there is no healthy state.
    """
    rates = [
        (parameters.number(p.set_point_Hz), parameters.number(p.maximal_Hz))
        for p in file.populations.values()
    ]
    for name, (set_point_Hz, maximal_Hz) in zip(file.populations, rates, strict=True):
        if not 0.0 < set_point_Hz <= 0.5 * maximal_Hz:
            raise InputError(
                f"population {name}: set_point_Hz {set_point_Hz:g} must be above 0 and at most half of"
                f" maximal_Hz {maximal_Hz:g}"
            )
    return np.array([rate for rate, _ in rates]), np.array([most for _, most in rates])


def _assemble(
    file: CircuitFile, parameters: ParameterSet, sizes: list[int], set_point_Hz: Floats, wire: Wire
) -> Circuit:
    """Wire neurons of given set-points and balance each one's bias."""
    parameters = file.with_own_parameters(parameters)
    rules, weights = rules_of(parameters), _projection_weights(file, parameters)
    typical_Hz, most_Hz = _rates_Hz(file, parameters)
    names, first = list(file.populations), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    maximal_Hz, typical_Hz = np.repeat(most_Hz, sizes), np.repeat(typical_Hz, sizes)
    synapses = _wire_all(file, weights, first, wire)
    pairs = [[names.index(end) for end in projection_ends(name)] for name in file.projections]
    pre, post = np.array(pairs).T.copy()
    feeder, uncleared = _pools(file, parameters)
    wiring = Wiring(
        populations=_populations(file, parameters, rules, first),
        regions=len(file.regions),
        feeder=feeder,
        uncleared=uncleared,
        sources=np.array([names.index(name) for name in file.serotonin_sources]),
        population=np.repeat(np.arange(len(sizes)), sizes).astype(np.uint16),
        bias=np.zeros(int(first[-1])),
        scaling=_needed(set_point_Hz, maximal_Hz) / _needed(typical_Hz, maximal_Hz),
        highest_activity=maximal_Hz / set_point_Hz,
        **synapses,
        groups=_groups(synapses["plastic"]),
        projection_pre=pre,
        projection_post=post,
        projection_traits=_projection_traits(file, parameters),
        fixed_excitation=_means_between(file, weights, synapses["excitatory"], (pre, post)),
        fixed_inhibition=_means_between(file, weights, synapses["inhibitory"], (pre, post)),
    )
    wiring = wiring._replace(bias=_healthy_bias(wiring, rules))
    plastic, populations, sources = wiring.plastic, len(sizes), len(wiring.sources)
    layout = Layout.of(len(set_point_Hz), plastic.weight, populations, sources)
    return Circuit(file, parameters, rules, wiring, layout, set_point_Hz, weights)


def _needed(rate_Hz: Floats, maximal_Hz: Floats) -> Floats:
    """Drive that each neuron needs to fire at a rate."""
    return np.array([needed_drive(*rates) for rates in zip(rate_Hz, maximal_Hz, strict=True)])


def network_circuit(
    file: CircuitFile,
    parameters: ParameterSet,
    neurons: int,
    rng: np.random.Generator,
    *,
    spread: float = 1.0,
) -> Circuit:
    """A network of heterogeneous neurons with sparse random synapses.

    spread scales the lognormal spreads of set-points and weights; at 0 all neurons of a population are equal.

    Raises:
        InputError: fewer than 100 or more than 50,000 neurons.
    """
    if not SMALLEST <= neurons <= LARGEST:
        raise InputError(f"{neurons} neurons: a network has {SMALLEST} to {LARGEST}")
    parameters = file.with_own_parameters(parameters)
    sizes = _sizes([p.share for p in file.populations.values()], neurons)
    typical, maximal = (np.repeat(rates, sizes) for rates in _rates_Hz(file, parameters))
    sigma = spread * SET_POINT_SIGMA
    set_point_Hz = np.minimum(typical * rng.lognormal(-0.5 * sigma**2, sigma, len(typical)), 0.5 * maximal)

    def wire(pre: slice, post: slice, inputs: int, weight: float) -> tuple[Integers, Floats]:
        return _random_projection(pre, post, inputs, weight, spread, rng)

    return _assemble(file, parameters, sizes, set_point_Hz, wire)


def mean_field_circuit(file: CircuitFile, parameters: ParameterSet) -> Circuit:
    """The population average of the same circuit: one neuron per population, one synapse per projection."""
    set_points, _ = _rates_Hz(file, file.with_own_parameters(parameters))
    return _assemble(file, parameters, [1] * len(set_points), set_points, _one_average_input)
