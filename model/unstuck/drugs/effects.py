"""What a course of a drug does to its targets over time: doses, concentrations, effects.

doses -> amounts (kinetics.py) -> concentration -> law of each action (drug_file.py) -> Contribution
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, fsum, inf, log

import numpy as np

from unstuck.circuit import Floats, Integers
from unstuck.drugs.kinetics import Amounts, Compartment
from unstuck.files.drug import STEADY_HALF_LIVES, Action, DrugFile, Hill, Kinetics, Level, Pulse
from unstuck.files.schedule import Dose
from unstuck.files.units import HOURS_A_DAY
from unstuck.files.yaml import choose
from unstuck.parameters import ParameterSet
from unstuck.targets import Mode

GONE = 0.01  # a drug is gone when every effect is below this share of its peak


@dataclass(frozen=True)
class Contribution:
    """What one action does over a course: a function of time (hours) with the moments it jumps or bends."""

    field: str
    region: str | None
    mode: Mode
    value: Callable[[Floats], Floats]
    jumps_h: tuple[float, ...]
    averaged_h: float  # the slow step sees the running mean over this long (0: the moment)
    first_h: float
    last_dose_h: float

    def gone_h(self) -> float:
        """First hour from which the effect stays below 1 % of its peak (-inf if there is no effect)."""
        size, times_h = self._course(1.0)
        if not size.any():
            return -inf
        return float(times_h[np.flatnonzero(size >= GONE * size.max())[-1]] + 1.0)

    def _course(self, grid_h: float) -> tuple[Floats, Floats]:
        times_h = np.arange(self.first_h, self.last_dose_h + 2 * 365 * 24.0, grid_h)
        return np.abs(self.value(times_h) - (1.0 if self.mode.law == "multiply" else 0.0)), times_h


def _scaled(strength: float, times: float, mode: Mode) -> float:
    """A strength multiplied, through its odds where it is a share that cannot exceed 1."""
    if not mode.is_share:
        return strength * times
    if strength >= 1.0:
        return 1.0 if times > 0 else 0.0
    return strength * times / (1.0 - strength + strength * times)


def _as_factor(values: Floats, mode: Mode) -> Floats:
    return 1.0 + mode.sign * values if mode.law == "multiply" else values


class _Relaxing:
    """A level that rises to each new target with a time constant and falls to it with a half-life."""

    def __init__(
        self, changes: Sequence[tuple[float, float]], rise_tau_h: float, fall_half_life_h: float
    ) -> None:
        rise_per_h = 1.0 / rise_tau_h if rise_tau_h else inf
        fall_per_h = log(2.0) / fall_half_life_h if fall_half_life_h else inf
        self.times_h = np.array([time for time, _ in changes])
        self._targets = np.array([target for _, target in changes])
        self._starts, self._rates = np.zeros(len(changes)), np.zeros(len(changes))
        for k, (time, target) in enumerate(changes):
            level = self._level(k - 1, time - self.times_h[k - 1]) if k else 0.0
            rate = rise_per_h if target > level else fall_per_h
            self._starts[k], self._rates[k] = (target, 0.0) if rate == inf else (level, rate)

    def _level(self, k: int | Integers, elapsed_h: float | Floats) -> Floats:
        """The level some time after change k."""
        return self._targets[k] + (self._starts[k] - self._targets[k]) * np.exp(-self._rates[k] * elapsed_h)

    def __call__(self, times_h: Floats) -> Floats:
        last = np.searchsorted(self.times_h, times_h, side="right") - 1
        known = np.maximum(last, 0)
        elapsed_h = np.maximum(times_h - self.times_h[known], 0.0)
        return np.where(last >= 0, self._level(known, elapsed_h), 0.0)


@dataclass(frozen=True)
class Sensitivity:
    """How a patient differs from the typical one: factors on half-lives and on strength at each target."""

    half_lives: float = 1.0
    strengths: Mapping[str, float] | None = None

    def strength(self, target: str) -> float:
        """Factor on the strength of any drug's action on a target."""
        return 1.0 if self.strengths is None else self.strengths.get(target, 1.0)


TYPICAL = Sensitivity()


