"""Tables, once for every way of showing them: terminal, HTML, Markdown and CSV.

A column carries its heading, unit, meaning and number format. CSV has the numbers in full, with the plain
names of the columns; the other three are for reading.
"""

import csv
import io
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import zip_longest
from math import isfinite
from typing import TYPE_CHECKING

from unstuck_analysis.output.columns import column_name

if TYPE_CHECKING:
    import pandas as pd

Cell = str | float | int | bool | None
GAP = 2  # spaces between columns on a terminal
WIDTH = 80  # of a terminal whose width is not known
LONGEST_WORD = 20  # characters; longer words are folded, except in the first column


@dataclass(frozen=True)
class Column:
    """One column: its name in files, and how people read it.

    heading: the name with spaces if not given. format: a format specification of numbers, such as `.2f` or
    `.0%`. none: what is shown where there is no value.
    """

    name: str
    heading: str = ""
    unit: str = ""
    meaning: str = ""
    format: str = ".4g"
    none: str = "-"

    @property
    def title(self) -> str:
        """Heading with the unit."""
        heading = self.heading or self.name.replace("_", " ")
        return f"{heading} ({self.unit})" if self.unit else heading

    def text(self, cell: Cell) -> str:
        """A cell as people read it."""
        if cell is None:
            return self.none
        if isinstance(cell, bool):
            return "yes" if cell else "no"
        if isinstance(cell, str):
            return cell
        if not isfinite(cell):
            return self.none
        return format(cell, self.format) if isinstance(cell, float) or "%" in self.format else str(cell)


