"""The page docs/evidence.md, generated from stored runs; evidence.md beside this file is the prose.

`python docs/make/all.py evidence` runs what is not stored yet in results/evidence and
results/mechanisms, as these commands do:
unstuck evidence; unstuck evidence --quick --patients 140 --without all --out results/mechanisms
"""

from pathlib import Path
from string import Template

from quick_runs import DOCS
from unstuck.parameters import default_parameters
from unstuck_analysis import report
from unstuck_analysis.evidence import page, pictures
from unstuck_analysis.evidence.ablation import Matrix
from unstuck_analysis.evidence.ensemble import read_ensemble, spreads
from unstuck_analysis.evidence.facts import read_facts
from unstuck_analysis.evidence.findings import (
    NETWORKS,
    NEURONS,
    PATIENTS,
    Evidence,
    first_look_values,
    measure_all,
)
from unstuck_analysis.evidence.mechanisms import choose_mechanisms, mechanisms
from unstuck_analysis.evidence.runs import RUNS
from unstuck_analysis.evidence.verification import checks
from unstuck_analysis.output.markdown import table
from unstuck_analysis.output.style import save_figure

FULL, WITHOUT, PATIENTS_WITHOUT = Path("results/evidence"), Path("results/mechanisms"), 140
PROSE = Path(__file__).with_suffix(".md")


def markdown(evidence: Evidence, matrix: Matrix) -> str:
    """The page as Markdown: the prose of evidence.md with what was measured."""
    added = ("row", "added", "source", "value", "first look", "now", "holds")
    return Template(PROSE.read_text(encoding="utf-8")).substitute(
        honesty=page.HONESTY,
        networks=NETWORKS,
        neurons=NEURONS,
        patients=PATIENTS,
        headline=page.headline(evidence),
        misses=_misses(evidence),
        no_placebo=report.NO_PLACEBO,
        added=table(added, _added_rows(evidence)),
        rows=table(page.COLUMNS, page.rows(evidence)),
        without=_matrix_text(matrix),
        matrix=table(("without", "what is off", "falls", "cannot be evaluated"), _matrix_rows(matrix)),
        ensemble=_ensemble_text(),
        checks=table(("check", "measured", "at most"), _check_rows(evidence)),
    )


def _misses(evidence: Evidence) -> str:
    lines = [f"* {finding.fact.id}, {page.said(finding)}" for finding in page.misses(evidence)]
    return "\n".join(["## Misses", "", *lines])


def _added_rows(evidence: Evidence) -> list[tuple[str, ...]]:
    """Every part of the rows that a mechanism was added for, at the first look and now."""
    by_id = {finding.fact.id: finding for finding in evidence.findings}
    looks = first_look_values()
    return [
        (
            f"{row} {part.name}",
            mechanism.title,
            mechanism.source.strip(),
            ", ".join(f"{symbol} = {default_parameters()[symbol]:g}" for symbol in mechanism.values),
            pictures.short(looks[row, part.name]),
            pictures.short(part.value),
            {True: "yes", False: "no", None: "n/a"}[part.passed],
        )
        for mechanism in mechanisms().values()
        for row in mechanism.added_for
        for part in by_id[row].parts
    ]


def _matrix_text(matrix: Matrix) -> str:
    stuck, drawn = matrix.intact.stuck, matrix.intact.drawn
    cohort = f"cohort rows over {stuck} stuck patients of {drawn}" if drawn else "without cohort rows"
    return (
        "Each mechanism is switched off through values at which its rule does nothing; parameters, biases and"
        " the\nhealthy rates stay as they are. Arms that start healthy lose it from the beginning; treatment"
        f" arms start\nfrom the intact model's stuck state. Measured in the mean-field, {cohort}."
    )


def _matrix_rows(matrix: Matrix) -> list[list[str]]:
    return [[name, mechanisms()[name].meaning, *cells] for name, *cells in page.matrix_table(matrix)]


def _ensemble_text() -> str:
    members = read_ensemble()
    if not members:
        return "Not computed."
    rows = [
        (
            s.row,
            s.name,
            *(pictures.short(value) for value in (s.smallest, s.median, s.largest)),
            f"{s.inside:.0%}",
        )
        for s in spreads(read_facts(roles=("test",)), members)
    ]
    columns = ("row", "part", "smallest", "median", "largest", "inside its band")
    return (
        f"The test rows of typical patients over {len(members)} parameter sets for which all fit rows hold,"
        " found\nby short random walks from the shipped set"
        " (`python -m unstuck_analysis.evidence.fit`); the true spread is wider."
        " The\n[parameter table](model-description.md#10-parameters) has the spread of every parameter. When"
        " the\nmetabolite was given time to appear, the ketamine strengths of the sets moved with the refit,"
        " three sets\nwere walked anew, and all were judged again.\n\n" + table(columns, rows)
    )


def _check_rows(evidence: Evidence) -> list[tuple[str, str, str]]:
    return [(check.name, f"{check.measured:.2g}", f"{check.most:g}") for check in checks(evidence)]


def make(workers: int) -> None:
    """Write the page and its figures; what is stored in the two results folders is not run again."""
    evidence = measure_all(read_facts(), workers=workers, folder=FULL / RUNS)
    matrix = _measure_without(workers)
    (DOCS / "evidence.md").write_text(markdown(evidence, matrix), encoding="utf-8")
    for name, figure in page.figures_of(evidence, matrix).items():
        save_figure(figure, DOCS / "images" / f"{name}.png")


def _measure_without(workers: int) -> Matrix:
    """The findings with every mechanism switched off, one at a time."""
    found = {
        name: measure_all(
            read_facts(),
            quick=True,
            patients=PATIENTS_WITHOUT,
            workers=workers,
            folder=WITHOUT / RUNS,
            without=name,
        )
        for name in ["", *choose_mechanisms(["all"])]
    }
    return Matrix(found.pop(""), found)
