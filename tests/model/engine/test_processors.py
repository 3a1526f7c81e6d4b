"""Equal numbers on one kind of processor, and within 1e-9 between kinds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

CODE = """
import json
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient
from unstuck.patient.life import run_treatment
plan = Treatment("ketamine-like")
patient = draw_patient(plan.circuit, default_parameters(), None, seed=1, index=0, neurons=%d)
print(json.dumps([reading.connectivity for reading in run_treatment(patient, plan).readings]))
"""
GENERIC = {
    "NUMBA_CPU_NAME": "generic",
    "NUMBA_CPU_FEATURES": "",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL",
}


def readings(neurons: int, **processor: str) -> list[float]:
    env = {**os.environ, **processor}
    done = subprocess.run(
        [sys.executable, "-c", CODE % neurons], env=env, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("neurons", [0, 200])
def test_another_kind_of_processor_changes_less_than_a_billionth(neurons: int, tmp_path: Path) -> None:
    here, again = readings(neurons), readings(neurons)
    assert here == again
    other = readings(neurons, **GENERIC, NUMBA_CACHE_DIR=str(tmp_path))
    np.testing.assert_allclose(other, here, rtol=1e-9, atol=0)
