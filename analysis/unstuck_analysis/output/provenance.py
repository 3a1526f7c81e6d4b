"""Where numbers come from: the checkout that the code runs from, and the files that were read."""

import subprocess
from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.treatment import Treatment, TreatmentFile, find, read, shipped_folders
from unstuck.files.yaml import Document


def git_state() -> str:
    """Commit of the checkout the code runs from, with a mark for uncommitted changes; "installed" if none."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "installed"
    return done.stdout.strip() or "installed"


def files_of(treatment: Treatment) -> Iterator[Path]:
    """The files that a treatment was read from: it, its circuit, its drugs, and those that they extend."""
    named: list[tuple[str, str, type[Document]]] = [("treatments", str(treatment.path), TreatmentFile)]
    named.append(("circuits", treatment.file.circuit, CircuitFile))
    named += [("drugs", name, DrugFile) for name in treatment.drugs]
    for kind, name, schema in named:
        _, places = read(kind, str(find(kind, name, treatment.path)), schema)
        yield from dict.fromkeys(path for path, _ in places.written.values())


def named_file(path: Path) -> str:
    """A file as a report names it: shipped or local, and the first 12 digits of its SHA-256."""
    kind, name = "local", path.name
    for folder in (*shipped_folders(), Path(str(files("unstuck")))):
        if path.resolve().is_relative_to(folder.resolve()):
            kind, name = "shipped", path.resolve().relative_to(folder.resolve()).as_posix()
    return f"{name} ({kind}, sha256 {sha256(path.read_bytes()).hexdigest()[:12]})"
