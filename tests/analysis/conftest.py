"""Fixtures of the tests of the analysis: a command run in this process, and one small comparison."""

import os
from pathlib import Path

import pytest
from command_line import Compared, Unstuck, unstuck_here


@pytest.fixture
def unstuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unstuck:
    """`unstuck("compare", ...)`, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return unstuck_here


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """Two patients of 100 neurons under the default treatments, in this process."""
    folder = tmp_path_factory.mktemp("compared")
    before = Path.cwd()
    os.chdir(folder)
    options = ("--patients", "2", "--neurons", "100", "--seed", "3")
    try:
        done = unstuck_here("compare", "--json", "--workers", "1", "--out", "results", *options)
    finally:
        os.chdir(before)
    return Compared(done, folder / "results", options)
