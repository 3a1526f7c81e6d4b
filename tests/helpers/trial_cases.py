"""Trials without a simulation: a pool whose courses of connectivity are made up."""

from collections.abc import Mapping

import numpy as np
from unstuck.state import Floats
from unstuck_analysis.trial.analysis import TrialResult
from unstuck_analysis.trial.dataset import Pool, rated
from unstuck_analysis.trial.file import LoadedTrial
from unstuck_analysis.trial.ratings import Raters


def made_up_pool(trial: LoadedTrial, courses: Mapping[str, Floats]) -> Pool:
    """A pool of patients 0, 1, ... with the given connectivity (patients, days) by arm, from screening on."""
    patients = np.arange(len(next(iter(courses.values()))))
    raters = Raters.of(trial.file.seed, patients.tolist(), trial.file.total_days)
    return Pool(trial, len(patients), 0, rated(trial, patients, np.array(list(courses.values())), raters))


def made_up_trial(trial: LoadedTrial, patients: int, falls: Mapping[str, float]) -> TrialResult:
    """Patients with a connectivity of 0.45 that rises evenly, by a size per arm; half of them in each arm."""
    days = trial.file.entry.days + trial.file.total_days + 1
    rise = np.clip(np.arange(days) - trial.file.entry.days, 0, None) / trial.file.total_days
    start = 0.45 + 0.05 * np.random.default_rng(1).standard_normal((patients, 1))
    pool = made_up_pool(trial, {arm: start + fall * rise for arm, fall in falls.items()})
    arms = np.arange(patients) % len(falls)
    return TrialResult(pool, np.arange(patients), arms)
