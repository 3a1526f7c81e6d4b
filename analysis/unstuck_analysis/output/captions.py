"""Figures with a caption file beside each: what it shows, axes with units, n, seed, and what it is made of.

figure, what it shows, About -> NAME.png, NAME.svg, NAME.caption.md
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import BaseModel
from unstuck.files.treatment import Treatment
from unstuck.parameters import ParameterSet

from unstuck_analysis.figures import save_figure
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import model_version

Shown = tuple[Figure, str]  # a figure and one sentence on what it shows


@dataclass(frozen=True)
class About:
    """What the numbers of a figure come from: circuit or treatments, n in words, seed, digest of inputs."""

    subject: str
    n: str
    seed: str
    inputs: str


def inputs_hash(*parts: object) -> str:
    """A digest of all that a result was made from: files as resolved, parameters, options."""
    hashed = blake2b(digest_size=8)
    for part in parts:
        hashed.update(_resolved(part).encode() + b"\0")
    return hashed.hexdigest()


def _resolved(part: object) -> str:
    if isinstance(part, Treatment):
        drugs = [drug.model_dump_json() for drug in part.drugs.values()]
        return "\n".join([part.file.model_dump_json(), part.circuit.model_dump_json(), *drugs])
    if isinstance(part, BaseModel):
        return part.model_dump_json()
    return repr(sorted(part.items())) if isinstance(part, ParameterSet) else repr(part)


def caption(name: str, shown: Shown, about: About) -> str:
    """The caption of a figure as Markdown; its axes are those drawn."""
    figure, shows = shown
    axes = [f"* axes: {told}" for told in dict.fromkeys(map(_axes, figure.axes)) if told]
    facts = {
        "n": about.n,
        "seed": about.seed,
        "of": about.subject,
        "model": model_version(),
        "inputs": about.inputs,
    }
    return "\n".join([f"# {name}", "", shows, "", *axes, *(f"* {key}: {v}" for key, v in facts.items()), ""])


def _axes(axes: Axes) -> str:
    """Title and labels of one panel, on one line."""
    labels = {"x": axes.get_xlabel(), "y": axes.get_ylabel()}
    told = "; ".join(f"{key} is {' '.join(label.split())}" for key, label in labels.items() if label)
    title = " ".join(axes.get_title(loc="left").split())
    return f"{title}: {told}" if title and told else told


def write_figures(folder: Path, figures: Mapping[str, Shown], about: About) -> list[str]:
    """Write each figure as PNG and SVG with its caption; the names of the files."""
    names: list[str] = []
    for name, shown in figures.items():
        for suffix in ("png", "svg"):
            save_figure(shown[0], folder / f"{name}.{suffix}")
        write_whole(folder / f"{name}.caption.md", caption(name, shown, about).encode())
        names += [f"{name}.png", f"{name}.svg", f"{name}.caption.md"]
    return names


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Write each table as NAME.csv; the names of the files."""
    for name, table in tables.items():
        write_whole(folder / f"{name}.csv", table.to_csv(index=False).encode())
    return [f"{name}.csv" for name in tables]
