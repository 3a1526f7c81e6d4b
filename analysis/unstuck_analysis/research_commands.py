"""Commands that ask further: landscape, dose-response, survival, sensitivity, crossover, connectivity.

Heavy imports lie inside them. Standard output holds the finding, standard error where its files are.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unstuck_analysis.output.terminal import records, say, whole_seed

if TYPE_CHECKING:
    import pandas as pd
    from unstuck.files.circuit import CircuitFile

    from unstuck_analysis.output.captions import About, Shown

Out = Annotated[Path | None, typer.Option(help="Output folder; a new one under results/ if not given.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Seed = Annotated[int, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed of all random streams.")]
CircuitName = Annotated[str, typer.Option("--circuit", help="A shipped circuit or a path.")]
Treatments = Annotated[list[str] | None, typer.Argument(help="Shipped names (see `unstuck list`) or paths.")]


def add_to(app: typer.Typer) -> None:
    """Give a command line these commands."""
    app.command(epilog="Example: unstuck landscape --vary bdnf_gain 0.6 1.6")(landscape)
    app.command("dose-response", epilog="Example: unstuck dose-response ssri-like --with ketamine-like")(
        dose_response
    )
    app.command(epilog="Example: unstuck survival results/my-comparison")(survival)
    app.command(epilog="Example: unstuck sensitivity ssri-like --base-points 256")(sensitivity)
    app.command(epilog="Example: unstuck crossover results/my-comparison")(crossover)
    app.command(epilog="Example: unstuck connectivity tianeptine-like --day 84")(connectivity)


def landscape(
    treatments: Treatments = None,
    circuit: CircuitName = "default",
    vary: Annotated[
        tuple[str, float, float] | None,
        typer.Option(metavar="NAME LOW HIGH", help="Another effect or parameter to draw the states over."),
    ] = None,
    neurons: Annotated[
        int, typer.Option(min=0, max=50_000, help="Network whose slow run through stress is drawn; 0: none.")
    ] = 500,
    escape_runs: Annotated[int, typer.Option(min=0, help="Noisy runs a noise level and state.")] = 0,
    seed: Seed = 1,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """The ditch itself: stable states, the point of no return, each treatment's pull, shortest courses."""
    from unstuck.parameters import default_parameters

    from unstuck_analysis.questions import ditch
    from unstuck_analysis.questions.escape import NOISE_LEVELS, escape_times

    folder, file, parameters = _folder(out, "landscape", overwrite), _circuit(circuit), default_parameters()
    names = tuple(treatments or ditch.DEFAULT_TREATMENTS)
    others = [ditch.measure_diagram(file, parameters, *vary)] if vary else []
    found = ditch.measure_ditch(file, parameters, names, neurons=neurons, seed=seed)
    escapes = None
    if escape_runs and found.landscape.stuck is not None:
        escapes = escape_times(found.landscape, NOISE_LEVELS, runs=escape_runs, years=4, seed=seed)
    about = ditch.about_ditch(file, parameters, names, neurons, seed)
    written = ditch.write_ditch(found, folder, about, others, escapes)
    lines = [*ditch.findings(found, escapes), *(line for other in others for line in other.findings())]
    _print(ditch.contract(found, others), lines, as_json)
    _say_written(folder, written)


