"""The example page in the docs is what the present program would write."""

import json
import re
from typing import Any

import example_page
from quick_runs import DOCS
from unstuck_analysis.view import prepare
from unstuck_analysis.view.cases import Cases
from unstuck_analysis.view.page import exported_page
from unstuck_analysis.view.shows import show_of

PAGE = (DOCS / example_page.FILE).read_text(encoding="utf-8")
AGAIN = "python docs/make/all.py example-page"


def structure(value: Any) -> Any:
    """Keys and kinds of values, without the values."""
    match value:
        case dict():
            return {key: structure(part) for key, part in value.items()}
        case list():
            return [structure(value[0])] if value else []
        case _:
            return "text" if isinstance(value, str) else "number or none"


def test_markup_style_and_code_of_the_example_page_are_those_that_are_shipped() -> None:
    shipped = exported_page(Cases(), None)
    same = example_page.without_recordings(PAGE) == example_page.without_recordings(shipped)
    assert same, f"docs/{example_page.FILE} is out of date: run {AGAIN}"
    assert "setShow(" in example_page.without_recordings(PAGE)


def test_the_example_page_plays_the_three_usual_treatments_over_twelve_weeks() -> None:
    found = re.search(r'id="setup">(.*?)</script>', PAGE, re.DOTALL)
    assert found
    setup = json.loads(found[1])
    (show,) = setup["shows"]
    wanted = json.loads(json.dumps(show_of(prepare().plan, until=84.0).about()))
    assert structure(show) == structure(wanted), f"run {AGAIN}"
    assert (show["query"], show["last"]) == (wanted["query"], wanted["last"])
    assert set(setup["recordings"]) == {panel["key"] for panel in wanted["panels"]}
