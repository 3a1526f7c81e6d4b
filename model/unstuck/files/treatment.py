"""Treatment files: what happens to a patient, phase after phase. Reading one simulates nothing.

Day 0 is the start of the phase named by `day_0`; everything before it makes the patient stuck and is shared
by all treatments that agree on it. Days in a schedule count from the start of their phase.
"""

import copy
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from unstuck.errors import InputError, choose, shown
from unstuck.files import units as quantities
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.find import exists, find, read
from unstuck.files.numbers import check_circuit_numbers, check_drug
from unstuck.files.schedule import MOST_DOSES, Dose, number_of_doses, regular_course
from unstuck.files.units import BODY_WEIGHT_KG, HOURS_A_DAY
from unstuck.files.yaml import Document, Key, Misplaced, Places, at_key, is_stream

ENDPOINT_DAY = 84.0  # if not given
TYPICAL_STRESS_H = 42 * HOURS_A_DAY  # of `for: patient` in the typical patient
MOST_USUAL_DOSES = 10  # within a usual interval; a note reports more, which may be a typing error


class Condition(Document):
    """True if, on a day of the phase, recovery (0 stuck, 1 healthy) is below or at least a number."""

    day: float = Field(ge=0)
    recovery_below: float | None = None
    recovery_at_least: float | None = None

    @field_validator("recovery_below", "recovery_at_least")
    @classmethod
    def _is_a_recovery_index(cls, recovery: float | None) -> float | None:
        if recovery is not None and not 0 <= recovery <= 1:
            share = f"; {recovery:g} % is {recovery / 100:g}" if 1 < recovery <= 100 else ""
            raise ValueError(f"recovery is from 0 (stuck) to 1 (healthy), not {recovery:g}{share}")
        return recovery

    @model_validator(mode="after")
    def _asks_something(self) -> "Condition":
        if (self.recovery_below is None) == (self.recovery_at_least is None):
            raise ValueError("a condition has either recovery_below or recovery_at_least")
        return self

    @property
    def hour(self) -> float:
        """Hours after the start of the phase at which recovery is read."""
        return self.day * HOURS_A_DAY

    def is_met(self, recovery: float) -> bool:
        """Whether the condition is met by a recovery index."""
        if self.recovery_below is not None:
            return recovery < self.recovery_below
        assert self.recovery_at_least is not None
        return recovery >= self.recovery_at_least


