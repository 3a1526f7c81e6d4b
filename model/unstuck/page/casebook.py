"""Treatments read, patients drawn, and how each became stuck: worked out once, used by every copy."""

from unstuck.files.find import cohort_path
from unstuck.files.treatment import Treatment
from unstuck.page.copies import PatientCopy, WayThere, live_to_day_0
from unstuck.page.plan import LETTERS, PanelPlan, Plan
from unstuck.page.prescribe import prescribed
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient, read_cohort
from unstuck.patient.simulation import checkpoint_key

Who = tuple[str, int, int, int]  # circuit, seed, patient, neurons


class Casebook:
    """What the copies of one session share."""

    def __init__(self) -> None:
        self._treatments: dict[str, Treatment] = {}
        self._prescribed: dict[PanelPlan, Treatment] = {}
        self._patients: dict[Who, Patient] = {}
        self._ways: dict[tuple[Who, str], WayThere] = {}

    def treatment(self, name: str) -> Treatment:
        """A treatment as its file has it (InputError if there is none of that name)."""
        if name not in self._treatments:
            self._treatments[name] = Treatment(name)
        return self._treatments[name]

    def prescribed(self, panel: PanelPlan) -> Treatment:
        """A panel's treatment with what was chosen and done by hand; ValueError where it makes no sense."""
        if panel not in self._prescribed:
            treatment = prescribed(self.treatment(panel.treatment), panel)
            recent = list(self._prescribed.items())[1 - 2 * len(LETTERS) :]
            self._prescribed = dict([*recent, (panel, treatment)])
        return self._prescribed[panel]

    def copy(self, plan: Plan, panel: PanelPlan, *, healthy: bool) -> PatientCopy:
        """A new copy of the patient for one panel, stuck on day 0, or healthy before everything."""
        treatment = self.prescribed(panel)
        who = (treatment.circuit.model_dump_json(), plan.seed, plan.patient, plan.neurons)
        patient = self._patient(who, treatment)
        way = (who, checkpoint_key(treatment))
        if way not in self._ways:
            self._ways[way] = live_to_day_0(patient, treatment)
        return PatientCopy(patient, panel, treatment, self._ways[way], healthy=healthy)

    def forget_patients(self) -> None:
        """Let go of patients that are not asked for any more."""
        self._patients.clear()
        self._ways.clear()

    def _patient(self, who: Who, treatment: Treatment) -> Patient:
        if who not in self._patients:
            _, seed, index, neurons = who
            self._patients[who] = draw_patient(
                treatment.circuit,
                default_parameters(),
                read_cohort(cohort_path()),
                seed=seed,
                index=index,
                neurons=neurons,
            )
        return self._patients[who]
