"""Flip single bits of the files of a stored study, and count what reading it came to.

python tests/helpers/flip_bits.py 2000
"""

import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from study_cases import invented, write_study
from unstuck.errors import InputError
from unstuck_analysis.study.file import Study
from unstuck_analysis.study.results import Results
from unstuck_analysis.study.run import run_plan
from unstuck_analysis.study.store import Store


def flip_bits(store: Store, flips: int, seed: int) -> Counter[str]:
    """How many flips were refused, changed no table, or CHANGED a table in silence; files are restored."""
    rng, before, found = random.Random(seed), Results(store.folder).outcomes(), Counter[str]()
    files = [store.folder / "study.json", *store.folder.glob("plan-*.parquet"), *store.files()]
    for _ in range(flips):
        path = rng.choice(files)
        content, place = path.read_bytes(), rng.randrange(path.stat().st_size)
        flipped = bytes([content[place] ^ 1 << rng.randrange(8)])
        path.write_bytes(content[:place] + flipped + content[place + 1 :])
        try:
            found["unchanged" if Results(store.folder).outcomes().equals(before) else "CHANGED"] += 1
        except InputError:
            found["refused"] += 1
        path.write_bytes(content)
    return found


def main(flips: int) -> int:
    """Flip bits of a small study with invented runs; the exit code."""
    with tempfile.TemporaryDirectory() as name:
        study = Study.load(write_study(Path(name)))
        store = Store.prepare(Path(name) / "out", study.inputs, study.plan)
        for number in range(1, 4):
            run_plan(store, shard=(number, 3), execute=invented)
        seed = random.randrange(2**32)
        found = flip_bits(store, flips, seed)
    told = ", ".join(f"{number} {what}" for what, number in sorted(found.items()))
    print(f"{flips} flips of seed {seed}: {told}")
    return int(found["CHANGED"] > 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
