"""Who was screened and rated: a pool of patients under every arm, from stored courses of connectivity.

stored courses -> Pool (every patient who can be randomised, under every arm) -> TrialResult (one arm each)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from unstuck.state import Floats

from unstuck_analysis.study.results import Results
from unstuck_analysis.trial.conduct import (
    PATIENTS_PER_TRIAL,
    dose_days,
    enters,
    is_randomised,
    needs_rescue,
    planned_days,
    rating_days,
)
from unstuck_analysis.trial.file import LoadedTrial, Sequential, TrialFile
from unstuck_analysis.trial.ratings import Booleans, Raters, Ratings, leaving

Integers = npt.NDArray[np.int64]
_BY_RATING = ("points", "seen", "true_points", "doses")
_BY_PATIENT = ("patients", "why", "rescued", *_BY_RATING)


@dataclass(frozen=True)
class Group:
    """Ratings of patients (rows) under one arm, period or step; columns are the baseline, then the visits.

    days: of the ratings, from the baseline. points: as if all stayed; seen: who is still there; why: the
    reason of leaving; true_points: without trait, rater, state and error; doses: days with a dose until then.
    """

    name: str
    patients: Integers
    days: Integers
    points: Floats
    seen: Booleans
    why: Integers
    rescued: Booleans
    true_points: Floats
    doses: Integers

    @property
    def n(self) -> int:
        """Number of patients."""
        return len(self.patients)

    def part(self, rows: Integers | Booleans, columns: Integers | None = None) -> "Group":
        """Some of the patients, and some of the ratings, the first of which is the baseline."""
        columns = np.arange(len(self.days)) if columns is None else columns
        parts = {name: getattr(self, name)[rows] for name in _BY_PATIENT}
        parts |= {name: parts[name][:, columns] for name in _BY_RATING}
        days = self.days[columns]
        return replace(self, days=days - days[0], **parts)


def joined(groups: Sequence[Group]) -> Group:
    """The patients of several groups, under the name and on the days of the first."""
    parts = {name: np.concatenate([getattr(group, name) for group in groups]) for name in _BY_PATIENT}
    return replace(groups[0], **parts)


@dataclass(frozen=True)
class Pool:
    """Patients who can be randomised, each of them under every arm that is simulated.

    screened: number of patients; stopped: of those who entered, after a lead-in or an open phase.
    """

    trial: LoadedTrial
    screened: int
    stopped: int
    arms: list[Group]

    @property
    def n(self) -> int:
        """Number of patients."""
        return self.arms[0].n

    @property
    def entered(self) -> int:
        """Number of patients who reach the entry limit."""
        return self.n + self.stopped

    def arm(self, name: str) -> Group:
        """All patients under one arm."""
        return next(group for group in self.arms if group.name == name)


def simulated_arms(file: TrialFile) -> list[str]:
    """Arms that are simulated for every patient: the steps of a sequential trial follow within one run."""
    names = [arm.name for arm in file.arms]
    return names[:1] if isinstance(file.design, Sequential) else names


def pool_of(trial: LoadedTrial, courses: Floats, copy: int = 0) -> Pool:
    """Rate courses of connectivity (`courses_of`) and keep who can be randomised (copy: see `Raters.of`)."""
    file, arms = trial.file, simulated_arms(trial.file)
    numbers = np.arange(courses.shape[1]) + PATIENTS_PER_TRIAL * file.trial
    raters = Raters.of(file.seed, numbers.tolist(), file.total_days, copy)
    screened = Ratings(trial, arms[0], courses[0], raters)
    entered = enters(file, screened)
    kept = entered & is_randomised(file, screened)
    groups = rated(trial, numbers[kept], courses[:, kept], raters.pick(kept))
    return Pool(trial, len(numbers), int((entered & ~kept).sum()), groups)


def courses_of(trial: LoadedTrial, results: Results) -> Floats:
    """Stored connectivity (arms, patients, days from screening on); NaN where a patient was not followed."""
    arms, length = simulated_arms(trial.file), trial.file.entry.days + trial.file.total_days + 1
    found = [results.courses(arm, ["connectivity"])[1]["connectivity"] for arm in arms]
    widened = [np.pad(each, ((0, 0), (0, length - each.shape[1])), constant_values=np.nan) for each in found]
    return np.array(widened)


def rated(trial: LoadedTrial, patients: Integers, courses: Floats, raters: Raters) -> list[Group]:
    """Patients who can be randomised, rated under every arm. courses: (arms, patients, days)."""
    file, planned = trial.file, planned_days(trial.file)
    days, doses = rating_days(file, patients.tolist()), dose_days(trial, patients.tolist())
    groups: list[Group] = []
    for arm, course in zip(simulated_arms(file), courses, strict=True):
        ratings = Ratings(trial, arm, course, raters)
        points, since = ratings.points(days), planned - file.start_day
        there, why = leaving(points, since.tolist(), raters.leaving, trial, arm)
        rescued, seen = needs_rescue(file, points, there), there & np.isfinite(points)
        true_points = ratings.true_points(days)
        groups.append(Group(arm, patients, since, points, seen, why, rescued, true_points, doses[arm]))
    return groups
