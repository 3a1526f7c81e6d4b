"""`Trial`: read a trial file, simulate it through the study runner, and give its data.

    from unstuck import Trial
    result = Trial.load("ssri-against-placebo").run("results/my-trial", workers=2)

Patients are screened in batches until the arms are full. Stopped at any moment, the same call continues.
"""

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from unstuck.errors import InputError
from unstuck.files.cohort import read_cohort
from unstuck.files.find import cohort_path
from unstuck.files.yaml import Places
from unstuck.parameters import default_parameters
from unstuck.patient.checks import check_health

from unstuck_analysis.output.provenance import model_version, named_file
from unstuck_analysis.study.file import SeriesKept, StudyFile, StudyInputs
from unstuck_analysis.study.plan import make_plan
from unstuck_analysis.study.processes import Workers, stop_if_a_worker_reads_the_script
from unstuck_analysis.study.results import Results
from unstuck_analysis.study.run import OnProgress, run_plan, unwatched
from unstuck_analysis.study.store import Store
from unstuck_analysis.study.vary import ArmFiles, Basis, Variation, check_neurons
from unstuck_analysis.trial.analysis import TrialResult, conducted
from unstuck_analysis.trial.conduct import run_subject
from unstuck_analysis.trial.dataset import Pool, courses_of, pool_of, simulated_arms
from unstuck_analysis.trial.file import LoadedTrial, course_file, load_trial, resolve

EXPECTED_SHARE = 0.40  # of the screened patients who are randomised; sets the size of the first batch
LEAST_SHARE, LOOK_AT = 0.02, 200  # a trial is refused if fewer are randomised, once so many are screened


@dataclass(frozen=True)
class Trial:
    """A trial that was read and checked, ready to run. `Trial.load` reads one."""

    loaded: LoadedTrial

    @classmethod
    def load(cls, name_or_path: str | Path, **changes: Any) -> "Trial":
        """Read a trial file by shipped name or path; `changes` replace keys of it, as `patients_per_arm=50`.

        Raises InputError for every fault in the file, in a change, or in what they name.
        """
        loaded = load_trial(name_or_path)
        if not changes:
            return cls(loaded)
        content = {**loaded.file.model_dump(mode="json"), **changes}
        try:
            file = type(loaded.file).model_validate(content)
        except ValueError as fault:
            raise InputError(f"{loaded.path}: {fault}") from None
        return cls(resolve(loaded.path, file, loaded.places))

    def run(
        self,
        out: str | Path | None = None,
        *,
        workers: int | Workers = 1,
        on_progress: OnProgress = unwatched,
    ) -> TrialResult:
        """Simulate what is not stored yet in `out` (results/NAME if not given), and analyse the trial."""
        file = self.loaded.file
        pool = self.pool(out, len(simulated_arms(file)) * file.patients_per_arm, workers, on_progress)
        return conducted(pool, file.patients_per_arm)

    def pool(
        self,
        out: str | Path | None,
        needed: int,
        workers: int | Workers = 1,
        on_progress: OnProgress = unwatched,
    ) -> Pool:
        """At least so many patients who can be randomised, each under every arm.

        Raises InputError if too few of the screened patients can be randomised.
        """
        folder = Path(out) if out is not None else Path("results") / self.loaded.name
        store, screened = Store(folder), ceil(needed / EXPECTED_SHARE)
        if store.exists:
            screened = max(screened, store.inputs.study.patients)  # a trial grows and never shrinks
        while (pool := self.screened(folder, screened, workers, on_progress)).n < needed:
            self._check_entry(pool)
            screened += ceil(1.1 * (needed - pool.n) / (max(pool.n, 1) / screened))
        return pool

    def screened(
        self, folder: Path, patients: int, workers: int | Workers = 1, on_progress: OnProgress = unwatched
    ) -> Pool:
        """All who can be randomised among so many screened patients, each under every arm."""
        stop_if_a_worker_reads_the_script()
        places = Places({(): (self.loaded.path, 0)})
        check_health(self.loaded.circuit, places)
        check_neurons(self.loaded.file.neurons)
        inputs = self._inputs(patients)
        plan = make_plan(inputs, [()], Variation(inputs.basis), places)
        store = Store.prepare(folder, inputs, plan, self.sources)
        run_plan(store, workers=workers, retry_failed=True, on_progress=on_progress, execute=run_subject)
        results = Results(folder)
        if len(failed := results.failures()):
            raise InputError(f"{folder}: patient {failed.patient.iloc[0]}: {failed.error.iloc[0]}")
        return pool_of(self.loaded, courses_of(self.loaded, results))

    def _inputs(self, patients: int) -> StudyInputs:
        """The trial as a study of one point: the arms are its treatments, and connectivity is kept by day."""
        loaded, file = self.loaded, self.loaded.file
        names = simulated_arms(file)
        study = StudyFile(
            title=file.title,
            treatments=names,
            patients=patients,
            neurons=file.neurons,
            seed=file.seed,
            design="list",
            points=[{}],
            outcomes=["connectivity_stuck"],
            series=SeriesKept(columns=["connectivity"]),
        )
        arms = {
            name: ArmFiles(treatment=course_file(file, name), circuit=loaded.circuit, drugs=loaded.drugs)
            for name in names
        }
        cohort, parameters = read_cohort(cohort_path()), dict(default_parameters())
        basis = Basis(parameters=parameters, cohort=cohort, neurons=file.neurons, arms=arms)
        conduct = loaded.conduct()
        return StudyInputs(name=loaded.name, study=study, basis=basis, model=model_version(), conduct=conduct)

    def _check_entry(self, pool: Pool) -> None:
        """InputError if hardly anybody can be randomised."""
        if pool.screened >= LOOK_AT and pool.n < LEAST_SHARE * pool.screened:
            raise self.loaded.error(
                ("entry", "at_least"),
                f"{pool.entered} of {pool.screened} screened patients reach"
                f" {self.loaded.file.entry.at_least:g} points twice, and {pool.n} can be randomised:"
                " lower the limit or change the design",
            )

    @property
    def sources(self) -> list[str]:
        """The files that were read, as a report names them."""
        return [named_file(path) for path in dict.fromkeys(p for p, _ in self.loaded.places.written.values())]
