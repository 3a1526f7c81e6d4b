"""What was recorded of many patients under many treatments, and the readings that findings are made of.

A reading is one number per patient. Readings of one cohort can be resampled together (bootstrap over
patients), so that every statistic gets an interval from the same function that computes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Picks = npt.NDArray[np.int64]

RECOVERED, REMITTED = 0.5, 0.8  # recovery index R
RESPONDED = {"default": RECOVERED, "anxiety": RECOVERED, "ocd": 0.35}  # R of a response, by circuit
STUCK = 0.85  # connectivity C at the end of the rest


class Course(NamedTuple):
    """Series (patients, rows) of one treatment by name; days (rows,) count from its start."""

    days: Floats
    series: Mapping[str, Floats]


@dataclass(frozen=True)
class Cohort:
    """Patients under treatments; `picks` are the patients (with repetition after resampling)."""

    courses: Mapping[str, Course]
    draws: Mapping[str, npt.NDArray[Any]]  # column of the drawn quantities -> (patients,)
    picks: Picks
    _known: dict[tuple[object, ...], Floats] = field(default_factory=dict[tuple[object, ...], Floats])

    @property
    def size(self) -> int:
        """Number of patients."""
        return len(self.picks)

    def only(self, mask: Mask) -> "Cohort":
        """The patients for whom a mask (patients,) is true."""
        return Cohort(self.courses, self.draws, self.picks[mask], self._known)

    def picked(self, picks: Picks) -> "Cohort":
        """The patients at these places, some of them several times (a bootstrap sample)."""
        return Cohort(self.courses, self.draws, self.picks[picks], self._known)

    def drawn(self, name: str) -> npt.NDArray[Any]:
        """A drawn quantity of every patient."""
        return self.draws[name][self.picks]

    def at(self, treatment: str, day: float, what: str = "recovery") -> Floats:
        """A series on a day of a treatment, linear between rows (KeyError outside the days followed)."""

        def reading() -> Floats:
            """The row of the day, or a point between two rows."""
            course, values = self.courses[treatment], self.courses[treatment].series[what]
            exact = np.flatnonzero(np.abs(course.days - day) < 1e-6)
            if len(exact):
                return values[:, exact[0]]
            if not course.days[0] < day < course.days[-1]:
                raise KeyError(f"{treatment} was followed to day {course.days[-1]:g}, not to day {day:g}")
            after = int(np.searchsorted(course.days, day))
            before_day, after_day = course.days[after - 1], course.days[after]
            share = float((day - before_day) / (after_day - before_day))
            return values[:, after - 1] * (1.0 - share) + values[:, after] * share

        return self._cached(("at", treatment, day, what), reading)

    def recovered(self, treatment: str, day: float, at_least: float = RECOVERED) -> Mask:
        """Whether each patient has R of at least a number on a day."""
        return self.at(treatment, day) >= at_least

    def share(self, treatment: str, day: float, at_least: float = RECOVERED) -> float:
        """Share of patients with R of at least a number on a day."""
        return float(self.recovered(treatment, day, at_least).mean())

    def onset_day(self, treatment: str) -> Floats:
        """Day on which each patient first has R >= 0.5, linear between rows (infinite: never)."""
        return self._cached(
            ("onset", treatment), lambda: _each_patient(self.courses[treatment], _first_recovered_day)
        )

    def relapse_day(
        self, treatment: str, from_day: float = 0.0, below: float = RECOVERED, rows: int = 2
    ) -> Floats:
        """First day of `rows` daily rows in a row with R < `below`, from a day on (infinite: never)."""

        def days() -> Floats:
            """The day of each patient, from the daily rows alone."""
            course = self.courses[treatment]
            daily = (course.days >= from_day - 1e-9) & (np.abs(course.days - np.round(course.days)) < 1e-6)
            dailies = Course(course.days[daily], {"recovery": course.series["recovery"][:, daily]})
            return _each_patient(
                dailies, lambda days, recovery: _first_relapse_day(days, recovery, below, rows)
            )

        return self._cached(("relapse", treatment, from_day, below, rows), days)

    def last_day(self, treatment: str) -> float:
        """Day to which a treatment was followed."""
        return float(self.courses[treatment].days[-1])

    def _cached(self, key: tuple[object, ...], compute: Callable[[], Floats]) -> Floats:
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key][self.picks]


def _each_patient(course: Course, day_of: Callable[[Floats, Floats], float]) -> Floats:
    return np.array([day_of(course.days, recovery) for recovery in course.series["recovery"]])


def _first_recovered_day(days: Floats, recovery: Floats) -> float:
    rows = np.flatnonzero(recovery >= RECOVERED)
    if not len(rows):
        return inf
    after = int(rows[0])
    if after == 0:
        return float(days[0])
    below, above = recovery[after - 1], recovery[after]
    return float(days[after - 1] + (days[after] - days[after - 1]) * (RECOVERED - below) / (above - below))


def _first_relapse_day(days: Floats, recovery: Floats, below: float, rows: int) -> float:
    low = np.convolve(recovery < below, np.ones(rows), "valid")
    first = np.flatnonzero(low == rows)
    return float(days[first[0]]) if len(first) else inf


def kaplan_meier_median(event_day: Floats, last_day: float) -> float:
    """First day on which half of the patients have had the event; all are followed to the last day.

    Infinite where half is never reached. event_day (patients,) is infinite without an event.
    """
    if not len(event_day):
        return float("nan")
    days = np.sort(np.where(event_day <= last_day, event_day, inf))
    return float(days[(len(days) + 1) // 2 - 1])
