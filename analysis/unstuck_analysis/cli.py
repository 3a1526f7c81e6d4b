"""The command line. Heavy libraries are imported inside the commands, so that --help is quick.

Standard output holds results, standard error everything else. Exit codes: 0 done, 1 disk or run failure,
2 bad input, 130 stopped by Ctrl-C.
"""

import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from unstuck_analysis import research_commands, study_commands
from unstuck_analysis.output.folder import RESULTS, claim_folder, release_folders
from unstuck_analysis.output.terminal import console, print_patient, print_summary, progress, say, whole_seed

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

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="How stress traps a neural circuit, and what gets it unstuck. A model for research and teaching, not"
    " medical advice.",
    epilog="Example: unstuck compare untreated ssri-like ketamine-like",
)

Treatments = Annotated[list[str] | None, typer.Argument(help="Shipped names (see `unstuck list`) or paths.")]
Seed = Annotated[int, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed of all random streams.")]
Neurons = Annotated[int, typer.Option(min=100, max=50_000, help="Neurons a patient.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; the numbers do not depend on it.")]
Out = Annotated[Path | None, typer.Option(help="Output folder; a new one under results/ if not given.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from unstuck import __version__

        print(f"unstuck {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None: ...


@app.command(epilog="Example: unstuck compare untreated ssri-like ketamine-like --patients 32 --seed 7")
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
    """Compare treatments on the same stuck patients: a table, a figure, tidy tables and one HTML report."""
    from unstuck_analysis import compare as comparing
    from unstuck_analysis import report

    names = tuple(treatments or comparing.DEFAULT_TREATMENTS)
    with _results(out, "compare", overwrite) as folder:
        with progress("patients", patients) as advance:
            comparison = comparing.compare(
                names,
                patients=patients,
                seed=seed,
                neurons=neurons,
                workers=workers or _cores(),
                on_done=advance,
            )
        command = _command("compare", *names, patients=patients, seed=seed, neurons=neurons)
        _write_comparison(comparison, folder, command)
    if as_json:
        print(json.dumps(comparing.summary(comparison), allow_nan=False))
    else:
        print_summary(comparison)
    for note in [*report.start_notes(comparison), *report.drug_notes(comparison), report.NO_PLACEBO]:
        say(f"Note: {note}")
    say(f"Written to {folder}: {', '.join(COMPARISON_FILES)}")


@app.command(epilog="Example: unstuck run ssri-like --patient 3 --seed 1")
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
    from unstuck.files.treatment import Treatment

    from unstuck_analysis import compare as comparing
    from unstuck_analysis import report
    from unstuck_analysis.study.cohort import Job, outcomes_frame, run_patient

    loaded = Treatment(treatment)
    with _results(out, "run", overwrite) as folder:
        with progress("patients", 1) as advance:
            result = run_patient(Job(seed, patient, (str(loaded.path),), neurons))
            advance(result)
        outcomes = outcomes_frame([result])
        comparison = comparing.Comparison(seed, 1, neurons, [loaded], outcomes, result.series)
        _write_patient(comparison, folder)
    found = comparing.patient_summary(comparison, loaded, patient)
    if as_json:
        print(json.dumps({**found, "series": str(folder / "series.parquet")}, allow_nan=False))
    else:
        print_patient(found, loaded.file.title)
    if comparison.not_stuck:
        say("Note: this patient did not get stuck; a comparison counts such patients and leaves them out.")
    for note in report.drug_notes(comparison):
        say(f"Note: {note}")
    say(f"Written to {folder}: {', '.join(PATIENT_FILES)}")


@app.command("list", epilog="Example: unstuck list drugs")
def list_files(
    kind: Annotated[
        str, typer.Argument(help="treatments, drugs, circuits or studies; all if not given.")
    ] = "",
) -> None:
    """List what is shipped and what the working folder adds."""
    from unstuck_analysis.library.list import shelf_tables

    for table in shelf_tables(kind):
        console().print(table)


@app.command(epilog="Example: unstuck show fluoxetine-like --figure fluoxetine.png")
def show(
    name: Annotated[str, typer.Argument(help="A drug, treatment or circuit: shipped name or path.")],
    figure: Annotated[Path | None, typer.Option(help="Draw a drug to this .png or .svg file.")] = None,
) -> None:
    """Show what a file means: a drug's actions, kinetics and sources, a treatment's phases, a circuit."""
    from unstuck_analysis.library.show import describe, draw_drug

    if figure is not None:
        draw_drug(name, figure)
    for part in describe(name):
        console().print(part)
    if figure is not None:
        say(f"Written: {figure}")


@app.command(epilog="Example: unstuck check my-drug.yaml my-treatment.yaml")
def check(
    files: Annotated[list[Path], typer.Argument(help="Files to check; their kind is told by their keys.")],
) -> None:
    """Check files without running them; every fault with its file, line and key."""
    from unstuck_analysis.library.check import check_files

    for path, kind in check_files(files):
        print(f"{path}: a valid {kind}")


@app.command(epilog="Example: unstuck schema treatments > treatment.schema.json")
def schema(kind: Annotated[str, typer.Argument(help="drugs, treatments, circuits or studies.")]) -> None:
    """Print the JSON Schema of a kind of file, for editors."""
    from unstuck_analysis.library.check import schema_of

    print(json.dumps(schema_of(kind), indent=2))


@app.command(epilog="Example: unstuck new drug my-drug")
def new(
    kind: Annotated[str, typer.Argument(help="drug, treatment, circuit or study.")],
    name: Annotated[str, typer.Argument(help="Name of the new file, without .yaml.")],
) -> None:
    """Start a file of your own from a commented template that passes `unstuck check`."""
    from unstuck_analysis.library.check import write_template

    say(f"Written: {write_template(kind, name)}. Edit it, then `unstuck check {name}.yaml`.")


@app.command(epilog="Example: unstuck evidence --quick --row F18 T11 --without metabolite-ampa-drive")
def evidence(
    more_rows: Annotated[list[str] | None, typer.Argument(metavar="[ROW]...", hidden=True)] = None,
    row: Annotated[list[str] | None, typer.Option(metavar="ROW...", help="Only these rows.")] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="MECHANISM", help="Also without this mechanism (`all`: each in turn)."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The mean-field only; no cohort rows.")] = False,
    patients: Annotated[
        int | None, typer.Option(min=1, help="Patients drawn for cohort rows; 160 if not given.")
    ] = None,
    seed: Seed = 1,
    workers: Workers = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; results/evidence if not given.")] = None,
    facts: Annotated[Path | None, typer.Option(help="Another fact sheet than the shipped one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure the published findings: which hold, which were fitted, which fall without a mechanism."""
    from unstuck_analysis.evidence import command

    rows, folder = [*(row or []), *(more_rows or [])], out or command.FOLDER
    asked = command.Request(rows, without or [], quick, patients, seed, workers or _cores(), folder, facts)
    command.run(asked, as_json)


study_commands.add_to(app)
research_commands.add_to(app)


@app.command(epilog="Example: unstuck calibrate --evaluations 2000 --workers 4")
def calibrate(
    evaluations: Annotated[int, typer.Option(min=1, help="Most evaluations in the mean-field.")] = 4000,
    network_evaluations: Annotated[int, typer.Option(min=0, help="Most evaluations in networks.")] = 200,
    networks: Annotated[int, typer.Option(min=1, help="Networks an evaluation.")] = 4,
    ensemble_steps: Annotated[int, typer.Option(min=0, help="Steps of 16 walks among equal fits.")] = 100,
    start: Annotated[
        str, typer.Option(help="Where to begin: middle (of every range) or shipped.")
    ] = "middle",
    free: Annotated[
        list[str] | None, typer.Option(help="Symbol to fit, again for more; all fitted ones if not given.")
    ] = None,
    seed: Seed = 1,
    workers: Workers = None,
    out: Annotated[Path | None, typer.Option(help="Folder; results/calibration if not given.")] = None,
    facts: Annotated[Path | None, typer.Option(help="Another fact sheet than the shipped one.")] = None,
) -> None:
    """Fit the free parameters to the findings of role fit (never test), and find sets that fit as well."""
    from unstuck_analysis.evidence import fit as calibration

    asked = calibration.Calibration(
        out or calibration.FOLDER,
        calibration.fit_rows(facts),
        seed,
        evaluations,
        network_evaluations,
        networks,
        ensemble_steps,
        start=start,
        only=free or (),
        workers=workers or _cores(),
    )
    calibration.run(asked)


@app.command(epilog="Example: unstuck view untreated ssri-like ketamine-like --seed 7 --patient 3")
def view(
    treatments: Annotated[
        list[str] | None, typer.Argument(help="One to three treatments: shipped names or paths.")
    ] = None,
    story: Annotated[str, typer.Option(help="Play a story: a shipped name or the path of a file.")] = "",
    export: Annotated[
        Path | None, typer.Option(help="Write one self-contained web page to this file; start no server.")
    ] = None,
    days: Annotated[float, typer.Option(min=1, max=365, help="Days in an exported page.")] = 84.0,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes any free port.")] = 8765,
    host: Annotated[str, typer.Option(help="Address on this machine to listen on.")] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    seed: Seed = 1,
    patient: Annotated[int, typer.Option(min=0, help="Number of the patient, as in compare.")] = 0,
    neurons: Annotated[int, typer.Option(min=100, max=5_000, help="Neurons per patient.")] = 500,
    mesa: Annotated[
        bool, typer.Option("--mesa", help="Show the first treatment in Mesa's own page.")
    ] = False,
) -> None:
    """Watch up to three copies of one patient in the browser, offline, or write them to one web page."""
    from unstuck_analysis import view as page

    shown = page.prepare(treatments or (), seed=seed, patient=patient, neurons=neurons, story=story)
    if mesa:
        shown.serve_mesa(port=port, open_browser=not no_browser)
        return
    if export is not None:
        shown.write(export, days)
        say(f"Written: {export} ({export.stat().st_size / 1e6:.1f} MB). Open it in any browser.")
        return
    shown.serve(port=port, host=host, open_browser=not no_browser)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: run a command, and turn what can go wrong into one message and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = app(args=words or ["--help"], prog_name="unstuck", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except Exception as fault:
        _explain(fault)
    finally:
        release_folders()
    if status == 130:  # how typer tells of Ctrl-C differs between its versions
        _fail("stopped; nothing was written", 130)
    sys.exit(status if isinstance(status, int) else 0)


def _explain(fault: Exception) -> NoReturn:
    """One clear message for a fault that a user or a machine can cause; a bug shows itself (exit 1)."""
    if hasattr(fault, "format_message"):  # wrong use of an option: its class differs between typer's versions
        _fail(_usage_message(fault), 2)
    from concurrent.futures import BrokenExecutor

    from unstuck.engine.step import RunError
    from unstuck.files.yaml import InputError

    from unstuck_analysis.output.files import StorageError

    if isinstance(fault, InputError):
        _fail(str(fault), 2)
    if isinstance(fault, RunError | StorageError | OSError):
        _fail(str(fault), 1)
    if isinstance(fault, BrokenExecutor | MemoryError):
        _fail("a process was killed or ran out of memory; try fewer --workers or --neurons", 1)
    raise fault


def _usage_message(fault: Any) -> str:
    message = fault.format_message().replace("Input should", "must")
    if hasattr(fault.__cause__, "errors"):
        message += f", not {fault.__cause__.errors()[0]['input']!r}"
    command = fault.ctx.command_path if fault.ctx else "unstuck"
    return f"{message} (see {command} --help)"


def _fail(message: str, code: int) -> NoReturn:
    say(f"unstuck: {message}")
    sys.exit(code)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _results(out: Path | None, command: str, overwrite: bool) -> Iterator[Path]:
    """The output folder of a command; one that would stay empty goes again, and Ctrl-C says what was kept."""
    made = [path for path in (out or RESULTS, *(out or RESULTS).parents) if not path.exists()]
    folder, earlier = out, dict[str, tuple[int, int]]()
    try:
        folder = claim_folder(out, command, overwrite=overwrite)
        made = made if out else [folder, *made]
        earlier = _written(folder)
        yield folder
    except BaseException as fault:
        release_folders()
        with contextlib.suppress(OSError):  # the first that is not empty
            for path in made:
                path.rmdir()
        if isinstance(fault, KeyboardInterrupt):
            now = _written(folder) if folder else {}
            kept = sorted(name for name, when in now.items() if earlier.get(name) != when)
            told = f"kept in {folder}: {', '.join(kept)}" if kept else "nothing was written"
            _fail(f"stopped; {told}", 130)
        raise


def _written(folder: Path) -> dict[str, tuple[int, int]]:
    """Files of a folder, each with what changes when it is written anew."""
    found = {path.name: path.stat() for path in folder.iterdir()} if folder.is_dir() else {}
    return {name: (about.st_ino, about.st_mtime_ns) for name, about in found.items()}


def _command(name: str, *arguments: str, **options: object) -> str:
    given = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return shlex.join(["unstuck", name, *arguments, *given])


def _write_comparison(comparison: Any, folder: Path, command: str) -> None:
    """Write all of COMPARISON_FILES, the report last; no result of an earlier run stays in the folder."""
    from unstuck_analysis import compare as comparing
    from unstuck_analysis import figures, report
    from unstuck_analysis.output import files as storage

    _remove(folder, RESULT_FILES)
    table = comparing.summary_table(comparison).to_csv(index=False)
    storage.write_whole(folder / "summary.csv", table.encode())
    storage.write_parquet(folder / "outcomes.parquet", comparison.outcomes)
    storage.write_parquet(folder / "series.parquet", comparison.series)
    figure = figures.recovery_figure(comparison)
    figures.save_figure(figure, folder / "recovery.png")
    figures.save_figure(figure, folder / "recovery.svg")
    storage.write_whole(folder / "report.html", report.comparison_report(comparison, command).encode())


def _write_patient(comparison: Any, folder: Path) -> None:
    from unstuck_analysis import figures
    from unstuck_analysis.output import files as storage

    _remove(folder, RESULT_FILES)
    storage.write_parquet(folder / "series.parquet", comparison.series)
    storage.write_whole(folder / "outcomes.csv", comparison.outcomes.to_csv(index=False).encode())
    figures.save_figure(figures.patient_figure(comparison), folder / "patient.png")


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
