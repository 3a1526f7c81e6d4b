"""Treatments from a dosing table: a NONMEM-style event table becomes one treatment file per patient.

TIME is in hours after day 0 and AMT in mg. Read are ID, TIME, AMT, EVID, ADDL, II, RATE and WT (kg); other
columns are ignored, and `.` means that there is no value. Refused by name are SS, RATE below 0, and EVID 3
and 4, because a patient of this model cannot start at steady state or be reset.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, isfinite
from pathlib import Path

from unstuck.errors import InputError
from unstuck.files.drug import DrugFile
from unstuck.files.find import read
from unstuck.files.schedule import MOST_DOSES
from unstuck.files.units import LONGEST_H

HOURS_A_WEEK = 168.0
SHORTEST_WEEKS = 12  # the usual length of the treatment phase
MOST_ROWS = 100_000


@dataclass(frozen=True)
class Event:
    """One dosing row: `doses` equal doses from `time_h` on, each over `over_h`, one per `every_h`."""

    patient: str
    time_h: float
    amount_mg: float
    doses: int
    every_h: float
    over_h: float
    weight_kg: float | None

    @property
    def end_h(self) -> float:
        """Hour at which the last dose is over."""
        return self.time_h + max(self.doses * self.every_h if self.doses > 1 else 1.0, self.over_h)


def read_events(path: Path) -> dict[str, list[Event]]:
    """Dosing rows by patient; InputError with every fault, each with its line and column."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise InputError(f"{path}: this table cannot be read: {fault}") from None
    rows = list(csv.reader(io.StringIO(text)))
    columns = [name.strip().lstrip("#").upper() for name in rows[0]] if rows else []
    if missing := [name for name in ("TIME", "AMT") if name not in columns]:
        raise InputError(f"{path}:1: there is no column {missing[0]} (columns: {', '.join(columns)})")
    if len(rows) > MOST_ROWS:
        raise InputError(f"{path}: {len(rows)} rows: at most {MOST_ROWS}")
    events: dict[str, list[Event]] = {}
    faults: list[str] = []
    for line, row in enumerate(rows[1:], 2):
        try:
            event = _event(dict(zip(columns, row, strict=False))) if any(row) else None
        except ValueError as fault:
            faults.append(f"{path}:{line}:{fault}")
        else:
            if event is not None:
                events.setdefault(event.patient, []).append(event)
    if faults:
        raise InputError("\n".join(faults[:20]))
    if not events:
        raise InputError(f"{path}: this table has no dose (a row with EVID 1 and an AMT)")
    return events


def _event(cells: Mapping[str, str]) -> Event | None:
    """The dosing event of a row; None for an observation."""
    numbers = {name: _number(name, text) for name, text in cells.items() if name in _READ}
    given = {name: number for name, number in numbers.items() if number is not None}
    amount, kind = given.get("AMT", 0.0), given.get("EVID")
    kind = (1.0 if amount else 0.0) if kind is None else kind
    if kind in (3, 4):
        meaning = "reset" if kind == 3 else "reset and dose"
        raise ValueError(f"EVID: {kind:g} ({meaning}) is not possible: a patient is never reset")
    if kind in (0, 2):
        return None
    if kind != 1:
        raise ValueError(f"EVID: must be 0, 1 or 2, not {kind:g}")
    if given.get("SS", 0.0):
        raise ValueError("SS: a start at steady state is not possible: write the doses before TIME as rows")
    if given.get("RATE", 0.0) < 0:
        raise ValueError("RATE: below 0 (a rate to be estimated) is not possible: write the rate in mg per h")
    return _checked(cells.get("ID", "").strip(), given)


