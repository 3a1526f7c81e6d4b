"""One patient under one arm: screening, run-in, doses taken and missed, rescue, steps.

    stuck checkpoint -> screening -> [lead-in or open phase] -> randomisation -> arm -> last visit

Every decision is made from ratings, by functions that `dataset.py` uses again on the stored connectivity, so
that only the daily connectivity of a course is stored. A patient whom the entry criteria exclude is simulated
no further. All arms are simulated for every patient who could be randomised: a trial takes one of them, and
the others say what would have happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import floor

import numpy as np
import numpy.typing as npt
from unstuck.engine.readouts import connectivities
from unstuck.engine.step import Engine
from unstuck.files.treatment import TYPICAL_STRESS_H, Regimen
from unstuck.files.units import HOURS_A_DAY
from unstuck.patient.draw import Patient, Purpose, stream
from unstuck.patient.life import Checkpoint, Life
from unstuck.state import Floats, State

from unstuck_analysis.study.plan import PlannedRun
from unstuck_analysis.study.run import ACCURACY, Row, Workplace
from unstuck_analysis.study.store import SERIES
from unstuck_analysis.study.vary import ArmFiles, VariedTreatment
from unstuck_analysis.trial.file import (
    CrossOver,
    LeadIn,
    LoadedTrial,
    Sequential,
    TrialFile,
    Withdrawal,
    conducted_trial,
    course_file,
    later,
)
from unstuck_analysis.trial.ratings import Booleans, Raters, Ratings, leaving

NOT_ILL_ABOVE = 0.92  # connectivity at screening; such a patient does not reach the entry limit
PATIENTS_PER_TRIAL = 100_000  # trial number t takes patients from this number times t on
Days = npt.NDArray[np.int64]


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
    """Days of all ratings from the start of care: baseline, then visits, of every period or step.

    The last rating of a step is the baseline of the next one.
    """
    visits = np.array([0, *trial.visits.days])
    kept = 1 if isinstance(trial.design, Sequential) else 0
    found = np.concatenate([start + visits[kept:] for start in trial.starts])
    return np.concatenate([visits[:kept], found])


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


def at_home(regimen: Regimen) -> bool:
    """Whether patients take the drug themselves: at least once per day. Other doses are given to them."""
    return regimen.every is not None and regimen.every <= HOURS_A_DAY


def days_taken(trial: TrialFile, patient: int) -> Booleans:
    """Whether a patient takes the doses of each day, from the start of care on; the same in every arm.

    From the patient's own stream: never started, day of stopping, single days.
    """
    law, rng = trial.adherence, stream(trial.seed, patient, Purpose.ADHERENCE)
    never = rng.random() < law.never.value
    stops = 7.0 * rng.exponential() / max(law.stopping_weekly.value, 1e-12)
    missed = rng.random(trial.total_days) < law.missed_days.value
    return ~missed & (np.arange(trial.total_days) < stops) & (not never)


def doses_taken(regimens: Sequence[Regimen], taken: Booleans) -> list[Regimen]:
    """The doses of the days that are taken (days from the start of care); those in the clinic always are."""
    kept: list[Regimen] = []
    for regimen in regimens:
        if not at_home(regimen):
            kept.append(regimen)
            continue
        since_h = (regimen.every or 0.0) * np.arange(regimen.number_of_doses)
        day = np.floor((regimen.starting + since_h) / HOURS_A_DAY + 1e-9).astype(int)
        given = taken[np.minimum(day, len(taken) - 1)]
        on_days = (since_h[given] / HOURS_A_DAY).tolist()
        some = regimen.model_copy(update={"on_days": on_days, "every": None, "lasting": None})
        kept += [regimen] if given.all() else [some] if given.any() else []
    return kept


def dose_days(trial: LoadedTrial, patients: Sequence[int]) -> dict[str, Days]:
    """Days with a dose until each planned rating (patients, ratings), by arm.

    Patients of an arm without a drug take placebo as the others take their drugs; those who wait take none.
    """
    planned, file = planned_days(trial.file), trial.file
    taken = np.array([days_taken(file, patient) for patient in patients], dtype=int)
    until = np.pad(taken.reshape(-1, file.total_days).cumsum(axis=1), ((0, 0), (1, 0)))[:, planned]
    in_clinic, found = np.tile(planned, (len(patients), 1)), dict[str, Days]()
    every = [regimen for given in trial.regimens.values() for regimen in given]
    for arm, given in trial.regimens.items():
        waits, as_in = not (given or file.arm(arm).care), given or every
        found[arm] = in_clinic if as_in and not any(map(at_home, as_in)) else until
        found[arm] = np.zeros_like(until) if waits else found[arm]
    return found


@dataclass
class Subject:
    """One patient (`with_care`) on the way through one arm. connectivity: by day, from the screening on."""

    patient: Patient
    checkpoint: Checkpoint
    trial: LoadedTrial
    arm: str
    connectivity: list[float]
    state: State | None = None

    @cached_property
    def raters(self) -> Raters:
        """The random numbers of this patient's ratings."""
        return Raters.of(self.trial.file.seed, [self.patient.index], self.trial.file.total_days)

    @property
    def ratings(self) -> Ratings:
        """Ratings up to the present day."""
        return Ratings(self.trial, self.arm, np.array([self.connectivity]), self.raters)

    def go(self, regimens: Sequence[Regimen], until_day: int) -> None:
        """Simulate until a day. regimens: everything given since the start of care, past doses included."""
        taken = doses_taken(regimens, days_taken(self.trial.file, self.patient.index))
        file = course_file(self.trial.file, self.arm, taken)
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

    def shown(self, upto: int) -> tuple[Floats, Booleans]:
        """The first ratings (1, upto) as points, and whether the patient is still there at each."""
        days = rating_days(self.trial.file, [self.patient.index])[:, :upto]
        points = self.ratings.points(days)
        planned = (planned_days(self.trial.file)[:upto] - self.trial.file.start_day).tolist()
        seen, _ = leaving(points, planned, self.raters.leaving, self.trial, self.arm)
        return points, seen


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
    trial, regimens = subject.trial.file, subject.trial.regimens
    given = [*subject.trial.open_phase, *_later(regimens[subject.arm], trial.start_day)]
    if isinstance(trial.design, Sequential):
        _steps(subject)
        return
    if isinstance(trial.design, CrossOver):
        (other,) = (arm.name for arm in trial.arms if arm.name != subject.arm)
        given += _later(regimens[other], trial.starts[1])
    if trial.rescue:
        subject.go(given, trial.start_day + trial.rescue.day)
        points, seen = subject.shown(2 + trial.visits.days.index(trial.rescue.day))
        if needs_rescue(trial, points, seen)[0]:
            given += _later(trial.rescue.drugs, trial.start_day + trial.rescue.day)
    subject.go(given, trial.total_days)


