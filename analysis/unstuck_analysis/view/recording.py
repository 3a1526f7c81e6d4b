"""A recording of one patient under one treatment, in frames that a page can play without computing.

A frame is one moment:

    values    float32 (columns,)    day, recovery, connectivity, scar, and one value per region or connection
    neurons   uint8 (3, neurons)    activity, BDNF and TrkB of every neuron; a byte is 100 times the value

There is a frame at the end of every step of the engine, once per day, and close together after every dose and
change of stress. What is read from the model is in `_values`, `_neurons`, `_events` and `Recorder`.
"""

import json
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite

import numpy as np
import numpy.typing as npt
from unstuck.circuit import CELL_TYPES, INTERNEURON, Circuit
from unstuck.engine.readouts import connectivity, population_means, projection_strength
from unstuck.files.circuit import ReadoutFile, projection_ends
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.patient.draw import Patient
from unstuck.patient.life import Checkpoint, Life
from unstuck.state import Floats, State

from unstuck_analysis.view.lesions import injure
from unstuck_analysis.view.plan import LAST_DAY, PanelPlan
from unstuck_analysis.view.prescribe import dose_times

Values = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

FULL_BYTE = 100.0  # the byte of a healthy neuron; 255 means 2.55 times healthy or more
AFTER_EVENT_H = (0.001, 0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 18.0)
CLOSEST_H = 0.4  # steps of the engine that are shorter get no frame of their own
_FAR = 1e6  # days: replaces infinity in JSON


@dataclass(frozen=True)
class Frame:
    """One moment: values of all columns, and the bytes of all neurons."""

    values: Values
    neurons: Bytes


