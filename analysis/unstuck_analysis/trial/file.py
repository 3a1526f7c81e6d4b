"""The schema of a trial file, and the treatments that its arms mean.

Days count from randomisation (day 0 of the visits) and, inside the program, from the start of care: the two
differ by the length of a lead-in or of an open phase. Screening comes before both. Reading simulates nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import ceil
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, model_validator
from unstuck.errors import InputError, choose, nearest
from unstuck.files import units as quantities
from unstuck.files.circuit import CircuitFile
from unstuck.files.context import ContextFile
from unstuck.files.drug import DrugFile, Positive, Sourced
from unstuck.files.find import find, read
from unstuck.files.treatment import Phase, Regimen, Treatment, TreatmentFile, circuit_for, drug_for
from unstuck.files.units import HOURS_A_DAY
from unstuck.files.yaml import Document, Key, Misplaced, Places

BEFORE = 14  # days of ratings that are drawn before the start of care; the screening is not longer
LEAVING_WEEKS = 60  # weekly draws of leaving
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Scale = Literal["hamd-17", "madrs"]
Analysis = Literal["mmrm", "locf", "completers", "multiple-imputation", "baseline-carried-forward"]


class People(Document):
    """Who is drawn: the patients of the cohort file after their own stress, and rest."""

    rest: quantities.PositiveHours = 60 * HOURS_A_DAY
    lasting_stress: Probability = 0.0


class Entry(Document):
    """The limit that two ratings must reach: one at screening, one at the start of care."""

    screening: quantities.PositiveHours = BEFORE * HOURS_A_DAY
    at_least: NotNegative

    @model_validator(mode="after")
    def _is_whole_days(self) -> "Entry":
        if self.screening % HOURS_A_DAY or self.screening > BEFORE * HOURS_A_DAY:
            raise Misplaced(("screening",), f"must be whole days, at most {BEFORE} d")
        return self

    @property
    def days(self) -> int:
        """Days between the two ratings."""
        return round(self.screening / HOURS_A_DAY)


class Given(Document):
    """What is given: a treatment, or regimens; neither means no drug."""

    treatment: str | None = None
    drugs: list[Regimen] = []

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.treatment is not None and self.drugs:
            raise Misplaced(("drugs",), "write a treatment or drugs, not both")
        return self


class Arm(Given):
    """One arm; days of its regimens count from randomisation.

    care: factor on the context (0: a waiting list). dose: the amount that a dose-finding trial compares.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    care: NotNegative = 1.0
    leaving: bool = True
    dose: NotNegative | None = None


class Visits(Document):
    """Days with a rating after randomisation: every so often until the last, or named days."""

    every: quantities.PositiveHours | None = None
    last: quantities.PositiveHours | None = None
    on_days: list[int] | None = None
    window: quantities.Hours = 0.0

    @model_validator(mode="before")
    @classmethod
    def _named_days_replace_regular_ones(cls, given: dict[str, object]) -> dict[str, object]:
        """A file that extends one with regular visits can name days instead."""
        named = given.get("on_days") is not None
        return {k: v for k, v in given.items() if not (named and k in ("every", "last"))}

    @model_validator(mode="after")
    def _is_one_plan(self) -> "Visits":
        if (self.on_days is None) != (self.every is not None and self.last is not None):
            raise ValueError("visits are on_days, or every and last")
        days = self.days
        if not days or min(days) < 1 or sorted(set(days)) != days:
            raise Misplaced(("on_days",), "whole days after day 0, each once, in order")
        between = min(b - a for a, b in zip([0, *days], days, strict=False))
        if 2 * self.window / HOURS_A_DAY >= between:
            raise Misplaced(("window",), f"windows overlap: visits are {between} days apart")
        return self

    @property
    def days(self) -> list[int]:
        """Days of the visits after randomisation, in order."""
        if self.on_days is not None:
            return self.on_days
        assert self.every is not None
        assert self.last is not None
        every, last = self.every / HOURS_A_DAY, self.last / HOURS_A_DAY
        return [round(every * k) for k in range(1, int(last / every + 1e-9) + 1)]


