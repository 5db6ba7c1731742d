"""A page of another site, or of another port of this machine, in a real browser that has opened the page of APE."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from faults.attacks_page import Target

FOREIGN = "evil.example"  # the browser resolves it to this machine, as a rebound name
RESOLVES = f"--host-resolver-rules=MAP {FOREIGN} 127.0.0.1, MAP *.{FOREIGN} 127.0.0.1"
PICTURE = "/gradio_api/file={root}/pump/artefacts/{picture}"
WAIT = 700  # milliseconds in which a request that an element makes gets its answer

# Each gets the address of the target, a path, and returns what the page of the attacker could read.
READS = {
    "fetch": "async (u) => (await fetch(u, {credentials: 'include'})).status",
    "fetch without asking": "async (u) => { const r = await fetch(u, {mode: 'no-cors', credentials: 'include'});"
    " return (await r.text()) || r.status }",
    "XMLHttpRequest": "(u) => new Promise(d => { const x = new XMLHttpRequest(); x.open('GET', u); x.withCredentials = true;"
    " x.onload = () => d(x.responseText); x.onerror = () => d(''); x.send() })",
    "image": "(u) => new Promise(d => { const i = new Image(); i.onload = () => d(i.width); i.onerror = () => d(''); i.src = u })",
    "image of CORS": "(u) => new Promise(d => { const i = new Image(); i.crossOrigin = 'use-credentials';"
    " i.onload = () => d(i.width); i.onerror = () => d(''); i.src = u })",
    "script": "(u) => new Promise(d => { const s = document.createElement('script'); s.onload = () => d('ran');"
    " s.onerror = () => d(''); s.src = u; document.head.append(s) })",
    "module": "(u) => import(u).then(() => 'ran', () => '')",
    "style": "(u) => new Promise(d => { const l = document.createElement('link'); l.rel = 'stylesheet';"
    " l.onload = () => d(document.styleSheets.length); l.onerror = () => d(''); l.href = u; document.head.append(l) })",
    "iframe": "(u) => new Promise(d => { const f = document.createElement('iframe'); f.src = u; document.body.append(f);"
    " f.onload = () => { try { d(f.contentDocument.body.innerHTML) } catch { d(f.contentWindow.length || '') } } })",
    "object": "(u) => new Promise(d => { const o = document.createElement('object'); o.data = u; o.onload = () => d('shown');"
    " o.onerror = () => d(''); document.body.append(o); setTimeout(() => d(''), 400) })",
    "video": "(u) => new Promise(d => { const v = document.createElement('video'); v.onloadeddata = () => d('shown');"
    " v.onerror = () => d(''); v.src = u; document.body.append(v) })",
    "events": "(u) => new Promise(d => { const e = new EventSource(u, {withCredentials: true}); e.onmessage = m => d(m.data);"
    " e.onopen = () => d('open'); e.onerror = () => { e.close(); d('') } })",
    "worker": "(u) => new Promise(d => { const w = new Worker(URL.createObjectURL(new Blob([`importScripts('${u}');"
    " postMessage('ran')`]))); w.onmessage = m => d(m.data); w.onerror = () => d('') })",
    "font": "(u) => new FontFace('x', `url(${u})`).load().then(() => 'loaded', () => '')",
    "window": "(u) => new Promise(d => { const w = window.open(u); setTimeout(() => { try { d(w.document.body.innerHTML) }"
    " catch { d('') } finally { w && w.close() } }, 400) })",
}
WRITES = {
    "post": "(u) => fetch(u, {method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}'}).then(r => r.text(), () => '')",
    "post of JSON": "(u) => fetch(u, {method: 'POST', credentials: 'include', headers: {'Content-Type': 'application/json'},"
    " body: '{}'}).then(r => r.text(), () => '')",
    "post of CSV": "(u) => fetch(u, {method: 'POST', credentials: 'include', headers: {'Content-Type': 'text/csv'},"
    " body: 'time,load'}).then(r => r.text(), () => '')",
    "post of a form": "(u) => { const f = new FormData(); f.append('files', new Blob(['attack']), 'attack.csv');"
    " return fetch(u, {method: 'POST', mode: 'no-cors', credentials: 'include', body: f}).then(r => r.text(), () => '') }",
    "beacon": "(u) => { navigator.sendBeacon(u, 'x'); return '' }",
    "keepalive": "(u) => fetch(u, {method: 'POST', mode: 'no-cors', keepalive: true, credentials: 'include', body: 'x'})"
    ".then(() => '', () => '')",
    "form": "(u) => { const f = document.createElement('form'); f.action = u; f.method = 'POST'; f.enctype = 'text/plain';"
    " f.innerHTML = '<input name=\"{&quot;data&quot;:[]\" value=\"}\">'; const i = document.createElement('iframe');"
    " i.name = f.target = 'n' + Math.random(); document.body.append(f, i); f.submit(); return '' }",
    "form of files": "(u) => { const f = document.createElement('form'); f.action = u; f.method = 'POST';"
    " f.enctype = 'multipart/form-data'; f.innerHTML = '<textarea name=files>attack</textarea>';"
    " const i = document.createElement('iframe'); i.name = f.target = 'n' + Math.random(); document.body.append(f, i);"
    " f.submit(); return '' }",
    "another method": "(u) => fetch(u, {method: 'DELETE', credentials: 'include'}).then(r => r.status, () => '')",
    "socket": "(u) => new Promise(d => { const s = new WebSocket(u.replace('http', 'ws')); s.onopen = () => d('open');"
    " s.onerror = () => d('') })",
}


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
            context.on("response", lambda response, to=answered: to.append(_let_in(response, port)))
            page.goto(origin)
            for name, (script, path) in _pairs(paths):
                for host in ("127.0.0.1", "localhost", FOREIGN) if path in (paths[0][0], paths[1][0]) else ("127.0.0.1",):
                    answered.clear()
                    read = _evaluated(page, script, f"http://{host}:{port}{path}")
                    passed = [each for each in answered if each]
                    if name == "window":  # a page that opens, as by a link; its content cannot be read
                        passed = []
                    yield f"{name} from {urlsplit(origin).hostname} to {host}{path}", _wrong(read, passed)
            page.close()
        for address in (f"http://{FOREIGN}:{port}{paths[0][0]}", f"http://x.{FOREIGN}:{port}{paths[0][1]}"):
            page = context.new_page()
            answer = page.goto(address)
            status = 0 if answer is None else answer.status
            yield f"the name {address}", "" if status == 421 else f"status {status}"
            page.close()


def _pairs(paths: tuple[list[str], list[str]]) -> Iterator[tuple[str, tuple[str, str]]]:
    for scripts, targets in ((READS, paths[0]), (WRITES, paths[1])):
        for name, script in scripts.items():
            for path in targets:
                yield name, (script, path)


def _evaluated(page: Any, script: str, address: str) -> object:
    """Run an attack with a limit on its time, then wait for the answers to what it left behind."""
    timed = f"""async (u) => {{
        const late = new Promise(done => setTimeout(() => done(''), 1500));
        try {{ return await Promise.race([({script})(u), late]) }} catch {{ return '' }}
    }}"""
    found = page.evaluate(timed, address)
    if script in (WRITES["beacon"], WRITES["form"], WRITES["form of files"], READS["object"]):
        page.wait_for_timeout(WAIT)
    return found


def _let_in(response: Any, port: int) -> str:
    parts = urlsplit(response.url)
    return f"status {response.status} of {parts.path}" if parts.port == port and response.status < 400 else ""


def _wrong(read: object, passed: list[str]) -> str:
    return f"read {str(read)[:80]!r}" if read else "; ".join(passed)
