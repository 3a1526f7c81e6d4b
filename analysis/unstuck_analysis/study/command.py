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

import typer

from unstuck_analysis.output.command import mark_latest, stop_with_runs
from unstuck_analysis.output.terminal import say

if TYPE_CHECKING:
    from unstuck_analysis.study.file import Study
    from unstuck_analysis.study.processes import Workers
    from unstuck_analysis.study.results import Results
    from unstuck_analysis.study.run import OnProgress, Progress

REPORT = "report.html"
INCOMPLETE = 3  # exit code of a study with failed or missing runs
LINE_EVERY_S = 5.0


def print_slurm(study: "Study", name: str, folder: Path, seed: int | None, jobs: int) -> None:
    """Print a SLURM job array script; InputError for a study with a fault, before anything is queued."""
    from unstuck_analysis.study.cluster import slurm_script

    _ = study.plan
    print(slurm_script(name, folder, seed=seed, jobs=jobs))


def run(
    study: "Study",
    folder: Path,
    workers: "int | Workers",
    shard: tuple[int, int],
    *,
    retry_failed: bool,
    new: bool,
    mix_versions: bool,
    as_json: bool,
) -> None:
    """Run what is not stored yet, write the report, and say what comes next."""
    from unstuck_analysis.study.store import set_aside

    _ = study.plan  # a fault in the study is reported before anything is moved
    if new and (aside := set_aside(folder)):
        say(f"The old results are in {aside}")
    settings = {"workers": workers, "shard": shard, "retry_failed": retry_failed}
    try:
        with watched() as show:
            results = study.run(folder, **settings, mix_versions=mix_versions, on_progress=show)
    except KeyboardInterrupt:
        stop_with_runs(folder)
    _finish(results, as_json)
    counts = results.store.status()
    if counts["failed"] or (counts["left"] and shard == (1, 1)):
        raise typer.Exit(INCOMPLETE)


def _finish(results: "Results", as_json: bool) -> None:
    """Compact the files of a complete study and write its report."""
    from unstuck.errors import InputError

    from unstuck_analysis.output.files import write_whole
    from unstuck_analysis.study.answer import answer
    from unstuck_analysis.study.report import drug_notes, study_report, version_notes

    store, counts = results.store, results.store.status()
    if not counts["left"]:
        with contextlib.suppress(InputError), store.working():  # another shard still writes: it compacts
            store.compact()
    write_whole(store.folder / REPORT, study_report(results).encode())
    mark_latest(store.folder)
    if as_json:
        print(json.dumps(counts))
    elif counts["done"]:
        print(answer(results))
    say(", ".join(f"{n} {name}" for name, n in counts.items()))
    if counts["failed"]:
        say(f"First failure: {results.failures().error.iloc[0]} (--retry-failed repeats them)")
    for note in [*version_notes(results), *drug_notes(results)]:
        say(f"Note: {note}")
    say(f"Open {store.folder / REPORT}")
    say(f"Next: unstuck export {shlex.quote(str(store.folder))} --to outcomes.csv")


@contextmanager
def watched() -> "Iterator[OnProgress]":
    """Show progress on standard error: a bar on a terminal, else a line now and then."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting")
        yield lambda now: bar.update(
            task, total=now.planned, completed=now.done + now.failed, description=_format(now)
        )


def _lines() -> "OnProgress":
    last = -LINE_EVERY_S

    def line(progress: "Progress") -> None:
        nonlocal last
        if monotonic() - last >= LINE_EVERY_S or not progress.left:
            last = monotonic()
            say(_format(progress))

    return line


def _format(progress: "Progress") -> str:
    counts = f"{progress.done} of {progress.planned} runs done"
    counts += f", {progress.failed} failed" if progress.failed else ""
    known = progress.left and progress.seconds_left == progress.seconds_left
    return f"{counts}, {format_duration(progress.seconds_left)} left" if known else counts


def format_duration(seconds: float) -> str:
    """A time in the largest unit of which there are at least two."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.0f} s"


def print_size(study: "Study", as_json: bool) -> None:
    """Print the number of points, rows and runs of a study."""
    table, runs = study.plan.table, len(study.plan.runs())
    points, arms, patients = table.point.nunique(), table.treatment.nunique(), study.inputs.study.patients
    if as_json:
        print(json.dumps({"points": int(points), "rows": len(table), "runs": runs}))
        return
    print(f"{points} points x {arms} treatments x {patients} patients = {len(table)} rows")
    if runs < len(table):
        print(f"{len(table) - runs} rows have the same inputs as others: {runs} runs")


def team(cluster: Path | None, workers: int) -> "int | Workers":
    """The workers that run a study: local processes, or those of a Dask cluster."""
    if cluster is None:
        return workers
    from unstuck_analysis.study.cluster import dask_workers

    return dask_workers(cluster)


def part(text: str) -> tuple[int, int]:
    """The part `i/n` of a study; InputError for anything else."""
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        from unstuck.errors import InputError

        raise InputError(f"--shard {text}: write i/n with i from 1 to n, for example 3/16")
    return int(number), int(parts)
