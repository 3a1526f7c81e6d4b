"""A number with a unit, as people write it in files: `0.5 mg/kg`, `6 weeks`, `250 nM`, `4 per year`.

Each type is a pydantic annotation with its own table of units, and every factor is exact. Text becomes a
float in the base unit (`Hours`, `PositiveHours`, `PerYear`) or a record that prints as it was written
(`DoseAmount`, `Concentration`). A month is a twelfth of a year of 365.25 days.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import Discriminator, Tag, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from unstuck.errors import nearest, shown
from unstuck.files.yaml import decimal_comma

HOURS_A_DAY = 24.0
HOURS_A_YEAR = 365.25 * HOURS_A_DAY
BODY_WEIGHT_KG = 70.0  # of every patient
LONGEST_YEARS = 100
LONGEST_H = LONGEST_YEARS * HOURS_A_YEAR

_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER_AND_UNIT = re.compile(rf"([+-]?{_NUMBER})\s*(.*)", re.DOTALL)
_STARTS_AS_A_NUMBER = re.compile(r"\s*[+-]?\.?[0-9]")
_MICRO = ("u", "\u00b5", "\u03bc")  # as typed, micro sign, Greek mu
_PREFIXES = {
    "p": Fraction(1, 10**12),
    "n": Fraction(1, 10**9),
    **dict.fromkeys(_MICRO, Fraction(1, 10**6)),
    "m": Fraction(1, 1000),
    "": Fraction(1),
}


def _times() -> dict[str, Fraction]:
    """Hours per unit of time."""
    names = {
        ("min", "minute"): Fraction(1, 60),
        ("h", "hr", "hour"): Fraction(1),
        ("d", "day"): Fraction(24),
        ("week",): Fraction(168),
        ("month",): Fraction(36525 * 24, 1200),
        ("year",): Fraction(36525 * 24, 100),
    }
    spelled = {name: factor for alike, factor in names.items() for name in alike}
    return spelled | {f"{name}s": factor for name, factor in spelled.items() if len(name) > 1}


def _grams() -> dict[str, Fraction]:
    """Grams per unit of mass."""
    words = {"nanogram": "n", "microgram": "u", "milligram": "m", "gram": ""}
    spelled = {f"{prefix}g": factor for prefix, factor in _PREFIXES.items() if prefix != "p"}
    spelled["mcg"] = _PREFIXES["u"]
    named = {f"{word}{s}": _PREFIXES[prefix] for word, prefix in words.items() for s in ("", "s")}
    return spelled | named


def _molar() -> dict[str, Fraction]:
    """Moles per litre for each molar unit."""
    litres = {"L": Fraction(1), "l": Fraction(1), "mL": Fraction(1, 1000), "ml": Fraction(1, 1000)}
    amounts = {
        f"{prefix}mol/{litre}": f / v for prefix, f in _PREFIXES.items() for litre, v in litres.items()
    }
    return {f"{prefix}M": factor for prefix, factor in _PREFIXES.items()} | amounts


_MOLAR = _molar()


def _mass_per_volume() -> dict[str, Fraction]:
    """Grams per litre for each concentration by mass."""
    litres = {"L": 1, "l": 1, "dL": 10, "dl": 10, "mL": 1000, "ml": 1000}
    return {f"{mass}/{litre}": f * n for mass, f in _grams().items() for litre, n in litres.items()}


def _scaled(table: dict[str, Fraction], factor: int) -> dict[str, Fraction]:
    return {unit: value * factor for unit, value in table.items()}


@dataclass(frozen=True, eq=False)  # compared as itself, so that optional annotations can hash it
class _Kind:
    """What can be written for one kind of quantity: each unit with the number of base units that it is.

    An annotation of a float: `Annotated[float, _Kind(...)]` reads the text and keeps the amount. Messages
    name the units in `common`; other spellings are read too. `limits`, if given, are in the base unit.
    """

    name: str
    example: str
    base: str
    factors: dict[str, Fraction]
    common: tuple[str, ...]
    positive: bool = False
    limits: tuple[float, float] = (0.0, math.inf)
    allowed: str = ""

    def read(self, value: object) -> tuple[float, str, str]:
        """Amount in the base unit, unit and text as written. Raises ValueError that says what is allowed."""
        text = str(value).strip()
        match = _NUMBER_AND_UNIT.fullmatch(text[:200])
        if match is None or isinstance(value, bool):
            raise self._error(value, f"is not a number with a unit{decimal_comma(text)}")
        number, unit = match.groups()
        unit = re.sub(r"\s*/\s*|\s+per\s+", "/", unit)
        if unit not in self.factors:
            raise self._error(value, self._unit_fault(unit, text))
        factor = self.factors[unit]
        amount = float(number) * factor.numerator / factor.denominator
        if not math.isfinite(amount):
            raise self._error(value, "is too large")
        if amount < 0 or (self.positive and amount == 0):
            raise self._error(value, "must be more than zero" if self.positive else "must not be negative")
        if amount and not self.limits[0] <= amount <= self.limits[1]:
            raise self._error(value, f"must be {self.allowed}")
        return amount, unit, text

    def _unit_fault(self, unit: str, text: str) -> str:
        if not unit:
            return "is a number without a unit"
        if comma := decimal_comma(text):
            return f"has a comma in its number{comma}"
        if unit == "m":
            hint = ", did you mean 'min'?" if "min" in self.factors else ""
            return f"has the unit 'm' (minutes, months or metres?){hint}"
        return f"has the unknown unit {shown(unit)}{_nearest_unit(unit, tuple(self.factors))}"

    def _error(self, value: object, fault: str) -> ValueError:
        units = ", ".join(self.common)
        return ValueError(f"{shown(value)} {fault}; write for example {self.example!r} (units: {units})")

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the text, for editors."""
        units = "|".join(re.escape(unit).replace("\\ ", " ") for unit in self.factors)
        return {
            "type": "string",
            "pattern": rf"^\s*\+?{_NUMBER}\s*({units})\s*$",
            "description": f"{self.name}: a number and a unit ({', '.join(self.common)})",
            "examples": [self.example],
        }

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        return _text_schema(lambda value: self.read(value)[0], lambda amount: f"{_plain(amount)} {self.base}")

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: object) -> dict[str, Any]:
        return self.json_schema()