class Regimen(Document):
    """One drug in one phase: how much, when, for how long, and under which condition it starts or stops."""

    drug: str
    dose: quantities.DoseAmount | None = None
    every: quantities.Interval | None = None
    on_days: list[float] | None = None
    starting: quantities.Hours = Field(default=0.0, alias="from")
    lasting: quantities.PositiveHours | None = Field(default=None, alias="for")
    over: quantities.Hours | None = None  # none: as long as the drug's file says
    taper_over: quantities.Hours = 0.0
    when: Condition | None = None
    stop_when: Condition | None = None

    @model_validator(mode="after")
    def _schedule_is_clear(self) -> "Regimen":
        if (self.every is None) == (self.on_days is None):
            raise ValueError("a schedule has either every (with for) or on_days")
        if (self.every is None) != (self.lasting is None):
            raise ValueError("every and for go together")
        if self.taper_over and self.every is None:
            raise ValueError("taper_over is possible only with every and for")
        if self.on_days is not None and (not self.on_days or min(self.on_days) < 0):
            raise ValueError("on_days needs at least one day, and no negative day")
        twice = [day for day, times in Counter(self.on_days or []).items() if times > 1]
        if twice:
            raise Misplaced(
                ("on_days",), f"day {twice[0]:g} is written twice; for two doses on it, double the dose"
            )
        if self.number_of_doses > MOST_DOSES:
            raise Misplaced(("every",), f"{self.number_of_doses} doses: at most {MOST_DOSES} are simulated")
        return self

    @model_validator(mode="after")
    def _conditions_come_in_time(self) -> "Regimen":
        """Refuse doses that would never be given, and conditions that are read too late to have an effect."""
        if self.when and self.on_days and self.starting + min(self.on_days) * HOURS_A_DAY < self.when.hour:
            raise Misplaced(
                ("on_days",),
                f"day {min(self.on_days):g} is before day {self.when.day:g}, on which the condition is read:"
                " this dose would never be given",
            )
        if self.stop_when and self.stop_when.hour < self.first_h:
            raise Misplaced(
                ("stop_when", "day"),
                f"day {self.stop_when.day:g} is before the first dose, on day {self.first_h / HOURS_A_DAY:g}",
            )
        if self.stop_when and self.stop_when.hour >= self.last_h > self.first_h:
            raise Misplaced(
                ("stop_when", "day"),
                f"no effect: the last dose is given before day {self.stop_when.day:g}",
            )
        if self.when and self.stop_when and self.stop_when.day <= self.when.day:
            raise Misplaced(("stop_when", "day"), f"must come after day {self.when.day:g} of when")
        return self

    @property
    def number_of_doses(self) -> int:
        """How many doses are given, conditions aside."""
        if self.on_days is not None:
            return len(self.on_days)
        assert self.every is not None
        assert self.lasting is not None
        return number_of_doses(self.every, self.lasting + self.taper_over)

    @property
    def first_h(self) -> float:
        """Hours after the phase's start at which the first dose begins."""
        return self.starting + (min(self.on_days) * HOURS_A_DAY if self.on_days else 0.0)

    @property
    def last_h(self) -> float:
        """Hours after the phase's start at which the last single dose begins, or a regular course ends."""
        if self.on_days is not None:
            return self.starting + max(self.on_days) * HOURS_A_DAY
        assert self.lasting is not None
        return self.starting + self.lasting + self.taper_over

    @property
    def end_h(self) -> float:
        """Hours after the phase's start at which the last dose is over."""
        return self.last_h + (self.over or 0.0 if self.on_days is not None else 0.0)

    def doses(self, phase_start_h: float, relative_dose: float, usual_over_h: float = 0.0) -> list[Dose]:
        """Doses relative to the usual dose, in hours from the first phase on; a taper decreases evenly."""
        over_h = usual_over_h if self.over is None else self.over
        if self.on_days is not None:
            days = sorted(self.on_days)
            return [
                Dose(phase_start_h + self.starting + d * HOURS_A_DAY, relative_dose, over_h, single=True)
                for d in days
            ]
        assert self.every is not None
        assert self.lasting is not None
        first_h = phase_start_h + self.starting
        return [
            Dose(first_h + since_h, relative_dose * share, over_h, self.every)
            for since_h, share in regular_course(self.every, self.lasting, self.taper_over)
        ]


class StressBout(Document):
    """A stretch of stress on top of its phase's, from an hour of the phase on; it may outlast the phase."""

    starting: quantities.Hours = Field(default=0.0, alias="from")
    lasting: quantities.PositiveHours = Field(alias="for")
    stress: float = Field(gt=0.0, le=1.0)


def _kind_of_length(value: Any) -> str:
    return "patient" if value == "patient" else "time"


Length = Annotated[
    Annotated[quantities.PositiveHours, Tag("time")] | Annotated[Literal["patient"], Tag("patient")],
    Discriminator(_kind_of_length),
]
"""A time, or `patient`: the length of stress that is drawn for each patient of a cohort."""


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError(
        f"must be true or false, not {shown(value)}: how often life events happen is in the cohort file"
        " (`life_events`); true starts the patient's list of life events with this phase"
    )


