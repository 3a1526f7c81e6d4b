"""The commands that run patients and report on them. Heavy imports lie inside them.

Exit code 3: a study ended with failed or missing runs.
"""

import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from unstuck_analysis.output.folder import RESULTS, results_folder
from unstuck_analysis.output.terminal import print_patient, print_summary, say, whole_seed

if TYPE_CHECKING:
    from unstuck_analysis.compare import Comparison
    from unstuck_analysis.study.file import Study
    from unstuck_analysis.study.processes import Workers as Team
    from unstuck_analysis.study.results import Results
    from unstuck_analysis.study.run import OnProgress, Progress

INCOMPLETE = 3
COMPARISON_FILES = (
    "summary.csv",
    "outcomes.parquet",
    "series.parquet",
    "recovery.png",
    "recovery.svg",
    "report.html",
)
PATIENT_FILES = ("series.parquet", "outcomes.csv", "patient.png")
RESULT_FILES = (*COMPARISON_FILES, *PATIENT_FILES)  # of an earlier run: removed with --overwrite
REMOVED = {
    "batch": "`unstuck compare FOLDER` runs every treatment file of a folder, and files and names beside it",
    "compact": "the files of a study are merged when its runs end; there is nothing left to do",
}
LINE_EVERY_S = 5.0


def _neurons(text: object) -> int:
    """A number of neurons as typed."""
    from unstuck.circuit import LARGEST, SMALLEST

    if str(text).isdigit() and (int(str(text)) == 0 or SMALLEST <= int(str(text)) <= LARGEST):
        return int(str(text))
    raise typer.BadParameter(f"must be 0 (the mean-field) or {SMALLEST} to {LARGEST}, not {str(text)!r}")


