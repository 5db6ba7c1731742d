"""What strangers send to any server of this machine: other names, other origins, and requests that are none."""

from __future__ import annotations

from collections.abc import Iterator

Attack = tuple[str, bytes]  # its name, and what is sent
# Odd, but no other reading of them is possible: whoever sends the token with them may get an answer.
HARMLESS = ("another version", "a long header", "many headers", "a line feed in the host")


def foreign_hosts(port: int) -> list[str]:
    """Return names under which neither the page nor the service may be addressed."""
    names = (
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example.localhost", "xlocalhost",
        "127.0.0.1.nip.io", "localtest.me", "rebound.evil.example", "localhost.", "127.0.0.1.", "127.1", "0", "0.0.0.0",
        "2130706433", "0x7f000001", "017700000001", "127.0.1", "127.0.0.2", "127.0.0.01", "[::]", "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[::1%25lo]", "[::2]", "::1", "EVIL.EXAMPLE", "user@127.0.0.1",
        "127.0.0.1@evil.example", "127.0.0.1/evil", "127.0.0.1#", "127.0.0.1?x", "127.0.0.1\\evil.example",
        "http://127.0.0.1", "127.0.0.1,evil.example", "127.0.0.1 evil.example", "%31%32%37.0.0.1", "\xb2127.0.0.1",
        "", "*",
    )  # fmt: skip
    return [*names, *(f"{name}:{port}" for name in names), f"127.0.0.1:{port}:80", "localhost:x", "localhost:-1"]


def foreign_origins(port: int) -> list[str]:
    """Return values of the header Origin of pages elsewhere, other ports of this machine included."""
    return [
        "null", "", "*", "file://", "data:", "blob:null", "about:blank", "chrome-extension://abc", "http://", "http://[",
        "http://evil.example", "https://evil.example", f"http://evil.example:{port}", "http://127.0.0.1",
        "http://localhost", f"http://127.0.0.1:{port + 1}", f"http://localhost:{port + 1}", f"http://127.0.0.2:{port}",
        f"http://[::1]:{port + 1}", f"http://127.0.0.1.:{port}", f"http://127.0.0.1:{port}.evil.example",
        f"http://127.0.0.1:{port}@evil.example", f"http://evil.example#127.0.0.1:{port}", f"http://127.0.0.1:{port}x",
        f"http://user@127.0.0.1:{port}", f"ws://127.0.0.1:{port}", f"ftp://127.0.0.1:{port}", f"127.0.0.1:{port}",
        f"//127.0.0.1:{port}", f"http://127.0.0.1:{port},http://evil.example",
        f"http://evil.example http://127.0.0.1:{port}",
        f"javascript://127.0.0.1:{port}", f"http:/127.0.0.1:{port}",
    ]  # fmt: skip


def foreign_marks(port: int) -> list[dict[str, str]]:
    """Return other headers that browsers send for pages elsewhere."""
    fetched = [
        {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
        for site in ("cross-site", "same-site")
        for mode, dest in (
            ("no-cors", "image"), ("no-cors", "script"), ("cors", "empty"), ("navigate", "iframe"), ("navigate",
            "object"),
            ("navigate", "embed"), ("navigate", "frame"), ("websocket", "websocket"), ("no-cors", "style"),
        )
    ]  # fmt: skip
    referers = (
        "http://evil.example/", f"http://127.0.0.1:{port + 1}/", f"http://localhost:{port + 1}/x",
        f"http://evil.example/?http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}@evil.example/", "http://127.0.0.1/",
        "x",
    )  # fmt: skip
    forwarded = [{"X-Forwarded-Host": name} for name in ("evil.example", f"evil.example:{port}", "127.0.0.1.", "")]
    return [*fetched, {"Sec-Fetch-Site": "odd"}, *({"Referer": each} for each in referers), *forwarded]


def malformed(host: str, known: dict[str, str], path: str, foreign: str = "evil.example") -> Iterator[Attack]:
    """Yield requests that say two things, or are none; ``known`` are the headers that would be let in."""
    rest = "".join(f"{name}: {value}\r\n" for name, value in known.items() if name != "Host")
    post = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{rest}"
    lines = {
        "HTTP/1.0 without Host": f"GET {path} HTTP/1.0\r\n{rest}\r\n",
        "HTTP/1.1 without Host": f"GET {path} HTTP/1.1\r\n{rest}\r\n",
        "HTTP/0.9": f"GET {path}\r\n",
        "two hosts": f"GET {path} HTTP/1.1\r\nHost: {host}\r\nHost: {foreign}\r\n{rest}\r\n",
        "two hosts, the foreign first": f"GET {path} HTTP/1.1\r\nHost: {foreign}\r\nHost: {host}\r\n{rest}\r\n",
        "twice the same host, in 1.0": f"GET {path} HTTP/1.0\r\nHost: {host}\r\nHost: {host}\r\n{rest}\r\n",
        "absolute form": f"GET http://{foreign}{path} HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n",
        "absolute form of itself": f"GET http://{host}{path} HTTP/1.1\r\nHost: {foreign}\r\n{rest}\r\n",
        "authority form": f"CONNECT {foreign}:80 HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n",
        "asterisk form": f"OPTIONS * HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n",
        "a folded host": f"GET {path} HTTP/1.1\r\nHost:\r\n {foreign}\r\n{rest}\r\n",
        "a space before the colon": f"GET {path} HTTP/1.1\r\nHost : {host}\r\n{rest}\r\n",
        "an underscore": f"GET {path} HTTP/1.1\r\nHost_: {host}\r\n{rest}\r\n",
        "two origins": f"GET {path} HTTP/1.1\r\nHost: {host}\r\n"
        f"Origin: http://{host}\r\nOrigin: http://{foreign}\r\n{rest}\r\n",
        "a zero byte in the path": f"GET {path}\0 HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n",
        "a zero byte in a header": f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX: \0\r\n{rest}\r\n",
        "a line feed in the host": f"GET {path} HTTP/1.1\r\nHost: {host}\nX: y\r\n\x0b: z\r\n{rest}\r\n",
        "no path": f"GET  HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n",
        "a relative path": f"GET {path.lstrip('/') or 'x'} HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n",
        "another version": f"GET {path} HTTP/3.7\r\nHost: {host}\r\n{rest}\r\n",
        "HTTP/2 without asking": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "a length and chunks": f"{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        f"0\r\n\r\nGET {path} HTTP/1.1\r\nHost: {foreign}\r\n\r\n",
        "two lengths": f"{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "a negative length": f"{post}Content-Length: -1\r\n\r\n",
        "a length that is no number": f"{post}Content-Length: 1e3\r\n\r\n",
        "a length beyond all": f"{post}Content-Length: {'9' * 40}\r\n\r\n",
        "a chunk of a negative size": f"{post}Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n",
        "a chunk of no size": f"{post}Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n",
        "another coding": f"{post}Transfer-Encoding: gzip, identity\r\n\r\nx",
        "a long line": f"GET /{'x' * 100_000} HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n",
        "a long header": f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX: {'x' * 100_000}\r\n{rest}\r\n",
        "many headers": f"GET {path} HTTP/1.1\r\nHost: {host}\r\n" + "X: y\r\n" * 20_000 + f"{rest}\r\n",
        "only line ends": "\r\n" * 1000,
        "only zero bytes": "\0" * 1000,
    }  # fmt: skip
    return ((name, text.encode("latin-1")) for name, text in lines.items())
