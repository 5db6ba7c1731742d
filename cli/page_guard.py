"""What is refused before a request reaches the page: other hosts and origins, no token, other paths, other files.

Gradio itself serves every file below the folders that it may show, fetches addresses for whoever asks, and answers
pages of all ports of this machine.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ape.api.guard import RefusedError, refusal, require_own_site

FILE = "/gradio_api/file="
API = ("info", "startup-events", "app_id", "queue/join", "queue/data", "upload", "upload_progress", "cancel", "reset")
PATHS = {"/", "/config", "/config/", "/theme.css", "/favicon.ico", "/manifest.json", *(f"/gradio_api/{x}" for x in API)}
LONGEST, ODD = 200, re.compile(r"\.\.|[\\\x00-\x1f]")  # of paths below these:
BELOW = ("/assets/", "/static/", "/svelte/", "/gradio_api/heartbeat/")
# Scripts and styles are inside Gradio's page, so that inline ones are allowed; what they could send away is not.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; font-src 'self' data:;"
    " img-src 'self' data: blob:; connect-src 'self'; worker-src 'self' blob:; object-src 'none'; base-uri 'self';"
    " form-action 'self'; frame-src 'none'; frame-ancestors 'none'"
)
FILE_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox"  # a report is no part of the page
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class PageGuard:
    """Middleware that refuses requests.

    Parameters
    ----------
    app : ASGI application
        With Gradio.
    token : str
        In the address that a person opens, and programs send it as ``Bearer``. Afterwards a browser has a cookie that
        is derived from it: browsers send cookies to all ports of a machine, so others must not learn the token.
    hosts : collection of str
        Names, without port, by which the page may be addressed.
    port : int
        Names the cookie, since all ports of a machine share their cookies.
    may_show : callable
        Whether a file may be sent.
    """

    def __init__(
        self, app: ASGIApp, *, token: str, hosts: Collection[str], port: int, may_show: Callable[[Path], bool]
    ) -> None:
        self._app, self._token, self._may_show = app, token.encode(), may_show
        self._hosts, self._cookie = [host.lower() for host in hosts], f"ape-{port}"
        self._key = hmac.new(self._token, self._cookie.encode(), "sha256").hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "websocket":  # Gradio has none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send, FILE_POLICY if scope["path"].startswith(FILE) else POLICY)
        try:
            entry = self._checked(scope)
        except RefusedError as refused:
            entry = refusal(refused.status, refused.problem)
        await (entry or self._app)(scope, receive, send)

    def _checked(self, scope: Scope) -> Response | None:
        """Check a request; return the answer to one that brings the token in its address."""
        headers, path = Headers(scope=scope), scope["path"]
        require_own_site(scope, headers, self._hosts)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if path == "/" and scope["method"] == "GET" and any(map(self._is_token, given)):
            return self._entered(scope["scheme"] == "https")
        if not self._is_token(headers.get("authorization", "").removeprefix("Bearer ")) and not self._has_cookie(
            headers
        ):
            hint = "open the address that 'ape serve' printed, with its token"
            raise RefusedError(401, "no token, or a wrong one", path[:80], hint)
        if path.startswith(FILE):
            self._require_shown(path.removeprefix(FILE))
        elif path not in PATHS and (not path.startswith(BELOW) or len(path) > LONGEST or ODD.search(path)):
            raise RefusedError(404, "no such path", path[:80], "open the address that 'ape serve' printed")
        return None

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token)

    def _has_cookie(self, headers: Headers) -> bool:
        """Whether one of the cookies is right: other ports of this machine may have set others of the same name."""
        pairs = (pair.partition("=") for line in headers.getlist("cookie") for pair in line.split(";"))
        given = [value.strip().encode() for name, _, value in pairs if name.strip() == self._cookie]
        return any(hmac.compare_digest(each, self._key.encode()) for each in given)

    def _entered(self, secure: bool) -> Response:
        """Set the cookie, and lead to the address without the token, which is then in no history."""
        answer = Response(status_code=303, headers={"Location": "./"})
        answer.set_cookie(self._cookie, self._key, httponly=True, samesite="strict", secure=secure)
        return answer

    def _require_shown(self, name: str) -> None:
        try:
            shown = name.startswith("/") and self._may_show(Path(name).resolve(strict=True))
        except (OSError, ValueError, RuntimeError):  # not there, a zero byte, links in a circle
            shown = False
        if not shown:
            raise RefusedError(404, "no such file", name[:80], "open the address that 'ape serve' printed")


def _with_headers(send: Send, policy: str) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["Content-Security-Policy"] = policy
            headers.update(HEADERS)
        await send(message)

    return sent
