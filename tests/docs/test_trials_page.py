"""The page on virtual trials: made of its kept numbers, and no held-out finding is read twice."""

import json

import trials
from quick_runs import DOCS
from unstuck.files.find import shipped


def test_the_page_is_made_of_its_kept_numbers() -> None:
    numbers = json.loads(trials.DATA.read_text())
    assert trials.page(numbers) == (DOCS / "explanation" / "trials.md").read_text()


def test_every_finding_is_read_from_a_shipped_trial() -> None:
    readings = {**trials.READINGS, **trials.HELD_OUT}
    assert {reading.trial for reading in readings.values()} <= set(shipped("trials"))
    assert not set(trials.READINGS) & set(trials.HELD_OUT)
