"""A full disk, a removed folder, a file that cannot be read: one line each, and no row is lost."""

import errno
import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import fails, unstuck_here
from study_cases import invented, write_study
from unstuck.errors import InputError
from unstuck_analysis.output.files import StorageError
from unstuck_analysis.study.file import Study
from unstuck_analysis.study.results import Results
from unstuck_analysis.study.run import run_plan
from unstuck_analysis.study.store import Store

CALLS = ("fsync", "mkdir", "replace", "unlink")  # by which the store changes the disk
STOPPED = 9
NOBODY = 65534  # a user without rights


def full(folder: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def removed(folder: Path) -> None:
    subprocess.run(["rm", "-rf", folder], check=True)


def stopped(folder: Path) -> None:
    os._exit(STOPPED)  # as after SIGKILL: nothing is tidied up


@contextmanager
def faulty_disk(fault: Callable[[Path], None], folder: Path, first: int) -> Iterator[list[str]]:
    """A fault before each call that changes the disk, from the first-th on; yields the calls so far."""
    seen = list[str]()

    def watched(name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(*given: object, **named: object) -> None:
            seen.append(name)
            if len(seen) >= first:
                fault(folder)
            real(*given, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, watched(name, getattr(os, name)))
        yield seen


def study_in_two_parts(study: Study, folder: Path) -> bytes:
    """The table of a study that two processes would work on, merged at the end."""
    store = Store.prepare(folder, study.inputs, study.plan)
    for number in (1, 2):
        run_plan(store, shard=(number, 2), execute=invented)
    store.compact()
    return exported(folder)


def exported(folder: Path, to: Path | None = None) -> bytes:
    table = to or folder.with_name(f"{folder.name}.csv")
    Results(folder).export(table)
    return table.read_bytes()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study.load(write_study(tmp_path_factory.mktemp("disks")))


EVERY = pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])  # of the changes


@EVERY
def test_a_study_that_is_stopped_before_any_change_of_the_disk_continues_to_the_same_bytes(
    study: Study, tmp_path: Path, step: int
) -> None:
    whole, fork = study_in_two_parts(study, tmp_path / "whole"), multiprocessing.get_context("fork")

    def work(folder: Path, first: int) -> None:
        with faulty_disk(stopped, folder, first):
            study_in_two_parts(study, folder)

    for first in range(1, 100, step):
        folder = tmp_path / f"stop-{first}"
        process = fork.Process(target=work, args=(folder, first))
        process.start()
        process.join()
        assert study_in_two_parts(study, folder) == whole
        if process.exitcode != STOPPED:
            assert process.exitcode == 0
            assert first > 20
            return
    pytest.fail("every study was stopped")