def dose_response(
    drug: Annotated[str, typer.Argument(help="A drug (shipped or a path), or TARGET:MODE for one effect.")],
    amounts: Annotated[str, typer.Option(help="Doses as multiples of the usual one, or strengths.")] = "",
    length: Annotated[
        int | None, typer.Option(min=1, help="Days (84 if not given), or single doses (6), of the course.")
    ] = None,
    other: Annotated[str, typer.Option("--with", help="A second drug: the surface of both.")] = "",
    circuit: CircuitName = "default",
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Dose against outcome in the typical patient, with the shortest course that escapes at each dose."""
    from unstuck_analysis.questions import dose as dosing

    folder, file = _folder(out, "dose-response", overwrite), _circuit(circuit)
    found = dosing.measure(file, drug, dosing.parse_amounts(amounts), length, other)
    _print(records(found.table), found.sentences(), as_json)
    for note in found.notes:
        say(f"Note: {note}")
    _say_written(folder, found.write(folder))


Results = Annotated[Path, typer.Argument(help="Folder that `unstuck compare` or `sweep` wrote.")]
Against = Annotated[str | None, typer.Option(help="Arm to compare with; untreated if not given.")]


def survival(
    results: Results,
    against: Against = None,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Time to onset and relapse: Kaplan-Meier, log-rank, restricted mean, number needed to treat."""
    from unstuck_analysis.questions import survival as analysis
    from unstuck_analysis.report import NO_PLACEBO

    outcomes = analysis.read_outcomes(results)
    folder = _folder(out, "survival", overwrite)
    table = analysis.survival_table(outcomes, against)
    needed = analysis.needed_to_treat(outcomes, against)
    finding = {
        "against": analysis.reference_arm(outcomes, against),
        "left_out": outcomes.left_out(),
        "survival": records(table),
        "needed_to_treat": records(needed),
        "note": NO_PLACEBO,
    }
    _print(finding, [*analysis.sentences(outcomes, table, needed), NO_PLACEBO], as_json)
    figures = {"survival": (analysis.survival_figure(outcomes), analysis.SHOWS)}
    tables = {"survival": table, "needed-to-treat": needed}
    _write(folder, tables, figures, analysis.about_outcomes(outcomes, results))


def sensitivity(
    treatment: Annotated[
        str, typer.Argument(help="A shipped treatment or a path, or the folder of a sobol or morris study.")
    ] = "ssri-like",
    parameters: Annotated[list[str] | None, typer.Option("--parameter", help="Only these.")] = None,
    base_points: Annotated[int, typer.Option(min=2, help="Sobol base points, a power of two.")] = 256,
    paths: Annotated[int, typer.Option(min=2, help="Paths of the Morris screening.")] = 16,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes.")] = None,
    seed: Seed = 1,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Which parameters decide: Morris screening, Sobol indices, and the noise between networks."""
    from unstuck_analysis.output.terminal import progress
    from unstuck_analysis.questions import sensitivity as analysis

    if (Path(treatment) / "study.json").exists():
        _study_sensitivity(Path(treatment), out, overwrite, as_json)
        return
    question = analysis.cohort_question(treatment, parameters)
    folder, cores = _folder(out, "sensitivity", overwrite), workers or _cores()
    screened = analysis.morris(question, paths, workers=cores, seed=seed)
    with progress("parts", -(-base_points * (len(question.parameters) + 2) // analysis.CHUNK)) as advance:
        found = analysis.sobol(question, base_points, workers=cores, seed=seed, on_chunk=advance)
    finding = {"morris": records(screened.effects), "sobol": records(found.indices)}
    _print({**finding, "counts": found.counts(screened)}, analysis.sentences(found, screened), as_json)
    tables = {"morris": screened.effects, "sobol": found.indices, "noise": found.noise}
    tables["partial-dependence"] = analysis.dependence_table(found)
    figures = {"sensitivity": (analysis.sensitivity_figure(found), analysis.SHOWS)}
    _write(folder, tables, figures, analysis.about_sobol(question, found, seed))


def _study_sensitivity(study: Path, out: Path | None, overwrite: bool, as_json: bool) -> None:
    from unstuck_analysis.questions import sensitivity as analysis

    table, figures, about = analysis.study_sensitivity(study)
    folder = _folder(out, "sensitivity", overwrite)
    _print(records(table), table.to_string(index=False).splitlines(), as_json)
    _write(folder, {"indices": table}, figures, about)


def crossover(
    results: Annotated[Path, typer.Argument(help="Folder that `unstuck compare` wrote.")],
    seed: Seed = 1,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Each patient under every treatment: who responds to what, and what on day 0 foretells it."""
    from unstuck_analysis.questions import crossover as analysis
    from unstuck_analysis.questions.survival import about_outcomes, read_outcomes

    outcomes = read_outcomes(results)
    found = analysis.crossover(outcomes, analysis.read_series(results), seed=seed)
    folder = _folder(out, "crossover", overwrite)
    _print(found.finding(), analysis.sentences(found), as_json)
    tables = {
        "recovery": found.recovery.reset_index(),
        "features": found.features,
        "overlap": found.overlap.reset_index(names="responders_to"),
    }
    figures = {"crossover": (analysis.crossover_figure(found), analysis.SHOWS)}
    _write(folder, tables, figures, about_outcomes(outcomes, results))


def connectivity(
    treatment: Annotated[str, typer.Argument(help="A shipped treatment or a path.")],
    day: Annotated[float, typer.Option(min=0, help="Day of the treated state.")] = 84.0,
    neurons: Annotated[int, typer.Option(min=0, max=50_000, help="Neurons; 0: the mean-field.")] = 500,
    seed: Seed = 1,
    out: Out = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """How regions drive each other healthy, stuck and treated; the graph for Gephi and networkx."""
    from unstuck_analysis.questions import connectivity as analysis

    folder = _folder(out, "connectivity", overwrite)
    states = analysis.typical_states(treatment, day, neurons=neurons, seed=seed)
    table = analysis.measures_table(states)
    _print(records(table), table.round(3).to_string(index=False).splitlines(), as_json)
    figures = {"connectivity": (analysis.connectivity_figure(states), analysis.SHOWS)}
    graphs = analysis.write_graphs(states, folder)
    tables = {"connectivity": table, "pairs": analysis.pairs_table(states)}
    _write(folder, tables, figures, analysis.about_states(treatment, neurons, seed), graphs)


def _circuit(name_or_path: str) -> "CircuitFile":
    from unstuck.files.circuit import CircuitFile
    from unstuck.files.treatment import read

    return read("circuits", name_or_path, CircuitFile)[0]


def _folder(out: Path | None, command: str, overwrite: bool) -> Path:
    from unstuck_analysis.output.folder import claim_folder

    return claim_folder(out, command, overwrite=overwrite)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write(
    folder: Path,
    tables: "Mapping[str, pd.DataFrame]",
    figures: "Mapping[str, Shown]",
    about: "About",
    others: Iterable[str] = (),
) -> None:
    """Write tables as CSV and captioned figures as PNG and SVG, and say so, with others written already."""
    from unstuck_analysis.output.captions import write_figures, write_tables

    _say_written(folder, [*write_tables(folder, tables), *write_figures(folder, figures, about), *others])


def _print(finding: object, lines: Iterable[str], as_json: bool) -> None:
    print(json.dumps(finding, allow_nan=False) if as_json else "\n".join(lines))


def _say_written(folder: Path, names: Iterable[str]) -> None:
    say(f"Written to {folder}: {', '.join(names)}")
