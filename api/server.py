"""Start the service: one process, or several workers that share the port."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import uvicorn
from fastapi import FastAPI
from pydantic import TypeAdapter

from ape.api.app import build_app
from ape.api.connections import TimedProtocol
from ape.api.guard import LOOPBACK_NAMES
from ape.api.metrics import SHARED
from ape.api.served import open_all
from ape.core.errors import InputError
from ape.core.ports import is_loopback, require_free_port
from ape.core.processes import end_with_parent
from ape.core.temporaries import unfinished

TOKEN, SETTINGS = "APE_API_TOKEN", "APE_API_SETTINGS"
SHORTEST_TOKEN = 16  # characters
PATIENCE = 30  # seconds in which requests are finished after a signal to stop


@dataclass(frozen=True)
class Settings:
    """How the service is started.

    Parameters
    ----------
    runs : tuple of str
        Run folders, or folders of detectors.
    host, port : str, int
    workers : int
        Number of processes.
    allowed : tuple of str
        Names, besides those of this machine, by which the service may be addressed.
    """

    runs: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8400
    workers: int = 1
    allowed: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names by which the service may be addressed; empty: any, since elsewhere the token protects it."""
        if self.allowed or is_loopback(self.host):
            return (*LOOPBACK_NAMES, self.host, *self.allowed)
        return ()


def read_token(path: str | None, variable: str | None = TOKEN) -> str | None:
    """Return the token of a file, or else of an environment variable; None without both.

    Raises
    ------
    InputError
        It cannot be read, or is too short.
    """
    if path is None:
        token, where = os.environ.get(variable, "") if variable else "", variable or ""
        if not token:
            return None
    else:
        try:
            token, where = Path(path).read_text(encoding="utf-8").strip(), path
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot read the token: {error}", path, "give a text file") from error
    if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        hint = "make one: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        raise InputError(f"no token of at least {SHORTEST_TOKEN} letters and digits", where, hint)
    return token


def serve(settings: Settings, token: str | None, on_start: Callable[[int], None]) -> None:
    """Serve until a signal to stop.

    Parameters
    ----------
    settings : Settings
    token : str or None
    on_start : callable
        Called with the number of detectors before the port is listened on.

    Raises
    ------
    InputError
        A detector or the port cannot be used, or other machines could reach the service without a token.
    """
    on_start(_checked(settings, token))
    os.environ[SETTINGS] = TypeAdapter(Settings).dump_json(settings).decode()
    if token is not None:
        os.environ[TOKEN] = token
    with tempfile.TemporaryDirectory(prefix="ape-api-metrics-") as shared, unfinished(Path(shared)):
        if settings.workers > 1:
            os.environ[SHARED] = shared
        uvicorn.run(
            f"{__name__}:from_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            http=TimedProtocol,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
        )


def _checked(settings: Settings, token: str | None) -> int:
    """Refuse what cannot be served, in one line and before workers start; return the number of detectors."""
    if token is None and not is_loopback(settings.host):
        hint = f"set {TOKEN} or give --token-file FILE, or leave out --host"
        raise InputError("other machines could use the service without a token", f"--host {settings.host}", hint)
    require_free_port(settings.host, settings.port)
    return len(open_all(settings.runs))


def from_environment() -> FastAPI:
    """Return the application of a worker process."""
    end_with_parent()
    settings = TypeAdapter(Settings).validate_json(os.environ[SETTINGS])
    torch.set_num_threads(1)  # requests run side by side
    threads = max(1, (os.cpu_count() or 1) // settings.workers)
    detectors = open_all(settings.runs)
    return build_app(detectors, token=os.environ.get(TOKEN) or None, hosts=settings.hosts, threads=threads)