class Phase(Document):
    """A stretch of time with constant stress, bouts of more, and drugs.

    `for: patient` is the patient's own length of stress (6 weeks in the typical patient). `life_events: true`
    starts the patient's list of life events with this phase; without it there are none.
    """

    length: Length = Field(alias="for")
    stress: float = Field(default=0.0, ge=0.0, le=1.0)
    bouts: list[StressBout] = []
    life_events: Annotated[bool, BeforeValidator(_switch)] = False
    drugs: list[Regimen] = []

    @property
    def lasting(self) -> float:
        """Length in hours; of `for: patient` that of the typical patient."""
        return TYPICAL_STRESS_H if isinstance(self.length, str) else self.length

    @model_validator(mode="after")
    def _own_length_is_of_stress(self) -> "Phase":
        if self.length == "patient" and not self.stress > 0:
            raise Misplaced(("for",), "`patient` is the length of the patient's stress, and stress is 0 here")
        return self


class TreatmentFile(Document):
    """A treatment file."""

    title: str
    description: str = ""
    extends: str | None = None
    circuit: str = "default"
    phases: dict[str, Phase] = Field(min_length=1)
    day_0: str = "treatment"
    endpoint_day: float = Field(default=ENDPOINT_DAY, gt=0)
    follow_up: quantities.Hours = 12 * 7 * HOURS_A_DAY

    @model_validator(mode="after")
    def _day_0_and_doses_lie_inside(self) -> "TreatmentFile":
        with at_key("day_0"):
            choose(self.day_0, self.phases, "phase in day_0")
        for name, phase in self.phases.items():
            for number, regimen in enumerate(phase.drugs):
                key = ("phases", name, "drugs", number, "on_days" if regimen.on_days else "for")
                ends = f"but the phase ends on day {phase.lasting / HOURS_A_DAY:g}"
                if regimen.end_h > phase.lasting + 1e-6:
                    day = regimen.end_h / HOURS_A_DAY
                    raise Misplaced(key, f"{regimen.drug} goes on to day {day:g} of phase {name}, {ends}")
                if regimen.on_days and regimen.last_h > phase.lasting - 1e-6:
                    day = regimen.last_h / HOURS_A_DAY
                    raise Misplaced(key, f"{regimen.drug} begins on day {day:g} of phase {name}, {ends}")
        return self

    @model_validator(mode="after")
    def _own_length_comes_before_day_0(self) -> "TreatmentFile":
        names = list(self.phases)
        for name in names[names.index(self.day_0) :]:
            if self.phases[name].length == "patient":
                raise Misplaced(("phases", name, "for"), "`patient` is only for a phase before day 0")
        return self

    @model_validator(mode="after")
    def _ends(self) -> "TreatmentFile":
        if self.end_h > quantities.LONGEST_H:
            years = self.end_h / quantities.HOURS_A_YEAR
            longest = quantities.LONGEST_YEARS
            raise Misplaced(("phases",), f"all phases last {years:.3g} years: at most {longest} years")
        doses = sum(regimen.number_of_doses for phase in self.phases.values() for regimen in phase.drugs)
        if doses > MOST_DOSES:
            raise Misplaced(("phases",), f"{doses} doses in all: at most {MOST_DOSES} are simulated")
        return self

    @model_validator(mode="after")
    def _conditions_can_be_asked(self) -> "TreatmentFile":
        treated = list(self.phases)[list(self.phases).index(self.day_0) :]
        for name, phase in self.phases.items():
            days = phase.lasting / HOURS_A_DAY
            for number, regimen in enumerate(phase.drugs):
                for kind, condition in (("when", regimen.when), ("stop_when", regimen.stop_when)):
                    key = ("phases", name, "drugs", number, kind)
                    if condition and name not in treated:
                        raise Misplaced(key, f"recovery is not defined before day 0 (phase {self.day_0})")
                    if condition and condition.day > days:
                        raise Misplaced(
                            (*key, "day"),
                            f"day {condition.day:g} is after the phase, which lasts {days:g} days",
                        )
                    if kind == "when" and condition and regimen.every and regimen.end_h <= condition.hour:
                        raise Misplaced((*key, "day"), f"the course ends by day {condition.day:g}")
        return self

    @model_validator(mode="after")
    def _endpoint_is_reached(self) -> "TreatmentFile":
        last_day = (self.end_h - self.day_0_h + self.follow_up) / HOURS_A_DAY
        # A run that ends before the usual endpoint has no outcomes there; this is not an error.
        if self.endpoint_day != ENDPOINT_DAY and self.endpoint_day > last_day + 1e-9:
            raise Misplaced(
                ("endpoint_day",),
                f"day {self.endpoint_day:g} is after the run: phases and follow_up end on day {last_day:g}",
            )
        return self

    def with_stress_of(self, lasting_h: float) -> "TreatmentFile":
        """The same with a fixed length (h) in the place of `for: patient`."""
        own = {name: phase for name, phase in self.phases.items() if phase.length == "patient"}
        if not own:
            return self
        fixed = {name: phase.model_copy(update={"length": lasting_h}) for name, phase in own.items()}
        return self.model_copy(update={"phases": {**self.phases, **fixed}})

    def start_h(self, phase: str) -> float:
        """Hours from the start of the first phase to the start of a phase."""
        names = list(self.phases)
        return sum(self.phases[name].lasting for name in names[: names.index(phase)])

    @property
    def day_0_h(self) -> float:
        """Hours from the start of the first phase to day 0."""
        return self.start_h(self.day_0)

    @property
    def end_h(self) -> float:
        """Hours from the start of the first phase to the end of the last phase."""
        return sum(phase.lasting for phase in self.phases.values())


