"""The commands of `unstuck`, one short function each. Heavy libraries are imported inside them.

Standard output has results, standard error everything else.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from unstuck_analysis import defaults
from unstuck_analysis.output.command import (
    HELP,
    Answering,
    AsJson,
    CircuitName,
    NetworkNeurons,
    Neurons,
    OtherCircuit,
    PatientNumber,
    Patients,
    Seed,
    StudySeed,
    TreatmentName,
    command,
    plain_command,
)
from unstuck_analysis.output.terminal import say

RUN, TRIALS, FILES = "Run", "Clinical trials", "Your own files"
STUDIES, ANALYSE = "Studies", "Analyse"
NEXT_AFTER_CHECK = {  # kind of file: command to type next
    "drug": "unstuck compare untreated",
    "treatment": "unstuck compare untreated",
    "circuit": "unstuck show",
    "study": "unstuck sweep",
}

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=HELP,
    help="Simulate how stress makes a brain circuit stuck, and which treatments get it going again."
    " A model for research and teaching, not medical advice.",
    epilog="Example: unstuck compare untreated ssri-like ketamine-like",
)


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
) -> None:
    if Path("scenarios").is_dir():
        from unstuck.files.find import replaced_files

        if replaced := replaced_files():
            say(f"Note: used instead of the shipped file of this name: {', '.join(map(str, replaced))}")


def _prepare_workers(context: typer.Context, workers: int) -> int:
    """The number of processes that was asked for; what they are forked from begins to start."""
    from unstuck_analysis.study.processes import available_cores, prepare_workers

    count = workers or available_cores()
    if context.obj and count > 1 and sys.platform == "linux":
        prepare_workers()
    return count


Workers = Annotated[
    int,
    typer.Option(
        min=0,
        callback=_prepare_workers,
        help="Number of processes; 0: one per core. Results do not depend on it.",
    ),
]


@command(app, "unstuck compare untreated ssri-like ketamine-like --patients 32 --seed 7", RUN)
def compare(
    folder: Path,
    treatments: Annotated[
        list[str] | None,
        typer.Argument(
            help="Shipped names (see `unstuck list`), treatment files, drug files (the usual course for 12"
            f" weeks), or folders of them. If not given: {' '.join(defaults.TREATMENTS)}."
        ),
    ] = None,
    patients: Patients = defaults.PATIENTS,
    seed: Seed = defaults.SEED,
    neurons: Neurons = defaults.NEURONS,
    circuit: OtherCircuit = "",
    workers: Workers = 0,
) -> Answering:
    """Compare treatments on the same stuck patients, and write a table, a figure and a report."""
    from unstuck_analysis import compare as comparing
    from unstuck_analysis.library.course import treatment_files
    from unstuck_analysis.report import ComparisonAnswer
    from unstuck_analysis.study.command import watched

    names = treatment_files(treatments or defaults.TREATMENTS, folder)
    with watched() as show:
        found = comparing.compare(
            names,
            patients=patients,
            seed=seed,
            neurons=neurons,
            workers=workers,
            circuit=circuit,
            out=folder,
            on_progress=show,
        )
    options: dict[str, int | str] = {"patients": patients, "seed": seed, "neurons": neurons}
    options |= {"circuit": circuit} if circuit else {}
    return ComparisonAnswer(found, treatments or defaults.TREATMENTS, options)


@command(app, "unstuck run ssri-like --patient 3 --seed 1", RUN)
def run(
    folder: Path,
    treatment: TreatmentName,
    patient: PatientNumber = 0,
    seed: Seed = defaults.SEED,
    neurons: Neurons = defaults.NEURONS,
    circuit: OtherCircuit = "",
) -> Answering:
    """Follow one patient of a comparison under one treatment."""
    from unstuck_analysis.compare import run as run_one
    from unstuck_analysis.library.course import treatment_files
    from unstuck_analysis.report import PatientAnswer

    (name,) = treatment_files([treatment], folder)
    found = run_one(name, patient=patient, seed=seed, neurons=neurons, circuit=circuit)
    return PatientAnswer(found, patient, folder, circuit)


TrialName = Annotated[str, typer.Argument(metavar="FILE", help="A trial: shipped name or path of a file.")]
Cluster = Annotated[Path | None, typer.Option(help="File that describes a Dask cluster.")]


@command(app, "unstuck trial placebo-against-waiting-list --workers 2", TRIALS)
def trial(folder: Path, file: TrialName, workers: Workers = 0, cluster: Cluster = None) -> Answering:
    """Simulate a clinical trial: patients are screened, randomised and rated, miss doses, and leave."""
    from unstuck_analysis.study.command import team, watched
    from unstuck_analysis.trial.report import trial_answer
    from unstuck_analysis.trial.run import Trial

    loaded = Trial.load(file)
    with watched() as show:
        return trial_answer(loaded.run(folder, workers=team(cluster, workers), on_progress=show))


@command(app, "unstuck power placebo-against-waiting-list --sizes 10,20,30", TRIALS)
def power(
    folder: Path,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Trials to compare: shipped names or paths.")
    ],
    sizes: Annotated[str, typer.Option(help="Patients per arm, such as 50,100,150.")] = "50,75,100,150,200",
    trials: Annotated[int, typer.Option(min=10, help="Trials per sample size.")] = 500,
    pool: Annotated[int, typer.Option(min=20, help="Patients that the trials are drawn from.")] = 600,
    workers: Workers = 0,
    cluster: Cluster = None,
) -> Answering:
    """Estimate the power of one or several trials for several sample sizes.

    The trials of one file are drawn from one pool of simulated patients.
    """
    from unstuck_analysis.study.command import team, watched
    from unstuck_analysis.trial.power import parse_sizes, pools_of, power_answer

    asked = parse_sizes(sizes)
    with watched() as show:
        found = pools_of(files, folder, pool, workers=team(cluster, workers), on_progress=show)
    return power_answer(found, asked, trials)


@plain_command(app, "unstuck view untreated ssri-like ketamine-like --seed 7 --patient 3", RUN)
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
    host: Annotated[str, typer.Option(help="Address of this machine to listen on.")] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    seed: Seed = 1,
    patient: Annotated[int | None, typer.Option(min=0, help="Number of the patient; 4 if not given.")] = None,
    neurons: Annotated[int, typer.Option(min=100, max=5_000, help="Neurons per patient.")] = 500,
    circuit: OtherCircuit = "",
    mesa: Annotated[
        bool, typer.Option("--mesa", help="Show the first treatment in Mesa's own page.")
    ] = False,
) -> None:
    """Watch up to three copies of one patient in the browser, or write them to one web page."""
    from unstuck_analysis import view as page

    who = page.PATIENT if patient is None else patient
    shown = page.prepare(
        treatments or (), seed=seed, patient=who, neurons=neurons, story=story, circuit=circuit
    )
    if mesa:
        shown.serve_mesa(port=port, open_browser=not no_browser)
    elif export is not None:
        shown.write(export, days)
        say(f"Written: {export} ({export.stat().st_size / 1e6:.1f} MB). Open it in any browser.")
    else:
        shown.serve(port=port, host=host, open_browser=not no_browser)


@plain_command(app, "unstuck list drugs", FILES, "list")
def list_files(
    kind: Annotated[
        str, typer.Argument(help="treatments, drugs, circuits, studies or trials; ten drugs if not given.")
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="All files of every kind.")] = False,
) -> None:
    """List ten drugs to begin with, or all drugs, treatments, circuits, studies and trials (--all)."""
    from unstuck_analysis.library.list import recommended_drugs, shelf_tables

    if kind or everything:
        for table in shelf_tables(kind):
            print(f"{table.terminal()}\n")
        say("Next: unstuck show NAME")
    else:
        print(recommended_drugs().terminal())
        say("All files: unstuck list --all. Next: unstuck show NAME, or unstuck compare NAME")


@plain_command(app, "unstuck show fluoxetine-like --figure fluoxetine.png", FILES)
def show(
    name: Annotated[str, typer.Argument(help="A drug, treatment or circuit: shipped name or path.")],
    figure: Annotated[Path | None, typer.Option(help="Draw a drug to this .png or .svg file.")] = None,
) -> None:
    """Print what a drug, treatment or circuit means, with the source of every number."""
    from unstuck.files.find import shipped

    from unstuck_analysis.library.show import describe, draw_drug

    if figure is not None:
        draw_drug(name, figure)
    for part in describe(name):
        print(part)
    if figure is not None:
        say(f"Written: {figure}")
    if name in shipped("treatments"):
        say(f"Next: unstuck compare untreated {name}")


@plain_command(app, "unstuck new drug my-drug", FILES)
def new(
    kind: Annotated[str, typer.Argument(help="drug, treatment, circuit, study or trial.")],
    name: Annotated[str, typer.Argument(help="Name of the new file, without .yaml.")],
    events: Annotated[
        Path | None,
        typer.Option("--from", help="Dosing table (NONMEM-style CSV) from which to make the treatment."),
    ] = None,
    drug: Annotated[str, typer.Option(help="The drug in the dosing table.")] = "",
) -> None:
    """Start a file of your own from a template in which every key is explained."""
    from unstuck_analysis.library.check import write_from_events, write_template

    if events is not None or drug:
        written = write_from_events(kind, name, events, drug)
        say(f"Written: {', '.join(map(str, written))}. Next, type: unstuck check {written[-1]}")
        return
    say(f"Written: {write_template(kind, name)}. Edit it, then type: unstuck check {name}.yaml")


@plain_command(app, "unstuck check my-drug.yaml my-treatment.yaml", FILES)
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Files to check; their kind follows from their keys.")
    ] = None,
    schema: Annotated[
        str, typer.Option(metavar="KIND", help="Print the JSON Schema of a kind of file instead.")
    ] = "",
) -> None:
    """Check files without a simulation; every error has file, line and key."""
    from unstuck_analysis.library.check import check_files, schema_of

    if schema:
        print(json.dumps(schema_of(schema), indent=2))
    elif not files:
        raise typer.BadParameter("give files to check, or --schema KIND")
    checked = [*check_files(files or [])]
    for path, kind, notes in checked:
        print(f"{path}: a valid {kind}")
        for note in notes:
            say(f"Note: {note}")
    if len(checked) == 1 and (next_step := NEXT_AFTER_CHECK.get(checked[0][1])):
        say(f"Next: {next_step} {checked[0][0]}")


@plain_command(app, "unstuck sweep smoke --workers 2", STUDIES)
def sweep(
    study: Annotated[str, typer.Argument(help="A study file, or a shipped study's name.")],
    out: Annotated[Path | None, typer.Option(help="Results folder; results/NAME if not given.")] = None,
    workers: Workers = 0,
    seed: StudySeed = None,
    shard: Annotated[str, typer.Option(help="Run only part i of n parts, written i/n.")] = "1/1",
    cluster: Annotated[Path | None, typer.Option(help="File that describes a Dask cluster.")] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Repeat runs that failed.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Start again; the old folder is renamed.")] = False,
    mix_versions: Annotated[
        bool,
        typer.Option("--mix-versions", help="Continue a study of other versions of the code or libraries."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the number of runs and stop.")] = False,
    print_slurm: Annotated[
        bool, typer.Option("--print-slurm", help="Print a SLURM job array script only.")
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Jobs of the array of --print-slurm.")] = 16,
    as_json: AsJson = False,
) -> None:
    """Run a study: the same patients at many settings. If you stop it, the same command continues."""
    from unstuck_analysis.study import command as studying
    from unstuck_analysis.study.file import Study

    loaded = Study.load(study, seed=seed)
    folder = out or Path("results") / loaded.inputs.name
    if print_slurm:
        studying.print_slurm(loaded, study, folder, seed, jobs)
    elif dry_run:
        studying.print_size(loaded, as_json)
    else:
        options = {"retry_failed": retry_failed, "new": new, "mix_versions": mix_versions}
        workers_here, part = studying.team(cluster, workers), studying.part(shard)
        studying.run(loaded, folder, workers_here, part, **options, as_json=as_json)


StudyFolder = Annotated[Path, typer.Argument(help="Results folder of a study.")]


@plain_command(app, "unstuck status results/smoke --json", STUDIES)
def status(
    folder: StudyFolder,
    verify: Annotated[bool, typer.Option("--verify", help="Check every stored file too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count the planned, finished, failed and remaining runs of a study."""
    from unstuck_analysis.output.files import StorageError
    from unstuck_analysis.study.store import Store

    store = Store(folder)
    if verify and (faults := store.faults()):
        raise StorageError("\n".join(faults))
    if verify:
        say(f"study.json, the plan and {len(store.files())} files of rows are as they were written")
    counts = store.status()
    print(json.dumps(counts) if as_json else ", ".join(f"{n} {name}" for name, n in counts.items()))
    if counts["left"]:
        say("Next: the same unstuck sweep command again: it does the runs that are left")
    else:
        say(f"Next: unstuck export {folder} --to outcomes.csv")


