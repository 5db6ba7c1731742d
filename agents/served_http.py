"""An HTTP client for servers that may send anything: a reply ends in time, has a bounded size, and is from one origin.

The timeouts of `httpx` are those of single reads: a server that sends a byte now and then would hold a reply open.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

MOST_REDIRECTS = 3
GZIP_OR_ZLIB = 47  # for `zlib.decompressobj`: it reads the header to see which


class OddReply(Exception):
    """The server answered, but with no reply of a model: an error, a page, or something else.

    Parameters
    ----------
    what : str
        What it sent, in a few words.
    temporary : bool
        Whether the server says that it may work later.
    streamed : bool
        Whether it sent a stream that was not asked for.
    """

    def __init__(self, what: str, temporary: bool = False, streamed: bool = False) -> None:
        super().__init__(what)
        self.what, self.temporary, self.streamed = what, temporary, streamed


class BoundedClient(httpx.AsyncClient):
    """Client whose replies end after some seconds and bytes.

    Redirects are followed within the origin of the request only, because the key is sent along.

    Parameters
    ----------
    seconds : float
        Time of a whole reply, from the connection to the last byte.
    stream_seconds : float
        The same for a reply that is streamed.
    most_bytes : int
        Size of a reply after decompression.
    **options
        Of `httpx.AsyncClient`.
    """

    def __init__(self, seconds: float, stream_seconds: float, most_bytes: int, **options: Any) -> None:
        super().__init__(timeout=max(seconds, stream_seconds), follow_redirects=False, **options)
        self._seconds, self._stream_seconds, self._most_bytes = seconds, stream_seconds, most_bytes
        self.headers["Accept-Encoding"] = "identity"

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send a request, see `httpx.AsyncClient.send`."""
        end = asyncio.get_running_loop().time() + (self._stream_seconds if stream else self._seconds)
        response = await self._from_origin(request, end, options)
        response.stream = _BoundedStream(response, end, self._most_bytes)
        response.headers.pop("Content-Encoding", None)  # the stream has undone it
        if not stream:
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
        return response

    async def _from_origin(self, request: httpx.Request, end: float, options: dict[str, Any]) -> httpx.Response:
        origin = _origin(request.url)
        for _ in range(MOST_REDIRECTS):
            async with _until(end, request):
                response = await super().send(request, stream=True, **options | {"follow_redirects": False})
            if response.next_request is None:
                return response
            await response.aclose()
            request = response.next_request
            if _origin(request.url) != origin:
                raise OddReply(f"it redirects to {request.url.host or 'another address'}, which is not followed")
        raise OddReply("it redirects again and again")


class _BoundedStream(httpx.AsyncByteStream):
    """The body of a response without its compression, until its time or size is used up."""

    def __init__(self, response: httpx.Response, end: float, most_bytes: int) -> None:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._stream, self._request = response.stream, response.request
        self._end, self._most_bytes = end, most_bytes
        self._coding = response.headers.get("Content-Encoding", "").strip().lower()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise OddReply(f"its reply is compressed in an unknown way, '{self._coding[:20]}'")
        decoder = zlib.decompressobj(GZIP_OR_ZLIB) if "identity" not in (self._coding or "identity") else None
        pieces, received = aiter(self._stream), 0
        while True:
            async with _until(self._end, self._request):
                piece = await anext(pieces, None)
            if piece is None:
                break
            if decoder is not None:
                try:
                    piece = decoder.decompress(piece, self._most_bytes + 1)
                except zlib.error as error:
                    raise OddReply("its reply is not compressed as it says") from error
            received += len(piece)
            if received > self._most_bytes:
                raise OddReply(f"its reply is longer than {self._most_bytes // 2**20} MB")
            yield piece
        if decoder is not None and received and not decoder.eof:
            raise OddReply("its compressed reply is cut off")

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def _until(end: float, request: httpx.Request) -> AsyncIterator[None]:
    """Let `httpx` say that the time of a reply is over."""
    try:
        async with asyncio.timeout_at(end):
            yield
    except TimeoutError as error:
        raise httpx.ReadTimeout("the reply took too long", request=request) from error


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
