"""Commands: every option that several of them have, and one decorator for those that write into a folder.

A command that answers a question is a function from arguments to an `Answer`. The decorator adds --out,
--overwrite and --json, makes the folder, prints, writes, and says which file to open and what to type next.
"""

import contextlib
import inspect
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Protocol

import typer

from unstuck_analysis.output.folder import (
    RESULTS,
    claim_folder,
    contains_study,
    release_folders,
    remove_study,
)
from unstuck_analysis.output.terminal import say, whole_seed

if TYPE_CHECKING:
    from collections.abc import Sequence


TreatmentName = Annotated[str, typer.Argument(help="A shipped name (see `unstuck list`) or a path.")]
CircuitName = Annotated[str, typer.Option("--circuit", help="A shipped circuit or a path.")]
OtherCircuit = Annotated[
    str,
    typer.Option("--circuit", help="Circuit, instead of that of the treatment files: shipped name or path."),
]
Seed = Annotated[int, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed of all random streams.")]
StudySeed = Annotated[
    int | None, typer.Option(parser=whole_seed, metavar="INTEGER", help="Seed, instead of that of the file.")
]
Patients = Annotated[int, typer.Option(min=1, help="Number of virtual patients.")]
PatientNumber = Annotated[int, typer.Option(min=0, help="Number of the patient; the same as in compare.")]
Neurons = Annotated[int, typer.Option(help="Neurons per patient; 0: the mean-field.")]
NetworkNeurons = Annotated[int, typer.Option(min=0, max=50_000, help="Neurons per network; 0: mean-field.")]
Out = Annotated[Path | None, typer.Option(help="Output folder; a new one under results/ if not given.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write into a folder that is not empty.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
RESUMED = ("compare", "trial", "power")  # commands that continue with what is stored in --out
LATEST = "latest"  # in RESULTS, leads to the newest results
_ADDED = {"out": (Out, None), "overwrite": (Overwrite, False), "as_json": (AsJson, False)}


class Answering(Protocol):
    """What a command returns: an `Answer`, or anything else that prints and writes itself."""

    @property
    def notes(self) -> "Sequence[str]":
        """Sentences for standard error."""
        ...

    @property
    def next_step(self) -> str:
        """The command to type next; empty if there is none."""
        ...

    @property
    def opens(self) -> str:
        """Name of the file to open first."""
        ...

    def terminal(self) -> str:
        """What people read on standard output."""
        ...

    def json(self) -> str:
        """What --json prints."""
        ...

    def write(self, folder: Path) -> list[str]:
        """Write all files; returns their names."""
        ...


def command(
    app: typer.Typer, example: str, panel: str
) -> Callable[[Callable[..., Answering]], Callable[..., Answering]]:
    """Make a function that returns an answer a command of `app`; its name follows from the function's.

    A parameter called `folder` is no option: it is the folder that was made for the results.
    """

    def add(ask: Callable[..., Answering]) -> Callable[..., Answering]:
        """Register the function as a command of its own name."""
        name = ask.__name__.replace("_", "-")
        wants_folder = "folder" in inspect.signature(ask).parameters

        def run(**given: Any) -> None:
            """Make the folder, ask, write the answer to the folder and print it."""
            out, overwrite, as_json = (given.pop(key) for key in _ADDED)
            stored = out is not None and (contains_study(out) or any(out.glob("*/study.json")))
            resumes = name in RESUMED and stored
            with results_folder(out, name, overwrite or resumes) as folder:
                if overwrite:
                    remove_study(folder)
                answer = ask(**given, **({"folder": folder} if wants_folder else {}))
                names = answer.write(folder)
            print(answer.json() if as_json else answer.terminal())
            conclude(folder, names, answer)

        plain_command(app, example, panel, name)(_with_options(run, ask))
        return ask

    return add


def plain_command(
    app: typer.Typer, example: str, panel: str, name: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command of `app`, with its example and its panel of `unstuck --help`."""
    return app.command(name, epilog=f"Example: {example}", rich_help_panel=panel, context_settings=HELP)


def _with_options(run: Callable[..., None], ask: Callable[..., Any]) -> Callable[..., None]:
    """Give `run` the parameters of `ask` and the added options, for typer to read."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(ask).parameters.values()
    own = [p.replace(kind=keyword) for p in parameters if p.name != "folder"]
    added = [
        inspect.Parameter(key, keyword, default=default, annotation=kind)
        for key, (kind, default) in _ADDED.items()
    ]
    run.__signature__ = inspect.Signature([*own, *added])  # pyright: ignore[reportFunctionMemberAccess]
    run.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
    run.__doc__ = ask.__doc__
    return run


def conclude(folder: Path, names: "Sequence[str]", answer: Answering) -> None:
    """Say notes, what was written, which file to open and what to type next; update results/latest."""
    mark_latest(folder)
    for note in answer.notes:
        say(f"Note: {note}")
    say(f"Written to {folder}: {', '.join(names)}")
    say(f"Open {folder / answer.opens}")
    if answer.next_step:
        say(f"Next: {answer.next_step.format(folder=shlex.quote(str(folder)))}")


def mark_latest(folder: Path) -> None:
    """Make results/latest a link to a folder inside results/, if the file system has links."""
    link = RESULTS / LATEST
    if folder.resolve().parent != RESULTS.resolve() or (link.exists() and not link.is_symlink()):
        return
    with contextlib.suppress(OSError):
        temporary = RESULTS / f".{LATEST}.{os.getpid()}"
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(folder, RESULTS), target_is_directory=True)
        temporary.replace(link)


@contextlib.contextmanager
def results_folder(out: Path | None, name: str, overwrite: bool) -> Iterator[Path]:
    """The output folder of a command. One that would stay empty is removed; Ctrl-C says what was kept."""
    made = [path for path in (out or RESULTS, *(out or RESULTS).parents) if not path.exists()]
    folder, earlier = out, dict[str, tuple[int, int]]()
    try:
        folder = claim_folder(out, name, overwrite=overwrite)
        made = made if out else [folder, *made]
        earlier = _written(folder)
        yield folder
        release_folders()
    except BaseException as fault:
        release_folders()
        with contextlib.suppress(OSError):  # the first that is not empty
            for path in made:
                path.rmdir()
        if isinstance(fault, KeyboardInterrupt):
            if folder and (folder / "study.json").exists():
                stop_with_runs(folder, "" if out else f" --out {shlex.quote(str(folder))}")
            now = _written(folder) if folder else {}
            kept = sorted(name for name, when in now.items() if earlier.get(name) != when)
            _stopped(f"kept in {folder}: {', '.join(kept)}" if kept else "nothing was written")
        raise


def _written(folder: Path) -> dict[str, tuple[int, int]]:
    """Files of a folder, each with what changes when it is written again."""
    found = {path.name: path.stat() for path in folder.iterdir()} if folder.is_dir() else {}
    return {name: (about.st_ino, about.st_mtime_ns) for name, about in found.items()}


def stop_with_runs(folder: Path, added: str = "") -> NoReturn:
    """End after Ctrl-C in the folder of a study. `added`: what the same command needs to go on there."""
    command = f"to continue, type: {typed_command()}{added}"
    again = command if added else "the same command continues from there"
    say(f"unstuck: stopped. Finished runs are kept in {folder}; {again}")
    sys.exit(130)


def typed_command() -> str:
    """The command as it was typed, without the folder of the program."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _stopped(kept: str) -> NoReturn:
    say(f"unstuck: stopped; {kept}")
    sys.exit(130)
