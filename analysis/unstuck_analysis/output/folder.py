"""The results folder of a command: claimed before anything is computed, and for the results of one run only.

A new folder is made by a call that fails if the folder exists, so that two runs never take the same one. A
lock file keeps other runs out until the command ends; the lock of a run that was killed does not count.
"""

import contextlib
import shutil
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

RESULTS = Path("results")
LOCK = ".unstuck-lock"
_CLAIMED: list[Any] = []  # locks that this process holds


def claim_folder(out: Path | None, command: str, *, overwrite: bool = False) -> Path:
    """Make the folder for the results of one run and lock it until `release_folders`.

    Without `out` the folder is new: results/COMMAND-TIME, with a counter if another run began in that second.
    Raises InputError for a folder that is not empty or that another run is writing to, and StorageError if
    the folder cannot be made or written.
    """
    from unstuck_analysis.output.files import StorageError, write_whole

    try:
        folder = _new_folder(command) if out is None else _existing_or_new(out)
    except OSError as fault:
        raise StorageError(f"{out or RESULTS}: cannot be made: {fault.strerror or fault}") from fault
    _lock(folder)
    if not overwrite and any(path.name != LOCK for path in folder.iterdir()):
        from unstuck.errors import InputError

        release_folders()
        raise InputError(f"{folder}: is not empty; give another folder with --out, or --overwrite")
    probe = folder / ".unstuck-writable"
    write_whole(probe, b"x")
    probe.unlink()
    return folder


def release_folders() -> None:
    """Unlock the folders that this process has claimed."""
    while _CLAIMED:
        lock = _CLAIMED.pop()
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)  # while no other process can lock it
        lock.release()


def _new_folder(command: str) -> Path:
    """A folder that did not exist before, named by the command and the time (UTC)."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in count(1):
        folder = RESULTS / (f"{command}-{stamp}" if number == 1 else f"{command}-{stamp}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError("unreachable")


def _existing_or_new(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        from unstuck.errors import InputError

        raise InputError(f"{folder}: is a file, not a folder")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _lock(folder: Path) -> None:
    from filelock import FileLock, Timeout
    from unstuck.errors import InputError

    from unstuck_analysis.output.files import StorageError

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{folder}: another run is writing its results there; give another folder with --out"
        ) from None
    except OSError as fault:
        raise StorageError(f"{folder}: cannot be written: {fault.strerror or fault}") from fault
    _CLAIMED.append(lock)


def contains_study(folder: Path) -> bool:
    """Whether a folder contains a study, or only what a stop leaves while one is made."""
    return folder.is_dir() and (
        (folder / "study.json").exists() or all(is_of_study(path) for path in folder.iterdir())
    )


def is_of_study(path: Path) -> bool:
    """Whether a file or folder inside a results folder belongs to the store of a study."""
    plan = path.name.startswith("plan-") and path.suffix == ".parquet"
    known = path.name in ("study.json", "sessions.jsonl", "runs", "locks", LOCK)
    return known or plan or path.suffix == ".part"


def remove_study(folder: Path) -> None:
    """Remove the store of a study; other files of the folder stay."""
    for path in filter(is_of_study, list(folder.iterdir())):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
