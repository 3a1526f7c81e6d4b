"""One patient under one arm: screening, run-in, doses taken and missed, rescue, steps.

    stuck checkpoint -> screening -> [lead-in or open phase] -> randomisation -> arm -> last visit

Every decision is made from ratings, by functions that `dataset.py` uses again on the stored connectivity, so
that only the daily connectivity of a course is stored. A patient whom the entry criteria exclude is simulated
no further. All arms are simulated for every patient who could be randomised: a trial takes one of them, and
the others say what would have happened.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import floor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from unstuck.engine.readouts import connectivities
from unstuck.engine.step import Engine
from unstuck.files.context import ContextFile
from unstuck.files.treatment import TYPICAL_STRESS_H, Regimen
from unstuck.files.units import HOURS_A_DAY
from unstuck.files.yaml import Document, Places
from unstuck.patient.draw import Patient, Purpose, stream
from unstuck.patient.life import Checkpoint, Life
from unstuck.state import Floats, State

from unstuck_analysis.study.file import StudyInputs
from unstuck_analysis.study.plan import PlannedRun
from unstuck_analysis.study.run import ACCURACY, Row, Workplace
from unstuck_analysis.study.store import SERIES
from unstuck_analysis.study.vary import ArmFiles, VariedTreatment
from unstuck_analysis.trial.file import (
    CrossOver,
    Endpoint,
    LeadIn,
    LoadedTrial,
    Sequential,
    TrialFile,
    Withdrawal,
    course_file,
    shifted,
    whole_days,
)
from unstuck_analysis.trial.ratings import Booleans, Raters, Ratings, leaving

NOT_ILL_ABOVE = 0.92  # connectivity at screening; such a patient does not reach the entry limit
PATIENTS_PER_TRIAL = 100_000  # trial number t takes patients from this number times t on
Days = npt.NDArray[np.int64]


class Conduct(Document):
    """All that decides how patients live through a trial, as it is stored with the runs."""

    file: TrialFile
    context: ContextFile | None
    regimens: dict[str, list[Regimen]]
    open_phase: list[Regimen]


def conduct_text(trial: LoadedTrial) -> str:
    """The conduct of a trial as text, without what only matters afterwards."""
    endpoint = Endpoint(analyses=["locf"], remission=trial.file.remission)  # valid in every design
    neutral = {"title": "", "description": "", "endpoint": endpoint, "patients_per_arm": 2}
    file = trial.file.model_copy(update=neutral)
    found = Conduct(file=file, context=trial.context, regimens=trial.regimens, open_phase=trial.open_phase)
    return found.model_dump_json()


@lru_cache(maxsize=4)
def _conduct(text: str) -> Conduct:
    return Conduct.model_validate_json(text)


def trial_of(inputs: StudyInputs) -> LoadedTrial:
    """The trial whose runs are in a study."""
    found, files = _conduct(inputs.conduct), next(iter(inputs.basis.arms.values()))
    return LoadedTrial(
        inputs.name,
        Path(inputs.name),
        found.file,
        Places({(): (Path(inputs.name), 0)}),
        files.circuit,
        found.context,
        found.regimens,
        found.open_phase,
        files.drugs,
    )


def enters(trial: TrialFile, ratings: Ratings) -> Booleans:
    """Who reaches the entry limit at screening and at the start of care."""
    return ratings.points([-trial.entry.days, 0]).min(axis=1) >= trial.entry.at_least


def is_randomised(trial: TrialFile, ratings: Ratings) -> Booleans:
    """Who of those who entered is randomised: after a lead-in without improvement, or a response."""
    design = trial.design
    if isinstance(design, LeadIn):
        before, after = ratings.points([0, trial.start_day]).T
        return 1.0 - after / np.maximum(before, 1.0) < design.exclude_improved
    if isinstance(design, Withdrawal):
        points = ratings.points([limit.day for limit in design.responders])
        return (points - [limit.at_most for limit in design.responders]).max(axis=1) <= 0.0
    return np.ones(len(ratings.connectivity), dtype=bool)


def needs_rescue(trial: TrialFile, points: Floats, seen: Booleans) -> Booleans:
    """Who gets the rescue drugs: still there on its day, and improved too little (baseline first)."""
    if trial.rescue is None:
        return np.zeros(len(points), dtype=bool)
    visit = 1 + trial.visits.days.index(trial.rescue.day)
    improved = 1.0 - points[:, visit] / np.maximum(points[:, 0], 1.0)
    return seen[:, visit] & (improved < trial.rescue.improved_below)


def planned_days(trial: TrialFile) -> Days:
    """Days of all ratings from the start of care: baseline, then visits, of every period or step."""
    visits, design = np.array([0, *trial.visits.days]), trial.design
    if isinstance(design, CrossOver):
        second = whole_days(design.period) + whole_days(design.washout)
        return np.concatenate([visits, second + visits])
    if isinstance(design, Sequential):
        step, steps = whole_days(design.step), len(trial.arms)
        return np.concatenate([[0], *(step * k + visits[1:] for k in range(steps))])
    return trial.start_day + visits


def rating_days(trial: TrialFile, patients: Sequence[int]) -> Days:
    """Days (patients, ratings) from the start of care; visits are shifted within their window."""
    planned = planned_days(trial)
    days = np.tile(planned, (len(patients), 1))
    width = floor(trial.visits.window / HOURS_A_DAY)
    if width:
        for row, patient in enumerate(patients):
            rng = stream(trial.seed, patient, Purpose.VISITS)
            days[row] += rng.integers(-width, width + 1, len(planned))
        days[:, 0] = planned[0]
    return np.minimum(days, trial.total_days)


@dataclass(frozen=True)
class Adherence:
    """Whether a patient takes the doses of each day, from the start of care on; the same in every arm."""

    taken: Booleans

    @classmethod
    def of(cls, trial: TrialFile, patient: int) -> "Adherence":
        """From the patient's own stream: never started, day of stopping, single days."""
        law, days = trial.adherence, trial.total_days
        rng = stream(trial.seed, patient, Purpose.ADHERENCE)
        never = rng.random() < law.never.value
        stops = 7.0 * rng.exponential() / max(law.stopping_weekly.value, 1e-12)
        missed = rng.random(days) < law.missed_days.value
        return cls(~missed & (np.arange(days) < stops) & (not never))

    def applied(self, regimens: Sequence[Regimen]) -> list[Regimen]:
        """The doses that are taken. Doses on named days are given in the clinic, and taken."""
        return [kept for regimen in regimens for kept in self._applied(regimen)]

    def _applied(self, regimen: Regimen) -> Iterator[Regimen]:
        if regimen.every is None or regimen.every > HOURS_A_DAY:
            yield regimen
            return
        since_h = regimen.every * np.arange(regimen.number_of_doses)
        day = np.floor((regimen.starting + since_h) / HOURS_A_DAY + 1e-9).astype(int)
        taken = self.taken[np.minimum(day, len(self.taken) - 1)]
        if taken.all():
            yield regimen
        elif taken.any():
            on_days = (since_h[taken] / HOURS_A_DAY).tolist()
            yield regimen.model_copy(update={"on_days": on_days, "every": None, "lasting": None})


