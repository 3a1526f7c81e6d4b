"""What numbers were made by: the version of the model and the checkout that the code runs from."""

import logging
import subprocess
from functools import cache
from pathlib import Path

from unstuck import __version__, version
from unstuck.files.find import shipped_folders

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
    return _version(version.sources(), version.digest(version.data_files() | _scenarios()), _reading())


def _version(*digests: str) -> str:
    return f"{__version__}+{version.digest_of_texts(*digests)[:12]}"


def _scenarios() -> dict[str, Path]:
    """The shipped scenarios by their path, the same in a checkout and in an installed copy.

    Stories only show results and are left out.
    """
    folder = next(folder for folder in shipped_folders() if folder.is_dir())
    return {f"scenarios/{name}": path for name, path in version.files_in(folder, ".yaml", _SHOWN).items()}


@cache
def _reading() -> str:
    """Digest of the code that runs patients and reads outcomes, as it was when the process started."""
    studies = version.files_in(_ANALYSIS / "study", ".py")
    return version.digest({"outcomes.py": _ANALYSIS / "outcomes.py", **studies})


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
