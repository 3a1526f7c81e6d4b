"""Sweeps in ANNarchy: a rate-coded population, one thread, generated C++."""

# pyright: reportMissingImports=false

import ANNarchy as ann
import scipy.sparse
from peer import NETWORK, PATH, SWEEPS, answer, timed

net = ann.Network(dt=float(NETWORK["share"]))
neuron = ann.Neuron(
    parameters={"tau": 1.0, "bias": ann.Parameter(0.0, "local"), "highest": ann.Parameter(1.0, "local")},
    equations=["I = pos(bias + sum(exc))", "tau * dr/dt + r = highest * I^2 / (1 + I^2)"],
)
count = len(NETWORK["x"])
population = net.create(count, neuron)
weights = scipy.sparse.csc_matrix((NETWORK["weight"], (NETWORK["pre"], NETWORK["post"])), (count, count))
net.connect(population, population, "exc").from_sparse(weights)
net.compile(directory=str(PATH.with_name("annarchy_code")), silent=True)
population.bias, population.highest = NETWORK["bias"], NETWORK["highest"]


def a_round():
    """Make the sweeps from the same start."""
    population.r = NETWORK["x"]
    return timed(lambda: net.simulate((SWEEPS - 0.5) * net.dt)), population.r


answer(a_round)
