"""The entry point of `unstuck`: it runs a command and turns what can go wrong into one message.

Exit codes: 0 done, 1 disk or run failure, 2 bad input, 3 a study with failed or missing runs, 130 stopped by
Ctrl-C.
"""

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from unstuck_analysis.commands import app
from unstuck_analysis.output.folder import release_folders
from unstuck_analysis.output.terminal import say


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; ends the program with an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        alone = {"obj": arguments is None}  # whether this process is the program `unstuck`
        status = app(args=words or ["--help"], prog_name="unstuck", standalone_mode=False, **alone)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except Exception as fault:
        _explain(fault)
    finally:
        release_folders()
    if status == 130:  # typer's versions report Ctrl-C in different ways
        _fail("stopped; nothing was written", 130)
    sys.exit(status if isinstance(status, int) else 0)


def _explain(fault: Exception) -> NoReturn:
    """One clear message for a fault that a user or a machine can cause; a bug shows itself (exit 1)."""
    if hasattr(fault, "format_message"):  # wrong use of an option: its class differs between typer's versions
        _fail(_usage_message(fault), 2)
    from concurrent.futures import BrokenExecutor

    from unstuck.engine.step import RunError
    from unstuck.errors import InputError

    from unstuck_analysis.output.files import StorageError

    if isinstance(fault, InputError):
        _fail(str(fault), 2)
    if isinstance(fault, RunError | StorageError):
        _fail(str(fault), 1)
    if isinstance(fault, OSError):
        _fail(f"{fault.filename}: {fault.strerror}" if fault.filename else str(fault), 1)
    if isinstance(fault, BrokenExecutor | MemoryError):
        _fail("a process was killed or ran out of memory; try fewer --workers or --neurons", 1)
    raise fault


def _usage_message(fault: Any) -> str:
    message = fault.format_message().replace("Input should", "must")
    if hasattr(fault.__cause__, "errors"):
        message += f", not {fault.__cause__.errors()[0]['input']!r}"
    command = fault.ctx.command_path if fault.ctx else "unstuck"
    return f"{message} (see {command} --help)"


def _fail(message: str, code: int) -> NoReturn:
    say(f"unstuck: {message}")
    sys.exit(code)
