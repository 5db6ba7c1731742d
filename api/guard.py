"""What is refused before a request reaches the service: other hosts and origins, no token, a large body.

The page of ``ape serve`` has the same checks of hosts and origins, see `ape.cli.page_guard`.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ape.api.messages import Problem
from ape.core.ports import is_loopback

OPEN = ("/health", "/docs", "/openapi.json")  # paths that need no token: they reveal nothing about data
MAX_BODY = 16 * 2**20  # bytes
LONGEST_BODY = 30.0  # seconds in which a body must arrive
MOST_AT_ONCE = 32  # requests with a body in one process: each may hold MAX_BODY
LINKED = ("/", "/docs")  # paths to which other sites may link
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class RefusedError(Exception):
    """A request is refused.

    Parameters
    ----------
    status : int
    what, where, hint : str
        See `ape.api.messages.Problem`.
    """

    def __init__(self, status: int, what: str, where: str, hint: str) -> None:
        super().__init__(what)
        self.status, self.problem = status, Problem(what=what, where=where, hint=hint)


def refusal(status: int, problem: Problem) -> Response:
    """Return the answer that says in one line of JSON why a request is refused."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(status)
    return Response(problem.model_dump_json(), status, headers, "application/json")


class Guard:
    """Middleware that refuses requests and reads their bodies.

    Parameters
    ----------
    app : ASGI application
    token : str or None
        That requests must have.
    hosts : collection of str
        Names, without port, by which the service may be addressed; empty: any. A page of another site that resolves
        its own name to this machine sends that name.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, [host.lower() for host in hosts]
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its whole body, or refuse it."""
        if scope["type"] == "websocket":  # there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = Headers(scope=scope)
            require_own_site(scope, headers, self._hosts)
            self._require_token(scope["path"], headers)
            if scope["method"] in ("GET", "HEAD"):
                await self._app(scope, receive, send)
            else:
                await self._with_body(scope, headers, receive, send)
        except RefusedError as refused:
            await refusal(refused.status, refused.problem)(scope, receive, send)

    def _require_token(self, path: str, headers: Headers) -> None:
        given = headers.get("authorization", "").encode("latin-1")
        if self._expected is not None and path not in OPEN and not hmac.compare_digest(given, self._expected):
            what = "no token" if not given else "a wrong token"
            raise RefusedError(401, what, "header Authorization", "send 'Authorization: Bearer TOKEN'")

    async def _with_body(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if self._bodies >= MOST_AT_ONCE:
            raise RefusedError(503, f"{MOST_AT_ONCE} requests wait already", scope["path"], "try again in a second")
        self._bodies += 1
        try:
            body = await _read(headers, receive)
            if body is not None:
                await self._app(scope, _replayed(body, receive), send)
        finally:
            self._bodies -= 1


def require_own_site(scope: Scope, headers: Headers, hosts: Collection[str]) -> None:
    """Refuse requests that pages of other sites make, and those under another name.

    A page of another site can resolve its own name to this machine, and then sends that name as Host. A page of
    another port of this machine has the same name, but another Origin.

    Parameters
    ----------
    scope : dict
        Of ASGI.
    headers : Headers
    hosts : collection of str
        Names, without port and in lower case, by which the service may be addressed; empty: any.

    Raises
    ------
    RefusedError
        With status 421 for another name, and 403 for another origin.
    """
    given = headers.getlist("host")
    host = given[0].lower() if len(given) == 1 else ""
    for name in (host, *(each.lower() for each in headers.getlist("x-forwarded-host"))):
        if hosts and _without_port(name) not in hosts:
            what = f"the service does not answer to '{name[:80]}'"
            raise RefusedError(421, what, "header Host", "start it with --allow-host NAME, or use its address")
    for origin in headers.getlist("origin"):
        if not _is_own(origin.lower(), host, hosts):
            what = f"pages of '{origin[:80]}' cannot use the service"
            raise RefusedError(403, what, "header Origin", "behind a proxy: start it with --allow-host NAME")
    site, opens = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode") == "navigate"
    opens = opens and scope["method"] == "GET" and headers.get("sec-fetch-dest", "document") == "document"
    if site not in (None, "none", "same-origin") and not opens:  # a link that a person follows is fine
        what = "pages of other sites cannot use the service"
        raise RefusedError(403, what, "header Sec-Fetch-Site", "open its address")
    if site is None and not (scope["method"] == "GET" and scope["path"] in LINKED):  # an old browser
        for page in filter(None, headers.getlist("referer")):
            if not _is_own(page.lower(), host, hosts):
                what = f"pages of '{page[:80]}' cannot use the service"
                raise RefusedError(403, what, "header Referer", "open its address")


def _is_own(origin: str, host: str, hosts: Collection[str]) -> bool:
    """Whether an origin is that of the service, or of a proxy with an allowed name and a usual port."""
    try:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return False
        usual = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    except ValueError:
        return False
    name = _without_port(parts.netloc)
    return parts.netloc == host or (usual and name in hosts and not is_loopback(name))


def _without_port(host: str) -> str:
    name, _colon, port = host.rpartition(":")
    return name if name and port.isdecimal() else host


async def _read(headers: Headers, receive: Receive) -> bytes | None:
    """Return the body; None if the client has gone."""
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_BODY:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(LONGEST_BODY):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    raise _too_large()
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        what = f"the body did not arrive within {LONGEST_BODY:g} s"
        raise RefusedError(408, what, "body", "send fewer rows at once") from None


def _too_large() -> RefusedError:
    return RefusedError(413, f"more than {MAX_BODY // 2**20} MiB", "body", "send fewer rows at once")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what gives the whole body as one message, then whatever follows."""
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
