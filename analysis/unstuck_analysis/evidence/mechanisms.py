"""The mechanisms that can be switched off, as data (`mechanisms.yaml`): values at which each does nothing.

The model is balanced again without the mechanism, so that the healthy state stays healthy, and the patients
live without it from the beginning.
"""

from collections.abc import Sequence
from functools import cache

from unstuck.errors import InputError, unknown
from unstuck.files.yaml import Document, read_document

from unstuck_analysis.evidence.facts import shipped_file

ALL = "all"


class Mechanism(Document):
    """One mechanism: what is meant, and parameter values under which it does nothing."""

    title: str
    meaning: str
    values: dict[str, float]


class MechanismFile(Document):
    """All mechanisms that can be switched off."""

    title: str
    mechanisms: dict[str, Mechanism]


@cache
def mechanisms() -> dict[str, Mechanism]:
    """The mechanisms by name."""
    return read_document(shipped_file("mechanisms.yaml"), MechanismFile).mechanisms


def choose_mechanisms(names: Sequence[str]) -> list[str]:
    """The mechanisms asked for (`all` is every one); InputError for an unknown name."""
    known = list(mechanisms())
    for name in names:
        if name not in (*known, ALL):
            raise InputError(unknown("mechanism", name, [*known, ALL]))
    return known if ALL in names else list(dict.fromkeys(names))
