"""Connection limits of the page server: a visitor that is silent, drips its request, or does not read its answer is cut off."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 5.0
"""From a connection, or from an answer, to the next complete request."""

STALLED_SECONDS = 20.0
"""For which an answer may wait for a visitor that reads nothing."""

LONGEST_REQUEST = 16 * 1024
"""Bytes of a request line and its headers."""

MOST_CONNECTIONS = 200


class LimitedProtocol(H11Protocol):
    """HTTP/1.1 with a deadline for every request, and one for every visitor to read."""

    request_seconds = REQUEST_SECONDS
    stalled_seconds = STALLED_SECONDS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._stalled: asyncio.TimerHandle | None = None
        self._due: asyncio.TimerHandle | None = self.loop.call_later(self.request_seconds, self._cut)

    def data_received(self, data: bytes) -> None:
        """Take bytes; what arrives while an answer is on its way is no reason to wait."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before and self._due is not None:
            self._due.cancel()
            self._due = None

    def on_response_complete(self) -> None:
        """Begin to wait for the next request."""
        cycle = self.cycle
        if not self.transport.is_closing() and self._due is None:
            self._due = self.loop.call_later(self.request_seconds, self._cut)
        super().on_response_complete()
        if self.cycle is not cycle and self._due is not None:
            # The next request had come already.
            self._due.cancel()
            self._due = None

    def pause_writing(self) -> None:
        """Begin to wait for the visitor to read."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.stalled_seconds, self._cut)

    def resume_writing(self) -> None:
        """It reads."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waits."""
        for timer in (self._due, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _cut(self) -> None:
        # Not close: that would wait for what the visitor has not read.
        self.transport.abort()


def limited(request_seconds: float, stalled_seconds: float) -> type[Any]:
    """The protocol with other deadlines."""
    return type("LimitedProtocol", (LimitedProtocol,), {"request_seconds": request_seconds, "stalled_seconds": stalled_seconds})
