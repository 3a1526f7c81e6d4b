"""What a course of a drug does to its targets over time: doses, concentrations, effects.

    doses -> amounts (kinetics.py) -> concentration -> law of each action (files/drug.py) -> Contribution

An action becomes one of three classes. Each has `edges_h` (the moments at which it jumps or bends),
`averaged_h` (the slow step sees the running mean over this long; 0: the moment) and `at(times_h)`:

    WhileTaken        a level that rises while the drug is taken and decreases after the last dose
    AfterEachDose     a pulse after every dose; pulses add
    ByConcentration   a Hill curve of the concentration; doses add in concentration before the curve
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import ceil, e, exp, fsum, inf, log, prod
from typing import Protocol

import numpy as np

from unstuck.drugs.kinetics import Amounts, Compartment
from unstuck.errors import choose
from unstuck.files.drug import STEADY_HALF_LIVES, Action, Compound, DrugFile, Hill, Kinetics, Level, Pulse
from unstuck.files.schedule import Dose
from unstuck.files.units import HOURS_A_DAY, LONGEST_H
from unstuck.parameters import ParameterSet
from unstuck.state import Floats
from unstuck.targets import Mode

GONE = 0.01  # a drug has left the body when every effect is below this share of its peak
_GONE_AFTER_H = 28 * HOURS_A_DAY  # of no effect in half of this time the rest of it is not looked at


class EffectLaw(Protocol):
    """An effect over time: strength (share, gain or drive) at times (hours)."""

    @property
    def edges_h(self) -> tuple[float, ...]:
        """Moments at which the effect jumps or bends."""
        ...

    @property
    def averaged_h(self) -> float:
        """Window (h) of the running mean that a slow step sees; 0: it sees the moment."""
        ...

    def at(self, times_h: Floats) -> Floats:
        """Strength at each time, just after any jump."""
        ...


@dataclass(frozen=True)
class Response:
    """How a patient differs from the typical one in the response to drugs.

    exposure: factor on the concentration, and so on the odds of an occupancy, by (target, drug name); the
    name "" means every drug. half_lives: factor on the half-lives that vary with a parameter, by symbol.
    """

    exposure: Mapping[tuple[str, str], float] = field(default_factory=dict[tuple[str, str], float])
    half_lives: Mapping[str, float] = field(default_factory=dict[str, float])

    def exposure_at(self, target: str, drug_name: str) -> float:
        """Factor on the exposure of a target to a drug (1 in the typical patient).

        Both transporters of monoamines see the same plasma level, so that of SERT counts for NET.
        """
        target = "sert.occupancy" if target == "net.occupancy" else target
        return prod(self.exposure.get((target, name), 1.0) for name in {drug_name, ""})

    def half_life_h(self, compound: Compound, parameters: ParameterSet) -> float:
        """Half-life (h) of a compound in this patient."""
        factor = self.half_lives.get(compound.half_life_varies_with or "", 1.0)
        return parameters.number(compound.half_life.value) * factor


TYPICAL = Response()


def _share(usual: float, relative: Floats) -> Floats:
    """A share whose odds at the usual dose are multiplied by `relative`; a share of 1 stays 1."""
    more = usual * relative
    return more / (1.0 - usual + more) if usual < 1.0 else (more > 0.0).astype(float)


class WhileTaken:
    """Effect of a level relative to the usual one: it rises or decreases to each new level.

    changes: hours and the relative level from each hour on. A rise has a time constant, a decrease has a
    half-life; 0 is at once. usual: strength at the usual level, a share whose odds follow the level where
    `is_share`.
    """

    averaged_h = 0.0

    def __init__(
        self,
        usual: float,
        is_share: bool,
        changes: Sequence[tuple[float, float]],
        rise_tau_h: float = 0.0,
        fall_half_life_h: float = 0.0,
    ) -> None:
        self.usual, self.is_share = usual, is_share
        self.rise_tau_h, self.fall_half_life_h = rise_tau_h, fall_half_life_h
        self.edges_h = tuple(hour for hour, _ in changes)
        rise_per_h = 1.0 / rise_tau_h if rise_tau_h else inf
        fall_per_h = log(2.0) / fall_half_life_h if fall_half_life_h else inf
        # One row per piece of the level: hour of its start, target, distance from it there, rate (1/h).
        # Nothing is there before the first change.
        rows = [(-LONGEST_H, 0.0, 0.0, 0.0)]
        for hour, target in changes:
            start_h, before, distance, rate = rows[-1]
            level = before + distance * exp(-rate * (hour - start_h))
            rate = rise_per_h if target > level else fall_per_h
            rows.append((hour, target, 0.0, 0.0) if rate == inf else (hour, target, level - target, rate))
        self._pieces = np.array(rows).T.copy()

    def level(self, times_h: Floats) -> Floats:
        """The level at each time, relative to the usual one at steady state."""
        last = np.searchsorted(self._pieces[0], times_h, side="right") - 1
        start_h, target, distance, rate = self._pieces[:, last]
        return target + distance * np.exp(-rate * (times_h - start_h))

    def at(self, times_h: Floats) -> Floats:
        """Strength at each time."""
        level = self.level(times_h)
        return _share(self.usual, level) if self.is_share else self.usual * level


@dataclass(frozen=True)
class AfterEachDose:
    """Effect of pulses after doses, in proportion to what is there of each dose."""

    usual: float
    is_share: bool
    amounts: Amounts
    per_amount: float
    edges_h: tuple[float, ...]
    averaged_h: float

    def at(self, times_h: Floats) -> Floats:
        """Strength at each time."""
        there = self.per_amount * np.maximum(self.amounts.at(times_h)[..., -1], 0.0)
        return _share(self.usual, there) if self.is_share else self.usual * there


@dataclass(frozen=True)
class Concentration:
    """Concentration (nM) of one compound of a course over time (h): that of a whole dose times the amount."""

    amounts: Amounts
    compartment: int
    whole_dose_nM: float

    def __call__(self, times_h: Floats) -> Floats:
        """Concentration (nM) at each time."""
        return np.maximum(self.whole_dose_nM * self.amounts.at(times_h)[..., self.compartment], 0.0)


@dataclass(frozen=True)
class Curve:
    """The Hill curve of a law between 0 and 1, as a function of concentrations (nM)."""

    half_nM: float
    exponent: float

    def __call__(self, concentration_nM: Floats) -> Floats:
        """Share occupied at each concentration."""
        scaled = (concentration_nM / self.half_nM) ** self.exponent
        return scaled / (1.0 + scaled)


@dataclass(frozen=True)
class Occupancy:
    """Share (0 to 1) of a site that a compound occupies over time (h); exposure: factor on concentration."""

    curve: Curve
    concentration: Concentration
    exposure: float

    def __call__(self, times_h: Floats) -> Floats:
        """Share occupied at each time."""
        return self.curve(self.exposure * self.concentration(times_h))


@dataclass(frozen=True)
class ByConcentration:
    """Effect of a concentration through a Hill curve."""

    maximum: float
    occupancy: Occupancy
    edges_h: tuple[float, ...]
    averaged_h: float

    def at(self, times_h: Floats) -> Floats:
        """Strength at each time."""
        return self.maximum * self.occupancy(times_h)


@dataclass(frozen=True)
class Contribution:
    """What one action of a drug contributes to its target over a course."""

    mode: Mode
    region: str | None
    law: EffectLaw
    first_h: float
    last_dose_h: float
    regions: tuple[str, ...] = ()  # where it acts, if not everywhere
    populations: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether it acts on some populations alone."""
        return bool(self.regions or self.populations) or self.mode.field == "stress_effect"

    def at(self, times_h: Floats) -> Floats:
        """The contribution at each time: a factor for multiplying modes, else a signed strength."""
        return self.mode.contribution(self.law.at(times_h))  # pyright: ignore

    def gone_h(self) -> float:
        """First hour from which the effect stays below 1 % of its peak (-inf if there is no effect)."""
        until_h, last_h = self.last_dose_h + _GONE_AFTER_H, self.last_dose_h + 2 * 365 * HOURS_A_DAY
        while True:
            times_h = np.arange(self.first_h, until_h, 1.0)
            size = np.abs(self.law.at(times_h))
            there = np.flatnonzero(size >= GONE * size.max(initial=0.0))
            if until_h >= last_h or there[-1] < len(size) - _GONE_AFTER_H / 2:
                return float(times_h[there[-1]] + 1.0) if size.any() else -inf
            until_h = min(until_h + 4 * _GONE_AFTER_H, last_h)


