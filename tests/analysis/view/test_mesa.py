"""The model behind Mesa's own page."""

# pyright: reportMissingImports=false

from inspect import signature
from typing import Any

import pytest
from unstuck.circuit_model import CircuitModel

pytest.importorskip("solara")

from unstuck_analysis.view.mesa import DosedModel, parameters


def test_a_dosed_model_gives_every_dose_times_the_factor() -> None:
    usual = DosedModel("ssri-like", neurons=100, seed=1)
    double = DosedModel("ssri-like", dose=2.0, neurons=100, seed=1)
    plain = CircuitModel("ssri-like", neurons=100, seed=1)
    for model in (usual, double, plain):
        for _ in range(3):
            model.step()
    serotonin = [
        model.datacollector.get_model_vars_dataframe()["serotonin_mPFC"] for model in (usual, double, plain)
    ]
    assert serotonin[0].tolist() == serotonin[2].tolist()
    assert len(serotonin[1]) == 4
    assert serotonin[1].iloc[3] > 1.05 * serotonin[0].iloc[3]


def test_every_control_is_an_argument_of_the_model() -> None:
    assert "kwargs" in signature(DosedModel).parameters  # SolaraViz accepts no other name for the rest
    values: dict[str, Any] = {
        name: one["value"] if isinstance(one, dict) else one.value for name, one in parameters().items()
    }
    values["neurons"] = 100
    assert DosedModel(**values).day == 0.0


def test_patients_who_vary_start_on_their_own_day_0() -> None:
    model = DosedModel("ssri-like", neurons=100, seed=4, varied=True)
    assert model.datacollector.get_model_vars_dataframe()[["day", "recovery"]].iloc[0].tolist() == [0.0, 0.0]
