"""What was published of the drugs next to what their files give: kinetics, and occupancy by dose.

The tables and the figure of the page of the drugs (shelf.py). Nothing here is fitted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from unstuck.drugs.effects import Course, steady_h, usual_course
from unstuck.files.drug import DrugFile, Measured, Sourced
from unstuck.files.schedule import Dose
from unstuck.files.units import BODY_WEIGHT_KG, HOURS_A_DAY, Concentration, DoseAmount
from unstuck.parameters import ParameterSet
from unstuck_analysis.library.drug_card import occupied_together
from unstuck_analysis.output.style import look, styled
from unstuck_analysis.output.table import Table


def occupancy(drug: DrugFile, parameters: ParameterSet, target: str, dose_mg: float, like: Measured) -> float:
    """Occupancy of a target after as many doses of dose_mg, and as long after the last, as in a measurement.

    Where the measurement says no time, the mean over the interval after the last dose.
    """
    interval_h = drug.usual_every or HOURS_A_DAY
    amount = drug.relative_dose(DoseAmount(dose_mg), BODY_WEIGHT_KG)
    doses = [Dose(k * interval_h, amount, drug.usual_over, interval_h) for k in range(like.doses)]
    after_h = np.linspace(0.0, interval_h, 200) if like.after is None else np.array([like.after])
    times_h = doses[-1].time_h + after_h
    course = Course(drug, tuple(doses))
    actions = [action for action in drug.actions if action.target == target and action.hill]
    return float(
        occupied_together([course.occupied(action, parameters)(times_h) for action in actions]).mean()
    )


@styled
def dose_figure(drugs: Sequence[DrugFile], parameters: ParameterSet) -> Figure:
    """Dose to occupancy, the model's curve and the points measured in people, one panel per drug.

    ValueError if nothing was measured of any of them.
    """
    shown = [(d, a.target, a.measured) for d in drugs for a in d.actions if a.measured]
    if not shown:
        raise ValueError(f"no occupancy was measured of {', '.join(drug.title for drug in drugs)}")
    columns = min(len(shown), 3)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, (drug, target, measured) in zip(panels.flat, shown, strict=False):
        _draw_doses(axes, drug, parameters, target, measured)
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("Share occupied")
    return figure


def _draw_doses(
    axes: Axes, drug: DrugFile, parameters: ParameterSet, target: str, measured: Sequence[Measured]
) -> None:
    """One panel: a curve for each way of measuring, and its points with their spread in the same colour."""
    highest_mg = 2.0 * max(m.dose.mg(BODY_WEIGHT_KG) for m in measured)
    doses_mg = np.linspace(0.0, highest_mg, 40)
    protocols = list(dict.fromkeys((m.doses, m.after) for m in measured))
    for position, protocol in enumerate(protocols, 1):
        points = [m for m in measured if (m.doses, m.after) == protocol]
        curve = [occupancy(drug, parameters, target, dose, points[0]) for dose in doses_mg]
        style = look(position)
        axes.plot(doses_mg, curve, lw=1.6, label=_protocol(points[0]), **style)
        axes.errorbar(
            [m.dose.mg(BODY_WEIGHT_KG) for m in points],
            [m.occupancy for m in points],
            yerr=[m.spread or 0.0 for m in points],
            fmt="o",
            ms=5,
            color=style["color"],
            capsize=2,
        )
    axes.set(title=drug.title.split(" (")[0], xlabel="Dose (mg)", xlim=(0.0, highest_mg), ylim=(0.0, 1.0))
    axes.legend(frameon=False, fontsize=7, loc="lower right")


def _protocol(measured: Measured) -> str:
    """After how many doses, and when, in words."""
    doses = "one dose" if measured.doses == 1 else f"{measured.doses} doses"
    return f"{doses}, mean" if measured.after is None else f"{measured.after:g} h after {doses}"


@dataclass(frozen=True)
class Compared:
    """One published number of a drug and what the model makes of it."""

    drug: str
    what: str
    published: float
    model: float
    unit: str
    source: str
    missed: bool = False

    @property
    def off(self) -> float:
        """Relative difference of the model from the published number."""
        return self.model / self.published - 1.0


def compared_kinetics(name: str, drug: DrugFile, parameters: ParameterSet) -> Iterator[Compared]:
    """The published kinetics of every compound next to the model's."""
    for of, compound in drug.kinetics.compounds.items() if drug.kinetics else []:
        model, told, mass = _modelled_kinetics(drug, of, parameters), compound.published, compound.molar_mass
        who, half_life = f"{of}: " if of != "parent" else "", compound.half_life
        half_life_h = parameters.number(half_life.value)
        yield Compared(
            name, f"{who}half-life", half_life_h, model["terminal_half_life"], "h", half_life.source
        )
        for key in ("terminal_half_life", "time_to_peak", "peak", "accumulation", "steady_mean"):
            number: Sourced[Concentration] | Sourced[float] | None = getattr(told, key)
            if number is not None and key in model:
                what = f"{who}{key.replace('_', ' ').replace('half life', 'half-life')}"
                values = _in_one_unit(number.value, model[key], mass, "" if key == "accumulation" else "h")
                yield Compared(name, what, *values, number.source, key in told.missed)


