"""Patients differ as the cohort file says, and depend on seed and index alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unstuck.drugs.effects import TYPICAL
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import scenario_folders
from unstuck.files.yaml import InputError
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.patient.draw import CohortFile, Purpose, Spread, draw_patient, draw_traits, read_cohort, stream
from unstuck.patient.stability import healthy_is_attractor
from unstuck.targets import TARGETS


@pytest.fixture(scope="module")
def cohort() -> CohortFile:
    folder = next(folder for folder in scenario_folders() if (folder / "cohort.yaml").exists())
    return read_cohort(folder / "cohort.yaml")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), index=st.integers(0, 10_000))
def test_streams_depend_on_seed_index_and_purpose_and_on_nothing_else(seed: int, index: int) -> None:
    first = {purpose: stream(seed, index, purpose).random(4).tolist() for purpose in Purpose}
    again = {purpose: stream(seed, index, purpose).random(4).tolist() for purpose in reversed(Purpose)}
    assert first == again
    others = [stream(seed, index + 1, Purpose.NETWORK), stream(seed + 1, index, Purpose.NETWORK)]
    drawn = [*first.values(), *(other.random(4).tolist() for other in others)]
    assert len({tuple(numbers) for numbers in drawn}) == len(drawn)


def test_without_a_cohort_a_patient_is_typical(default_file: CircuitFile, reference: ParameterSet) -> None:
    patient = draw_patient(default_file, reference, None, seed=1, index=0, neurons=0)
    assert dict(patient.circuit.parameters) == dict(reference)
    assert patient.sensitivity is TYPICAL
    assert patient.redraws == 0


def test_the_traits_do_not_depend_on_the_size_of_the_network(
    default_file: CircuitFile, cohort: CohortFile
) -> None:
    small, large, mean_field = (
        draw_patient(default_file, default_parameters(), cohort, seed=3, index=7, neurons=neurons)
        for neurons in (100, 200, 0)
    )
    assert (
        dict(small.circuit.parameters)
        == dict(large.circuit.parameters)
        == dict(mean_field.circuit.parameters)
    )
    assert small.sensitivity == large.sensitivity == mean_field.sensitivity


def test_the_same_patient_is_drawn_again(default_file: CircuitFile, cohort: CohortFile) -> None:
    one, same, other = (
        draw_patient(default_file, default_parameters(), cohort, seed=3, index=index, neurons=100)
        for index in (5, 5, 6)
    )
    for group in ("excitatory", "inhibitory", "plastic"):
        for part in ("start", "pre", "weight", "projection"):
            np.testing.assert_array_equal(
                getattr(getattr(one.circuit.wiring, group), part),
                getattr(getattr(same.circuit.wiring, group), part),
            )
    np.testing.assert_array_equal(one.circuit.wiring.set_point_Hz, same.circuit.wiring.set_point_Hz)
    assert one.sensitivity == same.sensitivity
    assert not np.array_equal(one.circuit.wiring.set_point_Hz, other.circuit.wiring.set_point_Hz)
    np.testing.assert_array_equal(one.stream(Purpose.NOISE).random(3), same.stream(Purpose.NOISE).random(3))


def test_patients_vary_about_the_typical_one_as_the_cohort_says(
    default_file: CircuitFile, cohort: CohortFile
) -> None:
    parameters = default_parameters()
    drawn = [draw_traits(default_file, parameters, cohort, seed=1, index=index) for index in range(40)]
    for varied in cohort.parameters:
        logs = np.array(
            [[np.log(p[s] / parameters[s]) for s in varied.symbols if s in p] for p, _, _ in drawn]
        )
        assert np.ptp(logs, axis=1).max() < 1e-9  # symbols on one line share one factor
        expected = np.sqrt(np.log(1 + varied.cv**2))
        assert 0.5 * expected < logs[:, 0].std() < 1.5 * expected
    untouched = set(parameters) - {symbol for varied in cohort.parameters for symbol in varied.symbols}
    assert all(p[symbol] == parameters[symbol] for p, _, _ in drawn for symbol in untouched)
    assert all(set(sensitivity.strengths or {}) == set(TARGETS) for _, sensitivity, _ in drawn)
    assert np.median([sensitivity.half_lives for _, sensitivity, _ in drawn]) == pytest.approx(1.0, abs=0.15)


def test_every_drawn_patient_can_be_healthy(default_file: CircuitFile, cohort: CohortFile) -> None:
    drawn = [
        draw_traits(default_file, default_parameters(), cohort, seed=2, index=index) for index in range(12)
    ]
    assert all(healthy_is_attractor(default_file, parameters) for parameters, _, _ in drawn)
    assert all(parameters["stB"] < 1.0 for parameters, _, _ in drawn)


def test_draws_that_were_no_healthy_person_are_counted(default_file: CircuitFile, cohort: CohortFile) -> None:
    wide = [entry.model_copy(update={"cv": 1.0}) for entry in cohort.parameters]
    widely = cohort.model_copy(update={"parameters": wide})
    drawn, sensitivity, redraws = draw_traits(default_file, default_parameters(), widely, seed=2, index=3)
    assert redraws > 0
    rng = stream(2, 3, Purpose.PARAMETERS)
    factors, half_lives = [0.0], 0.0
    for _ in range(redraws + 1):  # the stream read by hand: the patient is what comes after so many draws
        factors = [entry.factor(rng) for entry in wide]
        half_lives = widely.drug_half_lives.factor(rng)
        rng.standard_normal(len(TARGETS))
    symbol = wide[0].symbols[0]
    assert drawn[symbol] == default_parameters()[symbol] * factors[0]
    assert sensitivity.half_lives == half_lives


def test_a_cohort_in_which_nobody_can_be_healthy_is_an_error(
    default_file: CircuitFile, cohort: CohortFile
) -> None:
    with pytest.raises(ValueError, match="no healthy patient in 200 draws"):
        draw_traits(default_file, default_parameters().with_values(Dmin=100.0), cohort, seed=1, index=0)


@pytest.mark.parametrize("cv", [0.0, 0.05, 0.3, 0.8])
def test_a_factor_is_lognormal_with_median_one_and_its_coefficient_of_variation(cv: float) -> None:
    spread, rng = Spread(cv=cv, source="assumed"), np.random.default_rng(1)
    factors = np.array([spread.factor(rng) for _ in range(4_000)])
    assert np.median(factors) == pytest.approx(1.0, abs=0.03 + 0.05 * cv)
    assert factors.std() / factors.mean() == pytest.approx(cv, rel=0.15, abs=1e-12)


def test_a_cohort_without_a_source_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cohort.yaml"
    path.write_text(
        "title: Own\nparameters:\n  - {symbols: [stB], cv: 0.3}\n"
        "drug_half_lives: {cv: 0.3, source: assumed}\ndrug_strengths: {cv: 0.3, source: assumed}\n"
    )
    with pytest.raises(InputError, match=r"cohort\.yaml:3:.*source"):
        read_cohort(path)
