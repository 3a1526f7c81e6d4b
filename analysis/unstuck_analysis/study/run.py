"""What a worker does: a chunk of runs, one after the other, stored as one file.

A run that fails becomes a row with its traceback. Only counts and times go back to the parent, so that its
memory does not grow with the study.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from math import isclose
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from unstuck.engine.step import RunError
from unstuck.files.circuit import CircuitFile
from unstuck.parameters import ParameterSet
from unstuck.patient.draw import Patient, draw_patient
from unstuck.patient.simulation import Arm, Simulation
from unstuck.patient.stability import healthy_is_attractor

from unstuck_analysis.outcomes import outcome_of
from unstuck_analysis.study.checkpoint_cache import CheckpointCache
from unstuck_analysis.study.cohort import DEFAULT_ACCURACY, reading_cells
from unstuck_analysis.study.plan import Run
from unstuck_analysis.study.store import SERIES, Store
from unstuck_analysis.study.vary import Scene, Variation

Row = dict[str, Any]


class Workplace:
    """What a worker keeps between runs: the study's files, the last patient, and the checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.spec = self.store.spec
        self.variation = Variation(self.spec.basis)
        self.checkpoints = CheckpointCache(folder / "checkpoints", self.spec.model)
        self._patient: tuple[object, Patient] | None = None
        self._healthy: dict[str, bool] = {}

    def patient(self, scene: Scene, index: int) -> Patient:
        """A patient of the study in a scene; the last one is kept."""
        key = (scene.patient_digest, index)
        self._check_health(scene)
        if self._patient is None or self._patient[0] != key:
            seed = self.spec.study.seed
            patient = draw_patient(
                scene.treatment.circuit,
                scene.parameters,
                scene.cohort,
                seed=seed,
                index=index,
                neurons=scene.neurons,
            )
            self._patient = (key, patient)
        return self._patient[1]

    def _check_health(self, scene: Scene) -> None:
        """RunError for a typical patient who was varied out of health; a cohort's are checked when drawn."""
        name, arm = scene.patient_digest, self.spec.basis.arms[scene.treatment.name]
        if scene.cohort is not None or (not scene.changed and scene.treatment.circuit == arm.circuit):
            return
        if name not in self._healthy:
            self._healthy = {name: _is_healthy(scene.treatment.circuit, scene.parameters)}
        if not self._healthy[name]:
            raise RunError("no healthy state: with these values the circuit does not come back to health")


def _is_healthy(file: CircuitFile, parameters: ParameterSet) -> bool:
    try:
        return healthy_is_attractor(file, parameters)
    except RunError:
        return False


Execute = Callable[[Workplace, Run], Row]


@dataclass(frozen=True)
class ChunkDone:
    """What the parent hears of a chunk: how many runs it stored, how many failed, and how long they took."""

    runs: int
    failed: int
    wall_s: float


def run_one(workplace: Workplace, run: Run) -> Row:
    """One run: the outcomes that the study keeps, and its series."""
    scene = workplace.variation.scene(run.treatment, run.settings)
    patient = workplace.patient(scene, run.patient)
    checkpoint = workplace.checkpoints.stuck(patient, scene.treatment, DEFAULT_ACCURACY)
    arm = Simulation(patient, scene.treatment, checkpoint, DEFAULT_ACCURACY).run()
    outcome = outcome_of(
        arm,
        patient.circuit,
        scene.treatment.file.endpoint_day,
        seed=patient.seed,
        patient=patient.index,
        redraws=patient.redraws,
    )
    kept = workplace.spec.outcomes
    row = {name: value for name, value in asdict(outcome).items() if name in kept}
    return row | _series(arm, patient, workplace.spec.study.series.columns, workplace.spec.study.series.every)


def _series(arm: Arm, patient: Patient, columns: Sequence[str], every_h: float) -> Row:
    """The columns that are kept, each as a list over the days that are kept."""
    every_d = every_h / 24.0
    readings = [r for r in arm.readings if isclose(r.day / every_d, round(r.day / every_d), abs_tol=1e-9)]
    cells = [reading_cells(arm, patient.circuit, reading) for reading in readings] if columns else []
    return {f"{SERIES}{name}": [cell.get(name) for cell in cells] for name in ("day", *columns) if columns}


def run_chunk(
    store: tuple[str, str], session: str, runs: Sequence[Run], execute: Execute = run_one
) -> ChunkDone:
    """Do some runs and store their rows in one file (StorageError if the disk would not take it).

    store: folder and hash of the study (`Store.key`), so that a folder that was made anew is read anew.
    """
    workplace, rows, failed, started = _workplace(store), [], 0, perf_counter()
    for run in runs:
        row = _row(workplace, run, execute)
        failed += row["status"] == "failed"
        rows.append(row)
    workplace.store.write_rows(rows, session)
    return ChunkDone(len(rows), failed, perf_counter() - started)


def _row(workplace: Workplace, run: Run, execute: Execute) -> Row:
    started, cpu_started = perf_counter(), process_time()
    try:
        found = {"status": "done", **execute(workplace, run)}
    except Exception as fault:
        found = failed_row(f"{type(fault).__name__}: {fault}", traceback.format_exc())
    return {
        "run_id": run.run_id,
        "wall_s": perf_counter() - started,
        "cpu_s": process_time() - cpu_started,
        **found,
    }


def failed_row(error: str, trace: str = "") -> Row:
    """The part of a row that says that a run failed."""
    return {"status": "failed", "error": " ".join(error.split()), "traceback": trace}


@lru_cache(maxsize=1)
def _workplace(store: tuple[str, str]) -> Workplace:
    return Workplace(Path(store[0]))
