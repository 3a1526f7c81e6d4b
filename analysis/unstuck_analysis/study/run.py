"""Run the patients of a study: what a worker does, and the session that hands out the work.

A worker gets all runs of a patient, makes the patient stuck once, and stores the rows as one file. A run that
fails becomes a row with its traceback. Only counts go back to the parent, so that its memory does not grow.
"""

import ctypes
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import groupby
from math import isclose, nan
from pathlib import Path
from time import monotonic, perf_counter, process_time
from typing import Any

from unstuck.engine.step import Accuracy, RunError
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.parameters import ParameterSet
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, PatientRun, checkpoint_key, get_stuck, run_treatment
from unstuck.patient.stability import healthy_is_attractor

from unstuck_analysis.outcomes import outcome_of, series_of
from unstuck_analysis.output.command import typed_command
from unstuck_analysis.output.terminal import say
from unstuck_analysis.study.file import StudyInputs
from unstuck_analysis.study.plan import PlannedRun
from unstuck_analysis.study.processes import Lost, Workers, in_processes, local
from unstuck_analysis.study.store import SERIES, Store
from unstuck_analysis.study.vary import RunInputs, Variation

ACCURACY = Accuracy()
MOST_RUNS, FEWEST_RUNS = 40, 4  # runs per group; fewest in the mean-field, where runs take milliseconds
LONGEST_RUN_S = 4 * 3600.0
DEATHS = 3  # of workers alone with a run, before the run is blamed

Row = dict[str, Any]
WHOLE = (1, 1)


class Workplace:
    """What a worker keeps between runs: the study, and the present patient with its stuck states.

    kept: what the caller that executes the runs keeps of the present patient.
    """

    def __init__(self, inputs: StudyInputs) -> None:
        self.inputs, self.variation = inputs, Variation(inputs.basis)
        self.kept: dict[object, Any] = {}
        self._patients: dict[tuple[str, int], Patient] = {}
        self._stuck: dict[tuple[str, int, str], Checkpoint] = {}
        self._healthy: dict[str, bool] = {}

    def patient(self, run_inputs: RunInputs, index: int) -> Patient:
        """Patient number `index` under some run inputs; RunError for one without a healthy state."""
        key = (run_inputs.patient_digest, index)
        self._check_health(run_inputs)
        if key not in self._patients:
            # runs of one patient come one after the other
            self._patients, self._stuck, self.kept = {}, {}, {}
            self._patients[key] = draw_patient(
                run_inputs.treatment.circuit,
                run_inputs.parameters,
                run_inputs.cohort,
                seed=self.inputs.study.seed,
                index=index,
                neurons=run_inputs.neurons,
            )
        return self._patients[key]

    def simulate(self, run_inputs: RunInputs, index: int) -> tuple[Patient, PatientRun]:
        """One patient under one treatment, from the stuck state that its runs share."""
        patient = self.patient(run_inputs, index)
        stuck = self.stuck(run_inputs, patient)
        return patient, run_treatment(patient, run_inputs.treatment, stuck, accuracy=ACCURACY)

    def stuck(self, run_inputs: RunInputs, patient: Patient) -> Checkpoint:
        """The stuck state of a patient, simulated once for all treatments that share the way to day 0."""
        name = (run_inputs.patient_digest, patient.index, checkpoint_key(run_inputs.treatment))
        if name not in self._stuck:
            self._stuck[name] = get_stuck(patient, run_inputs.treatment, ACCURACY)
        return self._stuck[name]

    def _check_health(self, run_inputs: RunInputs) -> None:
        """RunError if the typical patient has no healthy state with the varied values."""
        name, files = run_inputs.patient_digest, self.inputs.basis.arms[run_inputs.treatment.name]
        if run_inputs.cohort is not None or (
            not run_inputs.changed and run_inputs.treatment.circuit == files.circuit
        ):
            return
        if name not in self._healthy:
            self._healthy = {name: _is_healthy(run_inputs.treatment.circuit, run_inputs.parameters)}
        if not self._healthy[name]:
            raise RunError("no healthy state: with these values the circuit does not come back to health")


def _is_healthy(file: CircuitFile, parameters: ParameterSet) -> bool:
    try:
        return healthy_is_attractor(file, parameters)
    except RunError:
        return False


Execute = Callable[[Workplace, PlannedRun], Row]


def run_one(workplace: Workplace, run: PlannedRun) -> Row:
    """One run: the outcomes and the series that the study keeps."""
    run_inputs = workplace.variation.inputs_of(run.treatment, run.settings)
    patient, simulated = workplace.simulate(run_inputs, run.patient)
    endpoint_day = run_inputs.treatment.file.endpoint_day
    outcome = outcome_of(simulated, patient.circuit, endpoint_day, seed=patient.seed, patient=patient.index)
    kept = workplace.inputs.outcomes
    row = {name: value for name, value in asdict(outcome).items() if name in kept}
    return row | _series(simulated, patient, workplace.inputs)