class Rating(Document):
    """How the state of the circuit becomes points. Sources: the trial file."""

    scale: Scale = "hamd-17"
    healthy: Sourced[NotNegative]
    slope: Sourced[Positive]
    trait_sd: Sourced[NotNegative]
    state_sd: Sourced[NotNegative]
    state_time_constant: Sourced[quantities.PositiveHours]
    rater_sd: Sourced[NotNegative]
    error_sd: Sourced[NotNegative]
    madrs_per_hamd: Sourced[Positive]


class Adherence(Document):
    """Missed doses: share who never start, weekly hazard of stopping for good, share of single days."""

    never: Sourced[Probability]
    stopping_weekly: Sourced[Probability]
    missed_days: Sourced[Probability]


class Leaving(Document):
    """Weekly probabilities of leaving the trial; those of side effects by class of drug."""

    any_reason: Sourced[Probability]
    no_improvement: Sourced[Probability]
    side_effects: dict[str, Sourced[Probability]]


class Parallel(Document):
    """Patients are randomised to one arm each; in dose finding the arms are doses of one drug."""

    kind: Literal["parallel", "dose-finding"] = "parallel"


class CrossOver(Document):
    """Every patient gets both arms, in random order, with a wash-out between the periods."""

    kind: Literal["cross-over"]
    period: quantities.PositiveHours
    washout: quantities.Hours


class LeadIn(Document):
    """Placebo for all before randomisation; who improves by this share is not randomised."""

    kind: Literal["placebo-lead-in"]
    lasting: quantities.PositiveHours
    exclude_improved: Annotated[float, Field(gt=0.0, le=1.0)]


class Limit(Document):
    """A rating on a day of the open phase that a responder does not exceed."""

    day: int = Field(ge=1)
    at_most: NotNegative


class Relapse(Document):
    """Ratings of at least so much at so many visits in a row."""

    at_least: NotNegative
    visits: int = Field(ge=1)


class Withdrawal(Given):
    """An open treatment for all; responders are randomised to the arms. Care ends at randomisation."""

    kind: Literal["randomised-withdrawal"]
    lasting: quantities.PositiveHours
    responders: list[Limit] = Field(min_length=1)
    relapse: Relapse


class Sequential(Document):
    """The arms are steps: who has not remitted at the end of a step, and has not left, gets the next."""

    kind: Literal["sequential"]
    step: quantities.PositiveHours


Design = Annotated[Parallel | CrossOver | LeadIn | Withdrawal | Sequential, Field(discriminator="kind")]


class Rescue(Document):
    """Drugs for those who have improved too little on a day; regimens count from that day."""

    day: int = Field(ge=1)
    improved_below: Probability
    drugs: list[Regimen] = Field(min_length=1)


class Endpoint(Document):
    """What is estimated (ICH E9(R1)) and how; response is a share of day 0, remission a score."""

    estimand: Literal["treatment-policy", "hypothetical", "composite"] = "treatment-policy"
    analyses: list[Analysis] = Field(default=["mmrm"], min_length=1)
    response: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    remission: NotNegative | None = None

    @model_validator(mode="after")
    def _estimand_and_analyses_agree(self) -> "Endpoint":
        if twice := [a for a in self.analyses if self.analyses.count(a) > 1]:
            raise Misplaced(("analyses",), f"{twice[0]} is written twice")
        for number, name in enumerate(self.analyses):
            if (name == "baseline-carried-forward") != (self.estimand == "composite"):
                raise Misplaced(
                    ("analyses", number),
                    f"{name} contradicts the estimand {self.estimand}: a composite estimand counts leaving"
                    " and rescue as no change, which only baseline-carried-forward does (the other estimands"
                    " allow mmrm, locf, completers, multiple-imputation)",
                )
        return self


