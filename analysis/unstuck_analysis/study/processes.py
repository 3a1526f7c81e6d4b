"""The one loop over worker processes. Workers ignore Ctrl-C, and end with their parent.

    for item, done in in_processes(function, items, workers=2): ...

The workers are this process (workers=1), local processes, or those of any `concurrent.futures.Executor`
(cluster.py). Results come as items end, in any order.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass
from multiprocessing import forkserver
from time import monotonic
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")

LOOK_EVERY_S = 5.0  # between two looks whether a cluster has any worker
READS_THE_SCRIPT = 96  # exit code of a worker that was made to run the user's script again
NO_GUARD = """a study started worker processes from a script, and every worker runs that script again.
Put the statements of the script below this line:

    if __name__ == "__main__":
"""
CONTINUE = ". Finished runs are kept; the same command continues from there"
NO_WORKERS = "the workers could not start; the reason is printed above. If it is a script of yours:\n\n"


class Lost:
    """In place of a result: the worker process died while it worked on this item."""


LOST: Final = Lost()


@dataclass(frozen=True)
class Workers:
    """Workers other than this process: how to start them, their number, and the exceptions if one died.

    here: number of workers at this moment, for workers that may never come or may all have ended; patience_s:
    how long to wait while there is none.
    """

    start: Callable[[], Executor]
    count: int
    died: tuple[type[Exception], ...] = (BrokenExecutor,)
    here: Callable[[], int] | None = None
    patience_s: float = 60.0


def in_processes(
    function: Callable[[Item], Done], items: Iterable[Item], workers: "int | Workers" = 1
) -> Generator[tuple[Item, "Done | Lost"]]:
    """Yield each item with `function(item)` as it ends; LOST if a worker died on the way.

    Items of other workers can be lost with a dead worker: repeat a lost item alone before you blame it.
    Close the generator (`contextlib.closing`) to stop the workers at once. Raises what `function` raises,
    RunError if a cluster has no worker left, and SystemExit if no worker can start.
    """
    if workers == 1:
        for item in items:
            yield item, function(item)
        return
    team = local(workers) if isinstance(workers, int) else workers
    waiting, finished = deque(items), 0
    while waiting:
        for item, done in _until_a_pool_breaks(function, waiting, team):
            finished += not isinstance(done, Lost)
            if isinstance(done, Lost) and not finished:
                _check_that_workers_start(team)
                finished = 1
            yield item, done


def local(workers: int) -> Workers:
    """Processes of this machine."""
    return Workers(lambda: local_pool(workers), workers)


def _until_a_pool_breaks(
    function: Callable[[Item], Done], waiting: deque[Item], team: Workers
) -> Generator[tuple[Item, "Done | Lost"]]:
    executor, processes, broken = team.start(), list[Any](), False
    flying: dict[Future[Done], Item] = {}
    try:
        while flying or (waiting and not broken):
            while waiting and not broken and len(flying) < 2 * team.count:
                item = waiting.popleft()
                flying[_submit(executor, function, item, team)] = item
                processes = list((getattr(executor, "_processes", None) or {}).values())
            for future in _ended(flying, team):
                item = flying.pop(future)
                fault = _fault_of(future)
                if fault is None:
                    yield item, future.result()
                elif isinstance(fault, team.died):
                    _explain_missing_guard(processes)
                    broken = broken or isinstance(fault, BrokenExecutor)
                    yield item, LOST
                else:
                    raise fault
    finally:
        for future in flying:
            future.cancel()
        executor.shutdown(wait=not flying)
        for process in processes if flying else []:
            process.terminate()


def _fault_of(future: Future[Any]) -> BaseException | None:
    """What ended a future; RunError if a cluster gave it up, as when its scheduler ends."""
    try:
        return future.exception()
    except CancelledError:
        raise _lost_cluster("the scheduler of the cluster has ended") from None


def _lost_cluster(what: str) -> Exception:
    from unstuck.engine.step import RunError

    return RunError(f"{what}{CONTINUE}")


def _submit(
    executor: Executor, function: Callable[[Item], Done], item: Item, team: Workers
) -> "Future[Done]":
    try:
        with interrupts_held():
            return executor.submit(function, item)
    except team.died as fault:
        lost: Future[Done] = Future()
        lost.set_exception(fault)
        return lost


def _ended(flying: Iterable[Future[Any]], team: Workers) -> set[Future[Any]]:
    """The futures that end first; RunError if there is no worker left to do them."""
    last_seen_s = monotonic()
    while True:
        look_s = None if team.here is None else min(LOOK_EVERY_S, team.patience_s)
        ended, _ = wait(flying, look_s, FIRST_COMPLETED)
        if ended:
            return ended
        assert team.here is not None
        if team.here():
            last_seen_s = monotonic()
        elif monotonic() - last_seen_s >= team.patience_s:
            raise _lost_cluster(f"the cluster has had no worker for {team.patience_s:.0f} s")


def _check_that_workers_start(team: Workers) -> None:
    """SystemExit if workers die without any work, so that no item is blamed for it."""
    executor = team.start()
    try:
        with interrupts_held():
            waiting = executor.submit(_nothing)
        waiting.result()
    except team.died:
        raise SystemExit(NO_WORKERS + NO_GUARD) from None
    finally:
        executor.shutdown()


def _nothing() -> None:
    """Work of a worker that only has to start."""


def _explain_missing_guard(processes: Iterable[Any]) -> None:
    for process in processes:
        process.join(timeout=5)
        if process.exitcode == READS_THE_SCRIPT:
            raise SystemExit(NO_GUARD)


def stop_if_a_worker_reads_the_script() -> None:
    """End a worker that got here only because the user's script has no `if __name__ == "__main__"`."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(READS_THE_SCRIPT)


def prepare_workers() -> None:
    """Start the process that workers will be forked from; it imports the model while this one reads files.

    Only for a program that does not edit the model between two pools.
    """
    multiprocessing.set_start_method("forkserver")
    forkserver.set_forkserver_preload(["unstuck_analysis.study.run"])
    with interrupts_held():
        forkserver.ensure_running()


def local_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of processes with one numerical thread each, forked if `prepare_workers` was called."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # inherited by the workers
    forked = multiprocessing.get_start_method(allow_none=True) == "forkserver"
    context = multiprocessing.get_context("forkserver" if forked else "spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """Delay Ctrl-C; processes that are started meanwhile never receive it, not even during their imports."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End a worker whose parent was killed; it would wait for ever."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
