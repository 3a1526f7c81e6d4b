"""What the commands of studies do: run a study while people watch, print its plan."""

import contextlib
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from unstuck_analysis.output.command import mark_latest
from unstuck_analysis.output.terminal import say

if TYPE_CHECKING:
    from unstuck_analysis.study.estimate import Estimate
    from unstuck_analysis.study.executors import OnProgress, Progress, Workforce
    from unstuck_analysis.study.file import Study
    from unstuck_analysis.study.results import Results

REPORT = "report.html"
LINE_EVERY_S = 5.0


def print_slurm(study: "Study", name: str, folder: Path, seed: int | None, jobs: int) -> None:
    """Print a SLURM job array script; InputError for a study with a fault, before anything is queued."""
    from unstuck_analysis.study.cluster import slurm_script

    _ = study.plan
    print(slurm_script(name, folder, seed=seed, jobs=jobs))


def run(
    study: "Study",
    folder: Path,
    workers: "Workforce",
    shard: tuple[int, int],
    *,
    retry_failed: bool,
    new: bool,
    as_json: bool,
) -> None:
    """Run what is not stored yet, write the report, and say what comes next."""
    from unstuck_analysis.study.store import set_aside

    _ = study.plan  # a fault in the study is reported before anything is moved
    if new and (aside := set_aside(folder)):
        say(f"The old results are in {aside}")
    try:
        with _watched() as on_progress:
            results = study.run(
                folder,
                workforce=workers,
                shard=shard,
                retry_failed=retry_failed,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        say(f"unstuck: stopped; what is in {folder} is kept, and the same command continues from there")
        sys.exit(130)
    _finish(results, as_json)


def _finish(results: "Results", as_json: bool) -> None:
    """Compact the files of a complete study and write its report."""
    from unstuck.files.yaml import InputError

    from unstuck_analysis.output.files import write_whole
    from unstuck_analysis.study.report import drug_notes, study_report

    store, counts = results.store, results.store.status()
    if not counts["left"]:
        with contextlib.suppress(InputError), store.working():  # another shard still writes: it compacts
            store.compact()
            store.tidy()
    write_whole(store.folder / REPORT, study_report(results).encode())
    mark_latest(store.folder)
    if as_json:
        print(json.dumps(counts))
    say(", ".join(f"{n} {name}" for name, n in counts.items()))
    if counts["failed"]:
        say(f"First failure: {results.failures().error.iloc[0]} (--retry-failed repeats them)")
    for note in drug_notes(results):
        say(f"Note: {note}")
    say(f"Open {store.folder / REPORT}")
    say(f"Next: unstuck export {shlex.quote(str(store.folder))} --to outcomes.csv")


@contextmanager
def _watched() -> "Iterator[OnProgress]":
    """A bar on a terminal, a line now and then elsewhere; always on standard error."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting")
        yield lambda progress: bar.update(
            task,
            total=progress.planned,
            completed=progress.done + progress.failed,
            description=_told(progress),
        )


def _lines() -> "OnProgress":
    last = -LINE_EVERY_S

    def line(progress: "Progress") -> None:
        nonlocal last
        if monotonic() - last >= LINE_EVERY_S or not progress.left:
            last = monotonic()
            say(_told(progress))

    return line


def _told(progress: "Progress") -> str:
    counts = f"{progress.done} done, {progress.failed} failed, {progress.left} left"
    if not progress.runs_per_s or not progress.left:
        return counts
    return f"{counts}, {progress.runs_per_s:.3g} runs/s, {duration(progress.seconds_left)} to go"


def duration(seconds: float) -> str:
    """A time as people say it."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"


def print_estimate(study: "Study", workers: int | None, as_json: bool) -> None:
    """Print how many runs a study has, and what they take."""
    from unstuck_analysis.study.estimate import estimate
    from unstuck_analysis.study.processes import available_cores

    workers = workers or available_cores()

    found = estimate(study)
    if as_json:
        content = {"runs": found.runs, "seconds": found.seconds(workers), "megabytes": found.megabytes}
        print(json.dumps({**content, "points": found.points, "workers": workers}))
        return
    for line in _estimate_lines(found, workers):
        print(line)


def _estimate_lines(found: "Estimate", workers: int) -> Iterator[str]:
    yield f"{found.points} points x {found.arms} arms x {found.patients} patients = {found.rows} rows"
    if found.runs < found.rows:
        yield f"{found.rows - found.runs} rows read the same as others: {found.runs} runs"
    time_taken = duration(found.seconds(workers))
    yield f"{found.run_s:.3g} s a run ({found.sampled} timed): {time_taken} on {workers} workers"
    yield f"{found.megabytes:.3g} MB of results"


def workforce(cluster: Path | None, workers: int | None) -> "Workforce":
    """The workers that run a study: local processes, or those of a Dask cluster."""
    from unstuck_analysis.study.executors import local
    from unstuck_analysis.study.processes import available_cores

    if cluster is None:
        return local(workers or available_cores())
    from unstuck_analysis.study.cluster import dask_workforce

    return dask_workforce(cluster)


def part(text: str) -> tuple[int, int]:
    """The part `i/n` of a study; InputError for anything else."""
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        from unstuck.files.yaml import InputError

        raise InputError(f"--shard {text}: write i/n with i from 1 to n, for example 3/16")
    return int(number), int(parts)
