"""What the tests of the command line share: a command run in this process, and one small comparison."""

import contextlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from unstuck_analysis.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON object it has to be."""
        return json.loads(self.out)


def unstuck_here(*arguments: object) -> Done:
    """Run `unstuck ...` in this process, as its entry point does."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    code = end.value.code
    return Done(code if isinstance(code, int) else int(code is not None), out.getvalue(), err.getvalue())


Unstuck = Callable[..., Done]


@pytest.fixture
def unstuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Unstuck:
    """`unstuck("compare", ...)`, run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return unstuck_here


@dataclass(frozen=True)
class Compared:
    """A finished `unstuck compare --json` with the default arms, its folder, and its options."""

    done: Done
    folder: Path
    options: tuple[str, ...]


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


def fails(unstuck: Unstuck, *arguments: object, code: int = 2) -> str:
    """The message of a command that fails, one line a fault: no standard output, no traceback."""
    done = unstuck(*arguments)
    assert (done.code, done.out) == (code, "")
    assert "Traceback" not in done.err
    assert done.err.startswith("unstuck: ")
    return done.err.removeprefix("unstuck: ").strip()
