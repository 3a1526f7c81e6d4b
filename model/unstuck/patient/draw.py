"""One virtual patient: a random network, the drawn traits, the noise and the life events.

Every random stream is SeedSequence([seed, patient index, purpose]) with PCG64 and depends on nothing else, so
that treatments, parameter sets and workers share their patients. Without a cohort the patient is the typical
one: median parameters, without noise and life events.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from hashlib import blake2b
from math import ceil, exp, sqrt

import numpy as np

from unstuck.circuit import Circuit, mean_field_circuit, network_circuit
from unstuck.drugs.effects import TYPICAL, Response
from unstuck.drugs.exposure import Spell
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.cohort import (
    ClassDraw,
    CohortFile,
    ExposureDraw,
    LifeEventLaw,
    ParameterDraw,
    StressLengthDraw,
    read_cohort,
)
from unstuck.files.units import BODY_WEIGHT_KG, HOURS_A_DAY
from unstuck.parameters import ParameterSet
from unstuck.state import Floats

__all__ = [
    "CohortFile",
    "Patient",
    "Purpose",
    "Traits",
    "draw_patient",
    "draw_traits",
    "read_cohort",
    "stream",
]

DAYS_A_YEAR = 365  # life events are drawn a year at a time


class Purpose(IntEnum):
    """What a random stream is for."""

    NETWORK = 0
    DRAWS = 1
    NOISE = 2
    LIFE_EVENTS = 3
    CONTEXT = 4  # from here on in trials: how much a patient responds to care
    RATING = 5
    ADHERENCE = 6
    LEAVING = 7
    ALLOCATION = 8  # of a trial, whose number replaces that of the patient
    VISITS = 10


def stream(seed: int, index: int, purpose: Purpose) -> np.random.Generator:
    """The random stream of one patient for one purpose."""
    return np.random.default_rng(np.random.SeedSequence([seed, index, int(purpose)]))


@dataclass(frozen=True)
class Traits:
    """What is drawn of one patient: parameters, response to drugs, length of the stress, and every draw.

    draws: value by column: the lognormal factor of each parameter (`factor_mM`), the exposure factor, the
    length of the stress in days, the name of each class.
    """

    parameters: ParameterSet
    response: Response = TYPICAL
    stress_h: float | None = None  # none: the typical length
    draws: Mapping[str, float | str] = field(default_factory=dict[str, float | str])


@dataclass(frozen=True)
class Patient:
    """One patient, healthy: the circuit with the drawn parameters, and all else that is drawn.

    care: further input (days, regions) in drive to the principal cells, as of a context (no rows: none).
    """

    seed: int
    index: int
    circuit: Circuit
    traits: Traits
    cohort: CohortFile | None = None
    care: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @property
    def draws(self) -> Mapping[str, float | str]:
        """Every draw by column: factors, length of the stress in days, classes (empty: typical patient)."""
        return self.traits.draws

    @property
    def response(self) -> Response:
        """How the patient responds to drugs."""
        return self.traits.response

    @property
    def stress_h(self) -> float | None:
        """Length (h) of the patient's own stress; None: the typical length."""
        return self.traits.stress_h

    @property
    def body_weight_kg(self) -> float:
        """Body weight for doses in mg/kg and their like."""
        return BODY_WEIGHT_KG if self.cohort is None else self.cohort.body_weight_kg.value

    def stream(self, purpose: Purpose) -> np.random.Generator:
        """A fresh copy of one of the patient's random streams."""
        return stream(self.seed, self.index, purpose)

    def noise(self, days: int) -> Floats:
        """Input (days, regions) in drive to the principal cells, constant within a day; no rows: no noise."""
        regions = len(self.circuit.regions)
        if self.cohort is None or not self.cohort.noise.sd.value > 0.0:
            return np.zeros((0, regions))
        known = self._noise.get("rows")
        if known is None or len(known) < days:
            law, rng = self.cohort.noise, self.stream(Purpose.NOISE)
            known = daily_noise(max(days, DAYS_A_YEAR), regions, law.sd.value, law.time_constant.value, rng)
            known.flags.writeable = False
            self._noise["rows"] = known
        return known[:days]

    def daily_input(self, days: int) -> Floats:
        """Noise and care together, as `noise`; care goes on as on its last day."""
        noise = self.noise(days)
        if not len(self.care):
            return noise
        care = self.care[np.minimum(np.arange(days), len(self.care) - 1)]
        return care + noise if len(noise) else care

    def life_events(self, days: float) -> list[Spell]:
        """The patient's life events in the first `days` of the list, in hours from its start."""
        if self.cohort is None:
            return []
        spells = life_events(self.cohort.life_events, days, self.stream(Purpose.LIFE_EVENTS))
        return [spell for spell in spells if spell.start_h < days * HOURS_A_DAY]

    @cached_property
    def _noise(self) -> dict[str, Floats]:
        """The longest block of daily noise that was needed so far, shared by all treatments."""
        return {}

    @cached_property
    def identity(self) -> str:
        """Digest of everything that decides the simulation of this patient; equal for equal patients."""
        digest = blake2b(digest_size=16)
        digest.update(repr((self.seed, self.index, self.circuit.file, self.response)).encode())
        digest.update(repr((sorted(self.circuit.parameters.items()), self.cohort, self.stress_h)).encode())
        for array in (self.circuit.wiring.bias, self.circuit.wiring.plastic.weight):
            digest.update(array.tobytes())
        return digest.hexdigest()


