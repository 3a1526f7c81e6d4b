"""The folder of a study: what was planned, and a row for every run that ended.

    study.json       what the study is: spec, model version, platform; written once
    plan.parquet     every run
    runs/*.parquet   one row a finished run, its series as lists; written whole, then renamed
    sessions.jsonl   when, where and how it was worked on
    checkpoints/     stuck patients that runs share; can be deleted at any time
    locks/           held while a process works here

A run is done when its row is in runs/, and only then. A row can be there twice (two processes, a stop in the
midst of compacting): reading takes one, a finished row before a failed one, and then the latest.
"""

import json
import os
import platform
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from unstuck.files.yaml import InputError

from unstuck_analysis.output.files import StorageError, write_whole

if TYPE_CHECKING:
    from unstuck_analysis.study.file import Spec
    from unstuck_analysis.study.plan import Plan
    from unstuck_analysis.study.vary import Knob

SERIES = "series_"
ROWS_A_GROUP = 1_000
_STUDY = b"unstuck_study"
_PACKAGES = ("unstuck", "numpy", "numba", "scipy", "pandas", "pyarrow", "mesa", "networkx", "pydantic")
_ARROW: dict[object, pa.DataType] = {
    bool: pa.bool_(),
    bool | None: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}
_ABOUT_RUN = [
    ("run_id", pa.string()),
    ("status", pa.string()),
    ("error", pa.string()),
    ("traceback", pa.string()),
    ("wall_s", pa.float64()),
    ("cpu_s", pa.float64()),
    ("ended", pa.float64()),  # seconds since 1970
]
_ABOUT_ROW = ["run_id", "status", "ended"]
_MOST_DIFFERENCES = 12
_PROBED_S = 1.0  # a lock that another process only looks at is free again by then
_PREPARING = ("plan.parquet", "runs", "locks")