@EVERY
@pytest.mark.parametrize("fault", [full, removed])
def test_a_full_disk_or_a_removed_folder_ends_a_study_in_one_line_and_it_continues_to_the_same_bytes(
    study: Study, tmp_path: Path, fault: Callable[[Path], None], step: int
) -> None:
    whole, messages = study_in_two_parts(study, tmp_path / "whole"), list[str]()
    for first in range(1, 100, step):
        folder = tmp_path / f"fault-{first}"
        with faulty_disk(fault, folder, first) as seen:
            try:
                study_in_two_parts(study, folder)
            except (StorageError, OSError, InputError) as told:
                messages.append(str(told))
        assert study_in_two_parts(study, folder) == whole
        if len(seen) < first:
            assert first > 20
            break
    assert len(messages) > 10 / step
    assert not any("\n" in message for message in messages)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of 4 MB, where the machine allows to make one."""
    folder = Path(tempfile.mkdtemp())
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], check=False).returncode:
        folder.rmdir()
        pytest.skip("this machine does not let users mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def fill_but(disk: Path, free_kB: int) -> Path:
    """A file that leaves so much of a disk free."""
    fill = disk / "fill"
    subprocess.run(["dd", "if=/dev/zero", f"of={fill}", "bs=4k"], capture_output=True, check=False)
    os.truncate(fill, fill.stat().st_size - free_kB * 1024)
    return fill


COMPARE = ("compare", "untreated", "ketamine-like", "--patients", 1, "--neurons", 0, "--workers", 1)


@pytest.mark.parametrize("free_kB", [0, 40, 140])  # for nothing, the plan, the rows
def test_a_study_on_a_disk_that_is_really_full_ends_in_one_line_and_continues_to_the_same_bytes(
    small_disk: Path, tmp_path: Path, free_kB: int
) -> None:
    sweep = ("sweep", write_study(tmp_path), "--workers", 1, "--out")
    whole, out, fill = tmp_path / "whole", small_disk / "out", fill_but(small_disk, free_kB)
    assert unstuck_here(*sweep, whole).code == 0
    done = unstuck_here(*sweep, out)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1].endswith("cannot be written: No space left on device")
    fill.unlink()
    assert unstuck_here(*sweep, out).code == 0
    fill_but(small_disk, 0)
    table = small_disk / "table.csv"
    assert "table.csv: cannot be written: No space" in fails(
        unstuck_here, "export", out, "--to", table, code=1
    )
    assert not table.exists()
    assert exported(out, tmp_path / "out.csv") == exported(whole)


def test_compare_on_a_disk_that_is_really_full_ends_in_one_line_and_then_continues(small_disk: Path) -> None:
    fill = fill_but(small_disk, 600)  # enough for the study, not for the report
    done = unstuck_here(*COMPARE, "--out", small_disk / "out")
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[-1].endswith("cannot be written: No space left on device")
    fill.unlink()
    assert unstuck_here(*COMPARE, "--out", small_disk / "out").code == 0


def test_a_page_that_finds_no_room_leaves_no_part_of_it(small_disk: Path) -> None:
    fill_but(small_disk, 60)
    page = small_disk / "page.html"
    assert "page.html: cannot be written" in fails(
        unstuck_here, "view", "ssri-like", "--export", page, code=1
    )
    assert not page.exists()


@contextmanager
def as_a_user_without_rights() -> Iterator[None]:
    """Root may read everything: give up its rights for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture(scope="module")
def finished(study: Study) -> Iterator[Path]:
    """A finished study that every user may change."""
    folder = Path(tempfile.mkdtemp())  # that of pytest is for its user alone
    folder.chmod(0o755)
    write_study(folder)
    study.run(folder / "out")
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    yield folder / "out"
    shutil.rmtree(folder)


STATUS, VERIFY, EXPORT, SWEEP = ("status",), ("status", "--verify"), ("export",), ("sweep",)


@pytest.mark.parametrize(
    ("name", "commands", "told"),
    [
        (".", [STATUS, VERIFY, EXPORT], "study.json: cannot be read: Permission denied. Make it readable"),
        (".", [SWEEP], "cannot be used: Permission denied"),
        ("runs", [STATUS, VERIFY, EXPORT, SWEEP], "runs: cannot be listed: Permission denied. Make it"),
        ("study.json", [STATUS, VERIFY, EXPORT, SWEEP], "study.json: cannot be read: Permission denied"),
        ("plan-*", [STATUS, VERIFY, EXPORT, SWEEP], ".parquet: cannot be read: Permission denied"),
        ("runs/*", [STATUS, VERIFY, EXPORT, SWEEP], ".parquet: cannot be read: Permission denied"),
        ("locks", [SWEEP], "prepare.lock: cannot be used: Permission denied"),
        ("sessions.jsonl", [SWEEP], "sessions.jsonl: cannot be written: Permission denied"),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line_and_nothing_is_changed(
    finished: Path, name: str, commands: list[tuple[str, ...]], told: str
) -> None:
    before = exported(finished)
    (path,) = [finished] if name == "." else finished.glob(name)
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        for word, *options in commands:
            words = [word, finished, *options]
            if word == "sweep":
                words = [word, finished.parent / "doses.yaml", "--out", finished, "--workers", 1]
            if word == "export":
                words += ["--to", finished.with_name("table.csv")]
            with as_a_user_without_rights():
                message = fails(unstuck_here, *words, code=1)
            assert told in message
            assert len(message.splitlines()) == 1
    finally:
        path.chmod(mode)
    assert exported(finished) == before
