"""Sockets of a ZeroMQ link: a bound PULL socket receives, a connected PUSH socket sends.

A node spends most of its time on messages in these calls, so they call the library without layers in between.
"""

from __future__ import annotations

import errno
import select
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic

import zmq

from netagents.errors import DeadlineError
from netagents.wire.codec.frames import FOLLOWED, Frame
from netagents.wire.pauses import SLICE_SECONDS, note_waking, waiting_clock
from netagents.wire.security.connection_guard import FRAME_BYTES, ConnectionGuard
from netagents.wire.transport.transport import LinkSettings, Listener, Received, ReceivedFrames, Sender, WaitResult
from netagents.wire.wait_marker import waits

_AT_ONCE, _MORE, _EVENTS, _READABLE = int(zmq.NOBLOCK), int(zmq.RCVMORE), int(zmq.EVENTS), int(zmq.POLLIN)
_FOLLOWED = FOLLOWED >> 24  # in the fourth byte
_MESSAGES, _NOTHING = WaitResult(True, ()), WaitResult(False, ())


class ZmqListener(Listener):
    """A bound PULL socket; made by :meth:`~netagents.wire.transport.zeromq_transport.ZmqTransport.listen`."""

    timeout_error = zmq.Again

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        endpoint: str,
        path: Path | None,
        settings: LinkSettings,
        *,
        guard: ConnectionGuard | None,
        before_close: Callable[[], None] | None,
    ) -> None:
        self.endpoint = endpoint
        self._socket = socket
        self._path = path
        self._most_frames = settings.limits.arrays + 1
        self._most_bytes = settings.limits.message_bytes
        self._guard = guard
        self._before_close = before_close
        self._handle = int(socket.get(zmq.FD))
        self._poller = select.poll()
        self._poller.register(self._handle, select.POLLIN)
        self._watched: tuple[int, ...] = ()
        # The library's own function, without the options that pyzmq adds.
        self._recv = super(zmq.Socket, socket).recv

    def take(self, timeout_seconds: float) -> Received | None:
        if timeout_seconds > 0.0 and not self._socket.poll(_milliseconds(timeout_seconds)):
            return None
        try:
            if self._guard is not None:
                return self._receive_authenticated(_AT_ONCE)
            return self.complete(self._recv(_AT_ONCE))
        except zmq.Again:
            return None

    def take_function(self, timeout_seconds: float) -> Callable[[], Received]:
        # A learning node sleeps here: one blocking call, without a poller.
        self._socket.set(zmq.RCVTIMEO, _milliseconds(timeout_seconds))
        return self._recv if self._guard is None else self._receive_authenticated

    def complete(self, taken: Received) -> Received:
        if isinstance(taken, ReceivedFrames) or len(taken) < 4 or taken[3] < _FOLLOWED:
            return taken
        frames: list[Frame] = [taken]
        room = self._most_bytes - len(taken)
        while self._socket.get(_MORE):
            frame = self._recv(_AT_ONCE)
            # Beyond the limits the rest is discarded; one frame too many is kept, so that the codec refuses the message.
            if len(frames) <= self._most_frames and room >= 0:
                frames.append(frame)
                room -= len(frame)
        return ReceivedFrames(frames, None)

    def _receive_authenticated(self, flags: int = 0) -> ReceivedFrames:
        assert self._guard is not None
        taken = self._guard.taken
        part = self._socket.recv(flags, copy=False)
        # The identity is the one that the key exchange proved, never what the peer claims.
        try:
            user = str(part.get("User-Id"))
        except zmq.ZMQError:
            user = ""
        frames: list[Frame] = [part.bytes]
        size = len(part) + FRAME_BYTES
        room = self._most_bytes - size
        while part.more:
            part = self._socket.recv(_AT_ONCE, copy=False)
            size += len(part) + FRAME_BYTES
            if len(frames) <= self._most_frames and room >= 0:
                frames.append(part.bytes)
                room -= len(part)
        connection = int(part.get(zmq.SRCFD))
        taken[connection] = taken.get(connection, 0) + size
        self._guard.speakers[connection] = user
        return ReceivedFrames(frames, user)

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        if descriptors != self._watched:
            for descriptor in self._watched:
                self._poller.unregister(descriptor)
            for descriptor in descriptors:
                self._poller.register(descriptor, select.POLLIN)
            self._watched = tuple(descriptors)
        # ZeroMQ's descriptor reports changes since its events were last read, so they are read before sleeping.  zmq.Poller would need
        # twice as many calls.
        if int(self._socket.get(_EVENTS)) & _READABLE:
            if not descriptors:
                return _MESSAGES
            woken = self._poller.poll(0)
            return WaitResult(True, tuple(descriptor for descriptor, _ in woken if descriptor != self._handle)) if woken else _MESSAGES
        limit = monotonic() + timeout_seconds
        while True:
            woken = self._poller.poll(1000.0 * timeout_seconds)
            if not woken:
                return _NOTHING
            messages = bool(int(self._socket.get(_EVENTS)) & _READABLE)
            if messages and len(woken) == 1 and woken[0][0] == self._handle:
                return _MESSAGES
            ready = tuple(descriptor for descriptor, _ in woken if descriptor != self._handle)
            if messages or ready:
                return WaitResult(messages, ready)
            timeout_seconds = max(0.0, limit - monotonic())

    def close(self) -> None:
        if self._socket.closed:
            return
        if self._before_close is not None:
            self._before_close()
        self._socket.close(0)
        if self._path is not None:
            self._path.unlink(missing_ok=True)


class ZmqSender(Sender):
    """A connected PUSH socket; made by :meth:`~netagents.wire.transport.zeromq_transport.ZmqTransport.connect`."""

    full_error = zmq.ZMQError

    def __init__(self, socket: zmq.Socket[bytes], endpoint: str, before_close: Callable[[], None] | None) -> None:
        self.endpoint = endpoint
        self._socket = socket
        self._before_close = before_close
        # Sending never blocks; to wait, poll.
        socket.set(zmq.SNDTIMEO, 0)
        self._send = super(zmq.Socket, socket).send

    @waits("to send")
    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        if self.try_send(frames):
            return
        limit = waiting_clock() + timeout_seconds
        while not self._socket.closed and (remaining := limit - waiting_clock()) > 0.0:
            start, asleep = waiting_clock(), min(SLICE_SECONDS, remaining)
            if self._socket.poll(_milliseconds(asleep), zmq.POLLOUT) and self.try_send(frames):
                return
            note_waking(start + asleep)
        raise DeadlineError(
            f"waited {timeout_seconds:g} s to send: the peer is gone or does not read", where=self.endpoint, fix="look at the peer's log"
        )

    def try_send(self, frames: Sequence[Frame]) -> bool:
        try:
            # pyzmq copies the frames, so the caller may change its arrays afterwards.
            if len(frames) == 1:
                self._send(frames[0])
            else:
                self._socket.send_multipart(frames, _AT_ONCE)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if self._socket.closed or error.errno in (errno.ENOTSOCK, zmq.ETERM):
                return False
            raise
        return True

    def send_function(self) -> Callable[[bytes], object]:
        return self._send

    def close(self) -> None:
        self._close(None)

    def abort(self) -> None:
        self._close(0)

    def _close(self, linger: int | None) -> None:
        if self._before_close is not None and not self._socket.closed:
            self._before_close()
        self._socket.close(linger)


def _milliseconds(seconds: float) -> int:
    # Rounded up, so that short waits do not become a busy loop.
    return max(0, -int(-seconds * 1000.0 // 1))
