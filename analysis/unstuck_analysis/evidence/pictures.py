"""The pictures of the evidence: every finding in its band, and which falls without which mechanism."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isnan
from textwrap import shorten, wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from unstuck_analysis.evidence.ablation import Matrix, shift
from unstuck_analysis.evidence.arms import scenario
from unstuck_analysis.evidence.facts import Fact, TypicalPart
from unstuck_analysis.evidence.findings import Evidence, Finding, Measured
from unstuck_analysis.evidence.mechanisms import mechanisms
from unstuck_analysis.output.style import FAINT, INK, styled

ROLE_COLOR = {"fit": "#0072B2", "test": "#D55E00"}
BAND_COLOR = "#dfe5ea"
LOW_COLOR, HIGH_COLOR = "#0072B2", "#D55E00"  # fell below its band, rose above it
RESTORED_COLOR = "#00785a"  # missed in the intact model, holds without the mechanism
STRESS, SEVERAL = "Stress and the stuck state", "Across classes"
TOOL = "Tool"  # drug class of an experiment's tools, which name no group
_LEFT, _RIGHT = -0.75, 1.75  # ends of the forest's axis, in widths of a band


def theme(fact: Fact) -> str:
    """What a finding is about: stress, one class of drugs, or several."""
    if any(isinstance(part, TypicalPart) and part.starts == "healthy" for part in fact.parts):
        return STRESS
    drugs = [drug for name in fact.scenarios for drug in scenario(name).drugs.values()]
    classes = {drug.drug_class for drug in drugs if drug.drug_class != TOOL}
    return classes.pop() if len(classes) == 1 else SEVERAL


def by_theme(facts: Sequence[Fact]) -> dict[str, list[int]]:
    """Positions of the findings by theme, in the order in which themes first appear; several classes last."""
    groups: dict[str, list[int]] = {}
    for position, fact in enumerate(facts):
        groups.setdefault(theme(fact), []).append(position)
    last = groups.pop(SEVERAL, None)
    return {**groups, **({SEVERAL: last} if last else {})}


@dataclass(frozen=True)
class _Line:
    """One line of the forest: a heading, or one part of a finding."""

    text: str
    finding: Finding | None = None
    part: Measured | None = None


def _lines(evidence: Evidence) -> list[_Line]:
    lines: list[_Line] = []
    for heading, positions in by_theme([finding.fact for finding in evidence.findings]).items():
        lines.append(_Line(heading))
        for position in positions:
            finding = evidence.findings[position]
            for number, part in enumerate(finding.parts):
                said = ("Prediction: " if finding.fact.is_prediction else "") + finding.fact.statement
                statement = f"{finding.fact.id}  {shorten(said, 66, placeholder=' ...')}"
                text = statement if number == 0 else ""
                if part.name:
                    text = f"{text}: {part.name}" if number == 0 else part.name
                lines.append(_Line(text, finding, part))
    return lines


@styled
def forest_figure(evidence: Evidence) -> Figure:
    """Every measured number against its published band, each band drawn to the same width."""
    lines = _lines(evidence)
    figure = Figure(figsize=(12.5, 0.232 * len(lines) + 1.9), layout="constrained")
    axes = figure.subplots()
    for row, line in enumerate(lines):
        _draw_line(axes, -row, line)
    axes.set(xlim=(_LEFT, _RIGHT), ylim=(-len(lines) + 0.3, 0.9))
    axes.set_yticks([])
    axes.set_xticks([0, 1], labels=["lower end", "upper end of the published band"])
    axes.spines["left"].set_visible(False)
    _write_totals(axes, evidence)
    return figure


def _write_totals(axes: Axes, evidence: Evidence) -> None:
    axes.set_title("Published findings and what the model gives", pad=30)
    place = 0.0
    for role, label in (("fit", "fitted to"), ("test", "test")):
        passed, rows = evidence.count(role)
        text = axes.text(place, 1.0, f"● {label}: {passed} of {rows} hold", transform=axes.transAxes)
        text.set(color=ROLE_COLOR[role], fontweight="bold", va="bottom")
        place += 0.36
    revised = sum(finding.verdict == "revised" for finding in evidence.findings)
    if revised:
        text = axes.text(place - 0.1, 1.0, f"(◆ and {revised} revised)", transform=axes.transAxes)
        text.set(color=ROLE_COLOR["test"], va="bottom")
    for x, heading in ((0.04, "value"), (0.26, "band")):
        axes.text(_RIGHT + x, 0.75, heading, va="bottom", fontsize=8.5, color="#606060")
    source = f"median and range of {evidence.networks} networks" if evidence.networks else "mean-field"
    if evidence.drawn:
        source += f"; cohort rows: {evidence.stuck} stuck patients of {evidence.drawn}, 95 % interval"
    key = "dot: inside the band;  diamond: since a mechanism was added;  cross: miss;  triangle: beyond"
    axes.set_xlabel(f"{source}\n{key}", fontsize=9, loc="left", labelpad=8)


def _draw_line(axes: Axes, y: float, line: _Line) -> None:
    if line.finding is None or line.part is None:
        axes.text(_LEFT - 0.02, y - 0.08, line.text, ha="right", va="center", fontweight="bold", fontsize=9.5)
        return
    part, color = line.part, ROLE_COLOR[line.finding.fact.role]
    axes.text(_LEFT - 0.02, y, line.text, ha="right", va="center", fontsize=8.5)
    low, high = _position(part, part.low), _position(part, part.high)
    axes.add_patch(
        Rectangle(
            (max(low, _LEFT), y - 0.33), min(high, _RIGHT) - max(low, _LEFT), 0.66, color=BAND_COLOR, zorder=1
        )
    )
    band = f"{short(part.low)} to {short(part.high)}"
    axes.text(
        _RIGHT + 0.04, y, f"{short(part.value)}", va="center", fontsize=8.5, color=INK, fontweight="bold"
    )
    axes.text(_RIGHT + 0.26, y, band, va="center", fontsize=8.5, color="#606060")
    if isnan(part.value):
        axes.text(0.5, y, "not measured", ha="center", va="center", fontsize=8, color="#808080")
        return
    ends = [_clip(_position(part, end)) for end in part.interval if not isnan(end)]
    if len(ends) == 2:
        axes.plot(ends, [y, y], color=color, linewidth=1.6, zorder=2, solid_capstyle="butt")
    position = _position(part, part.value)
    inside = "D" if line.finding.verdict == "revised" else "o"
    marker = (inside if part.passed else "X") if _LEFT < position < _RIGHT else (">" if position > 0 else "<")
    axes.plot(
        _clip(position), y, marker, markersize=6.5 if part.passed else 8, color=color, zorder=3,
        markeredgecolor="white", markeredgewidth=0.7, clip_on=False,
    )  # fmt: skip


def _clip(position: float) -> float:
    return float(np.clip(position, _LEFT, _RIGHT))


def _position(part: Measured, value: float) -> float:
    """Where a value lies on the axis: 0 at the lower end of the band, 1 at the upper."""
    if not isfinite(value):
        return float(np.inf if value > 0 else -np.inf)
    if isfinite(part.low):
        return (value - part.low) / part.width
    return 1.0 + (value - part.high) / part.width


def short(value: float) -> str:
    """A number as a reader wants it: two or three digits that matter."""
    if isnan(value):
        return "-"
    if not isfinite(value):
        return "open" if value < 0 else "∞"
    digits = 0 if abs(value) >= 20 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 or value == 0 else 3
    return f"{value:.{digits}f}".replace("-0.000", "0.000")


@styled
def matrix_figure(matrix: Matrix) -> Figure:
    """Findings by mechanism switched off: what falls and in which direction, what moves, what holds."""
    facts = [finding.fact for finding in matrix.intact.findings]
    measured = [row for row, finding in enumerate(matrix.intact.findings) if finding.passed is not None]
    groups = {name: [row for row in rows if row in measured] for name, rows in by_theme(facts).items()}
    groups = {name: rows for name, rows in groups.items() if rows}
    names = sorted(matrix.without, key=lambda name: -len(matrix.fallen(name)))
    lines = len(measured) + len(groups)
    figure = Figure(figsize=(13, 0.25 * lines + 3.0), layout="constrained")
    axes = figure.subplots()
    y = 0.0
    for heading, rows in groups.items():
        axes.text(-1.3, y, heading, ha="right", va="center", fontweight="bold", fontsize=9.5)
        y -= 1
        for row in rows:
            _draw_row(axes, y, matrix, names, row)
            y -= 1
    _label_columns(axes, matrix, names, y)
    axes.set(xlim=(-1.05, len(names) - 0.45), ylim=(y - 0.9, 0.5))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    _draw_key(axes)
    return figure


def _draw_row(axes: Axes, y: float, matrix: Matrix, names: Sequence[str], row: int) -> None:
    intact = matrix.intact.findings[row]
    axes.text(
        -1.3, y, f"{intact.fact.id}  {shorten(intact.fact.statement, 66, placeholder=' ...')}",
        ha="right", va="center", fontsize=8.5, color=ROLE_COLOR[intact.fact.role],
    )  # fmt: skip
    missed = "✗ " if intact.verdict == "miss" else ""
    axes.text(
        -0.55,
        y,
        missed + short(intact.worst.value),
        ha="right",
        va="center",
        fontsize=8.5,
        fontweight="bold",
    )
    for column, name in enumerate(names):
        _draw_cell(axes, column, y, intact, matrix.without[name].findings[row], matrix.falls(name, row))


def _draw_cell(axes: Axes, x: float, y: float, before: Finding, after: Finding, falls: bool | None) -> None:
    moved = shift(before, after)
    worst, text, color, edge = after.worst, short(after.worst.value), "#f3f3f3", "none"
    ink = "#b0b0b0"
    if after.passed is None or isnan(worst.value):
        color, text = "white", "·"
    elif falls:
        below = worst.value < worst.low
        color, ink = (LOW_COLOR if below else HIGH_COLOR), "white"
        text = ("▼ " if below else "▲ ") + text
    elif not before.passed:
        color, edge = "white", FAINT
        text = short(after.parts[before.parts.index(before.worst)].value)
        if after.passed:
            edge, ink, text = RESTORED_COLOR, RESTORED_COLOR, f"{text} ✓"
    elif abs(moved) >= 0.05:
        color, ink = ("#cfe3f1" if moved < 0 else "#f8dcc9"), INK
    axes.add_patch(Rectangle((x - 0.47, y - 0.45), 0.94, 0.9, facecolor=color, edgecolor=edge, linewidth=0.8))
    axes.text(
        x, y, text, ha="center", va="center", fontsize=8, color=ink, fontweight="bold" if falls else "normal"
    )


def _label_columns(axes: Axes, matrix: Matrix, names: Sequence[str], bottom: float) -> None:
    axes.text(-0.55, 0.6, "intact", ha="right", va="bottom", fontsize=9, fontweight="bold")
    for column, name in enumerate(names):
        title = "\n".join(wrap(f"no {mechanisms()[name].title}", 12, break_long_words=False))
        axes.text(column, 0.6, title, ha="center", va="bottom", fontsize=6.8, fontweight="bold")
        axes.text(
            column, bottom, f"{len(matrix.fallen(name))} fall", ha="center", va="center", fontsize=9,
            fontweight="bold",
        )  # fmt: skip
    axes.axhline(bottom + 0.6, color=FAINT, linewidth=0.8)


def _draw_key(axes: Axes) -> None:
    axes.set_title("Which finding needs which mechanism", pad=58)
    axes.set_xlabel(
        "Each number is what the model gives without the mechanism.  ▼ blue: falls below the published band;"
        "  ▲ orange: rises above it;\ntinted: moves by 5 % of the band or more, and holds;  grey: holds;"
        "  framed: misses in the intact model (✗), ✓ if it holds without;\n·: cannot be evaluated."
        "  Statements in blue were fitted, those in orange are tests; rows not measured are left out.",
        fontsize=9,
        labelpad=8,
        loc="left",
    )
