"""Faults that a user can correct, and hints that help: every layer may raise them."""

import difflib
import json
from collections.abc import Iterable


class InputError(ValueError):
    """A fault that a user can correct: `str(error)` is the message, one line per fault (exit code 2)."""


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`", did you mean 'x'?"` for the allowed word spelled most like `word`, capitals aside, or nothing."""
    by_lower = {name.lower(): name for name in allowed}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1) if len(word) <= 60 else []
    return f", did you mean {by_lower[found[0]]!r}?" if found else ""


def choose(word: str, allowed: Iterable[str], what: str) -> str:
    """`word` if it is allowed; else an InputError with what could be meant."""
    if word in (known := list(allowed)):
        return word
    raise InputError(unknown(what, word, known))


def unknown(what: str, word: str, allowed: Iterable[str], see: str = "") -> str:
    """Message for a word that is not allowed: the nearest spelling, else all words or where to see them."""
    known = list(allowed)
    all_of_them = f" (see: {see})" if see else f" (known: {', '.join(known)})"
    return f"unknown {what} {shown(word)}{nearest(word, known) or all_of_them}"


def shown(value: object) -> str:
    """A value as read from a file, short enough for a message."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    names: dict[type, str] = {dict: "a mapping", list: "a list", type(None): "nothing"}
    return names.get(type(value)) or json.dumps(value, default=str)
