"""The whole shelf at once: every shipped treatment on the same patients, for the docs.

`python -m unstuck_analysis.whole_shelf` runs it (some minutes) and rewrites the table in docs/drug-shelf.md
and the figure docs/images/shelf.png.
"""

from pathlib import Path

from unstuck.files.treatment import shipped

from unstuck_analysis.compare import Comparison, arm_summary, compare
from unstuck_analysis.figures import shelf_figure, treatment_class
from unstuck_analysis.output.markdown import table
from unstuck_analysis.output.style import save_figure
from unstuck_analysis.study.processes import available_cores

PATIENTS, NEURONS, SEED = 6, 300, 1
BEGIN, END = "<!-- whole shelf: begin -->", "<!-- whole shelf: end -->"
COLUMNS = (
    "treatment",
    "class",
    "stuck",
    "onset day",
    "recovered",
    "R, day 84",
    "amygdala",
    "out of the ditch",
)


def whole_shelf() -> Comparison:
    """Every shipped treatment, untreated first."""
    names = ["untreated", *(name for name in shipped("treatments") if name != "untreated")]
    return compare(names, patients=PATIENTS, seed=SEED, neurons=NEURONS, workers=available_cores())


def shelf_table(comparison: Comparison) -> str:
    """A Markdown table with a row a treatment, by class; what no stuck patient got has no outcome."""
    arms = [(treatment_class(t), t.name, arm_summary(comparison, t)) for t in comparison.treatments]
    rows = [
        (
            name,
            kind,
            str(arm["patients"]),
            _number(arm["onset_day_median"], ".0f"),
            _number(arm["response_share"], ".0%"),
            _number(arm["recovery"]["84"], ".2f"),
            _number(arm["amygdala_activity"], ".2f"),
            _number(arm["escaped_share"], ".0%"),
        )
        for kind, name, arm in sorted(arms, key=lambda each: each[:2])
    ]
    return table(COLUMNS, rows)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def write(comparison: Comparison, docs: Path) -> None:
    """Write figure and table into the docs; ValueError if the page has no place for the table."""
    page = docs / "drug-shelf.md"
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise ValueError(f"{page}: no {BEGIN} ... {END}")
    page.write_text(f"{head}{BEGIN}\n{shelf_table(comparison)}\n{END}{tail}", encoding="utf-8")
    save_figure(shelf_figure(comparison), docs / "images" / "shelf.png")


if __name__ == "__main__":
    write(whole_shelf(), Path("docs"))