@dataclass(frozen=True)
class Course:
    """All doses of one drug, sorted by time. name: under which the treatment gives it."""

    drug: DrugFile
    doses: tuple[Dose, ...]
    name: str = ""

    def contributions(self, parameters: ParameterSet, patient: Response = TYPICAL) -> list[Contribution]:
        """What each action of the drug does over time to this patient."""
        if not self.doses:
            return []
        first_h, last_h = self.doses[0].time_h, self.doses[-1].time_h + self.doses[-1].over_h
        return [
            Contribution(
                action.meaning,
                action.region,
                self._law(action, parameters, patient),
                first_h,
                last_h,
                tuple(action.regions),
                tuple(action.populations),
            )
            for action in self.drug.actions
        ]

    def _law(self, action: Action, parameters: ParameterSet, patient: Response) -> EffectLaw:
        exposure = patient.exposure_at(action.target, self.name)
        if action.level:
            return self._level(action.level, action.meaning, exposure, parameters)
        if action.pulse:
            return self._pulse(action.pulse, action.meaning, exposure, parameters)
        return self._hill(action, exposure, parameters, patient)

    @property
    def _averaged_h(self) -> float:
        """Window of the running mean that a slow step sees of frequent doses; 0: it sees the moment."""
        frequent = [dose for dose in self.doses if dose.interval_h <= HOURS_A_DAY and not dose.single]
        if len(frequent) < 2:
            return 0.0
        window_h = max(dose.interval_h for dose in frequent)
        apart_h = min(after.time_h - before.time_h for before, after in pairwise(frequent))
        return window_h if apart_h <= window_h + 1e-9 else 0.0

    @cached_property
    def _counting(self) -> tuple[tuple[float, float], ...]:
        """How many usual doses count, from each hour on at which their number changes."""
        return tuple(_counting(self.doses, self.drug.usual_every or HOURS_A_DAY))

    def _level(self, law: Level, mode: Mode, exposure: float, parameters: ParameterSet) -> WhileTaken:
        rise_h = parameters.number(law.rise_tau.value) if law.rise_tau else 0.0
        fall_h = parameters.number(law.fall_half_life.value) if law.fall_half_life else 0.0
        usual = law.strength(parameters.number, mode.sign)
        usual = float(_share(usual, np.array(exposure))) if mode.is_share else usual * exposure
        return WhileTaken(usual, mode.is_share, self._counting, rise_h, fall_h)

    def _pulse(self, law: Pulse, mode: Mode, exposure: float, parameters: ParameterSet) -> AfterEachDose:
        compartments, per_amount = _made_and_lost(law, parameters)
        return AfterEachDose(
            parameters.number(law.size.value),
            mode.is_share,
            Amounts(compartments, self.doses),
            exposure * per_amount,
            self._ends_of_doses(),
            self._averaged_h,
        )

    def _ends_of_doses(self) -> tuple[float, ...]:
        """Times at which a dose begins or an infusion ends; of frequent doses those next to a longer gap."""
        doses, window_h = self.doses, self._averaged_h
        if not window_h:
            return tuple(sorted({t for dose in doses for t in (dose.time_h, dose.time_h + dose.over_h)}))
        ends_h = {doses[0].time_h, doses[-1].time_h + doses[-1].interval_h}
        for before, after in pairwise(doses):
            if after.time_h - before.time_h > window_h + 1e-9:
                ends_h |= {before.time_h + before.interval_h, after.time_h}
        return tuple(sorted(ends_h))

    def _hill(
        self, action: Action, exposure: float, parameters: ParameterSet, patient: Response
    ) -> ByConcentration:
        law, occupancy = action.hill, self.occupied(action, parameters, exposure, patient)
        assert law is not None
        maximum = parameters.number(law.maximum.value)
        if law.area:
            wanted_h = parameters.number(law.area.effect) * law.area.lasting
            curve = _curve(law, parameters, self.drug, action.of)
            maximum = wanted_h / _occupied_h(self.drug, action.of, curve, parameters)
        return ByConcentration(maximum, occupancy, self._ends_of_doses(), self._averaged_h)

    def occupied(
        self, action: Action, parameters: ParameterSet, exposure: float = 1.0, patient: Response = TYPICAL
    ) -> Occupancy:
        """Share of an action's site that its compound occupies. ValueError if it has no Hill law."""
        if action.hill is None:
            raise ValueError(f"{self.drug.title}: {action.target} has no Hill law, so it has no occupancy")
        curve = _curve(action.hill, parameters, self.drug, action.of)
        return Occupancy(curve, self.concentration(parameters, action.of, patient), exposure)

    def concentration(
        self, parameters: ParameterSet, of: str = "parent", patient: Response = TYPICAL
    ) -> Concentration:
        """Concentration of the parent or a metabolite."""
        kinetics = self.drug.kinetics
        if kinetics is None:
            raise ValueError(f"{self.drug.title}: the drug has no kinetics, so it has no concentration")
        compartments, index = _compartments(kinetics, of, parameters, patient)
        compound = kinetics.compounds[of]
        given = compound.dose_concentration.value
        whole_dose_nM = (
            _molar_nM(given, parameters) if isinstance(given, str) else given.nM(compound.molar_mass)
        )
        return Concentration(Amounts(compartments, self.doses), index, whole_dose_nM)


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
        waiting.append((*span_h, dose.relative_dose * usual_h / lasting_h))
    changes: list[tuple[float, float]] = []
    counting: list[tuple[float, float, float]] = []
    for hour in sorted({hour for start, end, _ in waiting for hour in (start, end)}):
        while waiting and waiting[0][0] <= hour:
            counting.append(waiting.popleft())
        counting = [span for span in counting if span[1] > hour]
        relative_dose = fsum(relative_dose for _, _, relative_dose in counting)
        if not changes or changes[-1][1] != relative_dose:
            changes.append((hour, relative_dose))
    return changes


