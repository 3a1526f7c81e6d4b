"""Simulate the courses that findings are read from. Groups of patients are stored, so a stopped run resumes.

Every patient: healthy circuit, stress, rest (the checkpoint), then every treatment from that checkpoint. Days
count from the start of the treatment. A stored group is named by a digest of its inputs and of the model.
"""

import io
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from unstuck import version
from unstuck.circuit import Circuit
from unstuck.engine.readouts import Reading
from unstuck.engine.step import Engine
from unstuck.errors import InputError
from unstuck.files.cohort import read_cohort
from unstuck.files.find import cohort_path, shipped_folders
from unstuck.files.treatment import Treatment, circuit_for
from unstuck.files.units import HOURS_A_DAY
from unstuck.parameters import default_parameters
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.life import RATED_DAYS, Checkpoint, Life, checkpoint_key, get_stuck
from unstuck.state import State

from unstuck_analysis.evidence.courses import RESPONDED, Cohort, Course, Floats
from unstuck_analysis.output.files import write_whole
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.study.processes import LOST, in_processes

INDICES = ("connectivity", "recovery", "structural_recovery", "functional_recovery")
# What else is recorded in each circuit: KIND_NAME of a population, region, projection or readout.
OTHERS = {
    "default": (
        *("trkb_principal", "serotonin_forebrain", "serotonin_mPFC", "serotonin_HPC", "serotonin_DRN"),
        *("activity_mPFC_P", "activity_mPFC_I", "activity_AMY_P", "activity_DRN_S"),
    ),
    "anxiety": ("readout_growth", "bdnf_BLA_P", "strength_IL_P > vHPC_P", "strength_IL_P > BLA_I"),
    "ocd": (
        *("activity_OFC_P", "activity_D1", "activity_ACC_P", "strength_OFC_P > D1", "strength_ACC_P > D2"),
        *("strength_TH_P > OFC_P", "strength_OFC_P > ACC_P", "strength_TH_P > ACC_P"),
    ),
}
MEANS = {
    "trkb_principal": ("mPFC_P", "HPC_P", "NAc_P"),
    "serotonin_forebrain": ("mPFC", "HPC", "NAc", "AMY"),
}
FIRST_HOURS = {
    "ketamine-once": (*(minute / 60 for minute in (10, 20, 30, 40, 50, 60)), 4.0),
    "ketamine-once-7d": (4.0, 8.0, 12.0, 16.0),
    "benzodiazepine-42d-off-14d": (2.0,),
    "d1-silenced-90d-off-28d": (89.99 * HOURS_A_DAY,),
    **dict.fromkeys(
        ("raphe-stimulation-once", "striatal-interneurons-driven-once", "acc-silenced-once"), (1.0,)
    ),
}
FUNCTION_HOUR = 4.0  # functional recovery is read then
KNOCKS = {"small-knock": 0.9, "large-gain": 1.1}  # a healthy circuit, all plastic strengths times this
# What goes on from the end of a course, in patients who have responded by then; the course is simulated once.
AFTER_COURSE = {
    **dict.fromkeys(("ssri-84d-off-120d", "ssri-84d-stop-year", "ssri-84d-continue-year"), "ssri-84d"),
    **dict.fromkeys(("ssri-88-84d-stop-168d", "ssri-88-84d-continue-168d"), "ssri-88-84d"),
}
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
    circuit: str = "default"

    @property
    def path(self) -> Path | None:
        """File of the group."""
        if self.folder is None:
            return None
        asked = (
            self.circuit,
            self.patients,
            self.treatments,
            self.seed,
            self.drawn,
            self.neurons,
            self.values,
        )
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
    series = series_of(groups[0].circuit)
    return _cohort([found[number] for number in range(len(groups))], groups[0].treatments, series)