@plain_command(app, "unstuck export results/smoke --to outcomes.csv", STUDIES)
def export(
    folder: StudyFolder,
    to: Annotated[Path, typer.Option(help="File to write: .csv, .parquet, .dta (Stata, SPSS) or .xlsx.")],
    series: Annotated[
        bool, typer.Option("--series", help="Write the readings over time, not the outcomes.")
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Export even if runs are missing.")] = False,
) -> None:
    """Write the results of a study as one table with one row per run."""
    from unstuck.errors import InputError

    from unstuck_analysis.study.results import Results

    results = Results(folder)
    counts = results.store.status()
    if counts["left"] and not partial:
        raise InputError(
            f"{folder}: {counts['left']} of {counts['planned']} rows are missing. Finish the study, or give"
            " --partial to export the others"
        )
    written = results.export(to, series=series)
    say(f"Written: {', '.join(map(str, written))}. Open {to}")


@command(app, "unstuck landscape ssri-like ketamine-like", ANALYSE)
def landscape(
    treatments: Annotated[
        list[str] | None, typer.Argument(help="Shipped names (see `unstuck list`) or paths.")
    ] = None,
    circuit: CircuitName = "default",
) -> Answering:
    """Show how stress makes the typical patient stuck, and how treatments change that."""
    from unstuck_analysis.questions import landscape as question

    return question.ask(circuit, treatments or ())


@command(app, "unstuck circuits untreated ssri-like ketamine-like", ANALYSE)
def circuits(
    treatments: Annotated[
        list[str] | None, typer.Argument(help="Shipped names (see `unstuck list`) or paths.")
    ] = None,
    circuit: Annotated[
        list[str] | None,
        typer.Option(help="A circuit (several times); default, anxiety and ocd if not given."),
    ] = None,
) -> Answering:
    """Compare the same treatments in several illnesses, in the typical patient of each."""
    from unstuck_analysis.questions import circuits as question

    return question.ask(treatments or question.TREATMENTS, circuit or question.CIRCUITS)


@command(app, "unstuck dose-response ssri-like --amounts 0.5,1,2", ANALYSE)
def dose_response(
    drug: Annotated[str, typer.Argument(help="A drug: shipped name or path.")],
    amounts: Annotated[str, typer.Option(help="Doses relative to the usual dose, such as 0.5,1,2.")] = "",
    length: Annotated[
        int | None, typer.Option(min=1, help="Course in days (84 if not given) or single doses (6).")
    ] = None,
    circuit: CircuitName = "default",
) -> Answering:
    """Show recovery of the typical patient by dose, and the shortest course that lasts."""
    from unstuck_analysis.questions import dose

    dose.refuse_effect(drug)
    return dose.ask(circuit, drug, dose.parse_amounts(amounts), length)


@command(app, "unstuck sensitivity ssri-like --base-points 256", ANALYSE)
def sensitivity(
    treatment: TreatmentName = "ssri-like",
    parameters: Annotated[
        list[str] | None, typer.Option("--parameter", help="Only these parameters.")
    ] = None,
    base_points: Annotated[int, typer.Option(min=2, help="Sobol base points, a power of two.")] = 256,
    paths: Annotated[int, typer.Option(min=2, help="Paths of the Morris screening.")] = 16,
    workers: Workers = 0,
    seed: Seed = 1,
    circuit: OtherCircuit = "",
) -> Answering:
    """Find the parameters that decide who recovers (Morris screening, Sobol indices)."""
    from unstuck_analysis.questions import sensitivity as question

    if (Path(treatment) / "study.json").exists():
        return question.of_study(Path(treatment))
    sizes = question.Sizes(base_points, paths, seed)
    return question.ask(treatment, parameters, sizes, workers, circuit)


ResultsFolder = Annotated[Path, typer.Argument(help="Folder that `unstuck compare` or `sweep` wrote.")]
Against = Annotated[str | None, typer.Option(help="Treatment to compare with; untreated if not given.")]


@command(app, "unstuck survival results/latest", ANALYSE)
def survival(results: ResultsFolder, against: Against = None) -> Answering:
    """Analyse the time to recovery and relapse (Kaplan-Meier curves, log-rank test)."""
    from unstuck_analysis.questions import survival as question

    return question.ask(results, against)


@command(app, "unstuck crossover results/latest", ANALYSE)
def crossover(results: ResultsFolder, seed: Seed = 1) -> Answering:
    """Show which patients recover under which treatment, and day-0 measures related to that."""
    from unstuck_analysis.questions import crossover as question

    return question.ask(results, seed=seed)


@command(app, "unstuck connectivity tianeptine-like --day 84", ANALYSE)
def connectivity(
    treatment: TreatmentName,
    day: Annotated[float, typer.Option(min=0, help="Day of the treated state.")] = 84.0,
    neurons: NetworkNeurons = 500,
    seed: Seed = 1,
    circuit: OtherCircuit = "",
) -> Answering:
    """Show how strongly the regions drive each other when healthy, stuck and treated."""
    from unstuck_analysis.questions import connectivity as question

    return question.ask(treatment, day, neurons=neurons, seed=seed, circuit=circuit)


@command(app, "unstuck evidence --quick --row F18 --row T11", ANALYSE)
def evidence(
    more_rows: Annotated[list[str] | None, typer.Argument(metavar="[ROW]...", hidden=True)] = None,
    row: Annotated[list[str] | None, typer.Option(metavar="ROW...", help="Only these findings.")] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="MECHANISM", help="Also without this mechanism (`all`: each in turn)."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Use fewer patients (faster).")] = False,
    patients: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Drawn patients for findings on shares; 1000 if not given (300 in anxiety and ocd;"
            " with --quick 100, and 50).",
        ),
    ] = None,
    networks: Annotated[
        int,
        typer.Option(min=0, help="Networks for findings on typical patients (medians); 0: mean-field."),
    ] = 0,
    seed: Seed = 1,
    workers: Workers = 0,
    facts: Annotated[Path | None, typer.Option(help="Table of findings, instead of the shipped one.")] = None,
    circuit: Annotated[
        str,
        typer.Option(help="Circuit whose findings are measured: anxiety and ocd have findings of their own."),
    ] = "default",
    held_out: Annotated[bool, typer.Option("--held-out", hidden=True)] = False,
) -> Answering:
    """Compare the model with published findings, with or without one of its mechanisms."""
    from unstuck_analysis.evidence import answer as question
    from unstuck_analysis.evidence.measure import Plan, patients_of

    ids = [*(row or []), *(more_rows or [])]
    drawn = patients or patients_of(circuit, quick=quick)
    plan = Plan(drawn, networks, seed, workers, question.RUNS, circuit=circuit)
    return question.ask(ids, without or [], plan, facts, quick=quick and not patients, held_out=held_out)
