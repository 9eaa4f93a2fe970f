"""Unread messages of connections, which wait in ZeroMQ's memory and must be bounded.

ZeroMQ limits the size of a frame, not the number of frames, and delivers a message once its last frame has arrived.  So the kernel's
number of bytes that each connection has received is compared with the bytes that were read from it; a connection that holds much more than
one message is closed, and ZeroMQ frees its memory.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

FRAME_BYTES = 42
"""Most bytes that encryption and framing add to a frame."""

_TCP_INFO_BYTES = 136
_RECEIVED = slice(128, 136)  # tcpi_bytes_received in Linux' struct tcp_info, as a 64-bit number of the machine's byte order


class UnreadMessages:
    """Watches the connections of one listener.  Two threads share it: one reads messages, the other checks.

    Args:
        most_bytes: limit of unread bytes per connection.
    """

    def __init__(self, most_bytes: int) -> None:
        self.taken: dict[int, int] = {}
        """Descriptor of a connection -> bytes read from it, with :data:`FRAME_BYTES` added per frame."""
        self._most_bytes = most_bytes
        self._connections: dict[int, tuple[socket.socket, int]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, descriptor: int) -> None:
        """Add a new connection; it is watched through a duplicate descriptor, which cannot be reused for anything else."""
        self.remove(descriptor)
        if self._closed:
            return
        with contextlib.suppress(OSError):
            self._connections[descriptor] = socket.socket(fileno=os.dup(descriptor)), self.taken.get(descriptor, 0)
        if self._closed:
            self.remove(descriptor)

    def remove(self, descriptor: int) -> None:
        """Remove a connection; its other end sees the end only once this descriptor is closed."""
        watched = self._connections.pop(descriptor, None)
        if watched is not None:
            watched[0].close()

    def close_overfull(self) -> list[int]:
        """Close every connection above the limit; returns the unread bytes of each."""
        closed = []
        for descriptor, (connection, before) in list(self._connections.items()):
            taken = self.taken.get(descriptor, 0) - before
            try:
                waiting = _received(connection) - taken
                if waiting > self._most_bytes:
                    connection.shutdown(socket.SHUT_RDWR)
                    closed.append(waiting)
            except OSError:
                self.remove(descriptor)
        return closed

    def close(self) -> None:
        """Close, before the listener does."""
        self._closed = True
        for descriptor in list(self._connections):
            self.remove(descriptor)


def _received(connection: socket.socket) -> int:
    """Bytes that a tcp connection has received since it was made."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int.from_bytes(info[_RECEIVED], sys.byteorder)
