"""What one file means, as `unstuck show` prints it: a drug, a treatment or a circuit."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from unstuck.drugs.effects import Course
from unstuck.errors import InputError, nearest
from unstuck.files.circuit import CircuitFile, ProjectionFile, projection_ends
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.files.treatment import Regimen, Treatment, circuit_for
from unstuck.files.units import BODY_WEIGHT_KG, HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.checks import check_health, runnable_treatment

from unstuck_analysis.library.check import kind_of, plural
from unstuck_analysis.output.table import Table, wrapped
from unstuck_analysis.output.words import law_in_words, regimen_in_words, stress_in_words, time_in_words

SHOWN = ("drug", "treatment", "circuit")
GRADES = "grade A: measured in people; B: measured elsewhere, or derived; C: a guess"


def describe(name: str) -> Iterator[str]:
    """Describe everything with a name, or the file at a path; InputError with the nearest spelling."""
    kinds = [kind for kind in SHOWN if name in shipped(plural(kind))]
    path = Path(name)
    if not kinds and (path.suffix in (".yaml", ".yml") or len(path.parts) > 1):
        kinds = [kind_of(path)]
    if not kinds:
        known = [known for kind in SHOWN for known in shipped(plural(kind))]
        what = f"no {', '.join(SHOWN[:-1])} or {SHOWN[-1]} is called {name!r}"
        raise InputError(f"{what}{nearest(name, known)} (see: unstuck list --all)")
    for kind in kinds:
        if kind == "drug":
            yield from _drug(read("drugs", name, DrugFile)[0])
        elif kind == "treatment":
            yield from _treatment(runnable_treatment(name))
        elif kind == "circuit":
            circuit, places = circuit_for(name)
            check_health(circuit, places)
            yield from _circuit(circuit)
        else:
            raise InputError(f"{name}: a {kind} is shown by `unstuck check` only")


def draw_drug(name: str, path: Path) -> None:
    """Write a drug's figure (first day and steady state) as PNG or SVG; InputError for another suffix."""
    from unstuck_analysis.library.drug_card import drug_figure
    from unstuck_analysis.output.style import save_figure

    if path.suffix not in (".png", ".svg"):
        raise InputError(f"{path}: a figure is a .png or .svg file")
    drug, _ = read("drugs", name, DrugFile)
    save_figure(drug_figure(drug, default_parameters()), path)


def _head(kind: str, title: str, description: str) -> str:
    return wrapped(f"{kind}: {title}", *([description, ""] if description else []))


def _drug(drug: DrugFile) -> Iterator[str]:
    """Actions with their targets in words, then every number with source and confidence."""
    yield _head("Drug", drug.title, drug.description)
    yield wrapped(f"Class {drug.drug_class}; {_usual(drug)}", "")
    rows = [
        [
            f"{number}",
            f"{action.target} {action.mode}" + (f" in {action.region}" if action.region else ""),
            action.meaning.meaning,
            law_in_words(action),
        ]
        for number, action in enumerate(drug.actions, 1)
    ]
    yield Table.texts(["action", "target", "in words", "over time"], rows).terminal()
    groups: dict[str, list[list[str]]] = {}
    for number in sourced_numbers(drug):
        row = [number.key, number.value, number.confidence, number.source]
        groups.setdefault(number.section, []).append(row)
    numbers = Table.grouped(["number", "value", "grade", "source"], groups)
    yield f"\nEvery number ({GRADES})\n{numbers.terminal()}"
    yield from (wrapped("", f"Note: {note}") for note in drug.notes)
    if drug.limits:
        yield wrapped("", f"Limits: {drug.limits}")


def _usual(drug: DrugFile) -> str:
    """The usual dose with where it comes from, the schedule and the compounds."""
    dose = f"usual dose {drug.usual_dose}" if drug.usual_dose else "no dose"
    schedule = f", {drug.usual_schedule}" if drug.usual_schedule else ""
    source = f" ({drug.usual_source})" if drug.usual_source else ""
    compounds = f"; compounds: {', '.join(drug.kinetics.compounds)}" if drug.kinetics else ""
    return f"{dose}{schedule}{source}{compounds}"


class SourcedNumber(NamedTuple):
    """A number of a drug file as texts, and where in the file it is."""

    section: str
    key: str
    value: str
    source: str
    confidence: str


def sourced_numbers(drug: DrugFile) -> Iterator[SourcedNumber]:
    """Every number of a drug file with source and confidence; symbols with the value they stand for."""
    found = _sourced(drug.model_dump(mode="json", by_alias=True, exclude_none=True), ())
    yield from sorted(found, key=lambda number: number.section.startswith("action"))


def _sourced(content: Any, key: tuple[str, ...]) -> Iterator[SourcedNumber]:
    if isinstance(content, list):
        for number, inner in enumerate(content, 1):
            yield from _sourced(inner, (*key[:-1], f"{key[-1].removesuffix('s')} {number}"))
    elif isinstance(content, Mapping) and "source" in content:
        value = _values({k: v for k, v in content.items() if k not in ("source", "confidence")})
        grade = content.get("confidence", "-")
        yield SourcedNumber(key[0], " ".join(key[1:]), value, content["source"], grade)
    elif isinstance(content, Mapping):
        for name, inner in content.items():
            yield from _sourced(inner, () if name == "metabolites" else (*key, name))


def _values(numbers: Mapping[str, Any]) -> str:
    return ", ".join(_value(v) if key == "value" else f"{key} {_value(v)}" for key, v in numbers.items())


