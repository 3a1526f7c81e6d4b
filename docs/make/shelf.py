"""The whole shelf at once: every shipped treatment on the same patients, for the docs.

`python docs/make/all.py shelf` runs it (some minutes) and rewrites the table in docs/drug-shelf.md
and the figures docs/images/shelf.png and docs/images/dose-occupancy.png.
"""

from quick_runs import DOCS
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.parameters import default_parameters
from unstuck_analysis.compare import Comparison, arm_summary, compare
from unstuck_analysis.figures import recovery_figure, shelf_figure, treatment_class
from unstuck_analysis.library.drug_card import dose_figure
from unstuck_analysis.output.markdown import table
from unstuck_analysis.output.style import save_figure

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
    "still recovered 12 weeks after the drug",
)


def whole_shelf(workers: int) -> Comparison:
    """Every shipped treatment, untreated first."""
    names = ["untreated", *(name for name in shipped("treatments") if name != "untreated")]
    return compare(names, patients=PATIENTS, seed=SEED, neurons=NEURONS, workers=workers)


def shelf_table(comparison: Comparison) -> str:
    """A Markdown table with a row a treatment, by class; what no stuck patient got has no outcome."""
    arms = [(treatment_class(t), t.name, arm_summary(comparison, t)) for t in comparison.treatments]
    rows = [
        (
            name,
            kind,
            str(arm["patients"]),
            _number(arm["onset_day_median"], ".0f"),
            _number(arm["recovered_share"], ".0%"),
            _number(arm["recovery"]["84"], ".2f"),
            _number(arm["amygdala_activity"], ".2f"),
            _number(arm["still_recovered_share"], ".0%"),
        )
        for kind, name, arm in sorted(arms, key=lambda each: each[:2])
    ]
    return table(COLUMNS, rows)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def make(workers: int) -> None:
    """Write table and figures into the docs; ValueError if the page has no place for the table."""
    comparison, page = whole_shelf(workers), DOCS / "drug-shelf.md"
    head, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise ValueError(f"{page}: no {BEGIN} ... {END}")
    page.write_text(f"{head}{BEGIN}\n{shelf_table(comparison)}\n{END}{tail}", encoding="utf-8")
    save_figure(shelf_figure(comparison), DOCS / "images" / "shelf.png")
    measured = [read("drugs", name, DrugFile)[0] for name in shipped("drugs")]
    save_figure(dose_figure(measured, default_parameters()), DOCS / "images" / "dose-occupancy.png")


def make_recovery(workers: int) -> None:
    """Draw what `unstuck compare` finds with its defaults."""
    save_figure(recovery_figure(compare(workers=workers)), DOCS / "images" / "recovery.png")
