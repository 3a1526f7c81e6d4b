"""The page of the drugs compares published numbers with the drug files as they are."""

from pathlib import Path

import pytest
from published import compared_kinetics, dose_figure, kinetics_table, occupancy_table
from shelf import COLUMNS
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.parameters import default_parameters

DRUGS = {name: read("drugs", name, DrugFile)[0] for name in shipped("drugs")}
PARAMETERS = default_parameters()
SHELF = Path(__file__).parents[2] / "docs" / "drug-shelf.md"


@pytest.mark.parametrize("name", [name for name, drug in DRUGS.items() if drug.kinetics])
def test_kinetics_reproduce_what_was_published_within_a_tenth(name: str) -> None:
    rows = list(compared_kinetics(name, DRUGS[name], PARAMETERS))
    assert rows
    assert {row.what: round(row.off, 3) for row in rows if abs(row.off) > 0.1 and not row.missed} == {}
    assert all(abs(row.off) > 0.1 for row in rows if row.missed), "a miss that is none any more"


def test_the_tables_of_the_docs_are_those_of_the_drug_files() -> None:
    text = SHELF.read_text()
    assert kinetics_table(DRUGS, PARAMETERS) in text
    assert occupancy_table(DRUGS, PARAMETERS) in text


def test_the_table_of_the_whole_shelf_has_every_shipped_treatment() -> None:
    rows = SHELF.read_text().partition(" | ".join(COLUMNS))[2].splitlines()
    assert {row.split("|")[1].strip() for row in rows[2:]} == set(shipped("treatments"))


def test_measured_occupancies_are_drawn_over_the_curve() -> None:
    panel = dose_figure([DRUGS["escitalopram-like"]], PARAMETERS).axes[0]
    assert len(panel.containers) == 5
    with pytest.raises(ValueError, match="no occupancy was measured"):
        dose_figure([DRUGS["amineptine-like"]], PARAMETERS)
