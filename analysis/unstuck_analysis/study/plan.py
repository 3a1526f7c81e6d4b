"""The plan of a study: every run with a name made of its content, and the order in which runs are best done.

run_id names what a run reads (resolved scenario, parameters, patient, model version) and seeds nothing: the
random streams are those of patient.py. Rows that read the same, as untreated patients at two doses of a drug,
have one name and are run once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TYPE_CHECKING, Any

import pandas as pd
from unstuck.errors import InputError
from unstuck.files.treatment import TreatmentFile, what_is_given
from unstuck.files.units import HOURS_A_DAY
from unstuck.files.yaml import Key, Places

from unstuck_analysis.study.vary import Settings, Variation, digest

if TYPE_CHECKING:
    from unstuck_analysis.study.file import StudyInputs

ENDPOINT = "treatment.endpoint_day"
FIRST_COLUMNS = ["run_id", "point", "treatment", "seed", "patient", "group"]
_GROUP = FIRST_COLUMNS.index("group")


@dataclass(frozen=True)
class PlannedRun:
    """One patient at one point under one treatment."""

    run_id: str
    treatment: str
    patient: int
    settings: Settings


@dataclass(frozen=True)
class RunPlan:
    """Every run as a table: FIRST_COLUMNS, and a column for everything that varies, in the unit of its knob.

    Rows of one group share their patient, so that they are best done one after the other.
    """

    table: pd.DataFrame
    fixed: Settings

    @property
    def paths(self) -> list[str]:
        """What varies between points."""
        return list(self.table.columns[len(FIRST_COLUMNS) :])

    def settings(self, point: Iterable[tuple[str, float]]) -> Settings:
        """All settings of a point: what is fixed, and the values of what varies (NaN: as in the files)."""
        return self.fixed + tuple((path, float(value)) for path, value in point if not isnan(value))

    def runs(self) -> list[PlannedRun]:
        """Runs to do, each once, in the best order."""
        ordered = self.table.drop_duplicates("run_id").sort_values("group", kind="stable")
        numbers = ordered[self.paths].to_numpy(dtype=float)
        return [
            PlannedRun(run_id, treatment, int(patient), self.settings(zip(self.paths, row, strict=True)))
            for run_id, treatment, patient, row in zip(
                ordered.run_id, ordered.treatment, ordered.patient, numbers, strict=True
            )
        ]


def make_plan(
    inputs: "StudyInputs", points: Sequence[Settings], variation: Variation, places: Places
) -> RunPlan:
    """Name every run of a study; InputError where a point makes a file that is refused."""
    file, names = inputs.study, list(inputs.basis.arms)
    rows: list[tuple[Any, ...]] = []
    for number, settings in enumerate(points):
        values = dict(settings)
        varied = [values.get(path, float("nan")) for path in file.paths]
        for position, name in enumerate(names):
            try:
                run_inputs = variation.inputs_of(name, settings)
                if ENDPOINT in values:
                    _check_endpoint(run_inputs.treatment.file)
            except ValueError as fault:
                key = _key_at_fault(variation, name, settings, number if file.points else None)
                raise places.error(key, f"at point {number} ({_told(settings)}), {name}: {fault}") from None
            first = 0 if file.paired else file.patients * (number * len(names) + position)
            for patient in range(first, first + file.patients):
                who = (str(file.seed), str(patient))
                run_id = digest(inputs.model, run_inputs.digest, *who, *filter(None, [inputs.conduct]))
                group = (patient, run_inputs.patient_digest)
                rows.append((run_id, number, name, file.seed, patient, group, *varied))
    if equal := _equal_by_variation(names, points, variation):
        told = f"{equal[0]} and {equal[1]} differ in their files, but are the same treatment at every point"
        raise places.error(("vary",), f"{told}: what varies replaces their difference; leave one out")
    table = pd.DataFrame(rows, columns=pd.Index([*FIRST_COLUMNS, *file.paths]))
    table["group"] = _ranks([row[_GROUP] for row in rows])
    return RunPlan(table, tuple(pair for pair in points[0] if pair[0] in file.fixed))


def _equal_by_variation(
    names: Sequence[str], points: Sequence[Settings], variation: Variation
) -> tuple[str, str] | None:
    """Two treatments that the points make equal, as when a varied dose replaces all in which they differ."""

    def given(arm: str, settings: Settings) -> str:
        run_inputs = variation.inputs_of(arm, settings)
        return (
            what_is_given(run_inputs.treatment.file, run_inputs.treatment.drugs) + run_inputs.patient_digest
        )

    first_with: dict[str, str] = {}
    for name in names if points else ():
        other = first_with.setdefault(given(name, points[0]), name)
        if other == name or given(name, ()) == given(other, ()):
            continue
        if all(given(name, point) == given(other, point) for point in points[1:]):
            return other, name
    return None


def _key_at_fault(variation: Variation, arm: str, settings: Settings, point: int | None) -> Key:
    """The key that a refused point comes from: its entry in `points`, or the first path that fails alone."""
    if point is not None:
        return "points", point
    for path, number in settings:
        try:
            variation.inputs_of(arm, ((path, number),))
        except ValueError:
            return "vary", path
    return "vary", settings[-1][0] if settings else ""


def _check_endpoint(file: TreatmentFile) -> None:
    """InputError for an endpoint (also the usual one) that a study asks for and no run reaches."""
    last_day = (file.end_h - file.day_0_h + file.follow_up) / HOURS_A_DAY
    if file.endpoint_day > last_day + 1e-9:
        raise InputError(
            f"{ENDPOINT}: day {file.endpoint_day:g} is after the run, which ends on day {last_day:g}"
        )


def _ranks(groups: Sequence[tuple[int, str]]) -> list[int]:
    """Groups as numbers: by patient, then by first appearance."""
    first_seen = {group: number for number, group in reversed(list(enumerate(groups)))}
    ordered = sorted(first_seen, key=lambda group: (group[0], first_seen[group]))
    ranks = {group: rank for rank, group in enumerate(ordered)}
    return [ranks[group] for group in groups]


def _told(settings: Settings) -> str:
    return ", ".join(f"{path} = {number:g}" for path, number in settings) or "nothing varied"
