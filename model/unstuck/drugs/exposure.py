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
from unstuck.drugs.effects import Contribution
from unstuck.files.treatment import MOST_LIFE_EVENTS, Treatment
from unstuck.files.units import HOURS_A_DAY
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


@dataclass(frozen=True)
class _Swing:
    """How an effect moves within a window: mean, spread, skewness, smallest and largest."""

    mean: float
    deviation: float
    skewness: float
    smallest: float
    largest: float

    @property
    def spread(self) -> float:
        """Spread relative to the mean."""
        return self.deviation / abs(self.mean) if self.mean else 0.0

    @property
    def share(self) -> float:
        """Share of the time at the stronger of two ends with this mean, spread and skewness (Gauss)."""
        up = 0.5 * (self.skewness + sqrt(self.skewness**2 + 4.0))
        return 1.0 / (1.0 + up**2)

    def ends(self, share: float) -> tuple[float, float]:
        """The ends of a swing whose first takes a share of the time; their mean is that of the effect.

        Where another effect has set the share, they are moved no further apart than the smallest and the
        largest effect allow, so that both are effects that occur.
        """
        first = copysign(sqrt((1.0 - share) / share), self.mean)
        second = -1.0 / first
        room = min(
            (self.largest - self.mean) / max(first, second), (self.smallest - self.mean) / min(first, second)
        )
        deviation = max(min(self.deviation, room), 0.0)
        return self.mean + first * deviation, self.mean + second * deviation


class _RunningMean:
    """Mean and swing of a contribution within a window, from integrals on a fine even grid."""

    def __init__(self, contribution: Contribution, until_h: float) -> None:
        self._step_h = contribution.averaged_h / _TABLE_STEPS
        until_h += HOURS_A_DAY  # a window about the last moment reaches beyond it
        edges = np.arange(contribution.first_h, until_h + self._step_h, self._step_h)
        self._first_h = contribution.first_h
        self.off = 1.0 if contribution.mode.law == "multiply" else 0.0
        self._size = contribution.value(0.5 * (edges[1:] + edges[:-1])) - self.off
        powers = np.power.outer(self._size, [1, 2, 3]) * self._step_h
        self._integrals = np.vstack([np.zeros(3), np.cumsum(powers, axis=0)])
        means = self._integrals[_TABLE_STEPS:, 0] - self._integrals[:-_TABLE_STEPS, 0]
        self._steady = _STEADY * float(np.abs(means).max(initial=0.0)) / contribution.averaged_h

    def over(self, from_h: float, to_h: float) -> float:
        """Mean between two times (no effect before the first dose)."""
        return self.off + self._moments(from_h, to_h)[0]

    def swing(self, from_h: float, to_h: float) -> _Swing | None:
        """How the effect swings between two times, counted from no effect; None where it is steady."""
        mean, square, cube = self._moments(from_h, to_h)
        deviation = sqrt(max(square - mean**2, 0.0))
        if deviation <= self._steady:
            return None
        skewness = copysign(1.0, mean) * (cube - 3.0 * mean * square + 2.0 * mean**3) / deviation**3
        first, last = self._place(from_h), self._place(to_h)
        within = self._size[max(int(first), 0) : int(last) + 1].tolist()
        if first < 0.0 or last > len(self._size):  # there is no effect outside the table
            within.append(0.0)
        return _Swing(mean, deviation, skewness, min(within), max(within))

    def _place(self, time_h: float) -> float:
        return (time_h - self._first_h) / self._step_h

    def _moments(self, from_h: float, to_h: float) -> list[float]:
        """Means of the effect, its square and its cube between two times."""
        return ((self._until(to_h) - self._until(from_h)) / (to_h - from_h)).tolist()

    def _until(self, time_h: float) -> Floats:
        """Integrals of the effect, its square and its cube from the first dose on."""
        place = min(max(self._place(time_h), 0.0), float(len(self._size)))
        cell = min(int(place), len(self._size) - 1)
        return self._integrals[cell] + (place - cell) * (self._integrals[cell + 1] - self._integrals[cell])


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

    def swing(self, time_h: float) -> tuple[float, tuple[Effects, Floats], tuple[Effects, Floats]] | None:
        """The share of the time at the upper end of the swing about the means of `at`, and what acts at both.

        None where nothing swings. The effects of all frequent doses are taken to swing together, which is
        exact for one drug; the one that swings most decides the share.
        """
        if not any(self._means):
            return None
        swings: dict[int, _Swing] = {}
        for number, (part, mean, over_h) in enumerate(
            zip(self.contributions, self._means, self._over_h, strict=True)
        ):
            if mean and part.first_h <= time_h <= over_h:
                half_h = 0.5 * part.averaged_h
                swing = mean.swing(time_h - half_h, time_h + half_h)
                if swing:
                    swings[number] = swing
        if not swings:
            return None
        share = max(swings.values(), key=lambda swing: swing.spread).share
        ends = {number: swing.ends(share) for number, swing in swings.items()}
        above, below = ({number: pair[k] for number, pair in ends.items()} for k in (0, 1))
        return share, self._acting(time_h, 0.5, above), self._acting(time_h, 0.5, below)

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """Effects behind a reading: momentary where given directly, the last day's mean where dosed often."""
        return self._acting(time_h, 1.0)

    def ending(self, time_h: float) -> tuple[Effects, Floats]:
        """As `reported`, of the time that ends here: what acted just before a jump at this moment."""
        return self._acting(time_h - _JUST_BEFORE_H, 1.0)

    def _acting(
        self, time_h: float, backward: float, moved: Mapping[int, float] = {}
    ) -> tuple[Effects, Floats]:
        by_field: dict[tuple[str, str | None], list[float]] = {}
        laws: dict[tuple[str, str | None], Contribution] = {}
        for number, (contribution, mean, over_h) in enumerate(
            zip(self.contributions, self._means, self._over_h, strict=True)
        ):
            if not contribution.first_h <= time_h <= over_h:
                continue
            if mean and number in moved:
                value = mean.off + moved[number]
            elif mean:
                window_h = contribution.averaged_h if backward < 1.0 else HOURS_A_DAY
                from_h = time_h - backward * window_h
                value = mean.over(from_h, from_h + window_h)
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
    file = treatment.file
    bouts: list[Bout] = []
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