@dataclass
class Subject:
    """One patient on the way through one arm. connectivity: by day, from the screening on."""

    patient: Patient
    checkpoint: Checkpoint
    trial: LoadedTrial
    arm: str
    raters: Raters
    connectivity: list[float] = field(default_factory=list[float])
    state: State | None = None

    @classmethod
    def screened(cls, patient: Patient, checkpoint: Checkpoint, trial: LoadedTrial, arm: str) -> "Subject":
        """The patient, with the care of the arm (`with_care`), on the day of the screening."""
        raters = Raters.of(trial.file.seed, [patient.index], trial.file.total_days)
        return cls(patient, checkpoint, trial, arm, raters, [checkpoint.stuck.connectivity])

    @property
    def day(self) -> int:
        """The present day from the start of care."""
        return len(self.connectivity) - 1 - self.trial.file.entry.days

    @property
    def ratings(self) -> Ratings:
        """Ratings up to the present day."""
        course = np.array([self.connectivity])
        return ratings_of(self.trial, self.arm, course, self.raters)

    def go(self, regimens: Sequence[Regimen], until_day: int) -> None:
        """Simulate until a day. regimens: everything given since the start of care, past doses included."""
        file = course_file(self.trial.file, self.arm, self.adherence.applied(regimens))
        files = ArmFiles.model_construct(treatment=file, circuit=self.trial.circuit, drugs=self.trial.drugs)
        life = Life(self.patient, VariedTreatment(self.arm, files), self.checkpoint, ACCURACY)
        day_0_h = life.treatment.file.day_0_h
        if self.state is not None:
            hour = day_0_h + (len(self.connectivity) - 1) * HOURS_A_DAY
            life.engine = Engine(self.patient.circuit, self.state, hour, ACCURACY, day_0_h)

        def note(at_h: Floats, states: State) -> None:
            days = (at_h - day_0_h) / HOURS_A_DAY
            whole = np.abs(days - np.round(days)) < 1e-6  # a step ends at every change of the daily input
            self.connectivity += connectivities(self.patient.circuit, states)[0][whole].tolist()

        life.advance(day_0_h + (until_day + self.trial.file.entry.days) * HOURS_A_DAY, on_step=note)
        self.state = life.state

    @property
    def adherence(self) -> Adherence:
        """The doses that this patient takes."""
        return Adherence.of(self.trial.file, self.patient.index)

    def shown(self, upto: int) -> tuple[Floats, Booleans]:
        """The first ratings (1, upto) as points, and whether the patient is still there at each."""
        days = rating_days(self.trial.file, [self.patient.index])[:, :upto]
        points = self.ratings.points(days)
        planned = (planned_days(self.trial.file)[:upto] - self.trial.file.start_day).tolist()
        seen, _ = leaving(points, planned, self.raters.leaving, self.trial, self.arm)
        return points, seen


