"""Find the file that a name or path means: shipped files, files next to another file, standard input.

A name without a folder and without an ending is looked up in `scenarios/KIND` of the working folder, of the
checkout and of the installed package, in this order. Files in the working folder replace shipped ones.
"""

import os
import sysconfig
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import TypeVar

from unstuck.errors import InputError, shown, unknown
from unstuck.files.yaml import Document, Places, is_stream, read_document_with_places

FileType = TypeVar("FileType", bound=Document)

MOST_MATCHES = 1_000  # files that one pattern may match


def scenario_folders() -> list[Path]:
    """Where shipped names are looked for: the working folder, the checkout, the installed copy."""
    return [Path(os.getcwd()) / "scenarios", *shipped_folders()]


def shipped_folders() -> list[Path]:
    """Where the files that come with the program can be: in the checkout, in the installed copy."""
    packaged = Path(str(files("unstuck")))
    return [
        packaged.parent.parent / "scenarios",
        packaged / "scenarios",
        Path(sysconfig.get_path("data")) / "share" / "unstuck" / "scenarios",
    ]


def shipped(kind: str) -> dict[str, Path]:
    """Every shipped file of a kind (drugs, circuits, treatments, studies) by name; nearer folders win."""
    found: dict[str, Path] = {}
    for folder in reversed(scenario_folders()):
        found |= {path.stem: path for path in sorted((folder / kind).glob("*.yaml"))}
    return dict(sorted(found.items()))


def cohort_path() -> Path:
    """The cohort file that is used: that of the working folder if there is one, else the shipped one."""
    return next(path for folder in scenario_folders() if (path := folder / "cohort.yaml").exists())


def replaced_files() -> list[Path]:
    """Files in `scenarios/` of the working folder that replace a shipped file of the same name."""
    local, *shipped_in = scenario_folders()
    if not local.is_dir() or any(local.samefile(folder) for folder in shipped_in if folder.is_dir()):
        return []
    names = (path.relative_to(local) for path in sorted(local.glob("**/*.yaml")))
    return [Path("scenarios") / name for name in names if any((f / name).is_file() for f in shipped_in)]


def find(kind: str, name_or_path: str, named_in: Path | None = None) -> Path:
    """The file that a name or path means. The last argument is the file that names it, if a file does.

    Raises InputError for an unknown name, and for a path in a file that does not end in .yaml or .yml.
    """
    given = Path(name_or_path)
    if named_in is None and is_stream(given):
        return given
    if given.suffix.lower() in (".yaml", ".yml") or len(given.parts) > 1:
        return _at_path(given, named_in)
    names = shipped(kind)
    if name_or_path in names:
        return names[name_or_path]
    sibling = (named_in.parent if named_in else Path()) / f"{name_or_path}.yaml"
    if named_in is None or not exists(sibling) or sibling.resolve() == named_in.resolve():
        what = kind.removesuffix("s") if kind != "studies" else "study"
        raise InputError(unknown(what, name_or_path, names, see=f"unstuck list {kind}"))
    return sibling


def _at_path(given: Path, named_in: Path | None) -> Path:
    if named_in is None:
        return given
    if given.suffix.lower() not in (".yaml", ".yml"):
        raise InputError(f"{shown(str(given))} is not a YAML file: write a name or a path that ends in .yaml")
    candidates = [named_in.parent / given, given]
    return next((path for path in candidates if exists(path)), candidates[0])


def exists(path: Path) -> bool:
    """True if there is a file or folder at a path; a name that no file can have is False."""
    try:
        return path.exists()
    except (OSError, ValueError):  # longer than a name can be, or with a NUL
        return False


def matching(pattern: str, folder: Path) -> list[str]:
    """YAML files in a folder and below that match a pattern such as `arms/*.yaml`, sorted.

    Raises InputError for a pattern that leaves the folder, searches all folders below, or matches too many.
    """
    steps = Path(pattern).parts
    if Path(pattern).is_absolute() or ".." in steps or "**" in steps:
        raise InputError(f"{shown(pattern)}: a pattern is relative, as 'arms/*.yaml', without '..' and '**'")
    found = list(islice(folder.glob(pattern), MOST_MATCHES + 1))
    if len(found) > MOST_MATCHES:
        raise InputError(f"{shown(pattern)} matches more than {MOST_MATCHES} files")
    return sorted(str(path) for path in found if path.suffix.lower() in (".yaml", ".yml"))


def read(
    kind: str, name_or_path: str, schema: type[FileType], named_in: Path | None = None
) -> tuple[FileType, Places]:
    """Read a file of a kind with the places of its keys; `extends` names a file of the same kind."""
    path = find(kind, name_or_path, named_in)
    return read_document_with_places(path, schema, find_parent=lambda name, file: find(kind, name, file))
