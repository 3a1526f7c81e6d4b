"""Run the subjects of the findings over processes; finished arms are stored, so that a stopped run resumes.

An arm's file is named by a hash of all that its numbers depend on: subject, scenario with its drugs and
circuit, parameters, spread of the cohort, the parts read, an altered mechanism, and the code of the model.
"""

import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, as_completed
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cache
from math import isfinite, nan
from pathlib import Path

from unstuck import version
from unstuck.files.find import cohort_path
from unstuck.patient.draw import read_cohort

from unstuck_analysis.evidence import arms
from unstuck_analysis.evidence.arms import Plan, Record, Setup, Subject, run_subject, scenario
from unstuck_analysis.evidence.mechanisms import mechanisms
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.study.processes import interrupts_held, spawned_pool

RUNS = "runs"  # folder of the stored arms, inside an output folder


@dataclass(frozen=True)
class Job:
    """One subject with its plan, and the mechanism that is switched off ("" for none)."""

    subject: Subject
    plan: Plan
    without: str = ""


Results = dict[Subject, dict[Setup, Record]]


def run_job(job: Job) -> dict[Setup, Record]:
    """Run one job in this process."""
    if not job.without:
        return run_subject(job.subject, job.plan)
    from unstuck_analysis.evidence.ablation import switched_off

    return run_subject(job.subject, job.plan, alter=switched_off(job.without))


def run_all(
    jobs: Sequence[Job],
    folder: Path | None,
    workers: int,
    on_done: Callable[[Subject], None] = lambda subject: None,
) -> Results:
    """Run what is not stored in folder (None: nothing is kept); the numbers do not depend on workers."""
    for read in (code_and_data, _scenario_text, scenario):  # files may have been edited since the last run
        read.cache_clear()
    results: Results = {}
    missing: list[Job] = []
    for job in jobs:
        stored = _stored(job, folder) if folder else None
        if stored is None:
            missing.append(job)
        else:
            results[job.subject] = stored
            on_done(job.subject)
    run = _serial if workers <= 1 or len(missing) <= 1 else _parallel
    with closing(run(missing, workers)) as finished:  # at once, so that no worker outlives Ctrl-C
        for job, records in finished:
            if folder:
                _store(job, records, folder)
            results[job.subject] = records
            on_done(job.subject)
    return {job.subject: results[job.subject] for job in jobs}


def _serial(jobs: Sequence[Job], workers: int) -> Generator[tuple[Job, dict[Setup, Record]]]:
    for job in jobs:
        yield job, run_job(job)


def _parallel(jobs: Sequence[Job], workers: int) -> Generator[tuple[Job, dict[Setup, Record]]]:
    pool = spawned_pool(min(workers, len(jobs)))
    futures: dict[Future[dict[Setup, Record]], Job] = {}
    try:
        with interrupts_held():
            futures = {pool.submit(run_job, job): job for job in jobs}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        processes = list(getattr(pool, "_processes", {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        if not all(future.done() for future in futures):
            for process in processes:
                process.terminate()


def _stored(job: Job, folder: Path) -> dict[Setup, Record] | None:
    """The records of a job if every arm of it is stored; an arm that was not due is stored as null."""
    records: dict[Setup, Record] = {}
    for setup in job.plan.parts:
        path = folder / f"{arm_key(job, setup)}.json"
        if not path.exists():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        if content is not None:
            records[setup] = Record(
                {key: _float(value) for key, value in content["numbers"].items()},
                content["days"],
                [_float(value) for value in content["recovery"]],
                content["not_stuck"],
            )
    return records


def _float(value: float | str | None) -> float:
    return nan if value is None else float(value)


def _store(job: Job, records: Mapping[Setup, Record], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for setup in job.plan.parts:
        record = records.get(setup)
        content = None if record is None else _plain(asdict(record))
        write_whole(folder / f"{arm_key(job, setup)}.json", json.dumps(content, allow_nan=False).encode())


def _plain(value: object) -> object:
    """Infinite and undefined numbers as JSON can say them: a text that float() reads, and null."""
    if isinstance(value, float) and not isfinite(value):
        return None if value != value else str(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def arm_key(job: Job, setup: Setup) -> str:
    """Hash of all that the numbers of one arm depend on."""
    parts = {key: part.model_dump() for key, part in job.plan.parts[setup].items()}
    condition = job.plan.responders.get(setup)
    about = [
        asdict(job.subject),
        asdict(setup),
        parts,
        condition and condition.model_dump(),
        _mechanism(job.without),
        _scenario_text(setup.scenario),
        _scenario_text(condition.of) if condition else "",
        code_and_data(),
    ]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def _mechanism(name: str) -> str:
    if not name:
        return ""
    return mechanisms()[name].model_dump_json()


@cache
def _scenario_text(name: str) -> str:
    treatment = scenario(name)
    drugs = {drug: file.model_dump_json() for drug, file in treatment.drugs.items()}
    return json.dumps([treatment.file.model_dump_json(), drugs, treatment.circuit.model_dump_json()])


@cache
def code_and_data() -> str:
    """Digest of all that is the same for every arm: the model, the cohort, and the code of the evidence."""
    cohort = read_cohort(cohort_path()).model_dump_json()
    return version.digest_of_texts(model_version(), cohort, _evidence_code())


@cache
def _evidence_code() -> str:
    return version.digest(version.files_in(Path(arms.__file__).parent, ".py"))
