"""One copy of the patient on the page: lived up to now, with the curves so far, and what a click tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np

from unstuck.circuit import Circuit, Floats
from unstuck.engine.readouts import connectivity, projection_strength
from unstuck.engine.step import State
from unstuck.files.circuit import projection_ends
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.page.plan import PanelPlan
from unstuck.patient.draw import Patient
from unstuck.patient.life import Checkpoint, Life
from unstuck.targets import NO_EFFECT, Effects

ROW_HOURS = 4.0
ROW_HOURS_BEFORE = 24.0  # on the way to day 0, where nobody watched
_JUST_BEFORE_H = 1e-6
FULL_BYTE = 100.0  # the byte of a neuron is 100 times its activity, so 255 means 2.55 times healthy or more


class Columns:
    """Names of the curves of a circuit, in the order of a row, and how a row is filled."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.plastic = [
            k for k, name in enumerate(circuit.projections) if circuit.file.projections[name].plastic
        ]
        regions = circuit.regions
        self.names = [
            *("day", "recovery", "connectivity", "structure"),
            *(f"serotonin {name}" for name in regions),
            *(f"bdnf {name}" for name in regions),
            *(f"strength {circuit.projections[k]}" for k in self.plastic),
        ]

    @cached_property
    def _region_of(self) -> np.ndarray:
        w = self.circuit.wiring
        return np.repeat(w.region, np.diff(w.first))

    def row(self, day: float, state: State, checkpoint: Checkpoint) -> Floats:
        """The values of all columns for a settled state."""
        circuit = self.circuit
        whole, structure = connectivity(circuit, state)
        bdnf = np.bincount(self._region_of, weights=state.bdnf) / np.bincount(self._region_of)
        strength = projection_strength(circuit, state.labile + state.consolidated)[self.plastic]
        head = [day, checkpoint.recovery(whole), whole, structure]
        return np.concatenate([head, state.serotonin_nM / circuit.rules.S0, bdnf, strength])


@dataclass(frozen=True)
class WayThere:
    """How the patient became stuck: the checkpoint, and the curves from health to day 0."""

    checkpoint: Checkpoint
    rows: tuple[Floats, ...]


def live_to_day_0(patient: Patient, treatment: Treatment) -> WayThere:
    """From health to day 0. The checkpoint is the one that every other run of this patient starts from."""
    life, columns = Life(patient, treatment), Columns(patient.circuit)
    seen: list[tuple[float, State]] = []
    day_0_h = treatment.file.day_0_h
    seen.append((0.0, life.engine.settled(*_acted(life))))
    life.advance(
        day_0_h,
        output_h=_grid(0.0, day_0_h, ROW_HOURS_BEFORE),
        on_output=lambda h, state: seen.append((h, state)),
    )
    assert life.checkpoint is not None
    checkpoint = life.checkpoint
    rows = tuple(columns.row((h - day_0_h) / HOURS_A_DAY, state, checkpoint) for h, state in seen)
    return WayThere(checkpoint, rows)


@dataclass(frozen=True)
class Course:
    """A regimen with a condition (days): given from `first` until `last`; from `asked` on it is open."""

    regimen: int
    first: float
    last: float
    asked: float  # infinite once all is decided


class PatientCopy:
    """A copy of the patient under one panel's treatment, from the healthy or the stuck state on."""

    def __init__(
        self, patient: Patient, plan: PanelPlan, treatment: Treatment, way: WayThere, *, healthy: bool = False
    ) -> None:
        self.patient, self.plan, self.treatment, self.way = patient, plan, treatment, way
        self.columns = Columns(patient.circuit)
        self.rows: list[Floats] = [way.rows[0]] if healthy else list(way.rows)  # only ever appended to
        self._begin(Life(patient, treatment, None if healthy else way.checkpoint))

    def _begin(self, life: Life) -> None:
        """Take up a life, seen under what acted until now: what begins at this hour is felt after it."""
        self.life = life
        self.state = life.engine.settled(*_acted(life))
        self._stress = _acted(life)[0].stress

    @property
    def day(self) -> float:
        """Days since day 0, negative before."""
        return self.life.day

    @property
    def first_day(self) -> float:
        """The day on which the healthy patient's story begins."""
        return -self.treatment.file.day_0_h / HOURS_A_DAY

    @property
    def last_day(self) -> float:
        """The day on which the treatment's last phase ends."""
        return (self.treatment.file.end_h - self.treatment.file.day_0_h) / HOURS_A_DAY

    def advance(self, day: float) -> None:
        """Live on until a day; through day 0 by way of the checkpoint, as every other run."""
        until_h = (day - self.first_day) * HOURS_A_DAY
        if self.life.checkpoint is None and until_h >= self.way.checkpoint.time_h:
            self._advance(self.way.checkpoint.time_h)
            self._begin(Life(self.patient, self.treatment, self.way.checkpoint))
        self._advance(until_h)

    def _advance(self, until_h: float) -> None:
        if until_h <= self.life.time_h:
            return
        grid = set(_grid(self.life.time_h, until_h))

        def seen(hour: float, state: State) -> None:
            self.state = state
            if hour in grid:
                day = hour / HOURS_A_DAY + self.first_day
                self.rows.append(self.columns.row(day, state, self.way.checkpoint))

        self.life.advance(until_h, output_h=sorted(grid | {until_h}), on_output=seen)
        self._stress = self.life.exposure.reported(self.life.time_h)[0].stress

    def present(self) -> Floats:
        """The row of this moment."""
        return self.columns.row(self.day, self.state, self.way.checkpoint)

    def activity(self) -> bytes:
        """One byte a neuron, sorted by population."""
        return np.clip(np.rint(FULL_BYTE * self.state.x), 0, 255).astype(np.uint8).tobytes()

    def stress(self) -> float:
        """Stress that acts now (0 to 1)."""
        return self._stress

    def stressed_days(self) -> tuple[tuple[float, float], ...]:
        """First and last day of every stretch of stress that is known by now, life events included."""
        bouts = sorted((bout.start_h, bout.end_h) for bout in self.life.exposure.bouts if bout.stress > 0)
        merged: list[tuple[float, float]] = []
        for start_h, end_h in bouts:
            if merged and start_h <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(merged[-1][1], end_h))
            else:
                merged.append((start_h, end_h))
        return tuple((self._day(start_h), self._day(end_h)) for start_h, end_h in merged)

    def courses(self) -> tuple[Course, ...]:
        """What is decided about the regimens that ask for a condition."""
        # Life has no public word for this, and the page must not guess it from curves.
        life = self.life
        asked_h: dict[int, float] = {}
        for hour, number, _ in life._questions:  # pyright: ignore[reportPrivateUsage]
            asked_h[number] = min(hour, asked_h.get(number, inf))
        given_h = life._given_h  # pyright: ignore[reportPrivateUsage]
        courses: list[Course] = []
        for number in sorted({*given_h, *asked_h}):
            first_h, last_h = given_h.get(number, (-inf, inf))
            days = self._day(first_h), self._day(last_h), self._day(asked_h.get(number, inf))
            courses.append(Course(number, *days))
        return tuple(courses)

    def _day(self, hour: float) -> float:
        return hour / HOURS_A_DAY + self.first_day


