"""Every slow variable of a circuit, in one table: `Slow`. Adding a variable is one row of it.

All slow variables are kept in one flat vector, so that one loop steps all of them. `Slow` is a set of views
on such a vector, by name; `Layout` knows where each variable begins. No other file counts positions.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import inf
from typing import Annotated, Literal, NamedTuple, get_type_hints

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Positions = npt.NDArray[np.uint64]

Per = Literal["neuron", "synapse", "population", "source"]
Value = float | Callable[[Mapping[str, float]], float]  # a number, or one that follows from the parameters


@dataclass(frozen=True)
class Variable:
    """One slow variable. For synapses (plastic ones) all values are shares of the healthy strength.

    per: a source is a serotonergic population.

    decay: linear decay (1/h) that a step solves exactly. (That of labile strength changes with the state:
    see `engine.step`.)
    """

    meaning: str
    per: Per
    healthy: Value = 1.0
    lowest: Value = 0.0
    highest: Value = inf
    decay: Value = 0.0


class Slow(NamedTuple):
    """The slow variables of a circuit as views, in the order of the flat vector."""

    bdnf: Annotated[Floats, Variable("BDNF", "neuron", highest=lambda p: 1.0 + p["b5"])]
    trkb: Annotated[
        Floats,
        Variable("TrkB signalling", "neuron", highest=lambda p: p["TS"], decay=lambda p: 1.0 / p["tauT"]),
    ]
    recent_activity: Annotated[Floats, Variable("recent activity", "neuron", decay=lambda p: 1.0 / p["taux"])]
    scar: Annotated[Floats, Variable("scar", "neuron", healthy=0.0, highest=1.0)]
    autoreceptor_sensitivity: Annotated[Floats, Variable("autoreceptor sensitivity", "source", highest=1.0)]
    sert_vmax_following: Annotated[Floats, Variable("SERT Vmax that follows TrkB", "source")]
    nmda_receptors: Annotated[Floats, Variable("NMDA receptors", "population")]
    gaba_receptors: Annotated[Floats, Variable("GABA-A receptors", "population")]
    sensitivity_5ht2c: Annotated[Floats, Variable("sensitivity of 5-HT2C", "population", highest=1.0)]
    labile: Annotated[
        Floats, Variable("labile strength", "synapse", lambda p: p["l0"], highest=lambda p: p["wmaxf"])
    ]
    intermediate: Annotated[
        Floats,
        Variable("intermediate strength", "synapse", lambda p: p["m0"], highest=lambda p: p["wmaxf"]),
    ]
    consolidated: Annotated[
        Floats,
        Variable(
            "consolidated strength",
            "synapse",
            lambda p: 1.0 - p["l0"] - p["m0"],
            lowest=lambda p: p["core"],
            highest=lambda p: p["wmaxf"],
        ),
    ]


VARIABLES: dict[str, Variable] = {
    name: next(row for row in hint.__metadata__ if isinstance(row, Variable))
    for name, hint in get_type_hints(Slow, include_extras=True).items()
}


@dataclass(frozen=True)
class Layout:
    """Where each slow variable of one circuit is in the flat vector.

    start: (variables + 1,) first position of each. weight: (synapses,) healthy strength. parts: bounds of the
    parts that are no synapses: a variable of neurons, or one entry of another variable.
    """

    start: Positions
    weight: Floats
    parts: Positions

    @classmethod
    def of(cls, neurons: int, weight: Floats, populations: int, sources: int) -> "Layout":
        """The layout for so many neurons, plastic synapses of these healthy strengths, and so on."""
        sizes = {"neuron": neurons, "synapse": len(weight), "population": populations, "source": sources}
        start, parts = [0], [0]
        for variable in VARIABLES.values():
            start.append(start[-1] + sizes[variable.per])
            if variable.per != "synapse":
                parts += [start[-1]] if variable.per == "neuron" else range(start[-2] + 1, start[-1] + 1)
        return cls(np.array(start, np.uint64), weight, np.array(parts, np.uint64))

    @property
    def size(self) -> int:
        """Number of slow variables."""
        return int(self.start[-1])

    def views(self, y: Floats) -> Slow:
        """The parts of a flat vector, or of rows of them, by name."""
        return Slow(*[y[..., part] for part in self._parts])

    @cached_property
    def _parts(self) -> list[slice]:
        return [slice(start, stop) for start, stop in pairwise(self.start.tolist())]

    def filled(self, value: Callable[[Variable], float]) -> Floats:
        """A flat vector with one value per variable, times the healthy strength for synapses."""
        y = np.empty(self.size)
        for part, variable in zip(self.views(y), VARIABLES.values(), strict=True):
            part[:] = value(variable) * (self.weight if variable.per == "synapse" else 1.0)
        return y

    def scale(self) -> Floats:
        """What a deviation of each variable is relative to: the healthy strength for synapses, else 1."""
        return self.filled(lambda _: 1.0)

    def decay(self, parameters: Mapping[str, float]) -> Floats:
        """Linear decay (1/h) of each of `parts`."""
        y = self.filled(lambda variable: bound(variable.decay, parameters))
        return y[self.parts[:-1]]

    def place(self, position: int) -> tuple[str, int]:
        """The variable at a position of the flat vector, and its neuron or synapse."""
        number = int(np.searchsorted(self.start, position, side="right")) - 1
        return list(VARIABLES)[number], position - int(self.start[number])


def bound(value: Value, parameters: Mapping[str, float]) -> float:
    """A value of the table, worked out for a set of parameters."""
    return value(parameters) if callable(value) else value


@dataclass
class State:
    """The slow state (one flat vector y, and `slow`, its parts by name) and the firing it last settled to.

    Or several states: every array then has one row per state.
    """

    y: Floats
    x: Floats  # (neurons,) activity, healthy = 1
    monoamine_nM: Floats  # (pools,) as in `Wiring`
    layout: Layout

    def __post_init__(self) -> None:
        self.slow = self.layout.views(self.y)

    def copy(self, y: Floats | None = None) -> "State":
        """An independent copy, with another slow state where one is given."""
        y = self.y if y is None else y
        return State(y.copy(), self.x.copy(), self.monoamine_nM.copy(), self.layout)

    def as_rows(self) -> "State":
        """This state as the only one of several."""
        return State(self.y[None], self.x[None], self.monoamine_nM[None], self.layout)

    def with_rows(self, y: Floats) -> "State":
        """Several slow states (states, variables) with the firing of this one."""
        x, monoamine_nM = (np.tile(part, (len(y), 1)) for part in (self.x, self.monoamine_nM))
        return State(y, x, monoamine_nM, self.layout)

    def row(self, number: int) -> "State":
        """One of several states."""
        return State(self.y[number], self.x[number], self.monoamine_nM[number], self.layout)

    def rows(self) -> Iterator["State"]:
        """Each of several states."""
        return (self.row(number) for number in range(len(self.y)))

    def __reduce__(self) -> tuple[object, ...]:
        return State, (self.y, self.x, self.monoamine_nM, self.layout)


def compiled_views() -> Callable[[Floats, Positions], Slow]:
    """`Layout.views` for compiled code: views of a flat vector from it and `Layout.start`."""
    import numba

    parts = ", ".join(f"y[start[{k}]:start[{k + 1}]]" for k in range(len(VARIABLES)))
    made: dict[str, Callable[[Floats, Positions], Slow]] = {}
    exec(f"def views(y, start):\n    return Slow({parts})", {"Slow": Slow}, made)
    return numba.njit(forceinline=True)(made["views"])
