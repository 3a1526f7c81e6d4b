"""The page on the landscape, generated: no number on it is typed by hand.

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
import pandas as pd
from matplotlib.figure import Figure
from quick_runs import DOCS
from unstuck.files.circuit import CircuitFile
from unstuck.files.find import read
from unstuck.files.treatment import Treatment, drug_for
from unstuck.parameters import default_parameters
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.output.style import save_figure
from unstuck_analysis.questions.connectivity import connectivity_figure, typical_states
from unstuck_analysis.questions.dose import minimal_course, schedule_of
from unstuck_analysis.questions.landscape import (
    DEFAULT_TREATMENTS,
    EPISODE_DAYS,
    EPISODES,
    REST_DAYS,
    Landscape,
    data_of,
    measure,
    tables_of,
)
from unstuck_analysis.questions.landscape_figures import landscape_figure
from unstuck_analysis.questions.sensitivity import (
    NOISE_NETWORKS,
    Sampled,
    cohort_laws,
    network_noise,
    sampled,
    sensitivity_figure,
)
from unstuck_analysis.questions.stuck import StuckPatient

DATA, PROSE = (Path(__file__).with_suffix(ending) for ending in (".json", ".md"))
COURSES = ("ssri-like", "tianeptine-like", "ketamine-like", "psilocybin-like")
BASE_POINTS, SENSITIVITY_OF = 256, "ssri-like"
SEED = 1
FIGURES = ("landscape", "sensitivity")

Numbers = dict[str, Any]


def measured() -> Landscape:
    """The landscape of the default circuit with the default treatments."""
    file, _ = read("circuits", "default", CircuitFile)
    return measure(file, default_parameters(), [Treatment(name) for name in DEFAULT_TREATMENTS])


def quick_numbers(found: Landscape) -> Numbers:
    """What the page says of the typical patient: the landscape, and the shortest courses that last."""
    file, _ = read("circuits", "default", CircuitFile)
    stuck, courses = StuckPatient.typical(file, default_parameters()), dict[str, Any]()
    for name in COURSES:
        drug = drug_for(file, name)
        courses[name] = {"count": minimal_course(stuck, drug), "unit": schedule_of(drug).unit}
    follows = found.manifolds[0].follows_days
    starts = [one.connectivity for one in found.starts.values()]
    return {
        "data": data_of(found),
        "apart": float(np.ptp(starts, axis=0).max()),
        "heals_days": found.manifolds[0].heals_days(found.stuck[0]),
        "follows_days": [float(np.nanmin(follows)), float(np.nanmax(follows))],
        "untreated_day": found.untreated.first_day,
        "courses": courses,
    }


def sensitivity_numbers(found: Sampled, noise: pd.DataFrame) -> Numbers:
    """The three strongest parameters with their total indices, the spreads, and who did not become stuck."""
    ranked = found.ranked("endpoint")
    return {
        "parameters": len(ranked),
        "strongest": ranked[["parameter", "ST", "ST_conf"]].head(3).to_numpy().tolist(),
        "sd_parameters": float(found.sample.endpoint.std()),
        "sd_networks": float(noise.set_index("outcome").sd["endpoint"]),
        "draws": len(found.sample),
        "never_stuck": found.never_stuck,
        "failed": found.failed,
    }


def measure_all(workers: int) -> tuple[Numbers, dict[str, Figure]]:
    """Every number of the page, and its figures."""
    found = measured()
    indices = sampled(SENSITIVITY_OF, cohort_laws(), "sobol", BASE_POINTS, workers=workers, seed=SEED)
    noise = network_noise(SENSITIVITY_OF, workers)
    numbers = {
        "model": model_version(),
        "quick": quick_numbers(found),
        "tables": {name: tables_of(found)[name].markdown() for name in ("leaving", "stress")},
        "sensitivity": sensitivity_numbers(indices, noise),
    }
    return numbers, {"landscape": landscape_figure(found), "sensitivity": sensitivity_figure(indices, noise)}


def page(numbers: Mapping[str, Any]) -> str:
    """The page as Markdown, from its numbers."""
    prose = Template(PROSE.read_text(encoding="utf-8"))
    return prose.substitute(
        _of_the_landscape(numbers["quick"]) | numbers["tables"] | _of_parameters(numbers["sensitivity"])
    )


def _of_the_landscape(quick: Mapping[str, Any]) -> dict[str, str]:
    data = quick["data"]
    rest = {row["scar"]: row["connectivity"] for row in data["slow_manifold"] if row["acting"] == "untreated"}
    episodes = [row for row in data["stress"] if row["stress"] == 1 and row["days"] == EPISODE_DAYS]
    courses = [
        f"{course['count']} {course['unit'] if course['count'] > 1 else course['unit'][:-1]} of {name}"
        if course["count"]
        else f"no number of {course['unit']} of {name}"
        for name, course in quick["courses"].items()
    ]
    leaving = {row["treatment"]: row for row in data["leaving"]}
    return {
        "scars": ", ".join(f"{scar:g}" for scar in list(rest)[::2]),
        "at_rest": ", ".join(f"{whole:.2f}" for whole in list(rest.values())[::2]),
        "apart": f"{quick['apart']:.4f}",
        "stuck_scar": f"{data['stuck']['scar']:.2f}",
        "stuck_connectivity": f"{data['stuck']['connectivity']:.2f}",
        "heals_days": f"{quick['heals_days']:.0f}",
        "ssri_days": f"{leaving['ssri-like']['scar_days']:.0f}",
        "tianeptine_days": f"{leaving['tianeptine-like']['scar_days']:.0f}",
        "follows_low": f"{quick['follows_days'][0]:.0f}",
        "follows_high": f"{quick['follows_days'][1]:.0f}",
        "untreated_day": f"{quick['untreated_day']:.0f}",
        "mild_rest": f"{data['scar_at_rest']['stress 0.25']:.2f}",
        "half_rest": f"{data['scar_at_rest']['stress 0.5']:.2f}",
        "full_rest": f"{data['scar_at_rest']['stress 1']:.2f}",
        "episodes": str(EPISODES),
        "episode_days": f"{EPISODE_DAYS:.0f}",
        "rest_days": f"{REST_DAYS:.0f}",
        "episode_scars": ", ".join(f"{row['scar']:.2f}" for row in episodes),
        "episode_connectivity": ", ".join(f"{row['connectivity']:.2f}" for row in episodes),
        "courses": "\n".join(f"* {text}" for text in courses),
    }


def _of_parameters(found: Mapping[str, Any]) -> dict[str, str]:
    strongest = [f"{name} {total:.2f} +- {half:.2f}" for name, total, half in found["strongest"]]
    records = default_parameters().records
    return {
        "base_points": str(BASE_POINTS),
        "sensitivity_of": SENSITIVITY_OF,
        "parameters": str(found["parameters"]),
        "strongest": ", ".join(strongest),
        "meaning": "; ".join(f"{name} is the {records[name].meaning}" for name, *_ in found["strongest"]),
        "sd_parameters": f"{found['sd_parameters']:.2f}",
        "sd_networks": f"{found['sd_networks']:.4f}",
        "noise_networks": str(NOISE_NETWORKS),
        "never_stuck": f"{found['never_stuck']} of {found['draws']}",
        "failed": str(found["failed"]),
        "runs": str(BASE_POINTS * (found["parameters"] + 2)),
    }


def stored() -> Numbers:
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
