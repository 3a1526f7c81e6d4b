"""Who does the runs: this process, local processes or a Dask cluster (cluster.py); the numbers are the same.

Every one of them is a `concurrent.futures.Executor` that does chunks of runs. The parent hands out a few
chunks at a time, sized by how long runs took so far, and hears back only counts.
"""

import multiprocessing
import os
import shlex
import sys
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from math import ceil, nan
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from unstuck.engine.step import RunError
from unstuck.files.yaml import InputError

from unstuck_analysis.study.plan import Run
from unstuck_analysis.study.processes import interrupts_held, spawned_pool
from unstuck_analysis.study.run import ChunkDone, Execute, failed_row, run_chunk, run_one
from unstuck_analysis.study.store import Store

CHUNK_S = 5.0
LOOK_EVERY_S = 5.0  # between two looks whether a cluster has any worker
MOST_LOOSE = 200  # files of a session before they are merged on the way
READS_THE_SCRIPT = 96  # exit code of a worker that was made to run the user's script again
NO_GUARD = """a study started worker processes from a script, and every worker runs that script again.
Put what the script does below this line:

    if __name__ == "__main__":
"""
NO_WORKERS = "the workers could not start; what stopped them is told above. If it is a script of yours:\n\n"


@dataclass(frozen=True)
class Progress:
    """How far a session is; runs that were stored before it count as done or failed."""

    planned: int
    done: int
    failed: int
    runs_per_s: float
    seconds_left: float

    @property
    def left(self) -> int:
        """Runs that are left."""
        return self.planned - self.done - self.failed


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Workforce:
    """Workers: how to start them, how many there are, and how long a chunk should take them.

    here: how many are there now, for workers that may never come or may all be gone; patience_s: how long a
    study waits while there is none.
    """

    start: Callable[[], Executor]
    slots: int
    chunks_at_once: int
    chunk_s: float = CHUNK_S
    worker_died: tuple[type[Exception], ...] = (BrokenExecutor,)
    here: Callable[[], int] | None = None
    patience_s: float = 60.0


class Serial(Executor):
    """Does each chunk in this process, when it is handed out."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as fault:
            future.set_exception(fault)
        return future


def local(workers: int) -> Workforce:
    """This process, or spawned processes of it."""
    if workers == 1:
        return Workforce(Serial, 1, 1)
    return Workforce(lambda: spawned_pool(workers), workers, 2 * workers)


def stop_if_a_worker_reads_the_script() -> None:
    """End a worker that got here only because the user's script has no `if __name__ == "__main__"`."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(READS_THE_SCRIPT)