def _modelled_kinetics(drug: DrugFile, of: str, parameters: ParameterSet) -> dict[str, float]:
    """Times (h) and levels (nM) of one compound in a usual course, by the names of `Published`."""
    assert drug.kinetics is not None
    first = usual_course(drug).concentration(parameters, of)
    half_life_h = parameters.number(drug.kinetics.compounds[of].half_life.value)
    hours = np.linspace(0.0, 20.0 * half_life_h, 40_001)
    once, late = first(hours), first(np.array([20.0, 22.0]) * half_life_h)
    found = {
        "terminal_half_life": 2.0 * half_life_h * log(2.0) / log(late[0] / late[1]),
        "time_to_peak": float(hours[once.argmax()]),
        "peak": float(once.max()),
    }
    every_h = drug.usual_every
    if every_h:
        steady = usual_course(drug, steady_h(drug, parameters))
        times_h = steady.doses[-1].time_h + np.linspace(0.0, every_h, 4_000, endpoint=False)
        level = steady.concentration(parameters, of)(times_h)
        found["accumulation"] = float(level[0] / first(np.array([every_h]))[0])
        found["steady_mean"] = float(level.mean())
    return found


def _in_one_unit(
    told: Concentration | float, model: float, molar_mass: float | None, unit: str
) -> tuple[float, float, str]:
    """A published number, the model's, and their unit; a concentration in the unit it was published in."""
    if not isinstance(told, Concentration):
        return told, model, unit
    if told.by_mass and molar_mass:
        return told.amount, model * molar_mass / 1000.0, "ng/mL"
    return told.amount, model, "nM"


def compared_occupancy(name: str, drug: DrugFile, parameters: ParameterSet) -> Iterator[Compared]:
    """Every occupancy measured in people, with the model's for the same doses and time."""
    for action in drug.actions:
        for told in action.measured:
            model = occupancy(drug, parameters, action.target, told.dose.mg(BODY_WEIGHT_KG), told)
            missed = abs(model - told.occupancy) > max(told.spread or 0.0, 0.1 * told.occupancy)
            what = f"{told.dose}, {_protocol(told)}"
            yield Compared(name, what, told.occupancy, model, "", told.source, missed)


def kinetics_table(drugs: Mapping[str, DrugFile], parameters: ParameterSet) -> str:
    """Markdown table of published and simulated kinetics; drugs with the same kinetics are listed once."""
    told: dict[str, DrugFile] = {}
    for name, drug in drugs.items():
        if drug.kinetics and all(drug.kinetics != other.kinetics for other in told.values()):
            told[name] = drug
    return _table(row for name, drug in told.items() for row in compared_kinetics(name, drug, parameters))


def occupancy_table(drugs: Mapping[str, DrugFile], parameters: ParameterSet) -> str:
    """Markdown table of all measured occupancies with the model's."""
    return _table(row for name, drug in drugs.items() for row in compared_occupancy(name, drug, parameters))


def _table(compared: Iterable[Compared]) -> str:
    """Rows as a Markdown table, for the docs."""
    rows = [
        [
            row.drug,
            row.what,
            _told(row.published, row.unit),
            _told(row.model, row.unit),
            _off(row),
            row.source,
        ]
        for row in compared
    ]
    return Table.texts(["drug", "what", "published", "model", "off by", "source"], rows).markdown()


def _off(row: Compared) -> str:
    """How far the model is off, and whether that is a miss."""
    return f"{'**miss**, ' if row.missed else ''}{round(100 * row.off) or 0:+d} %"


def _told(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".strip()