class Store:
    """The folder of one study. `Store.prepare` makes it or checks that it is the same study's."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._runs, self._locks = folder, folder / "runs", folder / "locks"

    @classmethod
    def prepare(cls, folder: Path, spec: "Spec", plan: "Plan") -> "Store":
        """Make the folder of a study, or check that it holds this very one; InputError shows differences."""
        store = cls(folder)
        if folder.is_dir() and not store.exists and any(map(_is_foreign, folder.iterdir())):
            raise InputError(f"{folder}: is not empty and holds no study; give another folder with --out")
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file, not a folder")
        try:
            store._locks.mkdir(parents=True, exist_ok=True)
            with FileLock(store._locks / "prepare.lock", timeout=60):
                if store.exists:
                    store._check_same(spec)
                    if not (folder / "plan.parquet").exists():
                        store._write_plan(spec, plan)
                else:
                    store._write_new(spec, plan)
        except OSError as fault:  # Timeout of the lock among them
            raise StorageError(f"{folder}: cannot be used: {fault.strerror or fault}") from fault
        return store

    @property
    def exists(self) -> bool:
        """Whether there is a study here."""
        return (self.folder / "study.json").is_file()

    @property
    def key(self) -> tuple[str, str]:
        """What workers on any machine need to find the study: its folder and its hash."""
        return str(self.folder.resolve()), self.about["hash"]

    @cached_property
    def about(self) -> dict[str, Any]:
        """study.json; InputError if the folder holds no study."""
        path = self.folder / "study.json"
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            return {"hash": about["hash"], "spec": about["spec"], "environment": about["environment"]}
        except FileNotFoundError:
            raise InputError(f"{self.folder}: holds no study (there is no study.json)") from None
        except (ValueError, KeyError, TypeError, OSError) as fault:
            raise InputError(f"{path}: is not the description of a study: {fault}") from None

    @cached_property
    def spec(self) -> "Spec":
        """The study as it was when the folder was made."""
        from unstuck_analysis.study.file import Spec

        try:
            return Spec.model_validate_json(json.dumps(self.about["spec"]))
        except ValueError as fault:
            raise InputError(f"{self.folder}: made by another version of unstuck: {fault}") from None

    @property
    def plan(self) -> "Plan":
        """Every run that was planned."""
        from unstuck_analysis.study.plan import Plan

        study, knobs = self.spec.study, self.knobs
        table = self._planned().to_pandas()
        return Plan(table, tuple((name, knobs[name].number(value)) for name, value in study.fixed.items()))

    @property
    def knobs(self) -> Mapping[str, "Knob"]:
        """Everything that can be varied in the study, by dotted path."""
        from unstuck_analysis.study.vary import knobs

        return knobs(self.spec.basis)

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of a row: about the run, its outcomes, and its series as lists."""
        from unstuck_analysis.study.file import OUTCOMES

        outcomes = [(name, _ARROW[OUTCOMES[name]]) for name in self.spec.outcomes]
        columns = self.spec.study.series.columns
        series = [(f"{SERIES}{name}", pa.list_(pa.float64())) for name in ("day", *columns) if columns]
        return pa.schema([*_ABOUT_RUN, *outcomes, *series], metadata={_STUDY: self.about["hash"].encode()})

    def status(self) -> dict[str, int]:
        """How many planned rows there are, and how many of them are done, failed and left."""
        ids = self._planned(["run_id"])
        statuses = self.statuses()
        found = [statuses.get(run_id) for run_id in ids["run_id"].to_pylist()]
        done, failed = found.count("done"), found.count("failed")
        return {"planned": len(found), "done": done, "failed": failed, "left": len(found) - done - failed}

    def _planned(self, columns: Sequence[str] | None = None) -> pa.Table:
        path = self.folder / "plan.parquet"
        try:
            return _read_parquet(path, self.about["hash"], columns)
        except FileNotFoundError:
            raise InputError(f"{path}: is missing; the same sweep writes it again") from None

    def statuses(self) -> dict[str, str]:
        """Status by run_id of every run that is stored."""
        return {run_id: status for run_id, (status, _) in self.latest().items()}

    def latest(self) -> dict[str, tuple[str, float]]:
        """Status by run_id of every run that is stored, and when it ended (seconds since 1970)."""
        table = self._stored(_ABOUT_ROW)
        ids, statuses, ended = (table[name].to_pylist() for name in _ABOUT_ROW)
        return {ids[number]: (statuses[number], ended[number]) for number in _one_a_run(table)}

    def rows(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of the stored rows, each run once; InputError for a file of another study."""
        table = self._stored(list(dict.fromkeys([*_ABOUT_ROW, *columns])))
        return table.take(pa.array(_one_a_run(table), pa.int64())).select(columns)

    def _stored(self, columns: Sequence[str]) -> pa.Table:
        """Every row of every file."""
        for _ in range(20):
            try:
                tables = [_read_parquet(path, self.about["hash"], columns) for path in self.files()]
            except FileNotFoundError:
                continue  # another process compacts
            if tables:
                return pa.concat_tables(tables)
            about = pa.schema(_ABOUT_RUN)  # enough for a status, and known without the model
            schema = about if set(columns) <= set(about.names) else self.schema
            return pa.schema([schema.field(name) for name in columns]).empty_table()
        raise StorageError(f"{self._runs}: files vanish while they are read")

    def files(self, session: str = "") -> list[Path]:
        """Files with rows, of one session or of all."""
        return sorted(self._runs.glob(f"{session}*.parquet"))

    def write_rows(self, rows: Sequence[Mapping[str, Any]], session: str) -> None:
        """Store rows as one file, whole or not at all."""
        now = datetime.now(UTC).timestamp()
        table = pa.Table.from_pylist([{**row, "ended": now} for row in rows], schema=self.schema)
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer)
        name = f"{session}{_short_name(row['run_id'] for row in rows)}.parquet"
        write_whole(self._runs / name, buffer.getvalue().to_pybytes())

    def compact(self, session: str = "") -> None:
        """Merge the files of a session (or all) into one; a stop at any moment leaves every row readable."""
        files = self.files(session)
        if len(files) < 2:
            return
        merged = self._runs / f"{session}merged-{secrets.token_hex(6)}.parquet"
        beside = merged.with_name(f".{merged.name}.part")
        try:
            with pq.ParquetWriter(beside, self.schema) as writer:
                for table in _in_groups(self._kept_rows(files)):
                    writer.write_table(table, ROWS_A_GROUP)
            with beside.open("rb") as file:
                os.fsync(file.fileno())
            beside.replace(merged)
        except OSError as fault:
            beside.unlink(missing_ok=True)
            raise StorageError(f"{merged}: cannot be written: {fault.strerror or fault}") from fault
        for path in files:
            path.unlink(missing_ok=True)

    def _kept_rows(self, files: Iterable[Path]) -> Iterator[pa.Table]:
        """The rows of some files, a run that is done anywhere without its failed rows, each once."""
        latest, seen = self.latest(), set[str]()
        for path in files:
            table = _read_parquet(path, self.about["hash"], self.schema.names)
            kept: list[int] = []
            columns = (table[name].to_pylist() for name in _ABOUT_ROW)
            for number, (run_id, *row) in enumerate(zip(*columns, strict=True)):
                if run_id not in seen and latest[run_id] == tuple(row):
                    seen.add(run_id)
                    kept.append(number)
            yield table.take(pa.array(kept, pa.int64()))

    def tidy(self) -> None:
        """Remove what stops left half-written, and checkpoints once nothing is left to run."""
        for path in [*self._runs.glob(".*.part"), *(self.folder / "checkpoints").glob(".*.part")]:
            path.unlink(missing_ok=True)
        if not self.status()["left"]:
            shutil.rmtree(self.folder / "checkpoints", ignore_errors=True)

    @contextmanager
    def working(self, part: tuple[int, int] = (1, 1)) -> Iterator[None]:
        """Hold the i-th of n parts of the study; InputError if another process is in the way."""
        number, parts = part
        lock = self._lock(f"part-{number}-of-{parts}.lock")
        if lock is None:
            raise self._busy(f"part {number} of {parts}")
        try:
            for other in self._locks.glob("part-*.lock"):
                if not other.name.endswith(f"-of-{parts}.lock"):
                    held = self._lock(other.name)
                    if held is None:
                        raise self._busy(other.stem.replace("-", " "))
                    held.release()
            yield
        finally:
            lock.release()

    def _lock(self, name: str) -> FileLock | None:
        lock = FileLock(self._locks / name)
        try:
            lock.acquire(timeout=_PROBED_S)
        except Timeout:
            return None
        except OSError as fault:
            raise StorageError(f"{self._locks}: cannot be locked: {fault.strerror or fault}") from fault
        return lock

    def _busy(self, what: str) -> InputError:
        return InputError(f"{self.folder}: another process works on it ({what}); wait for it or stop it")

    def note_session(self, **about: object) -> None:
        """Add a line to sessions.jsonl: when, where and how the study is worked on."""
        line = {"started": datetime.now(UTC).isoformat(timespec="seconds"), "host": platform.node(), **about}
        line["environment"] = environment()
        try:
            with (self.folder / "sessions.jsonl").open("a+b") as file:
                whole = file.tell() == 0 or self._ends_a_line(file)
                file.write(b"" if whole else b"\n")
                file.write(json.dumps(line).encode() + b"\n")
        except OSError as fault:
            raise StorageError(f"{self.folder}: cannot be written: {fault.strerror or fault}") from fault

    def sessions(self) -> list[dict[str, Any]]:
        """The lines of sessions.jsonl; one that a stop left half-written is passed over."""
        path, found = self.folder / "sessions.jsonl", list[dict[str, Any]]()
        lines = path.read_bytes().splitlines() if path.exists() else []
        for line in lines:
            with suppress(ValueError):
                session = json.loads(line)
                found += [session] if isinstance(session, dict) else []
        return found

    def _ends_a_line(self, file: BinaryIO) -> bool:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"

    def _write_new(self, spec: "Spec", plan: "Plan") -> None:
        self._runs.mkdir(exist_ok=True)
        self._write_plan(spec, plan)
        about = {
            "hash": spec.hash,
            "environment": environment(),
            "spec": json.loads(spec.model_dump_json()),
        }
        write_whole(self.folder / "study.json", json.dumps(about, indent=1).encode())

    def _write_plan(self, spec: "Spec", plan: "Plan") -> None:
        table = pa.Table.from_pandas(plan.table, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _STUDY: spec.hash.encode()})
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer)
        write_whole(self.folder / "plan.parquet", buffer.getvalue().to_pybytes())

    def _check_same(self, spec: "Spec") -> None:
        if self.about["hash"] == spec.hash:
            return
        before, now = _flat(self.about["spec"]), _flat(json.loads(spec.model_dump_json()))
        changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
        lines = [f"  {key}: {_told(before, key)} (stored), {_told(now, key)} (now)" for key in changed]
        if len(lines) > _MOST_DIFFERENCES:
            lines[_MOST_DIFFERENCES:] = [f"  and {len(lines) - _MOST_DIFFERENCES} more"]
        told = "\n".join([f"{self.folder}: holds another study; it is not mixed with this one:", *lines])
        raise InputError(f"{told}\nGive another folder with --out, or --new to set the old one aside")


def set_aside(folder: Path) -> Path | None:
    """Rename a results folder, so that a study can begin anew; nothing is deleted."""
    if not folder.exists():
        return None
    store = Store(folder)
    if not store.exists:
        if any(map(_is_foreign, folder.iterdir() if folder.is_dir() else [folder])):
            raise InputError(f"{folder}: holds no study, and --new moves nothing else; give another --out")
        return None
    with store.working():
        aside = folder.with_name(f"{folder.name}-before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    folder.rename(aside)
    return aside


def _is_foreign(path: Path) -> bool:
    """Whether something in a folder is not what another process, or a stop, leaves while a study is made."""
    return path.name not in _PREPARING and not path.name.endswith(".part")


def environment() -> dict[str, str]:
    """What the numbers could depend on beside the model: versions and the machine."""
    from unstuck_analysis.output.provenance import git_state, model_version

    versions = {name: metadata.version(name) for name in _PACKAGES}
    here = {
        "model": model_version(),
        "git": git_state(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
    }
    return {**here, **versions}


def _read_parquet(path: Path, study: str, columns: Sequence[str] | None) -> pa.Table:
    """Columns of a Parquet file of a study; InputError if it is damaged, or of another study."""
    again = "move it away, and the same sweep makes what was in it again"
    try:
        with pq.ParquetFile(path) as file:
            if (file.schema_arrow.metadata or {}).get(_STUDY) != study.encode():
                raise InputError(f"{path}: does not belong to this study; {again}")
            return file.read(columns=columns)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError):
        raise InputError(f"{path}: is cut off, damaged or no Parquet file; {again}") from None


def _one_a_run(table: pa.Table) -> list[int]:
    """Numbers of the rows to take: done before failed, then the latest."""
    columns = (table[name].to_pylist() for name in _ABOUT_ROW)
    best: dict[str, tuple[bool, float, int]] = {}
    for number, (run_id, status, ended) in enumerate(zip(*columns, strict=True)):
        rank = (status == "done", ended, number)
        if run_id not in best or rank > best[run_id]:
            best[run_id] = rank
    return [number for _, _, number in best.values()]


def _in_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Tables joined until they have enough rows, so that one-row files become large row groups."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(len(t) for t in waiting) >= ROWS_A_GROUP:
            yield pa.concat_tables(waiting)
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def _short_name(run_ids: Iterable[str]) -> str:
    from hashlib import blake2b

    return blake2b("".join(run_ids).encode(), digest_size=8).hexdigest()


def _flat(value: Any, key: str = "") -> dict[str, Any]:
    """Nested mappings and lists as one mapping by dotted key."""
    if not isinstance(value, dict | list):
        return {key: value}
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for name, part in pairs for k, v in _flat(part, f"{key}.{name}".strip(".")).items()}


def _told(values: Mapping[str, Any], key: str) -> str:
    text = json.dumps(values[key]) if key in values else "nothing"
    return text if len(text) <= 60 else f"{text[:57]}..."