def ratings_of(trial: LoadedTrial, arm: str, courses: Floats, raters: Raters) -> Ratings:
    """The ratings of patients whose connectivity (patients, days) begins at the screening."""
    file = trial.file
    care = file.arm(arm).care
    return Ratings(file.rating, trial.context, raters, courses, -file.entry.days, care, file.care_ends)


def with_care(patient: Patient, trial: LoadedTrial, arm: str) -> Patient:
    """The patient with the input of care, which is zero before care, and where it acts on the rating."""
    file, context = trial.file, trial.context
    if context is None or context.acts_on != "circuit" or not file.arm(arm).care:
        return patient
    lasting_h = (patient.stress_h or TYPICAL_STRESS_H) + file.people.rest + file.entry.screening
    start = round(lasting_h / HOURS_A_DAY)
    days = np.arange(float(start + file.total_days + 1))
    rows = np.zeros((len(days), len(patient.circuit.regions)))
    columns = [patient.circuit.regions.index(region) for region in context.regions]
    normal = patient.stream(Purpose.CONTEXT).standard_normal()
    share = context.course(days + 0.5 - start, file.care_ends)
    rows[:, columns] = (file.arm(arm).care * context.size_of(normal) * share)[:, None]
    return replace(patient, care=rows)


def follow(subject: Subject) -> None:
    """Take a randomised patient through the arm, as far as the design lets them go."""
    trial = subject.trial.file
    given = [*subject.trial.open_phase, *_later(subject.trial.regimens[subject.arm], trial.start_day)]
    if isinstance(trial.design, CrossOver):
        (other,) = (arm.name for arm in trial.arms if arm.name != subject.arm)
        second = whole_days(trial.design.period) + whole_days(trial.design.washout)
        subject.go([*given, *_later(subject.trial.regimens[other], second)], trial.total_days)
    elif isinstance(trial.design, Sequential):
        _steps(subject, trial.design)
    else:
        if trial.rescue:
            subject.go(given, trial.start_day + trial.rescue.day)
            points, seen = subject.shown(2 + trial.visits.days.index(trial.rescue.day))
            if needs_rescue(trial, points, seen)[0]:
                given += _later(trial.rescue.drugs, trial.start_day + trial.rescue.day)
        subject.go(given, trial.total_days)


def run_in(subject: Subject) -> bool:
    """Screening, and the lead-in or open phase; whether the patient can be randomised."""
    trial = subject.trial.file
    if subject.connectivity[0] > NOT_ILL_ABOVE:
        return False
    if subject.ratings.points([-trial.entry.days])[0, 0] < trial.entry.at_least:
        return False
    subject.go([], 0)
    if not enters(trial, subject.ratings)[0]:
        return False
    if trial.start_day:
        subject.go(subject.trial.open_phase, trial.start_day)
    return bool(is_randomised(trial, subject.ratings)[0])


def _steps(subject: Subject, design: Sequential) -> None:
    """The steps of a sequential trial, until the patient has remitted or left."""
    trial, length = subject.trial, whole_days(design.step)
    given: list[Regimen] = []
    visits = len(trial.file.visits.days)
    for step, arm in enumerate(trial.file.arms):
        given += _later(trial.regimens[arm.name], step * length)
        subject.go(given, (step + 1) * length)
        points, seen = subject.shown(1 + visits * (step + 1))
        if not seen[0, -1] or points[0, -1] <= trial.file.remission:
            return


def _later(regimens: Sequence[Regimen], days: int) -> list[Regimen]:
    return [shifted(regimen, days * HOURS_A_DAY) for regimen in regimens]


def run_subject(workplace: Workplace, run: PlannedRun) -> Row:
    """One patient under one arm: connectivity by day from the screening on, as a row of the store."""
    trial, arm = trial_of(workplace.inputs), run.treatment
    run_inputs = workplace.variation.inputs_of(arm, run.settings)
    drawn = workplace.patient(run_inputs, PATIENTS_PER_TRIAL * trial.file.trial + run.patient)
    care = trial.file.arm(arm).care
    if care not in workplace.kept:
        workplace.kept[care] = with_care(drawn, trial, arm)
    patient = workplace.kept[care]
    way = ("run-in", care if trial.file.start_day else 1.0)
    if way not in workplace.kept:  # the arms share what comes before randomisation
        subject = Subject.screened(patient, workplace.stuck(run_inputs, patient), trial, arm)
        workplace.kept[way] = run_in(subject), subject
    goes_on, before = workplace.kept[way]
    subject = replace(before, patient=patient, arm=arm, connectivity=list(before.connectivity))
    if goes_on:
        follow(subject)
    days = np.arange(len(subject.connectivity)) - trial.file.entry.days
    return {
        "not_stuck": subject.connectivity[0] > NOT_ILL_ABOVE,
        f"{SERIES}day": days.astype(float),
        f"{SERIES}connectivity": subject.connectivity,
    }
