"""The server behind the live page: this machine only, own pages only, recordings computed ahead.

Every tab keeps one websocket open and sends JSON objects:

    {"id": 1, "show": QUERY, "strict": true, "have": [KEY, ...]}    show a plan; QUERY is that of a link
    {"id": 2, "scenario": QUERY, "copy": 0}                         the treatment file of one copy
    {"id": 3, "export": QUERY}                                      the plan as one self-contained page
    {"id": 4, "offer": true}                                        treatments and drugs to choose from

Plans name treatments and drugs only by names that the page offers. The server answers with JSON objects
(`show`, `header`, `progress`, `file`, `offer`, `refused`, `fault`) and binary frames (`recording.encode`).
"""

import asyncio
import json
import socket
import sys
import threading
import time
import traceback
import webbrowser
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from unstuck.errors import InputError, shown

from unstuck_analysis.view.cases import Cases
from unstuck_analysis.view.page import exported_page, live_page
from unstuck_analysis.view.plan import LONGEST_LINK, PanelPlan, Plan, to_query
from unstuck_analysis.view.recording import Recorder, encode, header
from unstuck_analysis.view.shows import Show, blocks, offer, scenario, show_of
from unstuck_analysis.view.stories import Story

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
LONGEST_MESSAGE = 64 * 1024  # bytes; the websocket is closed on a longer one
MOST_RECORDINGS_KEPT = 12


class _TabClosedError(Exception):
    """Stops a simulation in a thread whose tab no longer wants it."""


@dataclass
class Recordings:
    """Finished recordings of all tabs, by key: header and frames."""

    finished: dict[str, tuple[dict[str, object], bytes]] = field(default_factory=dict)

    def keep(self, key: str, about: dict[str, object], frames: bytes) -> None:
        """Keep a finished recording, and forget the oldest beyond MOST_RECORDINGS_KEPT."""
        self.finished[key] = (about, frames)
        for oldest in list(self.finished)[:-MOST_RECORDINGS_KEPT]:
            self.finished.pop(oldest, None)


