"""The folder of a study: what was planned, and a row for every run that ended.

    study.json                 inputs of the study, model version, platform, checksum of all this
    plan-CHECKSUM.parquet      every run, and a copy of the inputs
    runs/PART-CHECKSUM.parquet one row per finished run, its series as lists; written whole, then renamed
    sessions.jsonl             when, where and how it was worked on
    locks/                     held while a process works here

A run is done when its row is in runs/, and only then. A row can be there twice (two processes, a stop while
files are merged): reading takes one, a finished row before a failed one, and then the latest. The content of
every file is compared with its checksum on every reading.
"""

import json
import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from unstuck.errors import InputError

from unstuck_analysis.output.files import StorageError, write_whole
from unstuck_analysis.output.folder import LOCK, contains_study

if TYPE_CHECKING:
    from unstuck_analysis.study.file import StudyInputs
    from unstuck_analysis.study.plan import RunPlan
    from unstuck_analysis.study.vary import Knob

SERIES, VERSIONS = "series_", "versions"
MERGED_BYTES = 200 * 2**20  # files of this size are not merged further
_INPUTS = b"unstuck_inputs"
_PACKAGES = ("unstuck", "numpy", "numba", "scipy", "pandas", "pyarrow", "mesa", "networkx", "pydantic")
_ARROW: dict[object, pa.DataType] = {
    bool: pa.bool_(),
    bool | None: pa.bool_(),
    int: pa.int64(),
    int | None: pa.int64(),
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
    (VERSIONS, pa.string()),  # of the model and its libraries
]
_ABOUT_ROW = ["run_id", "status", "ended"]
_MOST_DIFFERENCES = 12
_PROBED_S = 1.0  # seconds; a process that only checks a lock has released it by then
_AGAIN = "Run the same command again: it sets the file aside and repeats its runs; all other runs are kept"


