"""What acts on one patient over time: phases, drugs, life events and noise become the engine's `Exposure`.

Noise is one Ornstein-Uhlenbeck process a region on the input of its principal cells, drawn beforehand as
daily constants; life events are a Poisson process of bouts of stress. Both depend on the patient alone, so
that all arms of a patient share them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import copysign, exp, sqrt

import numpy as np

from unstuck.circuit import Floats
from unstuck.pharmacology import HOURS_A_DAY, Contribution
from unstuck.scenario import MOST_LIFE_EVENTS, Treatment
from unstuck.targets import NO_EFFECT, Effects, combine

HOURS_A_YEAR = 365.25 * HOURS_A_DAY
_TABLE_STEPS = 32  # points a dosing interval in the running means of frequent doses
_JUST_BEFORE_H = 1e-6
_DRAWN_AT_ONCE = 1_024  # possible life events
_STEADY = 0.05  # a spread below this share of the largest mean is no swing


def daily_noise(days: int, regions: int, sigma: float, tau_h: float, rng: np.random.Generator) -> Floats:
    """Ornstein-Uhlenbeck input (days, regions) in drive, stationary from the start, constant within a day."""
    kept = exp(-HOURS_A_DAY / tau_h)
    draws = rng.standard_normal((days, regions))
    noise = np.empty((days, regions))
    for day in range(days):
        noise[day] = draws[day] if day == 0 else kept * noise[day - 1] + sqrt(1 - kept**2) * draws[day]
    return sigma * noise


def life_event_process(until_h: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Hours of possible life events from hour 0 on, and a uniform mark each.

    A Poisson process of the highest allowed rate. Whoever keeps the marks below rate / highest rate has a
    Poisson process of that rate (thinning: Lewis & Shedler 1979), and shares its events with every other
    rate. A longer process begins as a shorter one.
    """
    gap_h = HOURS_A_YEAR / MOST_LIFE_EVENTS
    draws = np.empty((0, 2))
    while gap_h * -np.log1p(-draws[:, 0]).sum() < until_h:
        draws = np.concatenate([draws, rng.random((_DRAWN_AT_ONCE, 2))])
    times_h = np.cumsum(-np.log1p(-draws[:, 0])) * gap_h
    return times_h[times_h < until_h], draws[times_h < until_h, 1]


@dataclass(frozen=True)
class Bout:
    """A stretch of stress."""

    start_h: float
    end_h: float
    stress: float


class _RunningMean:
    """Mean and spread of a contribution within a window, from integrals on a fine grid."""

    def __init__(self, contribution: Contribution, until_h: float) -> None:
        step_h = contribution.averaged_h / _TABLE_STEPS
        edges = np.arange(contribution.first_h, until_h + step_h, step_h)
        self._off = 1.0 if contribution.mode.law == "multiply" else 0.0
        size = contribution.value(0.5 * (edges[1:] + edges[:-1])) - self._off
        self._edges = edges
        self._integral = np.concatenate([[0.0], np.cumsum(size * step_h)])
        self._of_square = np.concatenate([[0.0], np.cumsum(size**2 * step_h)])
        means = (self._integral[_TABLE_STEPS:] - self._integral[:-_TABLE_STEPS]) / contribution.averaged_h
        self._steady = _STEADY * float(np.abs(means).max(initial=0.0))

    def over(self, from_h: float, to_h: float, swing: float = 0.0) -> float:
        """Mean between two times (no effect before the first dose), moved by `swing` standard deviations."""
        window_h, ends = to_h - from_h, [from_h, to_h]
        mean = float(np.diff(np.interp(ends, self._edges, self._integral))[0]) / window_h
        if swing:
            mean_square = float(np.diff(np.interp(ends, self._edges, self._of_square))[0]) / window_h
            deviation = sqrt(max(mean_square - mean**2, 0.0))
            mean += swing * copysign(deviation if deviation > self._steady else 0.0, mean)
        return self._off + mean


