"""Patients differ as the cohort file says, and depend on seed and index alone."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from unstuck.drugs.effects import TYPICAL
from unstuck.drugs.exposure import Spell
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.cohort import CohortFile, read_cohort
from unstuck.files.find import scenario_folders
from unstuck.parameters import default_parameters
from unstuck.patient.draw import (
    Patient,
    Purpose,
    Traits,
    daily_noise,
    draw_patient,
    draw_traits,
    life_events,
    stream,
)

SEED = 20261130  # of the ten patients of the reference
SAMPLE = list(csv.DictReader((Path(__file__).parents[2] / "reference" / "patients-sample.csv").open()))
SHIPPED = next(path for folder in scenario_folders() if (path := folder / "cohort.yaml").exists())
PARAMETERS = default_parameters()


@pytest.fixture(scope="module")
def cohort() -> CohortFile:
    return read_cohort(SHIPPED)


@pytest.fixture(scope="module")
def sample(default_file: CircuitFile, cohort: CohortFile) -> list[Patient]:
    """The ten patients of the reference."""
    return [
        draw_patient(default_file, PARAMETERS, cohort, seed=SEED, index=index, neurons=0)
        for index in range(len(SAMPLE))
    ]


def changed(folder: Path, change: dict[str, Any]) -> CohortFile:
    """The shipped cohort with some of its keys changed."""
    path = folder / "cohort.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(SHIPPED.read_text()), **change}, sort_keys=False))
    return read_cohort(path)


def shipped_draws() -> list[dict[str, Any]]:
    return yaml.safe_load(SHIPPED.read_text())["draws"]


@pytest.mark.parametrize("index", range(10))
def test_every_draw_of_the_ten_patients_is_that_of_the_reference(sample: list[Patient], index: int) -> None:
    row, patient = SAMPLE[index], sample[index]
    assert patient.draws["exposure"] == pytest.approx(float(row["exposure"]), rel=1e-12)
    assert patient.draws["stress_days"] == float(row["stress_days"])
    assert patient.stress_h == 24.0 * float(row["stress_days"])
    assert patient.draws["bdnf_genotype"] == ("Met carrier" if row["Met"] == "True" else "Val/Val")
    factors = {key: float(value) for key, value in row.items() if key.startswith("factor_")}
    assert {key: patient.draws[key] for key in factors} == pytest.approx(factors, rel=1e-12)
    used = {key[4:]: float(value) for key, value in row.items() if key.startswith("par_")}
    used |= {"phi": float(row["phi"]), "kB": float(row["kB"])}
    assert {s: patient.circuit.parameters[s] for s in used} == pytest.approx(used, rel=1e-12)
    untouched = set(PARAMETERS) - set(used)
    assert all(patient.circuit.parameters[symbol] == PARAMETERS[symbol] for symbol in untouched)


@pytest.mark.parametrize("index", range(10))
def test_noise_and_life_events_of_the_ten_patients_are_those_of_the_reference(
    sample: list[Patient], index: int
) -> None:
    row, patient = SAMPLE[index], sample[index]
    noise = patient.noise(100)
    for day in (0, 1):
        expected = [float(row[f"noise{day}_{region}"]) for region in patient.circuit.regions]
        np.testing.assert_allclose(noise[day], expected, rtol=1e-12)
    ordinary, severe = (
        [event for event in patient.life_events(365.0) if event.stress == stress] for stress in (0.5, 0.7)
    )
    starts = [float(text) for text in row["ordinary_start_days"].split()]
    np.testing.assert_allclose([event.start_h / 24.0 for event in ordinary], starts, rtol=1e-8)
    assert all(event.end_h - event.start_h == pytest.approx(7 * 24.0) for event in ordinary)
    told = [
        tuple(float(part) for part in text.split("/")) for text in row["severe_start_length_days"].split()
    ]
    seen = [(event.start_h / 24.0, (event.end_h - event.start_h) / 24.0) for event in severe]
    assert np.array(seen) == pytest.approx(np.array(told), rel=1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), index=st.integers(0, 10_000))
def test_streams_depend_on_seed_index_and_purpose_and_on_nothing_else(seed: int, index: int) -> None:
    first = {purpose: stream(seed, index, purpose).random(4).tolist() for purpose in Purpose}
    again = {purpose: stream(seed, index, purpose).random(4).tolist() for purpose in reversed(Purpose)}
    assert first == again
    others = [stream(seed, index + 1, Purpose.NETWORK), stream(seed + 1, index, Purpose.NETWORK)]
    drawn = [*first.values(), *(other.random(4).tolist() for other in others)]
    assert len({tuple(numbers) for numbers in drawn}) == len(drawn)


def test_without_a_cohort_a_patient_is_typical_and_has_neither_noise_nor_life_events(
    default_file: CircuitFile,
) -> None:
    patient = draw_patient(default_file, PARAMETERS, None, seed=1, index=0, neurons=0)
    assert dict(patient.circuit.parameters) == dict(PARAMETERS)
    assert patient.response is TYPICAL
    assert (patient.stress_h, patient.body_weight_kg, dict(patient.draws)) == (None, 70.0, {})
    assert patient.noise(10).shape == (0, 5)
    assert patient.life_events(365.0) == []


def test_the_traits_do_not_depend_on_the_size_of_the_network(
    default_file: CircuitFile, cohort: CohortFile
) -> None:
    small, large, mean_field = (
        draw_patient(default_file, PARAMETERS, cohort, seed=3, index=7, neurons=neurons)
        for neurons in (100, 200, 0)
    )
    assert small.draws == large.draws == mean_field.draws
    assert small.response == large.response == mean_field.response


def test_the_same_patient_is_drawn_again(default_file: CircuitFile, cohort: CohortFile) -> None:
    one, same, other = (
        draw_patient(default_file, PARAMETERS, cohort, seed=3, index=index, neurons=100)
        for index in (5, 5, 6)
    )
    for group in ("excitatory", "inhibitory", "plastic"):
        for part in ("start", "pre", "weight", "projection"):
            np.testing.assert_array_equal(
                getattr(getattr(one.circuit.wiring, group), part),
                getattr(getattr(same.circuit.wiring, group), part),
            )
    assert one.identity == same.identity != other.identity
    np.testing.assert_array_equal(one.noise(5), same.noise(5))
    assert not np.array_equal(one.circuit.wiring.plastic.weight, other.circuit.wiring.plastic.weight)


def test_a_draw_added_at_the_end_leaves_the_others_as_they_are(cohort: CohortFile, tmp_path: Path) -> None:
    added = {"draw": "parameter", "symbol": "tauT", "cv": 0.3, "source": "assumed"}
    more = changed(tmp_path, {"draws": [*shipped_draws(), added]})
    before, after = (draw_traits(PARAMETERS, each, 1, 4) for each in (cohort, more))
    assert before.draws == {key: value for key, value in after.draws.items() if key != "factor_tauT"}
    assert after.parameters["tauT"] == PARAMETERS["tauT"] * float(after.draws["factor_tauT"])


@pytest.fixture(scope="module")
def many(cohort: CohortFile) -> list[Traits]:
    return [draw_traits(PARAMETERS, cohort, 1, index) for index in range(2_000)]


@pytest.mark.parametrize(("column", "cv"), [("factor_mM", 0.2), ("factor_hS", 0.3), ("exposure", 0.7)])
def test_factors_are_lognormal_with_median_one_and_their_coefficient_of_variation(
    many: list[Traits], column: str, cv: float
) -> None:
    factors = np.array([float(traits.draws[column]) for traits in many])
    assert np.median(factors) == pytest.approx(1.0, abs=0.03 + 0.05 * cv)
    assert factors.std() / factors.mean() == pytest.approx(cv, rel=0.1)


def test_limits_classes_and_lengths_are_those_of_the_cohort(many: list[Traits]) -> None:
    assert max(traits.parameters["mM"] for traits in many) == 0.92
    assert max(traits.parameters["stB"] for traits in many) == 0.8
    days = [float(traits.draws["stress_days"]) for traits in many]
    assert (min(days), max(days)) == (21.0, 240.0)
    assert np.median(days) == pytest.approx(42.0, rel=0.1)
    assert all(day == round(day) for day in days)
    carriers = np.mean([traits.draws["bdnf_genotype"] == "Met carrier" for traits in many])
    assert carriers == pytest.approx(0.3, abs=0.04)


def test_drawn_half_lives_and_exposure_reach_the_drugs(cohort: CohortFile) -> None:
    traits = draw_traits(PARAMETERS, cohort, 1, 4)
    assert traits.response.exposure_at("sert.occupancy", "any") == traits.draws["exposure"]
    assert traits.response.exposure_at("trkb.facilitation", "any") == 1.0
    assert traits.response.half_lives["hS"] == pytest.approx(float(traits.draws["factor_hS"]))


def test_correlated_draws_are_as_correlated_as_the_cohort_says(tmp_path: Path, cohort: CohortFile) -> None:
    told = [
        {"between": ["factor_mM", "factor_kM"], "r": 0.6, "source": "assumed"},
        {"between": ["exposure", "factor_hS"], "r": -0.5, "source": "assumed"},
    ]
    related = changed(tmp_path, {"correlations": told})
    drawn = [draw_traits(PARAMETERS, related, 1, index).draws for index in range(1_500)]
    logs = {
        name: np.log([float(draws[name]) for draws in drawn])
        for name in ("factor_mM", "factor_kM", "exposure", "factor_hS", "factor_b5")
    }
    assert np.corrcoef(logs["factor_mM"], logs["factor_kM"])[0, 1] == pytest.approx(0.6, abs=0.05)
    assert np.corrcoef(logs["exposure"], logs["factor_hS"])[0, 1] == pytest.approx(-0.5, abs=0.05)
    assert np.corrcoef(logs["factor_mM"], logs["factor_b5"])[0, 1] == pytest.approx(0.0, abs=0.06)
    assert logs["factor_kM"].std() == pytest.approx(np.sqrt(np.log(1.09)), rel=0.07)
    alone = draw_traits(PARAMETERS, cohort, 1, 0).draws
    assert drawn[0]["factor_mM"] == pytest.approx(alone["factor_mM"])  # the first of a pair stays


def test_exposure_of_named_drugs_is_a_factor_of_its_own(tmp_path: Path) -> None:
    own = {
        "draw": "exposure",
        "column": "exposure_fluoxetine",
        "target": "sert.occupancy",
        "drugs": ["fluoxetine-like"],
        "cv": 0.5,
        "source": "assumed",
    }
    traits = draw_traits(PARAMETERS, changed(tmp_path, {"draws": [*shipped_draws(), own]}), 1, 0)
    common, of_drug = (float(traits.draws[name]) for name in ("exposure", "exposure_fluoxetine"))
    assert traits.response.exposure_at("sert.occupancy", "fluoxetine-like") == pytest.approx(common * of_drug)
    assert traits.response.exposure_at("sert.occupancy", "ssri-like") == common


def test_noise_has_the_deviation_and_the_memory_it_was_asked_for() -> None:
    noise = daily_noise(40_000, 2, 0.002, 168.0, np.random.default_rng(3))
    assert noise.std() == pytest.approx(0.002, rel=0.05)
    assert noise[:, 0].mean() == pytest.approx(0.0, abs=2e-4)
    lagged = np.corrcoef(noise[:-7, 0], noise[7:, 0])[0, 1]
    assert lagged == pytest.approx(np.exp(-1.0), abs=0.05)
    assert np.corrcoef(noise[:, 0], noise[:, 1])[0, 1] == pytest.approx(0.0, abs=0.05)


def test_a_longer_noise_begins_as_the_shorter_one() -> None:
    short, long = (daily_noise(days, 5, 0.002, 168.0, np.random.default_rng(4)) for days in (10, 30))
    np.testing.assert_array_equal(short, long[:10])


def test_life_events_are_as_frequent_as_asked_and_go_on_from_year_to_year(cohort: CohortFile) -> None:
    laws, years = cohort.life_events, 1_000
    events = life_events(laws, 365.0 * years, np.random.default_rng(5))
    ordinary, severe = ([e for e in events if e.stress == stress] for stress in (0.5, 0.7))
    assert len(ordinary) / years == pytest.approx(4.0, rel=0.05)
    assert len(severe) / years == pytest.approx(0.24, rel=0.2)
    assert np.median([e.end_h - e.start_h for e in severe]) == pytest.approx(28 * 24.0, rel=0.15)
    one, three = (life_events(laws, 365.0 * n, np.random.default_rng(6)) for n in (1, 3))
    assert three[: len(one)] == one
    assert all(event.start_h >= 365 * 24.0 for event in three[len(one) :])


def test_life_events_after_the_last_day_are_left_out(sample: list[Patient]) -> None:
    year, half = sample[0].life_events(365.0), sample[0].life_events(180.0)
    assert half == [event for event in year if event.start_h < 180 * 24.0]
    assert all(isinstance(event, Spell) for event in half)


OLD = (
    "title: Own\nparameters:\n  - {symbols: [stB], cv: 0.3, source: assumed}\n"
    "drug_half_lives: {cv: 0.3, source: assumed}\ndrug_strengths: {cv: 0.3, source: assumed}\n"
)


def test_a_cohort_file_of_generation_1_is_refused_with_the_way_on(tmp_path: Path) -> None:
    path = tmp_path / "cohort.yaml"
    path.write_text(OLD)
    with pytest.raises(
        InputError, match=r"cohort\.yaml: this is a cohort file of generation 1.*Copy scenarios"
    ):
        read_cohort(path)


def test_a_changed_cohort_file_is_read_again(tmp_path: Path) -> None:
    assert changed(tmp_path, {"title": "One"}).title == "One"
    (tmp_path / "cohort.yaml").touch()
    assert changed(tmp_path, {"title": "Another"}).title == "Another"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"draw": "parameter", "symbol": "tauX", "cv": 0.3, "source": "assumed"}, "unknown parameter 'tauX'"),
        ({"draw": "parameter", "symbol": "phi", "cv": 0.3, "source": "assumed"}, "phi is a share"),
        ({"draw": "parameter", "symbol": "tauT", "cv": 0.3}, "source.*missing"),
        ({"draw": "parametr", "symbol": "tauT", "cv": 0.3, "source": "assumed"}, "did you mean 'parameter'"),
        (
            {"draw": "parameter", "symbol": "mM", "cv": 0.3, "at_most": 0.9, "source": "assumed"},
            "drawn twice",
        ),
        ({"draw": "exposure", "target": "sert", "cv": 0.3, "source": "assumed"}, "unknown target"),
        (
            {"draw": "class", "column": "c", "classes": {"a": {"frequency": 0.4}, "b": {"frequency": 0.5}}}
            | {"source": "assumed"},
            "add up to 1, not 0.9",
        ),
    ],
)
def test_a_draw_that_makes_no_sense_is_refused_at_its_place(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=rf"cohort\.yaml:\d+:draws\.21.*{told}"):
        changed(tmp_path, {"draws": [*shipped_draws(), change]})


@pytest.mark.parametrize(
    ("correlations", "told"),
    [
        ([("factor_mM", "factor_km", 0.5)], "did you mean 'factor_kM'"),
        (
            [
                ("factor_mM", "factor_kM", 0.9),
                ("factor_kM", "factor_b5", 0.9),
                ("factor_mM", "factor_b5", -0.9),
            ],
            "are impossible together",
        ),
    ],
)
def test_impossible_correlations_are_refused(
    tmp_path: Path, correlations: list[tuple[str, str, float]], told: str
) -> None:
    listed = [{"between": [a, b], "r": r, "source": "assumed"} for a, b, r in correlations]
    with pytest.raises(InputError, match=told):
        changed(tmp_path, {"correlations": listed})


def test_a_spread_that_draws_an_impossible_value_is_an_error(tmp_path: Path) -> None:
    wide = {"draw": "parameter", "symbol": "nT", "cv": 2.0, "source": "assumed"}
    cohort = changed(tmp_path, {"draws": [*shipped_draws(), wide]})
    with pytest.raises(InputError, match="patient 34 of seed 1: the cohort draws parameter nT"):
        draw_traits(PARAMETERS, cohort, 1, 34)