def _value(value: object) -> str:
    records = default_parameters().records
    if isinstance(value, str) and value in records:
        record = records[value]
        return f"{value} = {record.value:.3g}" + (f" {record.unit}" if record.unit != "1" else "")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _treatment(treatment: Treatment) -> Iterator[str]:
    """Phases with stress and drugs in words, and when it ends."""
    file = treatment.file
    yield _head("Treatment", file.title, file.description)
    rows: list[list[str]] = []
    for name, phase in file.phases.items():
        start_day = (file.start_h(name) - file.day_0_h) / HOURS_A_DAY
        drugs = [regimen_in_words(regimen, treatment.drugs[regimen.drug]) for regimen in phase.drugs]
        days = f"{start_day:g} to {start_day + phase.lasting / HOURS_A_DAY:g}"
        rows.append([name, days, stress_in_words(phase), "; ".join(drugs) or "none"])
    yield Table.texts(["phase", "days", "stress", "drugs"], rows).terminal()
    ending = _ending(treatment)
    yield wrapped("", f"Circuit: {file.circuit}. Outcomes are read on day {file.endpoint_day:g}. {ending}")
    yield from (wrapped(f"Note: {note}") for note in treatment.notes)


def _ending(treatment: Treatment) -> str:
    """When a typical patient's last drug has left the body, and how long the patient is followed."""
    file = treatment.file
    gone_h = [
        contribution.gone_h()
        for name, phase in file.phases.items()
        for regimen in phase.drugs
        for contribution in _course(treatment, regimen, file.start_h(name)).contributions(
            default_parameters()
        )
    ]
    if not gone_h:
        return f"The phases end on day {(file.end_h - file.day_0_h) / HOURS_A_DAY:g}."
    gone_day = (max(gone_h) - file.day_0_h) / HOURS_A_DAY
    return (
        f"In a typical patient every effect is below 1 % of its peak from day {gone_day:.1f} on;"
        f" patients are followed for {time_in_words(file.follow_up)} longer at least."
    )


def _course(treatment: Treatment, regimen: Regimen, start_h: float) -> Course:
    drug = treatment.drugs[regimen.drug]
    amount = drug.relative_dose(regimen.dose, BODY_WEIGHT_KG)
    return Course(drug, tuple(regimen.doses(start_h, amount, drug.usual_over)))


def _circuit(circuit: CircuitFile) -> Iterator[str]:
    """Regions, populations, projections with their weights worked out, and roles."""
    yield _head("Circuit", circuit.title, circuit.description)
    rows = [[key, region.name, _value(region.uncleared_serotonin)] for key, region in circuit.regions.items()]
    yield Table.texts(["region", "name", "serotonin not cleared by SERT"], rows).terminal()
    whole = sum(population.share for population in circuit.populations.values())
    rows = [
        (
            *(name, p.cells, f"{100 * p.share / whole:.0f} %"),
            *(_rate(p.set_point_Hz), _rate(p.maximal_Hz), _value(p.nmda_share)),
        )
        for name, p in circuit.populations.items()
    ]
    heads = ["population", "cells", "share", "set-point", "maximum", "NMDA share"]
    yield f"\n{Table.texts(heads, rows).terminal()}"
    rows = [_projection(name, projection, circuit) for name, projection in circuit.projections.items()]
    heads = ["from", "to", "weight", "inputs", "kind", "source"]
    yield f"\n{Table.texts(heads, rows).terminal()}"
    if circuit.parameters:
        rows = [
            [symbol, f"{own.value:g}", own.unit, own.origin, own.meaning, own.source]
            for symbol, own in circuit.parameters.items()
        ]
        heads = ["parameter", "value", "unit", "origin", "meaning", "source"]
        yield f"\n{Table.texts(heads, rows).terminal()}"
    yield from _roles(circuit)


def _projection(name: str, projection: ProjectionFile, circuit: CircuitFile) -> list[str]:
    parameters, (pre, post) = circuit.with_own_parameters(default_parameters()), projection_ends(name)
    weight = parameters.number(projection.weight) * parameters.number(projection.times)
    fixed = "inhibitory" if circuit.populations[pre].inhibits else "excitatory"
    kind = "plastic" if projection.plastic else fixed
    return [pre, post, f"{weight:.3g}", f"{projection.inputs}", kind, projection.source]


def _rate(rate_Hz: float | str) -> str:
    """A rate with its unit; a symbol brings the unit of its parameter."""
    return _value(rate_Hz) if isinstance(rate_Hz, str) else f"{rate_Hz:g} Hz"


def _roles(circuit: CircuitFile) -> Iterator[str]:
    roles = circuit.roles
    stress = ", ".join(f"{name} ({_value(drive)})" for name, drive in roles.stress_input.items())
    sources = " and ".join(circuit.serotonin_sources)
    noradrenergic = " and ".join(roles.noradrenaline_source)
    noradrenaline = f"noradrenaline comes from {noradrenergic}; " if noradrenergic else ""
    yield wrapped(
        "",
        f"Serotonin comes from {sources}; {noradrenaline}stress drives {stress or 'no population directly'}.",
    )
    if circuit.readouts:
        for key, readout in circuit.all_readouts.items():
            primary = " Recovery is read from it." if key == circuit.readout_name else ""
            what = f"mean {readout.kind} of {', '.join(readout.of)}, {readout.ill_when} in illness"
            yield wrapped(f"Readout {key}: {what}.{primary}")
    else:
        yield wrapped(f"Recovery is read from {'; '.join(roles.readout)}.")
    yield wrapped(f"Forebrain: {', '.join(roles.forebrain)}. Reported with recovery: {roles.overactive}.")
