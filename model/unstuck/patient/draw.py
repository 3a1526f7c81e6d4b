"""One virtual patient: a random network, a draw of the varied parameters, and the noise of a life.

Every random stream is SeedSequence([seed, patient index, purpose]) and depends on nothing else, so that
arms, parameter points and workers share their patients. Factors are lognormal with median 1: the typical
patient has the shipped parameters. A draw that cannot stay healthy is drawn again from the same stream, and
counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from math import exp, log, sqrt
from pathlib import Path

import numpy as np
from pydantic import Field

from unstuck.circuit import Circuit, mean_field_circuit, network_circuit
from unstuck.drugs.effects import TYPICAL, Sensitivity
from unstuck.files.circuit import CircuitFile
from unstuck.files.yaml import Document, InputError, read_document
from unstuck.parameters import ParameterSet
from unstuck.patient.stability import healthy_is_attractor
from unstuck.targets import TARGETS

_MOST_REDRAWS = 200


class Purpose(IntEnum):
    """What a random stream is for."""

    NETWORK = 0
    PARAMETERS = 1
    NOISE = 2
    LIFE_EVENTS = 3


def stream(seed: int, index: int, purpose: Purpose) -> np.random.Generator:
    """The random stream of one patient for one purpose."""
    return np.random.default_rng(np.random.SeedSequence([seed, index, int(purpose)]))


class Spread(Document):
    """Coefficient of variation between patients, with its source."""

    cv: float = Field(ge=0, le=2)
    source: str = Field(min_length=3)

    def factor(self, rng: np.random.Generator) -> float:
        """A lognormal factor with median 1."""
        return exp(sqrt(log(1.0 + self.cv**2)) * rng.standard_normal())


class VariedParameters(Spread):
    """Parameters that share one factor."""

    symbols: list[str] = Field(min_length=1)


class CohortFile(Document):
    """How patients differ."""

    title: str
    description: str = ""
    parameters: list[VariedParameters]
    drug_half_lives: Spread
    drug_strengths: Spread


def read_cohort(path: Path) -> CohortFile:
    """Read and check a cohort file."""
    return read_document(path, CohortFile)


@dataclass(frozen=True)
class Patient:
    """One patient, healthy: the circuit with the drawn parameters, and the response to drugs."""

    seed: int
    index: int
    circuit: Circuit
    sensitivity: Sensitivity
    redraws: int

    def stream(self, purpose: Purpose) -> np.random.Generator:
        """A fresh copy of one of the patient's random streams."""
        return stream(self.seed, self.index, purpose)


def draw_patient(
    file: CircuitFile,
    parameters: ParameterSet,
    cohort: CohortFile | None,
    *,
    seed: int,
    index: int,
    neurons: int,
) -> Patient:
    """Patient number `index` of a seed; without a cohort a typical one. neurons = 0 gives the mean-field."""
    drawn, sensitivity, redraws = (parameters, TYPICAL, 0)
    if cohort is not None:
        drawn, sensitivity, redraws = draw_traits(file, parameters, cohort, seed, index)
    if neurons == 0:
        return Patient(seed, index, mean_field_circuit(file, drawn), sensitivity, redraws)
    circuit = network_circuit(file, drawn, neurons, stream(seed, index, Purpose.NETWORK))
    return Patient(seed, index, circuit, sensitivity, redraws)


def draw_traits(
    file: CircuitFile, parameters: ParameterSet, cohort: CohortFile, seed: int, index: int
) -> tuple[ParameterSet, Sensitivity, int]:
    """Drawn parameters, response to drugs, and how many draws were no healthy person."""
    rng = stream(seed, index, Purpose.PARAMETERS)
    for redraws in range(_MOST_REDRAWS):
        values: dict[str, float] = {}
        for varied in cohort.parameters:
            factor = varied.factor(rng)
            values |= {
                symbol: parameters[symbol] * factor for symbol in varied.symbols if symbol in parameters
            }
        half_lives = cohort.drug_half_lives.factor(rng)
        strengths = {target: cohort.drug_strengths.factor(rng) for target in TARGETS}
        drawn = parameters.with_values(**values)
        if _shares_are_shares(drawn) and healthy_is_attractor(file, drawn):
            return drawn, Sensitivity(half_lives, strengths), redraws
    raise InputError(f"no healthy patient in {_MOST_REDRAWS} draws: the spread of the cohort is too wide")


def _shares_are_shares(parameters: Mapping[str, float]) -> bool:
    return all(parameters[symbol] < 1.0 for symbol in ("stB", "Dmin"))
