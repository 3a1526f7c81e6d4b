"""Treatments, patients and their ways to day 0, each worked out once and shared by all open pages."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from unstuck.errors import InputError
from unstuck.files.drug import DrugFile
from unstuck.files.find import cohort_path, read, shipped
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY, DoseAmount
from unstuck.parameters import default_parameters
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.draw import Patient, draw_patient, draw_traits, read_cohort
from unstuck.patient.life import checkpoint_key

from unstuck_analysis.view.meanfield import mean_field
from unstuck_analysis.view.plan import LETTERS, Note, PanelPlan, Plan, from_query
from unstuck_analysis.view.prescribe import doses_given, possible_part, prescribed
from unstuck_analysis.view.recording import Recorder, Way, last_day, way_to_day_0

MOST_KEPT = 12  # patients, and recordings
OnDay = Callable[[float], None]
Value = TypeVar("Value")


@dataclass
class Cases:
    """What the page may show, and what has been simulated so far.

    Args:
        files: treatment files offered in addition to the shipped treatments.
        circuit: another one than that of the treatments.
    """

    files: tuple[str, ...] = ()
    circuit: str = ""
    _patients: dict[object, Patient] = field(default_factory=dict)
    _ways: dict[object, Way] = field(default_factory=dict)

    @property
    def treatments(self) -> list[str]:
        """Names of all treatments that the page offers."""
        return list(dict.fromkeys([*self.files, *shipped("treatments")]))

    def drugs(self) -> list[str]:
        """Names of all drugs that the page offers for doses by hand."""
        own = [drug for name in self.files for drug in treatment(name, self.circuit).drugs]
        return list(dict.fromkeys([*own, *shipped("drugs")]))

    def plan(self, query: str, usual: Plan) -> tuple[Plan, float, list[Note]]:
        """Read a link: its plan, its day, and a note on each part that was left out."""
        plan, day, notes = from_query(query, usual, self.treatments, self.drugs(), DoseAmount.parse)
        for number, panel in enumerate(plan.panels):
            possible, impossible = possible_part(treatment(panel.treatment, plan.circuit), panel)
            plan = plan.with_panel(number, possible)
            notes += [Note(LETTERS[number], panel.treatment, why) for why in impossible]
        last = last_day([treatment(panel.treatment, plan.circuit) for panel in plan.panels])
        if day > last:
            notes.append(Note("day", f"{day:g}", f"the first of these treatments ends on day {last:g}"))
        return plan, min(day, last), notes

    def recorder(self, plan: Plan, panel: PanelPlan, on_day: OnDay = lambda day: None) -> Recorder:
        """Start to record one copy; on_day gets the day up to which the way to day 0 is simulated."""
        given = prescribed(treatment(panel.treatment, plan.circuit), panel)
        who = (given.circuit.model_dump_json(), plan.seed, plan.patient, plan.neurons)
        if who not in self._patients:
            _keep(self._patients, who, _draw(given, plan, plan.neurons))
        patient = self._patients[who]
        given = given.with_stress_of(patient.stress_h)
        way = (patient.identity, checkpoint_key(given))
        if way not in self._ways:
            _keep(self._ways, way, way_to_day_0(patient, given, on_day))
        return Recorder(patient, panel, given, self._ways[way])


def _keep(kept: dict[object, Value], key: object, value: Value) -> None:
    """Keep a value, and forget the oldest beyond MOST_KEPT."""
    kept[key] = value
    for oldest in list(kept)[:-MOST_KEPT]:
        kept.pop(oldest, None)


def _draw(given: Treatment, plan: Plan, neurons: int) -> Patient:
    return draw_patient(
        given.circuit,
        default_parameters(),
        read_cohort(cohort_path()),
        seed=plan.seed,
        index=plan.patient,
        neurons=neurons,
    )


def mean_field_of(plan: Plan, panel: PanelPlan) -> dict[str, object]:
    """One copy as the page computes it by itself: the same patient with one average neuron per population."""
    given = prescribed(treatment(panel.treatment, plan.circuit), panel)
    return mean_field(_draw(given, plan, 0), given, panel.lesions)


def days_to_day_0(plan: Plan, panel: PanelPlan) -> float:
    """Days of stress and rest before the treatment, with the patient's own length of stress."""
    given = treatment(panel.treatment, plan.circuit)
    traits = draw_traits(default_parameters(), read_cohort(cohort_path()), plan.seed, plan.patient)
    return given.with_stress_of(traits.stress_h).file.day_0_h / HOURS_A_DAY


def recording_key(plan: Plan, panel: PanelPlan, until_day: float) -> str:
    """Name of a recording: equal for equal patients, treatments, doses, stress and lengths."""
    text = repr((plan.circuit, plan.seed, plan.patient, plan.neurons, panel, until_day))
    return sha256(text.encode()).hexdigest()[:16]


@cache
def treatment(name: str, circuit: str = "") -> Treatment:
    """Read a treatment once. Raises InputError if there is none of that name, or if it cannot be run.

    circuit: another one than that of the file.
    """
    return runnable_treatment(name, circuit)


@cache
def about_treatment(name: str) -> tuple[str, str]:
    """Title of a treatment, and the group in which the page lists it."""
    try:
        read_once = treatment(name)
    except InputError:
        return Path(name).stem, "Other"
    given = dict.fromkeys(drug for drug, _ in doses_given(read_once))
    classes = list(dict.fromkeys(read_once.drugs[drug].model_dump(by_alias=True)["class"] for drug in given))
    if not classes:
        return read_once.file.title, "No drug"
    group = classes[0].split(",")[0] if len(classes) == 1 else "Several classes of drugs"
    return read_once.file.title, group


@cache
def about_drug(name: str) -> tuple[str, str]:
    """Title and usual dose of a drug."""
    try:
        file, _ = read("drugs", name, DrugFile)
    except InputError:
        return name, ""
    return file.title, str(file.usual_dose or "")


def as_json(value: object) -> str:
    """Write compact JSON that is safe inside an HTML script element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
