"""Names and paths of files; reading them loads neither numba nor the engine."""

import subprocess
import sys
from pathlib import Path

import pytest
from unstuck.errors import InputError
from unstuck.files.find import find, matching, replaced_files

HEAVY = ("numba", "pint", "scipy", "pandas", "mesa", "networkx", "unstuck.engine.step")


@pytest.mark.parametrize(
    "code",
    [
        "from unstuck.files.treatment import Treatment; Treatment('ssri-then-ketamine')",
        "from unstuck_analysis.library.check import check_file\nfrom unstuck.files.find import find\n"
        "check_file(find('drugs', 'fluoxetine-like'))",
    ],
)
def test_reading_and_checking_a_file_loads_neither_numba_nor_the_engine(code: str) -> None:
    code += f"\nimport sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("pattern", ["/etc/*.yaml", "../*.yaml", "**/*.yaml", "arms/../../*.yaml"])
def test_a_pattern_that_leaves_its_folder_or_searches_all_folders_is_refused(
    pattern: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="a pattern is relative"):
        matching(pattern, tmp_path)


def test_a_pattern_matches_yaml_files_of_its_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.YAML", "c.txt"):
        (tmp_path / name).write_text("")
    assert matching("*", tmp_path) == [str(tmp_path / "a.YAML"), str(tmp_path / "b.yaml")]


def test_a_pattern_that_matches_too_many_files_is_refused(tmp_path: Path) -> None:
    for number in range(1001):
        (tmp_path / f"{number}.yaml").touch()
    with pytest.raises(InputError, match="matches more than 1000 files"):
        matching("*.yaml", tmp_path)


def test_a_file_can_name_yaml_files_only(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'/etc/passwd' is not a YAML file"):
        find("treatments", "/etc/passwd", tmp_path / "own.yaml")


def test_a_file_that_replaces_a_shipped_one_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert replaced_files() == []
    (tmp_path / "scenarios" / "drugs").mkdir(parents=True)
    (tmp_path / "scenarios" / "cohort.yaml").touch()
    (tmp_path / "scenarios" / "drugs" / "ssri-like.yaml").touch()
    (tmp_path / "scenarios" / "drugs" / "mine.yaml").touch()
    assert replaced_files() == [Path("scenarios/cohort.yaml"), Path("scenarios/drugs/ssri-like.yaml")]
