"""The model description cannot drift from the code."""

from pathlib import Path

from model_description import description, parameter_rows
from unstuck.parameters import default_parameters

DOCUMENT = Path(__file__).parents[2] / "docs" / "model-description.md"


def test_the_description_in_the_docs_is_what_code_and_data_say() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == description(), (
        "run python docs/make/all.py model-description"
    )


def test_every_parameter_is_in_the_table_with_unit_range_origin_and_source() -> None:
    rows = {row[0]: row for row in parameter_rows()}
    assert set(rows) == set(default_parameters().records)
    assert all(row[3] and row[4] and row[6] and row[7] for row in rows.values())
