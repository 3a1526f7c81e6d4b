"""The command line. Heavy libraries are imported inside the commands, so that --help is quick.

Standard output holds results, standard error everything else. Exit codes: 0 done, 1 disk or run failure,
2 bad input, 3 a study with failed or missing runs, 130 stopped by Ctrl-C.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from unstuck_analysis import research_commands, study_commands
from unstuck_analysis.output.folder import release_folders
from unstuck_analysis.output.terminal import console, say, whole_seed

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="How stress traps a neural circuit, and what gets it unstuck. A model for research and teaching, not"
    " medical advice.",
    epilog="Example: unstuck compare untreated ssri-like ketamine-like",
)

Seed = Annotated[int, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed of all random streams.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes; the numbers do not depend on it.")]
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
    treatments: Annotated[list[str] | None, typer.Argument(help="One to three treatments.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes any that is free.")] = 8765,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[bool, typer.Option("--allow-remote", help="Let other machines in.")] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    seed: Seed = 1,
    patient: Annotated[int, typer.Option(min=0, help="Number of the patient, as in compare.")] = 0,
    neurons: Annotated[int, typer.Option(min=100, max=5_000, help="Neurons a patient.")] = 500,
    mesa: Annotated[bool, typer.Option("--mesa", help="Mesa's own page over CircuitModel.")] = False,
) -> None:
    """Watch up to three copies of one stuck patient in the browser, live and offline."""
    from unstuck.page.serve import main as serve

    serve(
        treatments or (),
        port=port,
        host=host,
        allow_remote=allow_remote,
        open_browser=not no_browser,
        seed=seed,
        patient=patient,
        neurons=neurons,
        mesa=mesa,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: run a command, and turn what can go wrong into one message and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in study_commands.REMOVED:
        _fail(f"`unstuck {words[0]}` was removed: {study_commands.REMOVED[words[0]]}", 2)
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
