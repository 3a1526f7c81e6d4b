"""Files that are edited between two comparisons of one process: the second one is of the edited files."""

from itertools import pairwise
from pathlib import Path
from shutil import copytree

import pytest
from unstuck.files.find import shipped_folders
from unstuck_analysis.compare import Comparison, compare

TREATMENT = """
title: Short
extends: untreated
circuit: default
phases:
  treatment: {for: 7 d, drugs: [{drug: my-drug, every: 1 d, for: 7 d}]}
follow_up: 1 d
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with scenarios of its own."""
    copytree(next(path for path in shipped_folders() if path.is_dir()), tmp_path / "scenarios")
    (tmp_path / "short.yaml").write_text(TREATMENT)
    drug = (tmp_path / "scenarios" / "drugs" / "ssri-like.yaml").read_text()
    (tmp_path / "my-drug.yaml").write_text(drug)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def measured() -> Comparison:
    return compare(["short.yaml"], patients=1, neurons=100, seed=1)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_edited_treatments_drugs_and_cohorts_count_in_the_same_process(here: Path) -> None:
    series = [measured().series]
    edit(here / "short.yaml", "every: 1 d, for: 7 d", "every: 1 d, for: 2 d")
    series.append(measured().series)
    edit(here / "my-drug.yaml", "odds: {value: odds,", "odds: {value: 1.5,")
    series.append(measured().series)
    edit(here / "scenarios" / "cohort.yaml", "symbol: stB, cv: 0.3", "symbol: stB, cv: 0.1")
    series.append(measured().series)
    for number, (before, after) in enumerate(pairwise(series)):
        assert not before.equals(after), number
