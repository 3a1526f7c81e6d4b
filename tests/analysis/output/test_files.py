"""Files are whole, and on the disk once a command says so."""

import os
import stat
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
