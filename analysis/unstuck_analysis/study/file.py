"""Studies: one file says which treatments, what varies, how many patients, and what to keep.

    from unstuck_analysis import Study
    table = Study.load("my-study.yaml").run(workers=2).outcomes()

A study runs into a folder and can be stopped at any moment; the same command goes on where it stopped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator
from unstuck.files.find import cohort_path, find, matching
from unstuck.files.treatment import Treatment
from unstuck.files.units import PositiveHours
from unstuck.files.yaml import Document, InputError, Places, choose, read_document_with_places
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.draw import CohortFile, read_cohort

from unstuck_analysis.outcomes import Outcome
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.output.terminal import HIGHEST_SEED
from unstuck_analysis.study.cohort import NEURONS, series_columns
from unstuck_analysis.study.design import Design, DesignReader
from unstuck_analysis.study.plan import Plan, make_plan
from unstuck_analysis.study.vary import Basis, Variation, basis_of, check_neurons, digest

if TYPE_CHECKING:
    from unstuck_analysis.study.executors import OnProgress, Workforce
    from unstuck_analysis.study.results import Results

NAMED_BY_PLAN = ("seed", "patient", "treatment")
OUTCOMES = {field.name: field.type for field in fields(Outcome) if field.name not in NAMED_BY_PLAN}


class SeriesKept(Document):
    """Which readings over time are kept, and how often: runs are read once a day."""

    columns: list[str] = ["recovery"]
    every: PositiveHours = 7 * 24.0

    @field_validator("every")
    @classmethod
    def _is_whole_days(cls, every: float) -> float:
        if not isclose(every / 24.0, max(1, round(every / 24.0)), abs_tol=1e-9):
            raise ValueError(f"runs are read once a day: a whole number of days, not {every / 24.0:g} d")
        return every


class StudyFile(Design):
    """A study file."""

    title: str
    question: str = ""
    description: str = ""
    treatments: list[str] = Field(min_length=1)
    patients: int = Field(default=1, ge=1)
    paired: bool = True  # the same patients in every arm and at every point
    varied: bool = True  # patients of the cohort; else the typical one
    neurons: int = NEURONS
    seed: int = Field(default=1, ge=0, le=HIGHEST_SEED)
    outcomes: list[str] = []  # all of them if none is named
    series: SeriesKept = SeriesKept()
    budget: int = Field(default=20_000, ge=1)


class Spec(Document):
    """A study with all that its runs read and the model they run on: equal specs have equal results."""

    name: str
    study: StudyFile
    basis: Basis
    model: str

    @cached_property
    def hash(self) -> str:
        """A short name for the whole content."""
        return digest(self.model_dump_json())

    @property
    def outcomes(self) -> list[str]:
        """Names of the outcomes that are kept; whether a patient was stuck at all is always among them."""
        return list(dict.fromkeys(["not_stuck", *(self.study.outcomes or OUTCOMES)]))


@dataclass(frozen=True)
class Study:
    """A study that was read and checked, ready to run. `Study.load` reads one."""

    spec: Spec
    places: Places

    @classmethod
    def load(cls, name_or_path: str | Path, *, seed: int | None = None) -> "Study":
        """Read a study file by shipped name or path; InputError for every fault in it or what it names."""
        path = find("studies", str(name_or_path))
        file, places = read_document_with_places(path, StudyFile)
        return cls._of(file, path.stem, path, places, seed)

    @classmethod
    def of_treatments(cls, paths: Iterable[str], *, name: str, **settings: Any) -> "Study":
        """A study that runs treatment files as they are; settings are keys of a study file."""
        content = {"title": "Treatments, one beside the other", "design": "list", "points": [{}]}
        file = StudyFile.model_validate({**content, "treatments": list(paths), **settings})
        return cls._of(file, name, None, Places({(): (Path(name), 0)}), None)

    @classmethod
    def _of(cls, file: StudyFile, name: str, path: Path | None, places: Places, seed: int | None) -> "Study":
        if seed is not None:
            if not 0 <= seed <= HIGHEST_SEED:
                raise InputError(f"seed {seed}: a whole number from 0 to {HIGHEST_SEED}")
            file = file.model_copy(update={"seed": seed})
        treatments = _treatments(file, path, places)
        cohort: CohortFile | None = read_cohort(cohort_path()) if file.varied else None
        _check_kept(file, treatments, places)
        basis = basis_of(treatments, cohort, file.neurons)
        return cls(Spec(name=name, study=file, basis=basis, model=model_version()), places)

    @cached_property
    def variation(self) -> Variation:
        """The study's files with everything that can be varied."""
        return Variation(self.spec.basis)

    @cached_property
    def plan(self) -> Plan:
        """Every run; InputError for a path, value or range that makes no sense, or too many runs."""
        file = self.spec.study
        reader = DesignReader(file, self.variation.knobs, self.places)
        runs = reader.count() * len(self.spec.basis.arms) * file.patients
        if not runs:
            raise self.places.error((), "an empty design: there is nothing to run")
        if runs > file.budget:
            raise self.places.error(("budget",), f"{runs} runs are planned, the budget is {file.budget}")
        return make_plan(self.spec, reader.points(file.seed), self.variation, self.places)

    def run(
        self,
        out: str | Path | None = None,
        *,
        workers: int = 1,
        shard: tuple[int, int] = (1, 1),
        workforce: "Workforce | None" = None,
        retry_failed: bool = False,
        on_progress: "OnProgress | None" = None,
    ) -> "Results":
        """Run what is not stored yet, into `out` (results/NAME if not given), and return the results.

        The numbers depend on nothing here. shard (i, n) runs the i-th of n parts. A workforce (executors.py)
        stands for other workers than local processes. InputError if the folder holds another study or
        another process works on it; StorageError if the disk would not take a file.
        """
        from unstuck_analysis.study.executors import local, run_plan, stop_if_a_worker_reads_the_script
        from unstuck_analysis.study.results import Results
        from unstuck_analysis.study.store import Store

        stop_if_a_worker_reads_the_script()
        plan = self.plan
        folder = Path(out) if out is not None else Path("results") / self.spec.name
        store = Store.prepare(folder, self.spec, plan)
        run_plan(
            store,
            shard=shard,
            workforce=workforce or local(workers),
            retry_failed=retry_failed,
            on_progress=on_progress,
        )
        return Results(folder)


