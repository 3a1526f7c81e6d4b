"""Tables of the drugs, treatments, circuits and studies in `scenarios/`, shipped or of the user."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import yaml
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, scenario_folders, shipped
from unstuck.files.treatment import TreatmentFile

from unstuck_analysis.library.check import choose_kind, plural
from unstuck_analysis.output.table import Table
from unstuck_analysis.output.words import schedule_of
from unstuck_analysis.study.file import StudyFile
from unstuck_analysis.trial.file import TrialFile

Row = tuple[str, list[str]]  # heading of the group, cells


def recommended_drugs() -> Table:
    """The drugs to begin with, one line each, as scenarios/recommended.yaml names them."""
    names = next(yaml.safe_load(path.read_text("utf-8")) for path in _recommendations() if path.exists())
    rows = [[name, read("drugs", name, DrugFile)[0].title] for name in names]
    return Table.texts(["drug", "title"], rows, f"{len(rows)} drugs to begin with")


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
    groups: dict[str, list[list[str]]] = {}
    for name in names:
        try:
            heading, cells = row_of(name)
        except InputError:
            heading, cells = "at fault", [f"see: unstuck check {names[name]}"]
            cells += [""] * (len(columns) - 1)
        groups.setdefault(heading, []).append([name, *cells])
    table = Table.grouped([kind, *columns], dict(sorted(groups.items())))
    return replace(table, title=f"{plural(kind).capitalize()} ({len(names)})")


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
