"""Sweeps in Brian2, standalone C++: a rate model with summed variables, solved by Euler steps."""

# pyright: reportMissingImports=false

from pathlib import Path

import brian2 as b
from peer import NETWORK, PATH, SWEEPS, answer

b.set_device("cpp_standalone", directory=str(PATH.with_suffix(".brian2")), build_on_run=False)
b.defaultclock.dt = float(NETWORK["share"]) * b.second
neurons = b.NeuronGroup(
    len(NETWORK["x"]),
    """
    dx/dt = (highest * I**2 / (1 + I**2) - x) / second : 1
    I = clip(bias + drive, 0, inf) : 1
    drive : 1
    bias : 1 (constant)
    highest : 1 (constant)
    """,
    method="euler",
)
synapses = b.Synapses(neurons, neurons, "weight : 1 (constant)\ndrive_post = weight * x_pre : 1 (summed)")
synapses.connect(i=NETWORK["pre"].astype(int), j=NETWORK["post"].astype(int))
synapses.weight = NETWORK["weight"]
neurons.x, neurons.bias, neurons.highest = NETWORK["x"], NETWORK["bias"], NETWORK["highest"]
# Setting up is not timed: processor time is taken in main.cpp, just before and after the run.
b.device.insert_code("before_network_run", "const std::clock_t begun = std::clock();")
b.device.insert_code(
    "after_network_run",
    'std::ofstream("seconds.txt") << double(std::clock() - begun) / CLOCKS_PER_SEC;',
)
b.run(SWEEPS * b.defaultclock.dt)
b.device.build(directory=str(PATH.with_suffix(".brian2")), run=False)


def a_round():
    """Run the compiled program."""
    b.device.run()
    return float((Path(b.device.project_dir) / "seconds.txt").read_text()), neurons.x[:]


answer(a_round)
