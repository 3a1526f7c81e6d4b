"""What a study can vary, by dotted path, and what a run reads once it is varied.

    model.SYMBOL                             a parameter of the model
    patient.cv, patient.cv.NAME              spread between patients: every one, or one (symbol or column)
    patient.noise.sd, .time_constant         noise of every region
    patient.life_events.NAME.rate, .stress   also .lasting and .cv
    patient.stress_days.median               length of stress; also .at_least and .at_most
    patient.body_weight_kg
    circuit.neurons                          neurons per patient (0: the mean-field)
    circuit.projections.PRE > POST.weight    also .times, .inputs, .largest and .core
    circuit.parameters.SYMBOL.value          a parameter of the circuit's own file
    circuit.regions.NAME.uncleared_serotonin
    circuit.populations.NAME.share           also every number in POPULATION_NUMBERS
    circuit.roles.stress_input.POPULATION
    drug.NAME.dose, .half_life, .TARGET      of every regimen; of the parent; strength on a target
    drug.NAME.absorption_half_life           also .effect_site_half_life and .dose_concentration
    drug.NAME.TARGET.half_effect             also .exponent, .half_life, .appears, .peaks_after, .rise_tau
                                             and .fall_half_life
    drug.NAME.metabolites.NAME.half_life     also .dose_concentration, .fraction and .TARGET.half_effect ...
    treatment.phases.PHASE.for, .stress      in every treatment that has the phase
    treatment.follow_up, .endpoint_day       in every treatment

A path leads to places in the files that runs read. To vary is to write a number there and to check the file
again, so that whatever a file refuses is refused here too, and before any run.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError
from unstuck.circuit import LARGEST, SMALLEST
from unstuck.errors import InputError
from unstuck.files.circuit import POPULATION_NUMBERS, CircuitFile
from unstuck.files.cohort import CohortFile, LognormalDraw, StressLengthDraw
from unstuck.files.drug import Action, DrugFile, Kinetics
from unstuck.files.numbers import check_circuit_numbers, check_drug
from unstuck.files.treatment import Treatment, TreatmentFile
from unstuck.files.units import BODY_WEIGHT_KG, HOURS_A_DAY, Concentration, DoseAmount, Hours, PerYear
from unstuck.files.yaml import Document, Key, Places
from unstuck.parameters import KINDS, Parameter, ParameterSet, default_parameters
from unstuck.patient.checks import check_circuit
from unstuck.rules import rules_of

Settings: TypeAlias = tuple[tuple[str, float], ...]
"""Numbers by dotted path, each in the unit of the path's knob."""

Part: TypeAlias = tuple[str, ...]
"""One file of a basis: ("cohort",), ("treatment", ARM), ("circuit", ARM) or ("drug", ARM, NAME)."""

Changes: TypeAlias = tuple[tuple[Key, float | str], ...]

_READ_HOURS, _READ_RATE = TypeAdapter(Hours), TypeAdapter(PerYear)

FAR = 10.0  # a parameter may leave its range by this factor, within what its kind allows
HEALTH_CHECKS = 40  # circuits whose health a plan waits for (36 ms each); that of more is left to their runs


class ArmFiles(Document):
    """One treatment with the circuit and the drugs it names."""

    treatment: TreatmentFile
    circuit: CircuitFile
    drugs: dict[str, DrugFile]


class Basis(Document):
    """All that the runs of a study read, before anything is varied."""

    parameters: dict[str, float]
    cohort: CohortFile | None
    neurons: int
    arms: dict[str, ArmFiles]


def basis_of(treatments: Sequence[Treatment], cohort: CohortFile | None, neurons: int) -> Basis:
    """What a study of these treatments reads, with the shipped parameters."""
    arms = {t.name: ArmFiles(treatment=t.file, circuit=t.circuit, drugs=t.drugs) for t in treatments}
    return Basis(parameters=dict(default_parameters()), cohort=cohort, neurons=neurons, arms=arms)


