"""A drug's card tells what its courses do, and the docs tell the same."""

from pathlib import Path

import numpy as np
import pytest
from unstuck.drug_file import DrugFile
from unstuck.parameters import default_parameters
from unstuck.scenario import read, shipped
from unstuck_analysis.drug_card import (
    compared_kinetics,
    dose_figure,
    dosing_day,
    drug_figure,
    kinetics_table,
    occupancy_table,
)

DRUGS = {name: read("drugs", name, DrugFile)[0] for name in shipped("drugs")}
PARAMETERS = default_parameters()
SHELF = Path(__file__).parents[2] / "docs" / "drug-shelf.md"


@pytest.mark.quick
@pytest.mark.parametrize("name", [name for name, drug in DRUGS.items() if drug.kinetics])
def test_kinetics_reproduce_what_was_published_within_a_tenth(name: str) -> None:
    rows = list(compared_kinetics(name, DRUGS[name]))
    assert rows
    assert {row.what: round(row.off, 3) for row in rows if abs(row.off) > 0.1} == {}


@pytest.mark.quick
def test_the_tables_of_the_docs_are_those_of_the_drug_files() -> None:
    text = SHELF.read_text()
    assert kinetics_table(DRUGS) in text
    assert occupancy_table(DRUGS, PARAMETERS) in text


@pytest.mark.quick
def test_at_steady_state_a_day_ends_where_it_began() -> None:
    day = dosing_day(DRUGS["tianeptine-oral-both"], PARAMETERS, steady=True)
    assert set(day.concentration_nM) == {"parent", "mc5"}
    for values in (*day.concentration_nM.values(), *day.effect.values()):
        assert values[0] == pytest.approx(values[-1], rel=1e-6)


@pytest.mark.quick
def test_effects_are_told_as_changes_from_no_drug() -> None:
    effect = dosing_day(DRUGS["tryptophan-depletion"], PARAMETERS).effect["serotonin.release deplete"]
    assert effect[0] == 0.0
    assert np.min(effect) == pytest.approx(-0.5, abs=1e-3)


@pytest.mark.parametrize(
    "name", ["fluoxetine-like", "ketamine-infusion-like", "trkb-blocker", "amineptine-like"]
)
def test_every_kind_of_drug_can_be_drawn(name: str) -> None:
    drug = DRUGS[name]
    panels = drug_figure(drug, PARAMETERS).axes
    rows = bool(drug.kinetics) + bool(drug.actions)
    assert len(panels) == rows * (2 if drug.usual_every else 1)
    assert all(panel.get_lines() for panel in panels)


def test_measured_occupancies_are_drawn_over_the_curve() -> None:
    panel = dose_figure([DRUGS["escitalopram-like"]], PARAMETERS).axes[0]
    assert len(panel.containers) == 3
    with pytest.raises(ValueError, match="no occupancy was measured"):
        dose_figure([DRUGS["amineptine-like"]], PARAMETERS)