def _steps(subject: Subject) -> None:
    """The steps of a sequential trial, until the patient has remitted or left."""
    trial, given = subject.trial.file, list[Regimen]()
    for step, (arm, start) in enumerate(zip(trial.arms, trial.starts, strict=True), 1):
        given += _later(subject.trial.regimens[arm.name], start)
        subject.go(given, min(start + trial.arm_days, trial.total_days))
        points, seen = subject.shown(1 + len(trial.visits.days) * step)
        if not seen[0, -1] or points[0, -1] <= trial.remission:
            return


def _later(regimens: Sequence[Regimen], days: int) -> list[Regimen]:
    return later(regimens, days * HOURS_A_DAY)


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


def run_subject(workplace: Workplace, run: PlannedRun) -> Row:
    """One patient under one arm: connectivity by day from the screening on, as a row of the store."""
    trial, arm = conducted_trial(workplace.inputs.conduct), run.treatment
    run_inputs = workplace.variation.inputs_of(arm, run.settings)
    drawn = workplace.patient(run_inputs, PATIENTS_PER_TRIAL * trial.file.trial + run.patient)
    care = trial.file.arm(arm).care
    if care not in workplace.kept:
        workplace.kept[care] = with_care(drawn, trial, arm)
    patient = workplace.kept[care]
    way = ("run-in", care if trial.file.start_day else 1.0)
    if way not in workplace.kept:  # the arms share what comes before randomisation
        checkpoint = workplace.stuck(run_inputs, patient)
        subject = Subject(patient, checkpoint, trial, arm, [checkpoint.stuck.connectivity])
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
