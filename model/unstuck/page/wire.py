# Not strict: numpy and pandas values of any type go to the browser.
# pyright: standard
"""What the canvas is told, as JSON: once what a patient is made of, at every wish the state of the controls,
and at every frame the neurons of all panels with the rows of their curves that the browser does not have yet.
"""

import json
from base64 import b64encode
from dataclasses import asdict, dataclass, field
from functools import cache

import numpy as np

from unstuck.circuit import CELL_TYPES
from unstuck.drugs.effects import HOURS_A_DAY
from unstuck.files.drug import DrugFile
from unstuck.files.treatment import Treatment, read, shipped
from unstuck.files.yaml import InputError
from unstuck.page.copies import PatientCopy, readout_ends
from unstuck.page.plan import LETTERS, MOST_NEURONS
from unstuck.page.prescribe import dose_times, doses_given
from unstuck.page.session import FASTEST_H_PER_S, Session, Snapshot

_FAR = 1e6  # days


@dataclass
class Received:
    """What the browser said it has: rows of each panel's curves, by the run they belong to."""

    rows: dict[int, int] = field(default_factory=dict)  # run -> count

    def note(self, runs: object) -> None:
        """Take over what an acknowledgement says; what makes no sense counts as nothing received."""
        pairs = runs if isinstance(runs, list) else []
        self.rows = {
            run: count
            for run, count in (p for p in pairs if isinstance(p, list) and len(p) == 2)
            if isinstance(run, int) and isinstance(count, int) and count >= 0
        }


def frame(snapshot: Snapshot, received: Received) -> str:
    """One moment of all panels."""
    panels = []
    for view in snapshot.panels:
        have = min(received.rows.get(view.run, 0), view.count)
        rows = [_short(row) for row in view.rows[have : view.count]]
        panels.append(
            {
                "run": view.run,
                "x": b64encode(view.activity).decode(),
                "now": _short(view.present),
                "stress": round(view.stress, 3),
                "stressed": [[_finite(first), _finite(last)] for first, last in view.stressed],
                "courses": [[c.regimen, *map(_finite, (c.first, c.last, c.asked))] for c in view.courses],
                "from": have,
                "rows": rows,
            }
        )
    detail = asdict(snapshot.detail) if snapshot.detail else None
    return json.dumps(
        {
            "n": snapshot.number,
            "day": round(snapshot.day, 5),
            "panels": panels,
            "picked": snapshot.picked,
            "detail": detail,
        },
        separators=(",", ":"),
    )


def meta(copies: list[PatientCopy]) -> str:
    """What each panel's circuit is made of."""
    return json.dumps([_circuit(copy) for copy in copies], separators=(",", ":"))


def controls(session: Session, treatments: list[str], drugs: list[str]) -> str:
    """State of everything the user can change."""
    wishes, plan = session.wishes, session.wishes.plan
    behind = session.behind if not wishes.fault else 0.0
    return json.dumps(
        {
            "playing": wishes.playing,
            "speed": wishes.speed_h_per_s,
            "fastest": FASTEST_H_PER_S,
            "goal": wishes.goal_day,
            "behind": round(behind, 1) if behind > 0.5 else 0,
            "first": session.first_day,
            "last": session.last_day,
            "seed": plan.seed,
            "patient": plan.patient,
            "neurons": plan.neurons,
            "most_neurons": MOST_NEURONS,
            "fault": wishes.fault,
            "notes": list(wishes.notes),
            "treatments": [[name, _title(name)] for name in treatments],
            "drugs": [[name, *_drug(name)] for name in drugs],
            "panels": [_panel(session, number) for number in range(len(plan.panels))],
            "link": session.link(with_day=False),
        },
        separators=(",", ":"),
    )


def _short(row: np.ndarray) -> list[float]:
    return [round(float(value), 4) if np.isfinite(value) else 0.0 for value in row]


def _finite(day: float) -> float:
    """A day as JSON can say it: what never comes is far away."""
    return round(min(max(day, -_FAR), _FAR), 4)


def _circuit(copy: PatientCopy) -> dict[str, object]:
    circuit, columns = copy.patient.circuit, copy.columns
    file, w = circuit.file, circuit.wiring
    ends = readout_ends(circuit, columns.plastic)
    return {
        "columns": columns.names,
        "regions": [{"id": r, "name": f.name, "at": f.position} for r, f in file.regions.items()],
        "populations": [
            {
                "id": name,
                "region": int(w.region[k]),
                "cells": list(CELL_TYPES).index(population.cells),
                "first": int(w.first[k]),
                "count": int(w.first[k + 1] - w.first[k]),
            }
            for k, (name, population) in enumerate(file.populations.items())
        ],
        "cells": list(CELL_TYPES),
        "bands": [
            {
                "id": circuit.projections[k],
                "from": int(w.region[circuit.populations.index(pre)]),
                "to": int(w.region[circuit.populations.index(post)]),
                "onto": file.populations[post].cells,
                "readout": circuit.projections[k] in file.roles.readout,
            }
            for k, (pre, post) in zip(columns.plastic, ends, strict=True)
        ],
        "overactive": file.roles.overactive,
    }


def _panel(session: Session, number: int) -> dict[str, object]:
    panel = session.wishes.plan.panels[number]
    treatment = session.treatment(number)
    given = doses_given(session.own_treatment(number))
    return {
        "letter": LETTERS[number].upper(),
        "treatment": panel.treatment,
        "title": treatment.file.title,
        "dose": panel.dose,
        "drug": given[0][0] if given else "",
        "usual": str(given[0][1] or "") if len(given) == 1 else "",  # where it can be set
        "doses": [[round(day, 4), drug, regimen] for day, drug, regimen in dose_times(treatment)],
        "hand": [[g.hour / HOURS_A_DAY, g.drug, g.dose] for g in panel.given],
        "own_drugs": [
            [name, file.title, str(file.usual_dose or "")]
            for name, file in session.own_treatment(number).drugs.items()
            if name not in shipped("drugs")
        ],
        "stressed": panel.under_stress,
    }


@cache
def _title(name: str) -> str:
    try:
        return Treatment(name).file.title
    except InputError:
        return name


@cache
def _drug(name: str) -> tuple[str, str]:
    """Title and usual dose of a shipped drug."""
    try:
        file, _ = read("drugs", name, DrugFile)
    except InputError:
        return name, ""
    return file.title, str(file.usual_dose or "")


def offered(kind: str, more: list[str]) -> list[str]:
    """Names on offer: given ones first, then what is shipped and can be read."""
    return list(dict.fromkeys([*more, *shipped(kind)]))