def drug_for(circuit: CircuitFile, name_or_path: str, named_in: Path | None = None) -> DrugFile:
    """Read a drug file; InputError for unknown symbols and for a region that the circuit does not have."""
    drug, places = read("drugs", name_or_path, DrugFile, named_in)
    check_drug(drug, places, list(circuit.regions), list(circuit.populations))
    return drug


def circuit_for(name_or_path: str) -> tuple[CircuitFile, Places]:
    """Read a circuit file with the places of its keys. InputError for unknown symbols, values out of range.

    `patient.checks.check_health` checks, by simulation, whether its healthy state is stable.
    """
    circuit, places = read("circuits", name_or_path, CircuitFile)
    check_circuit_numbers(circuit, places)
    return circuit, places


class Treatment:
    """A treatment file with the circuit and drugs it names, checked against each other.

    circuit: name or path of another circuit than that of the file.
    """

    def __init__(self, name_or_path: str, circuit: str = "") -> None:
        self.path = find("treatments", name_or_path)
        self.name = "standard-input" if is_stream(self.path) else self.path.stem
        self.file, places = read("treatments", name_or_path, TreatmentFile)
        if circuit:
            self.file = self.file.model_copy(update={"circuit": circuit})
        circuit_path = circuit or self._path_of("circuits", self.file.circuit, ("circuit",), places)
        self.circuit, self.circuit_places = circuit_for(circuit_path)
        self.drugs: dict[str, DrugFile] = {}
        for phase_name, phase in self.file.phases.items():
            for number, regimen in enumerate(phase.drugs):
                key = ("phases", phase_name, "drugs", number, "drug")
                drug_path = self._path_of("drugs", regimen.drug, key, places)
                self.drugs[regimen.drug] = drug_for(self.circuit, drug_path)
                self._check_way_of_giving(regimen, key[:-1], places)

    def with_stress_of(self, lasting_h: float | None) -> "Treatment":
        """The same with a fixed length (h) in the place of `for: patient` (None: the typical length)."""
        other = copy.copy(self)
        other.file = self.file.with_stress_of(TYPICAL_STRESS_H if lasting_h is None else lasting_h)
        return other

    def _check_way_of_giving(self, regimen: Regimen, key: Key, places: Places) -> None:
        """InputError for a dose of what has none, or a duration of what is given at once."""
        drug = self.drugs[regimen.drug]
        if regimen.dose is not None and drug.usual_dose is None:
            raise places.error(
                (*key, "dose"), f"{regimen.drug} has no usual_dose, so no dose of it can be given"
            )
        if regimen.over is not None and not drug.takes_time:
            assert drug.kinetics is not None
            route = f"{regimen.drug} is given at once (route {drug.kinetics.route})"
            raise places.error((*key, "over"), f"{route}; only an infusion takes time")

    def _path_of(self, kind: str, name: str, key: Key, places: Places) -> str:
        try:
            path = find(kind, name, self.path)
        except InputError as fault:
            raise places.error(key, str(fault)) from None
        if not exists(path) or not path.is_file():
            raise places.error(key, f"there is no file {path}")
        return str(path)

    @property
    def notes(self) -> list[str]:
        """Notes, each once: effects that the model lacks; doses and courses that may be typing errors."""
        of_drugs = [note for drug in self.drugs.values() for note in drug.notes]
        return list(dict.fromkeys([*of_drugs, *dosing_notes(self.file, self.drugs)]))


