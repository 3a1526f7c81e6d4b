"""Results folders: each has the results of one run, whatever else is started at the same moment."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from claims import PROCESSES, claims_of_processes
from command_line import Unstuck
from unstuck_analysis.output.folder import LOCK, claim_folder, release_folders


@pytest.fixture(autouse=True)
def _released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    release_folders()


def test_runs_that_start_at_the_same_moment_get_different_folders(tmp_path: Path) -> None:
    claimed = claims_of_processes(None)
    assert len(set(claimed)) == PROCESSES
    assert all((tmp_path / folder).is_dir() for folder in claimed)


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("overwrite", [False, True])
def test_only_one_of_the_runs_that_start_at_the_same_moment_gets_the_folder_they_name(
    tmp_path: Path, exists: bool, overwrite: bool
) -> None:
    if exists:
        (tmp_path / "out").mkdir()
    claimed = claims_of_processes(Path("out"), overwrite)
    refused = "refused: out: another run is writing its results there; give another folder with --out"
    assert sorted(claimed) == ["out", *[refused] * (PROCESSES - 1)]
    assert list((tmp_path / "out").iterdir()) == []


def test_folders_of_one_second_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Noon:
        @staticmethod
        def now(_: object) -> "Noon":
            return Noon()

        def strftime(self, _: str) -> str:
            return "20260102T120000Z"

    monkeypatch.setattr("unstuck_analysis.output.folder.datetime", Noon)
    names = [claim_folder(None, "run").name for _ in range(3)]
    assert names == [f"run-20260102T120000Z{number}" for number in ("", "-2", "-3")]


def test_the_lock_of_a_run_that_was_killed_does_not_count(tmp_path: Path) -> None:
    code = (
        "import os\nfrom pathlib import Path\nfrom unstuck_analysis.output.folder import claim_folder\n"
        "claim_folder(Path('out'), 'run')\nos._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == 9
    assert (tmp_path / "out" / LOCK).exists()
    assert claim_folder(Path("out"), "run") == Path("out")


def test_a_folder_in_use_is_refused_before_anything_is_computed(
    unstuck: Unstuck, monkeypatch: pytest.MonkeyPatch
) -> None:
    def computed(*_: object, **__: object) -> None:
        raise AssertionError("computed")

    monkeypatch.setattr("unstuck_analysis.compare.compare", computed)
    code = (
        "import sys\nfrom pathlib import Path\nfrom unstuck_analysis.output.folder import claim_folder\n"
        "claim_folder(Path('out'), 'run')\nprint('claimed', flush=True)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "claimed\n"
        done = unstuck("compare", "untreated", "--out", "out", "--overwrite")
        other.communicate("")
    assert (done.code, done.out) == (2, "")
    assert "out: another run is writing its results there" in done.err


def test_results_of_an_earlier_run_do_not_stay_beside_those_of_a_comparison(
    unstuck: Unstuck, tmp_path: Path
) -> None:
    small = ("--neurons", "100", "--out", "out")
    assert unstuck("run", "untreated", *small).code == 0
    assert (tmp_path / "out" / "patient.png").exists()
    compared = unstuck("compare", "untreated", "--patients", "1", "--workers", "1", *small, "--overwrite")
    assert compared.code == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert not names & {"patient.png", "outcomes.csv", LOCK}