def usual_course(drug: DrugFile, lasting_h: float = 0.0) -> Course:
    """The usual dose at the usual interval from hour 0 on, for at least so long; once if it is taken once."""
    every_h = drug.usual_every
    count = ceil(lasting_h / every_h) if every_h and lasting_h else 1
    interval_h = every_h or HOURS_A_DAY
    return Course(
        drug, tuple(Dose(k * interval_h, 1.0, drug.usual_over, interval_h) for k in range(max(count, 1)))
    )


def steady_h(drug: DrugFile, parameters: ParameterSet) -> float:
    """Hours after which a usual course is at its steady state: 30 of the longest half-lives (or 30 days)."""
    compounds = drug.kinetics.compounds if drug.kinetics else {}
    half_lives_h = (parameters.number(compound.half_life.value) for compound in compounds.values())
    return STEADY_HALF_LIVES * max(half_lives_h, default=HOURS_A_DAY)


def _made_and_lost(law: Pulse, parameters: ParameterSet) -> tuple[list[Compartment], float]:
    """The compartments of a pulse, the last of which is the effect, and effect per amount there.

    A pulse that peaks after a time p is (t/p) exp(1 - t/p): two compartments of the same rate 1/p.
    """
    if law.peaks_after is not None:
        half_life_h = log(2.0) * parameters.number(law.peaks_after.value)
        return [Compartment(half_life_h), Compartment(half_life_h, 0)], e
    assert law.half_life is not None
    half_life_h = parameters.number(law.half_life.value)
    appears_h = parameters.number(law.appears.value) if law.appears else 0.0
    if not appears_h > 0.0:
        return [Compartment(half_life_h)], 1.0
    return [Compartment(appears_h), Compartment(half_life_h, 0)], 1.0


