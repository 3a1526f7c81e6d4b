"""Compiled code: an edited rule is what runs, and no state of the disk stops or changes a run."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest
import unstuck

PACKAGE = Path(unstuck.__file__).parent
# The number of a function that calls a rule of another file: H(1, 1, 1) = 0.5 with the rules as they are.
NUMBER = """
from unstuck.rules import receptors, trkb
from unstuck.rules.trkb import Trkb, gate
ONES = Trkb(*[1.0] * len(Trkb._fields))
def number():
    return gate(1.0, ONES)
"""
PRINT = f"{NUMBER}\nprint(number())"


@dataclass
class Copy:
    """A copy of the package, with a cache of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def cache(self) -> Path:
        return self.folder / "cache" / "unstuck" / "compiled"

    def files(self, suffix: str) -> list[Path]:
        """Stored files of one kind (nbi: index, nbc: code) of the function that is called."""
        return sorted(self.cache.rglob(f"trkb.gate*.{suffix}"))

    def run(self, program: str) -> subprocess.CompletedProcess[str]:
        """Run a program with this copy in a new process."""
        paths = {"PYTHONPATH": str(self.folder), "NUMBA_CACHE_DIR": str(self.folder / "cache")}
        return subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | paths | self.environment,
            capture_output=True,
            text=True,
            check=True,
        )

    def number(self) -> float:
        """The number in a new process, which has nothing to say."""
        done = self.run(PRINT)
        assert done.stderr == ""
        return float(done.stdout)


@pytest.fixture
def copied(tmp_path: Path) -> Copy:
    copytree(PACKAGE, tmp_path / "unstuck", ignore=ignore_patterns("__pycache__"))
    return Copy(tmp_path)


EDIT = """
from pathlib import Path
path = Path(receptors.__file__)
path.write_text(path.read_text().replace("return 1.0 / (1.0 +", "return 1.0 / (3.0 +"))
"""


def test_an_edited_rule_runs_in_a_new_process(copied: Copy) -> None:
    assert copied.number() == 0.5
    copied.run(f"from unstuck.rules import receptors\n{EDIT}")
    assert copied.number() == 0.25
    assert len(list(copied.cache.iterdir())) == 2


def test_an_edited_rule_runs_after_a_reload_and_is_not_stored_for_the_sources_before(copied: Copy) -> None:
    before = (copied.folder / "unstuck" / "rules" / "receptors.py").read_text()
    reload = (
        f"{NUMBER}\nprint(number()){EDIT}\nimport importlib\nimportlib.reload(receptors)\nprint(number())"
    )
    assert copied.run(reload).stdout.split() == ["0.5", "0.25"]
    assert copied.number() == 0.25
    (copied.folder / "unstuck" / "rules" / "receptors.py").write_text(before)
    assert copied.number() == 0.5


def test_a_reload_reaches_a_rule_under_any_name(copied: Copy) -> None:
    names = "from unstuck.rules.receptors import hill as my_hill\nassert my_hill(1.0, 1.0, 1.0) == 0.25"
    reload = f"{NUMBER}\nnumber(){EDIT}\nimport importlib\nimportlib.reload(receptors)\n{names}"
    engine = (
        "from unstuck.engine import neuron\nassert neuron.gate is trkb.gate and trkb.hill is receptors.hill"
    )
    copied.run(f"from unstuck.rules.receptors import hill as my_hill\n{reload}\n{engine}")


def test_the_version_of_the_sources_is_that_of_the_loaded_ones(copied: Copy) -> None:
    program = f"{NUMBER}\nfrom unstuck import version\nold = version.sources(){EDIT}\nimport importlib\n"
    unchanged = "assert version.sources() == old != version.sources_on_disk()\n"
    changed = "importlib.reload(receptors)\nassert version.sources() == version.sources_on_disk() != old"
    copied.run(program + unchanged + changed)


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_damaged_cache_file_is_made_again_with_one_line_of_explanation(
    copied: Copy, suffix: str, share: float
) -> None:
    assert copied.number() == 0.5
    (path,) = copied.files(suffix)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    done = copied.run(PRINT)
    assert float(done.stdout) == 0.5
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"unstuck: compiled code in {path.parent} is damaged (")
    assert line.endswith("); it is compiled again")
    assert copied.number() == 0.5
    assert len(path.read_bytes()) > 0.9 * len(whole)


def test_without_a_writable_home_compiled_code_is_stored_with_temporary_files(copied: Copy) -> None:
    (copied.folder / "file").write_text("")
    temporary = copied.folder / "temporary"
    temporary.mkdir()
    copied.environment |= {"NUMBA_CACHE_DIR": str(copied.folder / "file" / "cache"), "TMPDIR": str(temporary)}
    assert copied.number() == 0.5
    assert list(temporary.glob("unstuck-*/*/*/trkb.gate*.nbc"))


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="the folder is named by a number that Windows lacks")
def test_without_any_place_to_store_it_compiled_code_is_made_at_every_start(copied: Copy) -> None:
    (copied.folder / "file").write_text("")
    (copied.folder / f"unstuck-{os.getuid()}").write_text("")
    cache = str(copied.folder / "file" / "cache")
    copied.environment |= {"NUMBA_CACHE_DIR": cache, "TMPDIR": str(copied.folder)}
    done = copied.run(PRINT)
    assert float(done.stdout) == 0.5
    (line,) = done.stderr.splitlines()
    assert line.startswith("unstuck: compiled code cannot be stored")


def test_nothing_is_written_into_the_package(copied: Copy) -> None:
    assert copied.number() == 0.5
    assert not list((copied.folder / "unstuck").rglob("*.nb?"))


def test_folders_that_were_not_used_for_a_day_are_removed_but_for_the_last_ones(copied: Copy) -> None:
    old, recent = time.time() - 90_000, time.time() - 60
    for number in range(10):
        for name, used in ((f"old-{number}", old - number), (f"recent-{number}", recent)):
            (copied.cache / name).mkdir(parents=True)
            os.utime(copied.cache / name, (used, used))
    assert copied.number() == 0.5
    kept = {path.name for path in copied.cache.iterdir()}
    assert {f"recent-{number}" for number in range(10)} < kept
    assert len(kept) == 11  # and the one in use
