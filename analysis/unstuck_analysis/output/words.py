"""Times, regimens, laws and targets of files, in words."""

from collections.abc import Iterable, Mapping

from unstuck.files.drug import Action, DrugFile
from unstuck.files.treatment import Condition, Phase, Regimen, TreatmentFile, dosing_notes, what_is_given

_UNITS_H = {"week": 168.0, "day": 24.0, "h": 1.0}


def time_in_words(hours: float) -> str:
    """A time in its largest whole unit: 2016 h is '12 weeks', 36 h is '36 h', 0.5 h is '30 min'."""
    for unit, length_h in _UNITS_H.items():
        if hours >= length_h and (hours / length_h).is_integer():
            count = f"{hours / length_h:.0f} {unit}"
            return f"{count}s" if hours > length_h and unit != "h" else count
    return f"{hours:g} h" if hours >= 1 else f"{60 * hours:g} min"


def regimen_in_words(regimen: Regimen, drug: DrugFile) -> str:
    """One drug of a phase: '20 mg ssri-like every day for 12 weeks'."""
    parts = [f"{regimen.dose or drug.usual_dose or ''} {regimen.drug}".strip()]
    if regimen.on_days is not None:
        days = ", ".join(f"{day:g}" for day in regimen.on_days)
        parts.append(f"on day{'s' if len(regimen.on_days) > 1 else ''} {days}")
    elif regimen.every and regimen.lasting:
        every = time_in_words(regimen.every).removeprefix("1 ")
        parts.append(f"every {every} for {time_in_words(regimen.lasting)}")
    over_h = drug.usual_over if regimen.over is None else regimen.over
    if over_h:
        parts.append(f"over {time_in_words(over_h)}")
    if regimen.starting:
        parts.append(f"from day {regimen.starting / 24:g} of the phase")
    if regimen.taper_over:
        parts.append(f"then tapered over {time_in_words(regimen.taper_over)}")
    if regimen.when:
        parts.append(f"if {_condition_in_words(regimen.when)}")
    if regimen.stop_when:
        parts.append(f"stopped if {_condition_in_words(regimen.stop_when)}")
    return ", ".join([" ".join(parts[:2]), *parts[2:]])


def _condition_in_words(condition: Condition) -> str:
    if condition.recovery_below is not None:
        return f"R is below {condition.recovery_below:g} on day {condition.day:g} of the phase"
    return f"R is at least {condition.recovery_at_least:g} on day {condition.day:g} of the phase"


def stress_in_words(phase: Phase) -> str:
    """Constant stress of a phase, bouts of more, and life events."""
    parts = [f"{phase.stress:g}"] if phase.stress else []
    for bout in phase.bouts:
        parts.append(f"{bout.stress:g} from day {bout.starting / 24:g} for {time_in_words(bout.lasting)}")
    if phase.life_events:
        parts.append("the patient's life events")
    return ", ".join(parts) or "none"


def schedule_of(file: TreatmentFile) -> str:
    """What a treatment does, as a heading to list it under."""
    regimens = [regimen for phase in file.phases.values() for regimen in phase.drugs]
    if not regimens:
        return "without a drug"
    if any(regimen.when or regimen.stop_when for regimen in regimens):
        return "with a condition"
    if len({regimen.drug for regimen in regimens}) > 1:
        return "several drugs"
    if all(regimen.on_days is not None for regimen in regimens):
        return "single doses"
    return "one drug every day" if len(regimens) == 1 else "one drug in several courses"


def notes_on(used: Mapping[str, Iterable[DrugFile]], *, limits: bool = False) -> list[str]:
    """Notes on the drugs of each treatment (by its title): effects that the model lacks, each once.

    limits: add what is not known about the drugs.
    """
    notes = [f"{title}: {note}" for title, drugs in used.items() for drug in drugs for note in drug.notes]
    if limits:
        all_drugs = [drug for drugs in used.values() for drug in drugs]
        notes += [f"{drug.title}: {drug.limits.strip()}" for drug in all_drugs if drug.limits]
    return list(dict.fromkeys(notes))


def dosing_notes_on(used: Iterable[tuple[TreatmentFile, Mapping[str, DrugFile]]]) -> list[str]:
    """Notes on doses that may be typing errors, and on treatments that are equal."""
    notes: list[str] = []
    first_with: dict[str, str] = {}
    for file, drugs in used:
        notes += [f"{file.title}: {note}" for note in dosing_notes(file, drugs)]
        first = first_with.setdefault(what_is_given(file, drugs), file.title)
        if first is not file.title:
            notes.append(f"{first} and {file.title} are the same treatment, so their numbers are equal")
    return list(dict.fromkeys(notes))


def law_in_words(action: Action) -> str:
    """How an action follows from doses."""
    if action.hill:
        return f"Hill curve of the concentration ({action.of})"
    if action.pulse:
        if action.pulse.peaks_after:
            return "rises after a dose to its peak, then fades"
        rises = "is formed after a dose" if action.pulse.appears else "starts with a dose"
        return f"{rises}, then decreases with a half-life"
    return "constant while taken"