def series_of(circuit: str) -> tuple[str, ...]:
    """Names of what is recorded in a circuit."""
    return (*INDICES, *OTHERS[circuit])


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
    circuit, _ = circuit_for(group.circuit)
    cohort = read_cohort(cohort_path()) if group.drawn else None
    patients = [
        draw_patient(circuit, parameters, cohort, seed=group.seed, index=index, neurons=group.neurons)
        for index in group.patients
    ]
    lives = [patient_courses(patient, group.treatments, group.circuit) for patient in patients]
    columns = 1 + len(series_of(group.circuit))
    arrays = {name: _stacked([life.get(name) for life in lives], columns) for name in group.treatments}
    draws = {f"draw {name}": [patient.draws[name] for patient in patients] for name in patients[0].draws}
    return arrays | {name: np.array(values) for name, values in draws.items()}


def _stacked(courses: Sequence[Floats | None], columns: int) -> Floats:
    """Courses (patients, rows, columns); NaN for a patient without it, no rows if every patient is."""
    known = next((course for course in courses if course is not None), np.empty((0, columns)))
    return np.array([np.full_like(known, np.nan) if course is None else course for course in courses])


def _cohort(arrays: Sequence[dict[str, Floats]], treatments: Sequence[str], series: Sequence[str]) -> Cohort:
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
        courses[name] = Course(days, dict(zip(series, np.moveaxis(whole, 2, 0)[1:], strict=True)))
    draws = [name for name in arrays[0] if name.startswith("draw ")]
    drawn = {name.removeprefix("draw "): np.concatenate([each[name] for each in arrays]) for name in draws}
    return Cohort(courses, drawn, np.arange(sum(len(each[treatments[0]]) for each in arrays)))


def patient_courses(
    patient: Patient, treatments: Sequence[str], circuit: str = "default"
) -> dict[str, Floats]:
    """Rows (rows, 1 + series) of every treatment that applies to a patient.

    Treatments after stress and rest need a stuck patient, those after the course of an SSRI one who responds.
    """
    courses: dict[str, Floats] = {}
    values: dict[str, Floats] = {}  # of the readout
    checkpoints: dict[str, Checkpoint] = {}
    ends: dict[str, State] = {}
    for name in sorted(treatments, key=lambda name: name in AFTER_COURSE):
        life = _life(patient, name, checkpoints, circuit)
        assert life.checkpoint is not None
        stuck, before = life.checkpoint.stuck.connectivity, None
        if "rest" in life.treatment.file.phases and not patient.circuit.file.readout.is_ill(stuck):
            continue
        if course := AFTER_COURSE.get(name):
            if course not in ends or courses[course][-1, 2] < RESPONDED[circuit]:
                continue
            hour = _end_of_course_h(life, course, circuit)
            life.engine = Engine(patient.circuit, ends[course], hour, life.accuracy, life.checkpoint.time_h)
            before = values[course]
        rows = _rows(life, name, circuit)
        values[name] = rows[:, 1].copy()
        if patient.cohort is not None and patient.circuit.file.readout.kind == "activity":
            _rate(rows, before, life.checkpoint)
        courses[name] = rows
        if name in AFTER_COURSE.values():
            ends[name] = life.state
    return courses


def _end_of_course_h(life: Life, course: str, circuit: str) -> float:
    file = treatment_file(course, circuit).file
    return life.treatment.file.day_0_h + file.phases[file.day_0].lasting


def _rate(rows: Floats, before: Floats | None, checkpoint: Checkpoint) -> None:
    """Turn daily readouts, and R, into ratings: means of the 7 days that end on each day.

    before: the readouts to the first row; None: the rows begin on day 0, before which every day is as stuck
    as the rating of day 0.
    """
    stuck, healthy = checkpoint.stuck.connectivity, checkpoint.healthy.connectivity
    start = np.full(RATED_DAYS, stuck) if before is None else before[-RATED_DAYS:]
    days = np.concatenate([start, rows[1:, 1]])
    rows[:, 1] = np.convolve(days, np.full(RATED_DAYS, 1.0 / RATED_DAYS), "valid")
    rows[:, 2] = _index(rows[:, 1], stuck, healthy)


