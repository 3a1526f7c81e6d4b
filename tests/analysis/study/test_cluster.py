"""Studies on a queueing system, with a made-up `sbatch`: jobs that run, and jobs that are refused."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from study_cases import ROWS, write_study
from unstuck.errors import InputError
from unstuck_analysis.study.cluster import ClusterFile, dask_workers, queued_cluster, slurm_script
from unstuck_analysis.study.store import Store

REFUSES = "echo 'sbatch: error: Invalid account' >&2\nexit 1\n"
RUNS_EVERY_PART = """
jobs=$(sed -n 's/^#SBATCH --array=1-//p' "$1")
for part in $(seq "$jobs"); do
    SLURM_ARRAY_TASK_ID=$part SLURM_CPUS_PER_TASK=1 bash "$1" || exit 1
done
echo Submitted batch job 1
"""


def with_sbatch(folder: Path, script: str) -> dict[str, str]:
    """The environment of a machine without Python on its path, and with this `sbatch` (if any)."""
    (folder / "bin").mkdir()
    if script:
        (folder / "bin" / "sbatch").write_text(f"#!/bin/bash\n{script}")
        (folder / "bin" / "sbatch").chmod(0o755)
    return {**os.environ, "PATH": f"{folder / 'bin'}:/usr/bin:/bin"}


def unstuck(*words: object, cwd: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "unstuck_analysis", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize(
    ("sbatch", "told"),
    [(REFUSES, "sbatch: error: Invalid account"), ("", "No such file or directory: 'sbatch'")],
)
def test_a_queue_that_takes_no_job_ends_the_study_with_its_message(
    tmp_path: Path, sbatch: str, told: str
) -> None:
    (tmp_path / "slurm.yaml").write_text("kind: slurm\njobs: 2\n")
    study, env = write_study(tmp_path), with_sbatch(tmp_path, sbatch)
    done = unstuck("sweep", study, "--cluster", "slurm.yaml", "--out", "out", cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert f"the queue took no job: {'' if sbatch else '[Errno 2] '}{told}." in done.stderr.splitlines()[-1]


def test_a_job_array_does_the_whole_study_where_no_environment_is_active(tmp_path: Path) -> None:
    study, env = write_study(tmp_path), with_sbatch(tmp_path, RUNS_EVERY_PART)
    printed = unstuck("sweep", study, "--out", "out", "--print-slurm", "--jobs", 2, cwd=tmp_path, env=env)
    (tmp_path / "job.sh").write_text(printed.stdout)
    done = subprocess.run(["sbatch", "job.sh"], cwd=tmp_path, env=env, text=True, check=False)
    assert done.returncode == 0
    assert Store(tmp_path / "out").status() == {"planned": ROWS, "done": ROWS, "failed": 0, "left": 0}


def test_a_slurm_script_does_every_part_of_the_study(tmp_path: Path) -> None:
    script = slurm_script("smoke", tmp_path / "my out", seed=7, jobs=12)
    assert "#SBATCH --array=1-12" in script
    assert f"unstuck_analysis sweep smoke --out '{tmp_path}/my out' --seed 7" in script
    assert '--shard "$SLURM_ARRAY_TASK_ID/12"' in script
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize(("kind", "line"), [("slurm", "#SBATCH -p long"), ("pbs", "#PBS -q long")])
def test_a_cluster_file_becomes_jobs_of_a_queueing_system(kind: str, line: str) -> None:
    content = {"kind": kind, "queue": "long", "workers_per_job": 4, "before": ["module load python"]}
    with queued_cluster(ClusterFile.model_validate(content)) as cluster:
        script = cluster.job_script()
    assert line in script
    assert "--nworkers 4" in script
    assert "--nthreads 1" in script
    assert "module load python" in script
    assert "export OMP_NUM_THREADS=1" in script
    assert "--no-dashboard" in script
    assert "--protocol tls://" in script
    key = Path(script.split("--tls-key ")[1].split()[0])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:8786", "tcp://localhost.example.org:8786", "ucx://x:1"])
def test_a_scheduler_that_anyone_could_use_is_refused(tmp_path: Path, address: str) -> None:
    (tmp_path / "cluster.yaml").write_text(f"kind: scheduler\naddress: {address}\n")
    with pytest.raises(InputError, match="anyone could send programs over it"):
        dask_workers(tmp_path / "cluster.yaml")


def test_a_cluster_file_with_a_wrong_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cluster.yaml").write_text("kind: slurm\nwall_time: 1 h\n")
    with pytest.raises(InputError, match="did you mean 'walltime'"):
        dask_workers(tmp_path / "cluster.yaml")
