"""The published findings (a table per circuit) and when each was first measured. Each range has a source.

A fitted finding may shape the parameters. A held-out finding is measured once, after everything else is
frozen. A finding that was seen in generation 1 is neither.
"""

import csv
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from math import inf, isfinite
from pathlib import Path
from typing import Literal

from unstuck.errors import InputError, choose, nearest, shown, unknown

import unstuck_analysis.evidence.circuits  # noqa: F401  (registers the findings about other circuits)
from unstuck_analysis.evidence.findings import MEASURES, RANGES, TABLES, table_of

COLUMNS = (
    *("id", "role", "generation", "grade", "statement", "protocol"),
    *("metric", "low", "high", "source", "history"),
)
ROLES, GENERATIONS = ("fit", "test"), ("1", "2", "3")  # 3: findings about other circuits
PREDICTIONS = ("T15",)  # what the model says will be found: no published finding
Group = Literal["held-out", "fitted", "seen", "prediction"]
GROUPS: dict[Group, str] = {
    "held-out": "Held-out findings",
    "fitted": "Fitted findings",
    "seen": "Findings seen in generation 1, not fitted",
    "prediction": "Predictions (no published finding)",
}
FIRST = {n: f"first-measurements-of-generation-{n}.csv" for n in (1, 2)}


@dataclass(frozen=True)
class Fact:
    """One published finding with its range (None where its parts have ranges of their own)."""

    id: str
    role: str
    generation: str
    grade: str
    statement: str
    protocol: str
    metric: str
    low: float | None
    high: float | None
    source: str
    history: str

    @property
    def group(self) -> Group:
        """What the finding may be used for."""
        if self.id in PREDICTIONS:
            return "prediction"
        if self.role == "fit":
            return "fitted"
        return "seen" if self.generation == "1" else "held-out"

    def range_of(self, part: str) -> tuple[float, float]:
        """Lowest and highest published value of a part, infinite where the range is open."""
        if (self.id, part) in RANGES:
            return RANGES[self.id, part]
        return -inf if self.low is None else self.low, inf if self.high is None else self.high


@dataclass(frozen=True)
class FirstMeasurement:
    """The value of a part when it was measured for the first time."""

    value: float
    date: str
    commit: str
    patients: str
    seed: str


def shipped_file(name: str) -> Path:
    """A data file of this package."""
    return Path(str(files("unstuck_analysis.evidence") / name))


def first_measurements(generation: int, path: Path | None = None) -> dict[tuple[str, str], FirstMeasurement]:
    """First measurements by finding and part."""
    with (path or shipped_file(FIRST[generation])).open(encoding="utf-8", newline="") as file:
        return {
            (row["id"], row["part"]): FirstMeasurement(
                float(row["value"]), row["date"], row["commit"], row["drawn"], row["seed"]
            )
            for row in csv.DictReader(file)
        }


def read_facts(path: Path | None = None, circuit: str = "default") -> list[Fact]:
    """Read the findings about a circuit; InputError with file and line for a table that cannot be used."""
    try:
        choose(circuit, TABLES, "circuit with findings")
    except ValueError as fault:
        raise InputError(f"--circuit: {fault}") from None
    path = path or shipped_file(TABLES[circuit])
    known = [id for id in MEASURES if table_of(id) == circuit]
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
            raise InputError(f"{path}:{line}: {len(cells)} cells, but there are {len(lines[0][1])} columns")
        cells = [cell.strip() for cell in cells]
        fact = _fact(f"{path}:{line}", {name: cells[place] for name, place in columns.items()}, known)
        if seen.setdefault(fact.id, line) != line:
            raise InputError(f"{path}:{line}: {fact.id} has a line already: line {seen[fact.id]}")
        facts.append(fact)
    return facts


def _columns(path: Path, header: Sequence[str]) -> dict[str, int]:
    names = [name.strip() for name in header]
    for column in COLUMNS:
        if column not in names:
            others = [name for name in names if name not in COLUMNS]
            hint = nearest(column, others).replace(", did you mean", " (is it").replace("?", "?)")
            hint = hint or f" (found: {', '.join(names)})"
            raise InputError(f"{path}:1: the column {column!r} is missing{hint}")
    return {column: names.index(column) for column in COLUMNS}


def _fact(place: str, row: dict[str, str], known: Collection[str]) -> Fact:
    checks: dict[str, Collection[str]] = {"role": ROLES, "generation": GENERATIONS, "id": known}
    for column, allowed in checks.items():
        _check_name(place, column, row[column], allowed)
    low, high = (_number(place, column, row[column]) for column in ("low", "high"))
    if low is None and high is None and not any(id == row["id"] for id, _ in RANGES):
        raise InputError(f"{place}: low and high are empty, but {row['id']} needs a range")
    if low is not None and high is not None and low > high:
        raise InputError(f"{place}: low {low:g} is above high {high:g}")
    texts = {column: row[column] for column in COLUMNS if column not in ("low", "high")}
    return Fact(**texts, low=low, high=high)


def _check_name(place: str, column: str, word: str, allowed: Iterable[str]) -> None:
    known = list(allowed)
    if word not in known:
        raise InputError(f"{place}: {unknown(column, word, known)}")


def _number(place: str, column: str, text: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = inf
    if not isfinite(number):
        raise InputError(f"{place}: {column} must be a number or empty, not {shown(text)}")
    return number


def choose_facts(facts: Sequence[Fact], ids: Sequence[str]) -> list[Fact]:
    """The findings asked for, in the order of the file (all if none is named)."""
    known = {fact.id: fact for fact in facts}
    for name in ids:
        if name not in known:
            raise InputError(unknown("finding", name, known))
    return [fact for fact in facts if not ids or fact.id in ids]
