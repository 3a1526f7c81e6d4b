"""One patient under one treatment: hour by hour with `Life`, or from day 0 to the end with `run_treatment`.

    healthy -> phases before day 0 -> stuck checkpoint (day 0) -> treatment -> follow-up

`Life` is the present of one patient. `advance` simulates on; a dose or stress can be added at any moment. The
time is cut into stretches: each ends at day 0, where the checkpoint is taken, at a day on which a regimen
asks for its condition, or where the caller wants to stop. What acts later is worked out again at the end of a
stretch, and after every dose or stress that is added by hand.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, inf, nan
from typing import Any, Literal

import numpy as np

from unstuck.circuit import Circuit, healthy_state
from unstuck.drugs.effects import Contribution, Course
from unstuck.drugs.exposure import PatientExposure, Spell
from unstuck.engine.readouts import (
    Reading,
    connectivity,
    recovery_index,
    settled_connectivities,
    take_reading,
    take_readings,
)
from unstuck.engine.step import Accuracy, Diagnostics, Engine
from unstuck.files.schedule import Dose
from unstuck.files.treatment import Regimen, Treatment, TreatmentFile, drug_for
from unstuck.files.units import HOURS_A_DAY, DoseAmount
from unstuck.patient.draw import Patient
from unstuck.state import Floats, State
from unstuck.targets import NO_EFFECT, Effects

FIRST_HOURS = (1.0, 2.0, 4.0, 8.0, 12.0)  # readings between day 0 and day 1
FUNCTIONAL_DAYS = (0.0, 1 / 24, 2 / 24, 4 / 24, 8 / 24, 12 / 24, 1.0, 2.0, 7.0, 14.0, 28.0, 42.0, 84.0)
RATED_DAYS = 7  # of whose readouts of activity a rating is the mean
# How far effects are computed if the simulation continues after the follow-up.
_LOOK_AHEAD_H = 28 * HOURS_A_DAY


@dataclass(frozen=True)
class Checkpoint:
    """A patient at day 0: the state all treatments start from, and the two ends of the recovery index.

    patient: identity of the patient; key: what came before day 0 (`checkpoint_key`).
    """

    patient: str
    key: str
    state: State
    time_h: float
    healthy: Reading
    stuck: Reading
    diagnostics: Diagnostics

    def recovery(self, connectivity: float) -> float:
        """Recovery index R of a connectivity: 0 stuck, 1 healthy (NaN for a patient who was never ill)."""
        return recovery_index(connectivity, self.stuck.connectivity, self.healthy.connectivity)

    def check_belongs(self, patient: Patient, treatment: Treatment) -> None:
        """ValueError if this is the checkpoint of another patient, or of another way to day 0."""
        if self.patient != patient.identity:
            raise ValueError(
                f"the checkpoint belongs to another patient than number {patient.index} of seed"
                f" {patient.seed} with this circuit and these parameters: get_stuck(patient, treatment) makes"
                " the right one"
            )
        if self.key != checkpoint_key(treatment.with_stress_of(patient.stress_h)):
            raise ValueError(
                f"the checkpoint belongs to another treatment than {treatment.name}: circuit or phases before"
                " day 0 differ; get_stuck(patient, treatment) makes the right one"
            )


@dataclass(frozen=True)
class ConditionResult:
    """Result of a `when` or `stop_when`: asked on which day (from day 0), and whether it applied."""

    drug: str
    kind: Literal["when", "stop_when"]
    day: float
    recovery: float
    applied: bool


class Life:
    """The present of one patient under one treatment. Pass a checkpoint to begin at day 0.

    Times are hours from the start of the first phase; `day` counts from day 0 and is negative before it.

    Raises:
        ValueError: the checkpoint belongs to another patient or treatment.
    """

    def __init__(
        self,
        patient: Patient,
        treatment: Treatment,
        checkpoint: Checkpoint | None = None,
        accuracy: Accuracy = Accuracy(),
    ) -> None:
        self.patient, self.accuracy = patient, accuracy
        self.treatment = treatment.with_stress_of(patient.stress_h)
        file = self.treatment.file
        self.engine = Engine(patient.circuit, accuracy=accuracy, day_0_h=file.day_0_h)
        self.checkpoint: Checkpoint | None = None
        self.conditions: list[ConditionResult] = []
        self._regimens = [
            (file.start_h(name), regimen) for name, phase in file.phases.items() for regimen in phase.drugs
        ]
        self._questions = sorted(self._asked())
        # A regimen with `when` is not given until it is known that its condition applies.
        self._given_h = {n: (inf, inf) for _, n, kind in self._questions if kind == "when"}
        self._drugs = dict(self.treatment.drugs)
        self._doses_by_hand: dict[str, list[Dose]] = {}
        self._stress_by_hand: list[Spell] = []
        if checkpoint is not None:
            checkpoint.check_belongs(patient, treatment)
            self._begin_treatment(checkpoint)
        self._look_ahead()

    def __getstate__(self) -> dict[str, Any]:
        """All but what acts from now on, which is worked out again: effects of drugs cannot be pickled."""
        return {**self.__dict__, "exposure": self.exposure.end_h}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._look_ahead(state["exposure"])

    @property
    def state(self) -> State:
        """The present state of the circuit."""
        return self.engine.state

    @property
    def time_h(self) -> float:
        """Hours since the start of the first phase."""
        return self.engine.time_h

    @property
    def day(self) -> float:
        """Days since day 0."""
        return (self.time_h - self.treatment.file.day_0_h) / HOURS_A_DAY

    @property
    def recovery(self) -> float:
        """Recovery index at present: 0 stuck, 1 healthy (NaN before day 0, when neither end is known)."""
        circuit = self.patient.circuit
        read_activity = circuit.file.readout.kind == "activity"
        whole, _ = connectivity(circuit, self.settled() if read_activity else self.state)
        return nan if self.checkpoint is None else self.checkpoint.recovery(whole)

    def stretches(self, until_h: float | None = None) -> Iterator[float]:
        """End (h) of each stretch up to `until_h`; the caller simulates to it before asking for the next.

        Between two stretches day 0 is passed, or a condition answered. until_h: None for the end of the
        follow-up, which a condition may move.
        """
        while True:
            stop_h = min(self._next_turn_h, self.end_h if until_h is None else until_h)
            if stop_h > self.exposure.end_h:
                self._look_ahead(stop_h + _LOOK_AHEAD_H)
            yield stop_h
            if self._next_turn_h > stop_h:
                return
            self._turn()

    def advance(
        self,
        until_h: float,
        *,
        output_h: Sequence[float] = (),
        on_output: Callable[[Floats, State], None] | None = None,
        on_step: Callable[[Floats, State], None] | None = None,
    ) -> None:
        """Simulate until an hour, handling day 0 and conditions; watched as `Engine.advance` is."""
        for stop_h in self.stretches(until_h):
            self.engine.advance(
                self.exposure, stop_h, output_h=output_h, on_output=on_output, on_step=on_step
            )

    def stages(self, until_h: float, longest_h: float) -> Iterator[float]:
        """Yield step lengths (h) up to `until_h` for a caller that integrates the state itself.

        The caller moves `state` by each length before asking for the next. No step spans a jump of the
        exposure, day 0 or a condition.
        """
        for stop_h in self.stretches(until_h):
            for edge_h in [*(h for h in self.exposure.jumps_h if self.time_h < h < stop_h), stop_h]:
                start_h = self.time_h
                steps = ceil((edge_h - start_h) / longest_h - 1e-9)
                for step in range(steps):
                    yield (edge_h - start_h) / steps
                    self.engine.time_h = start_h + (edge_h - start_h) * (step + 1) / steps
                self.engine.time_h = max(start_h, edge_h)

    def give(self, drug: str, dose: DoseAmount | str | None = None, over_h: float | None = None) -> None:
        """Give one dose now: the usual one, over the usual time, unless another is given ("0.5 mg/kg").

        InputError for a drug that is not known or acts on a region that the circuit does not have; ValueError
        for a text that is no dose, and for a dose of what is given without one.
        """
        dose = DoseAmount.parse(dose) if isinstance(dose, str) else dose
        if drug not in self._drugs:
            self._drugs[drug] = drug_for(self.treatment.circuit, drug, self.treatment.path)
        file = self._drugs[drug]
        taken_h = file.usual_over if over_h is None else over_h
        relative_dose = file.relative_dose(dose, self.patient.body_weight_kg)
        single = Dose(self.time_h, relative_dose, taken_h, single=True)
        self._doses_by_hand.setdefault(drug, []).append(single)
        self._look_ahead()

    def add_stress(self, stress: float, lasting_h: float = inf) -> None:
        """Stress (0 to 1) from now on; where it overlaps with other stress, the larger counts."""
        if not (0.0 <= stress <= 1.0 and lasting_h > 0.0):
            raise ValueError(f"stress {stress:g} for {lasting_h:g} h: stress is 0 to 1, a time more than 0 h")
        self._stress_by_hand.append(Spell(self.time_h, self.time_h + lasting_h, stress))
        self._look_ahead()

    def end_stress(self) -> None:
        """End now what stress was added by hand."""
        now_h = self.time_h
        self._stress_by_hand = [
            Spell(spell.start_h, min(spell.end_h, now_h), spell.stress) for spell in self._stress_by_hand
        ]
        self._look_ahead()

    def readings(
        self, hours: Floats, states: State, probed: Callable[[float], bool] = lambda hour: False
    ) -> list[Reading]:
        """Readings of states that are settled under what is reported for these hours.

        probed: whether functional connectivity is asked for at an hour.
        """
        acting = {k: self.exposure.reported(h) for k, h in enumerate(hours.tolist()) if probed(h)}
        return take_readings(self.patient.circuit, self._days_of(hours), states, acting)

    def reading(
        self, hour: float, state: State, acting: tuple[Effects, Floats], *, probe: bool = False
    ) -> Reading:
        """A reading of a state at an hour, settled under what acts; probe: functional connectivity too."""
        (day,) = self._days_of(np.array([hour]))
        return take_reading(self.patient.circuit, day, state, acting, probe=probe)

    def _days_of(self, hours: Floats) -> list[float]:
        # Rounded, because a way to day 0 that is not whole hours must not make day 84 into 84.00000000000001.
        days = (hours - self.treatment.file.day_0_h) / HOURS_A_DAY
        return [round(day, 9) for day in days.tolist()]

    def present(self, *, probe: bool = False) -> Reading:
        """A reading of this moment, with firing settled under what acts now."""
        acting = self.exposure.reported(self.time_h)
        return self.reading(self.time_h, self.engine.settled(*acting), acting, probe=probe)

    def settled(self) -> State:
        """A copy of the present state with firing settled under what acts now."""
        return self.engine.settled(*self.exposure.reported(self.time_h))

    def settle(self, effects: Effects, region_input: Floats) -> None:
        """Settle the firing of the present state under given effects; slow variables stay as they are."""
        settled = self.engine.settled(effects, region_input)
        self.state.x[:], self.state.monoamine_nM[:] = settled.x, settled.monoamine_nM

    @property
    def _next_turn_h(self) -> float:
        """When it is day 0, or a regimen next asks for its condition (infinity if neither is ahead)."""
        if self.checkpoint is None:
            return self.treatment.file.day_0_h
        return self._questions[0][0] if self._questions else inf

    def _turn(self) -> None:
        """Day 0, or the next condition; then work out again what acts later."""
        if self.checkpoint is None:
            key = checkpoint_key(self.treatment)
            stuck, diagnostics = self.present(probe=True), self.engine.diagnostics
            identity, state = self.patient.identity, self.state.copy()
            healthy = _healthy_reading(self.patient.circuit)
            self._begin_treatment(Checkpoint(identity, key, state, self.time_h, healthy, stuck, diagnostics))
        else:
            self._answer(*self._questions.pop(0))
        self._look_ahead()

    def _begin_treatment(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        day_0_h = self.treatment.file.day_0_h
        self.engine = Engine(
            self.patient.circuit, checkpoint.state, checkpoint.time_h, self.accuracy, day_0_h
        )

    def _asked(self) -> Iterator[tuple[float, int, Literal["when", "stop_when"]]]:
        """When a condition is asked (hours), of which regimen, and whether it starts or stops it."""
        for number, (start_h, regimen) in enumerate(self._regimens):
            if regimen.when is not None:
                yield start_h + regimen.when.hour, number, "when"
            if regimen.stop_when is not None:
                yield start_h + regimen.stop_when.hour, number, "stop_when"

    def _answer(self, hour: float, number: int, kind: Literal["when", "stop_when"]) -> None:
        regimen, recovery = self._regimens[number][1], self.recovery
        condition = regimen.when if kind == "when" else regimen.stop_when
        applied = condition is not None and condition.is_met(recovery)
        self.conditions.append(ConditionResult(regimen.drug, kind, self.day, recovery, applied))
        if applied:
            from_h, _ = self._given_h.get(number, (-inf, inf))
            self._given_h[number] = (hour, inf) if kind == "when" else (from_h, hour)

    def _look_ahead(self, at_least_h: float = 0.0) -> None:
        """Work out what will act from now on, as far as it is decided.

        Before day 0 only doses and stress that begin before it are known, so that the checkpoint is the same
        for all treatments that agree on the way there.
        """
        day_0_h = self.treatment.file.day_0_h
        before_h, end_h = (day_0_h, day_0_h + HOURS_A_DAY) if self.checkpoint is None else (inf, 0.0)
        contributions = self._contributions(before_h)
        self.end_h, self.gone_h, self.last_dose_h = _ends(self.treatment.file, contributions)
        end_h = max(end_h or self.end_h, at_least_h)
        spells = [*phase_spells(self.treatment.file, self.patient, end_h), *self._stress_by_hand]
        known = [spell for spell in spells if spell.start_h < before_h]
        noise = self.patient.daily_input(ceil(end_h / HOURS_A_DAY) + 1)
        circuit = self.patient.circuit
        self.exposure = PatientExposure(
            circuit.regions, known, contributions, noise, end_h, circuit.file.populations
        )

    def _contributions(self, before_h: float) -> list[Contribution]:
        """What all drugs given before an hour, as far as decided, do over time."""
        by_drug: dict[str, list[Dose]] = {}
        for number, (start_h, regimen) in enumerate(self._regimens):
            from_h, until_h = self._given_h.get(number, (-inf, inf))
            doses = [
                dose
                for dose in self._doses(start_h, regimen)
                if from_h <= dose.time_h < min(until_h, before_h)
            ]
            by_drug.setdefault(regimen.drug, []).extend(doses)
        for drug, doses in self._doses_by_hand.items():
            by_drug.setdefault(drug, []).extend(doses)
        parameters, response = self.patient.circuit.parameters, self.patient.response
        courses = [
            Course(self._drugs[name], tuple(sorted(doses, key=lambda dose: dose.time_h)), name)
            for name, doses in by_drug.items()
        ]
        return [part for course in courses for part in course.contributions(parameters, response)]

    def _doses(self, start_h: float, regimen: Regimen) -> list[Dose]:
        drug = self._drugs[regimen.drug]
        relative_dose = drug.relative_dose(regimen.dose, self.patient.body_weight_kg)
        return regimen.doses(start_h, relative_dose, drug.usual_over)


def _healthy_reading(circuit: Circuit) -> Reading:
    acting = NO_EFFECT, np.zeros(len(circuit.regions))
    return take_reading(circuit, 0.0, healthy_state(circuit), acting, probe=True)


def phase_spells(file: TreatmentFile, patient: Patient, end_h: float) -> list[Spell]:
    """Stress until `end_h`: the constant stress of each phase, its bouts, and the patient's life events.

    Life events are cut at the end of their phase; those of the last phase go on through the follow-up.
    """
    spells: list[Spell] = []
    for number, (name, phase) in enumerate(file.phases.items()):
        start_h = file.start_h(name)
        until_h = end_h if number == len(file.phases) - 1 else start_h + phase.lasting
        if phase.stress > 0:
            spells.append(Spell(start_h, start_h + phase.lasting, phase.stress))
        for bout in phase.bouts:
            begin_h = start_h + bout.starting
            spells.append(Spell(begin_h, begin_h + bout.lasting, bout.stress))
        if phase.life_events:
            for event in patient.life_events((until_h - start_h) / HOURS_A_DAY):
                stop_h = min(start_h + event.end_h, until_h)
                spells.append(Spell(start_h + event.start_h, stop_h, event.stress))
    return spells


def checkpoint_key(treatment: Treatment) -> str:
    """What decides the way to day 0: equal for treatments that can share a patient's checkpoint."""
    file = treatment.file
    before = list(file.phases.items())[: list(file.phases).index(file.day_0)]
    drugs = {r.drug: treatment.drugs[r.drug] for _, phase in before for r in phase.drugs}
    parts = [("", treatment.circuit), *before, *drugs.items()]
    return "\n".join(f"{name} {part.model_dump_json()}" for name, part in parts)