def _treatments(file: StudyFile, path: Path | None, places: Places) -> list[Treatment]:
    """The treatments a study names: shipped names, files, or globs beside the study file."""
    found: dict[str, Treatment] = {}
    for number, text in enumerate(file.treatments):
        key = ("treatments", number)
        try:
            names = _matches(text, path)
        except InputError as fault:
            raise places.error(key, str(fault)) from None
        for name in names:
            try:
                given = find("treatments", name, path)
                treatment = runnable_treatment(str(given) if given.is_file() else name)
            except InputError as fault:
                raise places.error(key, str(fault)) from None
            if treatment.name in found:
                raise places.error(key, f"there are two treatments named {treatment.name!r}")
            found[treatment.name] = treatment
    if not found:
        raise places.error(("treatments",), "no file matches")
    return list(found.values())


def treatment_files(paths: Iterable[str]) -> list[str]:
    """Treatments meant by names, files and folders; InputError for a folder without any."""
    found: list[str] = []
    for text in paths:
        inside = sorted(str(p) for p in Path(text).glob("*.y*ml")) if Path(text).is_dir() else [text]
        if not inside:
            raise InputError(f"{text}: there is no .yaml file in this folder")
        found += inside
    return found


def _matches(text: str, path: Path | None) -> Sequence[str]:
    if not set(text) & set("*?["):
        return [text]
    return matching(text, path.parent if path is not None else Path())


def _check_kept(file: StudyFile, treatments: Sequence[Treatment], places: Places) -> None:
    """InputError for an outcome or column that no run has, or neurons that no patient has."""
    columns = dict.fromkeys(c for treatment in treatments for c in series_columns(treatment.circuit))
    key: tuple[str | int, ...] = ("neurons",)
    try:
        check_neurons(file.neurons)
        for number, name in enumerate(file.outcomes):
            key = ("outcomes", number)
            choose(name, OUTCOMES, "outcome")
        for number, name in enumerate(file.series.columns):
            key = ("series", "columns", number)
            choose(name, columns, "column")
    except ValueError as fault:
        raise places.error(key, str(fault)) from None
