"""Start the page's server: bound to this machine, guarded, and without a word to any other.

Solara reads its settings from the environment when it is imported, so they are set here first. Its front-end
files are looked up in the folder `assets`, never on a network.
"""

# pyright: reportMissingImports=false

import os
import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from http.cookies import SimpleCookie
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote

from unstuck.page.plan import LETTERS, PanelPlan, Plan, patient_numbers, to_query

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

DEFAULT_TREATMENTS = ("untreated", "ssri-like", "ketamine-like")
OFFERED_VARIABLE = "UNSTUCK_VIEW_TREATMENTS"  # treatment files beyond the shipped ones, one a line
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_COOKIE = "unstuck-token"
_ASSETS = Path(__file__).resolve().parent / "assets"
_ASSETS_PATH = "/_solara/cdn/"
_SETTINGS = {
    "SOLARA_MODE": "production",
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",
    "SOLARA_THEME_SHOW_BANNER": "False",
    "SOLARA_THEME_LOADER": "plain",
    "SOLARA_ASSETS_FONTAWESOME_ENABLED": "False",
    "SOLARA_ASSETS_PROXY_CACHE_DIR": str(_ASSETS),
    "SOLARA_KERNEL_CULL_TIMEOUT": "55s",
    "SOLARA_SESSION_HTTPS_ONLY": "False",
}


class ViewError(ValueError):
    """Why the page cannot be shown, in one line."""


def main(
    treatments: Sequence[str] = (),
    *,
    port: int = 8765,
    host: str = "127.0.0.1",
    allow_remote: bool = False,
    open_browser: bool = True,
    seed: int = 1,
    patient: int = 0,
    neurons: int = 500,
    mesa: bool = False,
) -> None:
    """Serve the page until Ctrl-C; prints `READY <url>`. ViewError or InputError if it cannot start."""
    _check_installed()
    names = _checked_treatments(treatments or DEFAULT_TREATMENTS)
    try:
        patient_numbers(str(seed), str(patient), str(neurons))
    except ValueError as fault:
        raise ViewError(str(fault)) from None
    remote = host not in ("127.0.0.1", "localhost", "::1")
    if remote and not allow_remote:
        raise ViewError(f"{host} can be reached from other machines; add --allow-remote if that is meant")
    listening = _listen(host, port)
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(16) if remote else ""
    panels = tuple(PanelPlan(name) for name in names[: len(LETTERS)])
    query = "" if mesa else to_query(Plan(panels, seed, patient, neurons))
    parts = [part for part in (f"token={token}" if token else "", query) if part]
    address = f"{_name_of(host)}:{port}"
    url = f"http://{address}/" + ("?" + "&".join(parts) if parts else "")
    os.environ.update(_SETTINGS | {"SOLARA_APP": "unstuck.page." + ("mesa_page" if mesa else "page")})
    os.environ[OFFERED_VARIABLE] = "\n".join(names)
    from solara.server.starlette import app

    _run(Guard(app, address, token), listening, url, open_browser=open_browser)


def _name_of(host: str) -> str:
    """How an address names a host."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def _check_installed() -> None:
    missing = [name for name in ("solara", "uvicorn") if find_spec(name) is None]
    if missing:
        raise ViewError("the page needs solara; install it with: pip install 'unstuck[view]'")


def _checked_treatments(names: Sequence[str]) -> list[str]:
    """Every treatment is read before the server starts, so that a typing mistake is found here."""
    from unstuck.patient.checks import runnable_treatment

    if len(names) > len(LETTERS):
        raise ViewError(f"{len(names)} treatments: the page shows up to {len(LETTERS)} side by side")
    for name in names:
        runnable_treatment(name)
    return [
        name if Path(name).parent == Path() and not Path(name).suffix else str(Path(name).resolve())
        for name in names
    ]


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket; ViewError with the next free port if this one is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return _bound(family, host, port)
    except OSError as error:
        for candidate in range(port + 1, min(port + 50, 65_536)):
            try:
                _bound(family, host, candidate).close()
            except OSError:
                continue
            raise ViewError(f"port {port} is in use; {candidate} is free: add --port {candidate}") from None
        raise ViewError(f"cannot listen on {host}, port {port}: {error.strerror}") from None


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # asyncio sends at once (TCP_NODELAY) only where the protocol is named; else a frame waits for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # there it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def _run(app: App, listening: socket.socket, url: str, *, open_browser: bool) -> None:
    import uvicorn

    config = uvicorn.Config(
        app, log_level="error", timeout_graceful_shutdown=1, lifespan="on", ws="websockets-sansio"
    )
    server = uvicorn.Server(config)

    def announce() -> None:
        while not server.started and not server.should_exit:
            time.sleep(0.02)
        if server.started:
            print(f"READY {url}", flush=True)
            if open_browser:
                webbrowser.open(url)

    threading.Thread(target=announce, daemon=True).start()
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:
        pass
    finally:
        print("Stopped.", file=sys.stderr, flush=True)
        threading.Thread(target=_leave_behind, daemon=True).start()


def _leave_behind() -> None:
    """Once the program is over, wait a second for threads that still hold on to a browser, and no longer."""
    threading.main_thread().join()
    time.sleep(1.0)
    os._exit(0)


class Guard:
    """Lets in requests that name this server as their host and come from its own pages; 403 for all others.

    Solara by itself takes a websocket from any page the user has open. With a token, a visitor needs it once;
    a cookie remembers it. Then any host name will do, as a machine has several and the token says enough: a
    foreign page that points its own name at this server has neither token nor cookie.
    """

    def __init__(self, app: App, address: str, token: str = "") -> None:
        self._app, self._token = app, token
        port = address.rpartition(":")[2]
        self._hosts = {f"{host}:{port}" for host in _LOOPBACK}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        new_token = self._token and parse_qs(scope.get("query_string", b"").decode("latin-1")).get(
            "token"
        ) == [self._token]
        if not self._is_own(headers) or (self._token and not new_token and not self._has_cookie(headers)):
            await _refuse(scope, receive, send, 403, "this page serves its own address only")
            return
        asset = scope["path"].partition(_ASSETS_PATH)[2]
        file = (_ASSETS / asset).resolve()
        if asset and not (
            file.is_file() and file.is_relative_to(_ASSETS)
        ):  # Solara would ask the network for it
            await _refuse(scope, receive, send, 404, "this file is not among the page's own")
            return
        await self._app(scope, receive, self._with_cookie(send) if new_token else send)

    def _is_own(self, headers: dict[str, str]) -> bool:
        host = headers.get("host", "").lower()
        origin = headers.get("origin", "").lower()
        if not self._token and host not in self._hosts:
            return False
        return not origin or origin.partition("://")[2] == host

    def _has_cookie(self, headers: dict[str, str]) -> bool:
        cookie = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        return cookie is not None and secrets.compare_digest(cookie.value, self._token)

    def _with_cookie(self, send: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                cookie = f"{_COOKIE}={quote(self._token)}; HttpOnly; SameSite=Strict; Path=/"
                message = {**message, "headers": [*message["headers"], (b"set-cookie", cookie.encode())]}
            await send(message)

        return sending


async def _refuse(scope: Scope, receive: Any, send: Any, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # before the handshake: the client sees 403
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{status}: {why}\n".encode()})
