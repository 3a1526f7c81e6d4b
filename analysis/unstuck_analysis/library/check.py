"""Files that users write: check them, describe them to an editor, start them from a template."""

import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from pydantic import ConfigDict
from unstuck.errors import InputError, choose, nearest, shown
from unstuck.files.circuit import CircuitFile
from unstuck.files.context import ContextFile
from unstuck.files.drug import DrugFile
from unstuck.files.find import read, shipped
from unstuck.files.numbers import check_drug
from unstuck.files.schema import json_schema
from unstuck.files.treatment import TreatmentFile, circuit_for, dosing_notes
from unstuck.files.yaml import Document, is_stream, read_document_with_places
from unstuck.patient.checks import check_illness, runnable_treatment

from unstuck_analysis.library.events import treatments_from
from unstuck_analysis.output.files import write_whole

KINDS = ("drug", "treatment", "circuit", "study", "cohort", "context", "trial", "story")
_QUICK: dict[str, type[Document]] = {
    "drug": DrugFile,
    "treatment": TreatmentFile,
    "circuit": CircuitFile,
    "context": ContextFile,
}
_SHARED = {"title", "description", "extends"}  # keys that do not show the kind
_TEMPLATES = files("unstuck_analysis.library") / "templates"


class _AnyFile(Document):
    """A file with any keys."""

    model_config = ConfigDict(extra="allow")


def plural(kind: str) -> str:
    """The folder of a kind: drugs, treatments, circuits, studies, stories."""
    return f"{kind.removesuffix('y')}ies" if kind.endswith("y") else f"{kind}s"


def choose_kind(word: str, kinds: Sequence[str]) -> str:
    """The kind meant by its singular or plural; InputError with the nearest spelling."""
    by_word = {form: kind for kind in kinds for form in (kind, plural(kind))}
    try:
        return by_word[choose(word, by_word, "kind")]
    except ValueError:
        hint = nearest(word, by_word) or f" (known: {', '.join(kinds)})"
        raise InputError(f"unknown kind {shown(word)}{hint}") from None


def schema_for(kind: str) -> type[Document]:
    """The schema of a kind of file. Only those of studies, cohorts and stories load the engine."""
    if kind == "study":
        from unstuck_analysis.study.file import StudyFile

        return StudyFile
    if kind == "cohort":
        from unstuck.patient.draw import CohortFile

        return CohortFile
    if kind == "trial":
        from unstuck_analysis.trial.file import TrialFile

        return TrialFile
    if kind == "story":
        from unstuck_analysis.view.stories import Story

        return Story
    return _QUICK[kind]


def check_files(names: Sequence[Path]) -> list[tuple[Path, str, list[str]]]:
    """Each file with its kind and notes, if all are valid; else InputError with the faults of all of them."""
    kinds: list[tuple[Path, str, list[str]]] = []
    faults: list[str] = []
    for path in (path for name in names for path in _files_named(name)):
        try:
            kinds.append((path, *check_file(path)))
        except InputError as fault:
            faults.append(str(fault))
    if faults:
        raise InputError("\n".join(faults))
    return kinds


def _files_named(name: Path) -> list[Path]:
    """The file at a path; for the name of shipped files without such a file, each of them."""
    text = str(name)
    if text == name.stem and not name.exists():
        found = [names[text] for kind in KINDS if text in (names := shipped(plural(kind)))]
        return found or [name]
    return [name]


def check_file(path: Path) -> tuple[str, list[str]]:
    """Kind of a file and notes on its doses, checked with all that it names; InputError if it is at fault."""
    bare = len(path.parts) == 1 and not path.suffix and not is_stream(path)
    kind, name = kind_of(path), str(path.absolute() if bare else path)
    if kind == "treatment":
        treatment = runnable_treatment(name)
        return kind, list(dosing_notes(treatment.file, treatment.drugs))
    if kind == "circuit":
        return kind, check_illness(*circuit_for(name))
    if kind == "drug":
        drug, places = read("drugs", name, DrugFile)
        check_drug(drug, places, _known_regions())
    elif kind == "study":
        from unstuck_analysis.study.file import Study

        _ = Study.load(name).plan
    elif kind == "cohort":
        _check_cohort(path)
    elif kind == "context":
        read("contexts", name, ContextFile)
    elif kind == "trial":
        from unstuck_analysis.trial.file import load_trial

        load_trial(name)
    elif kind == "story":
        from unstuck_analysis.view.stories import read_story

        read_story(Path(name))
    return kind, []


