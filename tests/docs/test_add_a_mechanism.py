"""The page on adding a mechanism: every block is applied to a copy of the program, which then runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from unstuck_analysis.compare import compare

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "add-a-mechanism.md"
BLOCK = re.compile(r"^```(\w+)\n(?:# (file|end of file): (\S+)\n)?(.*?)^```$", re.MULTILINE | re.DOTALL)
INFLAMED_BDNF = 1 - 0.3 * 0.8  # share of synthesis that is left: 1 - iB times the strength of the drug


def edited(text: str, hunk: str, place: str) -> str:
    """A text after one hunk of a diff, whose old lines it contains exactly once."""
    lines = hunk.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] != other) for other in "+-")
    assert text.count(old) == 1, f"{place}: not exactly once:\n{old}"
    return text.replace(old, new)


def apply(folder: Path) -> list[str]:
    """Copy the program into a folder and follow the page; returns the commands to type."""
    for name in ("model", "analysis", "scenarios"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    commands: list[str] = []
    for language, where, name, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        path = folder / name
        if language == "diff" and where == "file":
            for hunk in text.split("@@\n"):
                path.write_text(edited(path.read_text(), hunk, name))
        elif language == "diff":
            path.write_text(path.read_text() + "".join(line[1:] for line in text.splitlines(keepends=True)))
        elif language == "sh":
            commands += text.splitlines()
        else:
            path.write_text(text)
    return commands


def type_in(folder: Path, command: str) -> str:
    """Run a command with the copy of the program."""
    words = command.split()
    assert words[0] == "unstuck"
    paths = {"PYTHONPATH": os.pathsep.join(str(folder / name) for name in ("model", "analysis"))}
    run = [sys.executable, "-m", "unstuck_analysis", *words[1:]]
    done = subprocess.run(
        run, cwd=folder, env=os.environ | paths, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_drug_can_name_the_target_that_the_page_adds(tmp_path: Path) -> None:
    check, _ = apply(tmp_path)
    assert "interferon-like.yaml" in type_in(tmp_path, check)
    assert "inflammation" in type_in(tmp_path, "unstuck show interferon-like.yaml")


@pytest.mark.slow  # compiles the changed rules
def test_the_mechanism_acts_under_its_drug_and_changes_nothing_without_it(tmp_path: Path) -> None:
    _, command = apply(tmp_path)
    type_in(tmp_path, command)
    outcomes = pd.read_parquet(tmp_path / "results/inflammation/outcomes.parquet").set_index("treatment")
    before = compare(["untreated"], patients=1, neurons=0).outcomes.iloc[0]
    for name in ("connectivity_stuck", "recovery_endpoint"):
        assert outcomes.at["untreated", name] == pytest.approx(before[name], abs=1e-6)
    series = pd.read_parquet(tmp_path / "results/inflammation/series.parquet")
    bdnf = series.pivot(index="day", columns="treatment", values="bdnf_HPC_P").loc[14.0]
    assert bdnf["interferon-like"] / bdnf["untreated"] == pytest.approx(INFLAMED_BDNF, rel=0.05)