@dataclass(frozen=True)
class Knob:
    """What a dotted path means: the places it writes to, and the unit of its numbers."""

    unit: str
    places: tuple[tuple[Part, Key], ...]
    whole: bool = False
    signed: bool = False
    limits: tuple[float, float] | None = None  # of a parameter of the model, which is a bare number
    odds: bool = False  # the file gives the odds of this share
    refused: str = ""  # why it cannot be varied in this study

    def number(self, value: float | str) -> float:
        """A value from a study file as a number in the knob's unit (ValueError if it cannot be one)."""
        if self.refused:
            raise ValueError(self.refused)
        return self.allowed(self._read(value))

    def allowed(self, number: float) -> float:
        """The number itself (ValueError if the knob cannot have it)."""
        if number < 0 and not self.signed:
            raise ValueError(f"must not be negative, but is {number:g}")
        if self.limits and not self.limits[0] <= number <= self.limits[1]:
            unit = "" if self.unit == "1" else f" {self.unit}"
            allowed = f"from {self.limits[0]:g} to {self.limits[1]:g}{unit}"
            raise ValueError(f"must be {allowed} (its range, and {FAR:g} times beyond), not {number:g}")
        if self.odds and number >= 1:
            raise ValueError(f"must be below 1, not {number:g}: the file gives its odds")
        if self.whole and number != int(number):
            raise ValueError(f"must be a whole number, not {number:g}")
        return number

    def _read(self, value: float | str) -> float:
        if self.unit == "d" and not self.limits:
            return _hours(value) / HOURS_A_DAY
        if self.unit in ("mg", "mg/kg"):
            dose = DoseAmount.parse(value)
            if dose.amount and dose.per_kg != (self.unit == "mg/kg"):
                raise ValueError(f"must be a dose in {self.unit} as the drug's usual one, not {value!r}")
            return dose.amount
        if self.unit == "per year" and isinstance(value, str):
            return _READ_RATE.validate_python(value)
        if self.unit == "nM" and not self.limits:
            return Concentration.parse(value).nM(None)
        if isinstance(value, str):
            raise ValueError(f"must be a number, not {value!r}")
        return float(value)

    def written(self, number: float) -> float | str:
        """A number as it is written in a file."""
        if not self.limits and self.unit in ("d", "mg", "mg/kg", "nM", "per year"):
            return f"{number!r} {self.unit}"
        if self.odds:
            return number / (1.0 - number)
        return int(number) if self.whole else number


def limits_of(record: Parameter) -> tuple[float, float]:
    """The least and the largest value that a parameter can take in a study."""
    above, most = KINDS[record.kind]
    return record.low / FAR if above >= 0.0 else 0.0, min(record.high * FAR, most)


def _hours(value: float | str) -> float:
    try:
        return _READ_HOURS.validate_python(value)
    except ValidationError as fault:
        raise ValueError(fault.errors()[0]["msg"].removeprefix("Value error, ")) from None


def knobs(basis: Basis) -> dict[str, Knob]:
    """Everything that can be varied in a basis, by dotted path."""
    found: dict[str, Knob] = {}
    for path, knob in _all_knobs(basis):
        known = found.get(path)
        refused = (known.refused if known else "") or knob.refused
        found[path] = replace(knob, places=(known.places if known else ()) + knob.places, refused=refused)
    return found


def _all_knobs(basis: Basis) -> Iterator[tuple[str, Knob]]:
    records = default_parameters().records
    for symbol in basis.parameters:
        place = (("parameters",), (symbol,))
        yield f"model.{symbol}", Knob(records[symbol].unit, (place,), limits=limits_of(records[symbol]))
    if basis.cohort is not None:
        yield from _cohort_knobs(basis.cohort)
    yield "circuit.neurons", Knob("neurons", ((("neurons",), ()),), whole=True)
    for arm, files in basis.arms.items():
        yield from _circuit_knobs(arm, files.circuit)
        yield from _treatment_knobs(arm, files.treatment)
        for name, drug in files.drugs.items():
            yield from _drug_knobs(arm, name, drug, files.treatment)