@lru_cache(1000)  # a file may repeat a fault thousands of times
def _nearest_unit(unit: str, known: tuple[str, ...]) -> str:
    """The unit that is meant. Symbols only by their capitals: mg for mcg would change the amount."""
    by_lower = {name.lower(): name for name in reversed(known)}
    if unit.lower() in by_lower:
        return f", did you mean {by_lower[unit.lower()]!r}?"
    words = [name for name in known if len(name) > 3 and name.isalpha()]
    hint = nearest(unit, words) if len(unit) > 3 else ""
    return "" if "gram" in hint else hint  # microgram and milligram are spelled too much alike


_TIME_UNITS = ("min", "h", "d", "day", "days", "week", "weeks", "months", "years")


def _time(
    name: str, example: str, *, positive: bool = False, shortest_h: float = 0.0, why: str = ""
) -> _Kind:
    """A kind of time in hours, at most 100 years."""
    allowed = f"at most {LONGEST_YEARS} years"
    allowed = f"from {60 * shortest_h:g} min to {LONGEST_YEARS} years{why}" if shortest_h else allowed
    limits = (shortest_h, LONGEST_H)
    return _Kind(name, example, "h", _times(), _TIME_UNITS, positive, limits, allowed)


Hours = Annotated[float, _time("a time", "6 weeks")]
"""A time of zero or more, in hours."""

PositiveHours = Annotated[float, _time("a time", "2.5 h", positive=True)]
"""A time of more than zero, in hours: half-lives, lengths of phases."""

Interval = Annotated[
    float,
    _time(
        "a dosing interval",
        "1 d",
        positive=True,
        shortest_h=1 / 60,
        why=" (an infusion is one dose with a duration, `over`)",
    ),
]
"""The time from one dose to the next, in hours: one minute or more."""

PerYear = Annotated[
    float,
    _Kind(
        "a count per year",
        "4 per year",
        "per year",
        {"per year": Fraction(1), "per month": Fraction(12)},
        ("per year", "per month"),
    ),
]
"""How often something happens, in events per year."""


