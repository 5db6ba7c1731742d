"""Pages and services that run for the attacks, and the folder of conversations with private files around it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from faults.attacks_page import CANARY, Target
from faults.wire import request, send
from processes import start

TOKEN = "a-token-of-the-attacks"
STARTS = 120  # seconds


@contextmanager
def serving(words: Sequence[object], path: str) -> Iterator[int]:
    """Run a server until it answers a path; yield its port."""
    port = free_port()
    process = start([*words, "--port", port], os.devnull)
    ends = time.monotonic() + STARTS
    asked = request("GET", path, {"Host": f"127.0.0.1:{port}", "Authorization": f"Bearer {TOKEN}"})
    try:
        while not _answers(port, asked):
            assert time.monotonic() < ends and process.is_alive(), f"{words[0]} did not start"
            time.sleep(0.2)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.join()


@contextmanager
def served_page(root: Path) -> Iterator[Target]:
    """Serve the page of a folder; yield what attacks need."""
    words = ["serve", "--out", root, "--token-file", _token(root.parent)]
    with serving(words, "/") as port:
        entered = send(port, request("GET", f"/?token={TOKEN}", {"Host": f"127.0.0.1:{port}"}))
        cookie = entered.header("set-cookie").partition("=")[2].partition(";")[0]
        assert cookie, entered
        yield Target(port, TOKEN, cookie, root)


@contextmanager
def served_api(run: Path, token: bool) -> Iterator[int]:
    """Serve the detector of a run, with a token or without one; yield the port."""
    words = ["api", run, *(["--token-file", _token(run.parent)] if token else [])]
    with serving(words, "/health") as port:
        yield port


def make_root(run: Path, root: Path) -> Path:
    """Put a run into a folder of conversations, with private files and links in it and beside it; return the folder."""
    outside = root.parent / "outside"
    for folder in (outside, root / "norun", root / "series", root / ".page"):
        folder.mkdir(parents=True)
    shutil.copytree(run, root / "pump")
    for name in ("private.txt", "a.png", "series/x.csv", "norun/report.html", "norun/a.png", "pump/.env"):
        (root / name).write_text(CANARY)
    for name in ("a.png", "report.html", "events.csv"):
        (outside / name).write_text(CANARY)
    (outside / "run.json").write_text("{}")
    links = {
        "pump/link.png": outside / "a.png",
        "pump/linked": outside,
        "pump/linked-report": outside,
        ".page/link.csv": outside / "a.png",
        "circle.png": root / "circle.png",
        "linked-run": outside,
    }
    for name, to in links.items():
        (root / name).symlink_to(to)
    os.mkfifo(root / "pump" / "pipe.png")
    return root


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def _answers(port: int, asked: bytes) -> bool:
    try:
        return send(port, asked, 2.0).status == 200
    except OSError:
        return False


def _token(folder: Path) -> Path:
    path = folder / "token"
    path.write_text(TOKEN)
    return path
