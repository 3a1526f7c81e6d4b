"""Processes that claim a results folder at the same moment, in a module that a new process can import."""

import multiprocessing
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from unstuck.errors import InputError
from unstuck_analysis.output.folder import claim_folder, release_folders

PROCESSES = 4
SPAWN = multiprocessing.get_context("spawn")


def claim_together(out: Path | None, overwrite: bool, barrier: Barrier, claimed: "Queue[str]") -> None:
    """Claim a folder at the same moment as the other processes, and keep it until all have tried."""
    barrier.wait(300)
    try:
        claimed.put(str(claim_folder(out, "run", overwrite=overwrite)))
    except InputError as fault:
        claimed.put(f"refused: {fault}")
    barrier.wait(300)
    release_folders()


def claims_of_processes(out: Path | None, overwrite: bool = False) -> list[str]:
    """What each of several processes got that asked for a results folder at the same moment."""
    barrier, claimed = SPAWN.Barrier(PROCESSES), SPAWN.Queue()
    arguments = (out, overwrite, barrier, claimed)
    processes = [SPAWN.Process(target=claim_together, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    found = [claimed.get(timeout=300) for _ in processes]
    for process in processes:
        process.join(300)
    return found
