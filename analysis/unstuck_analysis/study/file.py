"""Studies: one file says which treatments, what varies, how many patients, and what to keep.

    from unstuck import Study
    table = Study.load("my-study.yaml").run(workers=2).outcomes()

A study runs into a folder and can be stopped at any moment; the same command goes on where it stopped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator
from unstuck.errors import InputError, choose
from unstuck.files.find import cohort_path, find, matching
from unstuck.files.treatment import Treatment
from unstuck.files.units import PositiveHours
from unstuck.files.yaml import Document, Places, read_document_with_places
from unstuck.patient.checks import runnable_treatment
from unstuck.patient.draw import CohortFile, read_cohort

from unstuck_analysis.defaults import HIGHEST_SEED, NEURONS, SEED
from unstuck_analysis.outcomes import Outcome, series_columns
from unstuck_analysis.output.provenance import model_version
from unstuck_analysis.study.design import Design, DesignReader
from unstuck_analysis.study.plan import RunPlan, make_plan
from unstuck_analysis.study.vary import Basis, Variation, basis_of, check_neurons, digest

if TYPE_CHECKING:
    from unstuck_analysis.study.processes import Workers
    from unstuck_analysis.study.results import Results
    from unstuck_analysis.study.run import OnProgress

NAMED_BY_PLAN = ("seed", "patient", "treatment")
EVERY_COLUMN = "all"
OUTCOMES = {field.name: field.type for field in fields(Outcome) if field.name not in NAMED_BY_PLAN}


class SeriesKept(Document):
    """Columns of the series that are kept ("all": every one), and how often (if not given, at every reading).

    Runs are read once per day, and more often on the first day.
    """

    columns: list[str] = ["recovery"]
    every: PositiveHours | None = None

    @field_validator("every")
    @classmethod
    def _is_whole_days(cls, every: float | None) -> float | None:
        if every is not None and not isclose(every / 24.0, max(1, round(every / 24.0)), abs_tol=1e-9):
            raise ValueError(f"runs are read once per day: a whole number of days, not {every / 24.0:g} d")
        return every


class StudyFile(Design):
    """A study file."""

    title: str
    question: str = ""
    description: str = ""
    treatments: list[str] = Field(min_length=1)
    circuit: str = ""  # another circuit than that of the treatment files
    patients: int = Field(default=1, ge=1)
    paired: bool = True  # the same patients in every arm and at every point
    varied: bool = True  # patients of the cohort; else the typical one
    neurons: int = NEURONS
    seed: int = Field(default=SEED, ge=0, le=HIGHEST_SEED)
    outcomes: list[str] = []  # all of them if none is named
    series: SeriesKept = SeriesKept()
    budget: int = Field(default=20_000, ge=1)


class StudyInputs(Document):
    """A study with all that its runs read and the model they run on: equal inputs have equal results.

    conduct: what else decides the rows of a caller that executes the runs its own way, such as a trial.
    """

    name: str
    study: StudyFile
    basis: Basis
    model: str
    conduct: str = ""

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

    inputs: StudyInputs
    places: Places
    treatments: Sequence[Treatment]

    @classmethod
    def load(cls, name_or_path: str | Path, *, seed: int | None = None) -> "Study":
        """Read a study file.

        Args:
            name_or_path: A shipped name or the path of a file.
            seed: Seed, instead of the one in the file.

        Raises:
            InputError: For every fault in the file or in the files that it names.
        """
        path = find("studies", str(name_or_path))
        file, places = read_document_with_places(path, StudyFile)
        return cls._of(file, path.stem, path, places, seed)

    @classmethod
    def of_treatments(cls, paths: Iterable[str], *, name: str, **settings: Any) -> "Study":
        """A study that runs treatment files as they are; settings are keys of a study file."""
        content = {"title": "Treatments side by side", "design": "list", "points": [{}]}
        content["series"] = {"columns": [EVERY_COLUMN]}
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
        file = _check_kept(file, treatments, places)
        basis = basis_of(treatments, cohort, file.neurons)
        inputs = StudyInputs(name=name, study=file, basis=basis, model=model_version())
        return cls(inputs, places, treatments)

    @cached_property
    def variation(self) -> Variation:
        """The study's files with everything that can be varied."""
        return Variation(self.inputs.basis)

    @cached_property
    def plan(self) -> RunPlan:
        """Every run; InputError for a path, value or range that makes no sense, or too many runs."""
        file = self.inputs.study
        reader = DesignReader(file, self.variation.knobs, self.places)
        runs = reader.count() * len(self.inputs.basis.arms) * file.patients
        if not runs:
            raise self.places.error((), "an empty design: there is nothing to run")
        if runs > file.budget:
            raise self.places.error(("budget",), f"{runs} runs are planned, the budget is {file.budget}")
        return make_plan(self.inputs, reader.points(file.seed), self.variation, self.places)

    def run(
        self,
        out: str | Path | None = None,
        *,
        workers: "int | Workers" = 1,
        shard: tuple[int, int] = (1, 1),
        retry_failed: bool = False,
        mix_versions: bool = False,
        on_progress: "OnProgress | None" = None,
    ) -> "Results":
        """Run what is not stored yet.

        Args:
            out: Results folder; results/NAME if not given.
            workers: A number of processes, or those of a cluster; the numbers do not depend on it.
            shard: (i, n): only the i-th of n parts; the numbers do not depend on it.
            retry_failed: Repeat runs that failed.
            mix_versions: Continue a stored study even if the code or its libraries changed; every row then
                names its versions.
            on_progress: Called with the progress after each group of runs.

        Returns:
            The results of the folder.

        Raises:
            InputError: If the folder contains another study, or another process works on it.
            StorageError: If the disk refuses a file.
        """
        from unstuck_analysis.study.processes import stop_if_a_worker_reads_the_script
        from unstuck_analysis.study.results import Results
        from unstuck_analysis.study.run import run_plan, unwatched
        from unstuck_analysis.study.store import Store

        stop_if_a_worker_reads_the_script()
        folder = Path(out) if out is not None else Path("results") / self.inputs.name
        study = self._with_stored_model(folder) if mix_versions else self
        store = Store.prepare(folder, study.inputs, study.plan, self.sources, mix_versions=mix_versions)
        run_plan(
            store,
            shard=shard,
            workers=workers,
            retry_failed=retry_failed,
            on_progress=on_progress or unwatched,
        )
        return Results(folder)

    def _with_stored_model(self, folder: Path) -> "Study":
        """The study as runs of the stored model are named, so that they count as runs of this study."""
        from unstuck_analysis.study.store import Store

        store, old = Store(folder), self.inputs
        if not store.exists:
            return self
        model = str(store.about["inputs"]["model"])
        return replace(self, inputs=StudyInputs(name=old.name, study=old.study, basis=old.basis, model=model))

    @property
    def sources(self) -> list[str]:
        """The files that were read, each shipped or local and with its digest, as a report names them."""
        from unstuck_analysis.output.provenance import files_of, named_file

        paths = dict.fromkeys(path for treatment in self.treatments for path in files_of(treatment))
        return [named_file(path) for path in paths]