class TrialFile(Document):
    """A trial file."""

    title: str
    description: str = ""
    extends: str | None = None
    circuit: str = "default"
    design: Design = Parallel()
    people: People = People()
    entry: Entry
    context: str | None = "care"
    arms: list[Arm] = Field(min_length=1)
    patients_per_arm: int = Field(ge=2, le=10_000)
    visits: Visits
    rating: Rating
    adherence: Adherence
    leaving: Leaving
    rescue: Rescue | None = None
    endpoint: Endpoint = Endpoint()
    neurons: int = 0
    seed: int = Field(default=1, ge=0, le=2**32 - 1)
    trial: int = Field(default=0, ge=0, le=10_000)  # of this seed; each has other patients and allocation

    @model_validator(mode="after")
    def _arms_fit_the_design(self) -> "TrialFile":
        names = [arm.name for arm in self.arms]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise Misplaced(("arms", number), f"two arms are called {name!r}")
        kind = self.design.kind
        if kind == "cross-over" and len(self.arms) != 2:
            raise Misplaced(("arms",), f"a cross-over compares 2 arms, not {len(self.arms)}")
        if kind == "dose-finding" and any(arm.dose is None for arm in self.arms):
            raise Misplaced(("arms",), "every arm of a dose-finding trial has a dose (0 for placebo)")
        for number, name in enumerate(self.endpoint.analyses if kind == "cross-over" else ()):
            if name not in ("locf", "completers"):
                place = ("endpoint", "analyses", number)
                raise Misplaced(place, f"{name} is not made for a cross-over (allowed: locf, completers)")
        if self.rescue and kind in ("cross-over", "sequential"):
            raise Misplaced(("rescue",), f"no rescue in a {kind} trial")
        if self.endpoint.estimand == "hypothetical" and any(
            sourced.value
            for sourced in (self.adherence.never, self.adherence.stopping_weekly, self.adherence.missed_days)
        ):
            raise Misplaced(
                ("endpoint", "estimand"),
                "hypothetical (every dose is taken) contradicts adherence: set never, stopping_weekly and"
                " missed_days to 0, or ask for treatment-policy",
            )
        return self

    @model_validator(mode="after")
    def _visits_lie_inside(self) -> "TrialFile":
        last, design = self.visits.days[-1], self.design
        if last > self.arm_days:
            raise Misplaced(("visits",), f"the visit on day {last} is after the end, day {self.arm_days}")
        if isinstance(design, Withdrawal):
            late = [n for n, limit in enumerate(design.responders) if limit.day > self.start_day]
            if late:
                place = ("design", "responders", late[0], "day")
                raise Misplaced(place, f"the open phase ends on day {self.start_day}")
        if self.total_days - self.start_day > LEAVING_WEEKS * 7:
            raise Misplaced(("visits",), f"the arms last more than {LEAVING_WEEKS} weeks")
        if self.rescue and self.rescue.day not in self.visits.days:
            raise Misplaced(("rescue", "day"), f"day {self.rescue.day} has no visit")
        return self

    @property
    def starts(self) -> list[int]:
        """Days on which the arm, its periods or its steps begin, counted from the start of care."""
        design = self.design
        if isinstance(design, CrossOver):
            return [0, whole_days(design.period) + whole_days(design.washout)]
        if isinstance(design, Sequential):
            return [whole_days(design.step) * step for step in range(len(self.arms))]
        return [whole_days(design.lasting) if isinstance(design, LeadIn | Withdrawal) else 0]

    @property
    def start_day(self) -> int:
        """Day of randomisation, counted from the start of care."""
        return self.starts[0]

    @property
    def arm_days(self) -> int:
        """Days of treatment in one arm: a period, a step, or to the last visit."""
        if isinstance(self.design, CrossOver):
            return whole_days(self.design.period)
        return whole_days(self.design.step) if isinstance(self.design, Sequential) else self.visits.days[-1]

    @property
    def total_days(self) -> int:
        """Days from the start of care to the last visit."""
        return self.starts[-1] + self.visits.days[-1]

    @property
    def care_ends(self) -> int | None:
        """Day on which care ends, from its start; None while the trial lasts."""
        return self.start_day if isinstance(self.design, Withdrawal) else None

    @property
    def remission(self) -> float:
        """Highest score that counts as remission."""
        usual = {"hamd-17": 7.0, "madrs": 10.0}[self.rating.scale]
        return usual if self.endpoint.remission is None else self.endpoint.remission

    def arm(self, name: str) -> Arm:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)


