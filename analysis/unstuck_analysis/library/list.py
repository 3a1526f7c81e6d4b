"""What is on the shelf: tables of drugs, treatments, circuits and studies, shipped or one's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import yaml
from rich import box
from rich.table import Table
from rich.text import Text
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, scenario_folders, shipped
from unstuck.files.treatment import TreatmentFile
from unstuck.files.yaml import InputError

from unstuck_analysis.library.check import choose_kind, plural
from unstuck_analysis.library.words import schedule_of
from unstuck_analysis.output.table import Column
from unstuck_analysis.output.table import Table as Lines
from unstuck_analysis.study.file import StudyFile
from unstuck_analysis.trial.file import TrialFile

Row = tuple[str, list[str]]  # heading to stand under, cells


def plain_table(*columns: str, title: str = "") -> Table:
    """A table without frame; the first column is never folded."""
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 2, 0, 0), pad_edge=False, show_edge=False, title=title or None
    )
    table.title_justify, table.title_style = "left", "bold"
    for number, column in enumerate(columns):
        table.add_column(column, no_wrap=number == 0, overflow="fold")
    return table


def recommended_drugs() -> Lines:
    """The drugs to begin with, one line each, as scenarios/recommended.yaml names them."""
    names = next(yaml.safe_load(path.read_text("utf-8")) for path in _recommendations() if path.exists())
    rows = [[name, read("drugs", name, DrugFile)[0].title] for name in names]
    return Lines([Column("drug"), Column("title")], rows, f"{len(rows)} drugs to begin with")


def _recommendations() -> list[Path]:
    return [folder / "recommended.yaml" for folder in scenario_folders()]


def shelf_tables(kind: str = "") -> Iterator[Table]:
    """A table of each kind, or of the one asked for (singular or plural); InputError for an unknown kind."""
    for wanted in [choose_kind(kind, list(_TABLES))] if kind else _TABLES:
        names = shipped(plural(wanted))
        if names or kind:
            columns, row_of = _TABLES[wanted]
            yield _table_of(wanted, names, columns, row_of)


def _table_of(
    kind: str, names: dict[str, Path], columns: tuple[str, ...], row_of: Callable[[str], Row]
) -> Table:
    table = plain_table(kind, *columns, title=f"{plural(kind).capitalize()} ({len(names)})")
    by_heading: dict[str, list[list[str]]] = {}
    for name in names:
        try:
            heading, cells = row_of(name)
        except InputError:
            heading, cells = "at fault", [f"see: unstuck check {names[name]}"]
        by_heading.setdefault(heading, []).append([name, *cells])
    for heading, rows in sorted(by_heading.items()):
        if heading:
            table.add_row(Text(heading, style="bold"))
        for cells in rows:
            table.add_row(*(Text(cell) for cell in cells))
        table.add_section()
    return table


def _drug_row(name: str) -> Row:
    drug, _ = read("drugs", name, DrugFile)
    acts_on = ", ".join(dict.fromkeys(f"{action.target} {action.mode}" for action in drug.actions))
    return drug.drug_class, [str(drug.usual_dose or "none"), acts_on or "nothing in the model"]


def _treatment_row(name: str) -> Row:
    file, _ = read("treatments", name, TreatmentFile)
    return schedule_of(file), [file.title]


def _circuit_row(name: str) -> Row:
    circuit, _ = read("circuits", name, CircuitFile)
    plastic = sum(projection.plastic for projection in circuit.projections.values())
    counts = f"{len(circuit.populations)} populations, {len(circuit.projections)} projections"
    return "", [", ".join(circuit.regions), f"{counts} ({plastic} plastic)"]


def _study_row(name: str) -> Row:

    study, _ = read("studies", name, StudyFile)
    return "", [study.question or study.title]


def _trial_row(name: str) -> Row:
    return "", [read("trials", name, TrialFile)[0].title]


_TABLES: dict[str, tuple[tuple[str, ...], Callable[[str], Row]]] = {
    "drug": (("usual dose", "acts on"), _drug_row),
    "treatment": (("title",), _treatment_row),
    "circuit": (("regions", "size"), _circuit_row),
    "study": (("question",), _study_row),
    "trial": (("title",), _trial_row),
}
