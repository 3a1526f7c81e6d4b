"""One server and one Chromium for all browser tests, and pages that report what must never happen."""

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

READY_MS = 180_000  # the first page also waits until the server has loaded its compiled code
USUAL = "seed=1&patient=0&neurons=200&a=untreated&b=ssri-like&c=ketamine-like"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """The page with its usual treatments and one that fails."""
    started = start_server("untreated", "ssri-like", str(HERE / "failing.yaml"), "--neurons", "200")
    yield started
    started.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=45_000)  # a machine that is shared can stand still for long
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
def new_page(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Make a page in a context of its own; no request may leave the machine and no script may fail."""
    watched: list[Watched] = []

    def make(**options: object) -> Page:
        # The tests' own scripts are text that is evaluated, which the page's policy forbids to everyone.
        usual = {"viewport": {"width": 1280, "height": 720}, "accept_downloads": True, "bypass_csp": True}
        page = browser.new_context(**(usual | options)).new_page()  # pyright: ignore[reportArgumentType]
        page.set_default_timeout(60_000)
        seen = Watched(page)
        watched.append(seen)
        page.on("request", lambda r: None if is_own(r.url, server) else seen.foreign.append(r.url))
        page.on("websocket", lambda w: None if is_own(w.url, server) else seen.foreign.append(w.url))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("console", lambda m: seen.errors.append(m.text) if _is_fault(m.type, m.text) else None)
        return page

    yield make
    for seen in watched:
        seen.page.context.close()
    assert [url for seen in watched for url in seen.foreign] == []
    assert [error for seen in watched for error in seen.errors] == []


@pytest.fixture
def open_page(new_page: Callable[..., Page], server: Server) -> Callable[..., Page]:
    """Open the live page and wait until all copies have a picture."""
    from playwright.sync_api import expect

    def open_one(query: str = USUAL, *, more: str = "", ready: bool = True, **options: object) -> Page:
        page = new_page(**options)
        page.goto(f"{server.origin}/?{query}{more}")
        if ready:
            expect(page.locator("#app")).to_have_attribute("data-ready", "1", timeout=READY_MS)
        return page

    return open_one


def _is_fault(kind: str, text: str) -> bool:
    """Whether a message on the console is a fault; a server that has stopped is tested on purpose."""
    return kind == "error" and "WebSocket connection" not in text


def is_own(url: str, server: Server) -> bool:
    """Whether a request goes to the server or the disk, or nowhere at all (data and blob)."""
    parts = urlsplit(url)
    return parts.scheme in ("data", "blob", "file") or parts.hostname == urlsplit(server.url).hostname
