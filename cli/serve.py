"""``ape serve``: serve the conversation page, on this machine only."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ape.cli.commands import request_of
from ape.cli.conversations import CACHE, may_show
from ape.cli.terminal import console, print_document
from ape.core.extras import require_extra
from ape.core.ports import require_free_port
from ape.runs.folder import Request

if TYPE_CHECKING:
    from ape.cli.page_guard import PageGuard

HOST = "127.0.0.1"
MAX_UPLOAD = 200  # MB
PATIENCE = 1  # seconds in which requests may end after Ctrl-C; an open page always has some


def serve(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    root = Path(arguments.out).resolve()
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(root / CACHE)}
    require_extra("ui", ["gradio", "uvicorn"], "the page", "ape serve")
    from ape.api.server import read_token

    token = read_token(arguments.token_file, None) or secrets.token_urlsafe(32)
    root.mkdir(parents=True, exist_ok=True)
    require_free_port(HOST, arguments.port)
    guarded = guarded_page(
        root, request_of(arguments, "chat"), token, arguments.port, tuple(arguments.allow_host or ())
    )
    url = f"http://{HOST}:{arguments.port}"

    def announce() -> None:
        console.print(f"{url}/?token={token}, conversations in {root}; press Ctrl-C to stop")
        print_document({"url": f"{url}/?token={token}", "conversations": str(root)})

    _run(guarded, arguments.port, announce)


def guarded_page(root: Path, defaults: Request, token: str, port: int, allowed: tuple[str, ...] = ()) -> PageGuard:
    """Return the application with the page.

    Parameters
    ----------
    root : Path
        Folder of the conversations.
    defaults : Request
        Values of a new conversation.
    token : str
    port : int
    allowed : tuple of str
        Names, besides those of this machine, by which the page may be addressed.
    """
    import gradio as gr
    from fastapi import FastAPI

    from ape.api.guard import LOOPBACK_NAMES
    from ape.cli.page import CSS, page
    from ape.cli.page_guard import PageGuard

    demo = page(root, defaults)
    app = gr.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
        demo,
        path="/",
        server_name=HOST,
        server_port=port,
        allowed_paths=[str(root)],
        show_error=False,
        max_file_size=f"{MAX_UPLOAD}mb",
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        css=CSS,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
    )
    demo.has_launched = demo.is_running = True  # Gradio checks the files that a browser names only then
    hosts = (*LOOPBACK_NAMES, *allowed)
    return PageGuard(app, token=token, hosts=hosts, port=port, may_show=lambda path: may_show(root, path))


def _run(app: PageGuard, port: int, on_start: Callable[[], None]) -> None:
    """Serve until Ctrl-C; call back when the port answers."""
    import uvicorn

    from ape.api.connections import TimedProtocol

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            on_start()

        async def shutdown(self, sockets: Any = None) -> None:
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # requests of open pages are cancelled
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        host=HOST,
        port=port,
        http=TimedProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    Announcing(config).run()