@dataclass(frozen=True)
class Course:
    """All doses of one drug, sorted by time, amounts in usual doses."""

    drug: DrugFile
    doses: tuple[Dose, ...]

    def contributions(self, parameters: ParameterSet, patient: Sensitivity = TYPICAL) -> list[Contribution]:
        """What each action of the drug does over time to this patient."""
        if not self.doses:
            return []
        return [self._contribution(action, parameters, patient) for action in self.drug.actions]

    def _contribution(self, action: Action, parameters: ParameterSet, patient: Sensitivity) -> Contribution:
        mode, strength = action.meaning, patient.strength(action.target)
        if action.level:
            value, jumps_h, averaged_h = self._level(action.level, mode, strength, parameters, patient)
        elif action.pulse:
            value, jumps_h, averaged_h = self._pulse(action.pulse, mode, strength, parameters, patient)
        else:
            value, jumps_h, averaged_h = self._hill(action, strength, parameters, patient)
        first_h, last_h = self.doses[0].time_h, self.doses[-1].time_h + self.doses[-1].over_h
        return Contribution(
            mode.field,
            action.region,
            mode,
            lambda times_h: _as_factor(value(times_h), mode),
            jumps_h,
            averaged_h,
            first_h,
            last_h,
        )

    @property
    def _averaged_h(self) -> float:
        """Window of the running mean that a slow step sees of frequent doses; 0: it sees the moment."""
        frequent = [dose for dose in self.doses if dose.interval_h <= HOURS_A_DAY and not dose.single]
        if len(frequent) < 2:
            return 0.0
        window_h = max(dose.interval_h for dose in frequent)
        apart_h = min(after.time_h - before.time_h for before, after in pairwise(frequent))
        return window_h if apart_h <= window_h else 0.0

    def _level(
        self, law: Level, mode: Mode, strength: float, parameters: ParameterSet, patient: Sensitivity
    ) -> tuple[Callable[[Floats], Floats], tuple[float, ...], float]:
        usual = parameters.number(law.while_taken.value)
        counting = _counting(self.doses, self.drug.usual_every or HOURS_A_DAY)
        changes = [(hour, _scaled(usual, amount * strength, mode)) for hour, amount in counting]
        rise_h = law.rise_tau.value if law.rise_tau else 0.0
        fall_h = law.fall_half_life.value * patient.half_lives if law.fall_half_life else 0.0
        level = _Relaxing(changes, rise_h, fall_h)
        return level, tuple(level.times_h.tolist()), 0.0

    def _pulse(
        self, law: Pulse, mode: Mode, strength: float, parameters: ParameterSet, patient: Sensitivity
    ) -> tuple[Callable[[Floats], Floats], tuple[float, ...], float]:
        amounts = Amounts(_made_and_lost(law, parameters, patient), self.doses)
        usual = parameters.number(law.after_dose.value)
        bounded = mode.is_share

        def value(times_h: Floats) -> Floats:
            size = strength * np.maximum(amounts.at(times_h)[..., -1], 0.0)
            return usual * size / (1.0 - usual + usual * size) if bounded else usual * size

        return value, self._ends_of_doses(), self._averaged_h

    def _ends_of_doses(self) -> tuple[float, ...]:
        """Moments at which a dose begins or an infusion ends; of frequent doses those beside a longer gap."""
        doses, window_h = self.doses, self._averaged_h
        if not window_h:
            return tuple(sorted({t for dose in doses for t in (dose.time_h, dose.time_h + dose.over_h)}))
        ends_h = {doses[0].time_h, doses[-1].time_h + doses[-1].interval_h}
        for before, after in pairwise(doses):
            if after.time_h - before.time_h > window_h + 1e-9:
                ends_h |= {before.time_h + before.interval_h, after.time_h}
        return tuple(sorted(ends_h))

    def _hill(
        self, action: Action, strength: float, parameters: ParameterSet, patient: Sensitivity
    ) -> tuple[Callable[[Floats], Floats], tuple[float, ...], float]:
        law, occupied = action.hill, self.occupied(action, parameters, strength, patient)
        assert law is not None
        maximum = parameters.number(law.maximum.value)
        if law.area:
            wanted_h = parameters.number(law.area.effect) * law.area.lasting
            curve = _occupancy(law, parameters, self.drug, action.of)
            maximum = wanted_h / _occupied_h(self.drug, action.of, curve)
        return lambda times_h: maximum * occupied(times_h), self._ends_of_doses(), self._averaged_h

    def occupied(
        self, action: Action, parameters: ParameterSet, strength: float = 1.0, patient: Sensitivity = TYPICAL
    ) -> Callable[[Floats], Floats]:
        """Share (0 to 1) of an action's site that its compound occupies, as a function of times (hours).

        strength multiplies the concentration. ValueError for an action without a Hill law.
        """
        if action.hill is None:
            raise ValueError(f"{self.drug.title}: {action.target} is given directly, nothing is occupied")
        curve = _occupancy(action.hill, parameters, self.drug, action.of)
        concentration = self.concentration(action.of, patient)
        return lambda times_h: curve(strength * concentration(times_h))

    def concentration(self, of: str = "parent", patient: Sensitivity = TYPICAL) -> Callable[[Floats], Floats]:
        """Concentration (nM) of the parent or a metabolite as a function of times (hours)."""
        kinetics = self.drug.kinetics
        if kinetics is None:
            raise ValueError(f"{self.drug.title}: effects are given directly, it has no concentration")
        compartments, index = _compartments(kinetics, of, patient)
        compound = kinetics.compounds[of]
        whole_dose_nM = compound.dose_concentration.value.nM(compound.molar_mass)
        amounts = Amounts(compartments, self.doses)
        return lambda times_h: np.maximum(whole_dose_nM * amounts.at(times_h)[..., index], 0.0)


