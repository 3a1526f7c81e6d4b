"""The language of everything that people read: no odd words, "per" for rates, and short sentences.

The test reads pages, help, messages, labels, docstrings, data files and the browser page. It leaves
out code, links and the sources of numbers.
"""

import ast
import csv
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LONGEST = 30  # words of a sentence; writers aim at 25

BANNED = {  # odd word: what to write
    "anew": "again",
    "beside": "next to, with",
    "besides": "also",
    "ditch": "stuck",
    "escape": "recover",
    "escaped": "still recovered",
    "escapes": "recovers",
    "falls": "decreases, fails",
    "foretell": "predict",
    "foretells": "predicts",
    "gone": "has left the body, no longer exists",
    "holds": "contains, is true",
    "lies": "is",
    "lived": "simulated",
    "mend": "fix",
    "nobody": "no person, or say what was not done",
    "stands": "is",
    "told": "reported, said",
    "trap": "make stuck",
    "trapped": "stuck",
    "traps": "makes stuck",
    "walked": "followed",
    "whoever": "the person who",
    "whomever": "the person whom",
}
PHRASES = (r"by another hand", r"out of the ditch", r"sums? up", r"what came of", r"who gets out")
COUNTED = (
    r"arms?|bytes|cells|columns?|days|doses?|drugs|entry|figures?|files?|hours?|lines?|mg|modules?|neurons|once|"
    r"patients|points?|rows?|steps?|synapses|tables?|times|twice|values?|weeks?|words?"
)
PER = (
    r"arm|cell|circuit|column|connection|course|day|dose|drug|file|finding|hour|kind|line|mechanism|minute|month|"
    r"neuron|page|panel|parameter|patient|point|population|process|projection|region|row|run|second|step|study|"
    r"synapse|treatment|week|worker|year"
)
ODD = re.compile(rf"(?<![\w-])(?:{'|'.join([*BANNED, *PHRASES])})(?![\w-])", re.IGNORECASE)
RATE = re.compile(rf"\b(?:{COUNTED}) an? (?:{PER})\b(?! of)", re.IGNORECASE)

ALLOWED = {  # folder or file: words that are allowed there, and why
    "README.md": ("ditch", "the picture of Page et al. 2024, whose idea the model examines"),
    "docs/explanation/five-minutes.md": ("ditch", "the same picture"),
    "docs/landscape.md": ("ditch", "says how far the picture is right"),
    "docs/make/landscape.md": ("ditch", "the text of docs/landscape.md"),
}
LONG_ALLOWED = {  # folder or file: why its sentences may be longer
    "docs/evidence.md": "its tables quote the findings and the history of every range",
    "docs/model-description.md": "its tables quote the sources of parameters",
    "docs/reference/parameters.md": "its tables quote the sources of parameters",
    "docs/drug-shelf.md": "its tables quote the sources of measurements",
    "tests": "docstrings of tests state one claim each",
}


class Text(NamedTuple):
    """A text that people read, and where it is."""

    place: str
    words: str


