"""A server of the page for the browser tests, and whether this machine can run them at all."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HERE = Path(__file__).parents[1] / "browser"
READY_S = 90.0


def skip_where_they_cannot_run() -> None:
    """Skip the module that asks, saying what is missing; never in CI, where it has to fail."""
    missing = [name for name in ("playwright", "solara", "altair") if find_spec(name) is None]
    missing += [] if CHROMIUM else ["Chromium"]
    if missing and "CI" not in os.environ:
        pytest.skip(f"browser tests need {', '.join(missing)}", allow_module_level=True)


@dataclass
class Server:
    """A running `python -m unstuck.page`: its address, and the process."""

    url: str
    process: subprocess.Popen[str]

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return "http://" + urlsplit(self.url).netloc

    def stop(self) -> float:
        """Ctrl-C; seconds until it was gone."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)
        return time.monotonic() - begun


def start_server(*arguments: str) -> Server:
    """Start the page on a free port and wait for its READY line."""
    return start_program("-m", "unstuck.page", "--no-browser", "--port", "0", *arguments)


def start_program(*arguments: str) -> Server:
    """Start a program of Python's that serves the page, and wait for its READY line."""
    command = [sys.executable, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=HERE)
    assert process.stdout is not None
    kill = threading.Timer(READY_S, process.kill)
    kill.start()
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if found := re.match(r"READY (\S+)", line):
            kill.cancel()
            threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop it
            return Server(found[1], process)
    raise AssertionError("the server did not get ready:\n" + "".join(said))
