"""One patient living through one treatment, hour by hour, with whatever is done to them on the way.

    healthy -> phases before day 0 -> stuck checkpoint (day 0) -> treatment -> follow-up

`Life` is the present of one patient. `advance` lives on; a dose or stress can be added at any moment. Whoever
wants the whole course uses `Simulation`, which lives a Life to its end; whoever wants to watch or take part
(the stepping model, a page) holds a Life and advances it as they like.

Two kinds of turn lie on the way: day 0, where the checkpoint is taken and the treatment begins, and the days
on which a regimen asks for its condition. What acts later is worked out anew at each turn, and after every
dose or stress that is added by hand.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, inf, nan

import numpy as np

from unstuck.circuit import Floats, Synapses
from unstuck.drugs.effects import Contribution, Course
from unstuck.drugs.exposure import Bout, PatientExposure, daily_noise, life_event_bouts, phase_bouts
from unstuck.engine.readouts import Reading, connectivity, take_reading
from unstuck.engine.step import Accuracy, Diagnostics, Engine, State
from unstuck.files.schedule import Dose
from unstuck.files.treatment import Regimen, Treatment, drug_for
from unstuck.files.units import BODY_WEIGHT_KG, HOURS_A_DAY
from unstuck.files.units import Dose as AmountOfDrug
from unstuck.files.yaml import InputError
from unstuck.parameters import OFF
from unstuck.patient.draw import Patient, Purpose
from unstuck.targets import NO_EFFECT, Effects
from unstuck.version import digest_of_texts

_LOOK_AHEAD_H = 28 * HOURS_A_DAY  # how far effects are worked out for a life that goes on after its end


@dataclass(frozen=True)
class Checkpoint:
    """A patient at day 0: the state all treatments start from, and the two ends of the recovery index.

    key: digests of the patient, the circuit and the treatment before day 0 (`day_0_key`).
    """

    key: str
    state: State
    time_h: float
    healthy: Reading
    stuck: Reading
    diagnostics: Diagnostics

    def recovery(self, connectivity: float) -> float:
        """Recovery index R of a connectivity: 0 stuck, 1 healthy (NaN for a patient who was never ill)."""
        stuck, healthy = self.stuck.connectivity, self.healthy.connectivity
        return (connectivity - stuck) / (healthy - stuck) if stuck != healthy else nan


@dataclass(frozen=True)
class _Prescription:
    """A regimen with its place in time (hours from the scenario's start)."""

    regimen: Regimen
    start_h: float
    doses: tuple[Dose, ...]


class Life:
    """The present of one patient under one treatment. Pass a checkpoint to begin at day 0.

    Raises InputError for a checkpoint of another patient, circuit or treatment before day 0.

    Times are hours from the scenario's start; `day` counts from day 0 and is negative before it.
    """

    def __init__(
        self,
        patient: Patient,
        treatment: Treatment,
        checkpoint: Checkpoint | None = None,
        accuracy: Accuracy = Accuracy(),
    ) -> None:
        self.patient, self.treatment, self.accuracy = patient, treatment, accuracy
        self.engine = Engine(patient.circuit, accuracy=accuracy, day_0_h=treatment.file.day_0_h)
        self.checkpoint: Checkpoint | None = None
        self._healthy = take_reading(
            patient.circuit, 0.0, self.state, (NO_EFFECT, np.zeros(len(patient.circuit.regions))), probe=True
        )
        self._prescriptions = [
            _prescribe(treatment, regimen, treatment.file.start_h(name))
            for name, phase in treatment.file.phases.items()
            for regimen in phase.drugs
        ]
        self._questions = sorted(self._conditions())
        # A regimen with `when` is not given until it is known that its condition holds.
        self._given_h = {n: (inf, inf) for _, n, kind in self._questions if kind == "when"}
        self._drugs = dict(treatment.drugs)
        self._doses_by_hand: dict[str, list[Dose]] = {}
        self._stress_by_hand: list[Bout] = []
        if checkpoint is not None:
            check_belongs(checkpoint, patient, treatment)
            self._begin_treatment(checkpoint)
        self._look_ahead()

    @property
    def state(self) -> State:
        """The present state of the circuit."""
        return self.engine.state

    @property
    def time_h(self) -> float:
        """Hours since the scenario's start."""
        return self.engine.time_h

    @property
    def day(self) -> float:
        """Days since day 0."""
        return (self.time_h - self.treatment.file.day_0_h) / HOURS_A_DAY

    @property
    def recovery(self) -> float:
        """Recovery index at present: 0 stuck, 1 healthy (NaN before day 0, when neither end is known)."""
        whole, _ = connectivity(self.patient.circuit, self.state)
        return nan if self.checkpoint is None else self.checkpoint.recovery(whole)

    @property
    def next_turn_h(self) -> float:
        """When it is day 0, or a regimen next asks for its condition (infinity if neither lies ahead)."""
        if self.checkpoint is None:
            return self.treatment.file.day_0_h
        return self._questions[0][0] if self._questions else inf

    def advance(
        self,
        until_h: float,
        *,
        output_h: Sequence[float] = (),
        on_output: Callable[[float, State], None] | None = None,
        on_step: Callable[[float, State], None] | None = None,
    ) -> None:
        """Live on until an hour, through every turn on the way; watched as `Engine.advance` is.

        What is seen at a jump, as at the end of a treatment phase, is settled under what acted before it.
        """
        while True:
            stop_h = min(self.next_turn_h, until_h)
            if stop_h > self.exposure.end_h:
                self._look_ahead(stop_h + _LOOK_AHEAD_H)
            self.engine.advance(
                self.exposure,
                stop_h,
                output_h=output_h,
                on_output=on_output,
                on_step=on_step,
                settled_under=self.exposure.ending,
            )
            if self.next_turn_h > stop_h:
                return
            self._turn()

    def stages(self, until_h: float, longest_h: float) -> Iterator[float]:
        """Live on until an hour by another hand than the engine's: lengths (h) of even stages.

        The caller moves `state` by each length before asking for the next. Jumps of the exposure and turns
        fall between two stages.
        """
        while self.time_h < until_h or self.next_turn_h <= until_h:
            if until_h > self.exposure.end_h:
                self._look_ahead(until_h + _LOOK_AHEAD_H)
            jump_h = next((hour for hour in self.exposure.jumps_h if hour > self.time_h), inf)
            start_h, stop_h = self.time_h, min(self.next_turn_h, jump_h, until_h)
            stages = ceil((stop_h - start_h) / longest_h)
            for stage in range(stages):
                yield (stop_h - start_h) / stages
                self.engine.time_h = start_h + (stop_h - start_h) * (stage + 1) / stages
            self.engine.time_h = max(start_h, stop_h)
            if self.next_turn_h <= stop_h:
                self._turn()

    def give(self, drug: str, dose: AmountOfDrug | None = None, over_h: float | None = None) -> None:
        """Give one dose now: the usual one, over the usual time, unless another is said.

        InputError for a drug that is not known or acts on a region that the circuit does not have; ValueError
        for a dose of what is given without one.
        """
        if drug not in self._drugs:
            self._drugs[drug] = drug_for(self.treatment.circuit, drug, self.treatment.path)
        file = self._drugs[drug]
        taken_h = file.usual_over if over_h is None else over_h
        single = Dose(self.time_h, file.usual_doses(dose, BODY_WEIGHT_KG), taken_h, single=True)
        self._doses_by_hand.setdefault(drug, []).append(single)
        self._look_ahead()

    def add_stress(self, stress: float, lasting_h: float = inf) -> None:
        """Stress (0 to 1) from now on, beside that of the scenario; in all it is at most 1."""
        if not (0.0 <= stress <= 1.0 and lasting_h > 0.0):
            raise ValueError(f"stress {stress:g} for {lasting_h:g} h: stress is 0 to 1, a time more than 0 h")
        self._stress_by_hand.append(Bout(self.time_h, self.time_h + lasting_h, stress))
        self._look_ahead()

    def end_stress(self) -> None:
        """End now what stress was added by hand."""
        now_h = self.time_h
        self._stress_by_hand = [
            Bout(bout.start_h, min(bout.end_h, now_h), bout.stress) for bout in self._stress_by_hand
        ]
        self._look_ahead()

    def reading(
        self, hour: float, state: State, acting: tuple[Effects, Floats] | None = None, *, probe: bool = False
    ) -> Reading:
        """A reading of a settled state at an hour; probe asks for functional connectivity too.

        acting: what the state was settled under; if not given, what acted until then, before any jump.
        """
        # Rounded, because a way to day 0 that is not whole hours must not make day 84 into 84.00000000000001.
        day = round((hour - self.treatment.file.day_0_h) / HOURS_A_DAY, 9)
        acting = self.exposure.ending(hour) if acting is None else acting
        return take_reading(self.patient.circuit, day, state, acting, probe=probe)

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
        self.state.x[:], self.state.serotonin_nM[:] = settled.x, settled.serotonin_nM

    def _turn(self) -> None:
        """Day 0, or the next condition; then look ahead again."""
        if self.checkpoint is None:
            key = day_0_key(self.patient, self.treatment)
            stuck, diagnostics = self.present(probe=True), self.engine.diagnostics
            state = self.state.copy()
            self._begin_treatment(Checkpoint(key, state, self.time_h, self._healthy, stuck, diagnostics))
        else:
            self._answer(*self._questions.pop(0))
        self._look_ahead()

    def _begin_treatment(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        day_0_h = self.treatment.file.day_0_h
        self.engine = Engine(
            self.patient.circuit, checkpoint.state, checkpoint.time_h, self.accuracy, day_0_h
        )

    def _conditions(self) -> Iterator[tuple[float, int, str]]:
        """When a condition is asked (hours), of which prescription, and whether it starts or stops it."""
        for number, prescription in enumerate(self._prescriptions):
            for kind in ("when", "stop_when"):
                condition = getattr(prescription.regimen, kind)
                if condition is not None:
                    yield prescription.start_h + condition.day * HOURS_A_DAY, number, kind

    def _answer(self, hour: float, number: int, kind: str) -> None:
        if getattr(self._prescriptions[number].regimen, kind).holds(self.recovery):
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
        self.end_h, self.gone_h, self.last_dose_h = _ends(self.treatment, contributions)
        self.exposure = self._exposure(contributions, before_h, max(end_h or self.end_h, at_least_h))

    def _contributions(self, before_h: float) -> list[Contribution]:
        """What all drugs given before an hour, as far as decided, do over time."""
        by_drug: dict[str, list[Dose]] = {}
        for number, prescription in enumerate(self._prescriptions):
            from_h, until_h = self._given_h.get(number, (-inf, inf))
            doses = [dose for dose in prescription.doses if from_h <= dose.time_h < min(until_h, before_h)]
            by_drug.setdefault(prescription.regimen.drug, []).extend(doses)
        for drug, doses in self._doses_by_hand.items():
            by_drug.setdefault(drug, []).extend(doses)
        parameters, sensitivity = self.patient.circuit.parameters, self.patient.sensitivity
        return [
            contribution
            for name, doses in by_drug.items()
            for contribution in Course(
                self._drugs[name], tuple(sorted(doses, key=lambda dose: dose.time_h))
            ).contributions(parameters, sensitivity)
        ]

    def _exposure(
        self, contributions: Sequence[Contribution], before_h: float, end_h: float
    ) -> PatientExposure:
        """All that acts on the patient until end_h, without stress that begins at before_h or later."""
        circuit, parameters = self.patient.circuit, self.patient.circuit.parameters
        events = life_event_bouts(self.treatment, parameters, end_h, self.patient.stream(Purpose.LIFE_EVENTS))
        noise = np.zeros((0, len(circuit.regions)))
        if parameters["sigma_n"] > 0:
            days = ceil(end_h / HOURS_A_DAY) + 1
            rng = self.patient.stream(Purpose.NOISE)
            noise = daily_noise(days, len(circuit.regions), parameters["sigma_n"], parameters["tau_n"], rng)
        bouts = [*phase_bouts(self.treatment), *events, *self._stress_by_hand]
        known = [bout for bout in bouts if bout.start_h < before_h]
        return PatientExposure(circuit.regions, known, contributions, noise, end_h)


def checkpoint_key(treatment: Treatment) -> str:
    """What decides the way to day 0: equal for treatments that can share a patient's checkpoint."""
    file = treatment.file
    before = list(file.phases.items())[: list(file.phases).index(file.day_0)]
    drugs = {r.drug: treatment.drugs[r.drug].model_dump_json() for _, phase in before for r in phase.drugs}
    return repr((treatment.circuit.model_dump_json(), [(n, p.model_dump_json()) for n, p in before], drugs))


def day_0_key(patient: Patient, treatment: Treatment) -> str:
    """Three digests of all that the way to day 0 reads: of the patient, the circuit and the treatment.

    What acts from day 0 on only, as the strength of a drug that is given then, does not change the key.
    """
    circuit, parameters = patient.circuit, patient.circuit.parameters
    before = list(treatment.file.phases.values())[: list(treatment.file.phases).index(treatment.file.day_0)]
    who: list[object] = [patient.seed, patient.index, [(name, parameters[name]) for name in sorted(OFF)]]
    if any(phase.drugs for phase in before):
        who += [sorted(parameters.items()), patient.sensitivity]
    wiring = hashlib.blake2b(repr(circuit.rules).encode(), digest_size=12)
    for part in circuit.wiring:
        for array in part if isinstance(part, Synapses) else (part,):
            wiring.update(np.ascontiguousarray(array).tobytes())
    way = digest_of_texts(checkpoint_key(treatment))
    return f"{digest_of_texts(repr(who))} {wiring.hexdigest()} {way}"


def check_belongs(checkpoint: Checkpoint, patient: Patient, treatment: Treatment) -> None:
    """InputError if a checkpoint is of another patient, circuit or treatment before day 0."""
    keys = zip(checkpoint.key.split(), day_0_key(patient, treatment).split(), strict=True)
    names = ("patient", "circuit", "treatment before day 0")
    others = [f"another {name}" for name, (its, this) in zip(names, keys, strict=True) if its != this]
    if others:
        which = f"{treatment.name}, patient {patient.index}"
        raise InputError(f"{which}: the checkpoint is of {', '.join(others)}")


def _prescribe(treatment: Treatment, regimen: Regimen, start_h: float) -> _Prescription:
    drug = treatment.drugs[regimen.drug]
    amount = drug.usual_doses(regimen.dose, BODY_WEIGHT_KG)
    return _Prescription(regimen, start_h, tuple(regimen.doses(start_h, amount, drug.usual_over)))


def _ends(treatment: Treatment, contributions: Sequence[Contribution]) -> tuple[float, float, float]:
    """Hours at which the follow-up ends, at which every drug is gone, and of the last dose.

    The follow-up is long enough after the last phase, after every drug is gone, and to the endpoint.
    """
    file = treatment.file
    treatment_end_h = file.day_0_h + file.phases[file.day_0].lasting
    gone_h = max((c.gone_h() for c in contributions), default=-inf)
    gone_h = gone_h if gone_h > file.day_0_h else treatment_end_h
    last_dose_h = max((c.last_dose_h for c in contributions), default=treatment_end_h)
    endpoint_h = min(file.day_0_h + file.endpoint_day * HOURS_A_DAY, file.end_h + file.follow_up)
    return max(file.end_h, gone_h + file.follow_up, endpoint_h), gone_h, last_dose_h