@dataclass(frozen=True)
class _Amount:
    """An amount that is finite, never negative, and prints as it was written."""

    kind: ClassVar[_Kind]
    amount: float
    text: str = field(default="", kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.amount < math.inf:
            raise ValueError(f"{self.kind.name} must be a number of zero or more, not {self.amount}")

    @classmethod
    def parse(cls, value: object) -> Self:
        """The quantity that a text says. Raises ValueError with the allowed units and an example."""
        return value if isinstance(value, cls) else cls._of(*cls.kind.read(value))

    @classmethod
    def _of(cls, amount: float, unit: str, text: str) -> Self:
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> CoreSchema:
        return _text_schema(cls.parse, str)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: object) -> dict[str, Any]:
        return cls.kind.json_schema()


@dataclass(frozen=True)
class DoseAmount(_Amount):
    """An amount of drug in mg, or in mg per kg of body weight; `str(dose)` is the text it was read from."""

    kind = _Kind(
        "a dose",
        "0.5 mg/kg",
        "mg",
        _scaled(_grams() | {f"{unit}/kg": factor for unit, factor in _grams().items()}, 1000),
        ("ug", "mg", "g", "ug/kg", "mg/kg", "g/kg"),
    )
    per_kg: bool = False

    @classmethod
    def _of(cls, amount: float, unit: str, text: str) -> Self:
        return cls(amount, unit.endswith("/kg"), text=text)

    def mg(self, body_weight_kg: float) -> float:
        """The amount (mg) that someone of this weight (kg) gets."""
        return self.amount * body_weight_kg if self.per_kg else self.amount

    def __str__(self) -> str:
        return self.text or f"{_plain(self.amount)} mg{'/kg' if self.per_kg else ''}"


@dataclass(frozen=True)
class Concentration(_Amount):
    """A concentration in nM, or in ng/mL where `by_mass`; `str(...)` is the text it was read from."""

    kind = _Kind(
        "a concentration",
        "250 nM",
        "nM",
        _scaled(_MOLAR, 10**9) | _scaled(_mass_per_volume(), 10**6),
        ("nM", "uM", "nmol/L", "mg/L", "ug/L", "ng/mL"),
    )
    by_mass: bool = False

    @classmethod
    def _of(cls, amount: float, unit: str, text: str) -> Self:
        return cls(amount, unit not in _MOLAR, text=text)

    def nM(self, molar_mass_g_per_mol: float | None) -> float:
        """The concentration in nM. Raises ValueError if it is by mass and there is no molar mass (g/mol)."""
        if not self.by_mass:
            return self.amount
        if molar_mass_g_per_mol is None or not molar_mass_g_per_mol > 0:
            raise ValueError(f"'{self}' becomes nM only with the compound's molar mass in g/mol")
        return self.amount * 1000 / molar_mass_g_per_mol

    def __str__(self) -> str:
        return self.text or f"{_plain(self.amount)} {'ng/mL' if self.by_mass else 'nM'}"


def _text_schema(read: Callable[[Any], Any], write: Callable[[Any], str]) -> CoreSchema:
    """Read from text; written as text again in JSON."""
    written = core_schema.plain_serializer_function_ser_schema(
        write, return_schema=core_schema.str_schema(), when_used="json-unless-none"
    )
    return core_schema.no_info_plain_validator_function(read, serialization=written)


def _plain(amount: float) -> str:
    return repr(float(amount)).removesuffix(".0")


def _is_symbol(value: object) -> str:
    """Tag of a value that is a quantity or the symbol of a parameter: a symbol starts with a letter."""
    is_text = isinstance(value, str) and not _STARTS_AS_A_NUMBER.match(value)
    return "symbol" if is_text else "quantity"


_Symbol = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_]"}), Tag("symbol")]
_Level = Annotated[Concentration, Tag("quantity")]
_Time = Annotated[PositiveHours, Tag("quantity")]

ConcentrationOrSymbol = Annotated[_Level | _Symbol, Discriminator(_is_symbol)]
"""A concentration, or the symbol of a parameter that is one."""

HoursOrSymbol = Annotated[_Time | _Symbol, Discriminator(_is_symbol)]
"""A time of more than zero in hours, or the symbol of a parameter that is one."""
