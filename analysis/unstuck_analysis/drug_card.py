"""A drug at a glance: a dosing day, dose to occupancy, and kinetics beside the literature.

Everything comes from the drug file and the same courses that a simulation is given; nothing here is fitted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from unstuck.circuit import Floats
from unstuck.documents import InputError
from unstuck.drug_file import DrugFile, Measured, Sourced
from unstuck.kinetics import Dose
from unstuck.life import BODY_WEIGHT_KG
from unstuck.parameters import ParameterSet
from unstuck.pharmacology import HOURS_A_DAY, Course, steady_h, usual_course
from unstuck.quantities import Concentration
from unstuck.targets import Law, combine

from unstuck_analysis.figures import FAINT, INK, look, styled

SINGLE_DAYS = 2  # days drawn after a dose that is given once
_POINTS = 600


@dataclass(frozen=True)
class DosingDay:
    """Hours since the day's first dose, concentration (nM) by compound, effect by target and mode."""

    title: str
    hours: Floats
    concentration_nM: dict[str, Floats]
    effect: dict[str, Floats]


def dosing_day(drug: DrugFile, parameters: ParameterSet, *, steady: bool = False) -> DosingDay:
    """The first day of a usual course, or a day at its steady state (the typical patient)."""
    days = 1 if drug.usual_every else SINGLE_DAYS
    start_h = np.ceil(steady_h(drug) / HOURS_A_DAY) * HOURS_A_DAY if steady else 0.0
    course = usual_course(drug, start_h + days * HOURS_A_DAY if drug.usual_every else 0.0)
    hours = np.linspace(0.0, days * HOURS_A_DAY, _POINTS)
    compounds = drug.kinetics.compounds if drug.kinetics else {}
    return DosingDay(
        "Steady state"
        if steady
        else ("First day" if drug.usual_every else f"{SINGLE_DAYS} days after one dose"),
        hours,
        {name: course.concentration(name)(start_h + hours) for name in compounds},
        effects(course, parameters, start_h + hours),
    )


def effects(course: Course, parameters: ParameterSet, times_h: Floats) -> dict[str, Floats]:
    """Joint effect of a course's actions on each target, by target and mode, as the change from no drug."""
    by_target: dict[str, list[Floats]] = {}
    laws: dict[str, Law] = {f"{a.target} {a.mode}": a.meaning.law for a in course.drug.actions}
    for action, part in zip(course.drug.actions, course.contributions(parameters), strict=True):
        by_target.setdefault(f"{action.target} {action.mode}", []).append(part.value(times_h))
    return {
        name: np.array([combine(laws[name], moment) for moment in zip(*parts, strict=True)])
        - (1.0 if laws[name] == "multiply" else 0.0)
        for name, parts in by_target.items()
    }


def occupancy(drug: DrugFile, parameters: ParameterSet, target: str, dose_mg: float, like: Measured) -> float:
    """Effect on a target after as many doses of dose_mg, and as long after the last, as in a measurement.

    Where the measurement says no time, the mean over the interval after the last dose.
    """
    interval_h = drug.usual_every or HOURS_A_DAY
    amount = dose_mg / drug.usual_dose.mg(BODY_WEIGHT_KG)
    doses = [Dose(k * interval_h, amount, drug.usual_over, interval_h) for k in range(like.doses)]
    after_h = np.linspace(0.0, interval_h, 200) if like.after is None else np.array([like.after])
    times_h = doses[-1].time_h + after_h
    found = effects(Course(drug, tuple(doses)), parameters, times_h)
    return float(next(value for name, value in found.items() if name.startswith(target)).mean())


@styled
def drug_figure(drug: DrugFile, parameters: ParameterSet) -> Figure:
    """Concentration and effect over the first dosing day and at steady state, or after a single dose."""
    days = [dosing_day(drug, parameters)]
    if drug.usual_every:
        days.append(dosing_day(drug, parameters, steady=True))
    rows = (["concentration"] if drug.kinetics else []) + (["effect"] if drug.actions else [])
    figure = Figure(figsize=(4.2 * len(days) + 1.4, 2.6 * max(len(rows), 1) + 0.6), layout="constrained")
    figure.suptitle(drug.title, x=0.01, ha="left", fontweight="bold")
    if not rows:
        figure.text(0.5, 0.45, "No action in this model", ha="center", color=INK)
        return figure
    axes = figure.subplots(len(rows), len(days), sharex="col", sharey="row", squeeze=False)
    for row, kind in enumerate(rows):
        for column, day in enumerate(days):
            _draw_day(axes[row, column], day, kind, labelled=column == len(days) - 1)
        axes[row, 0].set_ylabel(
            "Concentration (nM)" if kind == "concentration" else "Effect (change from no drug)"
        )
    for column, day in enumerate(days):
        axes[0, column].set_title(day.title)
        axes[-1, column].set_xlabel("Hours since the dose")
    return figure


