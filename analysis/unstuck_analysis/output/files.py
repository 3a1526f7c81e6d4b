"""Files that are written whole or not at all."""

import contextlib
import io
import os
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from unstuck.files.yaml import InputError

if TYPE_CHECKING:
    import pandas as pd


class StorageError(RuntimeError):
    """The disk would not take a file."""


def write_whole(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, then rename; StorageError (disk full, not writable) leaves nothing."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as fault:
        with contextlib.suppress(OSError):  # a file system that is read-only
            beside.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written: {fault.strerror or fault}") from fault


def write_parquet(path: Path, frame: "pd.DataFrame") -> None:
    """Write a table as Parquet, whole or not at all."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_whole(path, buffer.getvalue())


def read_parquet(path: Path) -> "pd.DataFrame":
    """Read a table; InputError if the file is no Parquet."""
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except ValueError as fault:  # pyarrow's own faults are ValueErrors
        raise InputError(f"{path}: is not a Parquet file: {fault}") from None


def prepare_folder(path: Path, *, overwrite: bool) -> Path:
    """Make an output folder that can be written; InputError if it holds files not to be overwritten."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file, not a folder")
    if path.is_dir() and any(path.iterdir()) and not overwrite:
        raise InputError(f"{path}: is not empty; give another folder with --out, or --overwrite")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StorageError(f"{path}: cannot be made: {fault.strerror or fault}") from fault
    probe = path / ".unstuck-writable"
    write_whole(probe, b"x")
    probe.unlink()
    return path


@contextlib.contextmanager
def results_folder(out: Path | None, command: str, overwrite: bool) -> Iterator[Path]:
    """The output folder of a command; one that would stay empty goes again, and Ctrl-C says what was kept."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = out or Path("results") / f"{command}-{stamp}"
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    earlier = _written(folder)
    try:
        yield prepare_folder(folder, overwrite=overwrite)
    except BaseException as fault:
        with contextlib.suppress(OSError):  # the first that is not empty
            for path in new:
                path.rmdir()
        if isinstance(fault, KeyboardInterrupt):
            kept = sorted(name for name, when in _written(folder).items() if earlier.get(name) != when)
            told = f"kept in {folder}: {', '.join(kept)}" if kept else "nothing was written"
            print(f"unstuck: stopped; {told}", file=sys.stderr, flush=True)
            sys.exit(130)
        raise


def _written(folder: Path) -> dict[str, tuple[int, int]]:
    """Files of a folder, each with what changes when it is written anew."""
    found = {path.name: path.stat() for path in folder.iterdir()} if folder.is_dir() else {}
    return {name: (about.st_ino, about.st_mtime_ns) for name, about in found.items()}
