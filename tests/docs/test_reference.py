"""The reference pages say what the program is: commands, keys, columns, drugs and parameters."""

import reference_pages
from quick_runs import DOCS

AGAIN = "python docs/make/all.py reference"


def test_the_reference_pages_are_those_of_the_present_program() -> None:
    old = [name for name, text in reference_pages.pages().items() if (DOCS / name).read_text("utf-8") != text]
    assert old == [], f"run {AGAIN}"


def test_every_meaning_is_that_of_a_key() -> None:
    schemas = {schema for records in reference_pages.FILES.values() for schema in records.values()}
    used = {
        (kind.__name__.partition("[")[0], key)
        for schema in schemas
        for key in reference_pages.keys_of(schema)
        for kind in schema.__mro__
    }
    assert set(reference_pages.meanings()) <= used