def _checked(patient: str, given: Mapping[str, float]) -> Event:
    time_h, amount, every_h, more = (given.get(name, 0.0) for name in ("TIME", "AMT", "II", "ADDL"))
    if not 0 <= time_h <= LONGEST_H:
        raise ValueError(f"TIME: must be 0 h or more, at most 100 years, not {time_h:g}")
    if amount <= 0:
        raise ValueError(f"AMT: a dose is more than 0 mg, not {amount:g}")
    if more < 0 or more != int(more) or more >= MOST_DOSES:
        raise ValueError(f"ADDL: must be a whole number from 0 to {MOST_DOSES - 1}, not {more:g}")
    if more and every_h <= 0:
        raise ValueError(f"II: {more:g} additional doses need an interval of more than 0 h, not {every_h:g}")
    weight = given.get("WT")
    if weight is not None and weight <= 0:
        raise ValueError(f"WT: a weight is more than 0 kg, not {weight:g}")
    over_h = amount / given["RATE"] if given.get("RATE") else 0.0
    return Event(patient, time_h, amount, int(more) + 1, every_h, over_h, weight)


_READ = ("TIME", "AMT", "EVID", "ADDL", "II", "RATE", "SS", "WT")


def _number(name: str, text: str) -> float | None:
    """The number in a cell; None for an empty cell or `.`."""
    text = text.strip()
    if text in ("", "."):
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        raise ValueError(f"{name}: must be a number, not {text[:40]!r}")
    return number


def treatments_from(path: Path, drug_name: str, name: str) -> dict[Path, str]:
    """Texts of the files that a dosing table becomes, by path.

    One patient gives NAME.yaml. Several give NAME/ID.yaml and the study NAME.yaml of them.
    """
    drug, _ = read("drugs", drug_name, DrugFile)
    by_patient = read_events(path)
    if drug.usual_dose is None:
        raise InputError(f"{drug_name} has no usual dose, so that AMT has no meaning for it")
    if not drug.takes_time and any(event.over_h for events in by_patient.values() for event in events):
        raise InputError(f"{path}: RATE: {drug_name} is given at once; only an infusion has a rate")
    if len(by_patient) == 1:
        (patient, events), *_ = by_patient.items()
        return {Path(f"{name}.yaml"): _treatment(name, path, patient, drug_name, drug, events)}
    files = {
        Path(name) / f"{_file_name(patient)}.yaml": _treatment(
            f"{name}, patient {patient}", path, patient, drug_name, drug, events
        )
        for patient, events in by_patient.items()
    }
    study = f"title: {name}\nquestion: The patients of {path.name}, each with the own doses.\n"
    study += f"treatments: [{name}/*.yaml]\npatients: 16\ndesign: list\npoints: [{{}}]\n"
    return {**files, Path(f"{name}.yaml"): study}


def _file_name(patient: str) -> str:
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in patient)
    return f"patient-{kept or 'unnamed'}"


def _treatment(
    title: str, path: Path, patient: str, drug_name: str, drug: DrugFile, events: list[Event]
) -> str:
    weight = next((event.weight_kg for event in events if event.weight_kg), None)
    whose = f"Doses of patient {patient}" if patient else "Doses"
    about = f"{whose} in {path.name}." + (f" Body weight {weight:g} kg." if weight else "")
    weeks = max(SHORTEST_WEEKS, ceil(max(event.end_h for event in events) / HOURS_A_WEEK))
    lines = [f"title: {title}", f"description: {about}", "extends: untreated", "phases:", "  treatment:"]
    lines += [f"    for: {weeks} weeks", "    drugs:"]
    lines += [f"      - {{{', '.join(_regimen(event, drug_name, drug))}}}" for event in events]
    return "\n".join(lines) + "\n"


def _regimen(event: Event, drug_name: str, drug: DrugFile) -> Iterator[str]:
    """The keys of one regimen; a drug that is dosed by weight gets mg per kg of the patient's weight."""
    yield f"drug: {drug_name}"
    if drug.usual_dose and drug.usual_dose.per_kg and event.weight_kg:
        yield f"dose: {event.amount_mg / event.weight_kg:.12g} mg/kg"
    else:
        yield f"dose: {event.amount_mg:.12g} mg"
    if event.time_h:
        yield f"from: {event.time_h:.12g} h"
    if event.doses > 1:
        yield f"every: {event.every_h:.12g} h"
        yield f"for: {event.doses * event.every_h:.12g} h"
    else:
        yield "on_days: [0]"
    if event.over_h:
        yield f"over: {event.over_h:.12g} h"
