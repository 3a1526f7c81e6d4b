"""A number with a unit, as people write it in files: `0.5 mg/kg`, `6 weeks`, `250 nM`, `4 per year`.

Each type is a pydantic annotation with its own short list of units. Text becomes a float in the base unit
(`Hours`, `PositiveHours`, `PerYear`) or a record that prints as it was written (`Dose`, `Concentration`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic_core import CoreSchema, core_schema

from unstuck.files.yaml import nearest, shown

_NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER_AND_UNIT = re.compile(rf"([+-]?{_NUMBER})\s*(.*)", re.DOTALL)

_DEFINITIONS = [
    *("nano- = 1e-9 = n-", "micro- = 1e-6 = u-", "milli- = 1e-3 = m-"),
    *("hour = [time] = h", "minute = 1 / 60 * hour = min", "day = 24 * hour = d", "week = 7 * day"),
    *("gram = [mass] = g", "liter = [volume] = L", "mole = [substance] = mol", "molar = mole / liter = M"),
]


@dataclass(frozen=True, eq=False)  # compared as itself, so that optional annotations can hash it
class _Kind:
    """What may be written for one kind of quantity: each allowed unit with the base unit it is converted to.

    An annotation of a float: `Annotated[float, _Kind(...)]` reads the text and holds the amount.
    """

    name: str
    example: str
    base_of: dict[str, str]
    positive: bool = False

    def read(self, value: object) -> tuple[float, str, str]:
        """Amount in the base unit, unit and text as written. Raises ValueError that says what is allowed."""
        text = str(value).strip()
        match = _NUMBER_AND_UNIT.fullmatch(text[:200])
        if match is None or isinstance(value, bool):
            raise self._error(value, "is not a number with a unit")
        number, unit = match.groups()
        if unit not in self.base_of:
            raise self._error(value, self._unit_fault(unit))
        factor = _factor(unit.removesuffix("/kg"), self.base_of[unit])
        amount = float(number) * factor.numerator / factor.denominator
        if not math.isfinite(amount):
            raise self._error(value, "is too large")
        if amount < 0 or (self.positive and amount == 0):
            raise self._error(value, "must be more than zero" if self.positive else "must not be negative")
        return amount, unit, text

    def _unit_fault(self, unit: str) -> str:
        if not unit:
            return "is a number without a unit"
        if unit == "m":
            return f"has the unit 'm' (minutes, months or metres?){nearest('min', self.base_of)}"
        return f"has the unknown unit {shown(unit)}{nearest(unit, self.base_of)}"

    def _error(self, value: object, fault: str) -> ValueError:
        units = ", ".join(self.base_of)
        return ValueError(f"{shown(value)} {fault}; write for example {self.example!r} (units: {units})")

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the text, for editors."""
        return {
            "type": "string",
            "pattern": rf"^\s*\+?{_NUMBER}\s*({'|'.join(self.base_of)})\s*$",
            "description": f"{self.name}: a number and a unit ({', '.join(self.base_of)})",
            "examples": [self.example],
        }

    def __get_pydantic_core_schema__(self, source: object, handler: object) -> CoreSchema:
        base = next(iter(self.base_of.values()))
        return _text_schema(lambda value: self.read(value)[0], lambda amount: f"{_plain(amount)} {base}")

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: object) -> dict[str, Any]:
        return self.json_schema()


_TIME_UNITS: dict[str, str] = dict.fromkeys(("min", "h", "d", "day", "days", "week", "weeks"), "h")
_MOLAR: dict[str, str] = {"nM": "nM", "uM": "nM"}
_BY_MASS: dict[str, str] = {"mg/L": "ng/mL", "ug/L": "ng/mL", "ng/mL": "ng/mL"}

Hours = Annotated[float, _Kind("a time", "6 weeks", _TIME_UNITS)]
"""A time of zero or more, in hours."""

PositiveHours = Annotated[float, _Kind("a time", "2.5 h", _TIME_UNITS, positive=True)]
"""A time of more than zero, in hours: half-lives, intervals."""

PerYear = Annotated[float, _Kind("a count a year", "4 per year", {"per year": "per year"})]
"""How often something happens, in events a year."""


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
class Dose(_Amount):
    """An amount of drug in mg, or in mg per kg of body weight; `str(dose)` is the text it was read from."""

    kind = _Kind("a dose", "0.5 mg/kg", dict.fromkeys(("ug", "mg", "g", "ug/kg", "mg/kg", "g/kg"), "mg"))
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

    kind = _Kind("a concentration", "250 nM", _MOLAR | _BY_MASS)
    by_mass: bool = False

    @classmethod
    def _of(cls, amount: float, unit: str, text: str) -> Self:
        return cls(amount, unit in _BY_MASS, text=text)

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


@cache
def _factor(unit: str, base: str) -> Fraction:
    """How many `base` one `unit` is, exactly, so that 1 uM is 1000 nM and not 999.9999999999999."""
    return (
        Fraction(1) if unit == base else Fraction(_registry().Quantity(Fraction(1), unit).to(base).magnitude)
    )


@cache
def _registry() -> Any:
    # Here, because pint is slow to import and many files need no conversion.
    import pint

    return pint.UnitRegistry(_DEFINITIONS, non_int_type=Fraction)  # pyright: ignore
