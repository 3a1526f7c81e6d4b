"""The page on the landscape agrees with the code: its quick numbers are measured again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from landscape import measured, page, quick_numbers, stored

DOCUMENT = Path(__file__).parents[2] / "docs" / "landscape.md"
AGAIN = "run python docs/make/all.py landscape"


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, text or null of nested numbers, by its path."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, below in pairs:
            yield from leaves(below, f"{path}/{key}")
    else:
        yield path, value


def test_the_page_in_the_docs_is_made_of_the_stored_numbers() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(stored()), AGAIN


@pytest.mark.slow
def test_the_quick_numbers_measured_again_are_those_stored() -> None:
    now, then = dict(leaves(quick_numbers(measured()))), dict(leaves(stored()["quick"]))
    assert now.keys() == then.keys(), AGAIN
    for path, value in now.items():
        expected = pytest.approx(then[path], rel=1e-3, abs=1e-4) if isinstance(value, float) else then[path]
        assert value == expected, f"{path}: {AGAIN}"


def test_the_prose_claims_what_the_numbers_say() -> None:
    quick, strongest = stored()["quick"], stored()["sensitivity"]["strongest"][0]
    assert strongest[0] == "mM"
    assert strongest[1] > 0.5
    leaving = {row["treatment"]: row for row in quick["data"]["leaving"]}
    untreated = [row for row in quick["data"]["slow_manifold"] if row["acting"] == "untreated"]
    assert quick["apart"] < 0.01  # one state
    assert all(row["scar_change"] < 0 for row in untreated if row["scar"] > 0)  # every scar heals
    assert leaving["ketamine-like"]["recovered_day"] < 1 < 84
    assert leaving["ketamine-like"]["recovery_later"] < 0.5  # one dose is not enough
    assert leaving["ssri-like"]["scar_days"] < leaving["untreated"]["scar_days"]
    scars = [row["scar"] for row in quick["data"]["stress"] if row["stress"] == 1 and row["days"] == 28]
    added = [after - before for before, after in zip([0.0, *scars], scars, strict=False)]
    assert added == sorted(added, reverse=True)  # later episodes add less
