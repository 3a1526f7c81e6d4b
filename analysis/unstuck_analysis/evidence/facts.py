"""The published findings (`facts.csv`, data with sources) and how each is measured (`protocols.yaml`).

A row is a finding with its band; it has one part or several, each a number with a band of its own. Rows of
role `fit` may shape the parameters, rows of role `test` may not.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import inf, isfinite
from pathlib import Path
from typing import Literal

from unstuck.files.yaml import Document, InputError, nearest, read_document, shown

COLUMNS = ("id", "role", "grade", "statement", "protocol", "metric", "low", "high", "source")
ROLES = ("fit", "test")
Quantity = Literal[
    "connectivity",
    "connectivity_change",
    "recovery",
    "onset",
    "serotonin",
    "activity",
    "function_lead",
    "least_activity",
    "largest_activity",
]
StatisticName = Literal["share", "share_gap", "early_gain", "median_onset", "median_relapse", "relapse_share"]


class Part(Document):
    """One number of a row; a band that is not given is the row's."""

    name: str = ""
    scenario: str
    low: float | None = None
    high: float | None = None
    exclusive: bool = False  # the ends of the band are outside

    @property
    def has_no_band(self) -> bool:
        """Whether the row's band is this part's."""
        return self.low is None and self.high is None


class TypicalPart(Part):
    """A number read from one arm of a typical patient."""

    quantity: Quantity
    starts: Literal["healthy", "stuck"] = "stuck"
    knock: float = 1.0  # all plastic weights times this at the start
    day: float = 0.0
    hour: float | None = None  # instead of day
    since_day: float = 0.0
    of: str = ""  # a region, a population, or forebrain
    per: str = ""  # a region to divide by
    among_responders: bool = False  # without a response there is nothing to measure

    @property
    def at_day(self) -> float:
        """When it is read."""
        return self.day if self.hour is None else self.hour / 24.0


class Responders(Document):
    """Patients with R >= 0.5 on a day of a scenario."""

    of: str
    on_day: float


class CohortPart(Part):
    """A statistic over the stuck patients of a cohort, of one arm or of one against another."""

    statistic: StatisticName
    against: str = ""
    day: float = 0.0
    of_day: float = 0.0
    since_day: float = 0.0
    at_least: float | None = None
    below: float | None = None
    responders: Responders | None = None


class ProtocolFile(Document):
    """How every row is measured."""

    title: str
    predictions: list[str]  # test rows that nobody has measured: what the model says will be found
    rows: dict[str, list[TypicalPart]]
    cohort_rows: dict[str, list[CohortPart]]


@dataclass(frozen=True)
class Fact:
    """One published finding with its band (None where the parts have bands of their own)."""

    id: str
    role: str
    grade: str
    statement: str
    protocol: str
    metric: str
    low: float | None
    high: float | None
    source: str
    parts: Sequence[TypicalPart | CohortPart]

    @property
    def is_prediction(self) -> bool:
        """Whether it is what the model predicts, and not a fact."""
        return self.id in read_protocols().predictions

    @property
    def of_cohort(self) -> bool:
        """Whether it is measured over varied patients."""
        return any(isinstance(part, CohortPart) for part in self.parts)

    def band(self, part: Part) -> tuple[float, float]:
        """The band of one part, infinite where it is open."""
        low, high = (self.low, self.high) if part.has_no_band else (part.low, part.high)
        return -inf if low is None else low, inf if high is None else high

    @property
    def scenarios(self) -> list[str]:
        """The scenario files it is measured with, each once."""
        named: list[str] = []
        for part in self.parts:
            named.append(part.scenario)
            if isinstance(part, CohortPart):
                named += [part.against] if part.against else []
                named += [part.responders.of] if part.responders else []
        return list(dict.fromkeys(named))


@cache
def read_protocols() -> ProtocolFile:
    """The shipped protocols."""
    return read_document(shipped_file("protocols.yaml"), ProtocolFile)


def shipped_file(name: str) -> Path:
    """A data file of this package."""
    return Path(str(files("unstuck_analysis.evidence") / name))


def read_facts(path: Path | None = None, roles: Sequence[str] = ROLES) -> list[Fact]:
    """Read the findings of some roles; InputError with file and line for what is not a fact sheet.

    Rows of other roles are dropped as they are read: their bands are not even parsed.
    """
    path = path or shipped_file("facts.csv")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise InputError(f"{path}: cannot be read as CSV: {fault}") from None
    if not lines:
        raise InputError(f"{path}:1: the file is empty; the columns are {', '.join(COLUMNS)}")
    columns = _columns(path, lines[0][1])
    facts: list[Fact] = []
    seen: dict[str, int] = {}
    for line, cells in lines[1:]:
        if len(cells) != len(lines[0][1]):
            raise InputError(f"{path}:{line}: {len(cells)} cells under {len(lines[0][1])} columns")
        row = {name: cells[position].strip() for name, position in columns.items()}
        _check_name(path, line, "role", row["role"], ROLES)
        if seen.setdefault(row["id"], line) != line:
            raise InputError(f"{path}:{line}: row {row['id']} is there already, in line {seen[row['id']]}")
        if row["role"] in roles:
            facts.append(_fact(path, line, row))
    return facts


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = [name.strip() for name in header]
    for column in COLUMNS:
        if column not in names:
            spare = [name for name in names if name not in COLUMNS]
            raise InputError(f"{path}:1: the column {column!r} is missing{_instead(column, spare)}")
    return {column: names.index(column) for column in COLUMNS}


def _instead(wanted: str, found: Sequence[str]) -> str:
    close = nearest(wanted, found).replace(", did you mean", " (is it").replace("?", "?)")
    return close or f" (found: {', '.join(found)})" if found else ""


def _check_name(path: Path, line: int, column: str, word: str, allowed: Iterable[str]) -> None:
    known = list(allowed)
    if word not in known:
        hint = nearest(word, known)
        raise InputError(f"{path}:{line}: unknown {column} {shown(word)}{hint} (known: {', '.join(known)})")


def _fact(path: Path, line: int, row: dict[str, str]) -> Fact:
    protocols = read_protocols()
    by_id = {**protocols.rows, **protocols.cohort_rows}
    _check_name(path, line, "id", row["id"], by_id)
    low, high = (_number(path, line, column, row[column]) for column in ("low", "high"))
    parts = by_id[row["id"]]
    if low is None and high is None and any(part.has_no_band for part in parts):
        raise InputError(f"{path}:{line}: low and high are empty, but row {row['id']} needs a band")
    if low is not None and high is not None and low > high:
        raise InputError(f"{path}:{line}: the band is upside down: low {low:g} is above high {high:g}")
    texts = {column: row[column] for column in COLUMNS if column not in ("low", "high")}
    return Fact(**texts, low=low, high=high, parts=parts)


def _number(path: Path, line: int, column: str, text: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = inf
    if not isfinite(number):
        raise InputError(f"{path}:{line}: {column} must be a number or empty, not {shown(text)}")
    return number


def choose_facts(facts: Sequence[Fact], ids: Sequence[str]) -> list[Fact]:
    """The rows asked for, in the order of the sheet (all if none is named)."""
    known = {fact.id: fact for fact in facts}
    for name in ids:
        if name not in known:
            raise InputError(f"unknown row {shown(name)}{nearest(name, known)} (known: {', '.join(known)})")
    return [fact for fact in facts if not ids or fact.id in ids]
