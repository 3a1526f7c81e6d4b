"""Who was screened, randomised and rated: the data of a trial, from the stored courses of connectivity.

    stored courses -> Pool (every patient who can be randomised, under every arm) -> TrialData (one arm each)

A trial takes patients in their order and gives each to one arm by permuted blocks. The same pool gives many
trials: `resampled` draws patients from it instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from unstuck.patient.draw import Purpose
from unstuck.state import Floats

from unstuck_analysis.study.results import Results
from unstuck_analysis.trial.conduct import (
    PATIENTS_PER_TRIAL,
    enters,
    is_randomised,
    needs_rescue,
    planned_days,
    rating_days,
    ratings_of,
)
from unstuck_analysis.trial.file import CrossOver, LoadedTrial, Sequential, TrialFile
from unstuck_analysis.trial.ratings import Booleans, Raters, leaving

Integers = npt.NDArray[np.int64]
_BY_PATIENT = ("patients", "points", "seen", "why", "rescued", "true_points")


@dataclass(frozen=True)
class Screening:
    """How many patients were screened, were excluded after a lead-in or open phase, or can be randomised."""

    screened: int
    stopped_in_run_in: int
    randomisable: int

    @property
    def entered(self) -> int:
        """Number who reach the entry limit."""
        return self.randomisable + self.stopped_in_run_in


@dataclass(frozen=True)
class Group:
    """Ratings of patients (rows) under one arm, period or step; columns are the baseline, then the visits.

    days: of the ratings, from the baseline. points: as if all stayed; seen: who is still there; why: the
    reason of leaving; true_points: without trait, rater, state and error.
    """

    name: str
    patients: Integers
    days: Integers
    points: Floats
    seen: Booleans
    why: Integers
    rescued: Booleans
    true_points: Floats

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.patients)

    def part(self, rows: Integers | Booleans, columns: Integers | None = None) -> "Group":
        """Some of the patients, and some of the ratings, the first of which is the baseline."""
        columns = np.arange(len(self.days)) if columns is None else columns
        parts = {name: getattr(self, name)[rows] for name in _BY_PATIENT}
        parts |= {name: parts[name][:, columns] for name in ("points", "seen", "true_points")}
        days = self.days[columns]
        return replace(self, days=days - days[0], **parts)


def joined(groups: Sequence[Group]) -> Group:
    """The patients of several groups, under the name and on the days of the first."""
    parts = {name: np.concatenate([getattr(group, name) for group in groups]) for name in _BY_PATIENT}
    return replace(groups[0], **parts)


@dataclass(frozen=True)
class Pool:
    """Patients who can be randomised, each of them under every arm that is simulated."""

    trial: LoadedTrial
    screening: Screening
    arms: list[Group]

    @property
    def n(self) -> int:
        """Number of patients."""
        return self.arms[0].n

    def arm(self, name: str) -> Group:
        """All patients under one arm."""
        return next(group for group in self.arms if group.name == name)


@dataclass(frozen=True)
class TrialData:
    """One trial: rows of the pool, and the arm (a position) that each patient was given to."""

    pool: Pool
    rows: Integers
    arm: Integers

    @property
    def trial(self) -> LoadedTrial:
        """The trial that was conducted."""
        return self.pool.trial

    def groups(self) -> list[Group]:
        """The arms with their patients: of a cross-over by treatment, of a sequential trial by step."""
        if isinstance(self.trial.file.design, Sequential):
            return list(self._steps())
        crossed = isinstance(self.trial.file.design, CrossOver)
        return _by_treatment(*self.sequences()) if crossed else self.sequences()

    def sequences(self) -> list[Group]:
        """The patients of each arm with all ratings; of a cross-over those who get this arm first."""
        return [group.part(self.rows[self.arm == k]) for k, group in enumerate(self.pool.arms)]

    def _steps(self) -> Iterator[Group]:
        visits, rows = len(self.trial.file.visits.days), self.rows
        for step, arm in enumerate(self.trial.file.arms):
            columns = np.array([step * visits, *(step * visits + 1 + np.arange(visits))])
            group = replace(self.pool.arms[0].part(rows, columns), name=arm.name)
            yield group
            rows = rows[group.seen[:, -1] & (group.points[:, -1] > self.trial.file.remission)]


def _by_treatment(one: Group, other: Group) -> list[Group]:
    """The treatments of a cross-over: the first period of one order with the second of the other."""
    half = len(one.days) // 2
    first, second = np.arange(half), np.arange(half, 2 * half)
    everyone = [np.arange(order.n) for order in (one, other)]
    return [
        joined([one.part(everyone[0], first), other.part(everyone[1], second)]),
        joined([other.part(everyone[1], first), one.part(everyone[0], second)]),
    ]


def simulated_arms(file: TrialFile) -> list[str]:
    """Arms that are simulated for every patient: the steps of a sequential trial follow within one run."""
    names = [arm.name for arm in file.arms]
    return names[:1] if isinstance(file.design, Sequential) else names


def pool_of(trial: LoadedTrial, courses: Floats, copy: int = 0) -> Pool:
    """Rate courses of connectivity (`courses_of`) and keep who can be randomised (copy: see `Raters.of`)."""
    file, arms = trial.file, simulated_arms(trial.file)
    numbers = np.arange(courses.shape[1]) + PATIENTS_PER_TRIAL * file.trial
    raters = Raters.of(file.seed, numbers.tolist(), file.total_days, copy)
    screened = ratings_of(trial, arms[0], courses[0], raters)
    entered = enters(file, screened)
    kept = entered & is_randomised(file, screened)
    counts = Screening(len(numbers), int((entered & ~kept).sum()), int(kept.sum()))
    return rated(trial, numbers[kept], courses[:, kept], raters.pick(kept), counts)


def courses_of(trial: LoadedTrial, results: Results) -> Floats:
    """Stored connectivity (arms, patients, days from screening on); NaN where a patient was not followed."""
    arms, length = simulated_arms(trial.file), trial.file.entry.days + trial.file.total_days + 1
    found = [results.courses(arm, ["connectivity"])[1]["connectivity"] for arm in arms]
    widened = [np.pad(each, ((0, 0), (0, length - each.shape[1])), constant_values=np.nan) for each in found]
    return np.array(widened)


def rated(trial: LoadedTrial, patients: Integers, courses: Floats, raters: Raters, counts: Screening) -> Pool:
    """Patients who can be randomised, rated under every arm. courses: (arms, patients, days)."""
    file = trial.file
    days, planned = rating_days(file, patients.tolist()), planned_days(file) - file.start_day
    arms: list[Group] = []
    for arm, course in zip(simulated_arms(file), courses, strict=True):
        ratings = ratings_of(trial, arm, course, raters)
        points = ratings.points(days)
        there, why = leaving(points, planned.tolist(), raters.leaving, trial, arm)
        rescued, seen = needs_rescue(file, points, there), there & np.isfinite(points)
        arms.append(Group(arm, patients, planned, points, seen, why, rescued, ratings.true_points(days)))
    return Pool(trial, counts, arms)


def conducted(pool: Pool, per_arm: int) -> TrialData:
    """The trial as it is run: patients in order, allocated by permuted blocks of two per arm."""
    arms, file = len(pool.arms), pool.trial.file
    rng = np.random.default_rng(np.random.SeedSequence([file.seed, file.trial, int(Purpose.ALLOCATION)]))
    total = arms * per_arm
    order: list[int] = []
    while len(order) < total:
        block = rng.permutation(list(range(arms)) * 2)
        order += block[::-1].tolist()
    rows = np.arange(min(total, pool.n))
    return TrialData(pool, rows, np.array(order[: len(rows)], dtype=np.int64))


def resampled(pool: Pool, per_arm: int, rng: np.random.Generator) -> TrialData:
    """A trial of patients drawn from the pool: without replacement where it is large enough."""
    arms = len(pool.arms)
    rows = rng.choice(pool.n, arms * per_arm, replace=arms * per_arm > pool.n)
    return TrialData(pool, rows, np.repeat(np.arange(arms), per_arm))
