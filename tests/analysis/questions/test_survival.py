"""Survival: Kaplan-Meier, log-rank and restricted means, what is left out, and what is too little to tell."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from unstuck.errors import InputError
from unstuck_analysis.questions.survival import (
    Times,
    findings,
    kaplan_meier,
    logrank_p,
    needed_to_treat,
    numbers_at_risk,
    outcomes_of,
    read_outcomes,
    survival_figure,
    survival_table,
    times_to,
)


def made_up(patients: int = 40, *, onset_in_drug: float = 0.8) -> pd.DataFrame:
    """StuckOutcomes of two treatments over the same patients, with censoring, drawn from a fixed stream."""
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
                    "recovered": had,
                    "still_recovered": had and not relapsed,
                    "followed_days": 168.0,
                }
            )
    return pd.DataFrame(rows)


# Numbers of lifelines 0.30.0 on the same table: median, restricted mean up to day 100, log-rank p.
LIFELINES = {
    ("onset", "drug"): (50.987346201071006, 57.12636932499813, 0.00040822453790059424),
    ("onset", "untreated"): (np.inf, 83.98392143164473, 1.0),
    ("relapse", "drug"): (np.inf, 81.23566738225125, 0.9122470325210257),
}


@pytest.mark.parametrize(("event", "treatment"), LIFELINES)
def test_estimates_equal_those_of_lifelines(event: str, treatment: str) -> None:
    outcomes = outcomes_of(made_up(), "here")
    times, untreated = (times_to(event, outcomes.arm(name)) for name in (treatment, "untreated"))
    curve = kaplan_meier(times)
    assert curve is not None
    found = (curve.median, curve.restricted_mean(100.0), logrank_p(times, untreated))
    assert found == pytest.approx(LIFELINES[event, treatment], rel=1e-12)


def test_the_confidence_band_is_greenwoods_on_the_log_log_scale() -> None:
    times = Times(np.array([1.0, 2.0, 3.0, 4.0]), np.array([True, True, False, False]), np.full(4, 4.0))
    curve = kaplan_meier(times)
    assert curve is not None
    assert curve.share.tolist() == pytest.approx([1.0, 0.75, 0.5, 0.5, 0.5, 0.5])
    spread = 1.959963984540054 * np.sqrt(1 / (4 * 3)) / np.log(0.75)  # first event: 1 of 4
    assert curve.low[1] == pytest.approx(0.75 ** np.exp(-spread))
    assert curve.high[1] == pytest.approx(0.75 ** np.exp(spread))


def test_the_restricted_mean_is_the_area_under_the_curve() -> None:
    times = Times(np.array([2.0, 6.0]), np.array([True, False]), np.full(2, 6.0))
    curve = kaplan_meier(times)
    assert curve is not None
    assert curve.restricted_mean(6.0) == pytest.approx(2 * 1.0 + 4 * 0.5)


def test_the_treatment_compared_with_does_not_cut_the_follow_up_of_the_others() -> None:
    table = pd.concat([made_up(), made_up().query("treatment == 'drug'").assign(treatment="other")])
    table.loc[table.treatment != "untreated", "followed_days"] = 448.0
    found = survival_table(outcomes_of(table, "here")).query("event == 'onset'").set_index("treatment")
    assert found.horizon_days.to_dict() == {"untreated": 168.0, "drug": 448.0, "other": 448.0}
    assert found.restricted_mean_days["drug"] > found.restricted_mean_days["untreated"]


@pytest.mark.parametrize("against", [None, "stop", "continue"])
def test_a_question_over_a_year_is_not_cut_by_treatments_that_were_followed_for_less(
    against: str | None,
) -> None:
    drug = made_up().query("treatment == 'drug'")
    year = [drug.assign(treatment=name, followed_days=448.0) for name in ("stop", "continue")]
    outcomes = outcomes_of(pd.concat([made_up(), *year]), "here")
    found = survival_table(outcomes, against).set_index(["event", "treatment"])
    days = {"untreated": 168.0, "drug": 168.0, "stop": 448.0, "continue": 448.0}
    assert found.loc["onset"].horizon_days.to_dict() == days
    assert (found.loc["relapse"].horizon_days[["stop", "continue"]] > 300.0).all()
    risk = numbers_at_risk(outcomes, "onset").query("treatment == 'stop'")
    assert (risk.day.max(), risk.at_risk.iloc[-1]) == (448.0, 13)
    assert "at risk on days 0, 89, 179, 268, 358, 448:" in survival_figure(outcomes).axes[0].get_xlabel()


def test_numbers_at_risk_fall_from_all_patients_to_those_followed_to_the_end() -> None:
    risk = numbers_at_risk(outcomes_of(made_up(), "here"), "onset").query("treatment == 'drug'")
    assert risk.day.tolist() == [0, 33, 67, 100, 134, 168]
    assert (risk.at_risk.iloc[0], risk.at_risk.iloc[-1]) == (40, 13)
    assert risk.at_risk.is_monotonic_decreasing


def answering_at_once(patients: int = 10) -> pd.DataFrame:
    """Two treatments; under one, every patient has an onset by day 4 and relapses within nine days of it."""
    table = made_up(patients)
    quick = table.treatment == "drug"
    table.loc[quick, "onset_day"] = np.linspace(1.0, 4.0, patients)
    table.loc[quick, "relapse_day"] = table.onset_day[quick] + np.linspace(2.0, 9.0, patients)
    table.loc[quick, "relapsed"] = True
    return table


@pytest.mark.parametrize("event", ["onset", "relapse"])
def test_a_treatment_that_acts_early_in_all_patients_does_not_cut_the_horizon(event: str) -> None:
    table = answering_at_once()
    had = table[(table.treatment == "drug") & table.onset_day.notna()]
    follow_up = 168.0 if event == "onset" else (had.followed_days - had.onset_day).max()
    found = survival_table(outcomes_of(table, "here")).set_index(["event", "treatment"]).loc[event]
    assert found.horizon_days["drug"] == pytest.approx(follow_up)
    days = had.onset_day if event == "onset" else had.relapse_day - had.onset_day
    assert found.restricted_mean_days["drug"] == pytest.approx(days.mean())
    assert found.restricted_mean_days["drug"] < found.restricted_mean_days["untreated"]


def test_curves_run_to_the_end_of_the_follow_up() -> None:
    onset, _ = survival_figure(outcomes_of(answering_at_once(), "here")).axes
    (drug,) = [line for line in onset.lines if str(line.get_label()).startswith("drug")]
    assert np.max(drug.get_xdata()) == 168.0


def test_number_needed_to_treat_is_one_over_the_paired_difference() -> None:
    table = made_up()
    found = needed_to_treat(outcomes_of(table, "here")).iloc[0]
    shares = table.groupby("treatment").recovered.mean()
    assert found.nnt == pytest.approx(1 / (shares["drug"] - shares["untreated"]))
    assert found.low < found.difference < found.high


def test_an_arm_that_is_no_better_has_no_number_needed_to_treat() -> None:
    worse = outcomes_of(made_up(onset_in_drug=0.0), "here")
    assert np.isinf(needed_to_treat(worse).nnt).all()
    assert "no patient recovered" in survival_table(worse).note.tolist()


def test_too_few_events_are_named() -> None:
    table = survival_table(outcomes_of(made_up(5), "here"))
    assert table.note.str.contains("too few").any()


def test_patients_never_stuck_and_failed_runs_are_counted_and_left_out() -> None:
    table = made_up(10)
    table.loc[table.patient == 0, "not_stuck"] = True
    table["status"] = np.where(table.patient == 1, "failed", "done")
    outcomes = outcomes_of(table, "here")
    assert (outcomes.not_stuck, outcomes.failed, len(outcomes.rows)) == (1, 2, 16)
    said = findings(outcomes, survival_table(outcomes))
    assert any("did not become stuck" in line for line in said)
    assert any("2 runs failed" in line for line in said)
    assert outcomes.left_out()["by_arm"]["drug"] == {"not_stuck": 1, "failed": 1, "left": 8}


def test_that_nothing_failed_is_said_too() -> None:
    outcomes = outcomes_of(made_up(6), "here")
    said = findings(outcomes, survival_table(outcomes))
    assert "Left out: 0 patients did not become stuck, 0 runs failed." in said


def test_an_arm_of_which_all_runs_failed_is_named() -> None:
    table = made_up(6)
    table["status"] = np.where(table.treatment == "drug", "failed", "done")
    outcomes = outcomes_of(table, "here")
    assert outcomes.empty_arms == ["drug"]
    assert any("Treatment drug: no patient is left" in line for line in outcomes.left_out_sentences())


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
