"""Recordings of single copies, and the page that contains them."""

import gzip
import json
import re
from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unstuck.files.find import cohort_path, shipped
from unstuck.parameters import default_parameters
from unstuck.patient.draw import draw_patient, read_cohort
from unstuck.patient.life import Life, get_stuck
from unstuck_analysis.view import prepare
from unstuck_analysis.view.cases import Cases, recording_key
from unstuck_analysis.view.plan import AddedStress, GivenDose, Lesion, PanelPlan, Plan
from unstuck_analysis.view.recording import Recorder, encode, header
from unstuck_analysis.view.shows import blocks, show_of
from unstuck_analysis.view.stories import read_story

NEURONS = 120


@pytest.fixture(scope="module")
def cases() -> Cases:
    """Patients that all tests of this file share."""
    return Cases()


def recorded(cases: Cases, panel: PanelPlan, until: float, **who: Any) -> Recorder:
    """A recording of one copy until a day."""
    chosen: dict[str, Any] = {"neurons": NEURONS, **who}
    plan = Plan((panel,), **chosen)
    recorder = cases.recorder(plan, panel)
    for day in blocks(until):
        recorder.advance(day)
    return recorder


def column(recorder: Recorder, name: str) -> np.ndarray:
    """All values of one column."""
    place = recorder.columns.names.index(name)
    return np.array([frame.values[place] for frame in recorder.frames])


@pytest.mark.parametrize(
    "panel",
    [
        PanelPlan("ssri-like"),
        PanelPlan("ketamine-like", "1 mg/kg"),
        PanelPlan("untreated", given=(GivenDose(30, "ketamine-like"),), stress=(AddedStress(48, 90),)),
    ],
)
def test_a_recording_holds_the_recovery_that_the_model_gives(cases: Cases, panel: PanelPlan) -> None:
    recorder = recorded(cases, panel, 20.0)
    cohort = read_cohort(cohort_path())
    treatment = recorder.treatment
    patient = draw_patient(treatment.circuit, default_parameters(), cohort, seed=1, index=0, neurons=NEURONS)
    life = Life(patient, treatment, get_stuck(patient, treatment))
    life.advance(life.time_h + 20 * 24)
    assert column(recorder, "recovery")[-1] == pytest.approx(life.recovery, abs=1e-4)


def test_frames_are_in_order_daily_and_dense_after_a_dose(cases: Cases) -> None:
    days = column(recorded(cases, PanelPlan("ketamine-like"), 14.0), "day")
    assert np.all(np.diff(days) >= 0)
    assert np.diff(days).max() <= 1.0 + 1e-6
    assert np.sum((days > 0) & (days <= 1)) >= 8
    assert days[0] == -142.0  # 82 days of stress in this patient, and 60 days of rest
    assert days[-1] == 14.0


def test_health_is_recovery_one_with_all_neurons_at_their_rate(cases: Cases) -> None:
    recorder = recorded(cases, PanelPlan("untreated"), 1.0)
    assert column(recorder, "recovery")[0] == pytest.approx(1.0, abs=0.01)
    assert recorder.frames[0].neurons.min() == recorder.frames[0].neurons.max() == 100


def test_copies_share_the_way_to_day_0(cases: Cases) -> None:
    one, other = (recorded(cases, PanelPlan(name), 1.0) for name in ("untreated", "ketamine-like"))
    before = [len(r.way.frames) for r in (one, other)]
    assert before[0] == before[1]
    assert all(a is b for a, b in zip(one.way.frames, other.way.frames, strict=True))


def test_a_dose_by_hand_never_changes_what_was_before_it(cases: Cases) -> None:
    plain = recorded(cases, PanelPlan("untreated"), 7.0)
    given = recorded(cases, PanelPlan("untreated", given=(GivenDose(72, "ketamine-like"),)), 7.0)
    values = [
        {float(f.values[0]): f.values[1] for f in r.frames if f.values[0] <= 3.0} for r in (plain, given)
    ]
    same = values[0].keys() & values[1].keys()
    assert len(same) > 3
    assert [values[0][day] for day in same] == pytest.approx([values[1][day] for day in same], abs=1e-5)


def test_a_dose_with_a_condition_is_listed_until_it_is_decided_against(cases: Cases) -> None:
    recorder = recorded(cases, PanelPlan("ssri-then-ketamine"), 1.0)
    assert any(drug == "ketamine-like" for _, drug, _ in recorder.doses())
    recorder.advance(80.0)
    (asked,) = recorder.life.conditions
    assert any(drug == "ketamine-like" for _, drug, _ in recorder.doses()) == asked.applied


def test_doses_by_hand_are_marked(cases: Cases) -> None:
    recorder = recorded(cases, PanelPlan("ssri-like", given=(GivenDose(30, "ketamine-like"),)), 2.0)
    assert [dose for dose in recorder.doses() if dose[2]] == [[1.25, "ketamine-like", True]]


def test_stress_is_listed_life_events_included(tmp_path: Path) -> None:
    file = tmp_path / "eventful.yaml"
    file.write_text("title: Eventful\nextends: untreated\nphases: {treatment: {life_events: true}}\n")
    recorder = recorded(Cases((str(file),)), PanelPlan(str(file)), 20.0, patient=6)
    stretches = recorder.stressed_days()
    assert any(first > 0 for first, _ in stretches)
    assert all(a[1] < b[0] for a, b in pairwise(stretches))


