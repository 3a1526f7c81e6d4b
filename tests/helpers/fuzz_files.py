"""Change shipped files at random, and check that each is accepted, or refused in plain words, in good time.

python tests/helpers/fuzz_files.py 100000    # prints what was tried; files that break the program are kept
"""

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from shutil import copytree
from typing import Any

import yaml
from unstuck.errors import InputError
from unstuck.files.find import cohort_path, shipped
from unstuck_analysis.library.check import check_file
from unstuck_analysis.study.run import time_limit

LONGEST_S = 300.0  # the first circuit waits until the model is compiled
SCENARIOS = cohort_path().parent
KINDS = ("drugs", "treatments", "circuits", "studies")
ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.5, 1e-300, 1e300, 10**30, float("inf"), float("nan")),
    *("", " ", "1", "-1 mg", "1e-300 h", "1e300 d", "5 fortnights", "0.5 mg/kg", "37,5 mg", "1 µg"),
    *("100 years", "ssri-like", "../../etc/passwd", "/dev/zero", "*", "[0]", "{}", "x" * 3000),
    *("naïve \u0000\u202e", "日本語", [], {}, [[]], [{}], {"value": 1}, {"": 0}, [0] * 50),
    {"from": 0, "to": 1e9, "steps": 10**9},
)
ODD_TEXTS = (
    "\t",
    "\x00",
    ": ",
    "- ",
    "&a *a",
    "!!python/object:os.system",
    "\n---\n",
    "<<: *x",
    "\ufeff",
    "'",
)


def shipped_files() -> list[Path]:
    """Every shipped drug, treatment, circuit, study and cohort."""
    return [*(path for kind in KINDS for path in shipped(kind).values()), cohort_path()]


def mutated(rng: random.Random, text: str) -> str:
    """A file with one to three changes of its values and keys, or of its letters."""
    if rng.random() < 0.2:
        return _changed_text(rng, text)
    document = yaml.safe_load(text)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(document))
        _change(rng, *rng.choice(places), [place[0][place[1]] for place in places])
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document: what contains it, and its key."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _places(node[key])


def _change(rng: random.Random, parent: Any, key: Any, others: list[Any]) -> None:
    what = rng.choice(("odd", "odd", "number", "other", "remove", "rename", "wrap"))
    value = parent[key]
    if what == "remove" and len(parent) > 1:
        del parent[key]
    elif what == "rename" and isinstance(parent, dict):
        parent[_changed_text(rng, str(key))] = parent.pop(key)
    elif what == "number" and isinstance(value, int | float):
        parent[key] = value * rng.choice((-1, 0, 0.1, 10, 1000, 1e-6, 1e6))
    elif what == "other":
        parent[key] = deepcopy(rng.choice(others))
    elif what == "wrap":
        parent[key] = rng.choice(([value], {"value": value}, {str(key): value}))
    else:
        parent[key] = deepcopy(rng.choice(ODD_VALUES))


def _changed_text(rng: random.Random, text: str) -> str:
    place = rng.randrange(len(text) + 1)
    end = min(len(text), place + rng.choice((0, 1, 2, 20)))
    return text[:place] + rng.choice((*ODD_TEXTS, "", text[place:end] * 2)) + text[end:]


def outcome_of(source: Path, text: str, folder: Path) -> str:
    """Whether a changed file is valid or refused; AssertionError for a message that is not plain."""
    path = folder / source.relative_to(SCENARIOS)
    path.write_text(text, encoding="utf-8")
    try:
        with time_limit(LONGEST_S):
            check_file(path)
    except InputError as fault:
        message = str(fault)
        assert message.strip(), "an empty message"
        assert len(message) < 5000, f"a message of {len(message)} letters"
        assert "Traceback" not in message, message
        assert "root:" not in message, "shows another file"
        return "refused"
    finally:
        path.write_bytes(source.read_bytes())  # other files name it
    return "valid"


def fuzz(count: int, seed: int, folder: Path, kept: Path) -> Counter[str]:
    """Check so many changed files; counts by kind and outcome. Files that break the program go to `kept`."""
    rng, found, files = random.Random(seed), Counter[str](), shipped_files()
    for number in range(count):
        source = rng.choice(files)
        text = mutated(rng, source.read_text(encoding="utf-8"))
        try:
            what = outcome_of(source, text, folder)
        except Exception as fault:
            what = f"BROKEN {type(fault).__name__}: {str(fault)[:80]}"
            kept.mkdir(exist_ok=True)
            (kept / f"{seed}-{number}-{source.name}").write_text(text, encoding="utf-8")
        found[f"{source.parent.name}: {what}"] += 1
    return found


def working_folder(folder: Path) -> Path:
    """A copy of the shipped scenarios, for files that name others next to them."""
    return Path(copytree(SCENARIOS, folder / "scenarios"))


if __name__ == "__main__":
    began, seed = time.monotonic(), random.randrange(2**32)
    with tempfile.TemporaryDirectory() as name:
        counts = fuzz(int(sys.argv[1]), seed, working_folder(Path(name)), Path("broken-files"))
    print(f"{counts.total()} files of seed {seed} in {time.monotonic() - began:.0f} s")
    for what, number in sorted(counts.items()):
        print(f"{number:8d} {what}")
    sys.exit(any("BROKEN" in what for what in counts))
