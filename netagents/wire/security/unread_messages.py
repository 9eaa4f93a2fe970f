"""What connections have brought and nobody has taken yet: it waits in ZeroMQ's memory, and may not grow without bound.

ZeroMQ limits the size of a frame, not the number of frames, and hands a message over when its last frame is there.  So the system is
asked how many bytes each connection has received, and what was taken from it is subtracted; a connection that holds much more
than a message may have is ended, and ZeroMQ forgets what it had.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys

FRAME_BYTES = 42
"""What encryption and framing add to a frame, at most."""

_TCP_INFO_BYTES = 136
_RECEIVED = slice(128, 136)  # tcpi_bytes_received in Linux' struct tcp_info, as a 64-bit number of the machine's byte order


class UnreadMessages:
    """Watches the connections of one listener.  Two threads share it: one takes messages, the other looks.

    Args:
        most_bytes: that may wait of one connection.
    """

    def __init__(self, most_bytes: int) -> None:
        self.taken: dict[int, int] = {}
        """Descriptor of a connection -> bytes that were taken from it, with :data:`FRAME_BYTES` for each frame."""
        self._most_bytes = most_bytes
        self._connections: dict[int, tuple[socket.socket, int]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._connections)

    def accepted(self, descriptor: int) -> None:
        """A new connection; it is watched through a descriptor of its own, which nobody else can give to something else."""
        self.ended(descriptor)
        if self._closed:
            return
        with contextlib.suppress(OSError):
            self._connections[descriptor] = socket.socket(fileno=os.dup(descriptor)), self.taken.get(descriptor, 0)
        if self._closed:
            self.ended(descriptor)

    def ended(self, descriptor: int) -> None:
        """A connection is over; only when our descriptor closes is its other end told."""
        watched = self._connections.pop(descriptor, None)
        if watched is not None:
            watched[0].close()

    def close_overfull(self) -> list[int]:
        """Ends every connection that holds more than it may; gives how many bytes each of them held."""
        held = []
        for descriptor, (connection, before) in list(self._connections.items()):
            taken = self.taken.get(descriptor, 0) - before
            try:
                waiting = _received(connection) - taken
                if waiting > self._most_bytes:
                    connection.shutdown(socket.SHUT_RDWR)
                    held.append(waiting)
            except OSError:
                self.ended(descriptor)
        return held

    def close(self) -> None:
        """The listener is about to close."""
        self._closed = True
        for descriptor in list(self._connections):
            self.ended(descriptor)


def _received(connection: socket.socket) -> int:
    """Bytes that a tcp connection has received since it was made."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int.from_bytes(info[_RECEIVED], sys.byteorder)
