"""The page on the ditch cannot drift from the code: its quick numbers are measured again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from landscape import page, quick_numbers, stored
from unstuck.files.circuit import CircuitFile
from unstuck.parameters import default_parameters
from unstuck_analysis.questions.ditch import measure_ditch

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
def test_the_quick_numbers_measured_again_are_those_stored(default_file: CircuitFile) -> None:
    now = dict(leaves(quick_numbers(measure_ditch(default_file, default_parameters()))))
    then = dict(leaves(stored()["quick"]))
    assert now.keys() == then.keys(), AGAIN
    for path, value in now.items():
        expected = pytest.approx(then[path], rel=1e-3, abs=1e-4) if isinstance(value, float) else then[path]
        assert value == expected, f"{path}: {AGAIN}"


def test_what_the_prose_claims_is_what_the_numbers_say() -> None:
    numbers = stored()
    quick, edge = numbers["quick"], numbers["quick"]["edge_position"]
    assert quick["depths"][1] > quick["depths"][0]  # health is the deeper place
    assert quick["over_edge_day"]["ketamine-like"] is None  # one dose rolls back
    assert 0.1 < quick["furthest"]["ketamine-like"] / edge < 1.0
    assert quick["furthest"]["ssre-only"] < 0.05 * edge
    assert quick["contract"]["minimal_course"]["ssri-like"]["value"] < quick["over_edge_day"]["ssri-like"]
    assert quick["furthest"]["ssri-like"] > 1.0  # a tow can overshoot
    left = {(row["sigma_n"], row["from"]): row["median_day"] for row in numbers["escapes"]}
    assert all(left[sigma, "stuck"] < left[sigma, "healthy"] for sigma in (0.005, 0.01))
    assert all(count >= 9 for count in numbers["networks"]["right"].values())
    assert numbers["sensitivity"]["strongest"][0][0] == "rB"