class Store:
    """The folder of one study. `Store.prepare` makes it, or lets the study in it grow."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._runs, self._locks = folder, folder / "runs", folder / "locks"

    @classmethod
    def prepare(
        cls,
        folder: Path,
        inputs: "StudyInputs",
        plan: "RunPlan",
        sources: Sequence[str] = (),
        *,
        mix_versions: bool = False,
    ) -> "Store":
        """Make the folder of a study, or check that its stored runs belong to this study too.

        A study may grow: all runs planned before must be planned now. sources: the files that were read, for
        the report. mix_versions: accept another model or other libraries than those of the stored runs.
        Raises InputError with the differences, StorageError if the folder cannot be used.
        """
        store = cls(folder)
        try:
            claimed = (folder / LOCK).exists()  # by a command, which has looked what is there
            if folder.is_dir() and not claimed and not contains_study(folder):
                raise InputError(
                    f"{folder}: is not empty and is not the folder of a study; give another folder with --out"
                )
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{folder}: is a file, not a folder")
            for part in (store._locks, store._runs):
                part.mkdir(parents=True, exist_ok=True)
            with FileLock(store._locks / "prepare.lock", timeout=60):
                if store.exists:
                    if not mix_versions:
                        store._check_versions()
                    store._check_that_it_grows(inputs, plan)
                if not store.exists or store.about["hash"] != inputs.hash or not store._plan_path.exists():
                    store._write(inputs, plan, sources)
        except OSError as fault:  # Timeout of the lock among them
            where = fault.filename or folder
            raise StorageError(f"{where}: cannot be used: {fault.strerror or fault}") from fault
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
        """study.json; InputError if the folder contains no study, or the file was changed."""
        path = self.folder / "study.json"
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            written = about.pop("checksum")
            _ = about["hash"], about["inputs"], about["environment"], about["plan"], about["rows"]
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(
                f"{self.folder}: is not the folder of a study (there is no study.json)"
            ) from None
        except OSError as fault:
            raise StorageError(
                f"{path}: cannot be read: {fault.strerror}. Make it readable, or move it away: the same"
                " command writes it again"
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as fault:
            raise InputError(f"{path}: is damaged: {fault}. {_move_away('study.json')}") from None
        if written != _checksum(_canonical(about)):
            told = "\n".join([f"{path}: was changed after it was written:", *self._changes(about["inputs"])])
            raise InputError(f"{told}\n{_move_away('study.json')}")
        return about

    def _changes(self, inputs: Any) -> list[str]:
        """What differs between study.json and the copy of the inputs in the plan."""
        for path in self.folder.glob("plan-*.parquet"):
            with suppress(InputError, OSError, KeyError):
                copy = pq.read_schema(pa.BufferReader(_verified(path))).metadata[_INPUTS]
                found = [f"  {line}" for line in _differences(json.loads(copy), inputs)]
                return _shortened(found) or ["  the part about versions or the plan"]
        return ["  its checksum is another one, and the plan is missing or damaged too"]

    @cached_property
    def inputs(self) -> "StudyInputs":
        """The study as it was when the folder was made."""
        from unstuck_analysis.study.file import StudyInputs

        stored = json.dumps(self.about["inputs"])
        try:
            return StudyInputs.model_validate_json(stored)
        except ValueError as fault:
            raise InputError(f"{self.folder}: made by another version of unstuck: {fault}") from None

    @property
    def plan(self) -> "RunPlan":
        """Every run that was planned."""
        from unstuck_analysis.study.plan import RunPlan

        study, knobs = self.inputs.study, self.knobs
        table = self._planned().to_pandas(use_threads=False)
        return RunPlan(table, tuple((name, knobs[name].number(value)) for name, value in study.fixed.items()))

    @property
    def knobs(self) -> Mapping[str, "Knob"]:
        """Everything that can be varied in the study, by dotted path."""
        from unstuck_analysis.study.vary import knobs

        return knobs(self.inputs.basis)

    @cached_property
    def schema(self) -> pa.Schema:
        """Columns of a row: about the run, its outcomes, and its series as lists."""
        from unstuck_analysis.study.file import OUTCOMES

        outcomes = [(name, _ARROW[OUTCOMES[name]]) for name in self.inputs.outcomes]
        columns = self.inputs.study.series.columns
        series = [(f"{SERIES}{name}", pa.list_(pa.float64())) for name in ("day", *columns) if columns]
        return pa.schema([*_ABOUT_RUN, *outcomes, *series])

    def status(self) -> dict[str, int]:
        """How many planned rows there are, and how many of them are done, failed and left."""
        ids, latest = self._planned(["run_id"])["run_id"].to_pylist(), self.latest()
        found = [latest[run_id][0] if run_id in latest else "" for run_id in ids]
        done, failed = found.count("done"), found.count("failed")
        return {"planned": len(found), "done": done, "failed": failed, "left": len(found) - done - failed}

    def faults(self) -> list[str]:
        """What is wrong with the files of the study, one line per file; empty if nothing is."""
        found, planned, _ = list[str](), None, self.about
        try:
            planned = self._planned_ids()
        except (InputError, StorageError) as fault:
            found.append(str(fault))
        for path in self.files():
            try:
                self._check_file(path, planned)
            except (InputError, StorageError) as fault:
                found.append(str(fault))
        return found

    def _check_file(self, path: Path, planned: set[str] | None) -> None:
        """InputError for a file of rows that is damaged or contains runs that are not planned."""
        table = _read_parquet(_verified(path), path, self.schema.names)
        if planned is not None and (others := set(table["run_id"].to_pylist()) - planned):
            raise InputError(f"{path}: contains {len(others)} runs of another study. {_AGAIN}")

    @property
    def _plan_path(self) -> Path:
        return self.folder / self.about["plan"]

    def _planned(self, columns: Sequence[str] | None = None) -> pa.Table:
        path = self._plan_path
        try:
            return _read_parquet(_verified(path), path, columns)
        except FileNotFoundError:
            raise InputError(f"{path}: is missing; the same command writes it again") from None
        except InputError:
            raise InputError(
                f"{path}: was changed or damaged after it was written: {self._rows_told(path)}."
                f" {_move_away(path.name)}"
            ) from None

    def _planned_ids(self) -> set[str]:
        return set(self._planned(["run_id"])["run_id"].to_pylist())

    def _rows_told(self, path: Path) -> str:
        written = self.about["rows"]
        try:
            rows = pq.read_metadata(path).num_rows
        except (pa.ArrowException, OSError):
            return f"it cannot be read ({written} rows were written)"
        return f"it has {rows} rows, {written} were written" if rows != written else "a value was changed"

    def latest(self) -> dict[str, tuple[str, float]]:
        """Status by run_id of every run that is stored, and when it ended (seconds since 1970)."""
        table = self._stored(_ABOUT_ROW)
        ids, statuses, ended = (table[name].to_pylist() for name in _ABOUT_ROW)
        return {ids[number]: (statuses[number], ended[number]) for number in _one_per_run(table)}

    def rows(self, columns: Sequence[str]) -> pa.Table:
        """Some columns of the stored rows, each run once; InputError for a file of another study."""
        table = self._stored(list(dict.fromkeys([*_ABOUT_ROW, *columns])))
        return table.take(pa.array(_one_per_run(table), pa.int64())).select(columns)

    def _stored(self, columns: Sequence[str]) -> pa.Table:
        """Every row of every file."""
        for _ in range(20):
            try:
                tables = [_read_parquet(_verified(path), path, columns) for path in self.files()]
            except FileNotFoundError:
                continue  # another process merges files
            if tables:
                return pa.concat_tables(tables)
            about = pa.schema(_ABOUT_RUN)  # enough for a status, and known without the model
            schema = about if set(columns) <= set(about.names) else self.schema
            return pa.schema([schema.field(name) for name in columns]).empty_table()
        raise StorageError(f"{self._runs}: files vanish while they are read")

    def files(self, part: str = "") -> list[Path]:
        """Files with rows, of one part of the study or of all; StorageError if they cannot be listed."""
        try:
            found = [path for path in self._runs.iterdir() if path.suffix == ".parquet"]
        except FileNotFoundError:
            return []
        except OSError as fault:
            raise StorageError(
                f"{self._runs}: cannot be listed: {fault.strerror}. Make it a folder that you can read, or"
                " move it away to begin again"
            ) from None
        return sorted(path for path in found if path.name.startswith(part))

    @cached_property
    def _versions(self) -> str:
        """The version of the model, and a short name for those of all libraries, as it is in a row."""
        model, *libraries = versions().values()
        return f"{model}, libraries {_checksum(_canonical({'of': libraries}))[:6]}"

    def write_rows(self, rows: Sequence[Mapping[str, Any]], part: str) -> None:
        """Store rows as one file, whole or not at all."""
        added = {"ended": datetime.now(UTC).timestamp(), VERSIONS: self._versions}
        self._write_table(pa.Table.from_pylist([{**row, **added} for row in rows], self.schema), part)

    def _write_table(self, table: pa.Table, part: str) -> Path:
        content = _parquet_bytes(table)
        path = self._runs / f"{part}-{_checksum(content)}.parquet"
        write_whole(path, content)
        return path

    def compact(self, part: str = "") -> None:
        """Merge the small files of a part (or of all); a stop at any moment leaves every row readable."""
        latest, batch, size = self.latest(), list[Path](), 0
        for path in self.files(f"{part}-" if part else ""):
            batch.append(path)
            size += path.stat().st_size
            if size > MERGED_BYTES:
                self._merge(batch, part, latest)
                batch, size = [], 0
        self._merge(batch, part, latest)

    def _merge(self, files: Sequence[Path], part: str, latest: Mapping[str, tuple[str, float]]) -> None:
        """Put the rows of some files into one; a failed row of a run that is done elsewhere is left out."""
        if len(files) < 2:
            return
        table = pa.concat_tables([_read_parquet(_verified(path), path, self.schema.names) for path in files])
        ids, statuses, ended = (table[name].to_pylist() for name in _ABOUT_ROW)
        kept = [n for n in _one_per_run(table) if latest[ids[n]] == (statuses[n], ended[n])]
        merged = self._write_table(table.take(pa.array(kept, pa.int64())), part or "all")
        for path in files:
            if path != merged:
                path.unlink(missing_ok=True)

    def set_damaged_aside(self) -> list[Path]:
        """Rename files of rows that are damaged or of another study, so that their runs are repeated."""
        aside, planned = list[Path](), self._planned_ids()
        for path in self.files():
            try:
                self._check_file(path, planned)
            except FileNotFoundError:
                continue
            except InputError:
                aside.append(path.replace(path.with_name(f"{path.name}.damaged")))
        return aside

    @contextmanager
    def working(self, part: tuple[int, int] = (1, 1)) -> Iterator[None]:
        """Lock the i-th of n parts of the study; InputError if another process works on it."""
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
            for path in self._runs.glob(f".{number}of{parts}-*.part"):  # a stop left it half-written
                path.unlink(missing_ok=True)
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
        path = self.folder / "sessions.jsonl"
        try:
            with path.open("a+b") as file:
                whole = file.tell() == 0 or _ends_a_line(file)
                file.write(b"" if whole else b"\n")
                file.write(json.dumps(line).encode() + b"\n")
        except OSError as fault:
            raise StorageError(f"{path}: cannot be written: {fault.strerror or fault}") from fault

    def sessions(self) -> list[dict[str, Any]]:
        """The lines of sessions.jsonl; one that a stop left half-written is passed over."""
        path, found = self.folder / "sessions.jsonl", list[dict[str, Any]]()
        lines = path.read_bytes().splitlines() if path.exists() else []
        for line in lines:
            with suppress(ValueError):
                session = json.loads(line)
                found += [session] if isinstance(session, dict) else []
        return found

    def _write(self, inputs: "StudyInputs", plan: "RunPlan", sources: Sequence[str]) -> None:
        """Write the plan, then study.json, which names it: a stop between them changes nothing."""
        content = json.loads(inputs.model_dump_json())
        table = pa.Table.from_pandas(plan.table, preserve_index=False, nthreads=1)
        about_table = {**(table.schema.metadata or {}), _INPUTS: json.dumps(content).encode()}
        written = _parquet_bytes(table.replace_schema_metadata(about_table))
        name = f"plan-{_checksum(written)}.parquet"
        write_whole(self.folder / name, written)
        about = {"hash": inputs.hash, "plan": name, "rows": len(plan.table), "sources": list(sources)}
        about |= {"environment": environment(), "inputs": content}
        whole = {"checksum": _checksum(_canonical(about)), **about}
        write_whole(self.folder / "study.json", json.dumps(whole, indent=1).encode())
        for path in self.folder.glob("plan-*.parquet"):
            if path.name != name:
                path.unlink(missing_ok=True)
        for name in ("about", "inputs", "schema"):  # of the smaller study
            self.__dict__.pop(name, None)

    def _check_versions(self) -> None:
        """InputError if the study was begun with another model or other libraries."""
        now, stored = versions(), self.about["environment"]
        before = {name: stored[name] for name in now if name in stored}
        if lines := [f"  {line}" for line in _differences(before, {name: now[name] for name in before})]:
            told = "\n".join([f"{self.folder}: was begun with other versions:", *lines])
            raise InputError(
                f"{told}\nTo go on, use sweep --mix-versions: every row then names its versions. To begin"
                " again, use sweep --new or compare --overwrite"
            )

    def _check_that_it_grows(self, inputs: "StudyInputs", plan: "RunPlan") -> None:
        """InputError if a planned run or a kept outcome or column of the stored study is not in this one."""
        if self._grows_to(inputs, plan):
            return
        before, now = self.about["inputs"], json.loads(inputs.model_dump_json())
        lines = _shortened([f"  {line}" for line in _differences(before, now)])
        told = "\n".join([f"{self.folder}: contains another study, not to be mixed with this one:", *lines])
        raise InputError(f"{told}\nGive another folder with --out, or --new to set the old one aside")

    def _grows_to(self, inputs: "StudyInputs", plan: "RunPlan") -> bool:
        if self.about["hash"] == inputs.hash:
            return True
        kept = [self.inputs.outcomes, self.inputs.study.series] == [inputs.outcomes, inputs.study.series]
        return kept and self._planned_ids() <= set(plan.table.run_id)


def set_aside(folder: Path) -> Path | None:
    """Rename a results folder, so that a study can begin again; nothing is deleted."""
    if not folder.exists():
        return None
    store = Store(folder)
    if not store.exists:
        if not contains_study(folder):
            raise InputError(
                f"{folder}: is not the folder of a study, and --new moves nothing else; give another --out"
            )
        return None
    with store.working():
        aside = folder.with_name(f"{folder.name}-before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    folder.rename(aside)
    return aside


def versions() -> dict[str, str]:
    """Versions of the model (its code and data), of Python and of the libraries."""
    from unstuck_analysis.output.provenance import model_version

    libraries = {name: metadata.version(name) for name in _PACKAGES}
    return {"model": model_version(), "python": sys.version.split()[0], **libraries}


def environment() -> dict[str, str]:
    """What the numbers could depend on: versions and the machine."""
    from unstuck_analysis.output.provenance import git_state, processor

    machine = {"platform": platform.platform(), "processor": processor(), "git": git_state()}
    return {**versions(), **machine}


def _checksum(content: bytes) -> str:
    return blake2b(content, digest_size=10).hexdigest()


def _canonical(about: Mapping[str, Any]) -> bytes:
    return json.dumps(about, sort_keys=True).encode()


def _parquet_bytes(table: pa.Table) -> bytes:
    buffer = pa.BufferOutputStream()
    pq.write_table(table, buffer, use_dictionary=False, write_statistics=False)
    return buffer.getvalue().to_pybytes()


def _verified(path: Path) -> bytes:
    """The content of a file whose name ends with its checksum; InputError if it was changed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise StorageError(f"{path}: cannot be read: {fault.strerror or fault}") from fault
    if not path.stem.endswith(f"-{_checksum(content)}"):
        raise InputError(f"{path}: is cut off, damaged or no file of this study. {_AGAIN}")
    return content


