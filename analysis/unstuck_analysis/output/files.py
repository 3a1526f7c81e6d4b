"""Files that are written whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from unstuck.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class StorageError(RuntimeError):
    """A file could not be written."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a temporary file, flush it to disk, rename it; StorageError (disk full, ...) leaves nothing."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _flush_folder(path.parent)
    except OSError as fault:
        with contextlib.suppress(OSError):  # a file system that is read-only
            part.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written: {fault.strerror or fault}") from fault


def _flush_folder(folder: Path) -> None:
    """Let a rename survive a loss of power, on systems that can flush a folder."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_parquet(path: Path) -> "pd.DataFrame":
    """Read a table; InputError if the file is no Parquet.

    Without threads of pyarrow, which can abort a program that ends (https://github.com/apache/arrow/issues/34314).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    content = pa.BufferReader(path.read_bytes())
    try:
        with pq.ParquetFile(content) as file:
            table = file.read(use_threads=False)
        return table.to_pandas(use_threads=False)
    except ValueError as fault:  # pyarrow's own faults are ValueErrors
        raise InputError(f"{path}: is not a Parquet file: {fault}") from None
