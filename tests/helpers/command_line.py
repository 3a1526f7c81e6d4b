"""Run `unstuck ...` in this process and look at what it printed."""

import contextlib
import io
import json
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


@dataclass(frozen=True)
class Compared:
    """A finished `unstuck compare --json` with the default treatments, its folder, and its options."""

    done: Done
    folder: Path
    options: tuple[str, ...]


def fails(unstuck: Unstuck, *arguments: object, code: int = 2) -> str:
    """The message of a command that fails, one line a fault: no standard output, no traceback."""
    done = unstuck(*arguments)
    assert (done.code, done.out) == (code, "")
    assert "Traceback" not in done.err
    assert done.err.startswith("unstuck: ")
    return done.err.removeprefix("unstuck: ").strip()
