"""From the state of the circuit to what a rater writes down, and who leaves.

    points = healthy + slope (1 - C) + trait + rater + state(t) + error(t) + inflation at entry, t <= 0
    state: Ornstein-Uhlenbeck process by day, from day -14 on

rounded (half to even) and cut to the scale. MADRS is a multiple of the same sum. C, the connectivity at the
start of the day, is 1 in health. All normal numbers come from the patient's own stream, so that a change of
the scale needs no new simulation. Sources: the trial file; docs/explanation/trials.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, sqrt

import numpy as np
import numpy.typing as npt
from unstuck.files.units import HOURS_A_DAY
from unstuck.patient.draw import Purpose, stream
from unstuck.state import Floats

from unstuck_analysis.trial.file import BEFORE, LEAVING_WEEKS, LoadedTrial, Rating

Booleans = npt.NDArray[np.bool_]
HIGHEST = {"hamd-17": 52.0, "madrs": 60.0}
STAYS_IF_IMPROVED = 0.2  # who has improved by this share does not leave for lack of improvement
NO_IMPROVEMENT_FROM_WEEK, SIDE_EFFECTS_WEEKS = 3, 4
REASONS = ("", "other reason", "no improvement", "side effects")


@dataclass(frozen=True)
class Raters:
    """Standard normal numbers of patients: trait, rater, response to care (patients, 3); state, error by day.

    leaving: uniform numbers (patients, weeks). Row k of state and error is day k - 14.
    """

    whole: Floats
    state: Floats
    error: Floats
    leaving: Floats
    care: Floats

    @classmethod
    def of(cls, seed: int, patients: Sequence[int], days: int, copy: int = 0) -> "Raters":
        """The numbers of some patients, for so many days after the start of care.

        copy: above 0 for further ratings of the same patients, for pooled estimates only.
        """
        again = [copy] if copy else []
        whole, daily, leaving, care = [], [], [], []
        for patient in patients:
            rng, leaves = (
                np.random.default_rng(np.random.SeedSequence([seed, patient, int(purpose), *again]))
                for purpose in (Purpose.RATING, Purpose.LEAVING)
            )
            whole.append(rng.standard_normal(3))
            daily.append(rng.standard_normal((days + BEFORE + 1, 2)))
            leaving.append(leaves.random(LEAVING_WEEKS))
            care.append(stream(seed, patient, Purpose.CONTEXT).standard_normal())
        by_day = np.array(daily).reshape(len(patients), -1, 2)
        return cls(
            np.array(whole).reshape(-1, 3),
            by_day[:, :, 0],
            by_day[:, :, 1],
            np.array(leaving),
            np.array(care),
        )

    def pick(self, rows: "npt.NDArray[np.int64] | Booleans") -> "Raters":
        """The same for some of the patients."""
        return Raters(*(numbers[rows] for numbers in vars(self).values()))


@dataclass(frozen=True)
class Ratings:
    """Ratings of patients (rows) under an arm, whose connectivity is known by day from the screening on."""

    trial: LoadedTrial
    arm: str
    connectivity: Floats
    raters: Raters

    @property
    def _rating(self) -> Rating:
        return self.trial.file.rating

    @cached_property
    def _state(self) -> Floats:
        kept = exp(-1.0 / (self._rating.state_time_constant.value / HOURS_A_DAY))
        state = self.raters.state.copy()
        for day in range(1, state.shape[1]):
            state[:, day] = kept * state[:, day - 1] + sqrt(1.0 - kept**2) * self.raters.state[:, day]
        return state

    def connectivity_on(self, days: npt.ArrayLike) -> Floats:
        """Connectivity (patients, days), NaN where a patient was not followed."""
        wanted = np.asarray(days, dtype=np.int64)
        return self._taken(self.connectivity, wanted + self.trial.file.entry.days)

    def true_points(self, days: npt.ArrayLike) -> Floats:
        """Points without trait, rater, state, error and rounding: what the circuit alone means."""
        rating = self._rating
        times = rating.madrs_per_hamd.value if rating.scale == "madrs" else 1.0
        return times * (rating.healthy.value + rating.slope.value * (1.0 - self.connectivity_on(days)))

    def points(self, days: npt.ArrayLike) -> Floats:
        """Whole points of the scale (patients, days); days from the start of care, one row or one each."""
        rating, numbers = self._rating, self.raters
        wanted = np.asarray(days, dtype=np.int64)
        total = rating.healthy.value + rating.slope.value * (1.0 - self.connectivity_on(wanted))
        trait, rater = (numbers.whole[:, [k]] for k in (0, 1))
        total = total + rating.trait_sd.value * trait + rating.rater_sd.value * rater
        total = total + rating.state_sd.value * self._taken(self._state, wanted + BEFORE)
        total = total + rating.error_sd.value * self._taken(numbers.error, wanted + BEFORE)
        total = total + self._of_context(wanted)
        if rating.scale == "madrs":
            total = rating.madrs_per_hamd.value * total
        return np.clip(np.round(total), 0.0, HIGHEST[rating.scale])

    def _of_context(self, days: npt.NDArray[np.int64]) -> Floats:
        """Inflation at entry, and care that acts on the rating."""
        file, context = self.trial.file, self.trial.context
        if context is None:
            return np.zeros(days.shape)
        inflation = np.where(days <= 0, context.inflation_at_entry.value, 0.0)
        if context.acts_on == "circuit":
            return inflation
        size = file.arm(self.arm).care * context.size_of(self.raters.whole[:, [2]])
        return inflation - size * context.course(days.astype(float), file.care_ends)

    @staticmethod
    def _taken(table: Floats, columns: npt.NDArray[np.int64]) -> Floats:
        if columns.ndim == 1:
            return table[:, columns]
        return np.take_along_axis(table, columns, axis=1)


def leaving(
    points: Floats, visit_days: Sequence[int], uniform: Floats, trial: LoadedTrial, arm: str
) -> tuple[Booleans, npt.NDArray[np.int64]]:
    """Who is still there at each visit (patients, visits; the baseline first), and why others left.

    Patients leave with a weekly probability; the visits after that week are missing. Reasons are
    positions in REASONS. Visits further apart than a week: several hazards with the same last visit.
    """
    rates, side = trial.file.leaving, trial.side_effects[arm]
    seen, there = np.ones(points.shape, dtype=bool), np.ones(len(points), dtype=bool)
    last, why = points[:, 0].copy(), np.zeros(len(points), dtype=np.int64)
    if not trial.file.arm(arm).leaving:
        return seen, why
    week = 0
    for visit in range(1, len(visit_days)):
        improved = 1.0 - last / np.maximum(points[:, 0], 1.0)
        while week < round(visit_days[visit] / 7):
            unhappy = (week >= NO_IMPROVEMENT_FROM_WEEK) & (improved < STAYS_IF_IMPROVED)
            other = np.full(len(points), rates.any_reason.value)
            no_improvement = other + rates.no_improvement.value * unhappy
            hazard = no_improvement + (side if week < SIDE_EFFECTS_WEEKS else 0.0)
            drawn = uniform[:, week]
            reason = 1 + (drawn >= other).astype(np.int64) + (drawn >= no_improvement)
            why = np.where(there & (drawn < hazard), reason, why)
            there &= drawn >= hazard
            week += 1
        seen[:, visit] = there
        last = np.where(there, points[:, visit], last)
    return seen, why
