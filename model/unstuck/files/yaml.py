# Not strict: a YAML document has any shape.
# pyright: standard
"""Read YAML files, and report every fault with file, line and key.

A file becomes values and their places, is laid over the file it extends and checked against a `Document`;
each fault becomes a line `file:line:key: what is wrong and what is allowed`.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from unstuck.errors import InputError, nearest, shown

T = TypeVar("T", bound="Document")
Key: TypeAlias = tuple[str | int, ...]
FindParent: TypeAlias = Callable[[str, Path], Path]
Parsed: TypeAlias = "tuple[dict[str, Any], Places]"

MAX_BYTES, MAX_VALUES, MAX_DEPTH, MAX_FAULTS_SHOWN, MAX_PARENTS = 1_000_000, 10_000, 20, 20, 20
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)(e[-+]?\d+)?|[-+]?\.inf|\.nan", re.IGNORECASE | re.ASCII)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_KIND_OF_KEY = {"actions": "drug", "phases": "treatment", "projections": "circuit"}
_KIND_OF_KEY.update(treatments="study", arms="trial", scenes="story", draws="cohort", acts_on="context")
_MAPPING = "a mapping ('key: value' lines)"
_EXPECTED = {"string": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_EXPECTED.update(dict=_MAPPING, model=_MAPPING, list="a list", tuple="a list", set="a list", frozen="a list")


class Misplaced(ValueError):
    """A fault that the check of a whole model finds at a key inside it, as ("actions", 2, "of")."""

    def __init__(self, key: Sequence[str | int], message: str) -> None:
        super().__init__(message)
        self.key = tuple(key)


@contextmanager
def at_key(*key: str | int) -> Iterator[None]:
    """Report faults that are found inside at this key of the model that is being checked."""
    try:
        yield
    except ValueError as fault:
        raise Misplaced(key, str(fault)) from None


class Document(BaseModel):
    """Base of every schema: a file, or a record inside one. Frozen; unknown keys, nan and inf are refused.

    Give a key that is a Python word `Field(alias="for")`. Check a whole model in a mode="after" validator: a
    "before" validator stops the reading of lists as tuples and of texts as enums.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_by_name=True, serialize_by_alias=True
    )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as text: the classes of generic records inside have no name to import them by."""
        return _restored, (type(self), self.model_dump_json())


def _restored(schema: type[T], text: str) -> T:
    """The document that was pickled as this text."""
    return schema.model_validate_json(text)


@dataclass(frozen=True, slots=True)
class Places:
    """File and line (from 1) of each key of a document, for faults found after reading (an unknown drug)."""

    written: dict[Key, tuple[Path, int]]

    def error(self, key: Sequence[str | int], message: str) -> InputError:
        """The error to raise about `key`, as ("phases", 2, "drug"); an absent key points at its mapping."""
        return _error(*self.written[self.known(key)], message, key)

    def own(self, key: Key) -> Key:
        """The key, or no key where it is written in a file that this one extends."""
        return key if self.written[self.known(key)][0] == self.written[()][0] else ()

    def known(self, location: Iterable[str | int]) -> Key:
        """The steps of a pydantic location that the file has: without absent keys and the tags of unions."""
        key: Key = ()
        for step in location:
            key = (*key, step) if (*key, step) in self.written else key
        return key

    def over(self, parent: Places) -> Places:
        """The places after a merge: in what this child replaces whole, none of the parent's are left."""
        mappings = {key[:-1] for key in self.written if key and isinstance(key[-1], str)}
        whole = self.written.keys() - mappings
        left = {k: v for k, v in parent.written.items() if not any(k[:n] in whole for n in range(len(k)))}
        return Places(left | self.written)


def read_document(path: Path, schema: type[T], *, find_parent: FindParent | None = None) -> T:
    """The checked content of a YAML file. Raises InputError for every fault a user can make.

    `find_parent(name, file)` is the path meant by `extends: name` in `file`; the result's `extends` is None.
    """
    return read_document_with_places(path, schema, find_parent=find_parent)[0]


def read_document_with_places(
    path: Path, schema: type[T], *, find_parent: FindParent | None = None
) -> tuple[T, Places]:
    """As `read_document`, with the places of its keys for checks that need to know other files."""
    data, places = _parse(path)
    _refuse_another_kind(data, places, schema)
    if "extends" in schema.model_fields:
        data, places = _with_parents((data, places), [path], find_parent)
    try:
        # JSON mode is strict about numbers and text, yet lets a list be a tuple and text be an enum.
        return schema.model_validate_json(json.dumps(data), strict=True, by_alias=True, by_name=False), places
    except ValidationError as error:
        raise _schema_error(places, error.errors(include_url=False), schema) from None


def _refuse_another_kind(data: dict[str, Any], places: Places, schema: type[Document]) -> None:
    """InputError for a file with a key of another kind of file, and without the keys of the wanted kind."""
    own = {field.alias or name for name, field in schema.model_fields.items()}
    found = [key for key in _KIND_OF_KEY if key in data]
    if found and schema.model_config.get("extra") != "allow" and not own & set(found):
        wanted = schema.__name__.removesuffix("File").lower()
        raise places.error(
            found[:1], f"this is a {_KIND_OF_KEY[found[0]]} file; a {wanted} file is needed here"
        )


