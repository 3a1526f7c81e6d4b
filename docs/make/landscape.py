"""The page on the shape of the ditch, generated: no number on it is typed by hand.

`python docs/make/all.py landscape` measures everything (minutes), keeps the numbers in landscape.json, and
writes docs/landscape.md and its images; landscape.md is the prose. A test measures the quick part again and
compares the page.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from quick_runs import DOCS
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.parameters import ParameterSet, default_parameters
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.markdown import table
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.output.style import save_figure
from unstuck_analysis.questions.connectivity import connectivity_figure, typical_states
from unstuck_analysis.questions.ditch import Diagram, Ditch, measure_diagram, measure_ditch
from unstuck_analysis.questions.escape import NOISE_LEVELS, escape_table, escape_times
from unstuck_analysis.questions.landscape import Landscape
from unstuck_analysis.questions.landscape_figures import bifurcation_figure, ditch_figure
from unstuck_analysis.questions.network_check import NetworkLine
from unstuck_analysis.questions.sensitivity import (
    NOISE_NETWORKS,
    Sobol,
    cohort_question,
    sensitivity_figure,
    sobol,
)

DATA, PROSE = (Path(__file__).with_suffix(ending) for ending in (".json", ".md"))
ESCAPE_RUNS, ESCAPE_YEARS = 8, 4
NETWORKS, NETWORK_NEURONS, DISTANCES = 5, 2000, (0.02, 0.03, 0.05)
BASE_POINTS, SENSITIVITY_OF = 256, "ssri-like"
SEED = 1
FIGURES = ("ditch", "bifurcation-stress", "bifurcation-bdnf", "sensitivity")


def quick_numbers(ditch: Ditch) -> dict[str, Any]:
    """What the page says of the mean-field's ditch and of the treatments' ways through it."""
    scape = ditch.landscape
    assert scape.stuck is not None
    assert scape.saddle is not None
    assert scape.line is not None
    assert ditch.potential is not None
    edge = scape.coordinate.point_of_no_return
    return {
        "contract": ditch.contract(),
        "slow_variables": len(scape.healthy.y),
        "edge_days": 1.0 / float(np.real(scape.saddle.rates_per_day).max()),
        "edge_position": edge,
        "line_boundary": scape.line.boundary,
        "structure": {"stuck": scape.stuck.structure, "saddle": scape.saddle.structure},
        "structure_line": scape.line_structure,
        "depths": list(ditch.potential.depths),
        "furthest": {path.treatment: max(path.position) for path in ditch.paths},
        "over_edge_day": {path.treatment: path.over_edge_day(edge) for path in ditch.paths},
    }


def network_numbers(file: CircuitFile, parameters: ParameterSet, landscape: Landscape) -> dict[str, Any]:
    """How many networks end on the side foretold, by distance, and where their own boundaries lie."""
    assert landscape.line is not None
    edge = landscape.line.boundary
    lines = [NetworkLine.of(file, parameters, NETWORK_NEURONS, seed) for seed in range(NETWORKS)]
    right = {
        f"{by:g}": sum((line.recovers(edge + sign * by)) == (sign > 0) for line in lines for sign in (-1, 1))
        for by in DISTANCES
    }
    widest = max(DISTANCES)
    return {
        "right": right,
        "boundaries": [line.boundary(edge - widest, edge + widest, 0.001) for line in lines],
    }


def sensitivity_numbers(found: Sobol) -> dict[str, Any]:
    """The three strongest parameters with their total indices, the spreads, and who never got stuck."""
    ranked = found.indices.loc[found.indices.outcome == "endpoint"].sort_values("ST", ascending=False)
    noise = found.noise.set_index("outcome").sd
    return {
        "strongest": [[row.parameter, row.ST, row.ST_conf] for row in ranked.head(3).itertuples()],
        "sd_parameters": float(found.sample.endpoint.std()),
        "sd_networks": float(noise["endpoint"]),
        "draws": len(found.sample),
        "never_stuck": found.never_stuck,
        "failed": found.failed,
    }


def measure_all(workers: int) -> tuple[dict[str, Any], dict[str, Figure]]:
    """Every number of the page, and its figures."""
    (file, _), parameters = read("circuits", "default", CircuitFile), default_parameters()
    ditch = measure_ditch(file, parameters, neurons=500, seed=SEED)
    assert ditch.potential is not None
    over_bdnf = measure_diagram(file, parameters, "bdnf_gain", 0.6, 1.6)
    found = sobol(cohort_question(SENSITIVITY_OF), BASE_POINTS, workers=workers, seed=SEED)
    escapes = escape_times(ditch.landscape, NOISE_LEVELS, runs=ESCAPE_RUNS, years=ESCAPE_YEARS, seed=SEED)
    numbers = {
        "model": model_version(),
        "quick": quick_numbers(ditch),
        "escapes": json.loads(escape_table(escapes).to_json(orient="records") or "[]"),
        "networks": network_numbers(file, parameters, ditch.landscape),
        "sensitivity": sensitivity_numbers(found),
    }
    figures = {
        "ditch": ditch_figure(ditch.landscape, ditch.potential, ditch.paths),
        "bifurcation-stress": _diagram(ditch.stress),
        "bifurcation-bdnf": _diagram(over_bdnf),
        "sensitivity": sensitivity_figure(found),
    }
    return numbers, figures


def _diagram(diagram: Diagram) -> Figure:
    return bifurcation_figure(diagram.branches, diagram.name, diagram.label, diagram.loops)


def page(numbers: Mapping[str, Any]) -> str:
    """The page as Markdown, from its numbers."""
    prose = Template(PROSE.read_text(encoding="utf-8"))
    return prose.substitute(
        _told_of_the_ditch(numbers["quick"])
        | _told_of_noise(numbers["escapes"])
        | _told_of_networks(numbers["networks"])
        | _told_of_parameters(numbers["sensitivity"])
    )


def _told_of_the_ditch(quick: Mapping[str, Any]) -> dict[str, str]:
    contract, edge = quick["contract"], quick["edge_position"]
    courses = {
        name: str(course["value"]) if course["value"] is not None else "no number of"
        for name, course in contract["minimal_course"].items()
    }
    rounded = json.loads(json.dumps(contract), parse_float=lambda text: round(float(text), 4))
    return {
        "contract": json.dumps(rounded, indent=2),
        "slow_variables": str(quick["slow_variables"]),
        "edge_days": f"{quick['edge_days']:.0f}",
        "edge_position": f"{edge:.3f}",
        "off_line": f"{abs(quick['line_boundary'] - edge):.4f}",
        "c_saddle": f"{contract['separatrix']['C_saddle']:.2f}",
        "c_line": f"{contract['separatrix']['C_line']:.2f}",
        "cc_saddle": f"{quick['structure']['saddle']:.3f}",
        "cc_line": f"{quick['structure_line']:.3f}",
        "fold": f"{contract['fold_stress']:.2f}",
        "ssri_days": courses["ssri-like"],
        "tianeptine_days": courses["tianeptine-like"],
        "ketamine_doses": courses["ketamine-like"],
        "ketamine_share": f"{100 * quick['furthest']['ketamine-like'] / edge:.0f}",
        "ssre_share": f"{100 * quick['furthest']['ssre-only'] / edge:.0f}",
        "ssri_over_day": f"{quick['over_edge_day']['ssri-like']:.0f}",
        "ssri_furthest": f"{quick['furthest']['ssri-like']:.2f}",
        "depth_stuck": f"{1000 * quick['depths'][0]:.1f}",
        "depth_healthy": f"{1000 * quick['depths'][1]:.1f}",
    }


def _told_of_noise(escapes: list[dict[str, Any]]) -> dict[str, str]:
    rows = [
        (
            f"{row['sigma_n']:g}",
            row["from"],
            f"{row['escaped']} of {row['runs']}",
            "not reached" if row["median_day"] is None else f"{row['median_day']:.0f}",
        )
        for row in escapes
    ]
    columns = ("sigma_n", "from", f"left within {ESCAPE_YEARS} years", "median (days)")
    return {"escapes": table(columns, rows), "escape_runs": str(ESCAPE_RUNS)}


def _told_of_networks(networks: Mapping[str, Any]) -> dict[str, str]:
    right = ", ".join(f"{count} at {by}" for by, count in networks["right"].items())
    low, high = (f(networks["boundaries"]) for f in (min, max))
    return {
        "networks": str(NETWORKS),
        "network_neurons": f"{NETWORK_NEURONS:,}",
        "network_runs": str(2 * NETWORKS),
        "networks_right": right,
        "boundaries": f"{low:.3f} to {high:.3f}",
    }


def _told_of_parameters(found: Mapping[str, Any]) -> dict[str, str]:
    strongest = ", ".join(f"{name} {total:.2f} +- {half:.2f}" for name, total, half in found["strongest"])
    return {
        "base_points": str(BASE_POINTS),
        "sensitivity_of": SENSITIVITY_OF,
        "strongest": strongest,
        "sd_parameters": f"{found['sd_parameters']:.2f}",
        "sd_networks": f"{found['sd_networks']:.4f}",
        "noise_networks": str(NOISE_NETWORKS),
        "never_stuck": f"{found['never_stuck']} of {found['draws']}",
    }


def stored() -> dict[str, Any]:
    """The numbers of the page as they were last measured."""
    return json.loads(DATA.read_text(encoding="utf-8"))


def make(workers: int) -> None:
    """Measure everything again; write the numbers, the page and its figures."""
    numbers, figures = measure_all(workers)
    write_whole(DATA, (json.dumps(numbers, indent=1) + "\n").encode())
    write_whole(DOCS / "landscape.md", page(numbers).encode())
    for name in FIGURES:
        save_figure(figures[name], DOCS / "images" / f"{name}.png")


def make_connectivity(workers: int) -> None:
    """Draw how regions drive each other when healthy, stuck and treated (in one process)."""
    states = typical_states("tianeptine-like", 84.0, neurons=500, seed=SEED)
    save_figure(connectivity_figure(states), DOCS / "images" / "functional-connectivity.png")
