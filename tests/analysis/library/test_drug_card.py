"""A drug's card tells what its courses do, and the docs tell the same."""

from pathlib import Path

import numpy as np
import pytest
from shelf import COLUMNS
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.parameters import default_parameters
from unstuck_analysis.library.drug_card import (
    compared_kinetics,
    dose_figure,
    dosing_day,
    drug_figure,
    kinetics_table,
    occupancy_table,
)

DRUGS = {name: read("drugs", name, DrugFile)[0] for name in shipped("drugs")}
PARAMETERS = default_parameters()
SHELF = Path(__file__).parents[3] / "docs" / "drug-shelf.md"


@pytest.mark.parametrize("name", [name for name, drug in DRUGS.items() if drug.kinetics])
def test_kinetics_reproduce_what_was_published_within_a_tenth(name: str) -> None:
    rows = list(compared_kinetics(name, DRUGS[name], default_parameters()))
    assert rows
    assert {row.what: round(row.off, 3) for row in rows if abs(row.off) > 0.1 and not row.missed} == {}
    assert all(abs(row.off) > 0.1 for row in rows if row.missed), "a miss that is none any more"


def test_the_tables_of_the_docs_are_those_of_the_drug_files() -> None:
    text = SHELF.read_text()
    assert kinetics_table(DRUGS, default_parameters()) in text
    assert occupancy_table(DRUGS, PARAMETERS) in text


def test_the_table_of_the_whole_shelf_has_every_shipped_treatment() -> None:
    rows = SHELF.read_text().partition(" | ".join(COLUMNS))[2].splitlines()
    assert {row.split("|")[1].strip() for row in rows[2:]} == set(shipped("treatments"))


def test_at_steady_state_a_day_ends_where_it_began() -> None:
    day = dosing_day(DRUGS["tianeptine-oral-both"], PARAMETERS, steady=True)
    assert set(day.concentration_nM) == {"parent", "mc5"}
    for values in (*day.concentration_nM.values(), *day.effect.values()):
        assert values[0] == pytest.approx(values[-1], rel=1e-6)


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
    actions = {(action.target, action.mode) for action in drug.actions}
    bounded = any(action.hill and not action.meaning.is_share for action in drug.actions)
    rows = bool(drug.kinetics) + bounded + len(actions)
    assert len(panels) == rows * (2 if drug.usual_every else 1)
    assert all(panel.get_lines() for panel in panels)


@pytest.mark.parametrize("name", ["psilocybin-like-compound", "tianeptine-oral-downstream"])
def test_every_effect_fills_a_panel_of_its_own(name: str) -> None:
    for panel in drug_figure(DRUGS[name], PARAMETERS).axes:
        low, high = panel.get_ylim()
        highest = max(np.max(line.get_ydata()) for line in panel.get_lines())
        assert highest > low + 0.5 * (high - low)


def test_a_class_drug_is_drawn_as_a_course_and_stays_until_the_day_ends() -> None:
    day = dosing_day(DRUGS["ssri-like"], PARAMETERS, steady=True)
    assert day.title == "Steady state"
    assert day.effect["sert.occupancy block"] == pytest.approx(np.full(len(day.hours), 0.8), abs=1e-6)


def test_a_site_whose_effect_is_no_occupancy_shows_both() -> None:
    day = dosing_day(DRUGS["tianeptine-oral-ampa"], PARAMETERS)
    assert 0.6 < np.max(day.occupied["ampa"]) < 0.8
    assert 0.2 < np.max(day.effect["ampa potentiate"]) < 0.4
    assert dosing_day(DRUGS["pindolol-like"], PARAMETERS).occupied == {}


def test_measured_occupancies_are_drawn_over_the_curve() -> None:
    panel = dose_figure([DRUGS["escitalopram-like"]], PARAMETERS).axes[0]
    assert len(panel.containers) == 5
    with pytest.raises(ValueError, match="no occupancy was measured"):
        dose_figure([DRUGS["amineptine-like"]], PARAMETERS)
