"""Simulate the courses that findings are read from. Groups of patients are stored, so a stopped run resumes.

Every patient: healthy circuit, stress, rest (the checkpoint), then every treatment from that checkpoint. Days
count from the start of the treatment. A stored group is named by a digest of its inputs and of the model.
Source: model description, sections 14 and 15.
"""

import io
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from unstuck import version
from unstuck.engine.readouts import Reading
from unstuck.engine.step import Engine
from unstuck.errors import InputError
from unstuck.files.cohort import read_cohort
from unstuck.files.find import cohort_path, shipped_folders
from unstuck.files.treatment import Treatment
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import Checkpoint, Life, checkpoint_key
from unstuck.state import State

from unstuck_analysis.evidence.courses import RECOVERED, STUCK, Cohort, Course, Floats
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.study.processes import LOST, in_processes

FOREBRAIN = ("mPFC", "HPC", "NAc", "AMY")
ACTIVITY, SEROTONIN = ("mPFC_P", "mPFC_I", "AMY_P", "DRN_S"), ("mPFC", "HPC", "DRN")
SERIES = (
    *("connectivity", "recovery", "structural_recovery", "functional_recovery"),
    *("trkb_principal", "serotonin_forebrain"),
    *(f"serotonin_{region}" for region in SEROTONIN),
    *(f"activity_{population}" for population in ACTIVITY),
)
FIRST_HOURS = {
    "ketamine-once": (*(minute / 60 for minute in (10, 20, 30, 40, 50, 60)), 4.0),
    "ketamine-once-7d": (4.0, 8.0, 12.0, 16.0),
}
FUNCTION_HOUR = 4.0  # functional recovery is read then
SMALL_KNOCK = "small-knock"  # a healthy circuit whose plastic strengths are all multiplied by `KNOCK`
KNOCK = 0.9
COURSE = "ssri-84d"  # simulated once; these go on from its end, in patients who have recovered by then
AFTER_COURSE = ("ssri-84d-off-120d", "ssri-84d-stop-year", "ssri-84d-continue-year")
GROUP = 10  # patients per stored file


@dataclass(frozen=True)
class Group:
    """Patients that one process simulates.

    neurons: 0 for the mean-field; drawn: whether they differ (False: the typical patient); values: parameters
    that are not the shipped ones; folder: where the group is stored (None: nowhere).
    """

    patients: Sequence[int]
    treatments: Sequence[str]
    seed: int
    drawn: bool
    neurons: int = 0
    values: tuple[tuple[str, float], ...] = ()
    folder: Path | None = None

    @property
    def path(self) -> Path | None:
        """File of the group."""
        if self.folder is None:
            return None
        asked = (self.patients, self.treatments, self.seed, self.drawn, self.neurons, self.values)
        name = version.digest_of_texts(model_version(), _own_code(), cohort_path().read_text(), repr(asked))
        return self.folder / f"{'drawn' if self.drawn else 'typical'}-{self.patients[0]:05d}-{name[:16]}.npz"


def simulate(
    groups: Sequence[Group], workers: int, on_done: Callable[[Group], None] = lambda group: None
) -> Cohort:
    """The patients of all groups, in their order; groups that are stored already are only read."""
    found: dict[int, dict[str, Floats]] = {}
    missing = sum(group.path is None or not group.path.exists() for group in groups)
    with closing(in_processes(run_group, groups, max(1, min(workers, missing)))) as finished:
        for group, arrays in finished:
            # A worker that died took this group with it: it is simulated in this process.
            found[groups.index(group)] = run_group(group) if arrays is LOST else arrays  # pyright: ignore[reportArgumentType]
            on_done(group)
    return _cohort([found[number] for number in range(len(groups))], groups[0].treatments)


def groups_of(patients: int, template: Group) -> list[Group]:
    """Patients 0 to `patients` - 1 in groups like the template."""
    starts = range(0, patients, GROUP)
    return [replace(template, patients=range(start, min(start + GROUP, patients))) for start in starts]