def _series(run: PatientRun, patient: Patient, inputs: StudyInputs) -> Row:
    """The columns that are kept, each over the days that are kept."""
    columns, every = inputs.study.series.columns, inputs.study.series.every
    if not columns:
        return {}
    series = series_of(run, patient.circuit)
    if every is not None:
        shares = series["day"] * 24.0 / every
        kept = [isclose(share, round(share), abs_tol=1e-9) for share in shares]
        series = {name: values[kept] for name, values in series.items()}
    missing = [nan] * len(series["day"])  # a column of the circuit of another treatment
    return {f"{SERIES}{name}": series.get(name, missing) for name in ("day", *columns)}


@dataclass(frozen=True)
class RunGroup:
    """Runs that a worker does one after the other, and where it stores them."""

    store: tuple[str, str]  # folder and hash of the study, so that a new folder in its place is read again
    part: str
    runs: tuple[PlannedRun, ...]
    execute: Execute


def run_patient_group(group: RunGroup) -> tuple[int, int]:
    """Do the runs of a group and store their rows in one file; the number of runs and of failed ones.

    Raises StorageError if the disk refuses the file.
    """
    store, workplace = _workplace(group.store)
    rows = [_row(workplace, run, group.execute) for run in group.runs]
    store.write_rows(rows, group.part)
    return len(rows), sum(row["status"] == "failed" for row in rows)


@lru_cache(maxsize=1)
def _workplace(key: tuple[str, str]) -> tuple[Store, Workplace]:
    store = Store(Path(key[0]))
    return store, Workplace(store.inputs)


class TookTooLong(RunError):
    """A run was stopped by its time limit."""

    def __init__(self) -> None:
        super().__init__("stopped by the time limit of a run: use fewer neurons or a shorter follow-up")


@contextmanager
def time_limit(seconds: float, again_s: float = 5.0) -> Iterator[None]:
    """Raise TookTooLong in this thread after some time, at its next Python instruction.

    It is raised again every `again_s`, because code that answers any exception can swallow it.
    """
    thread, ended, late = ctypes.c_ulong(threading.get_ident()), threading.Event(), threading.Event()
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        wait_s = seconds
        while not ended.wait(wait_s):
            late.set()
            raise_in(thread, ctypes.py_object(TookTooLong))
            wait_s = again_s

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        if late.is_set():  # only then, because Python is slower after this call
            raise_in(thread, None)  # one that was not raised yet


def _row(workplace: Workplace, run: PlannedRun, execute: Execute) -> Row:
    started, cpu_started = perf_counter(), process_time()
    try:
        with time_limit(LONGEST_RUN_S):
            found = {"status": "done", **execute(workplace, run)}
    except Exception as fault:
        found = _failed(f"{type(fault).__name__}: {fault}", traceback.format_exc())
    times = {"wall_s": perf_counter() - started, "cpu_s": process_time() - cpu_started}
    return {"run_id": run.run_id, **times, **found}


def _failed(error: str, trace: str = "") -> Row:
    return {"status": "failed", "error": " ".join(error.split()), "traceback": trace}


@dataclass(frozen=True)
class Progress:
    """How far a study is; runs that were stored before count as done or failed."""

    planned: int
    done: int
    failed: int
    seconds_left: float = nan

    @property
    def left(self) -> int:
        """Runs that are left."""
        return self.planned - self.done - self.failed


OnProgress = Callable[[Progress], None]


def unwatched(progress: Progress) -> None:
    """Show no progress."""


