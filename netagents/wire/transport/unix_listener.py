"""Receiving end of same-host links: a listening socket, a connection per sender, and no thread.

The kernel says who is at the other end of a connection, keeps the order of its packets, holds its sender up when nobody reads, and ends it
when that process ends.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

from netagents.errors import DecodeError
from netagents.wire.security.zap_authenticator import CUT, REFUSED
from netagents.wire.transport.transport import LINK_SECONDS, Listener, Received, WaitResult
from netagents.wire.transport.unix_packets import MARK, PACKET_BYTES, Head, read_body, unpack
from netagents.wire.transport.unix_sender import LinkGroup, peer_user

_EVENTS = 64
_MOST_LINES = 20
_SHORT_OF_DESCRIPTORS_SECONDS = 0.01
_MESSAGES, _NOTHING = WaitResult(True, ()), WaitResult(False, ())
_log = logging.getLogger(__name__)

Read = Callable[[int, int], bytes]
_AT_ONCE = int(socket.MSG_DONTWAIT)
_LINK_TIMEOUT = struct.pack("@ll", int(LINK_SECONDS), round(LINK_SECONDS % 1.0 * 1e6))


class UnixListener(Listener):
    """A listening socket and its connections; made by :meth:`~netagents.wire.transport.unix_transport.UnixTransport.listen`."""

    timeout_error = TimeoutError
    tells_links = True

    def __init__(self, group: LinkGroup, listening: socket.socket, path: Path, endpoint: str) -> None:
        self.endpoint = endpoint
        self.thread = threading.get_ident()
        """The thread that this listener belongs to."""
        self._group, self._listening, self._path = group, listening, path
        limits = group.settings.limits
        self._most_bytes, self._most_frames = limits.message_bytes, limits.arrays + 1
        self._largest_packet = min(PACKET_BYTES, self._most_bytes)
        self._connections: dict[int, socket.socket] = {}
        self._reads: dict[int, Read] = {listening.fileno(): self._accept}
        self._announced: dict[int, Head] = {}
        """Connections whose next packet brings a memory file."""
        self._ready: list[tuple[int, int]] = []
        self._ahead: deque[Received] = deque()
        self._epoll = select.epoll()
        self.descriptor = self._epoll.fileno()
        """Readable when a packet, a connection or the end of one is there."""
        self._epoll.register(listening.fileno(), select.EPOLLIN)
        self._lines = 0
        self._last = -1
        self._at_once = self._taker(0.0, deque())
        self._within_link_seconds = self._taker(LINK_SECONDS, self._ahead)

    # -- receiving -------------------------------------------------------------------------------------------------------

    def take(self, timeout_seconds: float) -> Received | None:
        if self._ahead:
            return self._ahead.popleft()
        try:
            return self._at_once() if timeout_seconds <= 0.0 else self._taker(timeout_seconds, self._ahead)()
        except TimeoutError:
            return None

    def take_function(self, timeout_seconds: float) -> Callable[[], Received]:
        return self._taker(timeout_seconds, self._ahead)

    def _taker(self, seconds: float, ahead: deque[Received]) -> Callable[[], Received]:
        """A function that takes the next message, first those in ``ahead``."""
        ready, reads, queued, mark, largest = self._ready, self._reads, self._group.queued, MARK, self._largest_packet
        poll = self._epoll.poll

        def take() -> Received:
            if ahead:
                return ahead.popleft()
            remaining, limit = seconds, 0.0
            while True:
                while ready:
                    descriptor, _ = ready.pop()
                    try:
                        packet = reads[descriptor](PACKET_BYTES + 1, _AT_ONCE)
                    except (BlockingIOError, KeyError):  # nothing more, or a connection that was cut meanwhile
                        continue
                    except OSError:
                        packet = b""
                    self._last = descriptor
                    if packet and packet[:4] != mark and len(packet) <= largest:
                        return packet
                    received = self._read_other(descriptor, packet)
                    if received is not None:
                        return received
                if limit:
                    remaining = max(0.0, limit - monotonic())
                elif remaining > 0.0:
                    limit = monotonic() + remaining
                if not reads:
                    raise TimeoutError  # closed
                if queued:
                    self._group.sleep((self.descriptor,), remaining)
                    remaining = 0.0
                events = poll(remaining, _EVENTS)
                if not events:
                    raise TimeoutError
                ready.extend(events)

        return take

    def last_link(self) -> socket.socket | None:
        return self._connections.get(self._last)

    def take_from(self, link: object) -> Received:
        assert isinstance(link, socket.socket)
        if self._ahead or self._group.queued:
            return self._within_link_seconds()
        descriptor = link.fileno()
        if descriptor not in self._announced:
            try:
                packet = link.recv(PACKET_BYTES + 1)
            except OSError:  # nothing in time, or closed
                return self._at_once()
            if packet and packet[:4] != MARK and len(packet) <= self._largest_packet:
                return packet
            received = self._read_other(descriptor, packet)
            if received is not None:
                return received
        return self._within_link_seconds()

    def packet_function(self, link: object) -> Callable[[], bytes]:
        assert isinstance(link, socket.socket)
        ahead, queued, announced, receive = self._ahead, self._group.queued, self._announced, link.recv
        descriptor, size = link.fileno(), PACKET_BYTES + 1

        def take() -> bytes:
            if ahead or queued or descriptor in announced:
                raise BlockingIOError
            return receive(size)

        return take

    def complete_from(self, link: object, packet: bytes) -> Received | None:
        assert isinstance(link, socket.socket)
        if packet and packet[:4] != MARK and len(packet) <= self._largest_packet:
            return packet
        return self._read_other(link.fileno(), packet)

    def _read_other(self, descriptor: int, packet: bytes) -> Received | None:
        """What a packet is that is not one small frame: part of a message, or a reason to cut the connection."""
        try:
            if descriptor in self._announced:
                return self._read_body(descriptor)
            if not packet:
                self._cut(descriptor)
                return None
            if len(packet) > self._largest_packet:
                raise DecodeError(f"a packet has more than {self._largest_packet:,} bytes")
            received = unpack(packet, self._most_bytes, self._most_frames)
            if not isinstance(received, Head):
                return received
            # The next packet has the descriptor, which an ordinary read would lose.
            self._announced[descriptor] = received
            self._reads[descriptor] = _no_packet
            return self._read_body(descriptor)
        except DecodeError as error:
            self._cut(descriptor, str(error))
        except BlockingIOError:
            pass
        except OSError:
            self._cut(descriptor)
        return None

    def _read_body(self, descriptor: int) -> Received:
        connection = self._connections[descriptor]
        received = read_body(connection, self._announced[descriptor], self._most_bytes, self._most_frames)
        del self._announced[descriptor]
        self._reads[descriptor] = connection.recv
        return received

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        if self._listening.fileno() < 0:
            return _NOTHING
        limit = monotonic() + timeout_seconds
        while True:
            if not self._ahead:
                self._read_one_ahead()
            messages = bool(self._ahead)
            if messages and not descriptors:
                return _MESSAGES
            remaining = 0.0 if messages else max(0.0, limit - monotonic())
            readable = self._group.sleep((self.descriptor, *descriptors), remaining)
            if not messages and self.descriptor in readable:
                messages = self._read_one_ahead()
            others = tuple(descriptor for descriptor in descriptors if descriptor in readable)
            if messages or others or monotonic() >= limit:
                return WaitResult(messages, others)

    @property
    def may_read_ahead(self) -> bool:
        """Whether there is room for messages that nobody has taken."""
        return self._listening.fileno() >= 0 and len(self._ahead) < self._group.settings.queue * max(1, len(self._connections))

    def read_ahead(self) -> None:
        """Read what is there, as far as there is room: for senders that wait while others send to this listener."""
        while self.may_read_ahead and self._read_one_ahead():
            pass

    def _read_one_ahead(self) -> bool:
        try:
            self._ahead.append(self._at_once())
        except TimeoutError:
            return False
        return True

    # -- connections -----------------------------------------------------------------------------------------------------

    def _accept(self, _size: int, _flags: int) -> bytes:
        """Accept all new connections, in the place of a read; it never gives a packet."""
        while True:
            try:
                connection, _address = self._listening.accept()
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    time.sleep(_SHORT_OF_DESCRIPTORS_SECONDS)  # the connection stays in the queue, and would wake us at once
                raise BlockingIOError from None
            user = peer_user(connection)
            if user != os.geteuid():
                connection.close()
                self._group.counts[REFUSED] += 1
                self._note("refused a connection: it comes from user %d, not from the user of this node", user)
                continue
            connection.setblocking(True)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _LINK_TIMEOUT)
            descriptor = connection.fileno()
            self._connections[descriptor] = connection
            self._reads[descriptor] = connection.recv
            self._epoll.register(descriptor, select.EPOLLIN)

    def _cut(self, descriptor: int, reason: str | None = None) -> None:
        """End a connection: its other end has closed, or breaks the rules."""
        connection = self._connections.pop(descriptor, None)
        if connection is None:
            return
        del self._reads[descriptor]
        self._announced.pop(descriptor, None)
        connection.close()
        self._group.counts[CUT] += 1
        if reason is not None:
            self._note("cut a connection: %s", reason)

    def _note(self, text: str, detail: object) -> None:
        self._lines += 1
        if self._lines <= _MOST_LINES:
            _log.warning(f"{self.endpoint}: {text}", detail)

    def close(self) -> None:
        if self._listening.fileno() < 0:
            return
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        self._reads.clear()
        self._announced.clear()
        self._ready.clear()
        self._ahead.clear()
        self._epoll.close()
        self._listening.close()
        self._path.unlink(missing_ok=True)
        if self in self._group.listeners:
            self._group.listeners.remove(self)


def _no_packet(_size: int, _flags: int) -> bytes:
    return b""
