"""Where numbers come from: version of the model, checkout of the code, and the files that were read."""

import logging
import platform
import subprocess
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from unstuck import __version__, version
from unstuck.files.circuit import CircuitFile
from unstuck.files.drug import DrugFile
from unstuck.files.find import find, read, shipped_folders
from unstuck.files.treatment import Treatment, TreatmentFile
from unstuck.files.yaml import Document

_SHOWN = frozenset({"stories"})
_ANALYSIS = Path(__file__).parent.parent


def model_version() -> str:
    """The version with a digest of the model, the same for studies, evidence and reports.

    The model is its sources, the values of the parameters, all shipped scenarios, and the code that runs
    patients and reads outcomes. Sources count as this process loaded them: a warning says if they were edited
    since.
    """
    if version.sources() != version.sources_on_disk():
        logging.getLogger("unstuck").warning(
            "unstuck: the model was edited after this process loaded it, and the numbers are those of the"
            " model before; start Python again, or reload the edited modules of rules"
        )
    return _version(version.sources(), version.digest(_scenarios()), _reading())


def _version(*digests: str) -> str:
    return f"{__version__}+{version.digest_of_texts(*digests)[:12]}"


def _scenarios() -> dict[str, Path]:
    """Scenarios and the table of parameters by path, the same in a checkout and in an installed copy.

    Stories only show results and are left out.
    """
    folder = next(folder for folder in shipped_folders() if folder.is_dir())
    found = version.files_in(folder, ".yaml", _SHOWN) | version.files_in(folder, ".csv")
    return {f"scenarios/{name}": path for name, path in found.items()}


@cache
def _reading() -> str:
    """Digest of the code that runs patients and reads outcomes, as it was when the process started."""
    studies = version.files_in(_ANALYSIS / "study", ".py")
    return version.digest({"outcomes.py": _ANALYSIS / "outcomes.py", **studies})


def processor() -> str:
    """Architecture and kind of the processor that the model is compiled for."""
    from llvmlite.binding import get_host_cpu_name
    from numba.core import config

    chosen = getattr(config, "CPU_NAME", None)
    return f"{platform.machine()} {chosen or get_host_cpu_name()}"


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
