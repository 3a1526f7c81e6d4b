"""How long a study will take and how much disk it needs, from a timed sample of its own runs."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unstuck_analysis.study.file import Study
from unstuck_analysis.study.plan import Run
from unstuck_analysis.study.run import run_chunk
from unstuck_analysis.study.store import Store

SAMPLES, NEIGHBOURS = 3, 4  # places in the plan, and runs at each (neighbours share a patient)


@dataclass(frozen=True)
class Estimate:
    """Size of a study, and what a sample of it says about time and disk."""

    rows: int
    runs: int
    points: int
    arms: int
    patients: int
    sampled: int
    run_s: float
    bytes_a_run: float

    def seconds(self, workers: int) -> float:
        """Time the whole study takes."""
        return self.runs * self.run_s / workers

    @property
    def megabytes(self) -> float:
        """Disk the whole study needs, its checkpoints aside."""
        return self.runs * self.bytes_a_run / 1e6


def estimate(study: Study) -> Estimate:
    """Time some runs of a study in a folder that is removed again; the first one only warms up."""
    runs = study.plan.runs()
    sample = _sample(runs)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.prepare(Path(folder), study.spec, study.plan)
        run_chunk(store.key, "warm-", sample[:1])
        timed = [run_chunk(store.key, f"timed{number}-", [run]) for number, run in enumerate(sample)]
        size = max(path.stat().st_size for path in store.files())
        store.compact()
        size = min(size, store.files()[0].stat().st_size / len(sample))
    return Estimate(
        rows=len(study.plan.table),
        runs=len(runs),
        points=int(study.plan.table.point.nunique()),
        arms=len(study.spec.basis.arms),
        patients=study.spec.study.patients,
        sampled=len(sample),
        run_s=sum(done.wall_s for done in timed) / len(timed),
        bytes_a_run=float(size),
    )


def _sample(runs: Sequence[Run]) -> list[Run]:
    starts = [len(runs) * place // SAMPLES for place in range(SAMPLES)]
    return list({run.run_id: run for start in starts for run in runs[start : start + NEIGHBOURS]}.values())
