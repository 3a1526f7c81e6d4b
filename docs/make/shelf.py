"""The page of the drugs: every shipped treatment in the typical patient and on the same drawn patients.

`python docs/make/all.py shelf` runs them (some minutes) and writes docs/drug-shelf.md and the figures
docs/images/shelf.png and docs/images/dose-occupancy.png. The prose is in shelf.md.
"""

from dataclasses import replace
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

import numpy as np
from loop import loop_figure
from published import dose_figure, kinetics_table, occupancy_table
from quick_runs import DOCS
from unstuck.drugs.effects import Course
from unstuck.drugs.exposure import PatientExposure
from unstuck.engine.readouts import connectivities
from unstuck.engine.step import Accuracy, Engine
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.files.schedule import Dose
from unstuck.files.treatment import Treatment
from unstuck.parameters import default_parameters
from unstuck.state import Floats
from unstuck_analysis.compare import Comparison, arm_summary, compare
from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.figures import recovery_figure, shelf_figure, treatment_class
from unstuck_analysis.output.markdown import table
from unstuck_analysis.output.style import save_figure
from unstuck_analysis.output.terminal import format_number
from unstuck_analysis.questions.stuck import StuckPatient
from unstuck_analysis.study.file import Study

PATIENTS, NEURONS, SEED = 6, 300, 1
COLUMNS = (
    "treatment",
    "class",
    "stuck",
    "onset day",
    "recovered",
    "R, day 84",
    "AMY firing",
    "still recovered 12 weeks after the drug",
)
TYPICAL = (  # the treatments that the page discusses
    "untreated",
    "ssri-like",
    "escitalopram-like",
    "sertraline-like",
    "fluoxetine-like",
    "fluvoxamine-like",
    "venlafaxine-like",
    "ssri-with-5ht1a-antagonist",
    "ssri-with-pindolol",
    "ssri-with-trkb-blocker",
    "sert-knock-out-ssri",
    "ketamine-like",
    "ketamine-like-six",
    "ketamine-with-ampa-blocker",
    "ketamine-with-trkb-blocker",
    "memantine-like",
    "psilocybin-1mg",
    "psilocybin-10mg",
    "psilocybin-25mg",
    "tianeptine-oral-sert",
    "tianeptine-oral-ampa",
    "tianeptine-oral-both",
    "tianeptine-oral-downstream",
    "alpha5-nam",
    "amineptine-like",
)
READ = {"R": "recovery", "S": "serotonin_mPFC", "A": "activity_AMY_P"}
SHOWN = {"R": (1, 7, 28, 84), "S": (1, 84), "A": (84,)}
HEADINGS = {"R": "R", "S": "serotonin", "A": "AMY firing"}
FREQUENT = {  # drug: hours between doses
    "tianeptine-oral-both": 8,
    "tianeptine-oral-ampa": 8,
    "pindolol-like": 8,
    "venlafaxine-like": 12,
    "fluoxetine-like": 24,
    "sertraline-like": 24,
    "escitalopram-like": 24,
    "fluvoxamine-like": 24,
    "memantine-like": 24,
}


def whole_shelf(workers: int) -> Comparison:
    """Every shipped treatment, untreated first."""
    names = ["untreated", *(name for name in shipped("treatments") if name != "untreated")]
    return compare(names, patients=PATIENTS, seed=SEED, neurons=NEURONS, workers=workers)


def shelf_table(comparison: Comparison) -> str:
    """A Markdown table with one row per treatment, by class; without a stuck patient there is no outcome."""
    arms = [(treatment_class(t), t.name, arm_summary(comparison, t)) for t in comparison.treatments]
    rows = [
        (
            name,
            kind,
            str(arm["patients"]),
            format_number(arm["onset_day_median"], ".0f"),
            format_number(arm["recovered_share"], ".0%"),
            format_number(arm["recovery"]["84"], ".2f"),
            format_number(arm["overactive_activity"], ".2f"),
            format_number(arm["still_recovered_share"], ".0%"),
        )
        for kind, name, arm in sorted(arms, key=lambda each: each[:2])
    ]
    return table(COLUMNS, rows)


