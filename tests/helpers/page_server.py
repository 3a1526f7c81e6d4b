"""A server of the page for the browser tests, and whether this machine can run them at all."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HERE = Path(__file__).parents[1] / "browser"
READY_S = 180.0


def skip_without(*packages: str) -> None:
    """Skip the calling module if Chromium or a package is missing, except in CI, where it must fail."""
    missing = [name for name in packages if find_spec(name) is None]
    missing += [] if CHROMIUM else ["Chromium"]
    if missing and "CI" not in os.environ:
        pytest.skip(f"browser tests need {', '.join(missing)}", allow_module_level=True)


@dataclass
class Server:
    """A running `unstuck view`: its address, and the process."""

    url: str
    process: subprocess.Popen[str]

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return "http://" + urlsplit(self.url).netloc

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return urlsplit(self.url).port or 0

    def stop(self) -> None:
        """Press Ctrl-C, and wait until the process has ended."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=120)


def start_server(*arguments: str, port: int = 0) -> Server:
    """Start `unstuck view` and wait for its READY line; port 0 takes any free port."""
    command = [
        sys.executable,
        "-m",
        "unstuck_analysis",
        "view",
        "--no-browser",
        "--port",
        str(port),
        *arguments,
    ]
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
