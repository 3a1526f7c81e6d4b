"""The typical patient, stuck on day 0: where questions about one patient start."""

from dataclasses import dataclass

from unstuck.drugs.exposure import Constant
from unstuck.engine.readouts import settled_connectivities
from unstuck.engine.step import Engine, Exposure
from unstuck.errors import InputError
from unstuck.files.circuit import CircuitFile
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import ParameterSet
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, get_stuck
from unstuck.state import Floats, State

from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.outcomes import RecoveryCourse

YEARS_UNTREATED = 5


def typical_patient(file: CircuitFile, parameters: ParameterSet) -> Patient:
    """The mean-field patient with the given parameters, without noise and life events."""
    return draw_patient(file, parameters, None, seed=0, index=0, neurons=0)


def require_stuck(checkpoint: Checkpoint, file: CircuitFile, whose: str) -> None:
    """InputError if a patient did not become stuck: there is nothing to recover from."""
    readout, value = file.readout, checkpoint.stuck.connectivity
    if not readout.is_ill(value):
        side = "above" if readout.ill_when == "weaker" else "below"
        raise InputError(
            f"{whose} does not become stuck: {file.readout_name} is {value:.4f} of health"
            f" on day 0, {side} {readout.limit:g}. Recovery is defined for stuck patients only."
        )


@dataclass(frozen=True)
class StuckPatient:
    """A patient with its checkpoint at day 0."""

    patient: Patient
    checkpoint: Checkpoint

    @classmethod
    def typical(cls, file: CircuitFile, parameters: ParameterSet) -> "StuckPatient":
        """The typical patient after the shipped stress and rest; InputError if it does not become stuck."""
        patient = typical_patient(file, parameters)
        checkpoint = get_stuck(patient, Treatment(UNTREATED))
        require_stuck(checkpoint, file, f"the patient of circuit {file.title!r}")
        return cls(patient, checkpoint)


def recovery_under(stuck: StuckPatient, exposure: Exposure, until_day: float) -> RecoveryCourse:
    """The recovery index from day 0 on; times of the exposure count from day 0."""
    circuit, days, recovery = stuck.patient.circuit, [0.0], [0.0]

    def note(hours: Floats, states: State) -> None:
        days.extend((hours / HOURS_A_DAY).tolist())
        whole, _ = settled_connectivities(circuit, states, exposure.reported_at(hours))
        recovery.extend(stuck.checkpoint.recovery(c) for c in whole.tolist())

    Engine(circuit, stuck.checkpoint.state).advance(exposure, until_day * HOURS_A_DAY, on_step=note)
    return RecoveryCourse(days, recovery)


def untreated_course(stuck: StuckPatient) -> RecoveryCourse:
    """The recovery index over five years without treatment."""
    return recovery_under(stuck, Constant(len(stuck.patient.circuit.regions)), YEARS_UNTREATED * 365.0)