def kind_of(path: Path) -> str:
    """The kind whose own keys a file has; where it has none, that of its folder (InputError if unclear)."""
    found, places = read_document_with_places(path, _AnyFile)
    keys = set(found.model_extra or {}) - _SHARED
    if quick := next((kind for kind in _QUICK if keys and keys <= _own_keys(kind)), ""):
        return quick
    own = {kind: _own_keys(kind) for kind in KINDS}
    parent = str(found.model_dump().get("extends"))
    by_parent = [kind for kind in KINDS if parent in shipped(plural(kind))]
    best = max(own, key=lambda kind: (len(keys & own[kind]), kind in by_parent))
    if keys & own[best]:
        return best
    by_folder = [kind for kind in KINDS if plural(kind) == path.absolute().parent.name]
    if by_folder or by_parent:
        return (by_folder or by_parent)[0]
    examples = "; ".join(f"{kind}: {', '.join(sorted(own[kind])[:4])}" for kind in KINDS)
    unknown = next((key for key in found.model_extra or {} if key in keys), "")
    hint = nearest(unknown, [key for kind_keys in own.values() for key in kind_keys])
    raise places.error(
        (unknown,) if unknown else (), f"no key shows the kind of this file{hint} ({examples})"
    )


def _own_keys(kind: str) -> set[str]:
    fields = schema_for(kind).model_fields.items()
    return {field.alias or name for name, field in fields} - _SHARED


def _known_regions() -> list[str]:
    """Regions of every circuit at hand, because a drug file names no circuit."""
    circuits = [read("circuits", name, CircuitFile)[0] for name in shipped("circuits")]
    return list(dict.fromkeys(region for circuit in circuits for region in circuit.regions))


def _check_cohort(path: Path) -> None:
    from unstuck.files.cohort import read_cohort

    read_cohort(path)


def schema_of(kind: str) -> dict[str, object]:
    """JSON Schema of a kind of file, named in singular or plural."""
    return json_schema(schema_for(choose_kind(kind, KINDS)))


def write_template(kind: str, name: str) -> Path:
    """Write a commented, valid NAME.yaml into the working folder; InputError if the file exists already."""
    kinds = sorted(path.name.removesuffix(".yaml") for path in _TEMPLATES.iterdir())
    template = _TEMPLATES / f"{choose_kind(kind, kinds)}.yaml"
    path = _new_path(name)
    text = template.read_text(encoding="utf-8").replace("NAME", path.stem)
    write_whole(path, text.encode())
    return path


def write_from_events(kind: str, name: str, events: Path | None, drug: str) -> list[Path]:
    """Write the files that a dosing table becomes; InputError for a fault in it, or a file that exists."""
    if choose_kind(kind, KINDS) != "treatment":
        raise InputError(f"--from makes treatments, not a {kind}: unstuck new treatment {name} --from FILE")
    if events is None or not drug:
        missing = "--from FILE" if events is None else "--drug NAME (see: unstuck list drugs)"
        raise InputError(f"a dosing table and its drug go together: {missing} is missing")
    written = treatments_from(events, drug, _new_path(name).stem)
    for path in written:
        if path.exists():
            raise InputError(f"{path}: this file exists already; choose another name")
    for path, text in written.items():
        path.parent.mkdir(exist_ok=True)
        write_whole(path, text.encode())
    return list(written)


def _new_path(name: str) -> Path:
    """The path of a new file in the working folder; InputError for a name that is none, or is taken."""
    name = name.removesuffix(".yaml")
    if not re.fullmatch(r"\w[\w.-]{0,80}", name):
        raise InputError(f"{name!r} is not a name for a file: use letters, digits, '-', '_' and '.'")
    path = Path(f"{name}.yaml")
    if path.exists():
        raise InputError(f"{path}: this file exists already; choose another name")
    return path
