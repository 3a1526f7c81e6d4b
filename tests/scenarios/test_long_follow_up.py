"""Years after a drug: nothing but connectivity tells that it was given, and the report stays small."""

from pathlib import Path

import numpy as np
import pytest
from unstuck.drugs.exposure import Constant
from unstuck.engine.step import Engine
from unstuck.files.find import shipped
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, Life, get_stuck
from unstuck.targets import NO_EFFECT
from unstuck_analysis.library.course import usual_course

YEAR_H = 365 * HOURS_A_DAY
PERMANENT = {"sert-knock-out"}
ADAPTED = (
    "autoreceptor_sensitivity",
    "sert_vmax_following",
    "nmda_receptors",
    "gaba_receptors",
)


@pytest.fixture(scope="module")
def patient() -> Patient:
    """The typical patient."""
    circuit = Treatment("untreated").circuit
    return draw_patient(circuit, default_parameters(), None, seed=1, index=0, neurons=0)


@pytest.fixture(scope="module")
def stuck(patient: Patient) -> Checkpoint:
    return get_stuck(patient, Treatment("untreated"))


@pytest.mark.slow
@pytest.mark.parametrize("drug", sorted(set(shipped("drugs")) - PERMANENT))
def test_a_year_after_a_drug_only_connectivity_differs_from_a_patient_who_had_none(
    drug: str, patient: Patient, stuck: Checkpoint, tmp_path: Path
) -> None:
    treated = Life(patient, Treatment(str(usual_course(drug, tmp_path))), stuck)
    treated.advance(treated.gone_h + YEAR_H / 2)
    effects, _ = treated.exposure.at(treated.time_h)
    np.testing.assert_allclose(effects, NO_EFFECT, rtol=0.01, atol=0.01)
    # A patient with the same synapses whose receptors and transporters never met a drug.
    drug_free = Engine(patient.circuit, treated.state, treated.time_h)
    for name in ADAPTED:
        getattr(drug_free.state.slow, name)[:] = 1.0
    end_h = treated.time_h + YEAR_H / 2
    treated.advance(end_h)
    drug_free.advance(Constant(len(patient.circuit.regions)), end_h)
    for name in ADAPTED:
        np.testing.assert_allclose(
            getattr(treated.state.slow, name), getattr(drug_free.state.slow, name), rtol=0.01, err_msg=name
        )
    np.testing.assert_allclose(treated.state.monoamine_nM, drug_free.state.monoamine_nM, rtol=0.01)
    np.testing.assert_allclose(treated.state.y, drug_free.state.y, rtol=0.01, atol=1e-3)