def _draw_day(axes: Axes, day: DosingDay, kind: str, *, labelled: bool) -> None:
    """The curves of one panel; those of the last column carry their names."""
    curves = day.concentration_nM if kind == "concentration" else day.effect
    for position, (name, values) in enumerate(curves.items()):
        axes.plot(day.hours, values, lw=1.8, label=name, **look(position + 1))
    axes.set_xlim(0.0, float(day.hours[-1]))
    axes.set_xticks(np.arange(0.0, day.hours[-1] + 1.0, day.hours[-1] / 4))
    axes.grid(axis="y", color=FAINT, lw=0.4)
    if labelled:
        axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))


@styled
def dose_figure(drugs: Sequence[DrugFile], parameters: ParameterSet) -> Figure:
    """Dose to occupancy, the model's curve and the points measured in people, a panel a drug.

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

    @property
    def off(self) -> float:
        """Relative difference of the model from the published number."""
        return self.model / self.published - 1.0


def compared_kinetics(name: str, drug: DrugFile) -> Iterator[Compared]:
    """Half-life, time to peak, peak, accumulation and steady mean of every compound beside the published."""
    if drug.kinetics is None:
        return
    first, steady = usual_course(drug), usual_course(drug, steady_h(drug))
    for of, compound in drug.kinetics.compounds.items():
        told, mass = compound.published, compound.molar_mass
        half_life_h = compound.half_life.value
        who = f"{of}: " if of != "parent" else ""
        hours = np.linspace(0.0, 20.0 * half_life_h, 40_001)
        once = first.concentration(of)(hours)
        late = first.concentration(of)(np.array([20.0, 22.0]) * half_life_h)
        terminal_h = 2.0 * half_life_h * log(2.0) / log(late[0] / late[1])
        yield Compared(name, f"{who}half-life", half_life_h, terminal_h, "h", compound.half_life.source)
        if told.time_to_peak:
            peak_h = float(hours[once.argmax()])
            source = told.time_to_peak.source
            yield Compared(name, f"{who}time to peak", told.time_to_peak.value, peak_h, "h", source)
        if told.peak:
            yield _in_its_unit(name, f"{who}peak", told.peak, float(once.max()), mass)
        if not drug.usual_every:
            continue
        last_h, every_h = steady.doses[-1].time_h, drug.usual_every
        level = steady.concentration(of)(last_h + np.linspace(0.0, every_h, 4_000, endpoint=False))
        if told.accumulation:
            before = float(level[0] / first.concentration(of)(np.array([every_h]))[0])
            source = told.accumulation.source
            yield Compared(name, f"{who}accumulation", told.accumulation.value, before, "", source)
        if told.steady_mean:
            yield _in_its_unit(name, f"{who}steady mean", told.steady_mean, float(level.mean()), mass)


def _in_its_unit(
    name: str, what: str, told: Sourced[Concentration], model_nM: float, molar_mass: float | None
) -> Compared:
    """A concentration beside the published one, in the unit it was published in."""
    if told.value.by_mass and molar_mass:
        return Compared(name, what, told.value.amount, model_nM * molar_mass / 1000.0, "ng/mL", told.source)
    return Compared(name, what, told.value.amount, model_nM, "nM", told.source)


def compared_occupancy(name: str, drug: DrugFile, parameters: ParameterSet) -> Iterator[Compared]:
    """Every occupancy measured in people beside the model's for the same doses and time."""
    for action in drug.actions:
        for told in action.measured:
            model = occupancy(drug, parameters, action.target, told.dose.mg(BODY_WEIGHT_KG), told)
            yield Compared(name, f"{told.dose}, {_protocol(told)}", told.occupancy, model, "", told.source)


def kinetics_table(drugs: Mapping[str, DrugFile]) -> str:
    """Markdown table of all kinetics beside the literature; drugs that share their kinetics are told once."""
    told: dict[str, DrugFile] = {}
    for name, drug in drugs.items():
        if drug.kinetics and all(drug.kinetics != other.kinetics for other in told.values()):
            told[name] = drug
    return _table([row for name, drug in told.items() for row in compared_kinetics(name, drug)])


def occupancy_table(drugs: Mapping[str, DrugFile], parameters: ParameterSet) -> str:
    """Markdown table of all measured occupancies beside the model's."""
    return _table([r for name, drug in drugs.items() for r in compared_occupancy(name, drug, parameters)])


def _table(rows: Sequence[Compared]) -> str:
    """Rows as a Markdown table, for the docs."""
    head = ["| drug | what | published | model | off by | source |", "|---|---|---|---|---|---|"]
    body = [
        f"| {row.drug} | {row.what} | {_told(row.published, row.unit)} | {_told(row.model, row.unit)}"
        f" | {round(100 * row.off) or 0:+d} % | {row.source} |"
        for row in rows
    ]
    return "\n".join([*head, *body])


def _told(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".strip()