def test_a_patient_above_85_percent_on_day_0_is_marked_as_never_stuck(cases: Cases) -> None:
    marked = {
        p: header(recorded(cases, PanelPlan("untreated"), 0.0, patient=p, neurons=200)) for p in (0, 10)
    }
    assert not marked[0]["notStuck"]
    assert marked[10]["notStuck"]


def read_message(message: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON object of a binary message, and the rest."""
    length = int.from_bytes(message[:4], "little")
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def test_a_binary_message_can_be_read_back(cases: Cases) -> None:
    recorder = recorded(cases, PanelPlan("untreated"), 3.0)
    about, rest = read_message(encode(recorder, "k", 5, done=True))
    width, count = len(recorder.columns.names), about["count"]
    values = np.frombuffer(rest[: 4 * width * count], "<f4").reshape(count, width)
    neurons = np.frombuffer(rest[4 * width * count :], np.uint8).reshape(count, 3, NEURONS)
    assert (about["key"], about["start"], about["done"]) == ("k", 5, True)
    assert np.array_equal(values[-1], recorder.frames[-1].values)
    assert np.array_equal(neurons[0], recorder.frames[5].neurons)


def test_the_key_of_a_recording_changes_with_everything_that_changes_it() -> None:
    panel = PanelPlan("untreated")
    keys = {
        recording_key(Plan((panel,)), panel, 84.0),
        recording_key(Plan((panel,), seed=2), panel, 84.0),
        recording_key(Plan((panel,), neurons=100), panel, 84.0),
        recording_key(Plan((panel,)), PanelPlan("ssri-like"), 84.0),
        recording_key(Plan((panel,)), panel, 7.0),
    }
    assert len(keys) == 5


def test_an_exported_page_holds_its_recordings_and_nothing_that_ends_the_script_early(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("title: '</script><script>alert(1)</script>'\nextends: untreated\n", encoding="utf-8")
    page = prepare([str(file)], neurons=100).html(days=7)
    assert "<script>alert" not in page
    found = re.search(r'id="setup">(.*?)</script>', page, re.DOTALL)
    assert found
    setup = json.loads(found[1])
    (recording,) = setup["recordings"].values()
    about, _ = read_message(gzip.decompress(b64decode(recording["frames"])))
    assert about["done"]
    assert setup["shows"][0]["panels"][0]["title"] == "</script><script>alert(1)</script>"


# What the captions of the shipped stories claim: copy, column, day, lowest and highest value.
CLAIMS = {
    "getting-stuck": [("A", "recovery", 0.0, -0.01, 0.01), ("A", "recovery", 60.0, -0.2, 0.2)],
    "serotonin-first": [
        ("B", "serotonin mPFC", 7.0, 2.0, 20.0),
        ("B", "recovery", 14.0, -0.1, 0.2),
        ("A", "recovery", 84.0, -0.2, 0.3),
        ("B", "recovery", 84.0, 0.5, 2.0),
    ],
    "fast-and-fading": [("B", "recovery", 1.0, 0.5, 2.0), ("B", "recovery", 42.0, -0.2, 0.3)],
    "too-short": [("A", "recovery", 84.0, -0.2, 0.3), ("B", "recovery", 84.0, 0.5, 2.0)],
    "reuptake-alone": [
        ("A", "serotonin mPFC", 7.0, 0.1, 0.95),
        ("A", "recovery", 84.0, -0.2, 0.3),
        ("B", "recovery", 28.0, 0.08, 0.3),
        ("B", "recovery", 84.0, 0.28, 0.45),
        ("B", "serotonin mPFC", 28.0, 0.1, 0.95),
    ],
    "never-stuck": [("A", "connectivity", 0.0, 0.85, 1.2)],
}


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_what_a_story_says_is_true_in_the_model(cases: Cases, name: str) -> None:
    story = read_story(shipped("stories")[name])
    show = show_of(story.plan, until=story.last_day)
    for letter, what, day, low, high in CLAIMS[name]:
        panel = show.plan.panels["ABC".index(letter)]
        recorder = recorded(cases, panel, day, patient=story.patient, neurons=story.neurons, seed=story.seed)
        assert low <= column(recorder, what)[-1] <= high, (letter, what, day)


def test_the_claims_of_all_shipped_stories_are_tested() -> None:
    assert set(CLAIMS) == set(shipped("stories"))


def test_a_silenced_region_does_not_fire_and_a_cut_bundle_stays_cut(cases: Cases) -> None:
    lesions = (Lesion(48, "silence", "NAc"), Lesion(72, "cut", "HPC_P > mPFC_P"))
    recorder = recorded(cases, PanelPlan("untreated", lesions=lesions), 10.0)
    days, activity = column(recorder, "day"), column(recorder, "activity NAc")
    assert activity[(days >= 0) & (days <= 2)].min() > 0.3
    assert activity[days > 2].max() == 0.0
    strength = column(recorder, "strength HPC_P > mPFC_P")
    assert strength[(days > 0) & (days <= 3)].min() > 0.3
    assert strength[days > 3].max() < 1e-6
    assert column(recorder, "recovery")[-1] < -0.1
    whole = recorded(cases, PanelPlan("untreated"), 2.0)
    assert np.array_equal(column(whole, "recovery"), column(recorder, "recovery")[: len(whole.frames)])
