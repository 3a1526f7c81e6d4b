"""Crossover: overlap of the patients who recovered, and features on day 0 that go with recovery."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from unstuck.errors import InputError
from unstuck_analysis.output.answer import About
from unstuck_analysis.questions.crossover import (
    Crossover,
    answer_of,
    crossover,
    crossover_figure,
    overlap_of,
    rank_correlations,
    read_series,
    sentences,
)
from unstuck_analysis.questions.survival import outcomes_of

ABOUT = About("a and b", "30 patients", "5", "made up")


def made_up(patients: int = 30) -> Crossover:
    """Patients who recover under `a` by their activity on day 0, under `b` by nothing that is seen."""
    rng = np.random.default_rng(5)
    activity, noise = rng.random(patients), rng.random(patients)
    outcomes = pd.concat(
        pd.DataFrame(
            {
                "patient": range(patients),
                "treatment": name,
                "not_stuck": False,
                "recovery_endpoint": recovery,
                "recovered": recovery >= 0.5,
            }
        )
        for name, recovery in (("a", activity), ("b", rng.random(patients)))
    )
    series = pd.DataFrame(
        {"patient": range(patients), "day": 0.0, "activity_X": activity, "bdnf_X": noise, "strength_X": 1.0}
    )
    return crossover(outcomes_of(outcomes, "here"), series)


def test_the_feature_that_decides_comes_first_and_its_interval_misses_zero() -> None:
    first = made_up().features.iloc[0]
    assert (first.treatment, first.feature) == ("a", "activity_X")
    assert first.rho == pytest.approx(1.0)
    assert first.low > 0.9


def test_a_feature_that_never_differs_is_left_out() -> None:
    assert "strength_X" not in set(made_up().features.feature)


def test_rank_correlation_equals_pandas() -> None:
    rng = np.random.default_rng(6)
    features = pd.DataFrame({"f": rng.random(20)})
    recovery = pd.DataFrame({"a": np.round(features.f + rng.random(20), 1)})
    found = rank_correlations(features, recovery, seed=1)
    assert found.rho[0] == pytest.approx(features.f.corr(recovery.a, method="spearman"))


def test_overlap_is_the_share_of_one_arms_responders_in_the_other() -> None:
    recovered = pd.DataFrame({"a": [True, True, False], "b": [True, False, False], "c": [False] * 3})
    overlap = overlap_of(recovered)
    assert overlap.loc["a", "b"] == 0.5
    assert overlap.loc["b", "a"] == 1.0
    assert np.isnan(overlap.loc["c", "a"])


def test_few_patients_are_said_to_be_few() -> None:
    assert any("correlations mean little" in line for line in sentences(made_up(5)))


def test_the_figure_shows_every_patient_and_the_strongest_features() -> None:
    patients, features, _ = crossover_figure(made_up()).axes
    drawn = patients.images[0].get_array()
    assert drawn is not None
    assert drawn.shape == (30, 2)
    assert features.get_yticklabels()[0].get_text() == "a: activity X"


def test_a_folder_without_readings_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"series\.parquet"):
        read_series(tmp_path)


def test_one_patient_is_crossed_over_without_a_warning() -> None:
    table = made_up(3).outcomes.rows
    table["not_stuck"] = table.patient > 0
    series = pd.DataFrame({"patient": range(3), "day": 0.0, "activity_X": [1.0, 2.0, 3.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = crossover(outcomes_of(table, "here"), series)
    assert found.features.empty
    assert any("Only 1 patient:" in line for line in sentences(found))


def test_a_patient_with_a_failed_run_is_left_out_and_counted() -> None:
    whole = made_up(12).outcomes.rows.assign(status="done")
    whole.loc[(whole.patient == 3) & (whole.treatment == "b"), "status"] = "failed"
    series = pd.DataFrame({"patient": range(12), "day": 0.0, "activity_X": np.arange(12.0)})
    found = crossover(outcomes_of(whole, "here"), series)
    assert found.incomplete == 1
    assert json.loads(answer_of(found, ABOUT).json())["left_out"]["failed"] == 1
    assert any("1 more patients" in line for line in sentences(found))


def test_the_finding_for_json_counts_responders_and_their_overlap() -> None:
    found = json.loads(answer_of(made_up(), ABOUT).json())
    assert found["recovered"]["a"] == made_up().recovered.a.sum()
    assert found["overlap"]["a"]["a"] == 1.0
