"""A page of another site, or of another port of this machine, in a real browser that has opened the page of APE."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from faults.attacks_page import Target

FOREIGN = "evil.example"  # the browser resolves it to this machine, as a rebound name
RESOLVES = f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1, MAP *.{FOREIGN} 127.0.0.1"
SCRIPT = Path(__file__).parent / "elsewhere.js"


class Other(BaseHTTPRequestHandler):
    """A page of somebody else; it remembers what is asked for."""

    asked: list[str]

    def do_GET(self) -> None:
        """Send a page without content."""
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>other</title><body>other")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def other_server() -> Iterator[ThreadingHTTPServer]:
    """Serve a page of somebody else; ``asked`` of the server has the paths that were asked for."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        server.asked = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


def paths_of_page(target: Target) -> tuple[list[str], list[str]]:
    """Return paths of the page to read and to post to."""
    picture = next(path.name for path in (target.root / "pump" / "artefacts").glob("*.png"))
    return [
        "/",
        "/config",
        "/theme.css",
        "/gradio_api/queue/data?session_hash=a",
        f"/gradio_api/file={target.root}/pump/artefacts/{picture}",
    ], ["/gradio_api/upload", "/gradio_api/queue/join"]


PATHS_OF_API = (
    ["/detectors", "/metrics", "/docs", "/openapi.json"],
    ["/detectors/pump/score", "/detectors/pump/streams/attack"],
)


def attacks(browser: Any, enter: str, port: int, paths: tuple[list[str], list[str]]) -> Iterator[tuple[str, str]]:
    """Open the page or service as a person does, then try all from pages elsewhere.

    Parameters
    ----------
    browser : Browser
        Of Playwright, started with `RESOLVES`.
    enter : str
        Address that a person opens.
    port : int
        Of the server that is attacked.
    paths : tuple of list of str
        To read, and to post to.

    Yields
    ------
    tuple of str
        Name of an attack, and what is wrong.
    """
    with other_server() as server, browser.new_context() as context:
        context.new_page().goto(enter)
        other = server.server_port
        for origin in (f"http://127.0.0.1:{other}", f"http://localhost:{other}", f"http://{FOREIGN}:{other}"):
            page = context.new_page()
            answered: list[str] = []
            page.on("response", lambda response, to=answered: to.append(_let_in(response, port)))
            page.goto(origin)
            page.add_script_tag(path=SCRIPT)
            for kind, some in zip(("READS", "WRITES"), paths, strict=True):
                names = page.evaluate(f"Object.keys({kind})")
                first = [(host, some[0]) for host in ("localhost", FOREIGN)]
                for name, (host, path) in itertools.product(names, [*first, *(("127.0.0.1", path) for path in some)]):
                    answered.clear()
                    read = page.evaluate("given => tried(...given)", [name, f"http://{host}:{port}{path}"])
                    passed = [each for each in answered if each]  # not to a window: a link opens one, too
                    yield f"{name} from {urlsplit(origin).hostname} to {host}{path}", _wrong(read, passed)
            page.close()
        for address in (f"http://{FOREIGN}:{port}{paths[0][0]}", f"http://x.{FOREIGN}:{port}{paths[0][1]}"):
            page = context.new_page()
            answer = page.goto(address)
            status = 0 if answer is None else answer.status
            yield f"the name {address}", "" if status == 421 else f"status {status}"
            page.close()


def _let_in(response: Any, port: int) -> str:
    parts = urlsplit(response.url)
    return f"status {response.status} of {parts.path}" if parts.port == port and response.status < 400 else ""


def _wrong(read: str, passed: list[str]) -> str:
    return f"read {read[:80]!r}" if read else "; ".join(passed)
