"""What the page needs in order to compute the mean-field of its patient by itself, ready for JSON.

The rules come from `translate.py`. Here is the rest: wiring and parameters of the mean-field circuit, the
patient's noise, and the treatment as phases, regimens and drugs. Times are hours. With these the page answers
for another dose, length of treatment or stress; `player/meanfield.js` goes the way of `unstuck.patient.life`.
"""

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
from unstuck.circuit import Circuit, healthy_state
from unstuck.drugs.effects import AfterEachDose, ByConcentration, Contribution, Course, WhileTaken
from unstuck.drugs.kinetics import Amounts
from unstuck.errors import InputError
from unstuck.files.schedule import Dose
from unstuck.files.treatment import Condition, Phase, Regimen, Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.patient.draw import Patient
from unstuck.state import VARIABLES
from unstuck.targets import NO_EFFECT


def mean_field(patient: Patient, treatment: Treatment) -> dict[str, object]:
    """A mean-field patient and a treatment of it, without life events.

    Raises:
        InputError: recovery is read from activity, or a drug acts in some places alone; the page has neither.
    """
    if patient.circuit.file.readout.kind == "activity":
        raise InputError(f"{treatment.name}: the page shows no circuit whose recovery is read from activity")
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
    }


def _circuit(circuit: Circuit) -> dict[str, object]:
    """Wiring, parameters and slow variables; readout: weight of every plastic synapse in connectivity."""
    readout = circuit.readout_mean[circuit.wiring.plastic.projection]
    return {
        "wiring": _plain(circuit.wiring),
        "rules": _plain(circuit.rules),
        "variables": list(VARIABLES),
        "start": circuit.layout.start.tolist(),
        "scale": circuit.layout.scale().tolist(),
        "healthy": healthy_state(circuit).y.tolist(),
        "readout": readout.tolist(),
        "regions": circuit.regions,
        "noEffect": NO_EFFECT._asdict(),
    }


def _plain(value: Any) -> Any:
    """Named tuples of numbers and arrays as dictionaries of numbers and lists."""
    if hasattr(value, "_asdict"):
        return {name: _plain(part) for name, part in value._asdict().items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


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
    """Usual interval of a drug, and its actions after one usual dose."""
    file = treatment.drugs[name]
    course = Course(file, (Dose(0.0, 1.0),), name)
    actions = course.contributions(patient.circuit.parameters, patient.response)
    return {"usualEvery": file.usual_every or HOURS_A_DAY, "actions": [_action(part) for part in actions]}


def _action(part: Contribution) -> dict[str, object]:
    """Target of an action and the numbers of its law."""
    mode, law = part.mode, part.law
    target = {"field": mode.field, "region": part.region, "combines": mode.law, "sign": mode.sign}
    match law:
        case WhileTaken():
            return target | {
                "kind": "level",
                "usual": law.usual,
                "share": law.is_share,
                "riseTau": law.rise_tau_h,
                "fallHalfLife": law.fall_half_life_h,
            }
        case AfterEachDose():
            return target | {
                "kind": "pulse",
                "usual": law.usual,
                "share": law.is_share,
                "perAmount": law.per_amount,
                "amounts": _amounts(law.amounts, -1),
            }
        case ByConcentration(occupancy=occupancy):
            return target | {
                "kind": "curve",
                "usual": law.maximum,
                "exponent": occupancy.curve.exponent,
                "perAmount": occupancy.exposure
                * occupancy.concentration.whole_dose_nM
                / occupancy.curve.half_nM,
                "amounts": _amounts(occupancy.concentration.amounts, occupancy.concentration.compartment),
            }
        case _:
            raise TypeError(f"unknown law {law}")


def _amounts(amounts: Amounts, compartment: int) -> dict[str, object]:
    """The compartments of a drug; `place` of the wanted one among flow and compartments."""
    matrix: Sequence[Sequence[float]] = amounts.shifted.tolist()
    place = range(len(matrix))[compartment if compartment < 0 else compartment + 1]
    return {
        "shifted": matrix,
        "fastest": amounts.fastest_per_h,
        "enters": amounts.enters.tolist(),
        "place": place,
    }
