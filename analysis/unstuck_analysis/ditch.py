"""Everything `unstuck landscape` finds: measured, written as one JSON object, tables and figures.

circuit, parameters -> Landscape, branches, quasi-potential, paths, minimal courses, escape times -> files
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
from unstuck.circuit import Floats, mean_field_circuit, network_circuit
from unstuck.circuit_file import CircuitFile
from unstuck.parameters import ParameterSet
from unstuck.scenario import Treatment, drug_for

from unstuck_analysis.continuation import Branch, bifurcation_diagram, hysteresis, vary
from unstuck_analysis.dose_response import StuckPatient, minimal_course, schedule_of
from unstuck_analysis.escape import escape_table
from unstuck_analysis.figures import save_figure
from unstuck_analysis.landscape import (
    Landscape,
    Path,
    QuasiPotential,
    find_landscape,
    quasi_potential,
    treatment_path,
    typical_patient,
)
from unstuck_analysis.landscape_figures import bifurcation_figure, ditch_figure
from unstuck_analysis.storage import write_whole

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
    """Branches of fixed points over one effect or parameter, with slow runs up and down again by name."""

    name: str
    branches: list[Branch]
    loops: dict[str, tuple[Floats, Floats]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The axis label."""
        return "constant stress" if self.name == "stress" else self.name

    def table(self) -> pd.DataFrame:
        """One row a fixed point, in the order of arclength."""
        rows = [
            (number, value, point.connectivity, point.structure, point.unstable_directions)
            for number, branch in enumerate(self.branches)
            for value, point in zip(branch.values, branch.points, strict=True)
        ]
        columns = ["branch", self.name, "connectivity", "structural_connectivity", "unstable_directions"]
        return pd.DataFrame(rows, columns=columns)


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
        """The findings as `unstuck landscape --json` prints them."""
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
) -> Ditch:
    """Measure the ditch of a circuit in the mean-field, and how treatments (names or paths) pull.

    neurons: size of a network (seed 0) whose slow run through stress is shown beside the mean-field's.
    """
    landscape = find_landscape(file, parameters)
    diagram = measure_diagram(file, parameters, "stress", 0.0, 1.0, neurons=neurons)
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
    file: CircuitFile, parameters: ParameterSet, name: str, low: float, high: float, *, neurons: int = 0
) -> Diagram:
    """Branches over an effect or parameter; for stress also slow runs up and down, in a network as well."""
    branches = bifurcation_diagram(vary(file, parameters, name), low, high)
    if name != "stress":
        return Diagram(name, branches)
    up = np.linspace(low, high, LOOP_STEPS)
    values = np.concatenate([up, up[-2::-1]])
    circuits = {"mean-field": mean_field_circuit(file, parameters)}
    if neurons:
        rng = np.random.default_rng(0)
        circuits[f"{neurons:,} neurons"] = network_circuit(file, parameters, neurons, rng)
    loops = {
        f"{label}, {HOLD_DAYS:.0f} d each": (values, hysteresis(circuit, name, values.tolist(), HOLD_DAYS))
        for label, circuit in circuits.items()
    }
    return Diagram(name, branches, loops)


def write_ditch(
    ditch: Ditch, folder: FilePath, diagrams: Sequence[Diagram] = (), escapes: pd.DataFrame | None = None
) -> list[str]:
    """Write the findings, tables and figures into a folder; returns the names of the files."""
    files = {"landscape.json": json.dumps(ditch.contract(), indent=2, allow_nan=False).encode()}
    figures = {}
    for diagram in (ditch.stress, *diagrams):
        figures[f"bifurcation-{diagram.name}"] = bifurcation_figure(
            diagram.branches, diagram.label, diagram.loops
        )
        files[f"bifurcation-{diagram.name}.csv"] = diagram.table().to_csv(index=False).encode()
    if ditch.potential is not None:
        figures["ditch"] = ditch_figure(ditch.landscape, ditch.potential, ditch.paths)
        files["paths.csv"] = paths_table(ditch.paths).to_csv(index=False).encode()
    if escapes is not None:
        files["escape.csv"] = escapes.to_csv(index=False).encode()
    for name, content in files.items():
        write_whole(folder / name, content)
    for name, figure in figures.items():
        for suffix in ("png", "svg"):
            save_figure(figure, folder / f"{name}.{suffix}")
    return [*files, *(f"{name}.{suffix}" for name in figures for suffix in ("png", "svg"))]


def paths_table(paths: Sequence[Path]) -> pd.DataFrame:
    """One row a treatment and half day: position in the ditch and connectivity."""
    frames = [
        pd.DataFrame(
            {"treatment": p.treatment, "day": p.days, "position": p.position, "connectivity": p.connectivity}
        )
        for p in paths
    ]
    return pd.concat(frames, ignore_index=True)


def findings(ditch: Ditch, escapes: pd.DataFrame | None = None) -> list[str]:
    """What was found, in sentences for people."""
    scape = ditch.landscape
    if scape.stuck is None or scape.saddle is None or ditch.potential is None:
        return ["There is one stable state only, health: six weeks of full stress leave no lasting trace."]
    deep, deeper = ditch.potential.depths
    e_fold_days = 1.0 / float(np.real(scape.saddle.rates_per_day).max())
    lines = [
        f"Healthy C = 1, stuck C = {scape.stuck.connectivity:.4f}; both stable, both exact to 1e-8.",
        f"Point of no return: a saddle at C = {scape.saddle.connectivity:.4f} with one unstable direction,"
        f" along which a patient moves away e-fold in {e_fold_days:.0f} days.",
        f"On the straight line from stuck to healthy the basins meet at C = {scape.line_connectivity:.4f}.",
        "Health disappears at a constant stress of "
        + ("more than 1." if ditch.fold_stress is None else f"{ditch.fold_stress:.4f}."),
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
    for row in [] if escapes is None else escape_table(escapes).to_dict("records"):
        median = (
            f"half within {row['median_day']:.0f} days" if row["median_day"] > 0 else "half is not reached"
        )
        lines.append(
            f"Noise sigma_n = {row['sigma_n']:g}, from {row['from']}: {row['escaped']} of {row['runs']} runs"
            f" escape ({median}; the others are censored)."
        )
    return lines
