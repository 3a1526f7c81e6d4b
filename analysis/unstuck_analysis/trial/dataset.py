"""Who was screened, randomised and rated: the data of a trial, from the stored courses of connectivity.

    stored courses -> Pool (every patient who can be randomised, under every arm) -> Trial data (one arm each)

A trial takes patients in their order and gives each to one arm by permuted blocks. The same pool gives many
trials: `resampled` draws patients from it instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from unstuck.patient.draw import Purpose
from unstuck.state import Floats

from unstuck_analysis.study.results import Results
from unstuck_analysis.trial.conduct import (
    NOT_ILL_ABOVE,
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


@dataclass(frozen=True)
class Screening:
    """How many patients were met, and what became of them before randomisation."""

    screened: int
    not_ill: int
    below_limit: int
    stopped_in_run_in: int
    randomisable: int

    @property
    def entry_share(self) -> float:
        """Share of the screened patients who reach the entry limit."""
        return (self.randomisable + self.stopped_in_run_in) / max(self.screened, 1)


@dataclass(frozen=True)
class Pool:
    """Patients who can be randomised, under every arm. Arrays: (arms, patients, ratings), baseline first.

    days: of the ratings, from randomisation. points: as if all stayed; seen: who is still there; why: reason
    of leaving (arms, patients); true_points: without trait, rater, state and error.
    """

    trial: LoadedTrial
    patients: Integers
    screening: Screening
    entry_points: Floats
    days: Integers
    points: Floats
    seen: Booleans
    why: Integers
    rescued: Booleans
    true_points: Floats
    courses: Floats

    @property
    def arms(self) -> list[str]:
        """Arms as they are simulated: in a sequential trial the first step alone."""
        return simulated_arms(self.trial.file)


@dataclass(frozen=True)
class Group:
    """Ratings of one arm, period or step: rows are patients; columns the baseline, then visits."""

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

    def with_seen(self, seen: Booleans) -> "Group":
        """The same with other missing ratings."""
        return Group(
            self.name, self.patients, self.days, self.points, seen, self.why, self.rescued, self.true_points
        )


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
        file = self.trial.file
        if isinstance(file.design, CrossOver):
            return [self._crossed(position) for position in range(2)]
        if isinstance(file.design, Sequential):
            return list(self._steps())
        every = np.arange(len(self.pool.days))
        return [
            self._group(name, position, self.rows[self.arm == position], every)
            for position, name in enumerate(self.pool.arms)
        ]

    def sequences(self) -> tuple[Group, Group]:
        """Both orders of a cross-over with all ratings: the first arm first, the second arm first."""
        every = np.arange(len(self.pool.days))
        one, other = (
            self._group(name, k, self.rows[self.arm == k], every) for k, name in enumerate(self.pool.arms)
        )
        return one, other

    def _group(self, name: str, position: int, rows: Integers, columns: Integers) -> Group:
        pool, days = self.pool, self.pool.days[columns]
        take = np.ix_(np.array([position]), rows, columns)
        return Group(
            name,
            pool.patients[rows],
            days - days[0],
            pool.points[take][0],
            pool.seen[take][0],
            pool.why[position, rows],
            pool.rescued[position, rows],
            pool.true_points[take][0],
        )

    def _crossed(self, position: int) -> Group:
        """A treatment of a cross-over: the first period of one order, the second of the other."""
        half = len(self.pool.days) // 2
        first, second = np.arange(half), np.arange(half, 2 * half)
        name = self.pool.arms[position]
        parts = [
            self._group(name, position, self.rows[self.arm == position], first),
            self._group(name, 1 - position, self.rows[self.arm != position], second),
        ]
        joined = [np.concatenate([getattr(part, what) for part in parts]) for what in _BY_PATIENT]
        return Group(name, joined[0], parts[0].days, *joined[1:])

    def _steps(self) -> Iterator[Group]:
        visits, rows = len(self.trial.file.visits.days), self.rows
        for step, arm in enumerate(self.trial.file.arms):
            columns = np.concatenate([[step * visits], step * visits + 1 + np.arange(visits)])
            group = self._group(arm.name, 0, rows, columns)
            yield group
            goes_on = group.seen[:, -1] & (group.points[:, -1] > self.trial.file.remission)
            rows = rows[goes_on]


_BY_PATIENT = ("patients", "points", "seen", "why", "rescued", "true_points")


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
    ill, entered = courses[0][:, 0] <= NOT_ILL_ABOVE, enters(file, screened)
    kept = entered & is_randomised(file, screened)
    counts = Screening(
        len(numbers),
        int((~ill).sum()),
        int((ill & ~entered).sum()),
        int((entered & ~kept).sum()),
        int(kept.sum()),
    )
    return rated(trial, arms, numbers[kept], courses[:, kept], raters.pick(kept), counts)


def courses_of(trial: LoadedTrial, results: Results) -> Floats:
    """Stored connectivity (arms, patients, days from screening on); NaN where a patient was not followed."""
    arms, length = simulated_arms(trial.file), trial.file.entry.days + trial.file.total_days + 1
    found = [results.courses(arm, ["connectivity"])[1]["connectivity"] for arm in arms]
    widened = [np.pad(each, ((0, 0), (0, length - each.shape[1])), constant_values=np.nan) for each in found]
    return np.array(widened)


def rated(
    trial: LoadedTrial,
    arms: Sequence[str],
    patients: Integers,
    courses: Floats,
    raters: Raters,
    counts: Screening,
) -> Pool:
    """Patients who can be randomised, rated under every arm. courses: (arms, patients, days)."""
    file = trial.file
    days = rating_days(file, patients.tolist())
    planned = planned_days(file) - file.start_day
    points, seen, true_points = list[Floats](), list[Booleans](), list[Floats]()
    why, rescued = list[Integers](), list[Booleans]()
    for arm, course in zip(arms, courses, strict=True):
        ratings = ratings_of(trial, arm, course, raters)
        points.append(ratings.points(days))
        true_points.append(ratings.true_points(days))
        there, reason = leaving(points[-1], planned.tolist(), raters.leaving, trial, arm)
        rescued.append(needs_rescue(file, points[-1], there))
        seen.append(there & np.isfinite(points[-1]))
        why.append(reason)
    entry = ratings_of(trial, arms[0], courses[0], raters).points([-file.entry.days, 0])
    return Pool(
        trial,
        patients,
        counts,
        entry,
        planned,
        np.array(points),
        np.array(seen),
        np.array(why),
        np.array(rescued),
        np.array(true_points),
        courses,
    )


def conducted(pool: Pool, per_arm: int) -> TrialData:
    """The trial as it is run: patients in order, allocated by permuted blocks of two per arm."""
    arms, file = len(pool.arms), pool.trial.file
    rng = np.random.default_rng(np.random.SeedSequence([file.seed, file.trial, int(Purpose.ALLOCATION)]))
    total = arms * per_arm
    order: list[int] = []
    while len(order) < total:
        block = rng.permutation(list(range(arms)) * 2)
        order += block[::-1].tolist()
    rows = np.arange(min(total, len(pool.patients)))
    return TrialData(pool, rows, np.array(order[: len(rows)], dtype=np.int64))


def resampled(pool: Pool, per_arm: int, rng: np.random.Generator) -> TrialData:
    """A trial of patients drawn from the pool: without replacement where it is large enough."""
    arms, size = len(pool.arms), len(pool.patients)
    rows = rng.choice(size, arms * per_arm, replace=arms * per_arm > size)
    return TrialData(pool, rows, np.repeat(np.arange(arms), per_arm))