def run_plan(
    store: Store,
    *,
    shard: tuple[int, int] = (1, 1),
    workforce: Workforce,
    retry_failed: bool = False,
    on_progress: OnProgress | None = None,
    execute: Execute = run_one,
) -> None:
    """Do the runs of a shard (i-th of n parts) that are not stored yet, and merge what was stored.

    InputError if another process works on them, StorageError if the disk would not take a row.
    """
    number, parts = shard
    if not 1 <= number <= parts:
        raise InputError(f"shard {number}/{parts}: i/n with i from 1 to n")
    with store.working(shard):
        planned = store.plan.runs()
        planned = planned[len(planned) * (number - 1) // parts : len(planned) * number // parts]
        session = f"{number}of{parts}-"
        store.note_session(shard=f"{number}/{parts}", workers=workforce.slots, command=_command())
        _Session(store, session, workforce, execute, on_progress).finish(planned, retry_failed)
        store.compact(session)
        if parts == 1:
            store.tidy()


class _Session:
    """The work of one process on a study: hands out chunks until nothing is left."""

    def __init__(
        self,
        store: Store,
        name: str,
        workforce: Workforce,
        execute: Execute,
        on_progress: OnProgress | None,
    ) -> None:
        self.store, self.name, self.workforce, self.execute = store, name, workforce, execute
        self.on_progress = on_progress
        self.planned = self.done = self.failed = self.files = 0
        self.finished, self.run_s = 0, 0.0  # in this session
        self.retried: dict[str, float] = {}  # when the rows ended that this session is to replace

    def finish(self, planned: list[Run], retry_failed: bool) -> None:
        """Do what is not stored. Runs lost with a worker are done again one by one, to find who kills it."""
        latest = self.store.latest()
        statuses = {run_id: status for run_id, (status, _) in latest.items()}
        self.retried = {i: ended for i, (status, ended) in latest.items() if status == "failed"}
        stored = {run_id for run_id, status in statuses.items() if status == "done" or not retry_failed}
        todo = deque(run for run in planned if run.run_id not in stored)
        kept = [statuses[run.run_id] for run in planned if run.run_id in stored]
        self.planned, self.done, self.failed = len(planned), kept.count("done"), kept.count("failed")
        self._report()
        while todo:
            lost = self._left_of(self._shift(todo, alone=False))
            if lost and not self.finished:
                self._check_that_workers_start()
            while lost:
                died_with = self._shift(lost, alone=True)
                for run in self._left_of(died_with):
                    self._store_death(run)
                lost = self._left_of(lost)

    def _left_of(self, runs: Iterable[Run]) -> deque[Run]:
        """Runs without a row of this session (failed rows of an earlier one are there to be replaced)."""
        ended = {run_id: ended for run_id, (_, ended) in self.store.latest().items()}
        return deque(
            run for run in runs if ended.get(run.run_id) in (None, self.retried.get(run.run_id, nan))
        )

    def _check_that_workers_start(self) -> None:
        """SystemExit if workers die of nothing at all, so that no run is blamed for it."""
        executor = self.workforce.start()
        try:
            with interrupts_held():
                waiting = executor.submit(_nothing)
            waiting.result()
        except self.workforce.worker_died:
            raise SystemExit(NO_WORKERS + NO_GUARD) from None
        finally:
            executor.shutdown()

    def _store_death(self, run: Run) -> None:
        row = failed_row("the worker process died in this run (killed, or out of memory)")
        self.store.write_rows([{"run_id": run.run_id, "wall_s": 0.0, "cpu_s": 0.0, **row}], self.name)
        self._count(ChunkDone(1, 1, 0.0))

    def _shift(self, todo: deque[Run], *, alone: bool) -> list[Run]:
        """Work until nothing is left or a worker died; returns the runs that were under way then."""
        flying: dict[Future[ChunkDone], list[Run]] = {}
        executor, processes = self.workforce.start(), []
        try:
            while todo or flying:
                while todo and len(flying) < (1 if alone else self.workforce.chunks_at_once):
                    chunk = [todo.popleft()] if alone else self._chunk(todo)
                    flying[self._submit(executor, chunk)] = chunk
                    processes = list((getattr(executor, "_processes", None) or {}).values())
                ended = self._ended(flying)
                for future in ended:
                    self._count(future.result())
                    del flying[future]
            return []
        except self.workforce.worker_died:
            _explain_missing_guard(processes)
            return [run for chunk in flying.values() for run in chunk]
        finally:
            for future in flying:
                future.cancel()
            executor.shutdown(wait=not flying)
            for process in processes if flying else []:
                process.terminate()

    def _ended(self, flying: Iterable[Future[ChunkDone]]) -> set[Future[ChunkDone]]:
        """The chunks that end first; RunError if there is no worker left to do them."""
        last_seen_s = monotonic()
        while True:
            look_s = None if self.workforce.here is None else min(LOOK_EVERY_S, self.workforce.patience_s)
            ended, _ = wait(flying, look_s, FIRST_COMPLETED)
            if ended:
                return ended
            assert self.workforce.here is not None
            if self.workforce.here():
                last_seen_s = monotonic()
            elif monotonic() - last_seen_s >= self.workforce.patience_s:
                waited = f"{self.workforce.patience_s:.0f} s"
                raise RunError(
                    f"no worker of the cluster has been there for {waited}; what is stored is kept, and the"
                    " same command goes on from there"
                )

    def _submit(self, executor: Executor, chunk: list[Run]) -> "Future[ChunkDone]":
        try:
            with interrupts_held():
                return executor.submit(run_chunk, self.store.key, self.name, chunk, self.execute)
        except self.workforce.worker_died as fault:
            lost: Future[ChunkDone] = Future()
            lost.set_exception(fault)
            return lost

    def _chunk(self, todo: deque[Run]) -> list[Run]:
        """The next runs: as many as fill a chunk's time, and a few more of the same patient."""
        run_s = self.run_s / self.finished if self.finished else 1.0
        slots = self.workforce.slots
        size = max(1, min(int(self.workforce.chunk_s / max(run_s, 1e-6)), ceil(len(todo) / (4 * slots))))
        chunk = [todo.popleft() for _ in range(min(size, len(todo)))]
        while todo and todo[0].patient == chunk[-1].patient and len(chunk) < 2 * size:
            chunk.append(todo.popleft())
        return chunk

    def _count(self, chunk: ChunkDone) -> None:
        self.failed += chunk.failed
        self.done += chunk.runs - chunk.failed
        self.finished += chunk.runs
        self.run_s += chunk.wall_s
        self.files += 1
        if self.files >= MOST_LOOSE:
            self.store.compact(self.name)
            self.files = 0
        self._report()

    def _report(self) -> None:
        if self.on_progress is None:
            return
        rate = self.workforce.slots * self.finished / self.run_s if self.run_s else 0.0
        left = self.planned - self.done - self.failed
        seconds_left = left / rate if rate else float("nan")
        self.on_progress(Progress(self.planned, self.done, self.failed, rate, seconds_left))


def _command() -> str:
    """What was typed, without where the program lies."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _nothing() -> None:
    """What a worker does that only has to be there."""


class _Process(Protocol):
    exitcode: int | None

    def join(self, timeout: float | None = None) -> None: ...


def _explain_missing_guard(processes: Iterable[_Process]) -> None:
    for process in processes:
        process.join(timeout=5)
        if process.exitcode == READS_THE_SCRIPT:
            raise SystemExit(NO_GUARD)
