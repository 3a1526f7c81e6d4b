"""Silence a region or cut a bundle of connections during a simulation."""

from dataclasses import replace

import numpy as np
from unstuck.circuit import Circuit
from unstuck.engine.step import Engine
from unstuck.patient.life import Life

from unstuck_analysis.view.plan import Lesion

SILENT_DRIVE = -1e3  # far below the threshold of every neuron
CUT_SHARE = 1e-9  # of healthy strength that is left: 0 would have no share of anything


Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


def lost(circuit: Circuit, lesion: Lesion) -> tuple[Mask, Mask]:
    """Neurons that a lesion silences, and plastic synapses that it cuts."""
    w = circuit.wiring
    neurons, synapses = np.zeros(len(w.bias), bool), np.zeros(len(w.plastic.weight), bool)
    if lesion.kind == "silence":
        neurons = w.populations.region[w.population] == circuit.regions.index(lesion.name)
    else:
        synapses = w.plastic.projection == circuit.projections.index(lesion.name)
    return neurons, synapses


def injure(life: Life, lesion: Lesion) -> None:
    """From now on no neuron of a region fires, or a bundle has no strength and cannot grow again."""
    circuit, state = life.engine.circuit, life.state
    w = circuit.wiring
    neurons, synapses = lost(circuit, lesion)
    weight = np.where(synapses, CUT_SHARE * w.plastic.weight, w.plastic.weight)
    bias = np.where(neurons, SILENT_DRIVE, w.bias)
    changed = replace(circuit, wiring=w._replace(bias=bias, plastic=w.plastic._replace(weight=weight)))
    for strength in (state.slow.labile, state.slow.intermediate, state.slow.consolidated):
        strength[synapses] *= CUT_SHARE
    life.engine = Engine(changed, state, life.time_h, life.accuracy, life.treatment.file.day_0_h)
