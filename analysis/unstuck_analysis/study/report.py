"""The report of a study: one HTML file with response surfaces, time courses, failures and provenance."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from unstuck_analysis.output.words import dosing_notes_on, notes_on
from unstuck_analysis.report import LIMITS, NO_PLACEBO, Section, Table, figure_section, html
from unstuck_analysis.study.answer import answer
from unstuck_analysis.study.figures import (
    NOBODY,
    SHARES,
    counted,
    course_figure,
    indices_figure,
    label,
    outcome_figure,
    shown_as,
    shown_outcomes,
)
from unstuck_analysis.study.indices import DESIGNS, SHOWN, indices
from unstuck_analysis.study.results import Results
from unstuck_analysis.study.store import VERSIONS

MOST_ROWS, MOST_FAILURES = 60, 20


def study_report(results: Results) -> str:
    """The report of what is stored so far."""
    file = results.inputs.study
    return html(file.title, file.question or file.description, list(_sections(results)))


def _sections(results: Results) -> Iterator[Section]:
    counts = results.store.status()
    yield Section("What was run", table=_overview(results, counts))
    if counts["done"]:
        if sentence := answer(results):
            yield Section("Answer", text=sentence)
        yield Section("Results", table=outcome_table(results), notes=_notes(results))
        for outcome in shown_outcomes(results):
            yield from _outcome_sections(results, outcome)
        for column in results.inputs.study.series.columns:
            text = (
                "Mean over the stuck patients, with a 95 % bootstrap interval of the mean; a patient who was"
                " run at several points enters with its mean over them."
            )
            name = column.replace("_", " ")
            yield _figure(f"Over time: {name}", course_figure(results, column), f"{name} by day", text)
    yield _failures(results)
    yield Section("Notes on the drugs", notes=[*drug_notes(results, limits=True), NO_PLACEBO])
    yield Section("Limits of the model", notes=LIMITS)
    yield Section("Provenance", table=_provenance(results))
    yield Section("To reproduce", code=_commands(results))


def _figure(title: str, figure: Figure | None, meaning: str, text: str) -> Section:
    if figure is None:
        return Section(title, text=f"There is no figure: {NOBODY}.")
    return figure_section(title, figure, meaning, text)


def drug_notes(results: Results, *, limits: bool = False) -> list[str]:
    """What of the drugs of a study is outside the model, doses that may be a slip, equal treatments."""
    arms = results.inputs.basis.arms.values()
    of_doses = dosing_notes_on((arm.treatment, arm.drugs) for arm in arms)
    return of_doses + notes_on({arm.treatment.title: arm.drugs.values() for arm in arms}, limits=limits)


def _outcome_sections(results: Results, outcome: str) -> Iterator[Section]:
    name = shown_as(outcome)
    whom = "all patients" if outcome in ("not_stuck", "connectivity_stuck") else "the stuck patients"
    caption = f"Over {whom} at each point; over further axes and repeats it is averaged."
    yield _figure(f"Outcome: {name}", outcome_figure(results, outcome), f"{name} by point", caption)
    for arm in results.inputs.basis.arms:
        yield from _indices_section(results, outcome, arm)


def _indices_section(results: Results, outcome: str, arm: str) -> Iterator[Section]:
    """What an outcome depends on under one treatment, or why that is not known (sampled designs only)."""
    if (design := results.inputs.study.design) not in DESIGNS:
        return
    name, (table, note) = outcome.replace("_", " "), indices(results, outcome, arm)
    heading, note = f"What {name} depends on: {arm}", note and f"{note}."
    if table is None:
        yield Section(heading, text=f"There are no indices: {note}")
        return
    table["axis"] = [label(results, path) for path in table["axis"]]
    figure = indices_figure(table, *SHOWN[design])
    yield figure_section(heading, figure, f"indices of {name}", f"{_MEANING} {note}".strip())


_MEANING = (
    "Sobol: share of the variance by an axis alone (S1) and with all its interactions (ST). Morris: mean"
    " absolute effect of an axis (mu_star) and how much it depends on where the others are (sigma). Lines:"
    " 95 % intervals."
)


def outcome_table(results: Results) -> Table:
    """Means over patients by point and treatment: at most MOST_ROWS, the rest are in the exported table."""
    table, shown = results.outcomes(), shown_outcomes(results, 8)
    keys = [*results.plan.paths, "treatment"]
    planned = results.plan.table.drop_duplicates(["point", "treatment"])
    rows: list[list[str]] = []
    for _, row in planned.head(MOST_ROWS).iterrows():
        here = table.loc[(table.point == row["point"]) & (table.treatment == row["treatment"])]
        texts = [str(row[key]) if key == "treatment" else f"{row[key]:g}" for key in keys]
        rows.append([texts[-1], *texts[:-1], *(_mean(here, outcome) for outcome in shown)])
    names = ["treatment", *(label(results, path) for path in results.plan.paths)]
    return Table([*names, *(_heading(table, outcome) for outcome in shown)], rows)


def _mean(table: pd.DataFrame, outcome: str) -> str:
    values = counted(table, outcome)[outcome].to_numpy(dtype=float)
    if not len(values):
        return "-"
    if table[outcome].dtype == SHARES:
        return f"{100 * values.mean():.0f} % of {len(values)}"
    return f"{values.mean():.3g}"


def _heading(table: pd.DataFrame, outcome: str) -> str:
    return shown_as(outcome) + ("" if table[outcome].dtype == SHARES else " (mean)")


def version_notes(results: Results) -> list[str]:
    """That rows come from several versions of the model or its libraries (empty if from one)."""
    table = results.outcomes()
    if VERSIONS not in table:
        return []
    counts = table[VERSIONS].fillna("not stored").value_counts()
    told = "; ".join(f"{number} rows: {name}" for name, number in counts.items())
    return [f"Made with several versions of the program (--mix-versions). {told}."]


def _notes(results: Results) -> list[str]:
    left_out = len(results.plan.table.drop_duplicates(["point", "treatment"])) - MOST_ROWS
    notes = ["All outcomes except `stuck` and `connectivity stuck` count only patients who became stuck."]
    notes = [*version_notes(results), *notes]
    return [*notes, f"{left_out} more rows are in the exported table."] if left_out > 0 else notes


def _overview(results: Results, counts: dict[str, int]) -> Table:
    file, table = results.inputs.study, results.plan.table
    varied = [f"{label(results, path)}: {_values(table.loc[:, path])}" for path in results.plan.paths]
    rows = [
        ["treatments", ", ".join(results.inputs.basis.arms)],
        ["varied", "; ".join(varied) or "nothing"],
        ["fixed", "; ".join(f"{path}: {value}" for path, value in file.fixed.items()) or "nothing"],
        ["design", f"{file.design}, {table.point.nunique()} points"],
        [
            "patients",
            f"{file.patients} per point, {'the same' if file.paired else 'others'} for each treatment",
        ],
        ["neurons", str(file.neurons) if file.neurons else "mean-field"],
        ["rows", ", ".join(f"{number} {name}" for name, number in counts.items())],
    ]
    return Table(["what", "how"], rows)


def _values(column: pd.Series) -> str:
    values = sorted(column.dropna().unique())
    if len(values) <= 12:
        return ", ".join(f"{value:g}" for value in values)
    return f"{values[0]:g} to {values[-1]:g} ({len(values)} values)"


def _failures(results: Results) -> Section:
    failed = results.failures()
    if failed.empty:
        return Section("Failures", text="No run failed.")
    rows = [
        [str(value) for value in row]
        for row in failed[["run_id", "treatment", "patient", "error"]].head(MOST_FAILURES).to_numpy()
    ]
    text = f"{len(failed)} rows failed; tracebacks are in the results folder."
    return Section("Failures", text=text, table=Table(["run", "treatment", "patient", "error"], rows))


def _provenance(results: Results) -> Table:
    told = results.store.sessions()
    rows = [
        ["model", results.inputs.model],
        ["study", f"{results.inputs.name}, hash {results.inputs.hash}"],
        ["seed", str(results.inputs.study.seed)],
        *([name, value] for name, value in results.store.about["environment"].items()),
        ["sessions", "; ".join(_session(session) for session in told[:20])],
    ]
    return Table(["what", "value"], rows)


def _session(session: Mapping[str, Any]) -> str:
    """When and where a session was, and with which versions."""
    here = session.get("environment", {})
    known = [name for name in ("git", "python", "numpy", "numba") if name in here]
    versions = ", ".join(f"{name} {here[name]}" for name in known)
    told = f"{session.get('started')} on {session.get('host')}, shard {session.get('shard')}"
    return f"{told} ({versions})" if versions else told


def _commands(results: Results) -> str:
    """The commands that were given, and the study with its seed as a file."""
    given = [str(session.get("command", "")) for session in results.store.sessions()]
    study = json.loads(results.inputs.study.model_dump_json(exclude_defaults=True, by_alias=True))
    file = yaml.safe_dump(study | {"seed": results.inputs.study.seed}, sort_keys=False, allow_unicode=True)
    lines = [*dict.fromkeys(filter(None, given))]
    return "\n".join([*lines, "", f"# file: {results.inputs.name}.yaml", file])