def _life(patient: Patient, name: str, checkpoints: dict[str, Checkpoint], circuit: str) -> Life:
    """A patient on day 0 of a treatment; treatments with the same way to day 0 share it."""
    treatment = treatment_file("healthy" if name in KNOCKS else name, circuit)
    if name in KNOCKS:
        life = Life(patient, treatment)
        slow = life.state.slow
        for strength in (slow.labile, slow.intermediate, slow.consolidated):
            strength *= KNOCKS[name]
        life.advance(treatment.file.day_0_h)
        return life
    key = checkpoint_key(treatment.with_stress_of(patient.stress_h))
    if key not in checkpoints:
        checkpoints[key] = get_stuck(patient, treatment)
    return Life(patient, treatment, checkpoints[key])


def _rows(life: Life, name: str, circuit: str) -> Floats:
    """A row per day from the present on, and at some hours of some treatments: day, series."""
    day_0_h, hours = life.treatment.file.day_0_h, FIRST_HOURS.get(name, ())
    readings = [life.present()]
    days = np.arange(1, (life.end_h - day_0_h) / HOURS_A_DAY + 1e-9)
    output_h = sorted({*(day_0_h + hour for hour in hours), *(day_0_h + HOURS_A_DAY * days)})

    def probed(hour: float) -> bool:
        return FUNCTION_HOUR in hours and hour - day_0_h == FUNCTION_HOUR

    def read(at_h: Floats, states: State) -> None:
        readings.extend(life.readings(at_h, states, probed))

    life.advance(life.end_h, output_h=output_h, on_output=read)
    return _series(life, readings, OTHERS[circuit])


def _series(life: Life, readings: Sequence[Reading], others: Sequence[str]) -> Floats:
    """The day, the indices and other series, a row per reading."""
    checkpoint = life.checkpoint
    assert checkpoint is not None
    parts = np.array([(r.day, r.connectivity, r.structure, r.function) for r in readings]).T
    indices = [
        _index(part, getattr(checkpoint.stuck, name), getattr(checkpoint.healthy, name))
        for part, name in zip(parts[1:], ("connectivity", "structure", "function"), strict=True)
    ]
    columns = [_column(life.patient.circuit, readings, name) for name in others]
    return np.column_stack([*parts[:2], *indices, *columns])


def _column(circuit: Circuit, readings: Sequence[Reading], name: str) -> Floats:
    """A series by its name KIND_NAME; the mean of several, for the names in `MEANS`."""
    kind, _, of = name.partition("_")
    field, names = {
        "activity": ("activity", circuit.populations),
        "bdnf": ("bdnf", circuit.populations),
        "trkb": ("trkb", circuit.populations),
        "serotonin": ("serotonin_ratio", circuit.regions),
        "strength": ("strength", circuit.projections),
        "readout": ("readouts", list(circuit.file.all_readouts)),
    }[kind]
    places = [names.index(each) for each in MEANS.get(name, (of,))]
    return np.array([getattr(reading, field)[places].mean() for reading in readings])


def _index(values: Floats, stuck: float, healthy: float) -> Floats:
    """The recovery index: 0 stuck, 1 healthy (NaN for a patient who was never ill)."""
    if abs(healthy - stuck) > 1e-9:
        return (values - stuck) / (healthy - stuck)
    return np.full_like(values, np.nan)


@cache
def treatment_file(name: str, circuit: str = "default") -> Treatment:
    """A treatment of scenarios/evidence in a circuit."""
    return Treatment(str(evidence_folder() / f"{name}.yaml"), circuit)


@cache
def evidence_folder() -> Path:
    """Folder of the treatments that findings are measured with."""
    for folder in shipped_folders():
        if (folder / "evidence").is_dir():
            return folder / "evidence"
    raise InputError("the folder scenarios/evidence is missing: install the program again")


def _own_code() -> str:
    return Path(__file__).read_text(encoding="utf-8")