class Columns:
    """Names of the values of a frame, and the circuit that they describe."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.plastic = [
            k for k, name in enumerate(circuit.projections) if circuit.file.projections[name].plastic
        ]
        self.names = [
            *("day", "recovery", "connectivity", "scar"),
            *(f"{what} {region}" for what in ("serotonin", "bdnf", "activity") for region in circuit.regions),
            *(f"strength {circuit.projections[k]}" for k in self.plastic),
        ]

    @cached_property
    def principal(self) -> list[int]:
        """Position of the first population of each region that is not of interneurons."""
        w = self.circuit.wiring.populations
        return [
            int(np.flatnonzero((w.region == r) & (w.cells != INTERNEURON))[0])
            for r in range(len(self.circuit.regions))
        ]

    @cached_property
    def region_of(self) -> npt.NDArray[np.int64]:
        """Region of every neuron."""
        w = self.circuit.wiring.populations
        return np.repeat(w.region, np.diff(w.first))


def _values(columns: Columns, day: float, state: State) -> Values:
    """Values of a settled state; recovery is filled in later, when both of its ends are known."""
    circuit, region = columns.circuit, columns.region_of
    bdnf = np.bincount(region, weights=state.slow.bdnf) / np.bincount(region)
    activity = population_means(circuit, state.x)[columns.principal]
    slow = state.slow
    whole = slow.labile + slow.intermediate + slow.consolidated
    strength = projection_strength(circuit, whole)[columns.plastic]
    head = [day, np.nan, connectivity(circuit, state)[0], population_means(circuit, slow.scar).mean()]
    serotonin = (state.monoamine_nM / circuit.healthy_nM)[: len(circuit.regions)]
    return np.concatenate([head, serotonin, bdnf, activity, strength]).astype(np.float32)


def _neurons(state: State) -> Bytes:
    values = np.stack([state.x, state.slow.bdnf, state.slow.trkb])
    return np.clip(np.rint(FULL_BYTE * values), 0, 255).astype(np.uint8)


def _events(life: Life) -> list[float]:
    """Hours of all known doses and changes of stress."""
    exposure = life.exposure
    edges = {hour for spell in exposure.spells for hour in (spell.start_h, spell.end_h)}
    return sorted(edges | {hour for part in exposure.contributions for hour in part.law.edges_h})


def _frame_hours(life: Life, until_h: float, happened: Sequence[float]) -> list[float]:
    """Hours up to `until_h` at which a frame is wanted in addition to the ends of steps."""
    now_h = life.time_h
    hours = {hour + after for hour in [*_events(life), *happened] for after in AFTER_EVENT_H}
    hours |= set(np.arange(now_h // HOURS_A_DAY + 1, until_h // HOURS_A_DAY + 1) * HOURS_A_DAY)
    return sorted(float(hour) for hour in hours | {until_h} if now_h < hour <= until_h)


def _advance(
    life: Life, until_h: float, seen: Callable[[float, State], None], happened: Sequence[float] = ()
) -> None:
    """Simulate until an hour and show every moment that gets a frame, with firing settled."""
    last_h, waiting = life.time_h, deque[tuple[float, State]]()

    def show_until(hour: float) -> None:
        nonlocal last_h
        while waiting and waiting[0][0] <= hour:
            last_h, state = waiting.popleft()
            seen(last_h, state)

    def on_output(at_h: Floats, states: State) -> None:
        waiting.extend(zip(at_h.tolist(), states.copy().rows(), strict=True))

    def on_step(at_h: Floats, states: State) -> None:
        """Add a keyframe for every step that is not too close to the last keyframe."""
        nonlocal last_h
        for hour, state in zip(at_h.tolist(), states.rows(), strict=True):
            show_until(hour)
            if hour - last_h > CLOSEST_H:
                last_h = hour
                seen(hour, life.engine.settled(*life.exposure.ending(hour), state.y))

    hours = _frame_hours(life, until_h, happened)
    life.advance(until_h, output_h=hours, on_output=on_output, on_step=on_step)
    show_until(until_h)


@dataclass(frozen=True)
class Way:
    """How a patient became stuck: the checkpoint at day 0, and the frames from health to day 0."""

    checkpoint: Checkpoint
    frames: tuple[Frame, ...]
    readout: ReadoutFile

    @property
    def not_stuck(self) -> bool:
        """Whether stress did not make this patient stuck (the criterion of `unstuck compare`)."""
        return not self.readout.is_ill(self.checkpoint.stuck.connectivity)


def way_to_day_0(
    patient: Patient, treatment: Treatment, on_day: Callable[[float], None] = lambda day: None
) -> Way:
    """Simulate a healthy patient until day 0; on_day gets the day (negative) of every frame."""
    life, columns, frames = Life(patient, treatment), Columns(patient.circuit), list[Frame]()
    day_0_h = life.treatment.file.day_0_h

    def seen(hour: float, state: State) -> None:
        day = (hour - day_0_h) / HOURS_A_DAY
        frames.append(Frame(_values(columns, day, state), _neurons(state)))
        on_day(day)

    seen(0.0, life.state)
    _advance(life, day_0_h, seen)
    assert life.checkpoint is not None
    for frame in frames:
        _fill_in_recovery(frame, life.checkpoint)
    return Way(life.checkpoint, tuple(frames), patient.circuit.file.readout)


def _fill_in_recovery(frame: Frame, checkpoint: Checkpoint) -> Frame:
    recovery = checkpoint.recovery(float(frame.values[2]))
    frame.values[1] = recovery if isfinite(recovery) else 0.0
    return frame


class Recorder:
    """Records one copy of a patient from day 0 on."""

    def __init__(self, patient: Patient, plan: PanelPlan, treatment: Treatment, way: Way) -> None:
        self.patient, self.plan, self.treatment, self.way = patient, plan, treatment, way
        self.columns = Columns(patient.circuit)
        self.life = Life(patient, treatment, way.checkpoint)
        self.frames: list[Frame] = list(way.frames)

    @property
    def day(self) -> float:
        """Last day that is recorded."""
        return self.life.day

    @property
    def first_day(self) -> float:
        """Day (negative) of the healthy state before all stress."""
        return -self.treatment.file.day_0_h / HOURS_A_DAY

    def advance(self, day: float) -> None:
        """Record until a day; what is silenced or cut on the way becomes so at its hour."""
        day_0_h = self.treatment.file.day_0_h
        waiting = sorted(self.plan.lesions, key=lambda lesion: lesion.hour)
        for lesion in (one for one in waiting if self.life.day <= one.hour / HOURS_A_DAY < day):
            self._record_until(day_0_h + lesion.hour)
            injure(self.life, lesion)
        self._record_until(day_0_h + day * HOURS_A_DAY)

    def _record_until(self, until_h: float) -> None:
        day_0_h = self.treatment.file.day_0_h

        def seen(hour: float, state: State) -> None:
            values = _values(self.columns, (hour - day_0_h) / HOURS_A_DAY, state)
            self.frames.append(_fill_in_recovery(Frame(values, _neurons(state)), self.way.checkpoint))

        happened = [day_0_h + lesion.hour for lesion in self.plan.lesions]
        _advance(self.life, until_h, seen, happened)

    def stressed_days(self) -> list[list[float]]:
        """First and last day of every period of stress that is known so far, life events included."""
        spells = self.life.exposure.spells
        bouts = sorted((spell.start_h, spell.end_h) for spell in spells if spell.stress > 0)
        merged: list[list[float]] = []
        for start_h, end_h in bouts:
            if merged and start_h <= merged[-1][1]:
                merged[-1][1] = max(merged[-1][1], end_h)
            else:
                merged.append([start_h, end_h])
        return [[self._day(start_h), self._day(end_h)] for start_h, end_h in merged]

    def doses(self) -> list[list[object]]:
        """Day, drug, and whether by hand, of every dose, without those whose condition was not met."""
        by_hand = {(g.hour / HOURS_A_DAY, g.drug) for g in self.plan.given}
        given: list[list[object]] = []
        # Life has no public name for the conditions that are decided.
        open_from = {number: hour for hour, number, _ in self.life._questions}  # pyright: ignore[reportPrivateUsage]
        given_h = self.life._given_h  # pyright: ignore[reportPrivateUsage]
        for day, drug, number in dose_times(self.treatment):
            first_h, last_h = given_h.get(number, (-inf, inf))
            undecided = day >= self._day(open_from.get(number, inf)) - 1e-3
            if undecided or self._day(first_h) - 1e-3 <= day <= self._day(last_h) + 1e-3:
                given.append([round(day, 4), drug, (round(day * 24) / 24, drug) in by_hand])
        return given

    def _day(self, hour: float) -> float:
        return round(min(max(hour / HOURS_A_DAY + self.first_day, -_FAR), _FAR), 4)


def last_day(treatments: Sequence[Treatment]) -> float:
    """Day on which the first of some treatments ends (at most LAST_DAY)."""
    ends = [(t.file.end_h - t.file.day_0_h) / HOURS_A_DAY for t in treatments]
    return min(LAST_DAY, *ends)


def header(recorder: Recorder) -> dict[str, object]:
    """What the page must know of a recording before its frames, ready for JSON."""
    circuit, columns = recorder.patient.circuit, recorder.columns
    file, w = circuit.file, circuit.wiring.populations
    inhibiting = {p.region for p in file.populations.values() if p.cells == "projection_gaba"}
    return {
        "columns": columns.names,
        "neurons": circuit.neurons,
        "first": recorder.first_day,
        "notStuck": recorder.way.not_stuck,
        "readout": {
            "name": file.readout_name,
            "limit": file.readout.limit,
            "weaker": file.readout.ill_when == "weaker",
        },
        "stuckAt": round(recorder.way.checkpoint.stuck.connectivity, 4),
        "regions": [
            {"id": r, "name": f.name, "at": f.position, "inhibits": r in inhibiting}
            for r, f in file.regions.items()
        ],
        "populations": [
            {
                "id": name,
                "region": int(w.region[k]),
                "cells": list(CELL_TYPES).index(population.cells),
                "first": int(w.first[k]),
                "count": int(w.first[k + 1] - w.first[k]),
            }
            for k, (name, population) in enumerate(file.populations.items())
        ],
        "bundles": [_bundle(circuit, k) for k in columns.plastic],
        "healthyHz": b64encode(np.rint(100 * circuit.set_point_Hz).astype("<u2").tobytes()).decode(),
    }


def _bundle(circuit: Circuit, projection: int) -> dict[str, object]:
    pre, post = projection_ends(circuit.projections[projection])
    region, populations = circuit.wiring.populations.region, circuit.populations
    return {
        "id": circuit.projections[projection],
        "from": int(region[populations.index(pre)]),
        "to": int(region[populations.index(post)]),
        "onto": circuit.file.populations[post].cells,
    }


def encode(recorder: Recorder, key: str, start: int = 0, *, done: bool) -> bytes:
    """Frames from number `start` on, as the page reads them.

    uint32 length of a JSON object, the object, zeros up to a multiple of 4 bytes, float32 values of all
    frames, bytes of all neurons of all frames; little endian.
    """
    frames = recorder.frames[start:]
    about = {
        "key": key,
        "start": start,
        "count": len(frames),
        "done": done,
        "stressed": recorder.stressed_days(),
        "doses": recorder.doses(),
    }
    text = json.dumps(about, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    values = b"".join(frame.values.astype("<f4").tobytes() for frame in frames)
    neurons = b"".join(frame.neurons.tobytes() for frame in frames)
    return len(text).to_bytes(4, "little") + text + values + neurons