def draw_patient(
    file: CircuitFile,
    parameters: ParameterSet,
    cohort: CohortFile | None,
    *,
    seed: int,
    index: int,
    neurons: int,
) -> Patient:
    """Patient number `index` of a seed; without a cohort the typical one. neurons = 0: the mean-field."""
    traits = Traits(parameters) if cohort is None else draw_traits(parameters, cohort, seed, index)
    if neurons == 0:
        circuit = mean_field_circuit(file, traits.parameters)
    else:
        circuit = network_circuit(file, traits.parameters, neurons, stream(seed, index, Purpose.NETWORK))
    return Patient(seed, index, circuit, traits, cohort)


def draw_traits(parameters: ParameterSet, cohort: CohortFile, seed: int, index: int) -> Traits:
    """Every draw of a cohort file for one patient, in the order of the file.

    InputError where a drawn value is outside what its parameter allows: the spread is too wide.
    """
    rng = stream(seed, index, Purpose.DRAWS)
    raw = [rng.random() if isinstance(draw, ClassDraw) else rng.standard_normal() for draw in cohort.draws]
    normal = iter(_correlated(cohort, raw))
    draws: dict[str, float | str] = {}
    values = dict(parameters)
    exposure: dict[tuple[str, str], float] = {}
    stress_h: float | None = None
    for draw, uniform in zip(cohort.draws, raw, strict=True):
        if isinstance(draw, ClassDraw):
            draws[draw.name] = chosen = draw.choice(uniform)
            for change in draw.classes[chosen].changes:
                values[change.symbol] = change.apply(values[change.symbol])
            continue
        factor = exp(draw.sigma * next(normal))
        if isinstance(draw, ParameterDraw):
            draws[draw.name] = factor
            product = values[draw.symbol] * factor
            values[draw.symbol] = product if draw.at_most is None else min(product, draw.at_most)
        elif isinstance(draw, ExposureDraw):
            draws[draw.name] = factor
            exposure |= {(draw.target, name): factor for name in draw.drugs or [""]}
        else:
            stress_h = _whole_days(draw, factor) * HOURS_A_DAY
            draws[draw.name] = stress_h / HOURS_A_DAY
    changed = {symbol: value for symbol, value in values.items() if value != parameters[symbol]}
    try:
        drawn = parameters.with_values(**changed)
    except InputError as fault:
        raise InputError(f"patient {index} of seed {seed}: the cohort draws {fault}") from None
    half_lives = {symbol: drawn[symbol] / parameters[symbol] for symbol in changed}
    return Traits(drawn, Response(exposure, half_lives), stress_h, draws)


def _correlated(cohort: CohortFile, raw: list[float]) -> list[float]:
    """The normal numbers among the raw draws, correlated as the cohort says."""
    normal = [value for draw, value in zip(cohort.draws, raw, strict=True) if not isinstance(draw, ClassDraw)]
    return (cohort.mixing() @ np.array(normal)).tolist() if cohort.correlations else normal


def _whole_days(draw: StressLengthDraw, factor: float) -> float:
    """A length of stress: limited first, then rounded to the nearest whole day."""
    lasting_h = min(max(draw.median * factor, draw.at_least), draw.at_most)
    return float(round(lasting_h / HOURS_A_DAY))


def daily_noise(days: int, regions: int, sd: float, tau_h: float, rng: np.random.Generator) -> Floats:
    """Ornstein-Uhlenbeck input (days, regions) in drive, stationary from the start, constant within a day.

    A longer block begins with the rows of a shorter one.
    """
    kept = exp(-HOURS_A_DAY / tau_h)
    draws = sd * rng.standard_normal((days, regions))
    noise = draws.copy()
    for day in range(1, days):
        noise[day] = kept * noise[day - 1] + sqrt(1.0 - kept**2) * draws[day]
    return noise


def life_events(laws: list[LifeEventLaw], days: float, rng: np.random.Generator) -> list[Spell]:
    """Spells of stress over at least so many days, in hours; a longer list begins with a shorter one.

    Year by year and kind by kind: the number (Poisson), the sorted starts (uniform over the year), and where
    lengths differ one normal number each in the order of the starts.
    """
    spells: list[Spell] = []
    for year in range(max(1, ceil(days / DAYS_A_YEAR))):
        for law in laws:
            count = int(rng.poisson(law.rate.value))
            starts = DAYS_A_YEAR * year + np.sort(rng.uniform(0.0, DAYS_A_YEAR, count))
            for start in starts.tolist():
                factor = exp(law.sigma * rng.standard_normal()) if law.cv else 1.0
                start_h = start * HOURS_A_DAY
                spells.append(Spell(start_h, start_h + law.lasting.value * factor, law.stress.value))
    return spells
