# Not strict: Mesa and Solara have no complete types.
# pyright: standard
"""Mesa's stock page over `CircuitModel` (`unstuck view --mesa`): the example for those who compose their own.

It draws with matplotlib and is slow; the page of `unstuck view` is the one to watch. To build on it, copy
this file: a component is a function of the model, the parameters are arguments of `CircuitModel`.
"""

# Solara re-exports its names without saying so, and is not there without the extra `view`.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportArgumentType=false

from typing import Any

import networkx
import solara
from matplotlib.figure import Figure
from mesa.visualization import Slider, SolaraViz, make_plot_component
from mesa.visualization.utils import update_counter

from unstuck.circuit_model import CircuitModel
from unstuck.files.treatment import shipped

PARAMETERS: dict[str, Any] = {
    "treatment": {
        "type": "Select",
        "value": "ssri-like",
        "values": list(shipped("treatments")),
        "label": "Treatment",
    },
    "seed": Slider("Seed", value=1, min=0, max=50, step=1, dtype=int),
    "patient": Slider("Patient", value=0, min=0, max=50, step=1, dtype=int),
    "neurons": Slider("Neurons", value=200, min=100, max=1_000, step=100, dtype=int),
    "step_h": Slider("Hours a step", value=24, min=1, max=168, step=1, dtype=int),
}


@solara.component
def Connections(model: CircuitModel) -> None:
    """Populations by region; the width of an edge is its strength, the colour of a node its activity."""
    update_counter.get()  # drawn again at every step
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes, graph = figure.subplots(), model.graph
    place = {
        name: (node["position"][0], node["position"][1] - 0.06 * (node["cells"] == "interneuron"))
        for name, node in graph.nodes(data=True)
    }
    between = [(a, b) for a, b, edge in graph.edges(data=True) if edge["plastic"]]
    networkx.draw_networkx_nodes(
        graph,
        place,
        ax=axes,
        node_size=120,
        node_color=[node["activity"] for _, node in graph.nodes(data=True)],
        cmap="coolwarm",
        vmin=0.4,
        vmax=1.6,
    )
    networkx.draw_networkx_edges(
        graph,
        place,
        ax=axes,
        edgelist=between,
        width=[4 * graph.edges[edge]["strength"] for edge in between],
        connectionstyle="arc3,rad=0.15",
    )
    networkx.draw_networkx_labels(graph, place, ax=axes, font_size=7, verticalalignment="bottom")
    axes.set_title(f"Day {model.day:.1f}")
    axes.set_axis_off()
    solara.FigureMatplotlib(figure)


@solara.component
def Page() -> None:
    """One model for each tab: a model built when the file is read would be shared by all."""
    model = solara.use_memo(lambda: CircuitModel("ssri-like", neurons=200, seed=1), [])
    SolaraViz(
        model,
        components=[Connections, make_plot_component("recovery"), make_plot_component("connectivity")],
        model_params=PARAMETERS,
        name="Unstuck, with Mesa's stock page",
    )
