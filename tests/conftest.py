"""What all tests share: the shipped parameters and the default circuit."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from unstuck.circuit import Circuit, mean_field_circuit, network_circuit
from unstuck.files.circuit import CircuitFile
from unstuck.files.yaml import read_document
from unstuck.parameters import ParameterSet, default_parameters, shipped_parameter_file

# CI draws the same examples every time; developers and the nightly check draw new ones.
# No profile has a time limit per example: a busy computer is not a fault.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("developer", deadline=None)
settings.register_profile("nightly", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("developer")
if os.environ.get("CI"):
    settings.load_profile("ci")


# Slow fixtures: all tests that ask for one run in the same process, so it is made once per session.
EXPENSIVE = ("compared", "mixed", "landscape", "stress", "dask_client", "exported")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of an expensive fixture together when several processes run the suite."""
    for item in items:
        asked = getattr(item, "fixturenames", ())
        for name in [name for name in EXPENSIVE if name in asked][:1]:
            item.add_marker(pytest.mark.xdist_group(name))


@pytest.fixture(scope="session")
def reference() -> ParameterSet:
    """The shipped parameters, which are those of the reference trajectories."""
    return default_parameters()


@pytest.fixture(scope="session")
def default_file() -> CircuitFile:
    """The default circuit file."""
    return read_document(shipped_parameter_file().parent / "circuits" / "default.yaml", CircuitFile)


@pytest.fixture(scope="session")
def mean_field(default_file: CircuitFile, reference: ParameterSet) -> Circuit:
    """The default circuit with one average neuron a population."""
    return mean_field_circuit(default_file, reference)


@pytest.fixture(scope="session")
def network(default_file: CircuitFile, reference: ParameterSet) -> Circuit:
    """The default circuit with 200 heterogeneous neurons."""
    return network_circuit(default_file, reference, 200, np.random.default_rng(1))


@pytest.fixture(scope="session")
def trajectories() -> Path:
    """The folder of the reference trajectories, which nothing here may change."""
    return Path(__file__).parent / "reference" / "trajectories"
