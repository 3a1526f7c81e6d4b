"""Everything `unstuck landscape` finds: measured, written as one JSON object, tables and figures.

circuit, parameters -> Landscape, branches, quasi-potential, paths, minimal courses, escape times -> files
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from unstuck.circuit import Floats, mean_field_circuit, network_circuit
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.files.treatment import Treatment, drug_for
from unstuck.parameters import ParameterSet, default_parameters
from unstuck.targets import TARGETS

from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.table import Table
from unstuck_analysis.questions.continuation import Branch, bifurcation_diagram, check_range, hysteresis, vary
from unstuck_analysis.questions.dose import StuckPatient, minimal_course, schedule_of
from unstuck_analysis.questions.landscape import (
    Landscape,
    Path,
    QuasiPotential,
    find_landscape,
    quasi_potential,
    treatment_path,
    typical_patient,
)
from unstuck_analysis.questions.landscape_figures import bifurcation_figure, ditch_figure, finding

DEFAULT_TREATMENTS = (
    "untreated",
    "ssri-like",
    "ssre-only",
    "tianeptine-like",
    "ketamine-like",
    "ketamine-like-six",
)
COURSES = ("ssri-like", "tianeptine-like", "ketamine-like")  # what the contract of --json names
HOLD_DAYS = 90.0  # how long each stress of a hysteresis loop lasts
LOOP_STEPS = 9


@dataclass(frozen=True)
class Diagram:
    """Branches of fixed points over one effect or parameter, with slow runs up and down again by name.

    label: meaning and unit of what varies.
    """

    name: str
    branches: list[Branch]
    label: str = ""
    loops: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)

    def findings(self) -> list[str]:
        """What the diagram shows, and where a branch could not be followed, in sentences."""
        lines = [f"Over {self.name}: {finding(self.branches, self.name)}."]
        lost = [f"{value:.3g}" for branch in self.branches for value in branch.lost]
        if lost:
            lines.append(
                f"Over {self.name}: {len(lost)} ends of branches could not be followed beyond"
                f" {', '.join(lost)} (firing runs away, or two states meet on a kink)."
            )
        return lines

    def contract(self) -> dict[str, Any]:
        """The same as JSON can say it."""
        folds, lost = ([v for b in self.branches for v in getattr(b, key)] for key in ("folds", "lost"))
        return {"name": self.name, "folds": folds, "lost": lost, "findings": self.findings()}

    def table(self) -> pd.DataFrame:
        """One row a fixed point, in the order of arclength; lost: the branch could not be followed beyond."""
        rows = [
            (
                number,
                value,
                point.connectivity,
                point.structure,
                point.unstable_directions,
                k in branch.turns,
                k in branch.lost_ends,
            )
            for number, branch in enumerate(self.branches)
            for k, (value, point) in enumerate(zip(branch.values, branch.points, strict=True))
        ]
        columns = ["connectivity", "structural_connectivity", "unstable_directions", "fold", "lost"]
        return pd.DataFrame(rows, columns=pd.Index(["branch", self.name, *columns]))

    def loops_table(self) -> pd.DataFrame:
        """One row a step of a slow run: run, step, value, connectivity at its end."""
        rows = [
            (name, step, value, reached)
            for name, (values, connectivity) in self.loops.items()
            for step, (value, reached) in enumerate(zip(values, connectivity, strict=True))
        ]
        return pd.DataFrame(rows, columns=pd.Index(["run", "step", self.name, "connectivity"]))


def axis_label(parameters: ParameterSet, name: str) -> str:
    """Meaning and unit of an effect held constant, or of a parameter."""
    if name == "stress":
        return "constant stress (0 to 1)"
    if name in parameters.records:
        record = parameters.records[name]
        return f"{record.meaning} ({name}, {record.unit})"
    for mode in (mode for modes in TARGETS.values() for mode in modes.values()):
        if mode.field == name and mode.law == "multiply":
            return f"{name.replace('_', ' ')}, held constant (times the healthy one)"
        if mode.field == name:
            return f"{mode.meaning}, held constant ({name})"
    return name


@dataclass(frozen=True)
class Ditch:
    """All that was found about the ditch of one circuit. What needs a ditch is empty where there is none."""

    landscape: Landscape
    stress: Diagram
    courses: dict[str, dict[str, Any]]
    potential: QuasiPotential | None = None
    paths: list[Path] = field(default_factory=list)

    @property
    def fold_stress(self) -> float | None:
        """The constant stress at which the healthy branch disappears; None if it does not up to 1."""
        folds = self.stress.branches[0].folds
        return folds[0] if folds else None

    def contract(self) -> dict[str, Any]:
        """The findings about the ditch itself as JSON can say them."""
        scape = self.landscape
        saddle = None if scape.saddle is None else scape.saddle.connectivity
        return {
            "healthy": {"C": round(scape.healthy.connectivity, 12)},
            "stuck": {"C": None if scape.stuck is None else scape.stuck.connectivity},
            "separatrix": {"C_saddle": saddle, "C_line": scape.line_connectivity},
            "fold_stress": self.fold_stress,
            "minimal_course": self.courses,
        }


def measure_ditch(
    file: CircuitFile,
    parameters: ParameterSet,
    treatments: Sequence[str] = DEFAULT_TREATMENTS,
    *,
    neurons: int = 0,
    seed: int = 1,
) -> Ditch:
    """Measure the ditch of a circuit in the mean-field, and how treatments (names or paths) pull.

    neurons, seed: of a network whose slow run through stress is shown beside the mean-field's.
    """
    landscape = find_landscape(file, parameters)
    diagram = measure_diagram(file, parameters, "stress", 0.0, 1.0, neurons=neurons, seed=seed)
    drugs = {name: drug_for(file, name) for name in COURSES}
    if landscape.stuck is None:
        nothing = {name: {"value": None, "unit": schedule_of(drug).unit} for name, drug in drugs.items()}
        return Ditch(landscape, diagram, nothing)
    patient = typical_patient(file, parameters)
    stuck = StuckPatient.from_patient(patient)
    courses = {
        name: {"value": minimal_course(stuck, drug), "unit": schedule_of(drug).unit}
        for name, drug in drugs.items()
    }
    paths = [treatment_path(landscape, patient, Treatment(name)) for name in treatments]
    return Ditch(landscape, diagram, courses, quasi_potential(landscape), paths)


def measure_diagram(
    file: CircuitFile,
    parameters: ParameterSet,
    name: str,
    low: float,
    high: float,
    *,
    neurons: int = 0,
    seed: int = 1,
) -> Diagram:
    """Branches over an effect or parameter; for stress also slow runs up and down, in a network as well.

    InputError for a range that is empty or at whose ends the model has no rates.
    """
    family, label = vary(file, parameters, name), axis_label(parameters, name)
    check_range(family, name, low, high)
    branches = bifurcation_diagram(family, low, high)
    if name != "stress":
        return Diagram(name, branches, label)
    up = np.linspace(low, high, LOOP_STEPS)
    values = np.concatenate([up, up[-2::-1]])
    circuits = {"mean-field": mean_field_circuit(file, parameters)}
    if neurons:
        rng = np.random.default_rng(seed)
        circuits[f"{neurons:,} neurons"] = network_circuit(file, parameters, neurons, rng)
    loops = {
        f"{label}, {HOLD_DAYS:.0f} d each": (values, hysteresis(circuit, name, values.tolist(), HOLD_DAYS))
        for label, circuit in circuits.items()
    }
    return Diagram(name, branches, label, loops)


def about_ditch(
    file: CircuitFile, parameters: ParameterSet, treatments: Sequence[str], neurons: int, seed: int
) -> About:
    """What the caption of a figure of the ditch says of where its numbers come from."""
    n = "1 typical patient, mean-field, no noise"
    n += f"; one network of {neurons:,} neurons for the slow run" if neurons else ""
    inputs = inputs_hash(file, parameters, *map(Treatment, treatments), neurons, seed)
    return About(f"circuit {file.title}; treatments {', '.join(treatments)}", n, str(seed), inputs)


def ask(
    circuit: str,
    treatments: Sequence[str],
    varied: tuple[str, float, float] | None = None,
    *,
    neurons: int,
    seed: int,
) -> Answer:
    """The landscape of a circuit (name or path), with the states over one further effect or parameter."""
    file, parameters = read("circuits", circuit, CircuitFile)[0], default_parameters()
    others = [measure_diagram(file, parameters, *varied)] if varied else []
    found = measure_ditch(file, parameters, treatments, neurons=neurons, seed=seed)
    return answer_of(found, about_ditch(file, parameters, treatments, neurons, seed), others)


def answer_of(ditch: Ditch, about: About, diagrams: Sequence[Diagram] = ()) -> Answer:
    """The findings with tables and figures.

    diagrams: further ones; their files are called vary-NAME, that over stress bifurcation-stress.
    """
    figures: dict[str, Shown] = {}
    tables: dict[str, Table] = {}
    named = {"bifurcation-stress": ditch.stress, **{f"vary-{d.name}": d for d in diagrams}}
    for name, diagram in named.items():
        figure = bifurcation_figure(diagram.branches, diagram.name, diagram.label, diagram.loops)
        figures[name] = Shown(figure, f"{_DIAGRAM} {' '.join(diagram.findings())}")
        tables[name] = Table.of(diagram.table())
        if diagram.loops:
            tables[f"hysteresis-{name}"] = Table.of(diagram.loops_table())
    lines = [*findings(ditch), *(line for diagram in diagrams for line in diagram.findings())]
    if ditch.potential is not None:
        drawn = ditch_figure(ditch.landscape, ditch.potential, ditch.paths)
        figures["ditch"] = Shown(drawn, _DITCH, " ".join(lines))
        tables["paths"] = Table.of(paths_table(ditch.paths))
        tables["quasi-potential"] = Table.of(potential_table(ditch.potential))
    data = contract(ditch, diagrams)
    content = json.dumps(data, indent=2, allow_nan=False)
    return Answer(
        title="Landscape: stable states and the point of no return",
        finding=lines,
        about=about,
        tables=tables,
        figures=figures,
        data=data,
        others={"landscape.json": content.encode()},
    )


def contract(ditch: Ditch, diagrams: Sequence[Diagram] = ()) -> dict[str, Any]:
    """What `unstuck landscape --json` prints; the key `varied` is there where more was varied."""
    return {**ditch.contract(), **({"varied": [d.contract() for d in diagrams]} if diagrams else {})}


_DIAGRAM = (
    "Connectivity of every fixed point found over what varies: stable solid, the edge (saddle) dashed, folds"
    " circled, a cross where a branch could not be followed. Dotted: slow runs, which lag behind."
)
_DITCH = (
    "Above: quasi-potential along the saddle's unstable manifold. Below: position of each treatment's patient"
    " over time. Position is a projection of the whole slow state, 0 stuck and 1 healthy."
)


def potential_table(potential: QuasiPotential) -> pd.DataFrame:
    """One row a point of the unstable manifold: position, height per day, connectivity."""
    return pd.DataFrame(
        {
            "position": potential.position,
            "height_per_day": potential.height,
            "connectivity": potential.connectivity,
        }
    )


def paths_table(paths: Sequence[Path]) -> pd.DataFrame:
    """One row a treatment and half day: position in the ditch and connectivity."""
    frames = [
        pd.DataFrame(
            {"treatment": p.treatment, "day": p.days, "position": p.position, "connectivity": p.connectivity}
        )
        for p in paths
    ]
    return pd.concat(frames, ignore_index=True)


def findings(ditch: Ditch) -> list[str]:
    """What was found, in sentences for people."""
    scape = ditch.landscape
    if scape.stuck is None or scape.saddle is None or ditch.potential is None:
        only = "There is one stable state only, health: six weeks of full stress leave no lasting trace."
        return [only, *ditch.stress.findings()]
    deep, deeper = ditch.potential.depths
    e_fold_days = 1.0 / float(np.real(scape.saddle.rates_per_day).max())
    lines = [
        f"Healthy C = 1, stuck C = {scape.stuck.connectivity:.4f}; both stable, both exact to 1e-8.",
        f"Point of no return: a saddle at C = {scape.saddle.connectivity:.4f} with one unstable direction,"
        f" along which a patient moves away e-fold in {e_fold_days:.0f} days.",
        f"On the straight line from stuck to healthy the basins meet at C = {scape.line_connectivity:.4f}.",
        "Health disappears at a constant stress of "
        + ("more than 1." if ditch.fold_stress is None else f"{ditch.fold_stress:.4f}."),
        *ditch.stress.findings()[1:],
        f"Quasi-potential (a projection): the stuck state lies {1000 * deep:.1f} below the edge, health"
        f" {1000 * deeper:.1f} (thousandths per day).",
        f"Point of no return in consolidated strength alone: C_c = {scape.saddle.structure:.4f}"
        f" (stuck {scape.stuck.structure:.4f}, healthy {scape.healthy.structure:.4f}).",
    ]
    for name, course in ditch.courses.items():
        found = (
            "none of up to a year escapes"
            if course["value"] is None
            else f"{course['value']} {course['unit']}"
        )
        lines.append(f"Shortest course of {name} after which the patient stays out: {found}.")
    return lines
