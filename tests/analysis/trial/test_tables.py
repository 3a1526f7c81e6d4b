"""Tables for other programs: names and labels of CDISC ADaM (sources: tests/reference/adam.csv)."""

import csv
from pathlib import Path

import numpy as np
import pytest
from trial_cases import made_up_trial
from unstuck_analysis.trial.analysis import TrialResult
from unstuck_analysis.trial.file import load_trial
from unstuck_analysis.trial.tables import LABELS, frames_of

FALLS = {
    "ssri-against-placebo": {"placebo": 0.1, "ssri": 0.3},
    "ssri-cross-over": {"placebo": 0.1, "ssri": 0.3},
    "three-steps": {"ssri": 0.5},
}


def standard() -> dict[str, dict[str, str]]:
    """Labels by name of each ADaM data set."""
    labels: dict[str, dict[str, str]] = {}
    with (Path(__file__).parents[2] / "reference" / "adam.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            labels.setdefault(row["dataset"].lower(), {})[row["name"]] = row["label"]
    return labels


def trial(name: str) -> TrialResult:
    return made_up_trial(load_trial(name), 80, FALLS[name])


@pytest.mark.parametrize("name", FALLS)
def test_adam_tables_have_only_standard_names_and_labels(name: str) -> None:
    frames = frames_of(trial(name))
    for dataset, labels in standard().items():
        columns = list(frames[dataset].columns)
        assert {column: LABELS[column] for column in columns} == {
            column: labels[column] for column in columns
        }
        assert all(len(column) <= 8 for column in columns)
    assert set(LABELS) == {name for labels in standard().values() for name in labels}


@pytest.mark.parametrize("name", FALLS)
def test_adsl_has_one_row_per_subject_and_adtte_codes_an_event_as_0(name: str) -> None:
    result = trial(name)
    frames = frames_of(result)
    adsl, adtte = frames["adsl"], frames["adtte"]
    assert len(adsl) == adsl.USUBJID.nunique() == len(result.rows)
    assert ((adsl.COMPLFL == "N") == (adsl.DCSREAS != "")).all()
    assert set(frames["adqs"].USUBJID) == set(adsl.USUBJID)
    assert set(adtte.CNSR) <= {0, 1}
    assert set(adtte.EVNTDESC[adtte.CNSR == 0]) <= {"Response"}
    left = adsl.set_index("USUBJID").DCSREAS
    censored = adtte[adtte.CNSR == 1]
    for subject, event in zip(censored.USUBJID, censored.EVNTDESC, strict=True):
        assert event in {"End of follow-up", f"Left: {left[subject]}"}  # a period or step may end before
    assert adtte.EVNTDESC.str.startswith("Left: ").any()


def test_a_cross_over_names_the_treatment_of_both_periods() -> None:
    adsl = frames_of(trial("ssri-cross-over"))["adsl"]
    assert set(adsl.ARM) == {"placebo - ssri", "ssri - placebo"}
    assert (adsl.TRT01P != adsl.TRT02P).all()


def test_the_numbers_for_rpact_are_those_of_the_long_table() -> None:
    frames = frames_of(trial("ssri-against-placebo"))
    long, numbers = frames["long"], frames["rpact"]
    for row in numbers.to_dict("records"):
        change = long.change[(long.arm == row["arm"]) & (long.day == row["day"])].dropna()
        assert (len(change), np.mean(change)) == (row["n"], pytest.approx(row["mean_change"]))
        assert np.std(change, ddof=1) == pytest.approx(row["sd_change"])
