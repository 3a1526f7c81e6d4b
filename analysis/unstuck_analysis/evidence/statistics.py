"""Statistics over the stuck patients of a cohort, each with a 95 % bootstrap interval over patients."""

from collections.abc import Callable, Mapping
from math import inf, isnan, nan

import numpy as np
from unstuck.circuit import Floats, Integers

from unstuck_analysis.evidence.arms import Record, Setup, Subject
from unstuck_analysis.evidence.facts import CohortPart
from unstuck_analysis.outcomes import RESPONSE, RecoveryCourse, kaplan_meier_median

DRAWS = 1_000


def relapse_after(course: RecoveryCourse, day: float) -> float:
    """First day after `day` from which R stays below 0.5 for 24 h, in a course recovered on that day."""
    later = course.days > day
    days = [day, *course.days[later].tolist()]
    return RecoveryCourse(days, [course.at(day), *course.recovery[later].tolist()]).relapse_day()


class Cohort:
    """The stuck patients and their arms; every method gives one value a patient, in the same order."""

    def __init__(self, results: Mapping[Subject, Mapping[Setup, Record]]) -> None:
        self.drawn = len(results)
        self._arms = [arms for arms in results.values() if not next(iter(arms.values())).not_stuck]

    @property
    def stuck(self) -> int:
        """Number of stuck patients."""
        return len(self._arms)

    def course(self, patient: int, scenario: str) -> RecoveryCourse | None:
        """A patient's recovery in a scenario; None if the patient was not run through it."""
        record = self._arms[patient].get(Setup(scenario))
        return record.course if record else None

    def recovery(self, scenario: str, day: float) -> Floats:
        """R on a day, by patient (NaN where the arm was not run)."""
        courses = [self.course(patient, scenario) for patient in range(self.stuck)]
        return np.array([course.at(day) if course else nan for course in courses])

    def onset(self, scenario: str) -> tuple[Floats, Floats]:
        """Day of onset or of the end of follow-up, and whether there was an onset."""
        first, ends = [], []
        for patient in range(self.stuck):
            course = self.course(patient, scenario)
            assert course is not None
            stretches = course.stretches()
            first.append(stretches[0][0] if stretches else nan)
            ends.append(course.days[-1])
        happened = ~np.isnan(first)
        return np.where(happened, first, ends), happened.astype(float)

    def relapse(self, scenario: str, since_day: float) -> tuple[Floats, Floats]:
        """Day of relapse after since_day, or of the end, and whether there was one (NaN: not run)."""
        days, happened = [], []
        for patient in range(self.stuck):
            course = self.course(patient, scenario)
            day = relapse_after(course, since_day) if course else nan
            days.append(day if not isnan(day) else course.days[-1] if course else nan)
            happened.append(float(not isnan(day)) if course else nan)
        return np.array(days), np.array(happened)


Pick = Callable[[Integers], float]  # the statistic over some patients (with repeats)


def _share(cohort: Cohort, part: CohortPart) -> Pick:
    hit = _hits(cohort, part, part.scenario)
    return lambda picks: float(hit[picks].mean())


def _hits(cohort: Cohort, part: CohortPart, scenario: str) -> Floats:
    recovery = cohort.recovery(scenario, part.day)
    inside = recovery >= (-inf if part.at_least is None else part.at_least)
    return (inside & (recovery < (inf if part.below is None else part.below))).astype(float)


def _share_gap(cohort: Cohort, part: CohortPart) -> Pick:
    gap = _hits(cohort, part, part.scenario) - _hits(cohort, part, part.against)
    return lambda picks: abs(float(gap[picks].mean()))


def _early_gain(cohort: Cohort, part: CohortPart) -> Pick:
    """Mean difference of two arms on a day, as a share of that on a later day."""
    early, late = (
        cohort.recovery(part.scenario, day) - cohort.recovery(part.against, day)
        for day in (part.day, part.of_day)
    )
    return lambda picks: _ratio(float(early[picks].mean()), float(late[picks].mean()))


def _median_onset(cohort: Cohort, part: CohortPart) -> Pick:
    arms = [cohort.onset(name) for name in (part.scenario, part.against) if name]

    def pick(picks: Integers) -> float:
        medians = [_median(days[picks], happened[picks]) for days, happened in arms]
        return medians[0] if len(medians) == 1 else _ratio(*medians)

    return pick


def _median_relapse(cohort: Cohort, part: CohortPart) -> Pick:
    """Median days from since_day to relapse among responders."""
    assert part.responders is not None
    responded = cohort.recovery(part.responders.of, part.responders.on_day) >= RESPONSE
    days, happened = cohort.relapse(part.scenario, part.responders.on_day)

    def pick(picks: Integers) -> float:
        chosen = picks[responded[picks]]
        if not len(chosen):
            return nan
        return _median(days[chosen] - part.since_day, happened[chosen])

    return pick


def _relapse_share(cohort: Cohort, part: CohortPart) -> Pick:
    """Share of responders who relapse in one arm, as a ratio to the other."""
    assert part.responders is not None
    responded = cohort.recovery(part.responders.of, part.responders.on_day) >= RESPONSE
    relapsed, against = (
        cohort.relapse(name, part.responders.on_day)[1] for name in (part.scenario, part.against)
    )

    def pick(picks: Integers) -> float:
        chosen = picks[responded[picks]]
        return _ratio(float(relapsed[chosen].sum()), float(against[chosen].sum()))

    return pick


def _median(days: Floats, happened: Floats) -> float:
    """Kaplan-Meier median time, infinite where it is not reached."""
    median = kaplan_meier_median(days, happened.astype(bool))
    return inf if median is None else median


def _ratio(above: float, below: float) -> float:
    """A ratio; infinite if what is above was not reached, undefined for 0/0."""
    if above == inf or (above != 0 and below == 0):
        return inf
    return above / below if below else nan


STATISTICS: dict[str, Callable[[Cohort, CohortPart], Pick]] = {
    "share": _share,
    "share_gap": _share_gap,
    "early_gain": _early_gain,
    "median_onset": _median_onset,
    "median_relapse": _median_relapse,
    "relapse_share": _relapse_share,
}


def measure(cohort: Cohort, part: CohortPart, seed: int) -> tuple[float, float, float]:
    """A statistic with the ends of its 95 % interval (bootstrap over patients; NaN without patients)."""
    if not cohort.stuck:
        return nan, nan, nan
    pick = STATISTICS[part.statistic](cohort, part)
    rng = np.random.default_rng(np.random.SeedSequence([seed, DRAWS]))
    draws = [pick(rng.integers(cohort.stuck, size=cohort.stuck)) for _ in range(DRAWS)]
    known = [draw for draw in draws if not isnan(draw)]
    value = pick(np.arange(cohort.stuck))
    if not known:
        return value, nan, nan
    low, high = np.quantile(known, [0.025, 0.975], method="inverted_cdf")
    return value, float(low), float(high)
