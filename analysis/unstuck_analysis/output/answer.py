"""The answer to a question: sentences, tables, figures with captions, and where the numbers come from.

Answer -> terminal, JSON, a folder (NAME.csv; NAME.png, NAME.svg and NAME.caption.md; report.html)
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel
from unstuck.files.treatment import Treatment
from unstuck.parameters import ParameterSet

from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.output.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REPORT = "report.html"


@dataclass(frozen=True)
class About:
    """What the numbers come from: circuit or treatments, n in words, seed, digest of the inputs."""

    subject: str
    n: str
    seed: str
    inputs: str

    def facts(self) -> dict[str, str]:
        """The same with the version of the model, for captions and reports."""
        facts = {"n": self.n, "seed": self.seed, "of": self.subject}
        return {**facts, "model": model_version(), "inputs": self.inputs}


@dataclass(frozen=True)
class Shown:
    """A figure. caption: what it shows; alternative: its result in words (the caption if not given)."""

    figure: "Figure"
    caption: str
    alternative: str = ""


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    tables: by file name without ending; those named in `printed` are also on the terminal and in the report.
    data: what --json prints (the rows of all tables if not given). others: further files by name. opens: name
    of the report.
    """

    title: str
    finding: Sequence[str]
    about: About
    tables: Mapping[str, Table] = field(default_factory=dict)
    figures: Mapping[str, Shown] = field(default_factory=dict)
    printed: Sequence[str] = ()
    notes: Sequence[str] = ()
    data: object = None
    others: Mapping[str, bytes] = field(default_factory=dict)
    next_step: str = ""
    opens: str = REPORT

    def terminal(self) -> str:
        """Sentences and the printed tables with the meaning of their columns, for a terminal."""
        parts = ["\n".join(self.finding)]
        for table in self._printed():
            parts += [table.terminal(), "\n".join(table.meanings())]
        return "\n\n".join(part for part in parts if part)

    def json(self) -> str:
        """One JSON object; ValueError for a number that JSON cannot hold."""
        rows = {name: table.records() for name, table in self.tables.items()}
        return json.dumps(rows if self.data is None else self.data, allow_nan=False)

    def html(self) -> str:
        """One self-contained page."""
        from unstuck_analysis.output import page

        parts = [page.bullets(self.finding[1:])]
        for table in self._printed():
            parts += [table.html(), page.bullets(table.meanings())]
        for shown in self.figures.values():
            parts.append(page.picture(shown.figure, shown.caption, shown.alternative or shown.caption))
        if self.notes:
            parts += [page.heading("Notes"), page.bullets(self.notes)]
        parts.append(page.fold("Where the numbers come from", self.about.facts()))
        return page.page(self.title, self.finding[0], parts)

    def write(self, folder: Path) -> list[str]:
        """Write tables, figures, other files and the report last; returns the names of the files."""
        names = write_tables(folder, self.tables) + write_figures(folder, self.figures, self.about)
        for name, content in {**self.others, self.opens: self.html().encode()}.items():
            write_whole(folder / name, content)
            names.append(name)
        return names

    def _printed(self) -> list[Table]:
        return [self.tables[name] for name in self.printed]


def write_tables(folder: Path, tables: Mapping[str, Table]) -> list[str]:
    """Write each table as NAME.csv; returns the names of the files."""
    for name, table in tables.items():
        write_whole(folder / f"{name}.csv", table.csv().encode())
    return [f"{name}.csv" for name in tables]


def write_figures(folder: Path, figures: Mapping[str, Shown], about: About) -> list[str]:
    """Write each figure as PNG and SVG with its caption; returns the names of the files."""
    from unstuck_analysis.output.style import save_figure

    names: list[str] = []
    for name, shown in figures.items():
        for suffix in ("png", "svg"):
            save_figure(shown.figure, folder / f"{name}.{suffix}")
        write_whole(folder / f"{name}.caption.md", _caption(name, shown, about).encode())
        names += [f"{name}.png", f"{name}.svg", f"{name}.caption.md"]
    return names


def _caption(name: str, shown: Shown, about: About) -> str:
    """The caption of a figure as Markdown; its axes are those drawn."""
    axes = [f"* axes: {text}" for text in dict.fromkeys(map(_axes, shown.figure.axes)) if text]
    facts = [f"* {key}: {value}" for key, value in about.facts().items()]
    return "\n".join([f"# {name}", "", shown.caption, "", *axes, *facts, ""])


def _axes(axes: "Axes") -> str:
    """Title and labels of one panel, on one line."""
    labels = {"x": axes.get_xlabel(), "y": axes.get_ylabel()}
    text = "; ".join(f"{key} is {' '.join(label.split())}" for key, label in labels.items() if label)
    title = " ".join(axes.get_title(loc="left").split())
    return f"{title}: {text}" if title and text else text


def inputs_hash(*parts: object) -> str:
    """A digest of all that a result was made from: files as resolved, parameters, options."""
    hashed = blake2b(digest_size=8)
    for part in parts:
        hashed.update(_resolved(part).encode() + b"\0")
    return hashed.hexdigest()


def _resolved(part: object) -> str:
    if isinstance(part, Treatment):
        drugs = [drug.model_dump_json() for drug in part.drugs.values()]
        return "\n".join([part.file.model_dump_json(), part.circuit.model_dump_json(), *drugs])
    if isinstance(part, BaseModel):
        return part.model_dump_json()
    return repr(sorted(part.items())) if isinstance(part, ParameterSet) else repr(part)
