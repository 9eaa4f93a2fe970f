"""Sending end of a same-host link: a connected socket, and a queue for what the socket does not take.

There is no thread that sends.  What is queued leaves while this process waits for messages or for room, and when the transport closes.
While a sender waits for room, the listeners of its thread read ahead: two nodes that send each other more than sockets hold both go on.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from netagents.errors import DeadlineError, SecurityError
from netagents.wire.codec.frames import Frame
from netagents.wire.pauses import SLICE_SECONDS, note_waking, waiting_clock
from netagents.wire.transport.transport import LinkSettings, Sender
from netagents.wire.transport.unix_packets import (
    MARK,
    PACKET_BYTES,
    Packed,
    is_full,
    is_read,
    memory_file,
    pack,
    pass_descriptor,
)
from netagents.wire.wait_marker import waits

if TYPE_CHECKING:
    from netagents.wire.transport.unix_listener import UnixListener

_SOCKET_BYTES = 1 << 19
"""What the kernel may hold for a connection; it grants less where its limit is lower."""
_LARGE_BYTES, _LARGE_FILES = 1 << 24, 64
"""What a link may have in memory files that the receiver has not read; a single file may be larger."""
_RECONNECT_SECONDS = (0.02, 0.5)
_LOOK_SECONDS = 0.002
"""Interval at which a sender looks whether memory files have been read: nothing wakes it."""
_CREDENTIALS = struct.Struct("3i")


def peer_user(connection: socket.socket) -> int:
    """Numeric user at the other end of a Unix socket, as the kernel knows it."""
    return int(_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))[1])


class LinkGroup:
    """All links of one transport: who waits keeps the queues of all senders going."""

    def __init__(self, settings: LinkSettings) -> None:
        self.settings = settings
        self.listeners: list[UnixListener] = []
        self.queued: set[UnixSender] = set()
        """Senders with messages that have not left."""
        self.counts: Counter[str] = Counter()
        """Connections that were refused or cut."""
        self.failure: SecurityError | None = None

    def sleep(self, descriptors: Sequence[int], seconds: float, sender: UnixSender | None = None) -> list[int]:
        """Sleep until a descriptor is readable or the time is over; queued messages leave meanwhile.

        Args:
            descriptors: to wait for.
            seconds: to wait at most.
            sender: waits for room, so it is worth another try after any event.

        Returns:
            The readable descriptors.
        """
        limit = monotonic() + seconds
        while True:
            for each in list(self.queued):
                each.flush()
            wake = max(0.0, limit - monotonic())
            poller = select.poll()
            for descriptor in descriptors:
                poller.register(descriptor, select.POLLIN)
            for each in self.queued if sender is None else {sender, *self.queued}:
                writable, room = each.room()
                if writable >= 0:
                    poller.register(writable, select.POLLOUT)
                wake = min(wake, room)
            woken = poller.poll(1000.0 * wake)
            readable = [descriptor for descriptor, _ in woken if descriptor in descriptors]
            if readable or sender is not None or monotonic() >= limit:
                return readable

    def await_room(self, sender: UnixSender, seconds: float) -> None:
        """Sleep until ``sender`` may have room or the time is over; the listeners of this thread read ahead meanwhile."""
        thread = threading.get_ident()
        reading = {listener.descriptor: listener for listener in self.listeners if listener.thread == thread and listener.may_read_ahead}
        for descriptor in self.sleep(tuple(reading), seconds, sender):
            reading[descriptor].read_ahead()


class UnixSender(Sender):
    """A connected socket; made by :meth:`~netagents.wire.transport.unix_transport.UnixTransport.connect`."""

    full_error = BlockingIOError

    def __init__(self, group: LinkGroup, path: Path, endpoint: str) -> None:
        self.endpoint = endpoint
        self._group, self._path = group, os.fspath(path)
        self._queue: deque[Packed | int] = deque()  # a number is a memory file whose announcement has left
        self._unread: deque[tuple[int, int]] = deque()
        # A sender may be used by another thread than the one that waits and flushes.
        self._lock = threading.RLock()
        self._closed = False
        self._socket: socket.socket | None = None
        self._send: Callable[[bytes, int], int] | None = None
        self._delay, self._next_try = _RECONNECT_SECONDS[0], 0.0
        self._tries_by_time = False
        self._connected()

    # -- sending ---------------------------------------------------------------------------------------------------------

    @waits("to send")
    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        if self.try_send(frames):
            return
        limit = waiting_clock() + timeout_seconds
        while not self._closed and (remaining := limit - waiting_clock()) > 0.0:
            start, asleep = waiting_clock(), min(SLICE_SECONDS, remaining)
            self._group.await_room(self, asleep)
            note_waking(start + asleep)
            if self.try_send(frames):
                return
        raise DeadlineError(
            f"waited {timeout_seconds:g} s to send: the peer is gone or does not read", where=self.endpoint, fix="look at the peer's log"
        )

    def try_send(self, frames: Sequence[Frame]) -> bool:
        with self._lock:
            if self._closed:
                return False
            message = pack(frames)
            if self.flush():
                rest = self._transmit(message)
                if rest is None:
                    return True
                if rest is not message:
                    self._put(rest)
                    return True
            if len(self._queue) >= self._group.settings.queue:
                return False
            self._put(message.copied())
            return True

    def send_function(self) -> Callable[[bytes], object]:
        queue, flags, mark = self._queue, int(socket.MSG_NOSIGNAL), MARK

        def send(frame: bytes) -> None:
            now = self._send
            if now is not None and not queue and 0 < len(frame) <= PACKET_BYTES and frame[:4] != mark:
                try:
                    now(frame, flags)
                    return
                except OSError:
                    pass
            if not self.try_send((frame,)):
                raise BlockingIOError

        return send

    # -- queue -----------------------------------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Send what is queued, as far as there is room; returns whether nothing is left."""
        with self._lock:
            while self._queue:
                message = self._queue[0]
                rest = self._transmit(message)
                if rest is message:
                    return False
                # The queue is not empty before its last message has left: others must not overtake it.
                if rest is None:
                    self._queue.popleft()
                else:
                    self._queue[0] = rest
            self._group.queued.discard(self)
            if self._closed:
                self._disconnected()
            return True

    def room(self) -> tuple[int, float]:
        """What to wait for before another try: a descriptor that becomes writable (-1: none), and after how many seconds at the latest."""
        if self._socket is None:
            return -1, max(0.0, self._next_try - monotonic())
        return (-1, _LOOK_SECONDS) if self._tries_by_time else (self._socket.fileno(), SLICE_SECONDS)

    def _put(self, message: Packed | int) -> None:
        self._queue.append(message)
        self._group.queued.add(self)

    def _transmit(self, message: Packed | int) -> Packed | int | None:
        """Send as much of a message as there is room for; returns what is left of it."""
        if not self._connected():
            return message
        assert self._socket is not None
        try:
            if isinstance(message, Packed):
                if not message.body:
                    self._socket.send(message.packet, socket.MSG_NOSIGNAL)
                    return None
                if self._full_of_files(message.size):
                    return message
                try:
                    descriptor = memory_file(message)
                except OSError:
                    self._tries_by_time = True
                    return message
                try:
                    self._socket.send(message.packet, socket.MSG_NOSIGNAL)
                except OSError:
                    os.close(descriptor)
                    raise
                self._unread.append((descriptor, message.size))
                message = descriptor
            pass_descriptor(self._socket, message)
        except OSError as error:
            if is_full(error):
                # A socket may be writable while the machine is short of something else.
                self._tries_by_time = error.errno != errno.EAGAIN
                return message
            self._disconnected()
            # What the peer has half received is lost with it; the rest waits for the next connection.
            return message if isinstance(message, Packed) else None
        return None

    def _full_of_files(self, size: int) -> bool:
        while self._unread and is_read(self._unread[0][0]):
            os.close(self._unread.popleft()[0])
        waiting = sum(size for _, size in self._unread)
        limit = min(self._group.settings.queue, _LARGE_FILES)
        self._tries_by_time = bool(self._unread) and (waiting + size > _LARGE_BYTES or len(self._unread) >= limit)
        return self._tries_by_time

    # -- connection ------------------------------------------------------------------------------------------------------

    def _connected(self) -> bool:
        """Connect unless there is a connection or a try has just failed; returns whether there is one."""
        if self._socket is not None:
            return True
        if monotonic() < self._next_try:
            return False
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
            connection.connect(self._path)
            user = peer_user(connection)
            if user != os.geteuid():
                self._group.failure = SecurityError(f"the socket belongs to user {user}, not to the user of this node", where=self.endpoint)
                raise PermissionError
        except OSError:
            connection.close()
            self._next_try = monotonic() + self._delay
            self._delay = min(2.0 * self._delay, _RECONNECT_SECONDS[1])
            return False
        self._delay, self._next_try = _RECONNECT_SECONDS[0], 0.0
        self._socket, self._send = connection, connection.send
        return True

    def _disconnected(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = self._send = None
        self._tries_by_time = False
        while self._unread:
            os.close(self._unread.popleft()[0])

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._send = None
                self.flush()

    def abort(self) -> None:
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._group.queued.discard(self)
            self._disconnected()