Treatments = Annotated[
    list[str] | None, typer.Argument(help="Shipped names (see `unstuck list`), files, or folders of files.")
]
Neurons = Annotated[
    int, typer.Option(parser=_neurons, metavar="INTEGER", help="Neurons per patient; 0: the mean-field.")
]
Folder = Annotated[Path, typer.Argument(help="Results folder of a study or comparison.")]
Out = Annotated[Path | None, typer.Option(help="Results folder; one under results/ if not given.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; the numbers do not depend on it.")]
Seed = Annotated[int, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed of all random streams.")]
OtherSeed = Annotated[
    int | None, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed, instead of the file's.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the results in the folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def add_to(app: typer.Typer) -> None:
    """Give a command line the commands that run patients."""
    example = "Example: unstuck compare untreated ssri-like ketamine-like --patients 32 --seed 7"
    app.command(epilog=example)(compare)
    app.command(epilog="Example: unstuck run ssri-like --patient 3 --seed 1")(run)
    app.command(epilog="Example: unstuck sweep smoke --workers 2")(sweep)
    app.command(epilog="Example: unstuck status results/smoke --json")(status)
    app.command(epilog="Example: unstuck report results/smoke")(report)
    app.command(epilog="Example: unstuck export results/smoke --to outcomes.csv")(export)


def compare(
    treatments: Treatments = None,
    patients: Annotated[int, typer.Option(min=1, help="Number of virtual patients.")] = 16,
    seed: Seed = 1,
    neurons: Neurons = 500,
    workers: Workers = None,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare treatments on the same stuck patients: a table, a figure, tidy tables and one HTML report.

    Stop it at any moment: the same command continues from there.
    """
    from unstuck_analysis import compare as comparing
    from unstuck_analysis import report
    from unstuck_analysis.study.file import treatment_files
    from unstuck_analysis.study.processes import available_cores
    from unstuck_analysis.study.store import Store

    names = treatment_files(treatments or comparing.DEFAULT_TREATMENTS)
    study = comparing.comparison_study(names, patients=patients, seed=seed, neurons=neurons)
    out = out or RESULTS / f"compare-{study.inputs.hash[:10]}"  # the same command finds its folder again
    with (
        results_folder(out, "compare", overwrite or Store(out).can_continue) as folder,
        _watched(folder) as show,
    ):
        if overwrite:
            Store(folder).make_room(study.inputs, study.plan)
        comparison = comparing.compare(
            names,
            patients=patients,
            seed=seed,
            neurons=neurons,
            workers=workers or available_cores(),
            out=folder,
            on_progress=show,
        )
        options = {"patients": patients, "seed": seed, "neurons": neurons}
        given = [word for key, value in options.items() for word in (f"--{key}", str(value))]
        _write_comparison(comparison, folder, shlex.join(["unstuck", "compare", *names, *given]))
    if as_json:
        print(json.dumps(comparing.summary(comparison), allow_nan=False))
    else:
        print_summary(comparison)
    for note in [*report.start_notes(comparison), *report.drug_notes(comparison), report.NO_PLACEBO]:
        say(f"Note: {note}")
    say(f"Written to {folder}: {', '.join(COMPARISON_FILES)}")


def run(
    treatment: Annotated[str, typer.Argument(help="A shipped name (see `unstuck list`) or a path.")],
    patient: Annotated[int, typer.Option(min=0, help="Number of the patient; the same as in compare.")] = 0,
    seed: Seed = 1,
    neurons: Neurons = 500,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Run one patient under one treatment: the same patient as row K of a comparison with the same seed."""
    from unstuck_analysis import compare as comparing
    from unstuck_analysis import report

    with results_folder(out, "run", overwrite) as folder:
        found = comparing.run(treatment, patient=patient, seed=seed, neurons=neurons)
        _write_patient(found, folder)
    summary = comparing.patient_summary(found, found.treatments[0], patient)
    if as_json:
        print(json.dumps({**summary, "series": str(folder / "series.parquet")}, allow_nan=False))
    else:
        print_patient(summary, found.treatments[0].file.title)
    if found.not_stuck:
        say("Note: this patient did not get stuck; a comparison counts such patients and leaves them out.")
    for note in report.drug_notes(found):
        say(f"Note: {note}")
    say(f"Written to {folder}: {', '.join(PATIENT_FILES)}")


def sweep(
    study: Annotated[str, typer.Argument(help="A study file, or a shipped study's name.")],
    out: Out = None,
    workers: Workers = None,
    seed: OtherSeed = None,
    shard: Annotated[str, typer.Option(help="Do the i-th of n parts only: i/n.")] = "1/1",
    cluster: Annotated[Path | None, typer.Option(help="File that describes a Dask cluster.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Repeat failed runs.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Rename the old results folder and begin anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the size of the plan only.")] = False,
    print_slurm: Annotated[
        bool, typer.Option("--print-slurm", help="Print a SLURM job array script only.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs of the array of --print-slurm.")] = 16,
    as_json: AsJson = False,
) -> None:
    """Run a study. Stop it at any moment: the same command continues from there. A study may grow."""
    from unstuck_analysis.study.file import Study

    loaded = Study.load(study, seed=seed)
    folder = out or Path("results") / loaded.inputs.name
    if print_slurm:
        from unstuck_analysis.study.cluster import slurm_script

        _ = loaded.plan  # a fault in the study is reported before anything is queued
        print(slurm_script(study, folder, seed=seed, jobs=jobs))
    elif dry_run:
        _print_size(loaded, as_json)
    else:
        _sweep(loaded, folder, _team(cluster, workers), _shard(shard), retry_failed, new, as_json)


def status(
    folder: Folder,
    verify: Annotated[bool, typer.Option("--verify", help="Compare every file with its checksum.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the planned, done, failed and remaining runs; --verify checks every stored file."""
    from unstuck_analysis.study.store import Store

    store = Store(folder)
    if verify:
        _verify(store.faults(), len(store.files()))
    counts = store.status()
    print(json.dumps(counts) if as_json else ", ".join(f"{n} {name}" for name, n in counts.items()))


def _verify(faults: Sequence[str], files: int) -> None:
    from unstuck_analysis.output.files import StorageError

    if faults:
        raise StorageError("\n".join(faults))
    say(f"study.json, the plan and {files} files of rows are as they were written")


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
    to: Annotated[Path, typer.Option(help="File to write: .csv or .parquet.")],
    series: Annotated[bool, typer.Option("--series", help="The time series, not the outcomes.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Export though runs are missing.")] = False,
) -> None:
    """Write one tidy row per run, in the order of the plan; equal studies give equal files."""
    from unstuck.files.yaml import InputError

    from unstuck_analysis.study.results import Results

    results = Results(folder)
    counts = results.store.status()
    if counts["left"] and not partial:
        raise InputError(
            f"{folder}: {counts['left']} of {counts['planned']} rows are missing. Finish the study, or give"
            " --partial to export the others"
        )
    results.export(to, series=series)
    say(f"Written to {to}")


def _sweep(
    study: "Study",
    folder: Path,
    workers: "int | Team",
    shard: tuple[int, int],
    retry_failed: bool,
    new: bool,
    as_json: bool,
) -> None:
    from unstuck_analysis.study.store import set_aside

    _ = study.plan  # a fault in the study is reported before anything is moved
    if new and (aside := set_aside(folder)):
        say(f"The old results are in {aside}")
    with _watched(folder) as on_progress:
        results = study.run(
            folder, workers=workers, shard=shard, retry_failed=retry_failed, on_progress=on_progress
        )
    _print_end(results, as_json)
    counts = results.store.status()
    if counts["failed"] or (counts["left"] and shard == (1, 1)):
        raise typer.Exit(INCOMPLETE)


def _print_end(results: "Results", as_json: bool) -> None:
    from unstuck_analysis.study.report import drug_notes

    counts, folder = results.store.status(), results.store.folder
    if as_json:
        print(json.dumps(counts))
    say(", ".join(f"{n} {name}" for name, n in counts.items()))
    if counts["failed"]:
        say(f"First failure: {results.failures().error.iloc[0]} (--retry-failed repeats failed runs)")
    for note in drug_notes(results):
        say(f"Note: {note}")
    say(f"Results in {folder}; see `unstuck report {folder}` and `unstuck export {folder} --to outcomes.csv`")


@contextmanager
def _watched(folder: Path) -> "Iterator[OnProgress]":
    """A bar on a terminal, a line now and then elsewhere, on standard error. Ctrl-C reports what is kept."""
    try:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            columns = (BarColumn(), TextColumn("{task.description}"))
            with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
                task = bar.add_task("starting")
                yield lambda now: bar.update(
                    task, total=now.planned, completed=now.done + now.failed, description=_format(now)
                )
        else:
            yield _lines()
    except KeyboardInterrupt:
        say(f"unstuck: stopped. Finished runs are kept in {folder}; the same command continues from there")
        sys.exit(130)


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


def _print_size(study: "Study", as_json: bool) -> None:
    table, runs = study.plan.table, len(study.plan.runs())
    points, arms, patients = table.point.nunique(), table.treatment.nunique(), study.inputs.study.patients
    if as_json:
        print(json.dumps({"points": int(points), "rows": len(table), "runs": runs}))
        return
    print(f"{points} points x {arms} treatments x {patients} patients = {len(table)} rows")
    if runs < len(table):
        print(f"{len(table) - runs} rows have the same inputs as others: {runs} runs")


def _team(cluster: Path | None, workers: int | None) -> "int | Team":
    from unstuck_analysis.study.processes import available_cores

    if cluster is None:
        return workers or available_cores()
    from unstuck_analysis.study.cluster import dask_workers

    return dask_workers(cluster)


def _shard(text: str) -> tuple[int, int]:
    number, _, parts = text.partition("/")
    if not (number.isdigit() and parts.isdigit() and 1 <= int(number) <= int(parts)):
        from unstuck.files.yaml import InputError

        raise InputError(f"--shard {text}: write i/n with i from 1 to n, for example 3/16")
    return int(number), int(parts)


def _write_comparison(comparison: "Comparison", folder: Path, command: str) -> None:
    """Write all of COMPARISON_FILES, the report last; no result of an earlier run stays in the folder."""
    from unstuck_analysis import compare as comparing
    from unstuck_analysis import figures, report
    from unstuck_analysis.output import files as storage

    for name in RESULT_FILES:
        (folder / name).unlink(missing_ok=True)
    table = comparing.summary_table(comparison).to_csv(index=False)
    storage.write_whole(folder / "summary.csv", table.encode())
    storage.write_parquet(folder / "outcomes.parquet", comparison.outcomes)
    storage.write_parquet(folder / "series.parquet", comparison.series)
    figure = figures.recovery_figure(comparison)
    figures.save_figure(figure, folder / "recovery.png")
    figures.save_figure(figure, folder / "recovery.svg")
    storage.write_whole(folder / "report.html", report.comparison_report(comparison, command).encode())


def _write_patient(comparison: "Comparison", folder: Path) -> None:
    from unstuck_analysis import figures
    from unstuck_analysis.output import files as storage

    for name in RESULT_FILES:
        (folder / name).unlink(missing_ok=True)
    storage.write_parquet(folder / "series.parquet", comparison.series)
    storage.write_whole(folder / "outcomes.csv", comparison.outcomes.to_csv(index=False).encode())
    figures.save_figure(figures.patient_figure(comparison), folder / "patient.png")
