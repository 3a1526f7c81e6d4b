"""The mechanisms that can be switched off, as data (`mechanisms.yaml`): what makes a rule do nothing.

One that came after the first look names the test rows it was added for; only those can count as revised.
"""

from collections.abc import Sequence
from functools import cache

from unstuck.files.yaml import Document, InputError, nearest, read_document, shown

from unstuck_analysis.evidence.facts import shipped_file

ALL = "all"


class Mechanism(Document):
    """One mechanism: what is meant, and the values or cut projections under which it does nothing."""

    title: str
    meaning: str
    values: dict[str, float] = {}
    cut: list[str] = []
    added_for: list[str] = []
    source: str = ""


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
            hint = nearest(name, [*known, ALL])
            raise InputError(f"unknown mechanism {shown(name)}{hint} (known: {', '.join([*known, ALL])})")
    return known if ALL in names else list(dict.fromkeys(names))


def rows_revised(without: str = "") -> set[str]:
    """Test rows for which a mechanism was added that is on (`without` names one that is off)."""
    return {row for name, each in mechanisms().items() if name != without for row in each.added_for}
