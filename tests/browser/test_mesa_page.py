"""Mesa's own page: as an example, and by `unstuck view --mesa`."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (the module is skipped first where something is missing)

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from page_server import skip_without, start_server

skip_without("playwright", "solara", "altair")

from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_mesas_own_page_runs_what_the_command_line_asks_for_without_a_network(
    new_page: Callable[..., Page],
) -> None:
    server = start_server("tianeptine-like", "--mesa", "--seed", "4", "--neurons", "150")
    page = new_page()
    foreign: list[str] = []
    own = urlsplit(server.url).netloc
    page.on("request", lambda r: foreign.append(r.url) if urlsplit(r.url).netloc not in (own, "") else None)
    page.goto(server.url)
    expect(page.locator("body")).to_contain_text("Unstuck: Tianeptine-like")
    page.get_by_role("button", name="Step").click()
    expect(page.locator("body")).to_contain_text("Step: 1")
    expect(page.locator("img")).not_to_have_count(0)
    for label in ("Treatment", "Dose", "Seed", "Patient", "Neurons"):
        expect(page.locator("body")).to_contain_text(label)
    assert foreign == []
    page.goto("about:blank")
    server.stop()


def test_the_example_composes_the_components_that_the_package_ships() -> None:
    example = (Path(__file__).parents[2] / "examples" / "mesa_page.py").read_text(encoding="utf-8")
    assert "from unstuck_analysis.view.mesa import COMPONENTS, DosedModel, parameters" in example
