"""Stress, drugs and noise that act on one patient over time, as the engine's `Exposure`.

Effects on the same target combine by the laws of `targets.py`. Stress is a list of spells; where two overlap,
the larger counts. Noise is constant within a day.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import copysign, sqrt

import numpy as np

from unstuck.drugs.effects import Contribution
from unstuck.files.circuit import PopulationFile
from unstuck.files.units import HOURS_A_DAY
from unstuck.state import Floats, Integers
from unstuck.targets import LOCAL_FIELDS, NO_EFFECT, NOTHING_LOCAL, Effects, Law

_TABLE_STEPS = 32  # points per dosing interval in the running means of frequent doses
_JUST_BEFORE_H = 1e-6
_STEADY = 0.05  # a spread below this share of the largest mean is no swing
_COLUMN = {name: number for number, name in enumerate(Effects._fields)}
_NOTHING = np.array(NO_EFFECT)


@dataclass(frozen=True)
class Spell:
    """A spell of stress (0 to 1), in hours."""

    start_h: float
    end_h: float
    stress: float


class Constant:
    """An exposure of constant effects, and inputs in drive, on a circuit with so many regions; no noise."""

    local_columns = 0

    def __init__(
        self, regions: int, effects: Effects = NO_EFFECT, region_input: Floats | None = None
    ) -> None:
        self.jumps_h: list[float] = []
        self._acting = (effects, np.zeros(regions) if region_input is None else region_input)

    def at(self, time_h: float) -> tuple[Effects, Floats]:
        """The effects and the inputs."""
        return self._acting

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """The same."""
        return self._acting

    def at_times(self, times_h: Floats) -> tuple[Floats, Floats]:
        """The same at each of the times."""
        effects, region_input = self._acting
        rows = len(times_h)
        return np.tile(np.array(effects), (rows, 1)), np.tile(region_input, (rows, 1))

    def reported_at(self, times_h: Floats) -> tuple[Floats, Floats]:
        """The same."""
        return self.at_times(times_h)


def combine_arrays(law: Law, contributions: Sequence[Floats]) -> Floats:
    """The joint effect of several contributions at each of many times; `targets.combine` for arrays."""
    if len(contributions) == 1 and law != "gain":
        return contributions[0]
    table = np.array(contributions)
    if law == "multiply":
        return table.prod(axis=0)
    if law == "together":
        return 1.0 - (1.0 - table).prod(axis=0)
    if law == "largest":
        return table.max(axis=0)
    total = table.sum(axis=0)
    return np.maximum(total, -1.0) if law == "gain" else total


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
        self.window_h = contribution.law.averaged_h
        self._step_h = self.window_h / _TABLE_STEPS
        until_h += HOURS_A_DAY  # a window about the last moment reaches beyond it
        edges = np.arange(contribution.first_h, until_h + self._step_h, self._step_h)
        self._first_h = contribution.first_h
        self.off = contribution.mode.nothing
        self._size = contribution.at(0.5 * (edges[1:] + edges[:-1])) - self.off
        powers = np.power.outer(self._size, [1, 2, 3]) * self._step_h
        self._integrals = np.vstack([np.zeros(3), np.cumsum(powers, axis=0)])
        means = self._integrals[_TABLE_STEPS:, 0] - self._integrals[:-_TABLE_STEPS, 0]
        self._steady = _STEADY * float(np.abs(means).max(initial=0.0)) / self.window_h

    def over(self, from_h: Floats, length_h: float) -> Floats:
        """Mean over a window from each time on (no effect before the first dose)."""
        cells = np.arange(len(self._integrals))
        start, end = (self._place(hour) for hour in (from_h, from_h + length_h))
        whole = np.interp(end, cells, self._integrals[:, 0]) - np.interp(start, cells, self._integrals[:, 0])
        return self.off + whole / length_h

    def swing(self, time_h: float) -> _Swing | None:
        """How the effect swings within the window about a time, counted from no effect; None where steady."""
        from_h, to_h = time_h - 0.5 * self.window_h, time_h + 0.5 * self.window_h
        mean, square, cube = self._moments(from_h, to_h)
        deviation = sqrt(max(square - mean**2, 0.0))
        if deviation <= self._steady:
            return None
        skewness = copysign(1.0, mean) * (cube - 3.0 * mean * square + 2.0 * mean**3) / deviation**3
        first, last = float(self._place(from_h)), float(self._place(to_h))
        within = self._size[max(int(first), 0) : int(last) + 1].tolist()
        if first < 0.0 or last > len(self._size):  # there is no effect outside the table
            within.append(0.0)
        return _Swing(mean, deviation, skewness, min(within), max(within))

    def _place(self, time_h: float | Floats) -> Floats:
        return (np.asarray(time_h) - self._first_h) / self._step_h

    def _moments(self, from_h: float, to_h: float) -> list[float]:
        """Means of the effect, its square and its cube between two times."""
        return ((self._until(to_h) - self._until(from_h)) / (to_h - from_h)).tolist()

    def _until(self, time_h: float) -> Floats:
        """Integrals of the effect, its square and its cube from the first dose on."""
        place = min(max(float(self._place(time_h)), 0.0), float(len(self._size)))
        cell = min(int(place), len(self._size) - 1)
        return self._integrals[cell] + (place - cell) * (self._integrals[cell + 1] - self._integrals[cell])


class PatientExposure:
    """What acts on one patient, as the engine's `Exposure`; times in hours from the start of the first phase.

    noise: (days, regions) in drive, no rows for none. Between two of `jumps_h` every effect is smooth.
    populations: those of the circuit, for drugs that act in some places alone. Where there is such a drug,
    region inputs go on with the fields of `Local`, each by population (`local_columns` of them).
    """

    def __init__(
        self,
        regions: list[str],
        spells: Sequence[Spell],
        contributions: Sequence[Contribution],
        noise: Floats,
        end_h: float,
        populations: Mapping[str, PopulationFile] | None = None,
    ) -> None:
        self.regions, self.spells, self.noise, self.end_h = regions, spells, noise, end_h
        self.contributions = contributions
        self._means = [_RunningMean(c, end_h) if c.law.averaged_h else None for c in contributions]
        self._swinging = [number for number, mean in enumerate(self._means) if mean]
        # Contributions that combine with each other: to which field or region, and their numbers.
        self._together: dict[tuple[str, str | None], list[int]] = {}
        self._local: dict[int, Integers] = {}  # populations on which a contribution acts, by its number
        for number, part in enumerate(contributions):
            if part.is_local:
                self._local[number] = _populations_of(part, populations or {})
            else:
                self._together.setdefault((part.mode.field, part.region), []).append(number)
        self._populations = len(populations or {})
        self.local_columns = len(NOTHING_LOCAL) * self._populations if self._local else 0
        stress_h, stress = _largest_stress(spells)
        known_h = {*stress_h.tolist(), *(day * HOURS_A_DAY for day in range(1, len(noise)))}
        ends_h = known_h.union(*(c.law.edges_h for c in contributions))
        self.jumps_h = sorted(float(hour) for hour in ends_h if 0.0 < hour < end_h)
        # What acts besides drugs is constant between these hours: stress, and the noise of the day.
        self._known_h = np.array(sorted(known_h))
        from_h = np.array([-1.0, *self._known_h])
        self._effects = np.tile(_NOTHING, (len(from_h), 1))
        self._effects[:, _COLUMN["stress"]] = stress[np.searchsorted(stress_h, from_h, side="right")]
        self._region_input = _noise_at(from_h, noise)

    def at_times(self, times_h: Floats) -> tuple[Floats, Floats]:
        """Effects (times, fields of `Effects`) and region inputs (times, regions), just after any jump."""
        return self._acting(np.asarray(times_h, dtype=float), 0.5)

    def at(self, time_h: float) -> tuple[Effects, Floats]:
        """Effects that the slow step sees: momentary, or the running mean of frequent doses."""
        return _one(self.at_times(np.array([time_h])))

    def reported(self, time_h: float) -> tuple[Effects, Floats]:
        """Effects behind a reading: momentary where given directly, the last day's mean where dosed often."""
        return _one(self.reported_at(np.array([time_h])))

    def reported_at(self, times_h: Floats) -> tuple[Floats, Floats]:
        """As `reported`, at many times: effects (times, fields) and region inputs (times, regions)."""
        return self._acting(times_h, 1.0)

    @property
    def swings(self) -> bool:
        """Whether a drug is dosed so frequently that a slow step sees its mean."""
        return bool(self._swinging)

    def ending(self, time_h: float) -> tuple[Effects, Floats]:
        """As `reported`, of the time that ends here: what acted just before a jump at this moment."""
        return self.reported(time_h - _JUST_BEFORE_H)

    def swing(self, time_h: float) -> tuple[float, tuple[Effects, Floats], tuple[Effects, Floats]] | None:
        """The share of the time at the upper end of the swing about the means of `at`, and what acts at both.

        None where nothing swings. The effects of all frequent doses are taken to swing together, which is
        exact for one drug; the one that swings most decides the share.
        """
        if not self._swinging:
            return None
        swings: dict[int, _Swing] = {}
        for number in self._swinging:
            part, mean = self.contributions[number], self._means[number]
            swing = mean.swing(time_h) if mean and part.first_h <= time_h else None
            if swing:
                swings[number] = swing
        if not swings:
            return None
        share = max(swings.values(), key=lambda swing: swing.spread).share
        ends = {number: swing.ends(share) for number, swing in swings.items()}
        above, below = ({number: pair[k] for number, pair in ends.items()} for k in (0, 1))
        times_h = np.array([time_h])
        return share, _one(self._acting(times_h, 0.5, above)), _one(self._acting(times_h, 0.5, below))

    def _acting(
        self, times_h: Floats, backward: float, moved: Mapping[int, float] = {}
    ) -> tuple[Floats, Floats]:
        """Effects and region inputs; `moved` gives the effect of some contributions instead of their mean."""
        piece = np.searchsorted(self._known_h, times_h, side="right")
        effects, region_input = self._effects[piece], self._region_input[piece]
        for (field, region), numbers in self._together.items():
            values = [self._value(number, times_h, backward, moved) for number in numbers]
            if region is not None:
                region_input[:, self.regions.index(region)] += combine_arrays("add", values)
                continue
            if field == "stress":
                values.append(effects[:, _COLUMN[field]])
            law = self.contributions[numbers[0]].mode.law
            effects[:, _COLUMN[field]] = combine_arrays(law, values)
        if self._local:
            region_input = np.hstack([region_input, self._acting_locally(times_h, backward, moved)])
        return effects, region_input

    def _acting_locally(self, times_h: Floats, backward: float, moved: Mapping[int, float]) -> Floats:
        """The fields of `Local` at each time, each by population (times, fields x populations)."""
        local = np.tile(np.array(NOTHING_LOCAL)[None, :, None], (len(times_h), 1, self._populations))
        for number, populations in self._local.items():
            mode = self.contributions[number].mode
            value = self._value(number, times_h, backward, moved)[:, None]
            field = NOTHING_LOCAL._fields.index(LOCAL_FIELDS[mode.field])
            known = local[:, field, populations]
            local[:, field, populations] = _COMBINED[mode.law](known, value)
        return local.reshape(len(times_h), -1)

    def _value(self, number: int, times_h: Floats, backward: float, moved: Mapping[int, float]) -> Floats:
        """One contribution at each time: of the moment, or the mean of a window of frequent doses."""
        part, mean = self.contributions[number], self._means[number]
        if mean is None:
            return part.at(times_h)
        if number in moved:
            return np.full(len(times_h), mean.off + moved[number])
        window_h = mean.window_h if backward < 1.0 else HOURS_A_DAY
        return mean.over(times_h - backward * window_h, window_h)