class Tab:
    """One open page: answers its messages, and records what it shows."""

    def __init__(self, cases: Cases, recordings: Recordings, usual: Plan, socket: "WebSocket") -> None:
        self._cases, self._recordings, self._usual, self._socket = cases, recordings, usual, socket
        self._recording: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answer messages until the page is closed."""
        from starlette.websockets import WebSocketDisconnect

        await self._socket.accept()
        try:
            while True:
                await self._answer(await self._socket.receive_text())
        except (WebSocketDisconnect, RuntimeError, KeyError):  # closed, or a message that is not text
            pass
        finally:
            self._stop_recording()

    async def _answer(self, text: str) -> None:
        message: dict[str, Any] = {}
        try:
            message = _parsed(text)
            await self._do(message)
        except (ValueError, IndexError) as fault:
            why = (str(fault).splitlines() or ["not possible"])[0]
            await self._send({"kind": "refused", "id": message.get("id"), "why": why})

    async def _do(self, message: dict[str, Any]) -> None:
        match message:
            case {"show": str() as query, "have": list() as have}:
                await self._show(message, query, [str(key) for key in have[:20]])
            case {"scenario": str() as query, "copy": int() as number}:
                plan = await self._plan(query)
                if not 0 <= number < len(plan.panels):
                    raise ValueError(f"there is no copy number {number}: the plan has {len(plan.panels)}")
                name, text = scenario(plan, number)
                await self._send({"kind": "file", "id": message["id"], "name": name, "text": text})
            case {"export": str() as query}:
                plan = await self._plan(query)
                text = await asyncio.to_thread(exported_page, self._cases, plan)
                await self._send({"kind": "file", "id": message["id"], "name": "unstuck.html", "text": text})
            case {"offer": True}:
                offered = await asyncio.to_thread(offer, self._cases)
                await self._send({"kind": "offer", "id": message["id"], **offered})
            case _:
                raise ValueError(f"the page sent an unknown message: {shown(str(sorted(message)))}")

    async def _plan(self, query: str) -> Plan:
        plan, _, _ = await asyncio.to_thread(self._cases.plan, query, self._usual)
        return plan

    async def _show(self, message: dict[str, Any], query: str, have: Sequence[str]) -> None:
        plan, day, notes = await asyncio.to_thread(self._cases.plan, query, self._usual)
        if message.get("strict") and notes:
            raise ValueError(notes[0].why)
        self._stop_recording()
        show = show_of(plan, day, notes)
        await self._send({"kind": "show", "id": message.get("id"), **show.about()})
        self._recording = asyncio.create_task(self._record(show, have))

    def _stop_recording(self) -> None:
        if self._recording is not None:
            self._recording.cancel()

    async def _record(self, show: Show, have: Sequence[str]) -> None:
        """Record what the page does not have, all copies side by side, and send it week by week."""
        open_copies: dict[str, Recorder] = {}
        for number, (key, panel) in enumerate(zip(show.keys, show.plan.panels, strict=True)):
            if key not in have and key not in open_copies:
                await self._guarded(number, self._open(show, key, panel, open_copies))
        for day in blocks(show.until):
            for number, key in enumerate(show.keys):
                if key in open_copies and not await self._guarded(
                    number, self._go_on(open_copies[key], key, day, show)
                ):
                    open_copies.pop(key)

    async def _open(self, show: Show, key: str, panel: PanelPlan, open_copies: dict[str, Recorder]) -> None:
        """Send a finished recording, or the frames from health to day 0 of a new one."""
        if key in self._recordings.finished:
            about, frames = self._recordings.finished.pop(key)
            self._recordings.keep(key, about, frames)  # the most recently used are kept
            await self._send({"kind": "header", "key": key, **about})
            await self._socket.send_bytes(frames)
            return
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        told = time.monotonic()

        def on_day(day: float) -> None:
            """Tell the page how far the simulation is; end it if the tab was closed."""
            nonlocal told
            if task is not None and (task.cancelling() or task.done()):
                raise _TabClosedError
            if time.monotonic() - told > 0.2:
                told = time.monotonic()
                progress = {"kind": "progress", "key": key, "day": round(day, 1)}
                asyncio.run_coroutine_threadsafe(self._send(progress), loop)

        recorder = await asyncio.to_thread(self._cases.recorder, show.plan, panel, on_day)
        open_copies[key] = recorder
        await self._send({"kind": "header", "key": key, **header(recorder)})
        await self._socket.send_bytes(encode(recorder, key, done=False))

    async def _go_on(self, recorder: Recorder, key: str, day: float, show: Show) -> None:
        start = len(recorder.frames)
        try:
            await asyncio.to_thread(recorder.advance, day)
        except RuntimeError:  # the model cannot go on: what was recorded until then is shown
            await self._socket.send_bytes(encode(recorder, key, start, done=True))
            raise
        done = day >= show.until
        await self._socket.send_bytes(encode(recorder, key, start, done=done))
        if done:
            self._recordings.keep(key, header(recorder), encode(recorder, key, done=True))

    async def _guarded(self, number: int, work: Awaitable[None]) -> bool:
        """Do work for one copy; a failure of the model is shown on the page. True if it succeeded."""
        from starlette.websockets import WebSocketDisconnect

        try:
            await work
        except (WebSocketDisconnect, _TabClosedError):
            return False
        except Exception as fault:  # any failure: the page says so, and the server goes on
            traceback.print_exc()
            await self._send({"kind": "fault", "copy": number, "why": str(fault)})
            return False
        return True

    async def _send(self, message: dict[str, object]) -> None:
        await self._socket.send_text(json.dumps(message, separators=(",", ":")))


def _parsed(text: str) -> dict[str, Any]:
    """Read a message. Raises ValueError if it is not a JSON object."""
    try:
        message = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise ValueError(f"the page sent no JSON object: {shown(text[:40])}")
    if any(isinstance(value, str) and len(value) > LONGEST_LINK for value in message.values()):
        raise ValueError(f"a link has at most {LONGEST_LINK} characters")
    return message


class Guard:
    """Lets in requests that name this server as their host and come from its own pages; others get 403."""

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._hosts = {f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")}

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve a request, or refuse it."""
        if scope["type"] in ("http", "websocket") and not self._is_own(scope):
            await _refuse(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        host, origin = headers.get("host", "").lower(), headers.get("origin", "").lower()
        return host in self._hosts and (not origin or origin == f"http://{host}")


async def _refuse(scope: Scope, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # before the handshake: the client sees 403
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": b"403: this server answers its own page only\n"})


def application(cases: Cases, usual: Plan, stories: dict[str, Story], port: int) -> App:
    """The page, and the websocket of its tabs, behind the guard."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import HTMLResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    recordings = Recordings()

    async def page(_: Request) -> HTMLResponse:
        text = await asyncio.to_thread(live_page, usual, stories)
        headers = {"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"}
        return HTMLResponse(text, headers=headers)

    async def tab(socket: WebSocket) -> None:
        await Tab(cases, recordings, usual, socket).run()

    return Guard(Starlette(routes=[Route("/", page), WebSocketRoute("/live", tab)]), port)


def serve(
    plan: Plan,
    files: Sequence[str],
    stories: dict[str, Story],
    *,
    port: int,
    host: str,
    open_browser: bool,
) -> None:
    """Serve the page until Ctrl-C and print `READY <url>`. Raises InputError if it cannot start.

    Args:
        plan: what a bare address shows.
        files: treatment files offered in addition to the shipped treatments.
        stories: a story that plays when the page opens.
        port: 0 takes any free port.
        host: an address of this machine.
        open_browser: whether to open a browser.
    """
    require("starlette", "uvicorn", "websockets")
    if host not in LOOPBACK:
        raise InputError(
            f"host {shown(host)}: the page is served on this machine only ({', '.join(LOOPBACK)});"
            f" from another machine use: ssh -L {port}:localhost:{port} THIS-MACHINE"
        )
    listening = listen(host, port)
    port = listening.getsockname()[1]
    url = f"http://{'[::1]' if host == '::1' else host}:{port}/"
    if not stories:
        url += f"?{to_query(plan)}"
    run_server(
        application(Cases(tuple(files), plan.circuit), plan, stories, port),
        listening,
        url,
        open_browser=open_browser,
    )


def require(*packages: str, extra: str = "view") -> None:
    """Raises InputError with the command that installs what is missing."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise InputError(f"the page needs {names}; in the folder of Unstuck, type: pip install '.[{extra}]'")


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket. Raises InputError, with the next free port if this one is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return _bound(family, host, port)
    except OSError as error:
        for candidate in range(port + 1, min(port + 50, 65_536)):
            try:
                _bound(family, host, candidate).close()
            except OSError:
                continue
            raise InputError(f"port {port} is in use; {candidate} is free: add --port {candidate}") from None
        raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}") from None


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # asyncio sends at once (TCP_NODELAY) only where the protocol is named; else a message waits for 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform != "win32":  # there it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def run_server(app: App, listening: socket.socket, url: str, *, open_browser: bool) -> None:
    """Run a server on an open socket until Ctrl-C; print `READY <url>` when it answers."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_level="error",
        timeout_graceful_shutdown=1,
        ws="websockets-sansio",
        ws_max_size=LONGEST_MESSAGE,
    )
    server = uvicorn.Server(config)

    def announce() -> None:
        """Print the address, and open the browser, as soon as the server answers."""
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
