"""The server of the page: who is let in, what it answers, what it says when it cannot start, how it stops."""

# pyright: reportMissingImports=false
# ruff: noqa: E402 (the module is skipped first where something is missing)

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from page_server import Server, skip_without, start_server

skip_without("playwright", "starlette", "uvicorn", "websockets")

from playwright.sync_api import Browser, Page, expect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

pytestmark = pytest.mark.browser


def status(server: Server, path: str = "/", **headers: str) -> int:
    """HTTP status of a request with these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


def live(server: Server) -> ClientConnection:
    """A websocket as the page opens it."""
    address, origin = f"ws://127.0.0.1:{server.port}/live", server.origin
    return connect(address, origin=origin, open_timeout=60)  # pyright: ignore[reportArgumentType]


def answer(server: Server, message: object) -> dict[str, Any]:
    """The first answer to one message."""
    with live(server) as websocket:
        websocket.send(message if isinstance(message, str) else json.dumps(message))
        return json.loads(websocket.recv(timeout=60))


def test_a_foreign_host_or_origin_is_refused(server: Server) -> None:
    assert status(server) == 200
    assert status(server, Host=f"localhost:{server.port}") == 200
    assert status(server, Host="evil.example") == 403
    assert status(server, Host=f"evil.example:{server.port}") == 403
    assert status(server, Origin="http://evil.example") == 403
    assert status(server, Origin=f"http://localhost:{server.port + 1}") == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null"])
def test_a_websocket_from_a_foreign_page_is_refused(server: Server, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{server.port}/live", origin=origin)  # pyright: ignore[reportArgumentType]
    assert refused.value.response.status_code == 403


def test_no_file_of_the_disk_is_served(server: Server) -> None:
    for path in ("/page.html", "/../page.py", "/player/live.js", "/live/../../etc/passwd"):
        assert status(server, path) == 404


def test_over_the_websocket_only_names_that_the_page_offers_are_accepted(
    server: Server, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("title: the secret of this file\n", encoding="utf-8")
    for name in (str(secret), f"../{secret.name}", "/etc/passwd"):
        for query in (f"a={name}", f"a=untreated&a.give=24+{name}"):
            told = answer(server, {"id": 1, "show": query, "strict": True, "have": []})
            assert told["kind"] == "refused"
            assert "offers no" in told["why"]
            assert "the secret of this file" not in json.dumps(told)


@pytest.mark.parametrize("copy", [-1, 1, 3, 10**9])
def test_the_number_of_a_copy_is_checked(server: Server, copy: int) -> None:
    told = answer(server, {"id": 1, "scenario": "a=untreated", "copy": copy})
    assert told["kind"] == "refused"
    assert "there is no copy number" in told["why"]


@pytest.mark.parametrize(
    "message",
    [
        "",
        "nonsense",
        "[1]",
        "[" * 30_000,
        {"id": 1},
        {"show": 3, "have": []},
        {"id": 2, "show": "a" * 30_000, "have": []},
    ],
)
def test_a_message_that_means_nothing_is_answered_in_one_line(server: Server, message: object) -> None:
    told = answer(server, message)
    assert told["kind"] == "refused"
    assert len(told["why"].splitlines()) == 1


def test_a_huge_message_closes_its_connection_and_no_other(server: Server) -> None:
    with live(server) as other, live(server) as websocket:
        websocket.send("x" * 1_000_000)
        with pytest.raises(ConnectionClosed):
            websocket.recv(timeout=60)
        other.send(json.dumps({"id": 1, "scenario": "a=untreated", "copy": 0}))
        assert json.loads(other.recv(timeout=60))["kind"] == "file"
    assert status(server) == 200


def test_the_page_may_not_be_put_into_a_foreign_frame(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", "/")
    answered = connection.getresponse()
    assert answered.getheader("X-Frame-Options") == "DENY"
    assert b"default-src 'none'" in answered.read()


def refusal(*arguments: str) -> str:
    """What `unstuck view` says when it does not start."""
    command = [sys.executable, "-m", "unstuck_analysis", "view", "--no-browser", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


def test_what_cannot_start_says_why_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refusal("--port", str(port))
    assert f"port {port} is in use" in said
    assert "is free: add --port" in said
    assert "ssh -L" in refusal("--host", "0.0.0.0")
    assert "at most 3" in refusal("untreated", "ssri-like", "ketamine-like", "ssre-only")
    assert "did you mean 'untreated'?" in refusal("untreatd")
    assert "did you mean 'too-short'?" in refusal("--story", "to-short")
    assert "there is no folder" in refusal("--export", "/no/such/folder/page.html")


def test_a_missing_extra_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from unstuck.errors import InputError
    from unstuck_analysis.view import server

    monkeypatch.setattr(server, "find_spec", lambda name: None if name == "uvicorn" else name)
    with pytest.raises(InputError, match=r"needs uvicorn; .* type: pip install '\.\[view\]'"):
        server.require("starlette", "uvicorn")


def test_ctrl_c_stops_the_server_with_a_tab_open(browser: Browser) -> None:
    server = start_server("untreated", "--neurons", "3000")
    page = browser.new_page()
    page.goto(server.url)
    expect(page.locator("#copy-0")).to_be_visible()
    server.stop()
    expect(page.locator("#lost")).to_be_visible()
    page.close()


def test_a_page_goes_on_with_a_server_that_was_started_again(new_page: Callable[..., Page]) -> None:
    server = start_server("untreated", "--neurons", "100")
    page = new_page()
    page.goto(server.url)
    expect(page.locator("#app")).to_have_attribute("data-ready", "1")
    page.locator("#step-week").click()
    server.stop()
    expect(page.locator("#lost")).to_be_visible()
    page.locator("#step-day").click()  # what is recorded can be played without a server
    again = start_server("untreated", "--neurons", "100", port=server.port)
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.locator("#clock")).to_have_text("day 8, 00:00")
    page.goto("about:blank")
    again.stop()


def test_messages_are_sent_at_once() -> None:
    from unstuck_analysis.view.server import _bound  # pyright: ignore[reportPrivateUsage]

    listening = _bound(socket.AF_INET, "127.0.0.1", 0)
    try:
        assert listening.proto == socket.IPPROTO_TCP  # what asyncio looks at before it sets TCP_NODELAY
    finally:
        listening.close()