def run_plan(
    store: Store,
    *,
    shard: tuple[int, int] = WHOLE,
    workers: int | Workers = 1,
    retry_failed: bool = False,
    on_progress: OnProgress = unwatched,
    execute: Execute = run_one,
) -> None:
    """Do the runs of a shard (i-th of n parts) that are not stored yet. Stopping at any moment is safe.

    Raises InputError if another process works on them, StorageError if the disk refuses a row.
    """
    _workplace.cache_clear()  # this process may have worked on the folder with other versions
    number, parts = shard
    if not 1 <= number <= parts:
        raise InputError(f"shard {number}/{parts}: i/n with i from 1 to n")
    with store.working(shard):
        for path in store.set_damaged_aside():
            say(f"{path}: was damaged or of another study; its runs are repeated")
        count = workers if isinstance(workers, int) else workers.count
        store.note_session(shard=f"{number}/{parts}", workers=count, command=typed_command())
        planned = store.plan.runs()
        planned = planned[len(planned) * (number - 1) // parts : len(planned) * number // parts]
        session = _Session(store, f"{number}of{parts}", workers, execute, on_progress)
        session.finish(planned, retry_failed)
        store.compact(session.part)


class _Session:
    """The work of one process on a study: hand out groups of runs until nothing is left."""

    def __init__(
        self,
        store: Store,
        part: str,
        workers: int | Workers,
        execute: Execute,
        on_progress: OnProgress,
    ) -> None:
        self.store, self.part, self.workers, self.execute = store, part, workers, execute
        self.on_progress, self.began_s = on_progress, monotonic()
        self.progress, self.before = Progress(0, 0, 0), 0
        self.ended_before: dict[str, float] = {}  # when the rows ended that were stored before this session

    def finish(self, planned: Sequence[PlannedRun], retry_failed: bool) -> None:
        """Do what is not stored. Runs lost with a worker are repeated alone, to find which kills it."""
        latest = self.store.latest()
        self.ended_before = {run_id: ended for run_id, (_, ended) in latest.items()}
        stored = {
            run_id: status for run_id, (status, _) in latest.items() if status == "done" or not retry_failed
        }
        kept = [stored[run.run_id] for run in planned if run.run_id in stored]
        self.progress = Progress(len(planned), kept.count("done"), kept.count("failed"))
        self.before = len(kept)
        self.on_progress(self.progress)
        todo = [run for run in planned if run.run_id not in stored]
        lost = self._work(self._groups(todo), self.workers)
        for group in self._left_of(lost):
            for run in self._left_of(self._work([group], self._one_worker())):
                self._repeat_alone(run)

    def _repeat_alone(self, group: RunGroup) -> None:
        """Repeat a group that died alone, run by run; a run that kills DEATHS workers is a failed row."""
        for run in group.runs:
            one = replace(group, runs=(run,))
            if not any(not self._work([one], self._one_worker()) for _ in range(DEATHS)):
                row = _failed(
                    f"the worker process died {DEATHS} times in this run (killed, or out of memory)"
                )
                times = {"wall_s": 0.0, "cpu_s": 0.0}
                self.store.write_rows([{"run_id": run.run_id, **times, **row}], self.part)
                self._count(1, 1)

    def _one_worker(self) -> int | Workers:
        team = self.workers if isinstance(self.workers, Workers) else local(max(2, self.workers))
        return replace(team, count=1)

    def _work(self, groups: Sequence[RunGroup], workers: int | Workers) -> list[RunGroup]:
        """Work through groups; returns those that were lost with a worker."""
        lost: list[RunGroup] = []
        with closing(in_processes(run_patient_group, groups, workers)) as ended:
            for group, done in ended:
                if isinstance(done, Lost):
                    lost.append(group)
                else:
                    self._count(*done)
        return lost

    def _groups(self, runs: Sequence[PlannedRun]) -> list[RunGroup]:
        """Runs of one patient together; at most MOST_RUNS, and in the mean-field several patients at once.

        A group costs two waits for the disk, so that groups of a large study are larger.
        """
        fewest = 1 if self.store.inputs.study.neurons else FEWEST_RUNS + len(runs) // 50
        groups: list[list[PlannedRun]] = [[]]
        for _, of_patient in groupby(runs, lambda run: run.patient):
            if len(groups[-1]) >= fewest:
                groups.append([])
            for run in of_patient:
                if len(groups[-1]) >= MOST_RUNS:
                    groups.append([])
                groups[-1].append(run)
        return [RunGroup(self.store.key, self.part, tuple(runs), self.execute) for runs in groups if runs]

    def _left_of(self, groups: Sequence[RunGroup]) -> Iterator[RunGroup]:
        """Groups without the runs that were stored since this session began."""
        for group in groups:
            ended = {run_id: when for run_id, (_, when) in self.store.latest().items()}
            before = self.ended_before
            runs = tuple(run for run in group.runs if ended.get(run.run_id) == before.get(run.run_id))
            if len(runs) < len(group.runs):
                self._count(len(group.runs) - len(runs), 0)
            if runs:
                yield replace(group, runs=runs)

    def _count(self, runs: int, failed: int) -> None:
        done = self.progress.done + runs - failed
        self.progress = replace(self.progress, done=done, failed=self.progress.failed + failed)
        ended = self.progress.done + self.progress.failed - self.before
        each_s = (monotonic() - self.began_s) / max(ended, 1)
        self.progress = replace(self.progress, seconds_left=each_s * self.progress.left)
        self.on_progress(self.progress)
