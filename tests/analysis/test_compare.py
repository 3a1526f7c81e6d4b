"""The machine-readable contract of `compare` and `run`, and that the numbers depend on the seed alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import Compared, Unstuck
from unstuck.engine.step import RunError
from unstuck_analysis.compare import SUMMARY_DAYS, compare, comparison_of, paired_difference, summary
from unstuck_analysis.study.results import Results

DAYS = ["1", "2", "7", "14", "28", "42", "84"]
REGIONS = ["mPFC", "HPC", "NAc", "AMY", "DRN"]
DEFAULT_ARMS = ["untreated", "ssri-like", "ssre-only", "tianeptine-like", "ketamine-like"]
ARM_KEYS = [
    "treatment",
    "patients",
    "onset_day_median",
    "recovered_share",
    "remitted_share",
    "relapsed_share",
    "still_recovered_share",
    "overactive_activity",
    "recovery",
    "serotonin_ratio",
    "bdnf",
    "difference",
]
RUN_KEYS = [
    "seed",
    "patient",
    "treatment",
    "onset_day",
    "recovered_days",
    "remitted",
    "relapsed",
    "still_recovered",
    "recovery",
    "serotonin_ratio",
    "bdnf",
    "series",
]


def arm_of(compared: Compared, treatment: str) -> dict[str, Any]:
    return next(arm for arm in compared.done.json["arms"] if arm["treatment"] == treatment)


def test_compare_prints_one_json_object_and_nothing_else(compared: Compared) -> None:
    assert compared.done.code == 0
    assert compared.done.out.count("\n") == 1
    assert list(compared.done.json) == ["seed", "patients", "not_stuck", "arms"]
    assert (compared.done.json["seed"], compared.done.json["patients"]) == (3, 2)


def test_the_default_arms_come_in_their_order(compared: Compared) -> None:
    assert [arm["treatment"] for arm in compared.done.json["arms"]] == DEFAULT_ARMS


def test_every_arm_has_the_keys_of_the_contract(compared: Compared) -> None:
    assert [str(day) for day in SUMMARY_DAYS] == DAYS
    for arm in compared.done.json["arms"]:
        assert list(arm) == ARM_KEYS
        assert list(arm["recovery"]) == DAYS
        assert list(arm["difference"]) == ["day", "mean", "low", "high"]
        for by_region in (arm["serotonin_ratio"], arm["bdnf"]):
            assert list(by_region) == REGIONS
            assert all(list(by_day) == DAYS for by_day in by_region.values())


def test_a_notebook_shows_a_comparison_as_a_table_and_a_figure(compared: Compared) -> None:
    shown = comparison_of(Results(compared.folder))
    assert shown.table().treatment.tolist() == DEFAULT_ARMS
    assert len(shown.figure().axes) > 1
    html = shown._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert html.startswith("<table")
    assert html.count("<tr") == len(DEFAULT_ARMS) + 1
    assert "<svg" in html


def test_numbers_are_numbers_and_shares_are_shares(compared: Compared) -> None:
    for arm in compared.done.json["arms"]:
        for key in ("recovered_share", "remitted_share", "still_recovered_share"):
            assert 0.0 <= arm[key] <= 1.0
        values = [arm["recovery"], *arm["serotonin_ratio"].values(), *arm["bdnf"].values()]
        assert all(isinstance(value, float) for by_day in values for value in by_day.values())


def test_without_an_onset_median_and_relapse_are_null(compared: Compared) -> None:
    untreated = arm_of(compared, "untreated")
    assert (untreated["onset_day_median"], untreated["relapsed_share"]) == (None, None)
    assert untreated["recovered_share"] == 0.0


def test_the_difference_is_paired_with_the_first_arm(compared: Compared) -> None:
    recovery = {arm["treatment"]: arm["recovery"]["84"] for arm in compared.done.json["arms"]}
    for arm in compared.done.json["arms"]:
        difference = arm["difference"]
        assert difference["day"] == 84
        assert difference["mean"] == pytest.approx(recovery[arm["treatment"]] - recovery["untreated"])
        assert difference["low"] <= difference["mean"] <= difference["high"]
    assert arm_of(compared, "untreated")["difference"] == {"day": 84, "mean": 0.0, "low": 0.0, "high": 0.0}


def test_every_stuck_patient_is_better_on_the_ssri_like_than_untreated(compared: Compared) -> None:
    outcomes = pd.read_parquet(compared.folder / "outcomes.parquet").set_index(["treatment", "patient"])
    ends = outcomes[["recovery_endpoint", "structural_recovery_endpoint", "functional_recovery_endpoint"]]
    assert not outcomes.not_stuck.any()
    assert (ends.loc["ssri-like"] > ends.loc["untreated"]).all(axis=None)
    recovery = {arm: arm_of(compared, arm)["recovery"]["84"] for arm in ("ssri-like", "untreated")}
    assert recovery["ssri-like"] > recovery["untreated"] + 0.1
    assert recovery["untreated"] < 0.2


def test_progress_is_plain_lines_on_standard_error(compared: Compared) -> None:
    lines = compared.done.err.splitlines()
    assert lines[0] == "0 of 10 runs done"
    assert "10 of 10 runs done" in lines
    assert "\x1b" not in compared.done.err
    assert "\r" not in compared.done.err


def test_what_lies_outside_the_model_is_printed_as_notes(compared: Compared) -> None:
    notes = [line for line in compared.done.err.splitlines() if line.startswith("Note: ")]
    assert any("No placebo response is modelled" in note for note in notes)
    assert any("mu-opioid" in note for note in notes)


def test_all_files_are_written_and_no_other(compared: Compared) -> None:
    names = sorted(path.name for path in compared.folder.iterdir() if not path.name.startswith("plan-"))
    assert names == [
        "locks",
        "outcomes.parquet",
        "patients.parquet",
        "recovery.png",
        "recovery.svg",
        "report.html",
        "runs",
        "series.parquet",
        "sessions.jsonl",
        "study.json",
        "summary.csv",
    ]


def test_tables_on_disk_hold_what_was_printed(compared: Compared) -> None:
    outcomes = pd.read_parquet(compared.folder / "outcomes.parquet")
    assert list(outcomes.groupby("treatment", sort=False).size().index) == DEFAULT_ARMS
    assert set(outcomes.patient) == {0, 1}
    flat = pd.read_csv(compared.folder / "summary.csv").set_index("treatment")
    series = pd.read_parquet(compared.folder / "series.parquet")
    for arm in compared.done.json["arms"]:
        name = arm["treatment"]
        assert flat.loc[name, "recovery_day_28"] == pytest.approx(arm["recovery"]["28"])
        on_day = series[(series.treatment == name) & (series.day == 28)]
        assert on_day.recovery.mean() == pytest.approx(arm["recovery"]["28"])
        assert on_day.bdnf_DRN_S.mean() == pytest.approx(arm["bdnf"]["DRN"]["28"])


@pytest.mark.parametrize("treatment", ["ketamine-like", "untreated"])
def test_run_is_the_row_of_compare(compared: Compared, unstuck: Unstuck, treatment: str) -> None:
    done = unstuck("run", treatment, "--patient", "1", "--json", "--seed", "3", "--neurons", "100")
    assert done.code == 0
    assert list(done.json) == RUN_KEYS
    rows = pd.read_parquet(compared.folder / "outcomes.parquet")
    row = rows[(rows.treatment == treatment) & (rows.patient == 1)].iloc[0]
    onset = None if np.isnan(row.onset_day) else row.onset_day
    assert done.json["onset_day"] == onset
    for key in ("recovered_days", "remitted", "relapsed", "still_recovered"):
        assert done.json[key] == row[key]
    series = pd.read_parquet(compared.folder / "series.parquet")
    same = series.loc[(series.treatment == treatment) & (series.patient == 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_parquet(done.json["series"]), same, check_exact=True)


def test_two_processes_give_the_same_bits_as_one(compared: Compared) -> None:
    arms = ["untreated", "ketamine-like"]
    by_two = compare(arms, patients=2, neurons=100, seed=3, workers=2)
    for name, found in (("outcomes", by_two.outcomes), ("series", by_two.series)):
        by_one = pd.read_parquet(compared.folder / f"{name}.parquet")
        expected = by_one.loc[by_one.treatment.isin(arms)].reset_index(drop=True)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert summary(by_two)["arms"] == [arm_of(compared, arm) for arm in arms]


def test_a_folder_in_use_is_replaced_with_overwrite_only(compared: Compared, unstuck: Unstuck) -> None:
    arguments = ("run", "untreated", "--neurons", "100", "--out", "mine")
    assert unstuck(*arguments).code == 0
    refused = unstuck(*arguments)
    assert (refused.code, refused.out) == (2, "")
    assert "not empty" in refused.err
    assert unstuck(*arguments, "--overwrite").code == 0


def test_results_go_into_a_new_folder_unless_another_is_named(unstuck: Unstuck, tmp_path: Path) -> None:
    assert unstuck("run", "untreated", "--neurons", "100").code == 0
    (folder,) = (path for path in (tmp_path / "results").iterdir() if path.name != "latest")
    assert (tmp_path / "results" / "latest").resolve() == folder
    assert folder.name.startswith("run-")
    assert folder.name.endswith("Z")
    assert sorted(path.name for path in folder.iterdir()) == ["outcomes.csv", "patient.png", "series.parquet"]


CALM = "title: Never ill\nphases:\n  treatment: {for: 4 weeks}\nfollow_up: 0 d\n"


def test_patients_who_never_got_stuck_are_counted_and_left_out(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "calm.yaml").write_text(CALM)
    done = unstuck("compare", "calm.yaml", "--patients", "1", "--neurons", "100", "--workers", "1", "--json")
    assert done.code == 0
    assert done.json["not_stuck"] == 1
    (arm,) = done.json["arms"]
    assert arm["patients"] == 0
    assert all(arm[key] is None for key in ARM_KEYS if key.endswith(("_share", "_median", "_activity")))
    assert arm["difference"] == {"day": 84, "mean": None, "low": None, "high": None}
    assert set(arm["recovery"].values()) == {None}
    alone = unstuck("run", "calm.yaml", "--neurons", "100", "--json")
    assert (alone.code, list(alone.json)) == (0, RUN_KEYS)
    assert "Note: this patient did not get stuck" in alone.err


def test_a_run_lost_on_the_way_to_day_0_names_treatment_and_patient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lost(*_: object) -> None:
        raise RunError("BDNF of mPFC_P is nan on day -3.00")

    monkeypatch.setattr("unstuck_analysis.study.run.get_stuck", lost)
    with pytest.raises(
        RunError, match=r"untreated, patient 0 of seed 1: BDNF of mPFC_P is nan on day -3\.00"
    ):
        compare(["untreated"], patients=1, neurons=100)


SHORT = (
    "title: Short\nextends: untreated\nphases: {wash-out: {for: 1 d}}\nfollow_up: 4 weeks\nendpoint_day: 28\n"
)


def test_another_endpoint_is_named_and_a_short_follow_up_escapes_nobody(
    unstuck: Unstuck, tmp_path: Path
) -> None:
    (tmp_path / "short.yaml").write_text(SHORT)
    arguments = ("compare", "short.yaml", "--patients", "1", "--neurons", "100", "--workers", "1")
    done = unstuck(*arguments, "--out", "out")
    assert "R on day 28" in done.out
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "recovered on day 28" in page
    assert "<td>n/a</td>" in page
    (arm,) = unstuck(*arguments, "--json").json["arms"]
    assert arm["still_recovered_share"] is None
    assert arm["difference"]["day"] == 28
    assert (tmp_path / "out" / "summary.csv").read_text().splitlines()[0].endswith("difference_high")
    assert done.out.startswith("1 stuck patient of 1 (seed 1)\n")
    assert done.out.rstrip().endswith("Fewer than 5 stuck patients: shares and intervals mean little.")
    assert unstuck("run", "short.yaml", "--neurons", "100", "--json").json["still_recovered"] is None


def test_a_treatment_named_twice_is_run_once() -> None:
    comparison = compare(["untreated", "untreated"], patients=1, neurons=100)
    assert [treatment.name for treatment in comparison.treatments] == ["untreated"]
    assert json.dumps(summary(comparison), allow_nan=False)


def test_a_day_that_was_not_followed_has_no_difference() -> None:
    comparison = compare(["untreated"], patients=1, neurons=100)
    assert paired_difference(comparison, "untreated", day=4000)["mean"] is None


def test_the_terminal_table_fits_80_columns(unstuck: Unstuck) -> None:
    done = unstuck(
        "compare", "untreated", "ketamine-like", "--patients", "1", "--neurons", "100", "--workers", "1"
    )
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80
    header = " ".join(done.out.splitlines()[2:4])
    for word in ("treatment", "onset", "recov-", "lapsed", "AMY", "firing", "R vs untreated", "(95 %)"):
        assert word in header
    assert any(line.startswith("ketamine-like ") for line in done.out.splitlines())


def test_the_region_whose_firing_is_reported_is_that_of_the_circuit_file(
    unstuck: Unstuck, tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text(
        "title: t\nextends: default\nroles: {overactive: HPC_P}\n", encoding="utf-8"
    )
    (tmp_path / "short.yaml").write_text(SHORT + "circuit: other.yaml\n")
    done = unstuck("compare", "short.yaml", "--patients", "1", "--neurons", "100", "--workers", "1")
    assert "HPC firing:" in done.out
    assert "AMY" not in done.out
