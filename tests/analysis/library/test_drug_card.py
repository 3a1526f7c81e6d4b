"""A drug's card tells what its courses do."""

import numpy as np
import pytest
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.parameters import default_parameters
from unstuck_analysis.library.drug_card import dosing_day, drug_figure

DRUGS = {name: read("drugs", name, DrugFile)[0] for name in shipped("drugs")}
PARAMETERS = default_parameters()


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
