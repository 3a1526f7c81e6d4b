"""What the page needs in order to compute the mean-field of its patient by itself, ready for JSON.

Rules, kinetics and exposure come from `translate.py` and `translate_classes.py`. Here is the rest: wiring and
parameters of the mean-field circuit, the patient's noise, and the treatment as phases, regimens and drugs.
Times are hours. With these the page answers for another dose, length of treatment or stress;
`player/meanfield.js` follows the patient as `unstuck.patient.life` does.
"""

from collections.abc import Sequence
from math import ceil, isfinite
from typing import Any

import numpy as np
from unstuck.circuit import Circuit, healthy_state
from unstuck.drugs.effects import Course
from unstuck.errors import InputError
from unstuck.files.schedule import Dose
from unstuck.files.treatment import Condition, Phase, Regimen, Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.patient.draw import Patient
from unstuck.state import VARIABLES
from unstuck.targets import NO_EFFECT

from unstuck_analysis.view.lesions import CUT_SHARE, SILENT_DRIVE, lost
from unstuck_analysis.view.plan import Lesion


def mean_field(patient: Patient, treatment: Treatment, lesions: Sequence[Lesion] = ()) -> dict[str, object]:
    """A mean-field patient, a treatment of it (without life events), and what is silenced or cut.

    Raises:
        InputError: a drug acts in some places alone, which the page cannot compute.
    """
    if any(a.regions or a.populations for drug in treatment.drugs.values() for a in drug.actions):
        raise InputError(
            f"{treatment.name}: the page shows no drug that acts in some regions or populations alone"
        )
    file = treatment.with_stress_of(patient.stress_h).file
    names = list(file.phases)
    return {
        "circuit": _circuit(patient.circuit),
        "noise": patient.noise(ceil(file.end_h / HOURS_A_DAY)).round(7).tolist(),
        "phases": [_phase(phase) for phase in file.phases.values()],
        "day0": names.index(file.day_0),
        "regimens": [
            _regimen(regimen, names.index(name), treatment, patient.body_weight_kg)
            for name, phase in file.phases.items()
            for regimen in phase.drugs
        ],
        "drugs": {name: _drug(name, treatment, patient) for name in treatment.drugs},
        "lesions": [_lesion(patient.circuit, lesion) for lesion in lesions],
    }


def _lesion(circuit: Circuit, lesion: Lesion) -> dict[str, object]:
    """Hour after day 0; the neurons that get another bias, and the synapses of which a share is left."""
    neurons, synapses = (np.flatnonzero(mask).tolist() for mask in lost(circuit, lesion))
    change = {"neurons": neurons, "bias": SILENT_DRIVE, "synapses": synapses, "share": CUT_SHARE}
    return {"hour": lesion.hour, **change}


def _circuit(circuit: Circuit) -> dict[str, object]:
    """Wiring, parameters and slow variables; readout: weight of every plastic synapse in connectivity.

    activity: weight of every population, if connectivity is read from activity.
    """
    primary = circuit.file.readout
    readout = circuit.readout_mean[circuit.wiring.plastic.projection]
    return {
        "wiring": _plain(circuit.wiring),
        "rules": _plain(circuit.rules),
        "variables": list(VARIABLES),
        "start": circuit.layout.start.tolist(),
        "scale": circuit.layout.scale().tolist(),
        "healthy": healthy_state(circuit).y.tolist(),
        "readout": readout.tolist(),
        "activity": circuit.mean_activity(primary).tolist() if primary.kind == "activity" else None,
        "regions": circuit.regions,
        "noEffect": NO_EFFECT._asdict(),
    }


def _plain(value: Any) -> Any:
    """Arrays, named tuples and objects (with the name of their class) for JSON; infinity becomes None."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else None
        case np.ndarray():
            return value.tolist()
        case _ if hasattr(value, "_asdict"):
            return {name: _plain(part) for name, part in value._asdict().items()}
        case tuple():
            return [_plain(part) for part in value]
        case _:
            parts = {name: _plain(part) for name, part in vars(value).items() if not name.startswith("_")}
            return {"class": type(value).__name__} | parts


def _phase(phase: Phase) -> dict[str, object]:
    bouts = [[bout.starting, bout.lasting, bout.stress] for bout in phase.bouts]
    return {"hours": phase.lasting, "stress": phase.stress, "bouts": bouts}


def _regimen(regimen: Regimen, phase: int, treatment: Treatment, body_weight_kg: float) -> dict[str, object]:
    drug = treatment.drugs[regimen.drug]
    doses = regimen.doses(0.0, drug.relative_dose(regimen.dose, body_weight_kg), drug.usual_over)
    return {
        "drug": regimen.drug,
        "phase": phase,
        "doses": [[dose.time_h, dose.relative_dose] for dose in doses],
        "over": doses[0].over_h,
        "every": doses[0].interval_h,
        "single": doses[0].single,
        "when": _condition(regimen.when),
        "stopWhen": _condition(regimen.stop_when),
    }


def _condition(condition: Condition | None) -> dict[str, float | None] | None:
    if condition is None:
        return None
    return {
        "hour": condition.hour,
        "below": condition.recovery_below,
        "atLeast": condition.recovery_at_least,
    }


def _drug(name: str, treatment: Treatment, patient: Patient) -> dict[str, object]:
    """Usual interval of a drug, and what its actions contribute after one usual dose."""
    file = treatment.drugs[name]
    course = Course(file, (Dose(0.0, 1.0),), name)
    contributions = course.contributions(patient.circuit.parameters, patient.response)
    return {"usual_every": file.usual_every, "contributions": [_plain(part) for part in contributions]}
