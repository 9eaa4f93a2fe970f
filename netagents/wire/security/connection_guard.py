"""Guard of one listener's tcp connections: what strangers and members may hold of a node's memory and descriptors.

ZeroMQ limits the size of a frame, and neither the number of frames of a message, nor what a peer sends before it has said who it is, nor
how many connections there are.  So the guard looks at the kernel's counts of each connection, and closes those that exceed a limit:

- **half-open** ones, whose handshake is not over: more than :data:`HALF_OPEN_BYTES` received, or too many of them at once.  Then the
  oldest one of the address that has the most goes, since a member's handshake takes milliseconds;
- those of a **member**: much more received than read, or more than :data:`MOST_PER_MEMBER` of them.

Whether a handshake is over shows in how many bytes the peer has acknowledged: without a key on the node's list nobody is sent more than
the greeting, the answer to a Hello and a refusal.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

FRAME_BYTES = 42
"""Most bytes that encryption and framing add to a frame."""

HALF_OPEN_BYTES = 1 << 16
"""Most bytes that a peer may send before its handshake is over; an honest one needs fewer than a thousand."""

MOST_HALF_OPEN = 32
"""Half-open connections that a listener has at most, in addition to two for each member."""

MOST_PER_MEMBER = 4
"""Connections that one member may have; an honest one has one, and two for a moment when it is started again."""

_GREETED_BYTES = 264
"""Acknowledged bytes of a finished handshake: 64 of a greeting, 170 of CURVE's WELCOME and at least 50 of its READY; a refusal has 12."""

_TCP_INFO_BYTES = 136
# Linux' struct tcp_info: 64-bit numbers of the machine's byte order.
_ACKNOWLEDGED, _RECEIVED = slice(120, 128), slice(128, 136)


class Closed(NamedTuple):
    """A connection that was closed: why, who was at its other end, and how many bytes or connections were too many."""

    reason: str
    peer: str
    amount: int


@dataclass
class _Connection:
    """A watched connection, through a duplicate of its descriptor, which cannot be reused for anything else meanwhile."""

    socket: socket.socket
    address: str
    taken_before: int
    half_open: bool = True


class ConnectionGuard:
    """Watches the connections of one listener.  Two threads share it: one reads messages, the other checks.

    Args:
        most_bytes: limit of unread bytes per connection.
        members: how many nodes may connect.
    """

    def __init__(self, most_bytes: int, members: int) -> None:
        self.taken: dict[int, int] = {}
        """Descriptor of a connection -> bytes read from it, with :data:`FRAME_BYTES` added per frame."""
        self.speakers: dict[int, str] = {}
        """Descriptor of a connection -> the authenticated name of whoever sends over it."""
        self._most_bytes = most_bytes
        self._most_half_open = MOST_HALF_OPEN + 2 * members
        self._most_silent = self._most_half_open
        self._connections: dict[int, _Connection] = {}
        self._half_open: dict[int, _Connection] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def half_open(self) -> int:
        """Connections whose handshake is not over, as far as known."""
        return len(self._half_open)

    def add(self, descriptor: int) -> list[Closed]:
        """Add a new connection; gives what had to be closed for it."""
        self.remove(descriptor)
        if self._closed:
            return []
        with contextlib.suppress(OSError):
            watched = socket.socket(fileno=os.dup(descriptor))
            try:
                address = str(watched.getpeername()[0])
            except OSError:
                watched.close()
                return []
            connection = _Connection(watched, address, self.taken.get(descriptor, 0))
            self._connections[descriptor] = self._half_open[descriptor] = connection
        if self._closed:
            self.remove(descriptor)
        return self._close_half_open() if len(self._half_open) > self._most_half_open else []

    def remove(self, descriptor: int) -> None:
        """Remove a connection; its other end sees the end only once this descriptor is closed."""
        self._half_open.pop(descriptor, None)
        self.speakers.pop(descriptor, None)
        watched = self._connections.pop(descriptor, None)
        if watched is not None:
            watched.socket.close()

    def check_half_open(self) -> list[Closed]:
        """Close half-open connections that have sent too much; gives them."""
        closed = []
        for descriptor, connection in list(self._half_open.items()):
            try:
                acknowledged, received = _counts(connection.socket)
            except OSError:
                self.remove(descriptor)
                continue
            if acknowledged >= _GREETED_BYTES:
                self._half_open.pop(descriptor, None)
                connection.half_open = False
            elif received > HALF_OPEN_BYTES:
                closed.append(self._close(descriptor, Closed("too many bytes before a handshake", connection.address, received)))
        return closed

    def check(self) -> list[Closed]:
        """Close every connection above a limit; gives them."""
        closed = self.check_half_open()
        silent: list[int] = []
        of_member: Counter[str] = Counter()
        # The newest ones first: they may replace connections whose end has not been noticed yet.
        for descriptor, connection in reversed(list(self._connections.items())):
            if connection.half_open:
                continue
            speaker = self.speakers.get(descriptor)
            try:
                waiting = _counts(connection.socket)[1] - (self.taken.get(descriptor, 0) - connection.taken_before)
            except OSError:
                self.remove(descriptor)
                continue
            if waiting > self._most_bytes:
                closed.append(self._close(descriptor, Closed("too many unread bytes", speaker or connection.address, waiting)))
            elif speaker is None:
                silent.append(descriptor)
                if len(silent) > self._most_silent:
                    closed.append(self._close(descriptor, Closed("too many silent connections", connection.address, len(silent))))
            else:
                of_member[speaker] += 1
                if of_member[speaker] > MOST_PER_MEMBER:
                    closed.append(self._close(descriptor, Closed("too many connections", speaker, of_member[speaker])))
        return closed

    def close(self) -> None:
        """Close, before the listener does."""
        self._closed = True
        for descriptor in list(self._connections):
            self.remove(descriptor)

    def _close_half_open(self) -> list[Closed]:
        """Close half-open connections above the limit: the oldest one of the address that has the most."""
        closed = self.check_half_open()
        while len(self._half_open) > self._most_half_open:
            crowded, count = Counter(connection.address for connection in self._half_open.values()).most_common(1)[0]
            oldest = next(descriptor for descriptor, connection in self._half_open.items() if connection.address == crowded)
            closed.append(self._close(oldest, Closed("too many half-open connections", crowded, count)))
        return closed

    def _close(self, descriptor: int, closed: Closed) -> Closed:
        with contextlib.suppress(OSError, KeyError):
            watched = self._connections[descriptor].socket
            # The end is a reset: nobody waits for what the peer may still send.
            watched.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            watched.shutdown(socket.SHUT_RDWR)
        self.remove(descriptor)
        return closed


def _counts(connection: socket.socket) -> tuple[int, int]:
    """Bytes of a tcp connection that its peer has acknowledged, and bytes that have arrived."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int.from_bytes(info[_ACKNOWLEDGED], sys.byteorder), int.from_bytes(info[_RECEIVED], sys.byteorder)
