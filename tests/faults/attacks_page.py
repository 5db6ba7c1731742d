"""Requests that the page of ``ape serve`` has to refuse, and what must not be in any answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from faults.attacks_http import HARMLESS, Attack, foreign_hosts, foreign_marks, foreign_origins, malformed
from faults.wire import Reply, request

CANARY = "CANARY-of-a-private-file"
FILE = "/gradio_api/file="
GETS = ("/", "/config", "/theme.css", "/gradio_api/info", "/gradio_api/startup-events", "/gradio_api/app_id")
STREAMS = (
    "/gradio_api/queue/data?session_hash=a",
    "/gradio_api/heartbeat/a",
    "/gradio_api/upload_progress?upload_id=a",
)
POSTS = ("/gradio_api/upload?upload_id=a", "/gradio_api/queue/join", "/gradio_api/cancel", "/gradio_api/reset")
JOIN = json.dumps({"data": [], "fn_index": 0, "session_hash": "attack"})
FORM = (
    '--b\r\nContent-Disposition: form-data; name="files"; filename="attack.csv"\r\nContent-Type: text/csv\r\n\r\n'
    "attack\r\n--b--\r\n"
)


@dataclass(frozen=True)
class Target:
    """A page that runs.

    Parameters
    ----------
    port : int
    token, cookie : str
        The second is the value of the cookie, which a browser would send along.
    root : Path
        Folder of the conversations; the run ``pump`` is one of them.
    """

    port: int
    token: str
    cookie: str
    root: Path

    @property
    def host(self) -> str:
        """The usual header Host."""
        return f"127.0.0.1:{self.port}"

    @property
    def known(self) -> dict[str, str]:
        """Headers of a request of a browser that has opened the page."""
        return {"Host": self.host, "Cookie": f"ape-{self.port}={self.cookie}"}


def _sent(target: Target, method: str, path: str, headers: dict[str, str]) -> bytes:
    """Return a request with the body that belongs to the path."""
    if method != "POST":
        return request(method, path, headers)
    upload = "upload" in path
    kind = "multipart/form-data; boundary=b" if upload else headers.get("Content-Type", "application/json")
    return request(method, path, {**headers, "Content-Type": kind}, FORM if upload else JOIN)


def paths_of(target: Target) -> list[tuple[str, str]]:
    """Return what a stranger would like to reach: the page, its calls, and a result of the run."""
    shown = f"{FILE}{target.root}/pump/report.html"
    return [*(("GET", path) for path in (*GETS, *STREAMS, shown)), *(("POST", path) for path in POSTS)]


def from_elsewhere(target: Target) -> Iterator[Attack]:
    """Yield requests of other names and origins, with the cookie of the page."""
    paths = paths_of(target)
    for host, (method, path) in itertools.product(foreign_hosts(target.port), paths):
        yield f"host {host!r} {method} {path}", _sent(target, method, path, {**target.known, "Host": host})
    for origin, (method, path) in itertools.product(foreign_origins(target.port), paths):
        yield f"origin {origin!r} {method} {path}", _sent(target, method, path, {**target.known, "Origin": origin})
    for mark, (method, path) in itertools.product(foreign_marks(target.port), paths):
        if "Referer" in mark and (method, path) == ("GET", "/"):
            continue  # a link in a browser without Sec-Fetch-Site: nothing of the page can be read
        yield f"{mark} {method} {path}", _sent(target, method, path, {**target.known, **mark})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        for path in POSTS[1:]:
            headers = {**target.known, "Content-Type": kind, "Origin": "null"}
            yield f"form {kind!r} {path}", _sent(target, "POST", path, headers)


def without_token(target: Target) -> Iterator[Attack]:
    """Yield requests without the token, with a wrong one, and with the right one in other places."""
    token, name = target.token, f"ape-{target.port}"
    headers = [
        {}, {"Authorization": ""}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {token}x"},
        {"Authorization": f"Bearer {token[:-1]}"}, {"Authorization": f"Bearer {token.upper()}"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": "Bearer \xe4\xff"}, {"Authorization": f"Bearer {token}, Bearer {token}"},
        {"Cookie": ""}, {"Cookie": f"{name}="}, {"Cookie": f"{name}=x"}, {"Cookie": f"{name}={token}x"},
        {"Cookie": "\xff=\xff"},
        {"Cookie": f"ape-1={target.cookie}"}, {"Cookie": f"ape={target.cookie}"},
        {"Cookie": f"{name.upper()}={target.cookie}"},
        {"Cookie": f'{name}="'}, {"Cookie": ";;;=;=="}, {"Cookie": f"{name}"}, {"Cookie": f"x[]={target.cookie}"},
        {"Cookie": f"x={name}={target.cookie}"}, {"Cookie": "expires=\x01; path=/; \x07=x"}, {"Cookie": "a=b;" * 2000},
        {"X-Token": token}, {"Token": token}, {"X-Authorization": f"Bearer {token}"},
        {"Proxy-Authorization": f"Bearer {token}"},
        {"X-Forwarded-For": "127.0.0.1"}, {"X-Forwarded-User": "admin"}, {"X-Real-IP": "127.0.0.1"},
        {"User-Agent": token},
        {"X-Original-URL": "/"}, {"X-Rewrite-URL": "/"}, {"X-HTTP-Method-Override": "GET"}, {"X-Gradio-User": "app"},
        {"X-Gradio-Server": "http://evil.example"}, {"Referer": f"http://127.0.0.1:{target.port}/?token={token}"},
    ]  # fmt: skip
    for given, (method, path) in itertools.product(headers, paths_of(target)):
        yield f"{given} {method} {path}", _sent(target, method, path, {"Host": target.host, **given})
    for query in (
        "token=",
        "token=x",
        f"token={token}x",
        f"Token={token}",
        f"token[]={token}",
        f"access_token={token}",
        "token=%ff%00",
    ):
        yield f"?{query}", request("GET", f"/?{query}", {"Host": target.host})
    for path in ("/config", "/gradio_api/info", f"{FILE}{target.root}/pump/report.html", "//", "/."):
        yield f"token in {path}", request("GET", f"{path}?token={token}", {"Host": target.host})
    for method in ("POST", "HEAD", "PUT", "OPTIONS", "DELETE", "TRACE", "CONNECT"):
        yield f"token by {method}", request(method, f"/?token={token}", {"Host": target.host})


def _spellings(path: str) -> Iterator[str]:
    """Yield other spellings of an absolute path."""
    yield path
    yield quote(path)
    yield quote(path, safe="")
    yield quote(quote(path, safe=""), safe="")
    yield "".join(f"%{ord(letter):02x}" for letter in path)
    yield path.replace("/", "//")
    yield path.replace("/", "/./")
    yield "/x/.." + path
    yield "file://" + path
    yield path + "?x"
    yield path + "%00.png"
    yield path + "/"
    yield path.lstrip("/")
    yield path.replace("/", "\\")
    yield "/pump/%2e%2e" + path
    yield "/%c0%ae%c0%ae" + path
    yield "~" + path
    yield "/proc/self/root" + path
    yield "/proc/self/cwd/../../../../.." + path


def private_files(target: Target) -> list[str]:
    """Return files that the page must not send, also to whoever has the token."""
    root, outside = target.root, target.root.parent / "outside"
    inside = (
        "private.txt", "a.png", "series/x.csv", "norun/report.html", "norun/a.png", "pump/run.json",
        "pump/ledger.jsonl",
        "pump/spans.jsonl", "pump/checkpoints.sqlite", "pump/conversation.sqlite", "pump/.env", "pump/.lock",
        "pump/checksums.json", "pump/posttrain.json", "pump/watch/load.sqlite", "pump/detector/model.safetensors",
        "pump/link.png", "pump/linked/a.png", "pump/linked-report/report.html", "pump/../private.txt", "pump/../a.png",
        "pump/../../outside/a.png", "pump", "pump/", "pump/artefacts", ".page", ".page/../private.txt",
        ".page/link.csv",
        "circle.png", "linked-run/report.html", "pump/pipe.png", "pump/report.html/x", "PUMP/run.json", "x" * 3000,
    )  # fmt: skip
    return [
        *(f"{root}/{name}" for name in inside),
        f"{outside}/a.png",
        "/etc/passwd",
        "/proc/self/environ",
        "/dev/zero",
    ]


def files(target: Target) -> Iterator[Attack]:
    """Yield requests for files of the machine, with the token."""
    routes = (FILE, "/gradio_api/file/", "/file=", "/assets/", "/static/", "/svelte/", "/gradio_api/proxy=")
    for path in private_files(target):
        for spelling in dict.fromkeys(_spellings(path)):
            for route in routes if path.endswith(("private.txt", "passwd")) else (FILE,):
                yield f"{route}{spelling[:200]}", request("GET", route + spelling.replace(" ", "%20"), target.known)
    for address in (
        "http://127.0.0.1:1/",
        "https://evil.example/x",
        "//evil.example/x",
        "ftp://x",
        "http:/x",
        "data:,x",
    ):
        for route in (FILE, "/gradio_api/proxy="):
            yield f"{route}{address}", request("GET", route + address, target.known)


def routes(target: Target) -> Iterator[Attack]:
    """Yield requests for what else Gradio has, with the token."""
    gets = (
        "/monitoring", "/monitoring/summary", "/monitoring/x", "/docs", "/redoc", "/openapi.json",
        "/gradio_api/openapi.json",
        "/login", "/logout", "/gradio_api/user", "/gradio_api/token", "/gradio_api/login_check",
        "/gradio_api/dev/reload",
        "/gradio_api/deep_link", "/gradio_api/runs", "/gradio_api/vibe-code", "/gradio_api/profiling/traces",
        "/pwa_icon",
        "/gradio_api/custom_component/x/client/component/../../x", "/gradio_api/call/say/x", "/gradio_api/mcp/sse",
        "/mcp",
        "/gradio_api/stream/a/b/c/playlist-file", "/robots.txt", "/favicon.ico/..", "/config/..", "/assets/../config",
        "/assets/%2e%2e/routes.py", "/static/..%2f..%2froutes.py", "/svelte/..%5c..%5cx", "/assets/%00",
        "/static/%00.png",
        "/assets//etc/passwd", "/static//etc/passwd", "/gradio_api/heartbeat/../config", "//gradio_api/info",
        "/GRADIO_API/info",
        "/gradio_api/%66ile=/etc/passwd", "/gradio_api/file%3D/etc/passwd", "/gradio_api;/file=/etc/passwd",
        "/./private.txt",
        "/?view=/etc/passwd/../..", "/assets/x" + "x" * 5000, "/nothing", "/gradio_api/", "/gradio_api", "/%ff%fe",
        "/ ",
    )  # fmt: skip
    for path in gets:
        if path != "/?view=/etc/passwd/../..":
            yield f"GET {path[:80]}", request("GET", path, target.known)
    posts = (
        "/login", "/gradio_api/run/say", "/gradio_api/api/say", "/gradio_api/call/say", "/gradio_api/stream/x",
        "/gradio_api/component_server", "/gradio_api/process_recording", "/gradio_api/vibe-edit",
        "/gradio_api/vibe-code",
        "/gradio_api/run-history/connect", "/gradio_api/profiling/clear", "/gradio_api/undo-vibe-edit", "/",
        "/config", "/mcp",
    )  # fmt: skip
    for path in posts:
        yield f"POST {path}", request("POST", path, {**target.known, "Content-Type": "application/json"}, "{}")
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "DEBUG"):
        for path in ("/", "/config", "/gradio_api/upload", f"{FILE}{target.root}/pump/report.html"):
            yield f"{method} {path}", request(method, path, target.known)
    socket = {"Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for path in ("/", "/queue/join", "/gradio_api/queue/join", "/gradio_api/queue/data", "/ws"):
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in (target.known | socket).items())]
        yield f"websocket {path}", ("\r\n".join([*lines, "Connection: Upgrade", "", ""])).encode()


def page_attacks(target: Target) -> Iterator[Attack]:
    """Yield all requests."""
    yield from from_elsewhere(target)
    yield from without_token(target)
    yield from files(target)
    yield from routes(target)
    for path in ("/config", f"{FILE}{target.root}/private.txt"):
        for name, sent in malformed(target.host, target.known, path):
            if name not in HARMLESS or path != "/config":
                yield f"{name} {path[:30]}", sent


def got_through(target: Target, reply: Reply) -> str:
    """Return what is wrong with an answer; an empty text if the attack was refused."""
    text = reply.head + reply.body.decode("latin-1")
    if CANARY in text or "root:x:0:0" in text:
        return "a private file"
    if target.token in text or target.cookie in text:
        return "the token"
    if reply.header("access-control-allow-origin"):
        return "another origin may read it"
    return "" if reply.status == 0 or 400 <= reply.status < 500 else f"status {reply.status}: {text[-100:]!r}"
