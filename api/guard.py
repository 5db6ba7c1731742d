"""What is refused before a request reaches the service: other hosts, a wrong token, a body that is too large."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ape.api.messages import Problem

OPEN = ("/health", "/docs", "/openapi.json")  # paths that need no token: they reveal nothing about data
MAX_BODY = 16 * 2**20  # bytes
LONGEST_BODY = 30.0  # seconds in which a body must arrive
MOST_AT_ONCE = 32  # requests with a body in one process: each may hold MAX_BODY
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class _RefusedError(Exception):
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
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            headers = Headers(scope=scope)
            self._check(scope["path"], headers)
            if scope["method"] in ("GET", "HEAD"):
                await self._app(scope, receive, send)
            else:
                await self._with_body(scope, headers, receive, send)
        except _RefusedError as refused:
            await refusal(refused.status, refused.problem)(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if self._hosts and _without_port(host).lower() not in self._hosts:
            what = f"the service does not answer to '{host[:80]}'"
            raise _RefusedError(421, what, "header Host", "start it with --allow-host NAME, or use its address")
        given = headers.get("authorization", "").encode("latin-1")
        if self._expected is not None and path not in OPEN and not hmac.compare_digest(given, self._expected):
            what = "no token" if not given else "a wrong token"
            raise _RefusedError(401, what, "header Authorization", "send 'Authorization: Bearer TOKEN'")

    async def _with_body(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if self._bodies >= MOST_AT_ONCE:
            raise _RefusedError(503, f"{MOST_AT_ONCE} requests wait already", scope["path"], "try again in a second")
        self._bodies += 1
        try:
            body = await _read(headers, receive)
            if body is not None:
                await self._app(scope, _replayed(body, receive), send)
        finally:
            self._bodies -= 1


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
        raise _RefusedError(408, what, "body", "send fewer rows at once") from None


def _too_large() -> _RefusedError:
    return _RefusedError(413, f"more than {MAX_BODY // 2**20} MiB", "body", "send fewer rows at once")


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