def _acted(life: Life) -> tuple[Effects, Floats]:
    """What acted on a patient just before this moment; nothing before the first."""
    if life.time_h <= 0.0:
        return NO_EFFECT, np.zeros(len(life.patient.circuit.regions))
    return life.exposure.reported(life.time_h - _JUST_BEFORE_H)


def _grid(after_h: float, until_h: float, every_h: float = ROW_HOURS) -> list[float]:
    first = int(after_h // every_h) + 1
    return [every_h * k for k in range(first, int(until_h // every_h) + 1)]


@dataclass(frozen=True)
class Input:
    """One synapse onto a neuron: where it comes from, and its strength relative to health and in drive."""

    population: str
    number: int
    drive: float
    relative: float | None  # None where the synapse is not plastic


@dataclass(frozen=True)
class NeuronDetail:
    """What one neuron is and does at present."""

    population: str
    region: str
    cells: str
    number: int
    rate_Hz: float
    healthy_Hz: float
    bdnf: float
    trkb: float
    excitation: float  # drive from all glutamatergic synapses
    from_elsewhere: float  # the part of it that comes from other regions
    inhibition: float
    strongest: tuple[Input, ...]


def neuron_detail(circuit: Circuit, state: State, neuron: int, most: int = 5) -> NeuronDetail:
    """Read one neuron of a settled state; IndexError if there is none of that number."""
    if not 0 <= neuron < circuit.neurons:
        raise IndexError(f"there is no neuron {neuron}: the circuit has {circuit.neurons}")
    name, w = circuit.population_of(neuron), circuit.wiring
    population = circuit.file.populations[name]
    excitatory = [*_inputs(circuit, state, neuron, "excitatory"), *_inputs(circuit, state, neuron, "plastic")]
    inhibition = sum(one.drive for one in _inputs(circuit, state, neuron, "inhibitory"))
    elsewhere = [
        one for one in excitatory if circuit.file.populations[one.population].region != population.region
    ]
    strongest = sorted(excitatory, key=lambda one: -one.drive)[:most]
    return NeuronDetail(
        name,
        circuit.file.regions[population.region].name,
        population.cells,
        neuron - circuit.members(name).start,
        float(state.x[neuron] * w.set_point_Hz[neuron]),
        float(w.set_point_Hz[neuron]),
        float(state.bdnf[neuron]),
        float(state.trkb[neuron]),
        sum(one.drive for one in excitatory),
        sum(one.drive for one in elsewhere),
        inhibition,
        tuple(strongest),
    )


def _inputs(circuit: Circuit, state: State, neuron: int, kind: str) -> list[Input]:
    """Every synapse of one kind onto a neuron."""
    synapses = getattr(circuit.wiring, kind)
    here = slice(int(synapses.start[neuron]), int(synapses.start[neuron + 1]))
    pre, healthy = synapses.pre[here], synapses.weight[here]
    now = (state.labile + state.consolidated)[here] if kind == "plastic" else healthy
    drive = now * state.x[pre]
    return [
        _input(circuit, int(p), float(d), float(s / h) if kind == "plastic" else None)
        for p, d, s, h in zip(pre, drive, now, healthy, strict=True)
    ]


def _input(circuit: Circuit, pre: int, drive: float, relative: float | None) -> Input:
    name = circuit.population_of(pre)
    return Input(name, pre - circuit.members(name).start, drive, relative)


def readout_ends(circuit: Circuit, projections: Sequence[int]) -> list[tuple[str, str]]:
    """Presynaptic and postsynaptic population of projections given by position."""
    return [projection_ends(circuit.projections[k]) for k in projections]