def run_group(group: Group) -> dict[str, Floats]:
    """Arrays by treatment (patients, rows, 1 + series), the day first, and by `draw NAME` (patients,)."""
    path = group.path
    if path is not None and path.exists():
        with np.load(io.BytesIO(path.read_bytes())) as stored:
            return dict(stored)
    arrays = _run_patients(group)
    if path is not None:
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **arrays)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, file.getvalue())
    return arrays


def _run_patients(group: Group) -> dict[str, Floats]:
    parameters = default_parameters().with_values(**dict(group.values))
    circuit = treatment_file("untreated-84d").circuit
    cohort = read_cohort(cohort_path()) if group.drawn else None
    patients = [
        draw_patient(circuit, parameters, cohort, seed=group.seed, index=index, neurons=group.neurons)
        for index in group.patients
    ]
    lives = [patient_courses(patient, group.treatments) for patient in patients]
    arrays = {name: _stacked([life.get(name) for life in lives]) for name in group.treatments}
    draws = {f"draw {name}": [patient.draws[name] for patient in patients] for name in patients[0].draws}
    return arrays | {name: np.array(values) for name, values in draws.items()}


def _stacked(courses: Sequence[Floats | None]) -> Floats:
    """Courses (patients, rows, 1 + series); NaN for a patient without it, no rows if every patient is."""
    known = next((course for course in courses if course is not None), np.empty((0, 1 + len(SERIES))))
    return np.array([np.full_like(known, np.nan) if course is None else course for course in courses])


def _cohort(arrays: Sequence[dict[str, Floats]], treatments: Sequence[str]) -> Cohort:
    courses: dict[str, Course] = {}
    for name in treatments:
        parts = [each[name] for each in arrays]
        rows = max(part.shape[1] for part in parts)
        if rows == 0:  # no patient has this course: every reading of it is NaN
            days, rows = np.array([0.0, np.inf]), 2
        else:
            known = next(part for part in parts if part.shape[1])
            days = np.nanmax(known[:, :, 0], axis=0)
        whole = np.concatenate(
            [part if part.shape[1] else np.full((len(part), rows, part.shape[2]), np.nan) for part in parts]
        )
        courses[name] = Course(days, dict(zip(SERIES, np.moveaxis(whole, 2, 0)[1:], strict=True)))
    draws = [name for name in arrays[0] if name.startswith("draw ")]
    drawn = {name.removeprefix("draw "): np.concatenate([each[name] for each in arrays]) for name in draws}
    return Cohort(courses, drawn, np.arange(sum(len(each[treatments[0]]) for each in arrays)))


def patient_courses(patient: Patient, treatments: Sequence[str]) -> dict[str, Floats]:
    """Rows (rows, 1 + series) of every treatment that applies to a patient.

    Treatments after stress and rest need a stuck patient, those after the SSRI course a recovered one.
    """
    courses: dict[str, Floats] = {}
    checkpoints: dict[str, Checkpoint] = {}
    end_of_course: State | None = None
    for name in sorted(treatments, key=lambda name: name in AFTER_COURSE):
        life = _life(patient, name, checkpoints)
        if "rest" in life.treatment.file.phases and life.present().connectivity > STUCK:
            continue
        if name in AFTER_COURSE:
            if end_of_course is None or courses[COURSE][-1, 1 + SERIES.index("recovery")] < RECOVERED:
                continue
            day_0_h = life.treatment.file.day_0_h
            hour = day_0_h + _course_days() * HOURS_A_DAY
            life.engine = Engine(patient.circuit, end_of_course, hour, life.accuracy, day_0_h)
        courses[name] = _rows(life, name)
        if name == COURSE:
            end_of_course = life.state
    return courses


def _course_days() -> float:
    file = treatment_file(COURSE).file
    return file.phases[file.day_0].lasting / HOURS_A_DAY


