"""The report of a trial: its headline, tables and figures."""

import numpy as np
import pandas as pd
import pytest
from trial_cases import made_up_trial
from unstuck_analysis.trial.file import load_trial
from unstuck_analysis.trial.report import adherence_table, event_table, figures_of, trial_answer

HEADLINES = {
    "ssri-against-placebo": ({"placebo": 0.1, "ssri": 0.3}, "ssri against placebo: -"),
    "placebo-against-waiting-list": (
        {"waiting-list": 0.0, "placebo": 0.2},
        "placebo against waiting-list: -",
    ),
    "ssri-randomised-withdrawal": ({"stop": -0.2, "go-on": 0.0}, "Relapsed: stop "),
    "ssri-dose-finding": ({"placebo": 0.1, "10-mg": 0.1, "20-mg": 0.2, "40-mg": 0.3}, "Linear trend -"),
    "three-steps": ({"ssri": 0.6}, "Remitted in any step: "),
    "ssri-open": ({"ssri": 0.3}, "ssri: 80 patients, mean change -"),
    "ssri-cross-over": ({"placebo": 0.1, "ssri": 0.3}, "ssri against placebo: "),
    "ssri-after-placebo-lead-in": ({"placebo": 0.1, "ssri": 0.3}, "ssri against placebo: -"),
}


@pytest.mark.parametrize("name", HEADLINES)
def test_the_headline_is_what_the_trial_was_made_for(name: str) -> None:
    falls, headline = HEADLINES[name]
    answer = trial_answer(made_up_trial(load_trial(name), 80, falls))
    assert answer.finding[0].startswith(headline)
    assert "NaN" not in answer.json()


def test_the_mean_change_of_an_arm_has_an_interval_and_patients_who_were_rated_are_counted() -> None:
    answer = trial_answer(
        made_up_trial(load_trial("ssri-against-placebo"), 80, {"placebo": 0.1, "ssri": 0.3})
    )
    arms = pd.DataFrame(answer.tables["arms"].records())
    assert ((arms.low < arms.mean_change) & (arms.mean_change < arms.high)).all()
    assert "Patients rated on days 0, 7, 14," in answer.figures["curves"].caption


def test_adherence_counts_days_with_a_dose_of_placebo_too_and_no_dose_in_a_waiting_list() -> None:
    trial = load_trial("placebo-against-waiting-list")
    table = adherence_table(made_up_trial(trial, 600, {"waiting-list": 0.1, "placebo": 0.1}))
    waiting, placebo = pd.DataFrame(table.records()).to_dict("records")
    assert (waiting["taken"], waiting["no_dose"]) == (0.0, waiting["n"])
    never, missed = 0.08, 0.10
    stopped = np.exp(-0.0055 * np.arange(56) / 7).mean()
    assert placebo["taken"] == pytest.approx((1 - never) * (1 - missed) * stopped, abs=0.03)
    assert placebo["no_dose"] / placebo["n"] == pytest.approx(never, abs=0.03)
    in_clinic = made_up_trial(
        load_trial("ketamine-against-midazolam"), 20, {"midazolam": 0.1, "ketamine": 0.3}
    )
    assert [row["taken"] for row in adherence_table(in_clinic).records()] == [1.0, 1.0]


def test_the_figure_of_events_has_the_log_rank_test_and_the_numbers_at_risk() -> None:
    result = made_up_trial(load_trial("ssri-against-placebo"), 80, {"placebo": 0.1, "ssri": 0.4})
    placebo, ssri = pd.DataFrame(event_table(result).records()).to_dict("records")
    shown = figures_of(result)["events"]
    assert np.isnan(placebo["p"])
    assert ssri["p"] < 0.001
    assert "Log-rank test, ssri against placebo: p < 0.001." in shown.caption
    below = shown.figure.axes[0].get_xlabel().splitlines()
    assert below[1:3] == [
        "at risk on days 0, 7, 14, 21, 28, 35, 42, 49, 56:",
        "placebo: 40, " + below[2][13:],
    ]
    at_risk = [int(number) for number in below[3].removeprefix("ssri: ").split(", ")]
    assert at_risk[0] == ssri["n"]
    assert at_risk == sorted(at_risk, reverse=True)


def test_harms_and_the_treatment_that_was_received_are_reported() -> None:
    result = made_up_trial(load_trial("ssri-against-placebo"), 80, {"placebo": 0.1, "ssri": 0.3})
    assert any(note.startswith("Harms are not modelled") for note in trial_answer(result).notes)
    drawn = [text.get_text() for text in figures_of(result)["flow"].figure.axes[0].texts]
    treated = (result.groups[0].doses[:, -1] > 0).sum()
    assert f"placebo\nallocated (n = 40)\nreceived treatment: {treated}\ndid not: {40 - treated}" in drawn