def in_pages() -> Iterator[Text]:
    """Paragraphs, headings, list items and cells of the pages, without code and the targets of links."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for path in sorted(pages):
        text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        text = re.sub(r"^ {4,}\S.*$", "", text, flags=re.MULTILINE)
        text = re.sub(r"`[^`]*`", "CODE", re.sub(r"\]\([^)]*\)", "]", text))
        for part in re.split(r"\n\s*\n|\n\s*(?:[*-]|\d+\.) |\n?\|\n?|\n#+ |<br>", text):
            yield Text(_place(path), part)


def in_python(*, strings: bool) -> Iterator[Text]:
    """Docstrings of all Python files, and with strings the messages and labels of the program."""
    folders = ("model", "analysis") if strings else ("model", "analysis", "docs", "examples", "tests")
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if path == Path(__file__):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = list(_docstrings(tree))
        for line, text in [] if strings else [(node.lineno, str(node.value)) for node in documented]:
            for part in re.split(r"\n\s*\n|\n\s*(?:[*-]|\d+\.) |\n {4,}", text):
                yield Text(f"{_place(path)}:{line}", part)
        for line, text in _messages(tree, {id(node) for node in documented}) if strings else []:
            yield Text(f"{_place(path)}:{line}", text)


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and ast.get_docstring(node)
            ):
                yield first.value


def _messages(tree: ast.AST, documented: set[int]) -> Iterator[tuple[int, str]]:
    """Strings with at least two words; what an f-string inserts is one word."""
    left_out = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values]
            yield node.lineno, "".join(parts)
        elif isinstance(node, ast.Constant) and id(node) not in documented | left_out:
            text = node.value if isinstance(node.value, str) else ""
            if " " in text.strip():
                yield node.lineno, text


READ_KEYS = {"title", "description", "question", "summary", "caption", "note", "limits", "what", "meaning"}


def in_data() -> Iterator[Text]:
    """Words of the shipped files, their comments, and the texts of the findings."""
    for path in sorted([*(ROOT / "scenarios").rglob("*.yaml"), *(ROOT / "analysis").rglob("*.yaml")]):
        text = path.read_text(encoding="utf-8")
        yield from (Text(_place(path), words) for words in _values(yaml.safe_load(text)))
        for comment in re.findall(r"(?:^|\s)# (.*)$", text, flags=re.MULTILINE):
            yield Text(_place(path), comment)
    with (ROOT / "analysis/unstuck_analysis/evidence/facts.csv").open(encoding="utf-8", newline="") as file:
        yield from (Text(f"facts.csv:{row['id']}", row["statement"]) for row in csv.DictReader(file))


def _values(content: Any, key: str = "") -> Iterator[str]:
    """Texts under the keys that people read."""
    if isinstance(content, dict):
        for name, inner in content.items():
            yield from _values(inner, str(name))
    elif isinstance(content, list):
        for inner in content:
            yield from _values(inner, "note" if key == "notes" else key)
    elif isinstance(content, str) and key in READ_KEYS:
        yield content


def in_browser_page() -> Iterator[Text]:
    """Texts of the browser page and of the report's template."""
    folder = ROOT / "analysis/unstuck_analysis"
    for path in sorted([*(folder / "view" / "player").iterdir(), *folder.rglob("*.j2")]):
        text = path.read_text(encoding="utf-8")
        quoted = (
            re.findall(r"'([^'\n]*)'|`([^`\n]*)`", text)
            if path.suffix == ".js"
            else re.findall(r">([^<>{}]+)<()", text)
        )
        for one, other in quoted:
            if " " in (one or other).strip():
                yield Text(_place(path), one or other)


def _place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


READ = {
    "pages": in_pages,
    "docstrings": lambda: in_python(strings=False),
    "messages": lambda: in_python(strings=True),
    "data": in_data,
    "browser page": in_browser_page,
}
every_kind = pytest.mark.parametrize("kind", READ)


@cache
def texts(kind: str) -> tuple[Text, ...]:
    """All texts of a kind, read once."""
    return tuple(READ[kind]())


def allowed(place: str, word: str) -> bool:
    """Whether an odd word is allowed in a file."""
    return any(place.startswith(where) and word.lower() == odd for where, (odd, _) in ALLOWED.items())


@every_kind
def test_no_odd_word_is_used(kind: str) -> None:
    found = [
        f"{text.place}: {match[0]!r} (write: {BANNED.get(match[0].lower(), 'another word')})"
        for text in texts(kind)
        for match in ODD.finditer(text.words)
        if not allowed(text.place, match[0])
    ]
    assert found == []


@every_kind
def test_rates_are_written_with_per(kind: str) -> None:
    found = [f"{text.place}: {match[0]!r}" for text in texts(kind) for match in RATE.finditer(text.words)]
    assert found == []


@every_kind
def test_no_sentence_has_more_than_thirty_words(kind: str) -> None:
    found = [
        f"{text.place}: {len(sentence.split())} words: {' '.join(sentence.split())[:90]}"
        for text in texts(kind)
        if not any(text.place.startswith(where) for where in LONG_ALLOWED)
        for sentence in re.split(r"(?<=[.!?:;])\s+", text.words)
        if len(sentence.split()) > LONGEST
    ]
    assert found == []


def test_the_test_sees_odd_words_rates_and_long_sentences() -> None:
    assert ODD.search("The file holds a study")
    assert not ODD.search("a held-out finding, fall_half_life, mended")
    assert RATE.search("5,000 neurons a patient")
    assert not RATE.search("20 neurons per patient")
    assert all(len(texts(kind)) > 20 for kind in READ)