def _read_parquet(content: bytes, path: Path, columns: Sequence[str] | None) -> pa.Table:
    """Columns of a Parquet file (all if none are named); InputError if one is missing.

    Without threads of pyarrow: one that still keeps `content` while Python ends aborts the program
    (https://github.com/apache/arrow/issues/34314).
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            if columns is None:
                return file.read(use_threads=False)
            if not (missing := set(columns) - set(file.schema_arrow.names)):
                return file.read(columns=list(columns), use_threads=False).select(columns)
    except (pa.ArrowException, OSError):
        missing = {"columns that can be read"}
    raise InputError(f"{path}: belongs to another study (it has no {', '.join(sorted(missing))}). {_AGAIN}")


def _move_away(name: str) -> str:
    return f"Move {name} away and run the same command again: it writes the file again and keeps all runs"


def _one_per_run(table: pa.Table) -> list[int]:
    """Numbers of the rows to take: done before failed, then the latest."""
    columns = (table[name].to_pylist() for name in _ABOUT_ROW)
    best: dict[str, tuple[bool, float, int]] = {}
    for number, (run_id, status, ended) in enumerate(zip(*columns, strict=True)):
        rank = (status == "done", ended, number)
        if run_id not in best or rank > best[run_id]:
            best[run_id] = rank
    return [number for _, _, number in best.values()]


def _ends_a_line(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _differences(before: Any, now: Any, key: str = "") -> Iterator[str]:
    """Where two nested values differ, by dotted key; what was added or removed is only named."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in {**before, **now}:
            if name in before and name in now:
                yield from _differences(before[name], now[name], f"{key}.{name}".strip("."))
        added, gone = [n for n in now if n not in before], [n for n in before if n not in now]
    elif isinstance(before, list) and isinstance(now, list) and _are_plain([*before, *now]):
        added, gone = [n for n in now if n not in before], [n for n in before if n not in now]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        yield from _differences(dict(enumerate(before)), dict(enumerate(now)), key)
        return
    else:
        added, gone = [], []
    if added or gone:
        yield f"{key}: {', '.join([f'+ {n}' for n in added] + [f'- {n}' for n in gone])}"
    elif before != now and not isinstance(before, dict):
        yield f"{key}: {_told(before)} (stored), {_told(now)} (now)"


def _are_plain(values: Sequence[Any]) -> bool:
    return not any(isinstance(value, dict | list) for value in values)


def _shortened(lines: list[str]) -> list[str]:
    left_out = len(lines) - _MOST_DIFFERENCES
    return lines if left_out <= 0 else [*lines[:_MOST_DIFFERENCES], f"  and {left_out} more"]


def _told(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
