"""Sweeps in Mesa: every neuron is an agent that adds up what it receives from other agents."""

import mesa
import numpy as np
from peer import NETWORK, SWEEPS, answer, timed

SHARE = float(NETWORK["share"])


class Neuron(mesa.Agent):
    """One neuron."""

    def __init__(self, model, bias, highest):
        super().__init__(model)
        self.bias, self.highest, self.inputs, self.x, self.driven = bias, highest, [], 0.0, 0.0

    def receive(self):
        """Add up the drive, and set the activity that it leads to."""
        drive = max(0.0, self.bias + sum(weight * other.x for weight, other in self.inputs))
        self.driven = self.highest * drive * drive / (1.0 + drive * drive)

    def move(self):
        """Move towards that activity."""
        self.x += SHARE * (self.driven - self.x)


model = mesa.Model(seed=1)
neurons = list(
    Neuron.create_agents(model, len(NETWORK["x"]), NETWORK["bias"].tolist(), NETWORK["highest"].tolist())
)
for pre, post, weight in zip(
    NETWORK["pre"].tolist(), NETWORK["post"].tolist(), NETWORK["weight"].tolist(), strict=True
):
    neurons[post].inputs.append((weight, neurons[pre]))


def make_sweeps():
    """All neurons receive, then all move."""
    for _ in range(SWEEPS):
        model.agents.do("receive")
        model.agents.do("move")


def a_round():
    """Make the sweeps from the same start."""
    for neuron, x in zip(neurons, NETWORK["x"].tolist(), strict=True):
        neuron.x = x
    return timed(make_sweeps), np.array([neuron.x for neuron in neurons])


answer(a_round)
