"""The figure of one drug: concentration, occupancy and effects on a dosing day.

Everything comes from the drug file and the same courses that a simulation is given; nothing here is fitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from unstuck.drugs.effects import Course, steady_h, usual_course
from unstuck.files.drug import DrugFile
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import ParameterSet
from unstuck.state import Floats
from unstuck.targets import Law, combine

from unstuck_analysis.output.style import FAINT, INK, look, styled

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
    return {target: occupied_together(parts) for target, parts in by_target.items()}


def occupied_together(parts: Sequence[Floats]) -> Floats:
    """Share of a site that several compounds occupy; each occupies its share of what the others leave."""
    return 1.0 - np.prod(1.0 - np.array(parts), axis=0)


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
