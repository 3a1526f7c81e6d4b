"""Every constant of the circuit and of the drugs: value, unit, range, origin and source.

The shipped values are in `scenarios/parameters.csv`, one row per parameter. Symbols are those of the model
description. Rates that follow from other parameters are worked out where they are needed (rules/plasticity).
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from math import isfinite, prod
from pathlib import Path

from unstuck.errors import InputError, choose

COLUMNS = ("symbol", "meaning", "value", "unit", "low", "high", "kind", "origin", "source")
ORIGINS = ("literature", "fitted", "fixed by assumption")

# What a value of each kind may be: (above, at most).
KINDS: dict[str, tuple[float, float]] = {
    "scale": (0.0, 1e9),
    "positive": (0.0, 1e9),
    "time": (0.0, 1e9),
    "exponent": (0.0, 50.0),
    "rate (Hz)": (0.0, 1e9),
    "share": (-1e-12, 1.0),
    "gain": (-1e-12, 1e9),
    "rate": (-1e-12, 1e9),
    "weight": (-1e-12, 1e9),
}


@dataclass(frozen=True)
class Parameter:
    """One constant: its value, the range in which it may be varied, where it comes from."""

    symbol: str
    meaning: str
    value: float
    unit: str
    low: float
    high: float
    kind: str
    origin: str
    source: str

    def fault(self, value: float) -> str:
        """What is wrong with a value of this parameter (nothing if it may be used)."""
        above, most = KINDS[self.kind]
        if isfinite(value) and above < value <= most:
            return ""
        least = "more than 0" if above == 0.0 else "0"
        allowed = (
            f"from {least} to {most:g}" if most < 1e9 else f"{least}" + ("" if above == 0.0 else " or more")
        )
        return f"{self.symbol} = {value:g}: a {self.kind} is {allowed}"


def factors_of(product: str) -> tuple[float, list[float | str]]:
    """The sign of a product written as "-2*ffi*long", and its factors: numbers and symbols."""
    text = product.strip()
    sign, text = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    factors: list[float | str] = []
    for word in (part.strip() for part in text.split("*")):
        try:
            factors.append(float(word))
        except ValueError:
            factors.append(word)
    return sign, factors


class ParameterSet(Mapping[str, float]):
    """Named constants of one model; reads as a mapping from symbol to value."""

    def __init__(self, records: Mapping[str, Parameter]) -> None:
        self.records = dict(records)

    def __getitem__(self, symbol: str) -> float:
        return self.records[symbol].value

    def __iter__(self) -> Iterator[str]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def number(self, number_or_symbol: float | str) -> float:
        """A number as it is, the value of the parameter with this symbol, or a product of these ("ffi*long").

        Raises:
            InputError: there is no parameter with this symbol.
        """
        if not isinstance(number_or_symbol, str):
            return float(number_or_symbol)
        sign, factors = factors_of(number_or_symbol)
        known = (self[choose(f, self.records, "parameter")] if isinstance(f, str) else f for f in factors)
        return sign * prod(known)

    def with_rows(self, records: Mapping[str, Parameter]) -> "ParameterSet":
        """The same set with more parameters; one that is there already keeps its value."""
        return ParameterSet({**records, **self.records})

    def with_values(self, **values: float) -> "ParameterSet":
        """The same set with some values replaced.

        Raises:
            InputError: a symbol is unknown, or a value is outside what its kind allows.
        """
        records = dict(self.records)
        for symbol, value in values.items():
            record = records[choose(symbol, self.records, "parameter")]
            if fault := record.fault(float(value)):
                raise InputError(f"parameter {fault}")
            records[symbol] = replace(record, value=float(value))
        return ParameterSet(records)


def read_parameters(path: Path) -> ParameterSet:
    """Read a parameter file (CSV, columns as in `COLUMNS`).

    Raises:
        InputError: file:line:key, what is wrong and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"{path}: cannot be read as a parameter file: {fault}") from fault
    if path.suffix == ".json" or text.lstrip().startswith("{"):
        raise InputError(
            f"{path}: this is a parameter file of generation 1 (JSON). Generation 2 has other equations and"
            f" reads a table: copy {shipped_parameter_file()} and change its values"
        )
    rows = csv.reader(text.splitlines())
    header = next(rows, list[str]())
    if tuple(header) != COLUMNS:
        raise InputError(f"{path}:1: the columns must be {', '.join(COLUMNS)}, not {', '.join(header)}")
    known = None if path.resolve() == shipped_parameter_file().resolve() else list(default_parameters())
    records: dict[str, Parameter] = {}
    for row in rows:
        if row:
            record = _record(row, f"{path}:{rows.line_num}", known)
            if record.symbol in records:
                raise InputError(f"{path}:{rows.line_num}:{record.symbol}: this parameter has two rows")
            records[record.symbol] = record
    if missing := [symbol for symbol in known or [] if symbol not in records]:
        raise InputError(f"{path}: these parameters have no row: {', '.join(missing)}")
    return ParameterSet(records)


def shipped_parameter_file() -> Path:
    """The parameter file that comes with the program: in the checkout, or in the installed copy."""
    package = Path(str(files("unstuck")))
    places = [folder / "scenarios" / "parameters.csv" for folder in (package.parent.parent, package)]
    return next((path for path in places if path.exists()), places[-1])


def default_parameters() -> ParameterSet:
    """The shipped parameters (read again when the content of their file has changed)."""
    path = shipped_parameter_file()
    return _shipped(path, path.read_bytes())


@lru_cache(maxsize=4)
def _shipped(path: Path, content: bytes) -> ParameterSet:
    return read_parameters(path)


def _record(row: list[str], place: str, known: list[str] | None) -> Parameter:
    """One checked row; known: the symbols there are, where the file may have no others."""
    if len(row) != len(COLUMNS):
        raise InputError(f"{place}: {len(row)} cells, but there are {len(COLUMNS)} columns")
    cells = dict(zip(COLUMNS, (cell.strip() for cell in row), strict=True))
    where = f"{place}:{cells['symbol']}"
    for what, word, allowed in (
        ("parameter", cells["symbol"], known or [cells["symbol"]]),
        ("kind", cells["kind"], KINDS),
        ("origin", cells["origin"], ORIGINS),
    ):
        try:
            choose(word, allowed, what)
        except InputError as fault:
            raise InputError(f"{where}: {fault}") from None
    value, low, high = (_number(cells[column], column, where) for column in ("value", "low", "high"))
    if not low <= high:
        raise InputError(f"{where}: low {low:g} is above high {high:g}")
    record = Parameter(
        cells["symbol"],
        cells["meaning"],
        value,
        cells["unit"],
        low,
        high,
        cells["kind"],
        cells["origin"],
        cells["source"],
    )
    if fault := record.fault(value):
        raise InputError(f"{place}:{fault}")
    return record


def _number(text: str, column: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{where}: {column} must be a number, not {text!r}") from None