def what_is_given(file: TreatmentFile, drugs: Mapping[str, DrugFile]) -> str:
    """All that decides a treatment's numbers, however it is written: equal texts have equal numbers."""
    content = file.model_dump(mode="json", exclude={"title", "description"})
    for name, phase in file.phases.items():
        for regimen, written in zip(phase.drugs, content["phases"][name]["drugs"], strict=True):
            drug = drugs[regimen.drug]
            written["dose"] = drug.relative_dose(regimen.dose, BODY_WEIGHT_KG)
            written["over"] = drug.usual_over if regimen.over is None else regimen.over
            written["drug"] = drug.model_dump_json(exclude={"title", "description"})
    return json.dumps(content)


def dosing_notes(file: TreatmentFile, drugs: Mapping[str, DrugFile]) -> Iterator[str]:
    """Notes on doses above ten usual doses, and on courses of one drug that overlap."""
    for name, phase in file.phases.items():
        for regimen in phase.drugs:
            yield from _large_dose(regimen, drugs[regimen.drug])
        for drug in dict.fromkeys(regimen.drug for regimen in phase.drugs):
            yield from _overlap([r for r in phase.drugs if r.drug == drug], drug, name)


def _large_dose(regimen: Regimen, drug: DrugFile) -> Iterator[str]:
    """A note on a regimen that gives more than ten usual doses within one usual interval."""
    times = drug.relative_dose(regimen.dose, BODY_WEIGHT_KG)
    usual_h = drug.usual_every or HOURS_A_DAY
    if regimen.every and regimen.every < usual_h:
        times *= usual_h / regimen.every
    if times > MOST_USUAL_DOSES:
        usual = f"the usual dose of {drug.usual_dose}" if drug.usual_dose else "the usual dose"
        every = f" every {regimen.every:g} h" if regimen.every else ""
        given = regimen.dose or drug.usual_dose or "a dose"
        yield f"{regimen.drug}, {given}{every}: {times:.4g} times {usual}"


def _overlap(courses: list[Regimen], drug: str, phase: str) -> Iterator[str]:
    """A note on the days on which two courses of one drug are given at once."""
    spans = sorted((course.first_h, max(course.last_h, course.first_h + 1e-3)) for course in courses)
    latest_h, shared = 0.0, list[tuple[float, float]]()
    for number, (start_h, end_h) in enumerate(spans):
        if number and start_h < latest_h - 1e-6:
            shared.append((start_h, min(end_h, latest_h)))
        latest_h = max(latest_h, end_h)
    if shared:
        first, last = (hour / HOURS_A_DAY for hour in (shared[0][0], max(end for _, end in shared)))
        days = f"from day {first:.4g} to day {last:.4g}"
        unless = ", unless a condition ends one" if any(c.when or c.stop_when for c in courses) else ""
        yield f"{drug}: its courses overlap {days} of phase {phase}; their doses add up{unless}"