def _ends(file: TreatmentFile, contributions: Sequence[Contribution]) -> tuple[float, float, float]:
    """Hours at which the follow-up ends, at which every drug has left the body, and of the last dose.

    The follow-up is long enough after the last phase, after every drug has left, and to the endpoint.
    Without `follow_up` the run ends with the last phase.
    """
    treatment_end_h = file.day_0_h + file.phases[file.day_0].lasting
    gone_h = max((c.gone_h() for c in contributions), default=-inf)
    gone_h = gone_h if gone_h > file.day_0_h else treatment_end_h
    last_dose_h = max((c.last_dose_h for c in contributions), default=nan)
    endpoint_h = min(file.day_0_h + file.endpoint_day * HOURS_A_DAY, file.end_h + file.follow_up)
    after_gone_h = gone_h + file.follow_up if file.follow_up else file.end_h
    return max(file.end_h, after_gone_h, endpoint_h), gone_h, last_dose_h


@dataclass
class PatientRun:
    """One patient under one treatment: readings, and connectivity at the end of every step."""

    treatment: str
    checkpoint: Checkpoint
    draws: Mapping[str, float | str] = field(default_factory=dict[str, float | str])
    readings: list[Reading] = field(default_factory=list[Reading])
    # Day, C and C_c at the end of every step.
    steps: list[tuple[float, float, float]] = field(default_factory=list[tuple[float, float, float]])
    conditions: list[ConditionResult] = field(default_factory=list[ConditionResult])
    last_dose_day: float = 0.0
    gone_day: float = 0.0
    end_day: float = 0.0
    diagnostics: Diagnostics = field(default_factory=Diagnostics)

    def recovery(self, connectivity: float) -> float:
        """Recovery index R of a connectivity: 0 stuck, 1 healthy."""
        return self.checkpoint.recovery(connectivity)