def _cohort_knobs(cohort: CohortFile) -> Iterator[tuple[str, Knob]]:
    part: Part = ("cohort",)
    for number, draw in enumerate(cohort.draws):
        place = (part, ("draws", number, "cv"))
        if isinstance(draw, LognormalDraw):
            yield "patient.cv", Knob("1", (place,))
            yield f"patient.cv.{draw.name.removeprefix('factor_')}", Knob("1", (place,))
        if isinstance(draw, StressLengthDraw):
            for name in ("median", "at_least", "at_most"):
                yield f"patient.{draw.name}.{name}", Knob("d", ((part, ("draws", number, name)),))
    laws: list[tuple[Key, str]] = [(("body_weight_kg",), "kg")]
    laws += [(("noise", "sd"), "drive"), (("noise", "time_constant"), "d")]
    for path, key, unit in [(key, key, unit) for key, unit in laws] + list(_life_event_laws(cohort)):
        yield ".".join(map(str, ("patient", *path))), Knob(unit, ((part, (*key, "value")),))


def _life_event_laws(cohort: CohortFile) -> Iterator[tuple[Key, Key, str]]:
    """Path, key in the file and unit of every number of the laws of life events."""
    units = {"rate": "per year", "stress": "1", "lasting": "d", "cv": "1"}
    for number, law in enumerate(cohort.life_events):
        for name, unit in units.items():
            if getattr(law, name) is not None:
                yield ("life_events", law.name, name), ("life_events", number, name), unit


def _circuit_knobs(arm: str, file: CircuitFile) -> Iterator[tuple[str, Knob]]:
    leaves: list[tuple[Key, str]] = []
    for name in file.projections:
        leaves += [(("projections", name, key), "1") for key in ("weight", "times", "inputs")]
        leaves += [
            (("projections", name, key), "1") for key in ("largest", "core") if file.projections[name].plastic
        ]
    leaves += [(("parameters", name, "value"), own.unit) for name, own in file.parameters.items()]
    leaves += [(("regions", name, "uncleared_serotonin"), "1") for name in file.regions]
    for name in file.populations:
        numbers = ["share", *POPULATION_NUMBERS]
        leaves += [(("populations", name, key), "Hz" if key.endswith("_Hz") else "1") for key in numbers]
    leaves += [(("roles", "stress_input", name), "drive") for name in file.roles.stress_input]
    for key, unit in leaves:
        place = (("circuit", arm), key)
        lowest, _ = POPULATION_NUMBERS.get(str(key[-1]), (0.0, 0.0))
        whole, signed = key[-1] == "inputs", unit == "drive" or lowest < 0.0
        yield ".".join(map(str, ("circuit", *key))), Knob(unit, (place,), whole=whole, signed=signed)


def _treatment_knobs(arm: str, file: TreatmentFile) -> Iterator[tuple[str, Knob]]:
    part: Part = ("treatment", arm)
    for name in file.phases:
        yield f"treatment.phases.{name}.for", Knob("d", ((part, ("phases", name, "for")),))
        yield f"treatment.phases.{name}.stress", Knob("1", ((part, ("phases", name, "stress")),))
    yield "treatment.follow_up", Knob("d", ((part, ("follow_up",)),))
    yield "treatment.endpoint_day", Knob("day", ((part, ("endpoint_day",)),))


def _drug_knobs(arm: str, name: str, drug: DrugFile, file: TreatmentFile) -> Iterator[tuple[str, Knob]]:
    path, part = f"drug.{Path(name).stem}", ("drug", arm, name)
    regimens = [
        ("phases", phase_name, "drugs", number, "dose")
        for phase_name, phase in file.phases.items()
        for number, regimen in enumerate(phase.drugs)
        if regimen.drug == name
    ]
    if drug.usual_dose is not None:
        unit = "mg/kg" if drug.usual_dose.per_kg else "mg"
        places = tuple((("treatment", arm), key) for key in regimens)
        yield f"{path}.dose", Knob(unit, places, refused=_titration(arm, name, drug, file))
    if drug.kinetics is not None:
        for key, unit in _kinetic_leaves(drug.kinetics):
            yield ".".join(map(str, (path, *key))), Knob(unit, ((part, ("kinetics", *key, "value")),))
    for number, action in enumerate(drug.actions):
        key = ("actions", number, *_strength_key(action))
        odds = action.level is not None and action.level.odds is not None
        yield f"{path}.{action.target}", Knob("1", ((part, key),), odds=odds)
        of = path if action.of == "parent" else f"{path}.metabolites.{action.of}"
        for law, name, unit in _law_leaves(action):
            place = (part, ("actions", number, law, name, "value"))
            yield f"{of}.{action.target}.{name}", Knob(unit, (place,))


