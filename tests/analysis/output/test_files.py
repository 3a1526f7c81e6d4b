"""Files are whole, and on the disk once a command says so."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from unstuck_analysis.output.files import write_whole


def test_a_file_and_the_folder_that_names_it_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def fsync(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        flushed.append("folder" if is_folder else "file")
        assert (tmp_path / "a.txt").exists() == is_folder

    monkeypatch.setattr(os, "fsync", fsync)
    write_whole(tmp_path / "a.txt", b"whole")
    assert flushed == ["file", "folder"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


READ = """
import os, sys
from pathlib import Path
import pandas as pd
import pyarrow.parquet
from unstuck_analysis.output.export import write_table
from unstuck_analysis.output.files import read_parquet
from unstuck_analysis.study.store import _read_parquet

path = Path(sys.argv[1])
count = lambda: len(os.listdir("/proc/self/task"))
before = count()
write_table(path, pd.DataFrame({f"c{k}": range(2_000) for k in range(40)} | {"name": ["a"] * 2_000}))
assert len(read_parquet(path)) == 2_000
assert len(_read_parquet(path.read_bytes(), path, None).to_pandas(use_threads=False)) == 2_000
print(count() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads in /proc")
def test_writing_and_reading_tables_starts_no_thread_that_could_abort_the_program_at_its_end(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", READ, str(tmp_path / "table.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
