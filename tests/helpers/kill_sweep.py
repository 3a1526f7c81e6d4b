"""Kill a real sweep with SIGKILL at random moments, resume it each time, and compare with one left alone.

python tests/helpers/kill_sweep.py 25
"""

import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = """
title: To be killed
treatments: [untreated, ssri-like, ketamine-like]
patients: 48
neurons: 0
vary:
  treatment.phases.stress.for: {values: [4 weeks, 6 weeks]}
fixed:
  treatment.phases.wash-out.for: 1 week
  treatment.follow_up: 1 d
"""


def sweep(study: Path, out: Path, workers: int) -> "subprocess.Popen[bytes]":
    """Start the command line on a study."""
    command = [sys.executable, "-m", "unstuck_analysis", "sweep", study, "--out", out]
    return subprocess.Popen(
        [*map(str, command), "--workers", str(workers)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def exported(out: Path) -> bytes:
    """The outcomes and the series of a results folder, as bytes."""
    from unstuck_analysis.study.results import Results

    found = b""
    for series in (False, True):
        Results(out).export(out / "table.csv", series=series)
        found += (out / "table.csv").read_bytes()
    return found


def kill_at_random(study: Path, out: Path, workers: int, rng: random.Random) -> bool:
    """Start a sweep, wait until it stored something more (or a while), and kill it; whether it still ran."""
    stored = set((out / "runs").glob("*"))
    process = sweep(study, out, workers)
    patience = time.monotonic() + rng.uniform(1.0, 60.0)
    while process.poll() is None and time.monotonic() < patience:
        if set((out / "runs").glob("*")) - stored:
            time.sleep(rng.uniform(0.0, 0.4))
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


def kill_and_resume(folder: Path, *, kills: int, workers: int, seed: int) -> tuple[int, bytes, bytes]:
    """How many sweeps were killed on the way, and the tables of the killed and of the untouched study."""
    rng, killed, study = random.Random(seed), 0, folder / "killed.yaml"
    study.write_text(STUDY)
    for attempt in range(kills):
        out = folder / f"out-{attempt // 5}"  # a study that is done cannot be killed: begin another
        killed += kill_at_random(study, out, workers, rng)
    outs = sorted(folder.glob("out-*"))
    for out in [*outs, folder / "whole"]:
        _, errors = sweep(study, out, workers=1).communicate()
        assert b"0 left" in errors, errors.decode()
    tables = {exported(out) for out in outs}
    assert len(tables) == 1
    return killed, tables.pop(), exported(folder / "whole")


if __name__ == "__main__":
    seed = random.randrange(2**32)
    with tempfile.TemporaryDirectory() as name:
        count, interrupted, whole = kill_and_resume(Path(name), kills=int(sys.argv[1]), workers=2, seed=seed)
    told = "the same tables" if interrupted == whole else "TABLES DIFFER"
    print(f"{count} of {sys.argv[1]} sweeps killed before they ended (seed {seed}): {told}")
    sys.exit(interrupted != whole)
