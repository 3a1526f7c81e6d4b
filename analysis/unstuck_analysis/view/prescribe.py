"""The treatment of one panel as a treatment file: the shipped file with the plan's dose, doses and stress.

The page simulates exactly this file, so that `unstuck run` on the saved file gives the same recovery.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path

import yaml
from unstuck.errors import InputError, choose
from unstuck.files.circuit import CircuitFile
from unstuck.files.treatment import Phase, Regimen, StressBout, Treatment, TreatmentFile, drug_for
from unstuck.files.units import BODY_WEIGHT_KG, HOURS_A_DAY, DoseAmount

from unstuck_analysis.view.plan import AddedStress, GivenDose, Lesion, PanelPlan, Plan

HIGHEST_TIMES_USUAL = 20.0  # far above any study


def treated_phases(file: TreatmentFile) -> Iterator[tuple[str, Phase]]:
    """Yield name and phase of every phase from day 0 on."""
    names = list(file.phases)
    for name in names[names.index(file.day_0) :]:
        yield name, file.phases[name]


def doses_given(treatment: Treatment) -> list[tuple[str, DoseAmount | None]]:
    """List drug and dose (None where a drug has no dose) given from day 0 on, each pair once."""
    given: dict[tuple[str, float], DoseAmount | None] = {}
    for _, phase in treated_phases(treatment.file):
        for regimen in phase.drugs:
            dose = regimen.dose or treatment.drugs[regimen.drug].usual_dose
            given.setdefault((regimen.drug, dose.mg(BODY_WEIGHT_KG) if dose else 0.0), dose)
    return [(drug, dose) for (drug, _), dose in given.items()]


def checked_dose(treatment: Treatment, drug: str, text: str) -> DoseAmount:
    """Read a dose of a drug. Raises ValueError with the allowed range."""
    dose = DoseAmount.parse(text)
    file = treatment.drugs.get(drug) or drug_for(treatment.circuit, drug, treatment.path)
    times = file.relative_dose(dose, BODY_WEIGHT_KG)
    if not 0.0 < times <= HIGHEST_TIMES_USUAL:
        raise ValueError(
            f"{text} is {times:g} times the usual dose of {drug} ({file.usual_dose});"
            f" the page allows more than 0 and at most {HIGHEST_TIMES_USUAL:g} times"
        )
    return dose


def prescribed(treatment: Treatment, plan: PanelPlan) -> Treatment:
    """Return the treatment with the plan's dose, doses and stress. Raises ValueError if impossible."""
    changed, file = copy(treatment), treatment.file
    changed.drugs = dict(treatment.drugs)
    phases = dict(file.phases)
    if plan.dose:
        _set_dose(treatment, phases, plan.dose)
    for given in plan.given:
        name, since_h = _phase_at(file, given.hour)
        regimen = _once(treatment, given, since_h)
        phases[name] = phases[name].model_copy(update={"drugs": [*phases[name].drugs, regimen]})
        if given.drug not in changed.drugs:
            changed.drugs[given.drug] = drug_for(treatment.circuit, given.drug, treatment.path)
    for stretch in plan.stress:
        name, since_h = _phase_at(file, stretch.start_hour)
        lasting_h = _lasting_h(file, stretch)
        bout = StressBout.model_validate({"from": f"{since_h:g} h", "for": f"{lasting_h:g} h", "stress": 1.0})
        phases[name] = phases[name].model_copy(update={"bouts": [*phases[name].bouts, bout]})
    for lesion in plan.lesions:
        _phase_at(file, lesion.hour)
        choose(lesion.name, what_can_be(lesion.kind, treatment.circuit), f"name to {lesion.kind}")
    by_hand = ", changed by hand" if plan.changed else ""
    # Checked against the schema again, so that the page shows only what a file can hold.
    whole = file.model_copy(update={"phases": phases, "title": file.title + by_hand})
    whole = whole.model_dump(by_alias=True, mode="json")
    changed.file = TreatmentFile.model_validate(whole)
    return changed


def with_doses_times(treatment: Treatment, factor: float) -> Treatment:
    """Return the treatment with every dose from day 0 on times a factor, where a drug has a dose."""
    changed, phases = copy(treatment), dict(treatment.file.phases)
    for name, phase in treated_phases(treatment.file):
        drugs = list[Regimen]()
        for regimen in phase.drugs:
            dose = regimen.dose or treatment.drugs[regimen.drug].usual_dose
            larger = (
                replace(dose, amount=factor * dose.amount, text="")
                if dose and factor != 1.0
                else regimen.dose
            )
            drugs.append(regimen.model_copy(update={"dose": larger}))
        phases[name] = phase.model_copy(update={"drugs": drugs})
    changed.file = treatment.file.model_copy(update={"phases": phases})
    return changed


