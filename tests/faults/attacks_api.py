"""Requests that the service of ``ape api`` has to refuse."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

from faults.attacks_http import HARMLESS, Attack, foreign_hosts, foreign_marks, foreign_origins, malformed
from faults.wire import Reply, request

SCORE, STREAM = "/detectors/pump/score", "/detectors/pump/streams/attack"
ROWS = json.dumps({"rows": [{"time": f"2026-03-04 00:{k:02d}:00", "load": 50.0} for k in range(60)]})
JSON, CSV = {"Content-Type": "application/json"}, {"Content-Type": "text/csv"}
PATHS = [
    *(("GET", path) for path in ("/detectors", "/detectors/pump", "/detectors/pump/streams", "/metrics")),
    *(("POST", path) for path in (SCORE, STREAM)),
]
OPEN = [("GET", "/health"), ("GET", "/openapi.json"), ("GET", "/docs")]


def from_elsewhere(host: str, port: int, known: dict[str, str]) -> Iterator[Attack]:
    """Yield requests of other names and origins; ``known`` has the token if there is one."""
    known = {"Host": host, **known, **JSON}
    paths = [*PATHS, *OPEN]
    for name, (method, path) in itertools.product(foreign_hosts(port), paths):
        yield f"host {name!r} {method} {path}", request(method, path, known | {"Host": name}, _body(method))
    for origin, (method, path) in itertools.product(foreign_origins(port), paths):
        yield f"origin {origin!r} {method} {path}", request(method, path, known | {"Origin": origin}, _body(method))
    for mark, (method, path) in itertools.product(foreign_marks(port), paths):
        if "Referer" not in mark or path != "/docs":
            yield f"{mark} {method} {path}", request(method, path, known | mark, _body(method))
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b",
        "",
        "TEXT/PLAIN;a=text/csv",
    ):
        for path in (SCORE, STREAM):
            yield f"form {kind!r} {path}", request("POST", path, known | {"Content-Type": kind}, ROWS)
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"):
        for _, path in paths:
            asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
            yield f"{method} {path}", request(method, path, known | asks)


def without_token(host: str, token: str) -> Iterator[Attack]:
    """Yield requests without the token, with a wrong one, and with the right one in other places."""
    headers = [
        {}, *({"Authorization": each} for each in (
            "", "Bearer", "Bearer ", f"Bearer {token}x", f"Bearer {token[:-1]}", f"bearer {token}", token,
            f"Basic {token}",
            f"Bearer  {token}", f"Bearer {token},", f"Bearer {token.upper()}", "Bearer \xe4", "Bearer null",
        )),
        {"Cookie": f"token={token}"}, {"X-Token": token}, {"Proxy-Authorization": f"Bearer {token}"},
        {"User-Agent": token},
        {"X-Forwarded-For": "127.0.0.1"}, {"X-Original-URL": "/health"}, {"X-Rewrite-URL": "/health"},
    ]  # fmt: skip
    for given, (method, path) in itertools.product(headers, PATHS):
        yield f"{given} {method} {path}", request(method, path, {"Host": host, **given, **JSON}, _body(method))
    for path in (
        f"/detectors?token={token}", f"/detectors?access_token={token}", "/health/../detectors",
        "/health/%2e%2e/detectors",
        "//detectors", "/./detectors", "/docs/../metrics", "/openapi.json/../metrics", "/health;/detectors", "/METRICS",
        "/metrics/", "/detectors%2f", "/health%00/../detectors", "/\\detectors", "/nothing",
    ):  # fmt: skip
        yield path, request("GET", path, {"Host": host})


NAMES = (
    "..", ".", "%2e%2e", "..%2f..%2fetc", "%2fetc%2fpasswd", "a%2fb", "a/b", "a\\b", "a%5cb", "%00", "a%00", "a%0a",
    "a%0d%0aX:%20y",
    "-x", ".x", "_x", "a%20b", "a;b", "a:b", "~", "*", "a" * 65, "a" * 5000, "%ff%fe", "%e2%80%ae", "%c3%a4",
    "CON%3a", "pump%2f..",
    "%252e%252e", "$(id)", "`id`", "%7b%7b7*7%7d%7d", "'%20or%201=1--", "%1b[31m",
)  # fmt: skip

BODIES: dict[str, tuple[dict[str, str], bytes]] = {
    "no rows": (JSON, b'{"rows": []}'),
    "rows of lists": (JSON, b'{"rows": [[1]]}'),
    "rows of null": (JSON, b'{"rows": [null]}'),
    "nested rows": (JSON, b'{"rows": [{"time": "2026-03-04 00:00:00", "load": {"a": 1}}]}'),
    "deep JSON": (JSON, b"[" * 1_000_000),
    "deep rows": (JSON, b'{"rows":' * 200_000),
    "another field": (JSON, b'{"rows": [{"load": 1}], "path": "/etc/passwd"}'),
    "NaN": (JSON, b'{"rows": [{"time": "2026-03-04 00:00:00", "load": NaN}]}'),
    "endless number": (JSON, b'{"rows": [{"load": ' + b"9" * 1_000_000 + b"}]}"),
    "large exponent": (JSON, b'{"rows": [{"load": 1e999999999}]}'),
    "half a character": (JSON, b'{"rows": [{"\\ud800": 1}]}'),
    "no UTF-8": (JSON, b'{"rows": [{"\xff": 1}]}'),
    "a path": (JSON, b'"/etc/passwd"'),
    "zero bytes": (CSV, bytes(100_000)),
    "gzip": (CSV, b"\x1f\x8b\x08" + bytes(100)),
    "zip": (CSV, b"PK\x03\x04" + bytes(100)),
    "zstd": (CSV, b"\x28\xb5\x2f\xfd" + bytes(100)),
    "Parquet": (CSV, b"PAR1" + bytes(100) + b"PAR1"),
    "NPZ": (CSV, b"PK\x03\x04\x14\x00values.npy"),
    "a huge line": (CSV, b"1," * 4_000_000),
    "an endless cell": (CSV, b'time,load\n1,"' + b"x" * 4_000_000),
    "many columns": (CSV, (",".join(f"c{k}" for k in range(200_000)) + "\n").encode() + b"1," * 199_999 + b"1\n"),
    "a script": (CSV, b"<script>alert(1)</script>\n"),
    "too large": (CSV, b"1\n" * (9 * 2**20)),
    "empty": (CSV, b""),
    "a coded body": ({**CSV, "Content-Encoding": "gzip"}, b"\x1f\x8b\x08\x00"),
    "other characters": ({"Content-Type": "text/csv; charset=utf-7"}, b"+ADw-script+AD4-"),
}


def names_and_bodies(host: str, known: dict[str, str]) -> Iterator[Attack]:
    """Yield requests with the token whose names or bodies are hostile."""
    known = {"Host": host, **known}
    for name in NAMES:
        for path in (f"/detectors/{name}/score", f"/detectors/{name}/streams/x", f"/detectors/pump/streams/{name}"):
            yield f"POST {path[:100]}", request("POST", path, known | JSON, ROWS)
        yield f"GET {name[:80]}", request("GET", f"/detectors/{name}/streams", known)
    for what, (kind, body) in BODIES.items():
        for path in (SCORE, STREAM):
            yield f"{what} {path}", request("POST", path, known | kind, body)


def api_attacks(host: str, port: int, token: str | None) -> Iterator[Attack]:
    """Yield all requests; those about the token if there is one."""
    known = {} if token is None else {"Authorization": f"Bearer {token}"}
    yield from from_elsewhere(host, port, known)
    yield from names_and_bodies(host, known)
    if token is not None:
        yield from without_token(host, token)
    for path in ("/detectors", SCORE):
        for name, sent in malformed(host, {"Host": host, **known}, path):
            if name not in HARMLESS or path != "/detectors":
                yield f"{name} {path}", sent


def got_through(reply: Reply) -> str:
    """Return what is wrong with an answer; an empty text if the attack was refused."""
    if reply.header("access-control-allow-origin"):
        return "another origin may read it"
    if "root:x:0:0" in reply.body.decode("latin-1") or "/tmp/" in reply.body.decode("latin-1"):
        return f"a path or file of the machine: {reply.body[:200]!r}"
    return "" if reply.status == 0 or 400 <= reply.status < 500 else f"status {reply.status}: {reply.body[:100]!r}"


def _body(method: str) -> str:
    return ROWS if method == "POST" else ""