def whole_days(hours: float) -> int:
    """Days of a length that is given in hours, rounded up."""
    return ceil(hours / HOURS_A_DAY - 1e-9)


@dataclass(frozen=True)
class LoadedTrial:
    """A trial file with all that it names.

    regimens: by arm, counted from randomisation; open_phase: counted from the start of care.
    """

    path: Path
    file: TrialFile
    places: Places
    circuit: CircuitFile
    context: ContextFile | None
    regimens: dict[str, list[Regimen]]
    open_phase: list[Regimen]
    drugs: dict[str, DrugFile]

    @property
    def name(self) -> str:
        """Name of the file without its ending."""
        return self.path.stem

    @cached_property
    def side_effects(self) -> dict[str, float]:
        """Weekly probability of leaving for side effects, by arm (0 without a drug): the largest counts."""
        rates = self.file.leaving.side_effects
        of_drug = {
            name: found.value if (found := rates.get(drug.drug_class, rates.get("other"))) else 0.0
            for name, drug in self.drugs.items()
        }
        return {
            arm: max((of_drug[regimen.drug] for regimen in given), default=0.0)
            for arm, given in self.regimens.items()
        }

    def error(self, key: Key, message: str) -> InputError:
        """The fault at a key of the trial file."""
        return self.places.error(key, message)

    def conduct(self) -> str:
        """All that decides how patients live through the trial, as text; not what only matters afterwards."""
        endpoint = Endpoint(analyses=["locf"], remission=self.file.remission)  # valid in every design
        neutral = {"title": "", "description": "", "endpoint": endpoint, "patients_per_arm": 2}
        file = self.file.model_copy(update=neutral)
        stored = replace(self, path=Path(), places=Places({}), file=file)
        return _LOADED.dump_json(stored).decode()


_LOADED = TypeAdapter(LoadedTrial)


@lru_cache(maxsize=4)
def conducted_trial(text: str) -> LoadedTrial:
    """The trial whose conduct is this text."""
    return _LOADED.validate_json(text)


def load_trial(name_or_path: str | Path) -> LoadedTrial:
    """Read a trial file by shipped name or path, with all it names; InputError for every fault."""
    path = find("trials", str(name_or_path))
    file, places = read("trials", str(name_or_path), TrialFile)
    return resolve(path, file, places)


def resolve(path: Path, file: TrialFile, places: Places) -> LoadedTrial:
    """A trial file with its circuit, context and drugs; InputError at the key that names what is missing."""
    with _at(places, ("circuit",)):
        circuit, _ = circuit_for(str(find("circuits", file.circuit, path)))
    if circuit.readout.ill_when == "stronger":
        raise places.error(
            ("circuit",),
            "the scales of trials rate depression, from connections that are lost; in"
            f" {file.circuit!r} illness is too much of {circuit.readout_name}."
            f" Use unstuck compare --circuit {file.circuit}, or a study",
        )
    context, drugs = None, dict[str, DrugFile]()
    if file.context:
        with _at(places, ("context",)):
            context, _ = read("contexts", file.context, ContextFile, path)
            for region in context.regions:
                choose(region, circuit.regions, "region")
    trial = LoadedTrial(path, file, places, circuit, context, {}, [], drugs)
    for number, arm in enumerate(file.arms):
        trial.regimens[arm.name] = list(_regimens(trial, arm, ("arms", number), file.arm_days))
    if isinstance(file.design, Withdrawal):
        trial.open_phase.extend(_regimens(trial, file.design, ("design",), file.start_day))
    if file.rescue:
        left = file.visits.days[-1] - file.rescue.day
        list(_regimens(trial, Given(drugs=file.rescue.drugs), ("rescue",), left))
    known = [*{drug.drug_class for drug in drugs.values()}, "other"]
    for name in file.leaving.side_effects:
        if name not in known and nearest(name, known):
            raise places.error(("leaving", "side_effects", name), f"unknown class{nearest(name, known)}")
    return trial


