"""The schema of a cohort file: how patients differ, and the law of their noise and life events.

`draws` lists every random draw of a patient in order. Each patient makes all of them, one random number each,
so that a draw which is added at the end does not change the others. A lognormal factor with coefficient of
variation cv is exp(sqrt(ln(1 + cv^2)) z), z standard normal: its median is 1, so that the typical patient has
the parameters of `scenarios/parameters.csv`.
"""

from functools import cache
from itertools import chain
from math import log, sqrt
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from unstuck.errors import InputError, choose
from unstuck.files import units as quantities
from unstuck.files.drug import Positive, Sourced
from unstuck.files.units import BODY_WEIGHT_KG
from unstuck.files.yaml import Document, Misplaced, at_key, read_document
from unstuck.parameters import default_parameters
from unstuck.targets import TARGETS

_GENERATION_1 = ("parameters", "drug_half_lives", "drug_strengths")

Spread = Annotated[float, Field(ge=0, le=2)]


class _Draw(Document):
    """One random draw, with where its spread comes from."""

    source: str = Field(min_length=3)

    @property
    def name(self) -> str:
        """Name of the column that records the draw."""
        raise NotImplementedError


class LognormalDraw(_Draw):
    """A lognormal factor with median 1."""

    cv: Spread

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm."""
        return sqrt(log(1.0 + self.cv**2))


class ParameterDraw(LognormalDraw):
    """A factor on a parameter; `at_most` limits the product."""

    draw: Literal["parameter"]
    symbol: str
    at_most: float | None = Field(default=None, gt=0)

    @property
    def name(self) -> str:
        """Name of the column that records the factor."""
        return f"factor_{self.symbol}"

    @model_validator(mode="after")
    def _stays_allowed(self) -> "ParameterDraw":
        records = default_parameters().records
        with at_key("symbol"):
            choose(self.symbol, records, "parameter")
        if records[self.symbol].kind == "share" and (self.at_most is None or self.at_most > 1):
            raise Misplaced(("at_most",), f"{self.symbol} is a share: give the largest value, at most 1")
        return self


class ExposureDraw(LognormalDraw):
    """A factor on the exposure of a target: on the concentration, and so on the odds of an occupancy.

    drugs: names of the drugs to which it applies; none: every drug.
    """

    draw: Literal["exposure"]
    column: str = "exposure"
    target: str
    drugs: list[str] = []

    @property
    def name(self) -> str:
        """Name of the column that records the factor."""
        return self.column

    @model_validator(mode="after")
    def _target_exists(self) -> "ExposureDraw":
        with at_key("target"):
            choose(self.target, TARGETS, "target")
        return self


class StressLengthDraw(LognormalDraw):
    """The length of the stress (`for: patient` in a treatment), limited and then rounded to whole days."""

    draw: Literal["length of stress"]
    median: quantities.PositiveHours
    at_least: quantities.PositiveHours
    at_most: quantities.PositiveHours

    @property
    def name(self) -> str:
        """Name of the column that records the length in days."""
        return "stress_days"


class Change(Document):
    """How members of a class differ in one parameter.

    `times` multiplies it. `rest_times` is for a share s: it multiplies the rest, 1 - s, and both parts are
    divided by their new sum: s becomes s / (s + rest_times (1 - s)).
    """

    symbol: str
    times: Positive | None = None
    rest_times: Positive | None = None

    @model_validator(mode="after")
    def _says_how(self) -> "Change":
        records = default_parameters().records
        with at_key("symbol"):
            choose(self.symbol, records, "parameter")
        if (self.times is None) == (self.rest_times is None):
            raise ValueError("a change has either times or rest_times")
        if self.rest_times and records[self.symbol].kind != "share":
            raise Misplaced(("rest_times",), f"{self.symbol} is not a share: give times")
        return self

    def apply(self, value: float) -> float:
        """The changed value of the parameter."""
        if self.rest_times is not None:
            return value / (value + self.rest_times * (1.0 - value))
        assert self.times is not None
        return value * self.times


class PatientClass(Document):
    """One class of patients: how frequent it is, and what is different in it."""

    frequency: float = Field(gt=0, le=1)
    changes: list[Change] = []


class ClassDraw(_Draw):
    """A draw of one of several classes, such as a genotype, by one uniform number."""

    draw: Literal["class"]
    column: str
    classes: dict[str, PatientClass] = Field(min_length=2)

    @property
    def name(self) -> str:
        """Name of the column that records the class."""
        return self.column

    @model_validator(mode="after")
    def _frequencies_add_up(self) -> "ClassDraw":
        total = sum(each.frequency for each in self.classes.values())
        if abs(total - 1.0) > 1e-9:
            raise Misplaced(("classes",), f"the frequencies must add up to 1, not {total:g}")
        return self

    def choice(self, uniform: float) -> str:
        """The class of a uniform number (0 to 1): the first whose cumulated frequency is above it."""
        cumulated = 0.0
        for name, each in self.classes.items():
            cumulated += each.frequency
            if uniform < cumulated:
                return name
        return list(self.classes)[-1]


Draw: TypeAlias = ParameterDraw | ExposureDraw | StressLengthDraw | ClassDraw


class Correlation(Document):
    """Correlation of the logarithms of two lognormal draws, named as their columns are."""

    between: tuple[str, str]
    r: float = Field(gt=-1, lt=1)
    source: str = Field(min_length=3)


class NoiseLaw(Document):
    """Daily input to the principal cells of every region: an Ornstein-Uhlenbeck process per region."""

    sd: Sourced[Annotated[float, Field(ge=0)]]  # drive
    time_constant: Sourced[quantities.PositiveHours]


class LifeEventLaw(Document):
    """One kind of stressful life event: how often, how much stress, how long; cv 0: all equally long."""

    name: str
    rate: Sourced[quantities.PerYear]
    stress: Sourced[Annotated[float, Field(gt=0, le=1)]]
    lasting: Sourced[quantities.PositiveHours]
    cv: Sourced[Spread] | None = None

    @property
    def sigma(self) -> float:
        """Standard deviation of the logarithm of the length."""
        return sqrt(log(1.0 + self.cv.value**2)) if self.cv else 0.0


class CohortFile(Document):
    """A cohort file."""

    title: str
    description: str = ""
    body_weight_kg: Sourced[Positive] = Sourced[Positive](value=BODY_WEIGHT_KG, source="convention")
    draws: list[Annotated[Draw, Field(discriminator="draw")]]
    correlations: list[Correlation] = []
    noise: NoiseLaw
    life_events: list[LifeEventLaw] = []

    @model_validator(mode="after")
    def _columns_differ(self) -> "CohortFile":
        seen: set[str] = set()
        for number, draw in enumerate(self.draws):
            if draw.name in seen:
                raise Misplaced(("draws", number), f"{draw.name} is drawn twice")
            seen.add(draw.name)
        return self

    @model_validator(mode="after")
    def _correlations_are_possible(self) -> "CohortFile":
        names = [draw.name for draw in self.lognormal]
        for number, each in enumerate(self.correlations):
            for end, name in enumerate(each.between):
                with at_key("correlations", number, "between", end):
                    choose(name, names, "lognormal draw")
        with at_key("correlations"):
            self.mixing()
        return self

    @property
    def lognormal(self) -> list[LognormalDraw]:
        """The lognormal draws, in order."""
        return [draw for draw in self.draws if isinstance(draw, LognormalDraw)]

    def mixing(self) -> npt.NDArray[np.float64]:
        """Matrix (lognormal draws, the same) that turns independent normal numbers into correlated ones.

        It is lower triangular: a draw depends on those before it alone. ValueError for correlations that
        are impossible together.
        """
        names = [draw.name for draw in self.lognormal]
        matrix = np.eye(len(names))
        for each in self.correlations:
            one, other = (names.index(name) for name in each.between)
            matrix[one, other] = matrix[other, one] = each.r
        try:
            return np.linalg.cholesky(matrix).astype(np.float64)
        except np.linalg.LinAlgError:
            pairs = ", ".join(chain(f"{a} and {b}" for a, b in (c.between for c in self.correlations)))
            raise ValueError(f"these correlations are impossible together: {pairs}") from None


@cache
def _read(path: Path, _changed_ns: int) -> CohortFile:
    try:
        return read_document(path, CohortFile)
    except InputError as fault:
        keys = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        if any(line.startswith(f"{key}:") for line in keys for key in _GENERATION_1):
            raise InputError(
                f"{path}: this is a cohort file of generation 1. Generation 2 lists every random draw in"
                " order under `draws` (parameter, exposure, length of stress, class), with `noise` and"
                " `life_events`. Copy scenarios/cohort.yaml and write your spreads into its draws; put draws"
                " of your own at the end"
            ) from fault
        raise


def read_cohort(path: Path) -> CohortFile:
    """Read and check a cohort file, again if it was changed. InputError says what is wrong and where."""
    return _read(path, path.stat().st_mtime_ns if path.exists() else 0)
