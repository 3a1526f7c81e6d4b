"""Stuck checkpoints on disk, named by all that decides them, so that nobody is made ill twice.

The name covers the wired circuit itself (every synapse), the rules' constants, noise and life events, the
phases before day 0 and the random streams. What does not change the way to day 0 does not change the name, so
arms and points that differ only after it share the file. Files are written whole, so that many processes can
use one folder; a file that cannot be read is worked out again.
"""

import io
import json
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from unstuck.engine.readouts import Reading
from unstuck.engine.step import Accuracy, Diagnostics, State
from unstuck.files.treatment import Treatment
from unstuck.patient.draw import Patient
from unstuck.patient.life import Checkpoint
from unstuck.patient.simulation import day_0_key, get_stuck
from unstuck.version import digest_of_texts

MOST_BYTES = 512 * 2**20
IN_MEMORY = 4
_TIDY_EVERY = 32  # files written by one process between two looks at the size of the folder


class CheckpointCache:
    """A folder of checkpoints that never grows much beyond `most_bytes`; the oldest go first."""

    def __init__(self, folder: Path, model: str, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.model, self.most_bytes = folder, model, most_bytes
        self.found = self.made = 0
        self._recent: OrderedDict[str, Checkpoint] = OrderedDict()

    def stuck(self, patient: Patient, treatment: Treatment, accuracy: Accuracy) -> Checkpoint:
        """The patient at day 0: from memory, from disk, or lived through now."""
        name = content_name(patient, treatment, accuracy, self.model)
        checkpoint = self._recent.get(name) or self._read(name)
        if checkpoint is None:
            checkpoint = get_stuck(patient, treatment, accuracy)
            self._write(name, checkpoint)
            self.made += 1
        else:
            self.found += 1
        self._recent[name] = checkpoint
        self._recent.move_to_end(name)
        while len(self._recent) > IN_MEMORY:
            self._recent.popitem(last=False)
        return checkpoint

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"

    def _read(self, name: str) -> Checkpoint | None:
        try:
            return checkpoint_from(self._path(name).read_bytes())
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None

    def _write(self, name: str, checkpoint: Checkpoint) -> None:
        beside = self.folder / f".{name}.{secrets.token_hex(4)}.part"
        try:
            self.folder.mkdir(exist_ok=True)
            beside.write_bytes(checkpoint_bytes(checkpoint))  # not flushed: what is lost is made again
            beside.replace(self._path(name))
            if self.made % _TIDY_EVERY == _TIDY_EVERY - 1:
                self.tidy()
        except OSError:
            return  # a cache that cannot be written only costs time; rows are what must be stored

    def tidy(self) -> None:
        """Remove the oldest files until the folder is small enough."""
        kept = sorted(
            ((path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.glob("*.npz")),
            reverse=True,
        )
        size = 0
        for _, bytes_, path in kept:
            size += bytes_
            if size > self.most_bytes:
                path.unlink(missing_ok=True)


def content_name(patient: Patient, treatment: Treatment, accuracy: Accuracy, model: str) -> str:
    """The name of a patient's checkpoint: a digest of all that the way to day 0 reads."""
    return digest_of_texts(model, day_0_key(patient, treatment), repr(accuracy))


def checkpoint_bytes(checkpoint: Checkpoint) -> bytes:
    """A checkpoint as the bytes of an .npz file, nothing in it pickled."""
    state, buffer = checkpoint.state, io.BytesIO()
    arrays: dict[str, Any] = {
        "state_y": state.y,
        "state_x": state.x,
        "state_serotonin_nM": state.serotonin_nM,
    }
    for end in ("healthy", "stuck"):
        reading = getattr(checkpoint, end)
        arrays |= {
            f"{end}_{field.name}": np.asarray(getattr(reading, field.name)) for field in fields(Reading)
        }
    rest = {
        "key": checkpoint.key,
        "time_h": checkpoint.time_h,
        "sizes": [state.neurons, state.plastic],
        "diagnostics": asdict(checkpoint.diagnostics),
    }
    np.savez(buffer, rest=np.array(json.dumps(rest)), **arrays)
    return buffer.getvalue()


def checkpoint_from(content: bytes) -> Checkpoint:
    """The checkpoint that `checkpoint_bytes` wrote (ValueError, KeyError or OSError if it did not)."""
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        rest = json.loads(str(arrays["rest"]))
        state = State(arrays["state_y"], arrays["state_x"], arrays["state_serotonin_nM"], *rest["sizes"])
        healthy, stuck = _reading(arrays, "healthy"), _reading(arrays, "stuck")
    return Checkpoint(rest["key"], state, rest["time_h"], healthy, stuck, Diagnostics(**rest["diagnostics"]))


def _reading(arrays: Mapping[str, Any], end: str) -> Reading:
    values: dict[str, Any] = {field.name: arrays[f"{end}_{field.name}"] for field in fields(Reading)}
    return Reading(**{name: value if value.ndim else value.item() for name, value in values.items()})
