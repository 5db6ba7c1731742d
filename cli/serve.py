"""``ape serve``: serve the conversation page, on this machine only."""

from __future__ import annotations

import argparse
import os
import time
import urllib.request
from pathlib import Path

from ape.cli.commands import request_of
from ape.cli.terminal import console, print_document
from ape.core.errors import InputError
from ape.core.extras import require_extra
from ape.core.ports import require_free_port

MAX_UPLOAD = 200  # MB
LONGEST_START = 60.0  # seconds until the page must answer


def serve(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    root = Path(arguments.out).resolve()
    os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_TEMP_DIR": str(root / ".page")}
    require_extra("ui", ["gradio"], "the page", "ape serve")
    root.mkdir(parents=True, exist_ok=True)
    require_free_port("127.0.0.1", arguments.port)
    import gradio as gr

    from ape.cli.page import CSS, page

    demo = page(root, request_of(arguments, "chat"))
    try:
        demo.launch(
            server_name="127.0.0.1",
            server_port=arguments.port,
            allowed_paths=[str(root)],
            max_file_size=f"{MAX_UPLOAD}mb",
            theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
            css=CSS,
            footer_links=[],
            quiet=True,
            share=False,
            ssr_mode=False,
            prevent_thread_lock=True,
        )
    except ValueError:
        if not demo.is_running:
            raise
        # Gradio gives its first page three seconds, which is too little on a busy machine: the server runs all the same
    url = f"http://127.0.0.1:{arguments.port}"
    _wait_for(url)
    console.print(f"{url}, conversations in {root}; press Ctrl-C to stop")
    print_document({"url": url, "conversations": str(root)})
    demo.block_thread()


def _wait_for(url: str) -> None:
    """Wait until the page answers."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + LONGEST_START
    while True:
        try:
            direct.open(url, timeout=LONGEST_START).close()
        except OSError as error:
            if time.monotonic() > end:
                hint = "stop what keeps the machine busy, then try again"
                raise InputError(f"the page does not answer: {error}", url, hint) from error
            time.sleep(0.5)
        else:
            return
