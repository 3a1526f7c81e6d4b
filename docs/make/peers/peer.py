"""What all peers do: read the network, and make sweeps each time they are asked to.

peer.py reads NETWORK.npz (argument 1) and makes as many sweeps per round as argument 2 says.
Every line of standard input starts a round; the answer is a line "seconds" with its processor time.
The activity after a round is written to NETWORK.NAME.npy.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

PATH, SWEEPS = Path(sys.argv[1]), int(sys.argv[2])
NETWORK = dict(np.load(PATH))


def timed(make_sweeps: Callable[[], None]) -> float:
    """Processor time (s) of this process."""
    begun = time.process_time()
    make_sweeps()
    return time.process_time() - begun


def answer(a_round: Callable[[], tuple[float, np.ndarray]]) -> None:
    """Make a round for every line: its processor time (s) is printed, its activity written."""
    print("ready", flush=True)
    for _ in sys.stdin:
        seconds, x = a_round()
        np.save(PATH.with_suffix(f".{Path(sys.argv[0]).stem}.npy"), x)
        print(f"seconds {seconds}", flush=True)