def possible_part(treatment: Treatment, plan: PanelPlan) -> tuple[PanelPlan, list[str]]:
    """Return the plan without the parts that this treatment does not allow, and the reason for each part."""
    possible, impossible = PanelPlan(plan.treatment), list[str]()
    steps = [{"dose": plan.dose}] if plan.dose else []
    steps += [{"given": (given,)} for given in plan.given]
    steps += [{"stress": (stretch,)} for stretch in plan.stress]
    steps += [{"lesions": (lesion,)} for lesion in plan.lesions]
    for step in steps:
        (name, value), *_ = step.items()
        changed = replace(possible, **{name: getattr(possible, name) + value})
        try:
            prescribed(treatment, changed)
        except ValueError as fault:
            impossible.append(str(fault))
        else:
            possible = changed
    return possible, impossible


def what_can_be(kind: str, circuit: CircuitFile) -> list[str]:
    """Regions that can be silenced, or plastic projections (bundles) that can be cut."""
    if kind == "silence":
        return list(circuit.regions)
    return [name for name, projection in circuit.projections.items() if projection.plastic]


def as_yaml(treatment: Treatment, plan: Plan, lesions: Sequence[Lesion] = ()) -> str:
    """Write the treatment file; its first lines give the `unstuck run` command that reproduces the copy.

    A treatment file cannot hold lesions; a comment names each of them.
    """
    content = treatment.file.model_dump(by_alias=True, mode="json", exclude_defaults=True)
    command = f"--patient {plan.patient} --seed {plan.seed} --neurons {plan.neurons}"
    lines = [f"# The same patient: unstuck run THIS_FILE.yaml {command}"]
    own = [name for name in treatment.drugs if Path(name).suffix or Path(name).parent != Path()]
    lines += [f"# Needs the drug file {name} in the same folder." for name in own]
    lines += [f"# Only on the page: {one.kind} {one.name} from hour {one.hour} on." for one in lesions]
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return "\n".join([*lines, text])


def dose_times(treatment: Treatment) -> list[tuple[float, str, int]]:
    """List day, drug and regimen of every dose planned from day 0 on, as if all conditions were met.

    Regimens are numbered as in `Life`: all regimens of the file, in order.
    """
    file = treatment.file
    regimens = [(name, regimen) for name, phase in file.phases.items() for regimen in phase.drugs]
    treated = {name for name, _ in treated_phases(file)}
    return sorted(
        ((dose.time_h - file.day_0_h) / HOURS_A_DAY, regimen.drug, number)
        for number, (name, regimen) in enumerate(regimens)
        if name in treated
        for dose in regimen.doses(file.start_h(name), 1.0)
    )


def _set_dose(treatment: Treatment, phases: dict[str, Phase], text: str) -> None:
    given = doses_given(treatment)
    if len(given) != 1:
        doses = ", ".join(f"{drug} {dose}" for drug, dose in given) or "no drug"
        raise ValueError(
            f"{treatment.name} gives {doses}; a dose can be set only where one drug is given in one dose"
        )
    dose = checked_dose(treatment, given[0][0], text)
    for name, phase in treated_phases(treatment.file):
        drugs = [regimen.model_copy(update={"dose": dose}) for regimen in phase.drugs]
        phases[name] = phase.model_copy(update={"drugs": drugs})


def _once(treatment: Treatment, given: GivenDose, since_h: float) -> Regimen:
    dose = str(checked_dose(treatment, given.drug, given.dose)) if given.dose else None
    once = {"drug": given.drug, "dose": dose, "from": f"{since_h:g} h", "on_days": [0.0]}
    return Regimen.model_validate(once)


def _phase_at(file: TreatmentFile, hour: float) -> tuple[str, float]:
    """The phase at an hour after day 0, and the hours since its start."""
    for name, phase in treated_phases(file):
        since_h = file.day_0_h + hour - file.start_h(name)
        if since_h < phase.lasting:
            return name, since_h
    last_day = (file.end_h - file.day_0_h) / HOURS_A_DAY
    raise InputError(f"this treatment ends on day {last_day:g}, before day {hour / 24:g}")


def _lasting_h(file: TreatmentFile, stretch: AddedStress) -> float:
    end_h = file.end_h - file.day_0_h if stretch.end_hour is None else float(stretch.end_hour)
    return max(1.0, end_h - stretch.start_hour)
