"""The server of the page: who is let in, what it says when it cannot start, and how it stops."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (what may be missing is asked for first)

import http.client
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from page_server import Server, skip_where_they_cannot_run, start_program, start_server

skip_where_they_cannot_run()

from playwright.sync_api import Browser, WebSocketRoute, expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.browser


def status(server: Server, path: str = "/", **headers: str) -> int:
    """HTTP status of a request with these headers."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


def test_a_foreign_host_or_origin_is_refused(server: Server) -> None:
    port = urlsplit(server.url).port
    assert status(server) == 200
    assert status(server, Host=f"localhost:{port}") == 200
    assert status(server, Host="evil.example") == 403
    assert status(server, Host=f"evil.example:{port}") == 403
    assert status(server, Origin="http://evil.example") == 403
    assert status(server, Origin=f"http://localhost:{port + 1 if port else 1}") == 403


def test_a_websocket_from_a_foreign_page_is_refused(server: Server) -> None:
    address = server.origin.replace("http", "ws") + "/jupyter/api/kernels/1/channels"
    for origin in ("http://evil.example", "null"):
        with pytest.raises(InvalidStatus) as refused:
            connect(address, origin=origin)  # pyright: ignore[reportArgumentType]
        assert refused.value.response.status_code == 403


def test_a_missing_asset_is_not_fetched_from_elsewhere_and_no_other_file_is_given_away(
    server: Server,
) -> None:
    begun = time.monotonic()
    assert status(server, "/_solara/cdn/@widgetti/not-there.js") == 404
    assert status(server, "/_solara/cdn/../serve.py") == 404
    assert time.monotonic() - begun < 5.0


def refusal(*arguments: str) -> str:
    """What the page says when it does not start."""
    command = [sys.executable, "-m", "unstuck.page", "--no-browser", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    return done.stderr


def test_what_cannot_start_says_why_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal("--port", str(port))
    assert f"port {port} is in use" in said
    assert "is free: add --port" in said
    assert "did you mean 'untreated'?" in refusal("untreatd")
    assert "from 100 to 5000" in refusal("--neurons", "7")
    assert "--allow-remote" in refusal("--host", "0.0.0.0")


def test_frames_are_sent_at_once() -> None:
    from unstuck.page.serve import _bound  # pyright: ignore[reportPrivateUsage]

    listening = _bound(socket.AF_INET, "127.0.0.1", 0)
    try:
        assert listening.proto == socket.IPPROTO_TCP  # what asyncio asks before it sets TCP_NODELAY
    finally:
        listening.close()


def test_a_remote_page_needs_its_token_and_ctrl_c_stops_it_with_a_tab_open(browser: Browser) -> None:
    server = start_server("--host", "0.0.0.0", "--allow-remote", "untreated")
    host, port = socket.gethostname(), urlsplit(server.url).port
    assert status(server, "/") == 403
    assert status(server, "/?token=wrong") == 403
    with_token = "/?" + urlsplit(server.url).query
    assert status(server, with_token, Host=f"another-name:{port}") == 200  # a machine has several names
    assert status(server, "/", Host=f"another-name:{port}") == 403
    assert status(server, with_token, Origin="http://evil.example") == 403
    page = browser.new_page()
    page.goto(server.url.replace(f"//{host}:", "//127.0.0.1:"))
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-ready", "1")
    expect(page.get_by_test_id("note")).to_have_count(0)
    page.get_by_test_id("play").click()
    assert page.evaluate(f"fetch('http://127.0.0.1:{port}/').then(r => r.status)") == 200  # by its cookie
    assert server.stop() < 3.0
    page.close()


def kernels(server: Server) -> int:
    """How many tabs the server works for."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.request("GET", "/resourcez")
    return int(json.load(connection.getresponse())["kernels"]["total"])


def test_the_session_of_a_closed_tab_ends_within_a_minute(browser: Browser, server: Server) -> None:
    deadline = time.monotonic() + 60.0
    while kernels(server) > 0 and time.monotonic() < deadline:  # those of earlier tests
        time.sleep(0.5)
    page = browser.new_page()
    page.goto(server.url)
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-ready", "1")
    assert kernels(server) == 1
    page.close()
    deadline = time.monotonic() + 60.0
    while kernels(server) > 0 and time.monotonic() < deadline:
        time.sleep(0.5)
    assert kernels(server) == 0


FORGETFUL = """
from unstuck.page import serve
serve._SETTINGS["SOLARA_KERNEL_CULL_TIMEOUT"] = "2s"
serve.main(["untreated"], neurons=200, port=0, open_browser=False)
"""


@pytest.mark.slow
def test_a_page_whose_session_is_gone_can_be_refreshed(browser: Browser) -> None:
    server = start_program("-c", FORGETFUL)
    page = browser.new_page()
    lost, connections = [False], []

    def connect_or_not(route: WebSocketRoute) -> None:
        if lost[0]:
            route.close()
        else:
            connections.append((route, route.connect_to_server()))

    page.route_web_socket(re.compile(r".*"), connect_or_not)
    page.goto(server.url)
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-ready", "1")
    lost[0] = True
    for side in connections[-1]:
        side.close()
    page.wait_for_timeout(5_000)
    lost[0] = False
    page.get_by_role("button", name="Refresh now").click(timeout=60_000)
    expect(page.get_by_test_id("circuit")).to_have_attribute("data-ready", "1")
    page.get_by_test_id("step-hour").click()
    expect(page.get_by_test_id("clock")).to_have_text("day 0, 01:00")
    page.close()
    server.stop()


@pytest.mark.slow
def test_mesas_stock_page_runs_the_model_and_asks_nobody_else(browser: Browser) -> None:
    server = start_server("--mesa")
    page = browser.new_page()
    foreign: list[str] = []
    own = urlsplit(server.url).netloc
    page.on("request", lambda r: foreign.append(r.url) if urlsplit(r.url).netloc not in (own, "") else None)
    page.goto(server.url)
    page.get_by_role("button", name="Step").click()
    expect(page.locator("body")).to_contain_text("Step: 1")
    assert foreign == []
    page.close()
    server.stop()


def test_every_asset_that_solara_names_is_in_the_package() -> None:
    import solara.server
    import unstuck.page

    template = (Path(solara.server.__file__).parent / "templates" / "solara.html.j2").read_text(
        encoding="utf-8"
    )
    assets = Path(unstuck.page.__file__).parent / "assets"
    for wanted in ("@widgetti/solara-vuetify-app@10.1.1", "requirejs@2.3.6"):
        assert wanted in template
        assert (assets / wanted).is_dir()