@dataclass(frozen=True)
class Table:
    """Rows of cells under described columns.

    colors: one per row, drawn as a swatch before the first cell. headings: texts above some rows, by the
    number of the row, on a terminal.
    """

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    colors: Sequence[str] = ()
    headings: Mapping[int, str] = field(default_factory=dict[int, str])

    @classmethod
    def texts(cls, columns: Iterable[str], rows: Iterable[Sequence[str]], title: str = "") -> "Table":
        """A table of texts under plain headings."""
        return cls([Column(name, name) for name in columns], list(rows), title)

    @classmethod
    def grouped(cls, columns: Iterable[str], groups: Mapping[str, Sequence[Sequence[str]]]) -> "Table":
        """A table of texts with a heading above each group of rows (none above a group without a name)."""
        rows, headings = list[Sequence[str]](), dict[int, str]()
        for heading, group in groups.items():
            headings |= {len(rows): heading} if heading else {}
            rows += group
        return replace(cls.texts(columns, rows), headings=headings)

    @classmethod
    def of(cls, frame: "pd.DataFrame", columns: Iterable[Column] = (), title: str = "") -> "Table":
        """All columns of a data frame; `columns` describes some of them, in any order."""
        described = {column.name: column for column in columns}
        names = [str(name) for name in frame.columns]
        rows = [[_plain(cell) for cell in row] for row in frame.astype(object).itertuples(index=False)]
        return cls([described.get(name, Column(name)) for name in names], rows, title)

    def pick(self, *names: str, title: str | None = None) -> "Table":
        """The same table with these columns only, in this order."""
        places = [[column.name for column in self.columns].index(name) for name in names]
        rows = [[row[place] for place in places] for row in self.rows]
        columns = [self.columns[place] for place in places]
        return replace(self, columns=columns, rows=rows, title=self.title if title is None else title)

    def records(self) -> list[dict[str, Cell]]:
        """Rows as JSON can hold them: null for a number that is not finite."""
        names = self._names()
        return [dict(zip(names, map(_finite, row), strict=True)) for row in self.rows]

    def meanings(self) -> list[str]:
        """What the columns mean, one line per column that says so."""
        return [f"{column.title}: {column.meaning}" for column in self.columns if column.meaning]

    def csv(self) -> str:
        """The table with numbers in full; a missing value is an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._names())
        writer.writerows([["" if _is_missing(cell) else cell for cell in row] for row in self.rows])
        return text.getvalue()

    def _names(self) -> list[str]:
        return [column_name(column.name) for column in self.columns]

    def markdown(self) -> str:
        """A Markdown table."""
        lines = [[column.title for column in self.columns], ["---"] * len(self.columns), *self._texts()]
        return "\n".join(
            "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
        )

    def html(self) -> str:
        """An HTML table with a scope for every header; text is left-aligned and wraps."""
        title = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        head = "".join(self._head(column) for column in self.columns)
        body = "\n".join(self._row(number, row) for number, row in enumerate(self.rows))
        return f"<table>{title}\n<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>\n</table>"

    def terminal(self, width: int | None = None) -> str:
        """Text of at most `width` characters per line (the terminal's, at least 80); no cell is cut off.

        A table whose longest words do not fit next to each other is printed as one block per row.
        """
        room = max(width or shutil.get_terminal_size((WIDTH, 24)).columns, 40 if width else WIDTH)
        heads, rows = [column.title for column in self.columns], self._texts()
        widths = _widths([heads, *rows], room)
        lines = _blocks(heads, rows, room) if widths is None else self._grid(heads, rows, widths)
        return "\n".join([*([self.title, ""] if self.title else []), *lines])

    def _texts(self) -> list[list[str]]:
        return [
            [column.text(cell) for column, cell in zip(self.columns, row, strict=True)] for row in self.rows
        ]

    def _grid(self, heads: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
        right = [self._is_number(place) for place in range(len(heads))]
        rule = (" " * GAP).join("-" * width for width in widths)
        lines = [*_wrapped(heads, widths, right), rule]
        for number, row in enumerate(rows):
            if heading := self.headings.get(number):
                lines += ["", heading] if number else [heading]
            lines += _wrapped(row, widths, right)
        return lines

    def _is_number(self, place: int) -> bool:
        """Whether a column has numbers and no texts."""
        cells = [row[place] for row in self.rows if row[place] is not None]
        return bool(cells) and all(isinstance(cell, int | float) for cell in cells)

    def _head(self, column: Column) -> str:
        meaning = f' title="{escape(column.meaning)}"' if column.meaning else ""
        return f'<th scope="col"{meaning}>{escape(column.title)}</th>'

    def _row(self, number: int, row: Sequence[Cell]) -> str:
        swatch = ""
        if self.colors:
            swatch = f'<span class="swatch" style="background:{self.colors[number]}"></span>'
        texts = [escape(column.text(cell)) for column, cell in zip(self.columns, row, strict=True)]
        rest = "".join(f"<td>{text}</td>" for text in texts[1:])
        return f'<tr><th scope="row">{swatch}{texts[0]}</th>{rest}</tr>'


def wrapped(*paragraphs: str) -> str:
    """Paragraphs for a terminal, each wrapped by itself; an empty one is an empty line."""
    width = max(shutil.get_terminal_size((WIDTH, 24)).columns, WIDTH)
    return "\n".join(textwrap.fill(" ".join(text.split()), width) for text in paragraphs)


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 patient`, `2 patients`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _plain(cell: object) -> Cell:
    """A cell of a data frame as a plain Python value; None for what is missing."""
    value = getattr(cell, "item", lambda: cell)()  # numpy's scalars
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    return value if isinstance(value, str | float | int) else str(value)


def _is_missing(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, float) and cell != cell)


def _finite(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not isfinite(cell) else cell


def _widths(lines: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Width of every column so that all fit; None if not even their longest words do."""
    columns = list(zip(*lines, strict=True))
    least = [max(len(word) for cell in column for word in [*cell.split(), ""]) for column in columns]
    least[1:] = [min(length, LONGEST_WORD) for length in least[1:]]
    widths = [max(map(len, column)) for column in columns]
    left = room - GAP * (len(columns) - 1)
    if sum(least) > left:
        return None
    while sum(widths) > left:
        widest = max(range(len(widths)), key=lambda k: widths[k] if widths[k] > least[k] else 0)
        widths[widest] -= 1
    return widths


def _wrapped(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    """The lines of one row of a table."""
    parts = [textwrap.wrap(cell, max(width, 1)) for cell, width in zip(cells, widths, strict=True)]
    lines: list[str] = []
    for texts in zip_longest(*parts, fillvalue=""):
        placed = [
            text.rjust(width) if is_right else text.ljust(width)
            for text, width, is_right in zip(texts, widths, right, strict=True)
        ]
        lines.append((" " * GAP).join(placed).rstrip())
    return lines


def _blocks(heads: Sequence[str], rows: Sequence[Sequence[str]], room: int) -> list[str]:
    """One block per row: its first cell, then a line per further cell."""
    lines: list[str] = []
    for row in rows:
        lines += textwrap.wrap(row[0], room)
        for head, cell in zip(heads[1:], row[1:], strict=True):
            lines += textwrap.wrap(f"{head}: {cell}", room, initial_indent="  ", subsequent_indent="    ")
    return lines
