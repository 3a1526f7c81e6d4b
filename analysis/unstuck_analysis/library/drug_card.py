"""The figure and tables of one drug: a dosing day, dose to occupancy, and kinetics next to published values.

Everything comes from the drug file and the same courses that a simulation is given; nothing here is fitted.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from unstuck.drugs.effects import Course, steady_h, usual_course
from unstuck.errors import InputError
from unstuck.files.drug import DrugFile, Measured, Sourced
from unstuck.files.schedule import Dose
from unstuck.files.units import BODY_WEIGHT_KG, HOURS_A_DAY, Concentration, DoseAmount
from unstuck.parameters import ParameterSet
from unstuck.state import Floats
from unstuck.targets import Law, combine

from unstuck_analysis.output.style import FAINT, INK, look, styled
from unstuck_analysis.output.table import Table

SINGLE_DAYS = 2  # days drawn after a dose that is given once
_POINTS = 600


@dataclass(frozen=True)
class DosingDay:
    """Hours since the day's first dose, and what is drawn over them.

    Concentration (nM) by compound, share occupied by site where that is not the effect, effect by action.
    """

    title: str
    hours: Floats
    concentration_nM: dict[str, Floats]
    occupied: dict[str, Floats]
    effect: dict[str, Floats]


def dosing_day(drug: DrugFile, parameters: ParameterSet, *, steady: bool = False) -> DosingDay:
    """The first day of a usual course, or a day at its steady state (the typical patient)."""
    days = 1 if drug.usual_every else SINGLE_DAYS
    start_h = np.ceil(steady_h(drug, parameters) / HOURS_A_DAY) * HOURS_A_DAY if steady else 0.0
    # One more dose than the day has, so that the course continues after its last moment.
    course = usual_course(drug, start_h + (days + 1) * HOURS_A_DAY if drug.usual_every else 0.0)
    hours = np.linspace(0.0, days * HOURS_A_DAY, _POINTS)
    compounds = drug.kinetics.compounds if drug.kinetics else {}
    return DosingDay(
        "Steady state"
        if steady
        else ("First day" if drug.usual_every else f"{SINGLE_DAYS} days after one dose"),
        hours,
        {name: course.concentration(parameters, name)(start_h + hours) for name in compounds},
        occupancies(course, parameters, start_h + hours),
        effects(course, parameters, start_h + hours),
    )


def effects(course: Course, parameters: ParameterSet, times_h: Floats) -> dict[str, Floats]:
    """Joint effect of a course's actions on each target, by target and mode, as the change from no drug."""
    by_target: dict[str, list[Floats]] = {}
    laws: dict[str, Law] = {f"{a.target} {a.mode}": a.meaning.law for a in course.drug.actions}
    for action, part in zip(course.drug.actions, course.contributions(parameters), strict=True):
        by_target.setdefault(f"{action.target} {action.mode}", []).append(part.at(times_h))
    return {
        name: np.array([combine(laws[name], moment) for moment in zip(*parts, strict=True)])
        - (1.0 if laws[name] == "multiply" else 0.0)
        for name, parts in by_target.items()
    }


def occupancies(course: Course, parameters: ParameterSet, times_h: Floats) -> dict[str, Floats]:
    """Share of each site that a course's compounds occupy together, where the effect is something else."""
    by_target: dict[str, list[Floats]] = {}
    for action in course.drug.actions:
        if action.hill and not action.meaning.is_share:
            by_target.setdefault(action.target, []).append(course.occupied(action, parameters)(times_h))
    return {target: _together(parts) for target, parts in by_target.items()}


def _together(parts: Sequence[Floats]) -> Floats:
    """Share of a site that several compounds occupy; each occupies its share of what the others leave."""
    return 1.0 - np.prod(1.0 - np.array(parts), axis=0)


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
    return float(_together([course.occupied(action, parameters)(times_h) for action in actions]).mean())


@styled
def drug_figure(drug: DrugFile, parameters: ParameterSet) -> Figure:
    """Concentration, occupancy and each effect over the first dosing day and at steady state, or a dose.

    Every effect has its own panel and scale: effects on different targets have different units.
    """
    days = [dosing_day(drug, parameters)]
    if drug.usual_every:
        days.append(dosing_day(drug, parameters, steady=True))
    rows = [_rows(drug, day) for day in days]
    figure = Figure(figsize=(4.2 * len(days) + 1.4, 1.7 * max(len(rows[0]), 1) + 0.9), layout="constrained")
    figure.suptitle(drug.title, x=0.01, ha="left", fontweight="bold")
    if not rows[0]:
        figure.text(0.5, 0.4, "No action in this model", ha="center", color=INK)
        return figure
    axes = figure.subplots(len(rows[0]), len(days), sharex="col", sharey="row", squeeze=False)
    for column, (day, rows_of_day) in enumerate(zip(days, rows, strict=True)):
        for row, (label, curves) in enumerate(rows_of_day.items()):
            _draw_day(axes[row, column], day.hours, curves, named=column == len(days) - 1)
            if not column:
                axes[row, 0].set_ylabel(fill(label, 22), fontsize=8)
        axes[0, column].set_title(day.title)
        axes[-1, column].set_xlabel("Hours since the dose")
    figure.align_ylabels(axes[:, 0])
    return figure


def _rows(drug: DrugFile, day: DosingDay) -> dict[str, dict[str, Floats]]:
    """The panels of a day from top to bottom: the label of each, and its curves by name."""
    meanings = {f"{action.target} {action.mode}": action.meaning.meaning for action in drug.actions}
    rows = {"Concentration (nM)": day.concentration_nM, "Share occupied": day.occupied}
    rows |= {f"{name}: {meanings[name]}": {"": curve} for name, curve in day.effect.items()}
    return {label: curves for label, curves in rows.items() if curves}


def _draw_day(axes: Axes, hours: Floats, curves: Mapping[str, Floats], *, named: bool) -> None:
    """The curves of one panel; those of the last column carry their names."""
    for position, (name, values) in enumerate(curves.items()):
        axes.plot(hours, values, lw=1.8, label=name, **look(position + 1))
    axes.set_xlim(0.0, float(hours[-1]))
    axes.set_xticks(np.arange(0.0, hours[-1] + 1.0, hours[-1] / 4))
    axes.axhline(0.0, color=FAINT, lw=0.8)
    axes.grid(axis="y", color=FAINT, lw=0.4)
    if named and any(curves):
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


@styled
def dose_figure(drugs: Sequence[DrugFile], parameters: ParameterSet) -> Figure:
    """Dose to occupancy, the model's curve and the points measured in people, one panel per drug.

    ValueError if nothing was measured of any of them.
    """
    shown = [(d, a.target, a.measured) for d in drugs for a in d.actions if a.measured]
    if not shown:
        raise InputError(f"no occupancy was measured of {', '.join(drug.title for drug in drugs)}")
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
