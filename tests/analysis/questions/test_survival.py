"""Survival: the numbers of lifelines, what is left out, and what is too little to tell."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test
from lifelines.utils import restricted_mean_survival_time
from unstuck.files.yaml import InputError
from unstuck_analysis.questions.survival import (
    needed_to_treat,
    outcomes_of,
    read_outcomes,
    sentences,
    survival_figure,
    survival_table,
)


def made_up(patients: int = 40, *, onset_in_drug: float = 0.8) -> pd.DataFrame:
    """Outcomes of two arms over the same patients, with censoring, drawn from a fixed stream."""
    rng, rows = np.random.default_rng(4), []
    for treatment, share in (("untreated", 0.3), ("drug", onset_in_drug)):
        for patient in range(patients):
            had, relapsed = rng.random() < share, rng.random() < 0.4
            onset = float(rng.uniform(1, 80)) if had else np.nan
            relapse = onset + float(rng.uniform(5, 60)) if had and relapsed else np.nan
            rows.append(
                {
                    "patient": patient,
                    "treatment": treatment,
                    "not_stuck": False,
                    "onset_day": onset,
                    "relapse_day": relapse,
                    "relapsed": had and relapsed,
                    "responded": had,
                    "escaped": had and not relapsed,
                    "followed_days": 168.0,
                }
            )
    return pd.DataFrame(rows)


def test_onset_equals_lifelines_called_directly_on_the_table() -> None:
    table = made_up()
    drug, none = (table[table.treatment == name] for name in ("drug", "untreated"))
    found = (
        survival_table(outcomes_of(table, "here")).set_index(["event", "treatment"]).loc[("onset", "drug")]
    )
    days, seen = drug.onset_day.fillna(drug.followed_days), drug.onset_day.notna()
    fit = KaplanMeierFitter().fit(days, seen)
    test = logrank_test(days, none.onset_day.fillna(168.0), seen, none.onset_day.notna())
    assert found.median_days == fit.median_survival_time_
    assert found.logrank_p == test.p_value
    assert found.events == seen.sum()


def test_the_restricted_mean_is_the_area_under_the_curve() -> None:
    table = made_up()
    found = survival_table(outcomes_of(table, "here")).iloc[0]
    arm = table[table.treatment == found.treatment]
    fit = KaplanMeierFitter().fit(arm.onset_day.fillna(168.0), arm.onset_day.notna())
    days = np.append(fit.survival_function_.index, found.horizon_days)
    area = (np.diff(days) * fit.survival_function_.to_numpy()[:, 0]).sum()
    assert found.restricted_mean_days == pytest.approx(area)


def answering_at_once(patients: int = 10) -> pd.DataFrame:
    """Two arms; in one of them everybody has an onset by day 4 and relapses within nine days of it."""
    table = made_up(patients)
    quick = table.treatment == "drug"
    table.loc[quick, "onset_day"] = np.linspace(1.0, 4.0, patients)
    table.loc[quick, "relapse_day"] = table.onset_day[quick] + np.linspace(2.0, 9.0, patients)
    table.loc[quick, "relapsed"] = True
    return table


@pytest.mark.parametrize("event", ["onset", "relapse"])
def test_an_arm_that_answers_early_and_completely_does_not_cut_the_horizon(event: str) -> None:
    table = answering_at_once()
    had = table[table.onset_day.notna()]
    since = had.followed_days - had.onset_day
    follow_up = 168.0 if event == "onset" else since.groupby(had.treatment).max().min()
    found = survival_table(outcomes_of(table, "here")).set_index(["event", "treatment"]).loc[event]
    for name, arm in table.groupby("treatment"):
        at_risk = arm if event == "onset" else arm[arm.onset_day.notna()]
        if event == "onset":
            days, seen = at_risk.onset_day.fillna(168.0), at_risk.onset_day.notna()
        else:
            days, seen = at_risk.relapse_day.fillna(168.0) - at_risk.onset_day, at_risk.relapsed
        fit = KaplanMeierFitter().fit(days, seen)
        assert found.horizon_days[name] == pytest.approx(follow_up)
        mean = restricted_mean_survival_time(fit, t=follow_up)
        assert found.restricted_mean_days[name] == pytest.approx(mean)
    assert found.restricted_mean_days["drug"] < found.restricted_mean_days["untreated"]


def test_curves_run_to_the_end_of_the_follow_up() -> None:
    onset, _ = survival_figure(outcomes_of(answering_at_once(), "here")).axes
    (drug,) = [line for line in onset.lines if str(line.get_label()).startswith("drug")]
    assert np.max(drug.get_xdata()) == 168.0


def test_number_needed_to_treat_is_one_over_the_paired_difference() -> None:
    table = made_up()
    found = needed_to_treat(outcomes_of(table, "here")).iloc[0]
    shares = table.groupby("treatment").responded.mean()
    assert found.nnt == pytest.approx(1 / (shares["drug"] - shares["untreated"]))
    assert found.low < found.difference < found.high


def test_an_arm_that_is_no_better_has_no_number_needed_to_treat() -> None:
    worse = outcomes_of(made_up(onset_in_drug=0.0), "here")
    assert np.isinf(needed_to_treat(worse).nnt).all()
    assert "nobody had an onset" in survival_table(worse).note.tolist()


def test_too_few_events_are_named() -> None:
    table = survival_table(outcomes_of(made_up(5), "here"))
    assert table.note.str.contains("too few").any()


def test_patients_never_stuck_and_failed_runs_are_counted_and_left_out() -> None:
    table = made_up(10)
    table.loc[table.patient == 0, "not_stuck"] = True
    table["status"] = np.where(table.patient == 1, "failed", "done")
    outcomes = outcomes_of(table, "here")
    assert (outcomes.not_stuck, outcomes.failed, len(outcomes.rows)) == (1, 2, 16)
    said = sentences(outcomes, survival_table(outcomes), needed_to_treat(outcomes))
    assert any("never got stuck" in line for line in said)
    assert any("2 runs failed" in line for line in said)
    assert outcomes.left_out()["by_arm"]["drug"] == {"not_stuck": 1, "failed": 1, "left": 8}


def test_that_nothing_failed_is_said_too() -> None:
    outcomes = outcomes_of(made_up(6), "here")
    said = sentences(outcomes, survival_table(outcomes), needed_to_treat(outcomes))
    assert "Left out: 0 patients never got stuck, 0 runs failed." in said


def test_an_arm_of_which_all_runs_failed_is_named() -> None:
    table = made_up(6)
    table["status"] = np.where(table.treatment == "drug", "failed", "done")
    outcomes = outcomes_of(table, "here")
    assert outcomes.empty_arms == ["drug"]
    assert any("Arm drug: nobody is left" in line for line in outcomes.left_out_sentences())


def test_nothing_left_to_analyse_is_an_error_that_counts() -> None:
    table = made_up(3).assign(status="failed")
    with pytest.raises(InputError, match="6 failed"):
        outcomes_of(table, "here")


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a comparison"):
        read_outcomes(tmp_path)


def test_an_unknown_arm_to_compare_with_is_named() -> None:
    with pytest.raises(InputError, match="untreated"):
        survival_table(outcomes_of(made_up(5), "here"), "untraeted")


def test_the_figure_has_a_curve_an_arm() -> None:
    onset, relapse = survival_figure(outcomes_of(made_up(), "here")).axes
    assert len(onset.get_legend_handles_labels()[1]) == 2
    assert len(relapse.lines) >= 2