def _titration(arm: str, name: str, drug: DrugFile, file: TreatmentFile) -> str:
    """Why the dose of a drug cannot be varied: one number would replace several doses (else no text)."""
    regimens = [
        r for phase in file.phases.values() for r in phase.drugs if Path(r.drug).stem == Path(name).stem
    ]
    doses = list(dict.fromkeys(str(r.dose or drug.usual_dose) for r in regimens))
    if len({drug.relative_dose(r.dose, BODY_WEIGHT_KG) for r in regimens}) <= 1:
        return ""
    return (
        f"{arm} gives several doses of {name} ({', '.join(doses)}), and one dose would replace them all;"
        " leave this treatment out, or write one treatment file per titration"
    )


def _kinetic_leaves(kinetics: Kinetics) -> Iterator[tuple[Key, str]]:
    """Key and unit of every number of a drug's kinetics that is given."""
    for name in ("half_life", "absorption_half_life", "effect_site_half_life"):
        if getattr(kinetics, name) is not None:
            yield (name,), "d"
    yield ("dose_concentration",), "nM"
    for name in kinetics.metabolites:
        yield ("metabolites", name, "half_life"), "d"
        yield ("metabolites", name, "dose_concentration"), "nM"
        yield ("metabolites", name, "fraction"), "1"


def _law_leaves(action: Action) -> Iterator[tuple[str, str, str]]:
    """Law, key and unit of every number of an action that is given, its strength aside."""
    if action.hill is not None:
        yield "hill", "half_effect", "nM"
        yield "hill", "exponent", "1"
    if action.pulse is not None:
        for name in ("half_life", "appears", "peaks_after"):
            if getattr(action.pulse, name) is not None:
                yield "pulse", name, "d"
    for name in ("rise_tau", "fall_half_life"):
        if action.level is not None and getattr(action.level, name) is not None:
            yield "level", name, "d"


def _strength_key(action: Action) -> Key:
    if action.level:
        return "level", action.level.strength_key, "value"
    if action.pulse:
        return "pulse", action.pulse.size_key, "value"
    return ("hill", "area", "effect") if action.hill and action.hill.area else ("hill", "maximum", "value")


class VariedTreatment(Treatment):
    """A treatment whose files were varied, and are in no folder."""

    def __init__(self, name: str, files: ArmFiles) -> None:
        self.path, self.name = Path(name), name
        self.file, self.circuit, self.drugs = files.treatment, files.circuit, files.drugs


@dataclass(frozen=True)
class RunInputs:
    """All that one run reads, apart from its patient's number; digests replace the content.

    patient_digest covers what decides the patient: circuit, parameters, cohort and number of neurons.
    """

    treatment: Treatment
    changed: tuple[tuple[str, float], ...]  # parameters that are not those of the basis
    cohort: CohortFile | None
    neurons: int
    digest: str
    patient_digest: str

    @property
    def parameters(self) -> ParameterSet:
        """The parameters of the run."""
        return default_parameters().with_values(**dict(self.changed))


class _NoFile(Places):
    """Places of values that were varied and are in no file: a fault is reported with its key alone."""

    def error(self, key: Sequence[str | int], message: str) -> InputError:
        return InputError(f"{'.'.join(map(str, key))}: {message}")

    def own(self, key: Key) -> Key:
        """The key: no file extends another here."""
        return key