def _counting(doses: Sequence[Dose], usual_h: float) -> list[tuple[float, float]]:
    """How many usual doses a usual interval count, from each hour on at which their number changes.

    A dose counts until the next of its schedule is due, but no longer than the usual interval, and the more
    the shorter that is: half the usual dose twice as often counts as the usual dose. Doses together add.
    """
    waiting: deque[tuple[float, float, float]] = deque()
    for dose in doses:
        lasting_h = max(usual_h if dose.single else min(dose.interval_h, usual_h), dose.over_h)
        # Rounded, so that a dose ends at the very moment at which the next begins.
        span_h = round(dose.time_h, 6), round(dose.time_h + lasting_h, 6)
        waiting.append((*span_h, dose.amount * usual_h / lasting_h))
    changes: list[tuple[float, float]] = []
    counting: list[tuple[float, float, float]] = []
    for hour in sorted({hour for start, end, _ in waiting for hour in (start, end)}):
        while waiting and waiting[0][0] <= hour:
            counting.append(waiting.popleft())
        counting = [span for span in counting if span[1] > hour]
        amount = fsum(amount for _, _, amount in counting)
        if not changes or changes[-1][1] != amount:
            changes.append((hour, amount))
    return changes


def usual_course(drug: DrugFile, lasting_h: float = 0.0) -> Course:
    """The usual dose at the usual interval from hour 0 on, for at least so long; once if it is taken once."""
    every_h = drug.usual_every
    count = ceil(lasting_h / every_h) if every_h and lasting_h else 1
    interval_h = every_h or HOURS_A_DAY
    return Course(
        drug, tuple(Dose(k * interval_h, 1.0, drug.usual_over, interval_h) for k in range(max(count, 1)))
    )


def steady_h(drug: DrugFile) -> float:
    """Hours after which a usual course is at its steady state: 30 of the longest half-lives (or 30 days)."""
    compounds = drug.kinetics.compounds if drug.kinetics else {}
    half_lives_h = (compound.half_life.value for compound in compounds.values())
    return STEADY_HALF_LIVES * max(half_lives_h, default=HOURS_A_DAY)


def _made_and_lost(law: Pulse, parameters: ParameterSet, patient: Sensitivity) -> list[Compartment]:
    """The compartment of a pulse, after the one it is made in where it has to be made first."""
    appears_h = parameters.number(law.appears.value) if law.appears else 0.0
    half_life_h = law.half_life.value * patient.half_lives
    if not appears_h > 0.0:
        return [Compartment(half_life_h)]
    return [Compartment(appears_h * patient.half_lives), Compartment(half_life_h, 0)]


def _compartments(kinetics: Kinetics, of: str, patient: Sensitivity) -> tuple[list[Compartment], int]:
    """The compartments of a drug, and which of them is wanted."""
    compartments: list[Compartment] = []
    if kinetics.absorption_half_life:
        compartments.append(Compartment(kinetics.absorption_half_life.value))
    place = {"parent": len(compartments)}
    feeder = 0 if kinetics.absorption_half_life else None
    compartments.append(Compartment(kinetics.half_life.value * patient.half_lives, feeder))
    waiting = dict(kinetics.metabolites)
    while waiting:
        name = next(n for n, m in waiting.items() if m.of in place)
        metabolite = waiting.pop(name)
        place[name] = len(compartments)
        share = float(metabolite.fraction.value)
        half_life = metabolite.half_life.value * patient.half_lives
        compartments.append(Compartment(half_life, place[metabolite.of], share))
    index = place[of]
    if kinetics.effect_site_half_life:
        lag = kinetics.effect_site_half_life.value
        compartments.append(Compartment(lag, index, compartments[index].half_life_h / lag))
        index = len(compartments) - 1
    return compartments, index


def _occupancy(law: Hill, parameters: ParameterSet, drug: DrugFile, of: str) -> Callable[[Floats], Floats]:
    """The Hill curve of a law between 0 and 1, as a function of concentrations (nM)."""
    half_nM = _half_effect_nM(law, parameters, drug, of)
    exponent = parameters.number(law.exponent.value)

    def occupancy(concentration_nM: Floats) -> Floats:
        scaled = (concentration_nM / half_nM) ** exponent
        return scaled / (1.0 + scaled)

    return occupancy


def _occupied_h(drug: DrugFile, of: str, occupancy: Callable[[Floats], Floats]) -> float:
    """Area (h) under the occupancy of one usual dose: at steady state where it is taken again and again."""
    until_h, points = steady_h(drug), 2_000
    course = usual_course(drug, until_h)
    last_h = course.doses[-1].time_h
    lasting_h = drug.usual_every or until_h
    times_h = last_h + (np.arange(points) + 0.5) * lasting_h / points
    return float(occupancy(course.concentration(of)(times_h)).mean() * lasting_h)


def _half_effect_nM(law: Hill, parameters: ParameterSet, drug: DrugFile, of: str) -> float:
    value = law.half_effect.value
    if isinstance(value, str):
        unit = parameters.records[choose(value, parameters.records, "parameter")].unit
        return parameters[value] * {"nM": 1.0, "uM": 1e3}[unit]
    assert drug.kinetics is not None
    return value.nM(drug.kinetics.compounds[of].molar_mass)
