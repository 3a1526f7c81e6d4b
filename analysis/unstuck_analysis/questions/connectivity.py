"""How regions drive each other in one state: response to an input, correlation under noise, the graph.

    response[i, j] = change of region j's principal activity for a small input to region i, per unit of input
    correlation    = of principal activities over many draws of the noise, at a fixed slow state

The graph is the circuit's own with the strength of every projection in that state. Its strength (weights
into a population) and global efficiency (mean of 1 / length of the shortest way, a connection being 1 /
weight long; Latora & Marchiori 2001, 10.1103/PhysRevLett.87.198701) are over excitatory projections between
populations.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import networkx
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from unstuck.circuit import PROJECTION_GABA, PYRAMIDAL, Circuit, healthy_state
from unstuck.engine.readouts import (
    functional_connectivity,
    population_means,
    principal_activity,
    projection_strength,
)
from unstuck.engine.settle import settled_state
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Life, get_stuck
from unstuck.state import Floats, State
from unstuck.targets import NO_EFFECT, Effects

from unstuck_analysis.output.answer import About, Answer, Shown, inputs_hash
from unstuck_analysis.output.style import INK, styled
from unstuck_analysis.output.table import Column, Table
from unstuck_analysis.questions.stuck import require_stuck

_TOLERANCE = 1e-9
_NOISE_DRIVE = 0.006  # standard deviation of the input noise, as in scenarios/cohort.yaml
_DRAWS = 400


@dataclass(frozen=True)
class RegionalState:
    """One state of a circuit: how regions respond to each other and move together."""

    circuit: Circuit
    state: State
    response: pd.DataFrame
    correlation: pd.DataFrame

    @property
    def mean_response(self) -> float:
        """Mean size of the response over ordered pairs of different regions."""
        return float(np.abs(_off_diagonal(self.response.to_numpy())).mean())

    @property
    def mean_correlation(self) -> float:
        """Mean size of the correlation over pairs of different regions."""
        return float(np.abs(_off_diagonal(self.correlation.to_numpy())).mean())

    def graph(self) -> networkx.DiGraph:
        """Populations with their activity, projections with their weight and strength (healthy = 1)."""
        slow = self.state.slow
        strength = projection_strength(self.circuit, slow.labile + slow.intermediate + slow.consolidated)
        return self.circuit.graph_in(population_means(self.circuit, self.state.x), strength)


def regional_state(
    circuit: Circuit, state: State, acting: tuple[Effects, Floats], *, seed: int = 1
) -> RegionalState:
    """Measure one slow state under what acts on it, without changing the slow state."""
    effects, region_input = acting
    of = circuit.wiring.populations
    principal = np.isin(of.cells, (PYRAMIDAL, PROJECTION_GABA))
    regions = [k for k, _ in enumerate(circuit.regions) if ((of.region == k) & principal).any()]
    names = pd.Index([circuit.regions[k] for k in regions])
    resting = settled_state(circuit, state, effects, region_input, _TOLERANCE)
    row = np.array([[*effects, *region_input]])
    (response,) = functional_connectivity(circuit, resting.as_rows(), row, _TOLERANCE, regions)
    rng = np.random.default_rng(np.random.SeedSequence([seed, 9]))
    inputs = region_input + _NOISE_DRIVE * rng.standard_normal((_DRAWS, len(circuit.regions)))
    moved = [settled_state(circuit, resting, effects, drive, _TOLERANCE).x for drive in inputs]
    correlation = np.corrcoef(principal_activity(circuit, np.array(moved), regions).T)
    return RegionalState(
        circuit, resting, pd.DataFrame(response, names, names), pd.DataFrame(correlation, names, names)
    )


def three_states(
    patient: Patient, treatment: Treatment, day: float, *, seed: int = 1
) -> dict[str, RegionalState]:
    """The patient healthy, stuck (day 0), and on a day of a treatment with what then acts.

    InputError if the patient does not become stuck.
    """
    circuit, none = patient.circuit, (NO_EFFECT, np.zeros(len(patient.circuit.regions)))
    checkpoint = get_stuck(patient, treatment)
    require_stuck(checkpoint, circuit.file, f"the patient of circuit {circuit.file.title!r}")
    life = Life(patient, treatment, checkpoint)
    assert life.checkpoint is not None
    found = {
        "healthy": regional_state(circuit, healthy_state(circuit), none, seed=seed),
        "stuck": regional_state(circuit, life.checkpoint.state, none, seed=seed),
    }
    life.advance(life.checkpoint.time_h + day * HOURS_A_DAY)
    acting = (life.exposure.ending if day > 0 else life.exposure.reported)(life.time_h)
    found[f"{treatment.name}, day {day:g}"] = regional_state(circuit, life.state, acting, seed=seed)
    return found


def typical_states(
    treatment: str, day: float, *, neurons: int, seed: int, circuit: str = ""
) -> dict[str, RegionalState]:
    """`three_states` of the typical patient with a network of some neurons (0: the mean-field)."""
    loaded = runnable_treatment(treatment, circuit)
    patient = draw_patient(loaded.circuit, default_parameters(), None, seed=seed, index=0, neurons=neurons)
    return three_states(patient, loaded, day, seed=seed)


def graph_measures(graph: networkx.DiGraph) -> tuple[pd.Series, float]:
    """Strength (weights into a population) by population, and the global efficiency of the graph.

    Over excitatory projections between different populations.
    """
    edges = [
        (a, b, d["weight"])
        for a, b, d in graph.edges(data=True)
        if d["sign"] > 0 and d["weight"] > 0 and a != b
    ]
    excitatory = networkx.DiGraph()
    excitatory.add_nodes_from(graph)
    excitatory.add_edges_from((a, b, {"weight": w, "length": 1.0 / w}) for a, b, w in edges)
    lengths = dict(networkx.all_pairs_dijkstra_path_length(excitatory, weight="length"))
    inverse = [1.0 / length for ways in lengths.values() for length in ways.values() if length > 0]
    n = len(excitatory)
    strength = pd.Series(dict(excitatory.in_degree(weight="weight")), dtype=float)
    return strength, sum(inverse) / (n * (n - 1))


def measures_table(states: Mapping[str, RegionalState]) -> pd.DataFrame:
    """One row per state: mean response and correlation between regions, strength, global efficiency."""
    rows = []
    for name, found in states.items():
        strength, efficiency = graph_measures(found.graph())
        rows.append((name, found.mean_response, found.mean_correlation, float(strength.sum()), efficiency))
    columns = ["state", "mean_response", "mean_correlation", "total_strength", "global_efficiency"]
    return pd.DataFrame(rows, columns=pd.Index(columns))


def pairs_table(states: Mapping[str, RegionalState]) -> pd.DataFrame:
    """One row per state and ordered pair of regions: response per unit of input, and correlation."""
    rows = [
        (name, pre, post, found.response.loc[pre, post], found.correlation.loc[pre, post])
        for name, found in states.items()
        for pre in found.response.index
        for post in found.response.columns
    ]
    return pd.DataFrame(
        rows, columns=pd.Index(["state", "input_to", "response_of", "response", "correlation"])
    )


def graph_files(states: Mapping[str, RegionalState]) -> dict[str, bytes]:
    """The graph of every state as GraphML and as GEXF (Gephi), by file name."""
    files: dict[str, bytes] = {}
    for state, found in states.items():
        for suffix, write in (("graphml", networkx.write_graphml), ("gexf", networkx.write_gexf)):
            buffer = io.BytesIO()
            write(found.graph(), buffer)
            files[f"{state.split(',')[0]}.{suffix}"] = buffer.getvalue()
    return files


def ask(treatment: str, day: float, *, neurons: int, seed: int, circuit: str = "") -> Answer:
    """Connectivity of the typical patient healthy, stuck, and on a day of a treatment."""
    states = typical_states(treatment, day, neurons=neurons, seed=seed, circuit=circuit)
    table = measures_table(states)
    n = "1 typical patient, " + (f"network of {neurons:,} neurons" if neurons else "mean-field")
    inputs = inputs_hash(Treatment(treatment, circuit), default_parameters(), neurons, seed)
    healthy, stuck, treated = table.mean_response
    finding = (
        f"The mean response of one region to another is {stuck / healthy:.0%} of health in the stuck state"
        f" and {treated / healthy:.0%} under {list(states)[-1]}."
    )
    return Answer(
        title="Connectivity between regions",
        finding=[finding],
        about=About(f"treatment {treatment}", f"{n}; {_DRAWS} draws of noise", str(seed), inputs),
        tables={"connectivity": Table.of(table, _MEASURES), "pairs": Table.of(pairs_table(states))},
        figures={"connectivity": Shown(connectivity_figure(states), _SHOWS, finding)},
        printed=["connectivity"],
        data=Table.of(table).records(),
        others=graph_files(states),
    )


_MEASURES = (
    Column("mean_response", meaning="mean size over pairs of regions, per unit of drive", format=".3f"),
    Column("mean_correlation", meaning="mean size over pairs of regions, under noise", format=".3f"),
    Column("total_strength", meaning="sum of the excitatory weights between populations", format=".3f"),
    Column("global_efficiency", meaning="mean of 1 / length of the shortest path", format=".3f"),
)
_SHOWS = (
    "Above: change of a region's principal activity for a small input to another, per unit of drive. Below:"
    " correlation of principal activities under noise. Slow state held constant; activity 1 = healthy."
)


@styled
def connectivity_figure(states: Mapping[str, RegionalState]) -> Figure:
    """Response of regions to a small input to each other, and their correlation under noise, by state."""
    figure = Figure(figsize=(3.6 * len(states) + 0.6, 7), layout="constrained")
    panels = figure.subplots(2, len(states), squeeze=False)
    highest = max(np.abs(_off_diagonal(found.response.to_numpy())).max() for found in states.values())
    for column, (name, found) in enumerate(states.items()):
        panels[0, column].set_title(name)
        for row, (table, limit) in enumerate(((found.response, highest), (found.correlation, 1.0))):
            image = _draw_matrix(panels[row, column], table, limit)
            if column == len(states) - 1:
                label = ("response per unit of input", "correlation under noise")[row]
                figure.colorbar(image, ax=panels[row, column], shrink=0.8).set_label(label)
    panels[0, 0].set_ylabel("small input to")
    panels[0, 0].set_xlabel("response of")
    return figure


def _draw_matrix(axes: Axes, table: pd.DataFrame, limit: float) -> AxesImage:
    """Regions against regions, orange above 0 and purple below, the diagonal left out."""
    values = table.to_numpy().copy()
    np.fill_diagonal(values, np.nan)
    image = axes.imshow(values, vmin=-limit, vmax=limit, cmap="PuOr_r")
    axes.set_xticks(range(len(table)), labels=list(table.columns))
    axes.set_yticks(range(len(table)), labels=list(table.index))
    axes.spines[:].set_visible(False)
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if abs(value) > 0.75 * limit else INK
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8.5, color=ink)
    return image


def _off_diagonal(values: Floats) -> Floats:
    return values[~np.eye(len(values), dtype=bool)]
