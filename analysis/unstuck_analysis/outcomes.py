"""What became of one patient under one treatment, by the definitions of the model description, section 9.

R = (C - C_stuck) / (C_healthy - C_stuck);  onset: first R >= 0.5;  relapse: R < 0.5 for 24 h after an onset
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan, nan
from typing import Any

import numpy as np
import numpy.typing as npt
from unstuck.circuit import Circuit, Floats
from unstuck.patient.simulation import Arm, Reading

RESPONSE, REMISSION = 0.5, 0.8
NOT_STUCK_ABOVE = 0.85  # a patient whose stuck connectivity is above this never got stuck
RELAPSE_DAYS = 1.0
ESCAPE_DAYS = 84.0  # out of the ditch this long after the drug is gone


@dataclass(frozen=True)
class Outcome:
    """One row of `outcomes.parquet`. Days count from day 0; NaN where a thing did not happen."""

    seed: int
    patient: int
    treatment: str
    not_stuck: bool
    connectivity_stuck: float
    onset_day: float
    held_days: float
    recovery_endpoint: float
    responded: bool | None  # None: not followed to the endpoint
    remitted: bool | None
    relapse_day: float
    relapsed: bool
    durability_days: float  # relapse day - last dose
    durability_censored: bool
    last_dose_day: float
    drug_gone_day: float
    escaped: bool | None  # None: not followed until then
    functional_recovery_endpoint: float
    overactive_activity_endpoint: float
    followed_days: float
    redraws: int
    steps: int
    rejected_steps: int
    sweeps: int
    fallbacks: int


class RecoveryCourse:
    """Recovery index over time, linear between the ends of steps."""

    def __init__(self, days: Sequence[float], recovery: Sequence[float]) -> None:
        self.days, self.recovery = np.asarray(days, dtype=float), np.asarray(recovery, dtype=float)

    def at(self, day: float) -> float:
        """R on a day (NaN outside what was followed)."""
        day = min(day, float(self.days[-1])) if day < self.days[-1] + 1e-6 else day  # rounding of hours
        return float(np.interp(day, self.days, self.recovery, left=nan, right=nan))

    def stretches(self) -> list[tuple[float, float]]:
        """Stretches (from, to) in days with R >= 0.5, in order."""
        days, above = self.days, self.recovery - RESPONSE
        stretches: list[tuple[float, float]] = []
        start = float(days[0]) if above[0] >= 0 else None
        for k in range(1, len(days)):
            crossed = (above[k] >= 0) != (above[k - 1] >= 0)
            if not crossed:
                continue
            day = days[k - 1] + (days[k] - days[k - 1]) * above[k - 1] / (above[k - 1] - above[k])
            if start is None:
                start = float(day)
            else:
                stretches.append((start, float(day)))
                start = None
        if start is not None:
            stretches.append((start, float(days[-1])))
        return stretches

    def relapse_day(self) -> float:
        """First day after an onset from which R stays below 0.5 for 24 h; NaN if there is none."""
        last_day = float(self.days[-1])
        stretches = [*self.stretches(), (last_day, last_day)]
        for (_, end), (following, _) in pairwise(stretches):
            if following - end >= RELAPSE_DAYS:
                return end
        return nan


def recovery_course(arm: Arm) -> RecoveryCourse:
    """The recovery index of an arm at the end of every step."""
    days, connectivity, _ = zip(*arm.steps, strict=True)
    return RecoveryCourse(days, [arm.recovery(c) for c in connectivity])


def recovery_index(value: float, stuck: float, healthy: float) -> float:
    """Where a value lies between the stuck state (0) and health (1); NaN for a patient who was never ill."""
    return (value - stuck) / (healthy - stuck) if stuck != healthy else nan


def functional_recovery(arm: Arm, reading: Reading) -> float:
    """Recovery index of functional connectivity at a reading (NaN where it was not probed)."""
    return recovery_index(reading.function, arm.checkpoint.stuck.function, arm.checkpoint.healthy.function)


def reading_on(arm: Arm, day: float) -> Reading:
    """The reading nearest to a day."""
    return min(arm.readings, key=lambda reading: abs(reading.day - day))


def outcome_of(
    arm: Arm, circuit: Circuit, endpoint_day: float, *, seed: int, patient: int, redraws: int
) -> Outcome:
    """Score one arm."""
    course = recovery_course(arm)
    stretches, relapse_day = course.stretches(), course.relapse_day()
    end, stuck = course.at(endpoint_day), arm.checkpoint.stuck.connectivity
    reading = reading_on(arm, endpoint_day)
    relapsed = bool(np.isfinite(relapse_day))
    onset_day = stretches[0][0] if stretches else nan
    until = relapse_day if relapsed else arm.end_day
    overactive = circuit.populations.index(circuit.file.roles.overactive)
    return Outcome(
        seed=seed,
        patient=patient,
        treatment=arm.treatment,
        not_stuck=stuck > NOT_STUCK_ABOVE,
        connectivity_stuck=stuck,
        onset_day=onset_day,
        held_days=sum(end - start for start, end in stretches),
        recovery_endpoint=end,
        responded=_reached(end, RESPONSE),
        remitted=_reached(end, REMISSION),
        relapse_day=relapse_day,
        relapsed=relapsed,
        durability_days=until - arm.last_dose_day if stretches else nan,
        durability_censored=bool(stretches) and not relapsed,
        last_dose_day=arm.last_dose_day,
        drug_gone_day=arm.gone_day,
        escaped=_reached(course.at(arm.gone_day + ESCAPE_DAYS), RESPONSE),
        functional_recovery_endpoint=functional_recovery(arm, reading),
        overactive_activity_endpoint=float(reading.activity[overactive]),
        followed_days=arm.end_day,
        redraws=redraws,
        steps=arm.diagnostics.steps,
        rejected_steps=arm.diagnostics.rejected,
        sweeps=arm.diagnostics.sweeps,
        fallbacks=arm.diagnostics.fallbacks,
    )


def _reached(recovery: float, least: float) -> bool | None:
    """Whether R reached a number; None where it is not known."""
    return None if isnan(recovery) else recovery >= least


def kaplan_meier_median(days: Floats, happened: npt.NDArray[np.bool_]) -> float | None:
    """Median time to an event with right-censoring (product limit); None where half is never reached."""
    surviving = 1.0
    for day in np.unique(days[happened]):
        surviving *= 1.0 - np.sum(happened & (days == day)) / np.sum(days >= day)
        if surviving <= 0.5 + 1e-12:
            return float(day)
    return None


def bootstrap(
    values: Floats,
    rng: np.random.Generator,
    statistic: Callable[[Floats], Any] = np.mean,
    draws: int = 4_000,
) -> tuple[Any, Any, Any]:
    """A statistic of the rows of `values` with its 95 % bootstrap interval over them.

    Args:
        values: one row per patient.
        rng: random stream; it draws rows with replacement.
        statistic: from rows to a number or an array of numbers; NaN where it is not defined.
        draws: number of bootstrap samples.

    Returns:
        The statistic and the ends of its interval (NaN without rows, and where no sample has a value).
    """
    if not len(values):
        return nan, nan, nan
    picks = rng.integers(len(values), size=(draws, len(values)))
    samples = np.array([statistic(values[pick]) for pick in picks])
    known = np.isfinite(samples).any(axis=0)
    ends = np.full((2, *known.shape), nan)
    if known.any():
        ends[:, known] = np.nanquantile(samples[:, known], [0.025, 0.975], axis=0)
    return statistic(values), ends[0], ends[1]


def bootstrap_mean(
    values: Floats, rng: np.random.Generator, draws: int = 4_000
) -> tuple[float, float, float]:
    """Mean with a 95 % bootstrap interval over patients (NaN for no values)."""
    mean, low, high = bootstrap(values, rng, draws=draws)
    return float(mean), float(low), float(high)