class Variation:
    """A basis with some values varied. Checked parts are kept, so that points which share them are quick."""

    def __init__(self, basis: Basis) -> None:
        self.basis, self.knobs = basis, knobs(basis)
        self._part = lru_cache(64)(self._changed_part)
        self._values = json.dumps(basis.parameters, sort_keys=True)
        self._health_checks = HEALTH_CHECKS

    def inputs_of(self, arm: str, settings: Settings) -> RunInputs:
        """What a treatment reads under some settings; ValueError for a number that a file refuses."""
        changes = self._changes(settings)
        drugs = {name: self._changed(("drug", arm, name), changes) for name in self.basis.arms[arm].drugs}
        treatment, treatment_digest = self._changed(("treatment", arm), changes)
        circuit, circuit_digest = self._changed(("circuit", arm), changes)
        cohort, cohort_digest = self._changed(("cohort",), changes)
        parameters = self._parameters(changes.get(("parameters",), ()))
        neurons = self._neurons(changes)
        patient_digest = digest(circuit_digest, cohort_digest, self._values, repr(parameters), str(neurons))
        files = ArmFiles.model_construct(
            treatment=treatment, circuit=circuit, drugs={name: file for name, (file, _) in drugs.items()}
        )
        return RunInputs(
            VariedTreatment(arm, files),
            parameters,
            cohort,
            neurons,
            digest(patient_digest, treatment_digest, *(d for _, d in drugs.values())),
            patient_digest,
        )

    def _changes(self, settings: Settings) -> dict[Part, Changes]:
        changes: dict[Part, Changes] = {}
        for path, number in settings:
            knob = self.knobs[path]
            for part, key in knob.places:
                changes[part] = (*changes.get(part, ()), (key, knob.written(number)))
        return changes

    def _changed(self, part: Part, changes: dict[Part, Changes]) -> tuple[Any, str]:
        return self._part(part, changes.get(part, ()))

    def _changed_part(self, part: Part, changes: Changes) -> tuple[Document | None, str]:
        document = self._original(part)
        if document is None:
            return None, ""
        if changes:
            data = document.model_dump(mode="json")
            for key, value in changes:
                _write(data, key, value)
            document = _checked(type(document), data)
            self._check_with_others(part, document)
        return document, digest(document.model_dump_json(exclude={"title", "description"}))

    def _check_with_others(self, part: Part, document: Document) -> None:
        """InputError for what a schema cannot see: symbols, regions, strengths, a circuit's health."""
        places = _NoFile({})
        if isinstance(document, CircuitFile):
            self._health_checks -= 1
            (check_circuit if self._health_checks >= 0 else check_circuit_numbers)(document, places)
        if isinstance(document, DrugFile):
            check_drug(document, places, list(self.basis.arms[part[1]].circuit.regions))

    def _original(self, part: Part) -> Document | None:
        if part == ("cohort",):
            return self.basis.cohort
        kind, arm, *name = part
        files = self.basis.arms[arm]
        return files.drugs[name[0]] if kind == "drug" else getattr(files, kind)

    def _parameters(self, changes: Changes) -> tuple[tuple[str, float], ...]:
        """Parameters that differ from the shipped ones, sorted, so that equal sets are written equally."""
        values = {str(key[0]): float(value) for key, value in changes}
        changed = tuple(sorted((k, v) for k, v in values.items() if v != self.basis.parameters[k]))
        if changed:
            _check_health_is_possible(default_parameters().with_values(**dict(changed)))
        return changed

    def _neurons(self, changes: dict[Part, Changes]) -> int:
        neurons = next((int(value) for _, value in changes.get(("neurons",), ())), self.basis.neurons)
        check_neurons(neurons)
        return neurons


def _check_health_is_possible(parameters: ParameterSet) -> None:
    """InputError for parameters for which no healthy steady state exists."""
    try:
        rules_of(parameters)
    except (ValueError, ZeroDivisionError) as fault:
        raise InputError(f"no healthy state: {fault}") from None


def check_neurons(neurons: int) -> None:
    """ValueError for a number of neurons that no patient can have."""
    if neurons and not SMALLEST <= neurons <= LARGEST:
        raise InputError(f"{neurons} neurons: 0 for the mean-field, or {SMALLEST} to {LARGEST}")


def digest(*texts: str) -> str:
    """A short name for content."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=12).hexdigest()


def _write(data: Any, key: Key, value: float | str) -> None:
    for step in key[:-1]:
        data = data[step]
    data[key[-1]] = value


def _checked(schema: type[Document], data: Any) -> Document:
    try:
        return schema.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as fault:
        first = fault.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{place}: {first['msg']}".removeprefix(": ")) from None
