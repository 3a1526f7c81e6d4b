"""Sensitivity: which parameters decide, and the noise to compare with."""

import numpy as np
import pandas as pd
import pytest
from unstuck_analysis.questions.sensitivity import (
    OUTCOMES,
    Question,
    Screening,
    Sobol,
    cohort_question,
    dependence_table,
    morris,
    outcomes_at,
    partial_dependence,
    run_all,
    sensitivity_figure,
    sentences,
    sobol,
)

TREATMENT = "untreated"
WIDE = 0.34  # standard deviation of the log factor of mM: with that of the cohort, every draw gets stuck


def test_the_question_has_every_parameter_in_which_patients_differ() -> None:
    assert len(cohort_question(TREATMENT).parameters) == 18


def test_a_parameter_that_does_not_vary_is_named() -> None:
    with pytest.raises(ValueError, match="etah"):
        cohort_question(TREATMENT, ["etah"])


def test_base_points_must_be_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        sobol(cohort_question(TREATMENT), 100)


def test_no_change_of_parameters_gives_the_typical_patient() -> None:
    question = cohort_question(TREATMENT, ["mM", "kM"])
    rows = run_all(question, np.zeros((2, 2)), workers=1)
    assert (rows[0] == rows[1]).all()
    assert rows[0] == pytest.approx(outcomes_at(TREATMENT, {}))


@pytest.fixture(scope="module")
def found() -> Sobol:
    from unstuck_analysis.questions import sensitivity

    spreads = cohort_question(TREATMENT, ["mM", "stAmy", "kM"]).parameters
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sensitivity, "NOISE_NETWORKS", 2)
        patch.setattr(sensitivity, "NOISE_NEURONS", 100)
        return sobol(Question(spreads | {"mM": WIDE}, TREATMENT), 32, workers=1)


def test_the_effect_of_the_scar_decides_connectivity_on_day_0_more_than_amygdala_drive(found: Sobol) -> None:
    stuck = found.indices[found.indices.outcome == "stuck"].set_index("parameter")
    assert stuck.ST["mM"] > 0.5
    assert stuck.ST["stAmy"] < 0.5 * stuck.ST["mM"]
    assert found.runs == 32 * 5
    assert found.failed == 0


def test_the_base_sample_holds_both_independent_halves(found: Sobol) -> None:
    assert len(found.sample) == 64
    assert found.sample.mM.between(0.5, 2.0).all()
    assert found.sample.stAmy.nunique() == 64


def test_partial_dependence_follows_the_parameter_that_decides(found: Sobol) -> None:
    course = partial_dependence(found, "mM", "stuck", bins=6)
    assert course.factor.is_monotonic_increasing
    assert course["mean"].iloc[0] > course["mean"].iloc[-1]


def test_the_figure_shows_the_noise_between_networks(found: Sobol) -> None:
    ranking = sensitivity_figure(found, "stuck", top=2).axes[0]
    assert any("between networks" in text.get_text() for text in ranking.texts)
    assert set(found.noise.outcome) == set(OUTCOMES)


def test_draws_that_never_got_stuck_are_counted_and_have_no_recovery(found: Sobol) -> None:
    never = found.sample.stuck > 0.85
    assert 0 < never.sum() < len(found.sample)
    assert found.sample.recovery.isna().equals(never)
    told = sentences(found, Screening(pd.DataFrame(), 12, 1))
    assert any(f"{never.sum()} of 64 draws never got stuck" in line for line in told)
    assert any("Morris: 12 runs, 1 failed" in line for line in told)


def test_the_partial_dependence_table_holds_recovery_too(found: Sobol) -> None:
    table = dependence_table(found)
    assert set(table.outcome) == {*OUTCOMES, "recovery"}


def test_morris_screens_out_what_does_nothing() -> None:
    screened = morris(cohort_question(TREATMENT, ["mM", "tauD"]), 4)
    table = screened.effects
    assert (screened.runs, screened.failed) == (12, 0)
    stuck = table[table.outcome == "stuck"].set_index("parameter").mu_star
    assert stuck["mM"] > 10 * stuck["tauD"]


def test_a_run_that_cannot_be_finished_is_counted_not_hidden() -> None:
    assert all(np.isnan(value) for value in outcomes_at(TREATMENT, {"kM": float("inf")}))


def test_noise_is_measured_between_networks(found: Sobol) -> None:
    assert isinstance(found.noise, pd.DataFrame)
    assert (found.noise.sd > 0).all()