def is_stream(path: Path) -> bool:
    """True for standard input (`-`) and for the pipes of a shell, which can be read once."""
    return str(path) in ("-", "/dev/stdin") or str(path.parent) in ("/dev/fd", "/proc/self/fd")


def decimal_comma(text: str) -> str:
    """A hint for a number with a comma. It is not converted: 1,000 has two meanings."""
    match = re.search(r"(?<![\d.,])(\d+),(\d+)(?![\d,])", text[:60])
    if match is None:
        return ""
    whole, digits = match.groups()
    thousands = f", or {whole}{digits} for thousands" if len(digits) == 3 else ""
    return f"; a decimal point is written '.': {whole}.{digits}{thousands}"


def _parse(path: Path) -> Parsed:
    text = _read_text(path)
    composer = _Composer(path, yaml.parse(text, Loader=_LOADER))
    try:
        return composer.document(), Places(composer.written)
    except InputError:
        raise
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # without libyaml also those of a bad "\\U"
        raise _syntax_error(path, text, error) from None


def _syntax_error(path: Path, text: str, error: Exception) -> InputError:
    """The error for a text that is not YAML, with its line where the reader knows it."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        problem = getattr(error, "problem", None) or getattr(error, "reason", error)
        return _error(path, 0, f"this is not YAML: {problem}")
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return _error(path, mark.line + 1, "this line starts with a tab; indent with spaces")
    problem = getattr(error, "problem", error)
    return _error(path, mark.line + 1, f"this is not YAML at column {mark.column + 1}: {problem}")


def _read_text(path: Path) -> str:
    try:
        data = _read_stream(str(path)) if is_stream(path) else _read_bytes(path)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise _error(path, 0, f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise _error(path, error.object.count(b"\n", 0, error.start) + 1, "this is not UTF-8 text") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise _error(path, line, "this is not YAML: it contains the character NUL (U+0000)")
    return text


def _read_bytes(path: Path) -> bytes:
    if any("\udc80" <= letter <= "\udcff" for letter in str(path)):  # bytes that are no text
        raise _error(path, 0, "the name of this file is not UTF-8 text; rename the file")
    if not path.is_file():
        kind = "a folder, not a file" if path.is_dir() else "not an ordinary file"
        raise _error(path, 0, f"this is {kind}" if path.exists() else "there is no such file")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise _error(path, 0, f"the file has {size} bytes; the limit is {MAX_BYTES} (1 MB)")
    return path.read_bytes()


@cache  # a stream can be read once, but a file is read again to check it as what it is
def _read_stream(name: str) -> bytes:
    if name == "-":
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        with Path(name).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _error(Path(name), 0, f"more than {MAX_BYTES} bytes; the limit is {MAX_BYTES} (1 MB)")
    return data


@dataclass(slots=True)
class _Composer:
    """Values and places of YAML events; anchors, double keys and infinite numbers are refused."""

    file: Path
    events: Iterator[Any]
    written: dict[Key, tuple[Path, int]] = field(default_factory=dict[Key, tuple[Path, int]])

    def document(self) -> dict[str, Any]:
        """The whole file, which must be one mapping."""
        next(self.events)
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise _error(self.file, 0, "the file is empty")
        data = self.value(event := next(self.events), ())
        if not isinstance(event, yaml.MappingStartEvent):
            raise self.error(event, f"the file must be {_MAPPING}")
        next(self.events)
        if not isinstance(event := next(self.events), yaml.StreamEndEvent):
            raise self.error(event, "a second document starts here; write one per file")
        return data

    def value(self, event: Any, key: Key, line: int = 0) -> Any:
        """The value that starts with `event`; `line` is that of its key, where it has one."""
        self.refuse_anchors(event, key)
        if len(self.written) >= MAX_VALUES or len(key) > MAX_DEPTH:
            raise self.error(event, f"more than {MAX_VALUES} values, or {MAX_DEPTH} levels of nesting", key)
        self.written[key] = (self.file, line or event.start_mark.line + 1)
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(key)
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style else self.plain_word(event, key)
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(event, (*key, len(items))))
        return items

    def mapping(self, key: Key) -> dict[str, Any]:
        """The values of the mapping at `key`, up to its end."""
        items: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            self.refuse_anchors(event, key)
            if not isinstance(event, yaml.ScalarEvent) or event.value in ("", "<<"):
                raise self.error(event, "a key must be a word; there are no merge keys (<<) here", key)
            name, line = event.value, event.start_mark.line + 1
            if name in items:
                lines = f"on lines {self.written[*key, name][1]} and {line}"
                raise self.error(event, f"the key {shown(name)} is written twice, {lines}", (*key, name))
            items[name] = self.value(next(self.events), (*key, name), line)
        return items

    def plain_word(self, event: Any, key: Key) -> str | int | float | bool | None:
        """A word without quotes by the rules of YAML 1.2: yes, off and dates are text."""
        text: str = event.value
        if not _NUMBER.fullmatch(text):
            return _WORDS.get(text, text)
        number = math.inf if text[-1] in "fFnN" else float(text)
        if math.isinf(number):
            raise self.error(event, f"{shown(text)} is not a finite number", key)
        return int(text) if text.lstrip("+-").isdigit() else number

    def refuse_anchors(self, event: Any, key: Key) -> None:
        if event.anchor is not None or event.tag is not None:
            raise self.error(
                event, "anchors, aliases and tags (&, *, !) are not allowed: write the value itself", key
            )

    def error(self, event: Any, message: str, key: Key = ()) -> InputError:
        return _error(self.file, event.start_mark.line + 1, message, key)


def _with_parents(parsed: Parsed, chain: list[Path], find_parent: FindParent | None) -> Parsed:
    """A file laid over the one it extends, and so on; `chain` runs from the first child to this file.

    A description is that of one file, so it is not taken over.
    """
    data, places = parsed
    name = data.pop("extends", None)
    if name is None:
        return parsed
    if not isinstance(name, str) or find_parent is None:
        allowed = "the name of one file" if find_parent else "left out here"
        raise places.error(["extends"], f"must be {allowed}, not {shown(name)}")
    try:
        path = find_parent(name, chain[-1])
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
    except (ValueError, OSError) as error:
        raise places.error(["extends"], str(error)) from None
    if path.resolve() in [file.resolve() for file in chain]:
        loop = " -> ".join(map(str, [*chain, path]))
        raise places.error(["extends"], f"the files extend each other in a loop: {loop}")
    if len(chain) > MAX_PARENTS:
        raise places.error(["extends"], f"more than {MAX_PARENTS} files extend each other in a row")
    parent, parent_places = _with_parents(_parse(path), [*chain, path], find_parent)
    parent.pop("description", None)
    parent_places.written.pop(("description",), None)
    return _merge(data, parent), places.over(parent_places)


def _merge(child: Any, parent: Any) -> Any:
    """Mappings key by key, the child's value first; of anything else, a list too, the child's whole."""
    if isinstance(child, dict) and isinstance(parent, dict):
        return parent | {key: _merge(value, parent.get(key)) for key, value in child.items()}
    return child


def _schema_error(places: Places, details: Sequence[ErrorDetails], schema: type[Document]) -> InputError:
    """One line for each fault that pydantic found."""
    lines: list[str] = []
    for detail in details[:MAX_FAULTS_SHOWN]:
        inside = getattr(detail.get("ctx", {}).get("error"), "key", ())
        key = places.known((*detail["loc"], *inside))
        key += detail["loc"][-1:] if detail["type"] == "missing" else ()
        lines.append(str(places.error(key, _sentence(detail, schema))))
    if len(details) > len(lines):
        lines.append(str(places.error((), f"and {len(details) - len(lines)} more faults")))
    return InputError("\n".join(lines))


def _sentence(detail: ErrorDetails, schema: type[Document]) -> str:
    """What is wrong with one value, and what is allowed."""
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind in ("missing", "value_error"):
        return str(context.get("error", "this key is missing"))
    allowed = re.findall(r"'([^']*)'", str(context.get("expected_tags") or context.get("expected", "")))
    word, what = context.get("tag", value), "value"
    if kind == "extra_forbidden":
        allowed, word, what = _keys_at(schema, detail["loc"][:-1]), detail["loc"][-1], "key"
    if allowed and isinstance(word, str):
        return f"unknown {what} {shown(word)}{nearest(word, allowed)} (allowed: {', '.join(allowed)})"
    if kind.endswith(("_type", "_from_float")) and (expected := _EXPECTED.get(kind.split("_")[0])):
        comma = decimal_comma(value) if isinstance(value, str) else ""
        return f"must be {expected}, not {shown(value)}{comma}"
    return f"{detail['msg'].replace('Input should', 'must')}, not {shown(value)}"


def _keys_at(schema: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys allowed at a pydantic location, where tags and class names of unions stand among the keys."""
    models = [schema]
    for step in location:
        fields = [f for m in models for name, f in m.model_fields.items() if (f.alias or name) == step]
        tagged = [m for m in models for f in m.model_fields.values() if step in get_args(f.annotation)]
        named = [m for m in models if m.__name__ == step]
        models = [m for f in fields for m in _models(f.annotation)] or tagged or named or models
    return list(dict.fromkeys(f.alias or name for m in models for name, f in m.model_fields.items()))


def _models(annotation: Any) -> list[type[BaseModel]]:
    """Every model named in a type such as `tuple[Drug | Pause, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _error(file: Path, line: int, message: str, key: Sequence[str | int] = ()) -> InputError:
    """The error as one line, without control characters; line 0 means the whole file."""
    place = ":".join(filter(None, [str(file), str(line or ""), ".".join(str(step)[:60] for step in key)]))
    text = " ".join(f"{place}: {message[:2000]}".splitlines())
    return InputError("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))
