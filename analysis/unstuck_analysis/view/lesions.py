"""Silence a region or cut a bundle of connections in the middle of a life."""

from dataclasses import replace

import numpy as np
from unstuck.circuit import Circuit
from unstuck.engine.step import Engine
from unstuck.patient.life import Life

from unstuck_analysis.view.plan import Lesion

SILENT_DRIVE = -1e3  # far below the threshold of every neuron
CUT_SHARE = 1e-9  # of healthy strength that is left: 0 would have no share of anything


def injure(life: Life, lesion: Lesion) -> None:
    """From now on no neuron of a region fires, or a bundle has no strength and cannot grow again."""
    circuit, state = life.engine.circuit, life.state
    if lesion.kind == "silence":
        changed = _silenced(circuit, circuit.regions.index(lesion.name))
    else:
        lost = circuit.wiring.plastic.projection == circuit.projections.index(lesion.name)
        changed = _cut(circuit, lost)
        for strength in (state.slow.labile, state.slow.intermediate, state.slow.consolidated):
            strength[lost] *= CUT_SHARE
    life.engine = Engine(changed, state, life.time_h, life.accuracy, life.treatment.file.day_0_h)


def _silenced(circuit: Circuit, region: int) -> Circuit:
    wiring = circuit.wiring
    silent = wiring.populations.region[wiring.population] == region
    return replace(circuit, wiring=wiring._replace(bias=np.where(silent, SILENT_DRIVE, wiring.bias)))


def _cut(circuit: Circuit, lost: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Circuit:
    plastic = circuit.wiring.plastic
    weight = np.where(lost, CUT_SHARE * plastic.weight, plastic.weight)
    return replace(circuit, wiring=circuit.wiring._replace(plastic=plastic._replace(weight=weight)))
