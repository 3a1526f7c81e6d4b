"""The evidence as a terminal table, as sections of a report, and as files in a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from unstuck_analysis import report
from unstuck_analysis.evidence import pictures
from unstuck_analysis.evidence.ablation import Matrix, matrix_rows
from unstuck_analysis.evidence.ensemble import read_ensemble, spreads
from unstuck_analysis.evidence.facts import Fact
from unstuck_analysis.evidence.findings import Evidence, Finding, Measured, csv_rows
from unstuck_analysis.evidence.mechanisms import mechanisms
from unstuck_analysis.evidence.verification import checks
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.style import save_figure

COLUMNS = (
    "row",
    "finding",
    "value",
    "interval",
    "band",
    "verdict",
    "first look",
    "role",
    "grade",
    "metric",
    "scenario",
    "source",
)
ON_TERMINAL = 8  # columns
HONESTY = (
    "Rows of role fit shaped the parameters, so that they had to pass; rows of role test did not. Every"
    " test row was measured once with the frozen parameters and the frozen spread of patients before anything"
    " else, and that first look is kept, whatever it was. A row that passes only after a change of the model"
    " is called revised, and counted apart. Bands and definitions do not move."
)


def rows(evidence: Evidence) -> list[list[str]]:
    """One line a part of every finding, as texts."""
    lines: list[list[str]] = []
    for finding in evidence.findings:
        fact = finding.fact
        for number, (part, protocol) in enumerate(zip(finding.parts, fact.parts, strict=True)):
            first = number == 0
            look = {True: "pass", False: "miss", None: ""}[finding.first_look]
            statement = fact.statement if first else ""
            if part.name:
                statement = f"{statement}: {part.name}" if first else f"... {part.name}"
            verdict = finding.verdict if first else {True: "", False: "miss", None: "n/a"}[part.passed]
            lines.append(
                [
                    fact.id if first else "",
                    statement,
                    pictures.short(part.value),
                    _interval(part),
                    _band(part),
                    verdict,
                    look if first else "",
                    _role(fact) if first else "",
                    fact.grade if first else "",
                    fact.metric if first else "",
                    protocol.scenario,
                    fact.source if first else "",
                ]
            )
    return lines


def _role(fact: Fact) -> str:
    return "prediction, not a fact" if fact.is_prediction else fact.role


def _interval(part: Measured) -> str:
    low, high = (pictures.short(end) for end in part.interval)
    return "" if low == high else f"{low} to {high}"


def _band(part: Measured) -> str:
    return f"{pictures.short(part.low)} to {pictures.short(part.high)}"


def print_table(evidence: Evidence, console: Any) -> None:
    """The findings on the terminal."""
    lines = [cells[:ON_TERMINAL] for cells in rows(evidence)]
    console.print(_table(COLUMNS[:ON_TERMINAL], lines))
    console.print(headline(evidence))
    console.print(report.NO_PLACEBO)


def print_matrix(matrix: Matrix, console: Any) -> None:
    """Which findings fall without each mechanism, on the terminal."""
    console.print(_table(("without", "falls", "cannot be\nevaluated"), matrix_table(matrix)))


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in columns:
        wide = column in ("finding", "first look", "role", "falls", "cannot be\nevaluated")
        table.add_column(column, no_wrap=not wide, justify="right" if column == "value" else "left")
    for cells in lines:
        table.add_row(*cells)
    return table


def matrix_table(matrix: Matrix) -> list[list[str]]:
    """Each mechanism with the rows that fall without it and those that cannot be evaluated."""
    return [
        [
            name,
            " ".join(matrix.fallen(name)) or "none",
            " ".join(finding.fact.id for finding in evidence.findings if finding.passed is None),
        ]
        for name, evidence in matrix.without.items()
    ]


def headline(evidence: Evidence) -> str:
    """How many rows hold, in one line."""
    (fit, fits), (test, tests) = evidence.count("fit"), evidence.count("test")
    revised = sum(finding.verdict == "revised" for finding in evidence.findings)
    missing = sum(finding.verdict == "n/a" for finding in evidence.findings)
    said = [f"fit {fit} of {fits}", f"test {test} of {tests}"]
    said += [f"revised {revised}"] if revised else []
    predicted = [f.fact.id for f in evidence.findings if f.fact.is_prediction and f.passed]
    said[1] += f" ({', '.join(predicted)} is a prediction, not a fact)" if predicted else ""
    said += [f"not measured {missing}"] if missing else []
    return "Findings that hold: " + ", ".join(said)


def misses(evidence: Evidence) -> list[Finding]:
    """Rows outside their bands."""
    return [finding for finding in evidence.findings if finding.passed is False]


def verification_section(evidence: Evidence) -> report.Section:
    """Whether the equations are solved rightly, measured anew."""
    lines = [
        [check.name, f"{check.measured:.2g}", f"{check.most:g}", "holds" if check.holds else "fails"]
        for check in checks(evidence)
    ]
    table = report.Table(("check", "measured", "at most", "verdict"), lines)
    return report.Section("Verification: are the equations solved rightly?", table=table)


def ensemble_section(facts: Sequence[Fact]) -> report.Section | None:
    """How much the findings vary over parameter sets that fit as well; None without an ensemble."""
    members = read_ensemble()
    if not members:
        return None
    lines = [
        [
            spread.row,
            spread.role,
            spread.name,
            *(pictures.short(value) for value in (spread.smallest, spread.median, spread.largest)),
            f"{100 * spread.inside:.0f} %",
        ]
        for spread in spreads(facts, members)
    ]
    columns = ("row", "role", "part", "smallest", "median", "largest", "inside its band")
    return report.Section(
        "How well determined: the same rows over parameter sets that fit as well",
        text=f"{len(members)} sets from short random walks among sets for which every fit row holds, in the"
        " mean-field. A test row that varies widely here is not settled by the rows that were fitted. The"
        " walks are short, so that the true spread is wider.",
        table=report.Table(columns, lines),
    )


def figures_of(evidence: Evidence, matrix: Matrix | None) -> dict[str, Figure]:
    """The figures by the name of their files, each drawn once."""
    figures = {"findings": pictures.forest_figure(evidence)}
    if matrix:
        figures["mechanisms"] = pictures.matrix_figure(matrix)
    return figures


def sections(
    evidence: Evidence, matrix: Matrix | None, figures: Mapping[str, Figure]
) -> list[report.Section]:
    """The evidence as sections of a report."""
    found = [
        report.Section(
            headline(evidence),
            text=HONESTY,
            notes=[
                *(f"Miss: {finding.fact.id}, {said(finding)}" for finding in misses(evidence)),
                report.NO_PLACEBO,
            ],
        ),
        report.figure_section(
            "Findings in their bands",
            figures["findings"],
            "Every measured number against its published band",
            _how_measured(evidence),
        ),
        report.Section("All rows", table=report.Table(COLUMNS, rows(evidence))),
    ]
    if matrix:
        found += matrix_sections(matrix, figures["mechanisms"])
    return found


def matrix_sections(matrix: Matrix, figure: Figure) -> list[report.Section]:
    """The findings without each mechanism as sections of a report."""
    return [
        report.figure_section(
            "Which finding needs which mechanism",
            figure,
            "Findings by mechanism switched off",
            "Parameters, biases and healthy rates stay as they are. Arms that start healthy lose the"
            " mechanism from the beginning; treatment arms start from the intact model's stuck state and use"
            " its recovery index.",
        ),
        report.Section(
            "What falls",
            table=report.Table(("without", "falls", "cannot be evaluated"), matrix_table(matrix)),
            notes=[f"{name}: {mechanisms()[name].meaning}" for name in matrix.without],
        ),
    ]


def _how_measured(evidence: Evidence) -> str:
    typical = (
        f"the median of {evidence.networks} typical networks without noise; their range is drawn"
        if evidence.networks
        else "the mean-field of the typical patient without noise"
    )
    cohort = (
        f" Cohort rows: {evidence.stuck} stuck patients of {evidence.drawn} drawn, with noise; lines are 95 %"
        " bootstrap intervals over patients."
        if evidence.drawn
        else " Cohort rows were not measured."
    )
    return f"Every band is drawn to the same width. Rows of typical patients: {typical}.{cohort}"


def said(finding: Finding) -> str:
    """A finding with its decisive number, in a line."""
    part = finding.worst
    name = f"{part.name} " if part.name else ""
    return f"{finding.fact.statement}: {name}{pictures.short(part.value)}, published {_band(part)}"


def write_files(
    evidence: Evidence, matrix: Matrix | None, folder: Path, command: str, *, full: bool
) -> list[str]:
    """Write table, figures and report into a folder (full: with the verification); returns their names."""
    written = {"evidence.csv": _csv(csv_rows(evidence))}
    figures = figures_of(evidence, matrix)
    if matrix:
        written["mechanisms.csv"] = _csv(matrix_rows(matrix))
    page = report.html(
        "Unstuck: published findings and what the model gives",
        "Which published findings the model reproduces, which of them it was fitted to, and which it misses.",
        [
            *sections(evidence, matrix, figures),
            *(_extras(evidence) if full else []),
            report.Section("Limits of the model", notes=report.LIMITS),
            report.Section("Settings", table=report.provenance(evidence.seed)),
            report.Section("To reproduce", code=command),
        ],
    )
    written["report.html"] = page.encode()
    for name, content in written.items():
        write_whole(folder / name, content)
    for name, figure in figures.items():
        for kind in ("png", "svg"):
            save_figure(figure, folder / f"{name}.{kind}")
    return [*written, *(f"{name}.{kind}" for name in figures for kind in ("png", "svg"))]


def _extras(evidence: Evidence) -> list[report.Section]:
    """What a full report says beside the findings."""
    determined = ensemble_section([finding.fact for finding in evidence.findings])
    return [*([determined] if determined else []), verification_section(evidence)]


def _csv(lines: Sequence[dict[str, object]]) -> bytes:
    return pd.DataFrame(lines).to_csv(index=False).encode()
