"""Studies on a cluster: Dask workers described by a small file, or a SLURM job array without one.

    kind: slurm            # or pbs, local, or scheduler with the address of a running one
    jobs: 10
    workers_per_job: 8
    memory_per_job: 16 GB
    walltime: "02:00:00"
    queue: normal

Workers have one thread each, and write their rows to the disk that all of them share. A person who can reach
a Dask scheduler can run any program as its user. So the jobs of a queue use TLS, with keys that are made for
this study. A scheduler that runs elsewhere is used by TLS or over this machine's own address (a tunnel).
"""

import logging
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from unstuck.engine.step import RunError
from unstuck.errors import InputError
from unstuck.files.yaml import Document, read_document

from unstuck_analysis.study.processes import CONTINUE, Workers

if TYPE_CHECKING:
    from distributed import Client

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
SAFE_ADDRESS = re.compile(r"tls://|tcp://(localhost|127\.0\.0\.1|\[::1\]):")
QUEUED_S, WITHOUT_QUEUE_S = 24 * 3600.0, 60.0  # how long a study waits while there is no worker


class ClusterFile(Document):
    """How to get Dask workers; the keys are those of the queueing systems."""

    kind: Literal["local", "slurm", "pbs", "scheduler"]
    jobs: int = Field(default=1, ge=1)
    workers_per_job: int = Field(default=1, ge=1)
    memory_per_job: str = "4 GB"
    walltime: str = "01:00:00"
    queue: str | None = None
    account: str | None = None
    directives: list[str] = []
    before: list[str] = []  # shell lines before a worker starts, as `module load`
    address: str | None = None


def dask_workers(path: Path) -> Workers:
    """The workers that a cluster file describes; InputError if dask is not installed."""
    if missing := [name for name in ("distributed", "dask_jobqueue", "cryptography") if not find_spec(name)]:
        needed = ", ".join(missing)
        raise InputError(f"a cluster needs {needed}. In Unstuck's folder, type: pip install '.[cluster]'")
    from distributed import Client

    for logger in ("distributed", "distributed.client"):  # tracebacks of connections that end
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    file, refused = read_document(path, ClusterFile), list[str]()
    if (file.kind == "scheduler") != (file.address is not None):
        raise InputError(f"{path}: address: needed by kind scheduler, and by no other")
    if file.address and not SAFE_ADDRESS.match(file.address):
        raise InputError(
            f"{path}: address: {file.address}: anyone could send programs over it. Use tls://..., or a tunnel"
            " (ssh -L 8786:localhost:8786 MACHINE) and tcp://localhost:8786"
        )
    client = Client(file.address) if file.address else Client(make_cluster(file, refused.append))
    patience_s = QUEUED_S if file.kind in ("slurm", "pbs") else WITHOUT_QUEUE_S
    return client_workers(client, file.jobs * file.workers_per_job, patience_s, refused)


def make_cluster(file: ClusterFile, on_refused: Callable[[str], None]) -> Any:
    """A Dask cluster of one-threaded workers, started; `on_refused` gets the message of a refused job."""
    if file.kind == "local":
        from distributed import LocalCluster

        alone: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": None}
        return LocalCluster(n_workers=file.jobs * file.workers_per_job, **alone)
    cluster = queued_cluster(file, on_refused)
    cluster.adapt(minimum_jobs=file.jobs, maximum_jobs=file.jobs)  # a job that ends is queued again
    return cluster


def queued_cluster(file: ClusterFile, on_refused: Callable[[str], None] = print) -> Any:
    """A Dask cluster on a queueing system, with no job submitted yet and no dashboard.

    Its keys are files in the home folder, readable by their owner only, for as long as the study runs.
    """
    from dask_jobqueue.pbs import PBSCluster
    from dask_jobqueue.slurm import SLURMCluster
    from distributed import Security

    kind: Any = SLURMCluster if file.kind == "slurm" else PBSCluster
    settings: dict[str, Any] = {
        "cores": file.workers_per_job,
        "processes": file.workers_per_job,
        "memory": file.memory_per_job,
        "walltime": file.walltime,
        "queue": file.queue,
        "account": file.account,
        "job_extra_directives": file.directives,
        "job_script_prologue": [*(f"export {name}={n}" for name, n in ONE_THREAD.items()), *file.before],
        "worker_extra_args": ["--no-dashboard"],
        "scheduler_options": {"dashboard_address": None},
        "security": Security.temporary(),
        "shared_temp_directory": str(Path.home()),
    }
    return kind(job_cls=_reporting(kind.job_cls, on_refused), **settings)


def _reporting(job: Any, on_refused: Callable[[str], None]) -> Any:
    """A kind of job that reports why it was refused, where Dask would log a traceback and try for ever."""
    from distributed.deploy.spec import ProcessInterface

    class Reporting(job):
        async def start(self) -> None:
            try:
                await super().start()
            except (OSError, RuntimeError, ValueError) as fault:
                on_refused(" ".join(str(fault).split("stderr:")[-1].split()))
                await ProcessInterface.start(self)

    return Reporting


def client_workers(
    client: "Client", count: int, patience_s: float = WITHOUT_QUEUE_S, refused: Sequence[str] = ()
) -> Workers:
    """The workers of a Dask client; `refused` fills with messages of a queue that takes no job."""
    from distributed import KilledWorker

    def start() -> Executor:
        return client.get_executor(pure=False)

    def here() -> int:
        """Number of workers that have reported; RunError if the queue refused the jobs and none has."""
        workers = len(client.scheduler_info()["workers"])
        if refused and not workers:
            raise RunError(f"the queue took no job: {refused[0]}{CONTINUE}")
        return workers

    return Workers(start, count, (KilledWorker,), here, patience_s)


def slurm_script(study: str, folder: Path, *, seed: int | None, jobs: int) -> str:
    """A job array that does a study in `jobs` parts; each job can be killed and queued again at will.

    The program and all paths are absolute, so that the nodes need no active environment.
    """
    where = (
        study if "/" not in study and not study.endswith((".yaml", ".yml")) else str(Path(study).resolve())
    )
    seeded = [] if seed is None else ["--seed", str(seed)]
    program = [sys.executable, "-P", "-m", "unstuck_analysis"]
    command = [*program, "sweep", where, "--out", str(folder.resolve()), *seeded]
    threads = "\n".join(f"export {name}={count}" for name, count in ONE_THREAD.items())
    return f"""#!/bin/bash
#SBATCH --job-name=unstuck
#SBATCH --array=1-{jobs}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=04:00:00
#SBATCH --requeue
cd {shlex.quote(str(Path.cwd()))} || exit 1
{threads}
{shlex.join(command)} --shard "$SLURM_ARRAY_TASK_ID/{jobs}" --workers "$SLURM_CPUS_PER_TASK"
"""