def _compartments(
    kinetics: Kinetics, of: str, parameters: ParameterSet, patient: Response
) -> tuple[list[Compartment], int]:
    """The compartments of a drug, and which of them is wanted."""
    compartments: list[Compartment] = []
    if kinetics.absorption_half_life:
        compartments.append(Compartment(kinetics.absorption_half_life.value))
    place = {"parent": len(compartments)}
    feeder = 0 if kinetics.absorption_half_life else None
    compartments.append(Compartment(patient.half_life_h(kinetics, parameters), feeder))
    waiting = dict(kinetics.metabolites)
    while waiting:
        name = next(n for n, m in waiting.items() if m.of in place)
        metabolite = waiting.pop(name)
        place[name] = len(compartments)
        half_life_h = patient.half_life_h(metabolite, parameters)
        share = float(metabolite.fraction.value)
        compartments.append(Compartment(half_life_h, place[metabolite.of], share))
    index = place[of]
    if kinetics.effect_site_half_life:
        lag = kinetics.effect_site_half_life.value
        compartments.append(Compartment(lag, index, compartments[index].half_life_h / lag))
        index = len(compartments) - 1
    return compartments, index


def _curve(law: Hill, parameters: ParameterSet, drug: DrugFile, of: str) -> Curve:
    return Curve(_half_effect_nM(law, parameters, drug, of), parameters.number(law.exponent.value))


def _occupied_h(drug: DrugFile, of: str, curve: Curve, parameters: ParameterSet) -> float:
    """Area (h) under the occupancy of one usual dose: at steady state where it is taken again and again."""
    until_h, points = steady_h(drug, parameters), 2_000
    course = usual_course(drug, until_h)
    last_h = course.doses[-1].time_h
    lasting_h = drug.usual_every or until_h
    times_h = last_h + (np.arange(points) + 0.5) * lasting_h / points
    return float(curve(course.concentration(parameters, of)(times_h)).mean() * lasting_h)


def _half_effect_nM(law: Hill, parameters: ParameterSet, drug: DrugFile, of: str) -> float:
    value = law.half_effect.value
    if isinstance(value, str):
        return _molar_nM(value, parameters)
    assert drug.kinetics is not None
    return value.nM(drug.kinetics.compounds[of].molar_mass)


def _molar_nM(symbol: str, parameters: ParameterSet) -> float:
    """A concentration (nM) that a parameter gives in nM or uM."""
    unit = parameters.records[choose(symbol, parameters.records, "parameter")].unit
    return parameters[symbol] * {"nM": 1.0, "uM": 1e3}[unit]
