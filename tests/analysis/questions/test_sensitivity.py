"""Sensitivity: which parameters decide, and the noise to compare with."""

import numpy as np
import pandas as pd
import pytest
from unstuck_analysis.questions.sensitivity import (
    OUTCOMES,
    Law,
    Sampled,
    cohort_laws,
    dependence_table,
    partial_dependence,
    sampled,
    sensitivity_figure,
    sentences,
)

TREATMENT = "untreated"
WIDE = 0.35  # coefficient of variation of mM: with that of the cohort, every patient becomes stuck
NOISE = pd.DataFrame({"outcome": OUTCOMES, "mean": 0.5, "sd": 0.01, "networks": 2})


def test_the_laws_are_those_of_every_parameter_in_which_patients_differ() -> None:
    laws = cohort_laws()
    assert len(laws) == 18
    assert laws["mM"] == {"median": 0.677, "cv": 0.2, "at_most": 0.92}


def test_a_parameter_that_does_not_vary_is_named() -> None:
    with pytest.raises(ValueError, match="etah"):
        cohort_laws(["etah"])


def test_base_points_must_be_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        sampled(TREATMENT, cohort_laws(["mM"]), "sobol", 100)


@pytest.fixture(scope="module")
def found() -> Sampled:
    laws: dict[str, Law] = cohort_laws(["mM", "stAmy", "kM"])
    laws["mM"]["cv"] = WIDE
    return sampled(TREATMENT, laws, "sobol", 32)


def test_the_effect_of_the_scar_decides_connectivity_on_day_0_more_than_amygdala_drive(
    found: Sampled,
) -> None:
    stuck = found.ranked("stuck").set_index("parameter")
    assert stuck.ST["mM"] > 0.5
    assert stuck.ST["stAmy"] < 0.5 * stuck.ST["mM"]
    assert (found.runs, found.failed, found.notes) == (32 * 5, 0, [])


def test_the_sample_has_both_independent_halves_as_factors_within_two_standard_deviations(
    found: Sampled,
) -> None:
    assert len(found.sample) == 64
    assert found.sample.mM.between(0.5, 2.0).all()
    assert (0.677 * found.sample.mM).max() == pytest.approx(0.92)  # `at_most` of the cohort
    assert found.sample.stAmy.nunique() == 64
    assert np.log(found.sample.kM).abs().max() <= 2 * np.sqrt(np.log(1 + 0.3**2))


def test_partial_dependence_follows_the_parameter_that_decides(found: Sampled) -> None:
    course = partial_dependence(found, "mM", "stuck", bins=6)
    assert course.factor.is_monotonic_increasing
    assert course["mean"].iloc[0] > course["mean"].iloc[-1]


def test_the_figure_shows_the_noise_between_networks(found: Sampled) -> None:
    ranking = sensitivity_figure(found, NOISE, "stuck", top=2).axes[0]
    assert any("between networks" in text.get_text() for text in ranking.texts)


def test_patients_who_did_not_become_stuck_are_counted_and_have_no_recovery(found: Sampled) -> None:
    never = found.sample.stuck > 0.85
    assert 0 < never.sum() < len(found.sample)
    assert found.sample.recovery.isna().equals(never)
    told = sentences(found, found, NOISE)
    assert any(f"{never.sum()} of 64 draws did not become stuck" in line for line in told)


def test_the_partial_dependence_table_has_recovery_too(found: Sampled) -> None:
    assert set(dependence_table(found).outcome) == {*OUTCOMES, "recovery"}


def test_morris_screens_out_a_parameter_without_effect() -> None:
    screened = sampled(TREATMENT, cohort_laws(["mM", "tauD"]), "morris", 4)
    assert (screened.runs, screened.failed) == (12, 0)
    stuck = screened.indices[screened.indices.outcome == "stuck"].set_index("parameter").mu_star
    assert stuck["mM"] > 10 * stuck["tauD"]


def test_an_outcome_that_no_parameter_moves_is_reported_as_constant() -> None:
    found = sampled("ketamine-like", cohort_laws(["hK"]), "sobol", 2)  # a half-life of the drug
    assert "stuck" not in set(found.indices.outcome)
    assert found.notes[0].startswith("Connectivity (stuck) has no indices: the outcome is constant: 0.5")


@pytest.mark.parametrize(("circuit", "readout"), [("anxiety", "fear"), ("ocd", "loop")])
def test_other_circuits_are_read_from_their_own_readout(circuit: str, readout: str) -> None:
    found = sampled("untreated", cohort_laws(["mM"]), "sobol", 2, circuit=circuit)
    ill = found.sample.stuck >= 1.12
    assert ill.any()
    assert (found.sample.recovery.notna() == ill).all()
    assert found.never_stuck == (~ill).sum()
    title = sensitivity_figure(found, NOISE).axes[0].get_title(loc="left")
    assert title == f"What decides {readout} (endpoint)"
