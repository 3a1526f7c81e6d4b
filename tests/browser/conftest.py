"""One server and one Chromium for all browser tests, and pages that notice what must never happen."""

# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from page_server import CHROMIUM, HERE, Server, start_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

USUAL = "seed=1&patient=0&neurons=200&a=untreated&b=ssri-like&c=ketamine-like"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The page with its usual treatments and one that fails."""
    started = start_server("untreated", "ssri-like", str(HERE / "failing.yaml"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@dataclass
class Watched:
    """What a page asked for and complained about."""

    page: Page
    foreign: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Open the page in a context of its own; nothing foreign may be asked for and no script may fail."""
    from playwright.sync_api import expect

    watched: list[Watched] = []

    def open_one(query: str = USUAL, *, more: str = "", ready: bool = True, **options: object) -> Page:
        options = {"viewport": {"width": 1280, "height": 720}, "accept_downloads": True} | options
        page = browser.new_context(**options).new_page()  # pyright: ignore[reportArgumentType]
        seen = Watched(page)
        watched.append(seen)
        page.on("request", lambda r: None if is_own(r.url, server) else seen.foreign.append(r.url))
        page.on("websocket", lambda w: None if is_own(w.url, server) else seen.foreign.append(w.url))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda m: seen.errors.append(m.text) if m.type == "error" else None)
        page.goto(f"{server.origin}/?{query}{more}")
        if ready:
            expect(page.get_by_test_id("circuit")).to_have_attribute("data-ready", "1")
        return page

    yield open_one
    for seen in watched:
        seen.page.context.close()
    assert [url for seen in watched for url in seen.foreign] == []
    assert [error for seen in watched for error in seen.errors] == []


def is_own(url: str, server: Server) -> bool:
    """Whether a request goes to the server, or nowhere at all (data and blob)."""
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob") or parts.netloc == urlsplit(server.url).netloc
