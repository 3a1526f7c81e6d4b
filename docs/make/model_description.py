"""The model description by the ODD protocol (Grimm 2020), generated so that it cannot drift from the code.

`python docs/make/all.py model-description` writes docs/model-description.md; a test compares the
two. The prose is in model_description.md.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from math import ceil
from pathlib import Path
from string import Template

import numpy as np
import unstuck.rules
from quick_runs import DOCS
from unstuck.circuit import SET_POINT_SIGMA, WEIGHT_SIGMA, healthy_state, mean_field_circuit
from unstuck.drugs import exposure
from unstuck.drugs.effects import Course, steady_h
from unstuck.engine import readouts
from unstuck.engine import step as engine
from unstuck.engine.settle import settled_state
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.find import cohort_path, read
from unstuck.files.schedule import Dose
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient import draw as patient
from unstuck.patient.draw import read_cohort
from unstuck.targets import TARGETS, Effects
from unstuck_analysis import outcomes
from unstuck_analysis.evidence.facts import read_facts
from unstuck_analysis.output.markdown import table

PROSE = Path(__file__).with_suffix(".md")
DOSES = (1, 2, 3, 4)  # of the table of noradrenaline, relative to the usual one
SPELLED = {"bdnf": "BDNF", "trkb": "TrkB"}


def description() -> str:
    """The whole description as Markdown: the prose with what code and data say of themselves."""
    facts = read_facts()
    fits = sum(fact.role == "fit" for fact in facts)
    prose = Template(PROSE.read_text(encoding="utf-8"))
    return prose.substitute(
        fits=fits,
        tests=len(facts) - fits,
        circuit=_circuit_tables(),
        scheduling=_documented(engine.__doc__),
        set_point_sigma=SET_POINT_SIGMA,
        weight_sigma=WEIGHT_SIGMA,
        input=_documented(exposure.__doc__),
        targets=_targets_table(),
        submodels="\n\n".join(_submodels()),
        noradrenaline=_noradrenaline_table(),
        readouts=_documented(readouts.__doc__),
        outcomes=_documented(outcomes.__doc__),
        patients=_documented(patient.__doc__),
        cohort=_cohort_table(),
        parameters=_parameter_table(),
    )


def _documented(docstring: str | None) -> str:
    """A module's docstring as Markdown: equations are already indented, as code blocks are."""
    return inspect.cleandoc(docstring or "")


def _submodels() -> Iterable[str]:
    """Every rule by what its module says of itself."""
    for module in sorted(pkgutil.iter_modules(unstuck.rules.__path__), key=lambda module: module.name):
        if module.name == "compiled":
            continue
        rule = importlib.import_module(f"unstuck.rules.{module.name}")
        yield f"### {SPELLED.get(module.name, module.name.capitalize())}\n\n{_documented(rule.__doc__)}"


def _noradrenaline_table() -> str:
    """What doses of an SNRI do to both transporters and to noradrenaline."""
    circuit = mean_field_circuit(
        read("circuits", "with-locus-coeruleus", CircuitFile)[0], default_parameters()
    )
    drug, _ = read("drugs", "venlafaxine-like", DrugFile)
    assert drug.usual_dose
    assert drug.usual_every
    daily_mg = drug.usual_dose.mg(70.0) * HOURS_A_DAY / drug.usual_every
    rows: list[tuple[str, ...]] = []
    for relative in DOSES:
        effects = _steady_effects(drug, relative)
        state = settled_state(circuit, healthy_state(circuit), effects, np.zeros(len(circuit.regions)), 1e-10)
        source = state.x[circuit.populations.index("LC_N")]
        cortex = (state.monoamine_nM / circuit.healthy_nM)[circuit.noradrenaline_pools["mPFC"]]
        numbers = effects.sert_occupancy, effects.net_occupancy, source, cortex
        rows.append((f"{relative * daily_mg:g} mg", *(f"{number:.2f}" for number in numbers)))
    heads = ("dose per day", "SERT occupancy", "NET occupancy", "firing of LC", "noradrenaline")
    return table(heads, rows)


def _steady_effects(drug: DrugFile, relative_dose: float) -> Effects:
    """Mean occupancy of both transporters between two doses at steady state."""
    every_h = drug.usual_every or HOURS_A_DAY
    count = ceil(steady_h(drug, default_parameters()) / every_h)
    course = Course(drug, tuple(Dose(k * every_h, relative_dose, 0.0, every_h) for k in range(count)))
    times_h = course.doses[-1].time_h + np.linspace(0.0, every_h, 200, endpoint=False)
    left = {"sert_occupancy": np.ones(200), "net_occupancy": np.ones(200)}
    for part in course.contributions(default_parameters()):
        if part.mode.field in left:
            left[part.mode.field] *= 1.0 - part.at(times_h)
    return Effects(**{field: 1.0 - float(free.mean()) for field, free in left.items()})


def _circuit_tables() -> str:
    circuit, _ = read("circuits", "default", CircuitFile)
    populations = table(
        ("population", "region", "cells", "share", "set-point (Hz)", "maximal rate (Hz)", "NMDA share"),
        (
            (
                name,
                p.region,
                p.cells,
                f"{p.share:g}",
                _with_value(p.set_point_Hz),
                _with_value(p.maximal_Hz),
                p.nmda_share,
            )
            for name, p in circuit.populations.items()
        ),
    )
    projections = table(
        ("projection", "weight", "inputs", "plastic"),
        (
            (
                name,
                p.weight if p.times == 1.0 else f"{p.weight} x {p.times}",
                p.inputs,
                "yes" if p.plastic else "",
            )
            for name, p in circuit.projections.items()
        ),
    )
    return f"{populations}\n\n{projections}"


def _with_value(number: float | str) -> str:
    """A number, or a symbol with its value."""
    if isinstance(number, str):
        return f"{number} = {default_parameters()[number]:g}"
    return f"{number:g}"


def _targets_table() -> str:
    rows = [
        (target, mode, meaning.meaning, meaning.law)
        for target, modes in TARGETS.items()
        for mode, meaning in modes.items()
    ]
    return table(("target", "mode", "what it does", "how several combine"), rows)


def _cohort_table() -> str:
    cohort = read_cohort(cohort_path())
    rows = [(draw.name, str(getattr(draw, "cv", "class")), draw.source) for draw in cohort.draws]
    return table(("draw", "coefficient of variation", "source"), rows)


def parameter_rows() -> list[tuple[str, ...]]:
    """One row per parameter, in the order of the columns of `_parameter_table`."""
    return [
        (
            record.symbol,
            record.meaning,
            f"{record.value:g}",
            record.unit,
            f"{record.low:g} to {record.high:g}",
            record.kind,
            record.origin,
            record.source,
        )
        for record in default_parameters().records.values()
    ]


def _parameter_table() -> str:
    columns = ("symbol", "meaning", "value", "unit", "range", "kind", "origin", "source")
    return table(columns, parameter_rows())


def make(workers: int) -> None:
    """Write the page (in one process)."""
    (DOCS / "model-description.md").write_text(description(), encoding="utf-8")
