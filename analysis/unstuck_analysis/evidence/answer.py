"""The answer of `unstuck evidence`: counts in sentences, a table per group of findings, one figure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING

from unstuck.errors import InputError
from unstuck.files.treatment import circuit_for
from unstuck.parameters import default_parameters
from unstuck.patient.checks import check_illness

from unstuck_analysis.evidence.ensemble import Ensemble, summary
from unstuck_analysis.evidence.facts import GROUPS, choose_facts, first_measurements, read_facts
from unstuck_analysis.evidence.measure import (
    BOOTSTRAP,
    NEURONS,
    NOT_FROZEN,
    Evidence,
    Finding,
    Part,
    Plan,
    at_edges,
    free_parameters,
    headline,
    healthy_year,
    lost_without,
    measure,
    number,
    patients_of,
    range_text,
    record_first_measurements,
)
from unstuck_analysis.evidence.mechanisms import choose_mechanisms, mechanisms
from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.folder import RESULTS
from unstuck_analysis.output.style import FAINT, INK, PALETTE, styled
from unstuck_analysis.output.table import Cell, Column, Table
from unstuck_analysis.output.terminal import progress

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUNS = RESULTS / "evidence-runs"  # simulated patients, for every later call
LONGEST = 74  # characters of a statement in the figure


def ask(
    ids: Sequence[str],
    without: Sequence[str],
    plan: Plan,
    facts_file: Path | None = None,
    *,
    quick: bool = False,
    held_out: bool = False,
) -> Answer:
    """Measure the findings, and again without each of the named mechanisms."""
    facts = choose_facts(read_facts(facts_file, plan.circuit), ids)
    names = choose_mechanisms(without)
    if held_out and (
        plan.patients < (all_of := patients_of(plan.circuit)) or plan.networks or facts_file or names
    ):
        raise InputError(
            f"--held-out measures held-out findings for the first time, over {all_of} patients of the"
            " shipped table: leave out --quick, --patients, --networks, --without and --facts"
        )
    intact = measure(facts, plan, progress, held_out=held_out)
    notes: list[str] = []
    if held_out and (new := record_first_measurements(intact)):
        notes.append(f"The first measurement of {', '.join(new)} is recorded; commit the file.")
    matrix = {name: measure(facts, replace(plan, without=name), progress) for name in names}
    if quick:
        notes.append(
            f"--quick: cohort findings are measured over {plan.patients} patients; their intervals are wide."
        )
    return answer(intact, matrix, notes)


def answer(evidence: Evidence, matrix: Mapping[str, Evidence], notes: Sequence[str] = ()) -> Answer:
    """Sentences, tables and figure of what was measured."""
    circuit, sentences = evidence.plan.circuit, [*headline(evidence), at_edges(evidence)]
    ensemble = Ensemble.shipped() if circuit == "default" else Ensemble([], {})
    sentences += [free_parameters()] if circuit == "default" else check_illness(*circuit_for(circuit))
    sentences += [summary(ensemble, read_facts())] if ensemble.tried else []
    tables = {name: table for name, table in group_tables(evidence, ensemble).items() if table.rows}
    printed = list(tables)
    if matrix:
        tables["mechanisms"] = mechanisms_table(evidence, matrix)
        printed.append("mechanisms")
    tables["findings"] = parts_table(evidence)
    figures = {"findings": Shown(figure(evidence), CAPTION, " ".join(headline(evidence)))}
    return Answer(
        "Model and published findings" + (f": {circuit}" if circuit != "default" else ""),
        [sentence for sentence in sentences if sentence],
        about(evidence),
        tables,
        figures if any(finding.parts for finding in evidence.findings) else {},
        printed,
        [note for note in (healthy_year(evidence), *notes) if note],
        next_step=""
        if matrix
        else "unstuck evidence --quick --without all"
        if circuit == "default"
        else f"unstuck compare --circuit {circuit}",
    )


def about(evidence: Evidence) -> About:
    """Number of patients and what the numbers come from."""
    plan = evidence.plan
    kind = f"{plan.networks} networks of {NEURONS} neurons" if plan.networks else "mean-field"
    drawn = f"{evidence.drawn} drawn patients, {evidence.stuck} of them stuck; " if evidence.drawn else ""
    n = f"{drawn}typical patient: {kind}; intervals: {BOOTSTRAP} bootstrap samples of patients"
    inputs = inputs_hash(default_parameters(), [finding.fact for finding in evidence.findings])
    return About(f"scenarios/evidence, circuit {plan.circuit}", n, str(plan.seed), inputs)


def group_tables(evidence: Evidence, ensemble: Ensemble | None = None) -> dict[str, Table]:
    """A table per group of findings, one line per finding; the held-out findings come first.

    ensemble: the parameter sets that are shown next to the shipped one (the shipped ensemble if not given).
    """
    sets = Ensemble.shipped() if ensemble is None else ensemble
    shown = [
        Column("in_sets", "reproduced in", meaning="parameter sets of the ensemble, of those measured"),
        Column("over_sets", meaning="where the central 95 % of these sets have the value"),
    ]
    columns = [Column("id"), Column("reproduced", none="-"), Column("value"), Column("published_range")]
    columns += [*(shown if sets.accepted else []), Column("finding")]
    return {
        f"{group}-findings": Table(columns, [_row(finding, sets) for finding in evidence.of(group)], title)
        for group, title in GROUPS.items()
    }


def _row(finding: Finding, ensemble: Ensemble) -> list[Cell]:
    fact = finding.fact
    verdicts: list[Cell] = [NOT_FROZEN, "-"]
    if finding.parts:
        values = "; ".join(f"{part.name} {value_text(part)}".strip() for part in finding.parts)
        verdicts = [verdict(finding), values]
    return [fact.id, *verdicts, _published(finding), *_over_sets(finding, ensemble), fact.statement]


def _over_sets(finding: Finding, ensemble: Ensemble) -> list[Cell]:
    """In how many sets a finding is reproduced, and the range of its parts over the sets."""
    if not ensemble.accepted:
        return []
    among, measured = ensemble.reproduced(finding.fact)
    ranges = [ensemble.interval(part.id, part.name) for part in finding.parts]
    texts = [" to ".join(dict.fromkeys(map(number, ends))) for ends in ranges if ends]
    return [f"{among} of {measured}" if measured else None, "; ".join(texts) or None]


def verdict(finding: Finding) -> str:
    """Whether a finding is reproduced, in words."""
    if finding.fact.group == "prediction" and finding.reproduced is not None:
        return "as predicted" if finding.reproduced else "not as predicted"
    return {True: "yes", False: "no", None: "no value"}[finding.reproduced]


def value_text(part: Part) -> str:
    """Value with unit, and a remark where it is close to an end of its range."""
    text = f"{number(part.value)} {part.unit if isfinite(part.value) else ''}".strip()
    return f"{text} ({part.edge} end)" if part.edge else text


def _published(finding: Finding) -> str:
    fact = finding.fact
    if finding.parts:
        return "; ".join(dict.fromkeys(range_text(part) for part in finding.parts))
    if fact.low is None and fact.high is None:
        return fact.metric
    return f"{fact.metric}: {range_text(Part(fact.id, '', 0.0, (0, 0), fact.range_of('')))}"


def parts_table(evidence: Evidence) -> Table:
    """One row per part of a finding, numbers in full, with its first measurement."""
    names = "id group part value unit interval_low interval_high range_low range_high inside edge reproduced"
    names += " sets_low sets_high first_value first_date statement source history"
    first, sets = {**first_measurements(1), **first_measurements(2)}, Ensemble.shipped()
    rows: list[list[Cell]] = []
    for finding in evidence.findings:
        fact = finding.fact
        for part in finding.parts:
            earlier = first.get((fact.id, part.name))
            looked = [earlier.value, earlier.date] if earlier else [None, None]
            limits = [*part.interval, *part.range]
            verdicts = [part.inside, part.edge, finding.reproduced]
            over_sets = sets.interval(fact.id, part.name) or (None, None)
            texts = [fact.statement, fact.source, fact.history]
            measured = [fact.id, fact.group, part.name, part.value, part.unit, *limits, *verdicts]
            rows.append([*measured, *over_sets, *looked, *texts])
    return Table([Column(name) for name in names.split()], rows)


def mechanisms_table(intact: Evidence, matrix: Mapping[str, Evidence]) -> Table:
    """Which findings are lost without each mechanism."""
    columns = [
        Column("without"),
        Column("what_is_off"),
        Column("no_longer_reproduced"),
        Column("without_a_value", meaning="findings about patients or courses that no longer exist"),
    ]
    rows = [
        [name, mechanisms()[name].meaning, *(", ".join(ids) or "-" for ids in lost_without(intact, without))]
        for name, without in matrix.items()
    ]
    return Table(columns, rows, "Findings that need a mechanism")


CAPTION = (
    "Every measured part of a finding: its published range (bar, all ranges drawn equally wide), the"
    " value of the model (dot; orange outside the range), the 95 % interval over patients (line) and the"
    " central 95 % of the other parameter sets that reproduce the fitted findings (blue band)."
    " A dark bar is a tight range: it is narrower than a third of its larger end. A pale bar is wide: wider"
    " than two thirds of it, or open. Next to each bar: the value of the model, and the range."
    " Values beyond the plot are drawn at its margin."
)


@styled
def figure(evidence: Evidence) -> "Figure":
    """One line per part of a finding: its range as a bar of fixed width, the value, and both as text."""
    from matplotlib.figure import Figure

    findings = [finding for group in GROUPS for finding in evidence.of(group)]
    shown = [(finding, part) for finding in findings for part in finding.parts if not isnan(part.value)]
    picture = Figure(figsize=(13, 1.2 + 0.24 * max(1, len(shown))), layout="constrained")
    axes = picture.add_subplot()
    labels: list[str] = []
    ensemble = Ensemble.shipped()
    for line, (finding, part) in enumerate(shown):
        _draw(axes, line, part, ensemble.interval(part.id, part.name))
        labels.append(_label(finding, part))
    axes.set(xlim=(-0.6, 3.1), ylim=(len(shown) - 0.4, -0.6), yticks=range(len(shown)), yticklabels=labels)
    axes.set_xticks([0, 1], ["lowest\npublished", "highest\npublished"])
    axes.tick_params(axis="y", length=0, labelsize=8)
    axes.set_title("Values of the model and published ranges")
    axes.spines["left"].set_visible(False)
    picture.legend(handles=_legend(), loc="outside upper right", ncols=5, frameon=False, fontsize=8)
    return picture


def _legend() -> list["Artist"]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dot = partial(Line2D, [], [], marker="o", linestyle="")
    return [
        Patch(color=FAINT, label="published range (dark: tight; pale: wide or open)"),
        dot(color=PALETTE[1], label="model, inside the range"),
        dot(color=PALETTE[2], label="model, outside"),
        Line2D([], [], color=INK, linewidth=1, label="95 % interval over patients"),
        Line2D([], [], color=PALETTE[1], alpha=0.4, linewidth=5, label="95 % of other parameter sets"),
    ]


def _draw(axes: "Axes", line: int, part: Part, over_sets: tuple[float, float] | None) -> None:
    """The published range, the interval over parameter sets, the interval over patients, and the value."""
    low, high = (
        end if isfinite(end) else part.value + sign * (abs(part.value) + 1.0)
        for end, sign in zip(part.range, (-1, 1), strict=True)
    )
    if low == high:  # a share of statements that must all be true
        low, high = low - 0.25, high + 0.25

    def placed(values: Sequence[float]) -> list[float]:
        return [min(max((value - low) / (high - low), -0.5), 1.5) for value in values]

    axes.barh(line, 1.0, height=0.55, color=_shade(part), linewidth=0)
    if over_sets:
        axes.plot(placed(over_sets), [line, line], color=PALETTE[1], alpha=0.4, linewidth=5)
    axes.plot(placed(part.interval), [line, line], color=INK, linewidth=1)
    axes.plot(placed([part.value]), line, "o", markersize=5, color=PALETTE[1] if part.inside else PALETTE[2])
    axes.text(1.62, line, f"{value_text(part)}   [{range_text(part)}]", va="center", fontsize=8)


def _shade(part: Part) -> str:
    """Dark for a tight range, pale for a wide one."""
    low, high = part.range
    width = (high - low) / max(abs(low), abs(high))  # NaN or infinite where the range is open
    return "#8c8c8c" if width < 1 / 3 else FAINT if width < 2 / 3 else "#e3e3e3"


def _label(finding: Finding, part: Part) -> str:
    group = finding.fact.group
    statement = finding.fact.statement
    statement = statement if len(statement) <= LONGEST else statement[:LONGEST].rsplit(" ", 1)[0] + " ..."
    name = f" [{part.name}]" if part.name else ""
    return f"{statement}{name}  {part.id}{'' if group == 'fitted' else f' ({group})'}"
