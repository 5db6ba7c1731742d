"""The service with a small trained detector, and clients of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from watched_run import WatchedRun, watched_run

pytest.importorskip("fastapi")
from starlette.testclient import TestClient

from ape.api.app import build_app
from ape.api.guard import LOOPBACK_NAMES
from ape.api.served import Served, open_all

__all__ = ["watched_run"]
BASE = "http://127.0.0.1"


@pytest.fixture(scope="session")
def pump(watched_run: WatchedRun, tmp_path_factory) -> Path:
    """A run folder named ``pump``."""
    folder = tmp_path_factory.mktemp("served") / "pump"
    shutil.copytree(watched_run.folder, folder)
    return folder


@pytest.fixture(scope="session")
def detectors(pump) -> dict[str, Served]:
    return open_all([pump])


@pytest.fixture(scope="session")
def client_of(detectors) -> Callable[..., TestClient]:
    """Make a client of a service with these options."""

    def make(**options) -> TestClient:
        return TestClient(
            build_app(detectors, **{"hosts": LOOPBACK_NAMES, **options}), BASE, raise_server_exceptions=False
        )

    return make


@pytest.fixture(scope="session")
def client(client_of) -> TestClient:
    return client_of()
