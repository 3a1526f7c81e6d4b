"""The server of Mesa's own page (`unstuck view --mesa`): this machine only, offline, with the same guard.

Solara reads its settings when it is imported, so they are set here first.
"""

# Solara is missing without the extra `mesa-page`.
# pyright: reportMissingImports=false

import os
import sys
from pathlib import Path
from typing import Any

from unstuck.errors import InputError

from unstuck_analysis.view.server import App, Guard, Scope, listen, require, run_server

SETTINGS = {
    "SOLARA_MODE": "production",
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",
    "SOLARA_THEME_SHOW_BANNER": "False",
    "SOLARA_THEME_LOADER": "plain",
    "SOLARA_ASSETS_FONTAWESOME_ENABLED": "False",
    "SOLARA_KERNEL_CULL_TIMEOUT": "55s",
    "SOLARA_SESSION_HTTPS_ONLY": "False",
}
ASSETS = Path(sys.prefix) / "share" / "solara" / "cdn"  # where solara-assets puts Solara's front end


class _OwnAssets:
    """Answers 404 for front-end files that are not on this disk: Solara would ask the network for them."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        asset = str(scope.get("path", "")).partition("/_solara/cdn/")[2]
        file = (ASSETS / asset).resolve()
        if asset and not (file.is_file() and file.is_relative_to(ASSETS.resolve())):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"404\n"})
            return
        await self._app(scope, receive, send)


def serve_mesa(
    treatment: str, *, seed: int, patient: int, neurons: int, port: int, open_browser: bool
) -> None:
    """Serve Mesa's own page until Ctrl-C. Raises InputError if it cannot start."""
    require("solara", "uvicorn", extra="mesa-page")
    if not ASSETS.is_dir():
        raise InputError(f"there is no {ASSETS}; in the folder of Unstuck, type: pip install '.[mesa-page]'")
    listening = listen("127.0.0.1", port)
    port = listening.getsockname()[1]
    os.environ.update(SETTINGS | {"SOLARA_APP": "unstuck_analysis.view.mesa"})
    os.environ["UNSTUCK_MESA_PAGE"] = "\n".join([treatment, str(seed), str(patient), str(neurons)])
    from solara.server.starlette import app

    run_server(
        Guard(_OwnAssets(app), port), listening, f"http://127.0.0.1:{port}/", open_browser=open_browser
    )