def run_treatment(
    patient: Patient,
    treatment: Treatment,
    checkpoint: Checkpoint | None = None,
    *,
    accuracy: Accuracy = Accuracy(),
    hours: Sequence[float] = FIRST_HOURS,
    functional_days: Sequence[float] = FUNCTIONAL_DAYS,
) -> PatientRun:
    """Simulate treatment and follow-up from day 0 on, with readings every day and at the first `hours`.

    checkpoint: shares the way to day 0 between treatments; without it the way is simulated. ValueError if it
    belongs to another patient or treatment.
    """
    checkpoint = checkpoint or get_stuck(patient, treatment, accuracy)
    life = Life(patient, treatment, checkpoint, accuracy)
    day_0_h, stuck = checkpoint.time_h, checkpoint.stuck
    run = PatientRun(treatment.name, checkpoint, patient.draws, conditions=life.conditions)
    run.steps.append((0.0, stuck.connectivity, stuck.structure))

    functional_h = {round(HOURS_A_DAY * day, 4) for day in functional_days}

    def probed(hour: float) -> bool:
        return round(hour - day_0_h, 4) in functional_h

    def read(at_h: Floats, states: State) -> None:
        run.readings += life.readings(at_h, states, probed)

    def note(at_h: Floats, states: State) -> None:
        days = (at_h - day_0_h) / HOURS_A_DAY
        acting = life.exposure.reported_at(at_h)
        whole, structure = settled_connectivities(patient.circuit, states, acting, accuracy.firing)
        run.steps += zip(days.tolist(), whole.tolist(), structure.tolist(), strict=True)

    read(np.array([day_0_h]), life.settled().as_rows())
    for stop_h in life.stretches():
        days = np.arange(1, (stop_h - day_0_h) / HOURS_A_DAY + 1e-9)
        output_h = sorted({*(day_0_h + h for h in hours), *(day_0_h + HOURS_A_DAY * days)})
        life.engine.advance(life.exposure, stop_h, output_h=output_h, on_output=read, on_step=note)
    run.diagnostics = life.engine.diagnostics
    run.end_day, run.gone_day, run.last_dose_day = (
        (hour - day_0_h) / HOURS_A_DAY for hour in (life.end_h, life.gone_h, life.last_dose_h)
    )
    return run


def get_stuck(patient: Patient, treatment: Treatment, accuracy: Accuracy = Accuracy()) -> Checkpoint:
    """Simulate the phases before day 0.

    Where illness is read from activity, which every day of noise moves, a drawn patient is as stuck as the
    mean of the 7 days that end on day 0.
    """
    life = Life(patient, treatment, accuracy=accuracy)
    day_0_h, seen = life.treatment.file.day_0_h, list[float]()

    def read(hours: Floats, states: State) -> None:
        seen.extend(reading.connectivity for reading in life.readings(hours, states))

    rated = patient.cohort is not None and patient.circuit.file.readout.kind == "activity"
    days = np.arange(1 - RATED_DAYS, 0) if rated else np.arange(0)
    life.advance(day_0_h, output_h=(day_0_h + HOURS_A_DAY * days).tolist(), on_output=read)
    assert life.checkpoint is not None
    stuck = life.checkpoint.stuck
    mean = (stuck.connectivity + sum(seen)) / (1 + len(seen))
    return replace(life.checkpoint, stuck=replace(stuck, connectivity=mean)) if seen else life.checkpoint
