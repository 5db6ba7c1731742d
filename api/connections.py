"""Connections on which no request comes are closed: uvicorn itself would keep them for as long as the client does."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

LONGEST_REQUEST = 15.0  # seconds in which the first line and the headers must arrive; bodies have other limits


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with a limit on the time in which a request arrives."""

    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._limit = self.loop.call_later(LONGEST_REQUEST, self._end)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request. While one is answered, there is no limit."""
        super().data_received(data)
        waits = self.cycle is None or self.cycle.response_complete
        if waits and self._limit is None:
            self._limit = self.loop.call_later(LONGEST_REQUEST, self._end)
        elif not waits:
            self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the limit."""
        self._forget()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or the rest of one; the answer to that one is not sent any more."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def _end(self) -> None:
        self._limit = None
        self.transport.close()

    def _forget(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