def _treatments(file: StudyFile, path: Path | None, places: Places) -> list[Treatment]:
    """The treatments a study names: shipped names, files, or patterns relative to the study file."""
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
                treatment = runnable_treatment(str(given) if given.is_file() else name, file.circuit)
            except InputError as fault:
                raise places.error(key, str(fault)) from None
            if treatment.name in found:
                raise places.error(key, f"there are two treatments named {treatment.name!r}")
            found[treatment.name] = treatment
    if not found:
        raise places.error(("treatments",), "no file matches")
    return list(found.values())


def _matches(text: str, path: Path | None) -> Sequence[str]:
    if not set(text) & set("*?["):
        return [text]
    return matching(text, path.parent if path is not None else Path())


def _check_kept(file: StudyFile, treatments: Sequence[Treatment], places: Places) -> StudyFile:
    """The study with its kept columns by name; InputError for an outcome, column or neurons of no run."""
    columns = dict.fromkeys(c for treatment in treatments for c in series_columns(treatment.circuit))
    key: tuple[str | int, ...] = ("neurons",)
    try:
        check_neurons(file.neurons)
        for number, name in enumerate(file.outcomes):
            key = ("outcomes", number)
            choose(name, OUTCOMES, "outcome")
        for number, name in enumerate(file.series.columns):
            key = ("series", "columns", number)
            choose(name, [*columns, EVERY_COLUMN], "column")
    except ValueError as fault:
        raise places.error(key, str(fault)) from None
    if EVERY_COLUMN not in file.series.columns:
        return file
    series = file.series.model_copy(update={"columns": list(columns)})
    return file.model_copy(update={"series": series})
