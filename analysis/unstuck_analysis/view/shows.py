"""What the page plays: a plan with its recordings.

A show is what a page needs in order to present a plan: copies with their titles, doses and commands, the
days that it covers, and the key of the recording of every copy.
"""

import gzip
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unstuck.files.find import shipped

from unstuck_analysis.view.cases import (
    Cases,
    about_drug,
    about_treatment,
    days_to_day_0,
    mean_field_of,
    recording_key,
    treatment,
)
from unstuck_analysis.view.plan import LETTERS, Note, Plan, to_query
from unstuck_analysis.view.prescribe import as_yaml, doses_given, prescribed
from unstuck_analysis.view.recording import Recorder, encode, header, last_day


@dataclass(frozen=True)
class Show:
    """A plan, the day on which it opens, and the last day that is recorded."""

    plan: Plan
    day: float
    until: float
    notes: tuple[Note, ...] = ()

    @property
    def keys(self) -> list[str]:
        """Keys of the recordings of all copies."""
        return [recording_key(self.plan, panel, self.until) for panel in self.plan.panels]

    def about(self) -> dict[str, object]:
        """What the page must know of this show, ready for JSON."""
        plan = self.plan
        copies = [_copy(plan, number, key) for number, key in enumerate(self.keys)]
        return {
            "seed": plan.seed,
            "patient": plan.patient,
            "neurons": plan.neurons,
            "query": to_query(plan),
            "day": self.day,
            "first": min(-days_to_day_0(plan, panel) for panel in plan.panels),
            "last": self.until,
            "notes": [str(note) for note in self.notes],
            "panels": copies,
            "meanFields": _mean_fields(plan),
        }


def show_of(plan: Plan, day: float = 0.0, notes: Sequence[Note] = (), until: float | None = None) -> Show:
    """Make a show of a plan, until the first of its treatments ends or until a given day."""
    last = last_day([treatment(panel.treatment, plan.circuit) for panel in plan.panels])
    return Show(plan, day, last if until is None else min(until, last), tuple(notes))


def _mean_fields(plan: Plan) -> list[dict[str, object]]:
    """The mean-field of every copy; circuit and noise are left out where they are those of the first copy."""
    given = [mean_field_of(plan, panel) for panel in plan.panels]
    shared = {key: given[0][key] for key in ("circuit", "noise")}
    return [given[0], *({k: v for k, v in one.items() if shared.get(k) != v} for one in given[1:])]


def _copy(plan: Plan, number: int, key: str) -> dict[str, object]:
    panel = plan.panels[number]
    own = treatment(panel.treatment, plan.circuit)
    given = doses_given(own)
    return {
        "letter": LETTERS[number].upper(),
        "key": key,
        "treatment": panel.treatment,
        "title": own.file.title,
        "changed": panel.changed,
        "dose": panel.dose,
        "usual": str(given[0][1] or "") if len(given) == 1 else "",  # empty where it cannot be set
        "drug": given[0][0] if given else "",
        "give": [[g.hour, g.drug, g.dose] for g in panel.given],
        "stress": [[s.start_hour, s.end_hour] for s in panel.stress],
        "lesions": [[lesion.hour, lesion.kind, lesion.name] for lesion in panel.lesions],
        "drugs": [
            [name, file.title, str(file.usual_dose or "")]
            for name, file in own.drugs.items()
            if name not in shipped("drugs")
        ],
        "command": command_for(plan, number),
    }


def command_for(plan: Plan, number: int) -> str:
    """Return the command that runs one copy without the page."""
    panel = plan.panels[number]
    name = scenario_name(plan, number) if panel.changed else panel.treatment
    own = f" --circuit {plan.circuit}" if plan.circuit and not panel.changed else ""  # a saved file names it
    return f"unstuck run {name} --patient {plan.patient} --seed {plan.seed} --neurons {plan.neurons}{own}"


def scenario_name(plan: Plan, number: int) -> str:
    """Name of the treatment file that the page saves for one copy."""
    return f"unstuck-{LETTERS[number]}-{Path(plan.panels[number].treatment).stem}.yaml"


def scenario(plan: Plan, number: int) -> tuple[str, str]:
    """Name and text of the treatment file of one copy. Raises IndexError if there is no such copy."""
    panel = plan.panels[number]
    given = prescribed(treatment(panel.treatment, plan.circuit), panel)
    return scenario_name(plan, number), as_yaml(given, plan, panel.lesions)


def offer(cases: Cases) -> dict[str, object]:
    """Everything that the page offers for choice, ready for JSON."""
    return {
        "treatments": [[name, *about_treatment(name)] for name in cases.treatments],
        "drugs": [[name, *about_drug(name)] for name in cases.drugs()],
    }


def record(cases: Cases, show: Show) -> dict[str, dict[str, object]]:
    """Record all copies of a show to the end: header and compressed frames by key, ready for JSON."""
    recordings: dict[str, dict[str, object]] = {}
    for key, panel in zip(show.keys, show.plan.panels, strict=True):
        recorder = cases.recorder(show.plan, panel)
        for day in blocks(show.until):
            recorder.advance(day)
        recordings[key] = {"header": header(recorder), "frames": _packed(recorder, key)}
    return recordings


def blocks(until: float, days: float = 7.0) -> list[float]:
    """Days at which a recording is handed over: every week, and the last day."""
    return [days * (k + 1) for k in range(int(until / days - 1e-9))] + ([until] if until > 0 else [])


def _packed(recorder: Recorder, key: str) -> str:
    return b64encode(gzip.compress(encode(recorder, key, done=True), mtime=0)).decode()
