"""The report of a study: one HTML file with response surfaces, time courses, failures and provenance."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure

from unstuck_analysis.output import page
from unstuck_analysis.output.table import Column, Table, plural
from unstuck_analysis.output.words import dosing_notes_on, notes_on
from unstuck_analysis.study.answer import answer
from unstuck_analysis.study.figures import (
    ALWAYS_COUNTED,
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
    return page.page(file.title, file.question or file.description, _parts(results))


def _parts(results: Results) -> Iterator[str]:
    counts = results.store.status()
    if counts["done"]:
        if sentence := answer(results):
            yield from (page.heading("Answer"), page.paragraph(sentence))
        for outcome in shown_outcomes(results):
            yield from _outcome_parts(results, outcome)
        yield from (page.heading("Results"), outcome_table(results).html(), page.bullets(_notes(results)))
        for column in results.inputs.study.series.columns:
            name = column.replace("_", " ")
            yield from _figure(
                f"Over time: {name}", course_figure(results, column), _OVER_TIME, f"{name} by day"
            )
    yield from (page.heading("What was run"), page.facts(_overview(results, counts)))
    yield from (page.heading("Failures"), *_failures(results))
    notes = [*drug_notes(results, limits=True), page.NO_PLACEBO]
    yield from (page.heading("Notes on the drugs"), page.bullets(notes))
    yield from (page.heading("Limits of the model"), page.bullets(page.LIMITS))
    yield page.fold("Words used here", page.WORDS)
    yield page.fold("Where the numbers come from", _provenance(results))
    yield from (page.heading("To reproduce"), page.code(_commands(results)))


_OVER_TIME = (
    "Mean over the stuck patients, with a 95 % bootstrap interval of the mean; a patient who was run at"
    " several points counts once, with the mean over them."
)


def _figure(title: str, figure: Figure | None, caption: str, alternative: str) -> Iterator[str]:
    yield page.heading(title)
    if figure is None:
        yield page.paragraph(f"There is no figure: {NOBODY}.")
    else:
        yield page.picture(figure, caption, alternative)


def drug_notes(results: Results, *, limits: bool = False) -> list[str]:
    """Notes on a study: effects that the model lacks, doses that may be typing errors, equal treatments."""
    arms = results.inputs.basis.arms.values()
    of_doses = dosing_notes_on((arm.treatment, arm.drugs) for arm in arms)
    return of_doses + notes_on({arm.treatment.title: arm.drugs.values() for arm in arms}, limits=limits)


def _outcome_parts(results: Results, outcome: str) -> Iterator[str]:
    name = shown_as(outcome)
    whom = "all patients" if outcome in ALWAYS_COUNTED else "the stuck patients"
    caption = f"Mean over {whom} at each point, and over the values of further axes."
    result = answer(results, outcome) or f"{name} by point"
    yield from _figure(f"Outcome: {name}", outcome_figure(results, outcome), caption, result)
    for arm in results.inputs.basis.arms:
        yield from _indices_parts(results, outcome, arm)


def _indices_parts(results: Results, outcome: str, arm: str) -> Iterator[str]:
    """What an outcome depends on under one treatment, or why that is not known (sampled designs only)."""
    if (design := results.inputs.study.design) not in DESIGNS:
        return
    name, (table, note) = shown_as(outcome), indices(results, outcome, arm)
    heading, note = f"What {name} depends on: {arm}", note and f"{note}."
    if table is None:
        yield from (page.heading(heading), page.paragraph(f"There are no indices: {note}"))
        return
    table["axis"] = [label(results, path) for path in table["axis"]]
    strongest = table.sort_values(SHOWN[design][1])["axis"].iloc[-1]
    caption, result = f"{_MEANING} {note}".strip(), f"{name} depends most on {strongest}"
    yield from _figure(heading, indices_figure(table, *SHOWN[design]), caption, result)


_MEANING = (
    "Sobol: share of the variance by an axis alone (S1) and with all its interactions (ST). Morris: mean"
    " absolute effect of an axis (mu_star) and how much it depends on where the others are (sigma). Lines:"
    " 95 % intervals."
)


def outcome_table(results: Results) -> Table:
    """Means over patients by point and treatment: at most MOST_ROWS, the rest are in the exported table."""
    table, shown = results.outcomes(), shown_outcomes(results, 8)
    keys = ["treatment", *results.plan.paths]
    planned = results.plan.table.drop_duplicates(["point", "treatment"])
    rows: list[list[str]] = []
    for _, row in planned.head(MOST_ROWS).iterrows():
        here = table.loc[(table.point == row["point"]) & (table.treatment == row["treatment"])]
        texts = [str(row[key]) if key == "treatment" else f"{row[key]:g}" for key in keys]
        rows.append([*texts, *(_mean(here, outcome) for outcome in shown)])
    columns = [Column(key, label(results, key)) for key in keys]
    return Table([*columns, *(Column(outcome, _heading(table, outcome)) for outcome in shown)], rows)


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
    notes = ["All outcomes, except stuck and connectivity stuck, are of patients who became stuck."]
    notes = [*version_notes(results), *notes]
    return [*notes, f"{left_out} more rows are in the exported table."] if left_out > 0 else notes


def _overview(results: Results, counts: dict[str, int]) -> dict[str, str]:
    file, table = results.inputs.study, results.plan.table
    varied = [f"{label(results, path)}: {_values(table.loc[:, path])}" for path in results.plan.paths]
    return {
        "treatments": ", ".join(results.inputs.basis.arms),
        "varied": "; ".join(varied) or "nothing",
        "fixed": "; ".join(f"{path}: {value}" for path, value in file.fixed.items()) or "nothing",
        "design": f"{file.design}, {plural(table.point.nunique(), 'point')}",
        "patients": f"{file.patients} per point, {'the same' if file.paired else 'others'} per treatment",
        "neurons": str(file.neurons) if file.neurons else "mean-field",
        "rows": ", ".join(f"{number} {name}" for name, number in counts.items()),
    }


def _values(column: pd.Series) -> str:
    values = sorted(column.dropna().unique())
    if len(values) <= 12:
        return ", ".join(f"{value:g}" for value in values)
    return f"{values[0]:g} to {values[-1]:g} ({len(values)} values)"


def _failures(results: Results) -> Iterator[str]:
    failed = results.failures()
    if failed.empty:
        yield page.paragraph("No run failed.")
        return
    yield page.paragraph(f"{plural(len(failed), 'row')} failed; tracebacks are in the results folder.")
    columns = ["run_id", "treatment", "patient", "error"]
    yield Table.of(failed.loc[:, columns].head(MOST_FAILURES)).html()


def _provenance(results: Results) -> dict[str, str]:
    return {
        "model": results.inputs.model,
        "study": f"{results.inputs.name}, hash {results.inputs.hash}",
        "seed": str(results.inputs.study.seed),
        **results.store.about["environment"],
        "sessions": "\n".join(_session(session) for session in results.store.sessions()[:20]),
    }


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
