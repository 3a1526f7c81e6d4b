"""Components for Mesa's own page, SolaraViz, over `CircuitModel`.

    from mesa.visualization import SolaraViz
    from unstuck_analysis.view.mesa import COMPONENTS, DosedModel, parameters

    model = DosedModel("ssri-like", neurons=200, seed=1)
    SolaraViz(model, components=COMPONENTS, model_params=parameters())

matplotlib makes the pictures, which is slow; `unstuck view` without --mesa is the page to watch. Needs the
extra `mesa-page`.
"""

# Solara and Mesa's page have no complete types, and are missing without the extra.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportArgumentType=false

import os
from collections.abc import Callable, Sequence
from typing import Any

import networkx
import solara
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mesa.visualization import Slider, SolaraViz
from mesa.visualization.utils import update_counter
from unstuck.circuit_model import CircuitModel
from unstuck.files.find import shipped
from unstuck.patient.life import Life

from unstuck_analysis.view.cases import about_treatment
from unstuck_analysis.view.prescribe import with_doses_times

ASKED_VARIABLE = "UNSTUCK_MESA_PAGE"  # treatment, seed, patient, neurons, one per line


class DosedModel(CircuitModel):
    """`CircuitModel` with every dose times `dose`; all else is the same."""

    def __init__(self, treatment: str = "ssri-like", dose: float = 1.0, **kwargs: Any) -> None:
        super().__init__(treatment, **kwargs)
        changed = with_doses_times(self.life.treatment, dose)
        self.life = Life(self.life.patient, changed, self.life.checkpoint)
        for column in self.datacollector.model_vars.values():
            column.clear()
        self.record()


def parameters(
    treatment: str = "ssri-like", seed: int = 1, patient: int = 0, neurons: int = 200
) -> dict[str, Any]:
    """Controls of a `DosedModel` for `SolaraViz(model_params=...)`."""
    names = list(dict.fromkeys([treatment, *shipped("treatments")]))
    return {
        "treatment": {"type": "Select", "value": treatment, "values": names, "label": "Treatment"},
        "dose": Slider("Dose (1: as the treatment says)", value=1.0, min=0.1, max=3.0, step=0.1, dtype=float),
        "seed": Slider("Seed", value=seed, min=0, max=max(50, seed), step=1, dtype=int),
        "patient": Slider("Patient", value=patient, min=0, max=max(50, patient), step=1, dtype=int),
        "neurons": Slider("Neurons", value=neurons, min=100, max=max(2_000, neurons), step=100, dtype=int),
        "step_h": Slider("Hours per step", value=24, min=1, max=168, step=1, dtype=int),
    }


def _draw_circuit(model: CircuitModel, axes: Axes) -> None:
    graph = model.graph
    place = {
        name: (node["x"], node["y"] - 0.06 * (node["cells"] == "interneuron"))
        for name, node in graph.nodes(data=True)
    }
    colours = [node["activity"] for _, node in graph.nodes(data=True)]
    networkx.draw_networkx_nodes(
        graph, place, ax=axes, node_size=120, node_color=colours, cmap="coolwarm", vmin=0.4, vmax=1.6
    )
    plastic = [(a, b) for a, b, edge in graph.edges(data=True) if edge["plastic"]]
    widths = [4 * graph.edges[edge]["strength"] for edge in plastic]
    style = {"edgelist": plastic, "width": widths, "edge_color": "0.6", "connectionstyle": "arc3,rad=0.15"}
    networkx.draw_networkx_edges(graph, place, ax=axes, **style)
    names = {name: (x + 0.03, y) for name, (x, y) in place.items()}
    networkx.draw_networkx_labels(graph, names, ax=axes, font_size=8, horizontalalignment="left")
    axes.margins(0.12)
    axes.set_title(f"Day {model.day:.1f}: activity (colour) and strength (width), healthy = 1")
    axes.set_axis_off()


def _draw_recorded(model: CircuitModel, axes: Axes, columns: Sequence[str], title: str) -> None:
    table = model.datacollector.get_model_vars_dataframe()
    for name in columns:
        axes.plot(table["day"], table[name], label=name.split("_", 1)[-1])
    axes.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    axes.set_xlabel("day")
    axes.set_title(title)
    if len(columns) > 1:
        axes.legend(fontsize=7)


def _recorded(model: CircuitModel, word: str) -> list[str]:
    return [name for name in model.datacollector.model_vars if name.startswith(word)]


def _shown(
    draw: Callable[[CircuitModel, Axes], None], model: CircuitModel, size: tuple[float, float]
) -> None:
    """Show a figure that is drawn again at every step."""
    update_counter.get()
    figure = Figure(figsize=size, layout="constrained")
    draw(model, figure.subplots())
    solara.FigureMatplotlib(figure)


@solara.component
def Circuit(model: CircuitModel) -> None:
    """Component: populations by region; colour is activity, width of an edge is strength."""
    _shown(_draw_circuit, model, (6, 4))


@solara.component
def Recovery(model: CircuitModel) -> None:
    """Component: recovery and connectivity over time."""
    columns, title = ("recovery", "connectivity"), "Recovery (0 stuck, 1 healthy) and connectivity"
    _shown(lambda shown, axes: _draw_recorded(shown, axes, columns, title), model, (5, 3))


@solara.component
def Serotonin(model: CircuitModel) -> None:
    """Component: serotonin per region over time."""
    columns = _recorded(model, "serotonin")
    _shown(lambda shown, axes: _draw_recorded(shown, axes, columns, "Serotonin (healthy = 1)"), model, (5, 3))


@solara.component
def Bdnf(model: CircuitModel) -> None:
    """Component: BDNF over time."""
    columns = _recorded(model, "bdnf")
    _shown(lambda shown, axes: _draw_recorded(shown, axes, columns, "BDNF (healthy = 1)"), model, (5, 3))


COMPONENTS = [Circuit, Recovery, Serotonin, Bdnf]


@solara.component
def Page() -> None:
    """The page of `unstuck view --mesa`: one model per tab, under what the command line asked for."""
    treatment, *numbers = os.environ.get(ASKED_VARIABLE, "ssri-like\n1\n0\n200").split("\n")
    seed, patient, neurons = map(int, numbers)
    model = solara.use_memo(
        lambda: DosedModel(treatment, seed=seed, patient=patient, neurons=neurons, varied=True), []
    )
    title, _ = about_treatment(treatment)
    controls = parameters(treatment, seed, patient, neurons) | {"varied": True}
    SolaraViz(model, components=COMPONENTS, model_params=controls, name=f"Unstuck: {title}")