# How one more contribution joins those that are known already.
_COMBINED: dict[Law, Callable[[Floats, Floats], Floats]] = {
    "add": lambda known, value: known + value,
    "gain": lambda known, value: known + value,  # the lower limit is set where it acts
    "multiply": lambda known, value: known * value,
    "together": lambda known, value: 1.0 - (1.0 - known) * (1.0 - value),
    "largest": np.maximum,
}


def _populations_of(part: Contribution, populations: Mapping[str, PopulationFile]) -> Integers:
    """Positions of the populations on which a contribution acts.

    Input to regions reaches no interneurons, as noise does not; a block of NMDA receptors of interneurons, or
    of other cells, reaches those alone.
    """
    field, found = part.mode.field, list[int]()
    for position, (name, population) in enumerate(populations.items()):
        interneuron = population.cells == "interneuron"
        if part.populations:
            here = name in part.populations
        else:
            here = not part.regions or population.region in part.regions
            here = here and not (field == "region_input" and interneuron)
        if field.startswith("nmda_block"):
            here = here and interneuron == (field == "nmda_block_interneuron")
        found += [position] if here else []
    return np.array(found, dtype=np.int64)


def _noise_at(times_h: Floats, noise: Floats) -> Floats:
    """Noise at each time: of its day, of the first day before hour 0, of the last day after it, or 0."""
    if not len(noise):
        return np.zeros((len(times_h), noise.shape[1]))
    return noise[np.clip((times_h // HOURS_A_DAY).astype(np.int64), 0, len(noise) - 1)]


def _one(acting: tuple[Floats, Floats]) -> tuple[Effects, Floats]:
    """What acts at a single time."""
    effects, region_input = acting
    return Effects(*effects[0].tolist()), region_input[0]


def _largest_stress(spells: Sequence[Spell]) -> tuple[Floats, Floats]:
    """Hours at which the stress may change, and the largest stress before the first and after each."""
    hours = np.array(sorted({hour for spell in spells for hour in (spell.start_h, spell.end_h)}))
    levels = np.zeros(len(hours) + 1)
    for spell in spells:
        during = (hours >= spell.start_h) & (hours < spell.end_h)
        levels[1:][during] = np.maximum(levels[1:][during], spell.stress)
    return hours, levels
