"""``ape api``: serve detectors over HTTP."""

from __future__ import annotations

import argparse

from ape.cli.terminal import console, print_document
from ape.core.extras import require_extra

NEEDED = ("fastapi", "uvicorn")


def api(arguments: argparse.Namespace) -> None:
    """Serve until Ctrl-C."""
    require_extra("api", NEEDED, "the service", "ape api")
    from ape.api.server import Settings, read_token, serve

    settings = Settings(
        tuple(arguments.runs), arguments.host, arguments.port, arguments.workers, tuple(arguments.allow_host or ())
    )
    token = read_token(arguments.token_file)

    def announce(count: int) -> None:
        url = f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.port}"
        secured = "with a token" if token else "without a token, on this machine only"
        console.print(f"{url}/docs, {count} detector{'s' * (count != 1)}, {secured}; press Ctrl-C to stop")
        print_document({"url": url, "detectors": count, "workers": settings.workers})

    serve(settings, token, announce)