def typical_values() -> dict[str, str]:
    """Values of the typical patient by name, such as `R28_ssri_like`: recovery, serotonin, amygdala."""
    study = Study.of_treatments(TYPICAL, name="typical", patients=1, neurons=0, varied=False)
    with TemporaryDirectory() as folder:
        series = study.run(Path(folder) / "typical").series()
    values = dict[str, str]()
    for name in TYPICAL:
        of_treatment = series[series.treatment == name].set_index("day")
        for short, column in READ.items():
            for day in SHOWN["R"]:
                text = f"{of_treatment[column].loc[day]:.2f}".replace("-0.00", "0.00")
                values[_key(short, day, name)] = text
    return values


def _key(short: str, day: int, treatment: str) -> str:
    return f"{short}{day}_{treatment.replace('-', '_')}"


def typical_table(values: dict[str, str]) -> str:
    """A Markdown table with one row per treatment of TYPICAL."""
    shown = [(short, day) for short, days in SHOWN.items() for day in days]
    headings = [f"{HEADINGS[short]}, day {day}" for short, day in shown]
    rows = [[name, *(values[_key(short, day, name)] for short, day in shown)] for name in TYPICAL]
    return table(["treatment", *headings], rows)


def averaging_table() -> str:
    """How far R is from a run that resolves every dose, over 28 days of frequent doses."""
    stuck = StuckPatient.typical(read("circuits", "default", CircuitFile)[0], default_parameters())
    rows = list[tuple[str, str, str, str]]()
    for name, every_h in FREQUENT.items():
        off = _course(stuck, name, every_h, every_dose=False) - _course(stuck, name, every_h, every_dose=True)
        rows.append((name, f"{every_h} h", f"{np.max(np.abs(off)):.4f}", f"{off[-1]:+.4f}"))
    return table(("drug", "every", "largest difference in R", "on day 28"), rows)


def _course(stuck: StuckPatient, drug: str, every_h: int, *, every_dose: bool) -> Floats:
    """R on days 1 to 28 of a course; with every_dose, steps are short and end on each dose."""
    start_h = stuck.checkpoint.time_h
    doses = tuple(Dose(start_h + every_h * k, 1.0, 0.0, float(every_h)) for k in range(28 * 24 // every_h))
    parts = Course(read("drugs", drug, DrugFile)[0], doses).contributions(default_parameters())
    accuracy = Accuracy()
    if every_dose:
        edges = tuple(dose.time_h for dose in doses)
        parts = [replace(part, law=replace(part.law, averaged_h=0.0, edges_h=edges)) for part in parts]  # pyright: ignore
        accuracy = Accuracy(slow=1e-3, longest_step_h=2.0)
    circuit, end_h, found = stuck.patient.circuit, start_h + 28 * 24.0, list[float]()
    exposure = PatientExposure(circuit.regions, [], parts, np.zeros((0, 5)), end_h)
    Engine(circuit, stuck.checkpoint.state, start_h, accuracy).advance(
        exposure,
        end_h,
        output_h=[start_h + 24.0 * day for day in range(1, 29)],
        on_output=lambda _, states: found.extend(connectivities(circuit, states)[0]),
    )
    return np.array([stuck.checkpoint.recovery(value) for value in found])


def make(workers: int) -> None:
    """Write the page and its figures."""
    comparison, values, parameters = whole_shelf(workers), typical_values(), default_parameters()
    drugs = {name: read("drugs", name, DrugFile)[0] for name in shipped("drugs")}
    page = Template(Path(__file__).with_suffix(".md").read_text(encoding="utf-8")).substitute(
        values,
        typical=typical_table(values),
        kinetics=kinetics_table(drugs, parameters),
        occupancy=occupancy_table(drugs, parameters),
        averaging=averaging_table(),
        whole=shelf_table(comparison),
    )
    (DOCS / "drug-shelf.md").write_text(page, encoding="utf-8")
    save_figure(shelf_figure(comparison), DOCS / "images" / "shelf.png")
    save_figure(dose_figure(list(drugs.values()), parameters), DOCS / "images" / "dose-occupancy.png")


def make_recovery(workers: int) -> None:
    """Draw what `unstuck compare` finds with its defaults, and the feedback loop."""
    save_figure(recovery_figure(compare(workers=workers)), DOCS / "images" / "recovery.png")
    save_figure(loop_figure(Treatment(UNTREATED).circuit), DOCS / "images" / "loop.png")