@dataclass
class PatientExposure:
    """The effects on one patient, as the engine's `Exposure`. Times in hours from the scenario's start."""

    regions: list[str]
    bouts: Sequence[Bout]
    contributions: Sequence[Contribution]
    noise: Floats  # (days, regions); none where it has no rows
    end_h: float
    jumps_h: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self._means = [_RunningMean(c, self.end_h) if c.averaged_h else None for c in self.contributions]
        # Effects that have faded to nothing need not be evaluated any more.
        self._over_h = [self._faded_h(c) for c in self.contributions]
        ends = {hour for bout in self.bouts for hour in (bout.start_h, bout.end_h)}
        ends |= {hour for c in self.contributions for hour in c.jumps_h}
        ends |= {day * HOURS_A_DAY for day in range(1, len(self.noise))}
        self.jumps_h = sorted(hour for hour in ends if 0.0 < hour < self.end_h)

    def _faded_h(self, contribution: Contribution) -> float:
        last_h = max(self.end_h, contribution.first_h)
        times_h = np.linspace(contribution.first_h, last_h, 2_000)
        off = 1.0 if contribution.mode.law == "multiply" else 0.0
        size = np.abs(contribution.value(times_h) - off)
        felt = np.flatnonzero(size > 1e-9 * max(float(size.max()), 1e-30))
        after = min(int(felt[-1]) + 1, len(times_h) - 1) if len(felt) else 0
        return max(float(times_h[after]), contribution.last_dose_h + 24.0)

    def at(self, time_h: float) -> tuple[Effects, Floats]:
        """Effects that the slow step sees: momentary, or the running mean of frequent doses."""
        return self._acting(time_h, 0.5)

    def swing(self, time_h: float) -> tuple[tuple[Effects, Floats], tuple[Effects, Floats]] | None:
        """What acts a standard deviation above and below the means of `at`; None where nothing swings.

        The effects of all frequent doses are taken to swing together, which is exact for one drug.
        """
        if not any(self._means):
            return None
        above, below = self._acting(time_h, 0.5, 1.0), self._acting(time_h, 0.5, -1.0)
        same = above[0] == below[0] and np.array_equal(above[1], below[1])
        return None if same else (above, below)

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """Effects behind a reading: momentary where given directly, the last day's mean where dosed often."""
        return self._acting(time_h, 1.0)

    def ending(self, time_h: float) -> tuple[Effects, Floats]:
        """As `reported`, of the time that ends here: what acted just before a jump at this moment."""
        return self._acting(time_h - _JUST_BEFORE_H, 1.0)

    def _acting(self, time_h: float, backward: float, swing: float = 0.0) -> tuple[Effects, Floats]:
        by_field: dict[tuple[str, str | None], list[float]] = {}
        laws: dict[tuple[str, str | None], Contribution] = {}
        for contribution, mean, over_h in zip(self.contributions, self._means, self._over_h, strict=True):
            if not contribution.first_h <= time_h <= over_h:
                continue
            if mean:
                window_h = contribution.averaged_h if backward < 1.0 else HOURS_A_DAY
                from_h = time_h - backward * window_h
                value = mean.over(from_h, from_h + window_h, swing)
            else:
                value = float(contribution.value(np.array(time_h)))
            key = (contribution.field, contribution.region)
            by_field.setdefault(key, []).append(value)
            laws[key] = contribution
        # A float even where there is none: an integer would be compiled for, and rounded, by itself.
        stress = sum((b.stress for b in self.bouts if b.start_h <= time_h < b.end_h), 0.0)
        region_input = self._noise_at(time_h)
        values: dict[str, float] = {}
        for key, contributed in by_field.items():
            joint = combine(laws[key].mode.law, contributed)
            name, region = key
            if region is not None:
                region_input[self.regions.index(region)] += joint
            elif name == "stress":
                stress += joint
            else:
                values[name] = joint
        return NO_EFFECT._replace(stress=min(stress, 1.0), **values), region_input

    def _noise_at(self, time_h: float) -> Floats:
        if not len(self.noise):
            return np.zeros(len(self.regions))
        return self.noise[min(int(time_h // HOURS_A_DAY), len(self.noise) - 1)].copy()


def phase_bouts(treatment: Treatment) -> list[Bout]:
    """The constant stress of each phase, and its bouts of more."""
    bouts: list[Bout] = []
    for name, phase in treatment.file.phases.items():
        start_h = treatment.file.start_h(name)
        if phase.stress > 0:
            bouts.append(Bout(start_h, start_h + phase.lasting, phase.stress))
        begins_h = [start_h + bout.starting for bout in phase.bouts]
        bouts += [Bout(h, h + b.lasting, b.stress) for h, b in zip(begins_h, phase.bouts, strict=True)]
    return bouts


def life_event_bouts(
    treatment: Treatment, parameters: Mapping[str, float], end_h: float, rng: np.random.Generator
) -> list[Bout]:
    """Life events in the phases that have them; the last phase's rate goes on through the follow-up.

    All treatments thin one process on the scenario's clock, so that arms share their events.
    """
    file, bouts = treatment.file, []
    if not any(phase.life_events for phase in file.phases.values()):
        return []
    times_h, marks = life_event_process(end_h, rng)
    length_h = parameters["life_event_days"] * HOURS_A_DAY
    for number, (name, phase) in enumerate(file.phases.items()):
        start_h = file.start_h(name)
        until_h = end_h if number == len(file.phases) - 1 else start_h + phase.lasting
        kept = (marks * MOST_LIFE_EVENTS < (phase.life_events or 0.0)) & (start_h <= times_h)
        for begin_h in times_h[kept & (times_h < until_h)].tolist():
            bouts.append(Bout(begin_h, min(begin_h + length_h, until_h), parameters["life_event_stress"]))
    return bouts
