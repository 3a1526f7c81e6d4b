"""What the tests of every room share: the frozen reference parameters and the default circuit."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from unstuck.circuit import Circuit, mean_field_circuit, network_circuit
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.parameters import ParameterSet, reference_parameters

# CI draws the same examples every time; who develops meets new ones.
settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(scope="session")
def reference() -> ParameterSet:
    """The frozen set of the independent reference trajectories: no noise, no life events."""
    return reference_parameters()


@pytest.fixture(scope="session")
def default_file() -> CircuitFile:
    """The default circuit file."""
    return read("circuits", "default", CircuitFile)[0]


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
