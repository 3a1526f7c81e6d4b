"""The commands of studies: sweep, batch, status, report, export, compact. Heavy imports lie inside them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from unstuck_analysis.output.terminal import say, whole_seed

if TYPE_CHECKING:
    from unstuck_analysis.study.estimate import Estimate
    from unstuck_analysis.study.executors import OnProgress, Progress, Workforce
    from unstuck_analysis.study.file import Study
    from unstuck_analysis.study.results import Results

Folder = Annotated[Path, typer.Argument(help="Results folder of a study.")]
Out = Annotated[Path | None, typer.Option(help="Results folder; results/NAME if not given.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; the numbers do not depend on it.")]
Seed = Annotated[
    int | None, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed, instead of the file's.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Run again what failed.")]
New = Annotated[bool, typer.Option("--new", help="Begin anew; what is in the folder is set aside.")]
LINE_EVERY_S = 5.0


def add_to(app: typer.Typer) -> None:
    """Give a command line the commands of studies."""
    app.command(epilog="Example: unstuck sweep smoke --workers 2")(sweep)
    app.command(epilog="Example: unstuck batch my-treatments/ ssri-like --patients 16")(batch)
    app.command(epilog="Example: unstuck status results/smoke --json")(status)
    app.command(epilog="Example: unstuck report results/smoke")(report)
    app.command(epilog="Example: unstuck export results/smoke --to outcomes.csv")(export)
    app.command(epilog="Example: unstuck compact results/smoke")(compact)


def sweep(
    study: Annotated[str, typer.Argument(help="A study file, or a shipped study's name.")],
    out: Out = None,
    workers: Workers = None,
    seed: Seed = None,
    shard: Annotated[str, typer.Option(help="Do the i-th of n parts only: i/n.")] = "1/1",
    cluster: Annotated[Path | None, typer.Option(help="File that describes a Dask cluster.")] = None,
    retry_failed: RetryFailed = False,
    new: New = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan, time and disk only.")] = False,
    print_slurm: Annotated[
        bool, typer.Option("--print-slurm", help="Print a SLURM job array script only.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs of the array of --print-slurm.")] = 16,
    as_json: AsJson = False,
) -> None:
    """Run a study. Stop it whenever you like: the same command goes on where it stopped."""
    from unstuck_analysis.study.file import Study

    loaded = Study.load(study, seed=seed)
    folder = out or Path("results") / loaded.spec.name
    if print_slurm:
        from unstuck_analysis.study.cluster import slurm_script

        _ = loaded.plan  # a fault in the study is told before anything is queued
        print(slurm_script(study, folder, seed=seed, jobs=jobs))
    elif dry_run:
        from unstuck_analysis.study.processes import available_cores

        _print_estimate(loaded, workers or available_cores(), as_json)
    else:
        _run(loaded, folder, _workforce(cluster, workers), _shard(shard), retry_failed, new, as_json)


def batch(
    paths: Annotated[list[str], typer.Argument(help="Treatment files, folders of them, or shipped names.")],
    patients: Annotated[int, typer.Option(min=1, help="Number of virtual patients.")] = 16,
    neurons: Annotated[int, typer.Option(help="Neurons a patient, 0 for the mean-field.")] = 500,
    out: Out = None,
    workers: Workers = None,
    seed: Annotated[
        int, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed of all random streams.")
    ] = 1,
    retry_failed: RetryFailed = False,
    new: New = False,
    as_json: AsJson = False,
) -> None:
    """Run every treatment file given, or every one in a folder, on the same patients; it resumes."""
    from unstuck_analysis.study.file import Study, treatment_files

    files = treatment_files(paths)
    study = Study.of_treatments(files, name="batch", patients=patients, neurons=neurons, seed=seed)
    folder = out or Path("results") / "batch"
    _run(study, folder, _workforce(None, workers), (1, 1), retry_failed, new, as_json)


def status(folder: Folder, as_json: AsJson = False) -> None:
    """Say how many runs are planned, done, failed and left."""
    from unstuck_analysis.study.store import Store

    counts = Store(folder).status()
    print(json.dumps(counts) if as_json else ", ".join(f"{n} {name}" for name, n in counts.items()))


def report(
    folder: Folder,
    to: Annotated[
        Path | None, typer.Option(help="The HTML file; report.html in the folder if not given.")
    ] = None,
) -> None:
    """Write one self-contained HTML report of what is stored so far."""
    from unstuck_analysis.output.files import write_whole
    from unstuck_analysis.study.report import study_report
    from unstuck_analysis.study.results import Results

    path = to or folder / "report.html"
    write_whole(path, study_report(Results(folder)).encode())
    say(f"Written to {path}")


def export(
    folder: Folder,
    to: Annotated[Path, typer.Option(help="File to write: .csv, .parquet or .nc (NetCDF).")],
    series: Annotated[bool, typer.Option("--series", help="The time series, not the outcomes.")] = False,
) -> None:
    """Write one tidy row a run and arm, in the order of the plan; equal studies give equal files."""
    from unstuck_analysis.study.results import Results

    Results(folder).export(to, series=series)
    say(f"Written to {to}")


def compact(folder: Folder) -> None:
    """Merge the files of a study that many processes wrote into one."""
    from unstuck_analysis.study.store import Store

    store = Store(folder)
    with store.working():
        store.compact()
        store.tidy()
    say(f"{folder}: {len(store.files())} file with {store.status()['done']} finished runs")


def _run(
    study: "Study",
    folder: Path,
    workforce: "Workforce",
    shard: tuple[int, int],
    retry_failed: bool,
    new: bool,
    as_json: bool,
) -> None:
    from unstuck_analysis.study.store import set_aside

    _ = study.plan  # a fault in the study is told before anything is moved
    if new and (aside := set_aside(folder)):
        say(f"The old results are in {aside}")
    try:
        with _watched() as on_progress:
            results = study.run(
                folder,
                workforce=workforce,
                shard=shard,
                retry_failed=retry_failed,
                on_progress=on_progress,
            )
    except KeyboardInterrupt:
        say(f"unstuck: stopped; what is in {folder} is kept, and the same command goes on from there")
        sys.exit(130)
    _print_end(results, as_json)


def _print_end(results: "Results", as_json: bool) -> None:
    from unstuck_analysis.study.report import drug_notes

    counts, folder = results.store.status(), results.store.folder
    if as_json:
        print(json.dumps(counts))
    say(", ".join(f"{n} {name}" for name, n in counts.items()))
    if counts["failed"]:
        say(f"First failure: {results.failures().error.iloc[0]} (--retry-failed runs them again)")
    for note in drug_notes(results):
        say(f"Note: {note}")
    say(f"Results in {folder}; see `unstuck report {folder}` and `unstuck export {folder} --to outcomes.csv`")


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


def _print_estimate(study: "Study", workers: int, as_json: bool) -> None:
    from unstuck_analysis.study.estimate import estimate

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


def _workforce(cluster: Path | None, workers: int | None) -> "Workforce":
    from unstuck_analysis.study.executors import local
    from unstuck_analysis.study.processes import available_cores

    if cluster is None:
        return local(workers or available_cores())
    from unstuck_analysis.study.cluster import dask_workforce

    return dask_workforce(cluster)


def _shard(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        from unstuck.files.yaml import InputError

        raise InputError(f"--shard {text}: write i/n with i from 1 to n, for example 3/16")
    return int(number), int(parts)
