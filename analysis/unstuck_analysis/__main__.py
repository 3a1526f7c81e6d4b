"""The program `unstuck`. Whatever is imported, is imported where Ctrl-C already ends in one line."""

import io
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Entry point: as `unstuck_analysis.cli.main`, from the first moment on."""
    try:
        signal.signal(signal.SIGINT, _interrupt)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is escaped
                stream.reconfigure(errors="backslashreplace")
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of numpy cost more than they save
        from unstuck_analysis.cli import main as command_line

        command_line()
    except KeyboardInterrupt:
        print("unstuck: stopped; nothing was written", file=sys.stderr)
        sys.exit(130)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """The first Ctrl-C stops the program; more of them must not disturb what then is cleaned up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
