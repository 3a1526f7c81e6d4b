"""The command line: help, bad input, full disks, Ctrl-C. No user ever sees a traceback."""

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from command_line import Unstuck, fails
from typer.main import get_command
from unstuck_analysis import compare as comparing
from unstuck_analysis.commands import app
from unstuck_analysis.study.store import Store

SMALL = ("--patients", "1", "--neurons", "100", "--workers", "1")
COMMANDS = sorted(get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]
# Help


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example_of_it(unstuck: Unstuck, command: str) -> None:
    done = unstuck(command, "--help")
    assert done.code == 0
    assert f"Example: unstuck {command}" in " ".join(done.out.split())


def test_unstuck_alone_is_unstuck_help(unstuck: Unstuck) -> None:
    alone = unstuck()
    assert (alone.code, alone.err) == (0, "")
    assert alone.out == unstuck("--help").out
    assert all(command in alone.out for command in COMMANDS)


def test_the_version_is_that_of_the_package(unstuck: Unstuck) -> None:
    from unstuck import __version__

    assert unstuck("--version").out == f"unstuck {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    heavy = ("numpy", "numba", "pandas", "matplotlib", "mesa", "networkx", "pydantic", "scipy", "pint")
    code = (
        "import sys\n"
        "from unstuck_analysis.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == allowed_by_typer()


def allowed_by_typer() -> str:
    """What typer itself imports (pydantic, since its version 0.26)."""
    code = "import sys, typer.main; print(['pydantic'] * ('pydantic' in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


# Wrong words on the command line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compar"], "did you mean 'compare'"),
        (["compare", "--pateints", "3"], "--patients"),
        (["compare", "--patients", "0"], "--patients"),
        (["compare", "--patients", "two"], "'two'"),
        (["compare", "--seed", "one"], "'one'"),
        (["compare", "--seed", "1.5"], "'1.5'"),
        (["compare", "--seed", "1.0"], "'1.0'"),
        (["sweep", "smoke", "--seed", "1.0"], "'1.0'"),
        (["run", "untreated", "--seed", "1e2"], "'1e2'"),
        (["compare", "n" * 300], "unknown treatment"),
        (["compare", "n" * 300 + ".yaml"], "cannot be read: file name too long"),
        (["compare", "--seed", "-1"], "--seed"),
        (["compare", "--seed", str(2**32)], "--seed"),
        (["compare", "--seed"], "--seed"),
        (["compare", "--neurons", "50"], "50 neurons: 0 for the mean-field, or 100 to 50000"),
        (["compare", "--neurons", "50001"], "50001 neurons: 0 for the mean-field, or 100 to 50000"),
        (["compare", "--workers", "-1"], "--workers"),
        (["run"], "treatment"),
        (["run", "ssri-like", "--patient", "-1"], "--patient"),
        (["run", "ssri-like", "too-much"], "too-much"),
        (["compare", "ssri-lik"], "did you mean 'ssri-like'?"),
        (["compare", "untreated", "Ketamine-Like"], "did you mean 'ketamine-like'?"),
        (["run", "nowhere/treatment.yaml"], "nowhere/treatment.yaml: there is no such file"),
        (["show", "fluoxetin-like"], "did you mean 'fluoxetine-like'?"),
        (["show", "untreated", "--figure", "it.png"], "unknown drug 'untreated'"),
        (["show", "fluoxetine-like", "--figure", "it.doc"], "it.doc: a figure is a .png or .svg file"),
        (["list", "drgs"], "did you mean 'drugs'?"),
        (["check", "--schema", "treatmnts"], "did you mean 'treatments'?"),
        (["new", "drg", "mine"], "did you mean 'drug'?"),
        (["new", "drug", "../mine"], "is not a name for a file"),
        (["check", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
    ],
)
def test_a_wrong_word_gets_one_message_and_exit_code_2(
    unstuck: Unstuck, arguments: list[str], told: str, tmp_path: Path
) -> None:
    message = fails(unstuck, *arguments)
    assert "\n" not in message
    assert told.lower() in message.lower()
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_name_with_a_good_guess_shows_the_guess_only(unstuck: Unstuck) -> None:
    assert fails(unstuck, "compare", "ssri-lik") == "unknown treatment 'ssri-lik', did you mean 'ssri-like'?"
    assert fails(unstuck, "compare", "zzz") == "unknown treatment 'zzz' (see: unstuck list treatments)"


# The output folder


def test_an_output_folder_that_is_a_file_is_refused(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    assert fails(unstuck, "compare", "untreated", *SMALL, "--out", "out") == "out: is a file, not a folder"
    assert (tmp_path / "out").read_text() == "mine"


def test_an_output_folder_that_cannot_be_made_is_a_disk_failure(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for command in ("compare", "run"):
        message = fails(unstuck, command, "untreated", "--neurons", "100", "--out", "file/out", code=1)
        assert message.startswith("file/out: cannot be made: ")


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("mine")
    message = fails(unstuck, "compare", "untreated", *SMALL, "--out", "out")
    assert message == "out: is not empty; give another folder with --out, or --overwrite"
    assert (tmp_path / "out" / "report.html").read_text() == "mine"


class FullDisk:
    """A disk that takes some files and then no more."""

    def __init__(self, files: int) -> None:
        self.left, self.sync = files, os.fsync

    def fsync(self, descriptor: int) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.sync(descriptor)


@pytest.mark.parametrize("flushes", [0, 2, 4, 6, 8, 12])
def test_a_full_disk_leaves_only_whole_files_and_the_same_command_continues(
    unstuck: Unstuck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flushes: int
) -> None:
    command = ("compare", "untreated", "--patients", "1", "--neurons", "0", "--out", "out", "--json")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", FullDisk(flushes).fsync)
        done = unstuck(*command)
    assert (done.code, done.out) == (1, "")
    assert "No space left on device" in done.err
    assert "Traceback" not in done.err
    assert (tmp_path / "out").exists() == (flushes > 0)
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".part")]
    again = unstuck(*command)
    assert (again.code, again.json["patients"]) == (0, 1)


def test_overwrite_leaves_nothing_of_an_earlier_comparison_beside_a_failed_one(
    unstuck: Unstuck, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    for name in ("report.html", "recovery.png", "notes.txt"):
        (tmp_path / "out" / name).write_text("earlier")
    monkeypatch.setattr(os, "fsync", FullDisk(10).fsync)
    assert unstuck("compare", "untreated", *SMALL, "--out", "out", "--overwrite").code == 1
    left = {path.name for path in tmp_path.glob("out/*")}
    assert {"notes.txt", "summary.csv"} <= left
    assert not {"report.html", "recovery.png"} & left


# Ctrl-C, and bugs


@pytest.mark.parametrize("times", [6, pytest.param(1, marks=pytest.mark.slow)])
def test_ctrl_c_ends_cleanly_and_leaves_no_worker(tmp_path: Path, times: int) -> None:
    command = [sys.executable, "-m", "unstuck_analysis", "compare", "untreated", "--json"]
    options = ["--patients", "200", "--neurons", "100", "--workers", "2", "--out", "out"]
    started = subprocess.Popen(
        [*command, *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell hands down to its background jobs that Ctrl-C is ignored; a terminal does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert started.stderr is not None
    while started.poll() is None and not list((tmp_path / "out" / "runs").glob("*.parquet")):
        time.sleep(0.05)
    for _ in range(times):
        os.killpg(started.pid, signal.SIGINT)  # what a terminal does: parent and workers alike
        time.sleep(0.03)
    out, err = started.communicate(timeout=300)
    assert (started.returncode, out) == (130, "")
    assert err.strip().splitlines()[-1] == (
        "unstuck: stopped. Finished runs are kept in out; the same command continues from there"
    )
    assert "Traceback" not in err
    assert Store(tmp_path / "out").status()["done"] > 0
    assert end_of_session(started.pid)


def end_of_session(session: int, patience_s: float = 120.0) -> bool:
    """Whether every process of a session ends soon."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_ctrl_c_while_the_program_is_still_imported_ends_in_one_line() -> None:
    code = """
import os, signal, sys

class Interrupting:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "unstuck_analysis.cli":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting)
from unstuck_analysis.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "unstuck: stopped; nothing was written\n"


@pytest.mark.parametrize("out", [(), ("--out", "out")])
def test_ctrl_c_while_tables_are_written_keeps_the_runs_and_the_told_command_continues(
    unstuck: Unstuck, monkeypatch: pytest.MonkeyPatch, out: tuple[str, ...]
) -> None:
    command = ["compare", "untreated", *SMALL, *out]
    monkeypatch.setattr(sys, "argv", ["/usr/bin/unstuck", *command])
    with monkeypatch.context() as patch:
        patch.setattr("unstuck_analysis.report.recovery_figure", _interrupted)
        done = unstuck(*command)
    assert (done.code, done.out) == (130, "")
    told = done.err.splitlines()[-1]
    assert told.startswith("unstuck: stopped. Finished runs are kept in ")
    folder = Path(told.split(" are kept in ")[1].split(";")[0])
    assert Store(folder).status() == {"planned": 1, "done": 1, "failed": 0, "left": 0}
    rows = Store(folder).files()
    again = command if out else shlex.split(told.split("type: unstuck ")[1])
    assert unstuck(*again).code == 0
    assert Store(folder).files() == rows
    assert (folder / "report.html").exists()


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", [AssertionError, ValueError, KeyError])
def test_a_bug_shows_itself(monkeypatch: pytest.MonkeyPatch, unstuck: Unstuck, kind: type[Exception]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise kind("a bug")

    monkeypatch.setattr(comparing, "compare", broken)
    with pytest.raises(kind, match="a bug"):
        unstuck("compare", "untreated")


def test_a_worker_that_was_killed_is_told_in_words(monkeypatch: pytest.MonkeyPatch, unstuck: Unstuck) -> None:
    from concurrent.futures.process import BrokenProcessPool

    def killed(*_: object, **__: object) -> None:
        raise BrokenProcessPool("terminated abruptly")

    monkeypatch.setattr(comparing, "compare", killed)
    assert "killed or ran out of memory" in fails(unstuck, "compare", "untreated", code=1)


def test_typer_ends_a_command_as_asked(monkeypatch: pytest.MonkeyPatch, unstuck: Unstuck) -> None:
    def ended(*_: object, **__: object) -> None:
        raise typer.Exit(3)

    monkeypatch.setattr(comparing, "compare", ended)
    assert unstuck("compare", "untreated").code == 3