@contextmanager
def _at(places: Places, key: Key) -> Iterator[None]:
    """Faults found inside are reported at a key of the trial file."""
    try:
        yield
    except InputError as fault:
        raise places.error(key, str(fault)) from None


def _regimens(trial: LoadedTrial, given: Given, key: Key, days: int) -> Iterator[Regimen]:
    """Its own regimens, or those of the treatment that it names; their drugs are added to the trial's.

    InputError for a drug that does not exist, a dose after so many days, and what a trial does not use.
    """
    own = list(given.drugs)
    if given.treatment is not None:
        with _at(trial.places, (*key, "treatment")):
            treatment = Treatment(str(find("treatments", given.treatment, trial.path)))
        own = list(_after_day_0(treatment.file, days))
        trial.drugs.update({regimen.drug: treatment.drugs[regimen.drug] for regimen in own})
    for number, regimen in enumerate(own):
        place = (*key, "drugs", number) if given.drugs else (*key, "treatment")
        if given.drugs:
            with _at(trial.places, (*place, "drug")):
                trial.drugs[regimen.drug] = drug_for(trial.circuit, regimen.drug, trial.path)
        if regimen.when or regimen.stop_when or regimen.taper_over:
            raise trial.error(
                place, "a trial decides by ratings and does not use when, stop_when, taper_over"
            )
        if given.drugs and regimen.end_h > days * HOURS_A_DAY + 1e-6:
            end = f"goes on to day {regimen.end_h / HOURS_A_DAY:g}, after the end, day {days}"
            raise trial.error(place, f"{regimen.drug} {end}")
        yield regimen


def _after_day_0(file: TreatmentFile, days: int) -> Iterator[Regimen]:
    """The regimens of a treatment from its day 0 on, counted from there and cut after so many days."""
    for name in list(file.phases)[list(file.phases).index(file.day_0) :]:
        for regimen in later(file.phases[name].drugs, file.start_h(name) - file.day_0_h):
            if (cut := _until(regimen, days * HOURS_A_DAY)) is not None:
                yield cut


def later(regimens: Sequence[Regimen], by_h: float) -> list[Regimen]:
    """The same regimens, so many hours later."""
    return [regimen.model_copy(update={"starting": regimen.starting + by_h}) for regimen in regimens]


def _until(regimen: Regimen, end_h: float) -> Regimen | None:
    """A regimen without what is given at or after an hour; None if nothing is left."""
    room_h = end_h - regimen.starting
    if room_h <= 0:
        return None
    if regimen.on_days is not None:
        kept = [day for day in regimen.on_days if day * HOURS_A_DAY < room_h]
        return regimen.model_copy(update={"on_days": kept}) if kept else None
    assert regimen.lasting is not None
    return regimen.model_copy(update={"lasting": min(regimen.lasting, room_h)})


def course_file(trial: TrialFile, arm: str, regimens: Sequence[Regimen] = ()) -> TreatmentFile:
    """The treatment of one course: stress, rest, then screening and trial.

    Regimens count from the start of care. Day 0 is the screening; its phase has the name of the arm.
    """
    rest_h, screening_h, low = trial.people.rest, trial.entry.screening, trial.people.lasting_stress
    cared_h = (trial.total_days if trial.care_ends is None else trial.care_ends) * HOURS_A_DAY
    drugs, treated_h = later(regimens, screening_h), screening_h + cared_h
    phases = {
        "stress": Phase.model_construct(length="patient", stress=1.0),
        "rest": Phase.model_construct(length=rest_h, stress=low),
        arm: Phase.model_construct(length=treated_h, stress=low, life_events=True, drugs=drugs),
    }
    if trial.care_ends is not None:
        after_h = trial.total_days * HOURS_A_DAY - cared_h
        phases["after care"] = Phase.model_construct(length=after_h, stress=low, life_events=True)
    # Not checked again: the days of the regimens were, and a regimen may go on into the next phase.
    return TreatmentFile.model_construct(
        title=trial.title, circuit=trial.circuit, phases=phases, day_0=arm, follow_up=0.0
    )
