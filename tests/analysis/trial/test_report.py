"""The report of a trial: its headline, tables and figures."""

import pandas as pd
import pytest
from trial_cases import made_up_trial
from unstuck_analysis.trial.file import load_trial
from unstuck_analysis.trial.report import trial_answer

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
