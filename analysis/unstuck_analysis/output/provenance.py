"""The checkout that the code runs from."""

import subprocess
from pathlib import Path


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