def _life(patient: Patient, name: str, checkpoints: dict[str, Checkpoint]) -> Life:
    """A patient on day 0 of a treatment; treatments with the same way to day 0 share it."""
    treatment = treatment_file("healthy" if name == SMALL_KNOCK else name)
    if name == SMALL_KNOCK:
        life = Life(patient, treatment)
        slow = life.state.slow
        for strength in (slow.labile, slow.intermediate, slow.consolidated):
            strength *= KNOCK
        life.advance(treatment.file.day_0_h)
        return life
    key = checkpoint_key(treatment.with_stress_of(patient.stress_h))
    if key not in checkpoints:
        life = Life(patient, treatment)
        life.advance(life.treatment.file.day_0_h)
        assert life.checkpoint is not None
        checkpoints[key] = life.checkpoint
    return Life(patient, treatment, checkpoints[key])


def _rows(life: Life, name: str) -> Floats:
    """A row per day from the present on, and at the first hours of some treatments: day, `SERIES`."""
    day_0_h, hours = life.treatment.file.day_0_h, FIRST_HOURS.get(name, ())
    readings = [life.present()]
    days = np.arange(1, (life.end_h - day_0_h) / HOURS_A_DAY + 1e-9)
    output_h = sorted({*(day_0_h + hour for hour in hours), *(day_0_h + HOURS_A_DAY * days)})

    def probed(hour: float) -> bool:
        return FUNCTION_HOUR in hours and hour - day_0_h == FUNCTION_HOUR

    def read(at_h: Floats, states: State) -> None:
        readings.extend(life.readings(at_h, states, probed))

    life.advance(life.end_h, output_h=output_h, on_output=read)
    return _series(life, readings)


def _series(life: Life, readings: Sequence[Reading]) -> Floats:
    """The day and the values of `SERIES`, a row per reading."""
    circuit, checkpoint = life.patient.circuit, life.checkpoint
    assert checkpoint is not None
    healthy, stuck = checkpoint.healthy, checkpoint.stuck
    populations, regions = circuit.populations, circuit.regions
    principal = [populations.index(f"{region}_P") for region in FOREBRAIN[:3]]
    forebrain, shown = ([regions.index(region) for region in names] for names in (FOREBRAIN, SEROTONIN))
    parts = np.array([(r.day, r.connectivity, r.structure, r.function) for r in readings]).T
    indices = [
        _index(part, getattr(stuck, name), getattr(healthy, name))
        for part, name in zip(parts[1:], ("connectivity", "structure", "function"), strict=True)
    ]
    trkb, serotonin = (np.array([getattr(r, name) for r in readings]) for name in ("trkb", "serotonin_ratio"))
    activity = np.array([r.activity for r in readings])[:, [populations.index(name) for name in ACTIVITY]]
    means = trkb[:, principal].mean(axis=1), serotonin[:, forebrain].mean(axis=1)
    return np.column_stack([*parts[:2], *indices, *means, serotonin[:, shown], activity])


def _index(values: Floats, stuck: float, healthy: float) -> Floats:
    """The recovery index: 0 stuck, 1 healthy (NaN for a patient who was never ill)."""
    if abs(healthy - stuck) > 1e-9:
        return (values - stuck) / (healthy - stuck)
    return np.full_like(values, np.nan)


@cache
def treatment_file(name: str) -> Treatment:
    """A treatment of scenarios/evidence."""
    return Treatment(str(evidence_folder() / f"{name}.yaml"))


@cache
def evidence_folder() -> Path:
    """Folder of the treatments that findings are measured with."""
    for folder in shipped_folders():
        if (folder / "evidence").is_dir():
            return folder / "evidence"
    raise InputError("the folder scenarios/evidence is missing: install the program again")


def _own_code() -> str:
    return Path(__file__).read_text(encoding="utf-8")
