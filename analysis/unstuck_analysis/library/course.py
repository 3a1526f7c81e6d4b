"""Treatments from what people name on the command line: treatments, drugs, and folders of files."""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml
from unstuck.errors import InputError
from unstuck.files.drug import DrugFile
from unstuck.files.find import find, read, shipped
from unstuck.files.treatment import Treatment

from unstuck_analysis.defaults import UNTREATED
from unstuck_analysis.library.check import kind_of
from unstuck_analysis.output.files import write_whole

WEEKS = 12  # of a drug's usual course


def treatment_files(names: Iterable[str], folder: Path) -> list[str]:
    """Treatments by shipped name, file, drug (its usual course), or folder of such files.

    The treatment of a drug is written to `folder`/treatments. InputError for a folder without a .yaml file,
    and for a drug that is refused.
    """
    found: list[str] = []
    for name in names:
        inside = sorted(str(path) for path in Path(name).glob("*.y*ml")) if _is_folder(name) else [name]
        if not inside:
            raise InputError(f"{name}: there is no .yaml file in this folder")
        found += [str(usual_course(each, folder)) if _is_drug(each) else each for each in inside]
    return found


def _is_folder(name: str) -> bool:
    try:
        return Path(name).is_dir()
    except OSError:  # a name longer than names may be
        return False


def _is_drug(name: str) -> bool:
    """Whether a name is a drug and no treatment; False for a file that cannot be read as either."""
    if name in shipped("treatments"):
        return False
    if name in shipped("drugs"):
        return True
    path = Path(name)
    try:
        return path.suffix in (".yaml", ".yml") and path.is_file() and kind_of(path) == "drug"
    except (InputError, OSError):
        return False


def usual_course(drug: str, folder: Path) -> Path:
    """Write the treatment that gives a drug as its file says: for 12 weeks, or once without an interval."""
    path = find("drugs", drug)
    file, _ = read("drugs", str(path), DrugFile)
    weeks = f"{WEEKS} weeks"
    times = {"every": f"{file.usual_every:g} h", "for": weeks} if file.usual_every else {"on_days": [0]}
    content = {
        "title": f"{file.title}, {weeks}" if file.usual_every else f"{file.title}, once",
        "extends": UNTREATED,
        "phases": {"treatment": {"drugs": [{"drug": str(path.absolute()), **times}]}},
    }
    made = folder / "treatments" / f"{re.sub(r'[^A-Za-z0-9_.-]', '-', path.stem)}.yaml"
    made.parent.mkdir(exist_ok=True)
    write_whole(made, yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode())
    try:
        Treatment(str(made))
    except InputError:
        made.unlink()
        made.parent.rmdir()
        raise
    return made
