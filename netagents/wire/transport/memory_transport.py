"""Transport ``memory``: links between threads of one process, with the semantics of the other transports."""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Sequence
from itertools import count

from netagents.errors import DeadlineError, UsageError
from netagents.wire.codec.frames import Frame
from netagents.wire.transport.transport import LinkSettings, Listener, ReceivedFrames, Sender, Transport, WaitResult, register


class _Mailbox:
    """Queue of one endpoint: messages of all links in order of arrival, and their number per link."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.messages: deque[tuple[int, ReceivedFrames]] = deque()
        self.waiting: dict[int, int] = {}
        self.wakeup = -1  # write end of the listener's pipe
        self.listening = False
        self.closed = False

    def wake(self) -> None:
        if self.wakeup >= 0:
            os.write(self.wakeup, b"\0")


_LOCK = threading.Lock()
_MAILBOXES: dict[str, _Mailbox] = {}
_LINKS = count()
_NAMES = count()


def _mailbox(endpoint: str) -> _Mailbox:
    with _LOCK:
        return _MAILBOXES.setdefault(endpoint, _Mailbox())


def _check(address: str) -> None:
    scheme, _, name = address.partition("://")
    if scheme != "memory" or not name:
        raise UsageError(f"'{address[:200]}' is not an address", fix="write memory://NAME, or memory://* for a free name")


class MemoryTransport(Transport):
    """All ``memory://`` endpoints of this process; ``memory://*`` takes a free name."""

    def __init__(self, settings: LinkSettings) -> None:
        self._settings = settings
        self._open: list[MemoryListener | MemorySender] = []

    def listen(self, address: str) -> MemoryListener:
        _check(address)
        endpoint = f"memory://auto-{next(_NAMES)}" if address == "memory://*" else address
        mailbox = _mailbox(endpoint)
        with mailbox.changed:
            if mailbox.listening:
                raise UsageError("something listens there already", where=address)
            mailbox.listening = True
        listener = MemoryListener(endpoint, mailbox)
        self._open.append(listener)
        return listener

    def connect(self, endpoint: str, peer: str | None = None) -> MemorySender:  # noqa: ARG002 -- within one process nobody is authenticated
        _check(endpoint)
        sender = MemorySender(endpoint, _mailbox(endpoint), self._settings.queue)
        self._open.append(sender)
        return sender

    def close(self) -> None:
        for link in self._open:
            link.close()
        self._open.clear()


class MemoryListener(Listener):
    """Made by :meth:`MemoryTransport.listen`."""

    def __init__(self, endpoint: str, mailbox: _Mailbox) -> None:
        self.endpoint = endpoint
        self._mailbox = mailbox
        self._handle, wakeup = os.pipe()
        os.set_blocking(self._handle, False)
        os.set_blocking(wakeup, False)
        with mailbox.changed:
            mailbox.wakeup = wakeup
            if mailbox.messages:
                mailbox.wake()

    def take(self, timeout_seconds: float) -> ReceivedFrames | None:
        mailbox = self._mailbox
        with mailbox.changed:
            if not mailbox.messages and timeout_seconds > 0.0:
                mailbox.changed.wait_for(lambda: bool(mailbox.messages) or mailbox.closed, timeout_seconds)
            if not mailbox.messages:
                self._clear_wakeup()  # an aborted link may have withdrawn its messages
                return None
            link, message = mailbox.messages.popleft()
            mailbox.waiting[link] -= 1
            if not mailbox.messages:
                self._clear_wakeup()
            mailbox.changed.notify_all()
            return message

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:
        if self._mailbox.closed:
            return WaitResult(False, ())
        poller = select.poll()
        for descriptor in (self._handle, *descriptors):
            poller.register(descriptor, select.POLLIN)
        ready = {descriptor for descriptor, _ in poller.poll(1000.0 * max(0.0, timeout_seconds))}
        return WaitResult(self._handle in ready, tuple(descriptor for descriptor in descriptors if descriptor in ready))

    def close(self) -> None:
        mailbox = self._mailbox
        with _LOCK:
            if _MAILBOXES.get(self.endpoint) is mailbox:
                del _MAILBOXES[self.endpoint]
        with mailbox.changed:
            if mailbox.closed:
                return
            mailbox.closed = True
            mailbox.messages.clear()
            os.close(mailbox.wakeup)
            os.close(self._handle)
            mailbox.wakeup = -1
            mailbox.changed.notify_all()

    def _clear_wakeup(self) -> None:
        if self._mailbox.closed:
            return
        try:
            while os.read(self._handle, 4096):
                pass
        except BlockingIOError:
            pass


class MemorySender(Sender):
    """Made by :meth:`MemoryTransport.connect`."""

    def __init__(self, endpoint: str, mailbox: _Mailbox, queue: int) -> None:
        self.endpoint = endpoint
        self._mailbox = mailbox
        self._queue = queue
        self._link = next(_LINKS)
        self._closed = False

    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        if self.try_send(frames):
            return
        limit = time.monotonic() + timeout_seconds
        mailbox = self._mailbox
        while not mailbox.closed and not self._closed and (remaining := limit - time.monotonic()) > 0.0:
            with mailbox.changed:
                mailbox.changed.wait_for(lambda: mailbox.closed or mailbox.waiting.get(self._link, 0) < self._queue, remaining)
            if self.try_send(frames):
                return
        raise DeadlineError(
            f"waited {timeout_seconds:g} s to send: the peer is gone or does not read", where=self.endpoint, fix="look at the peer's log"
        )

    def try_send(self, frames: Sequence[Frame]) -> bool:
        mailbox = self._mailbox
        with mailbox.changed:
            if self._closed or mailbox.closed or mailbox.waiting.get(self._link, 0) >= self._queue:
                return False
            copied = ReceivedFrames([bytes(frame) for frame in frames], None)
            mailbox.messages.append((self._link, copied))
            mailbox.waiting[self._link] = mailbox.waiting.get(self._link, 0) + 1
            if len(mailbox.messages) == 1:
                mailbox.wake()
            mailbox.changed.notify_all()
        return True

    def close(self) -> None:
        self._closed = True
        self._forget()

    def abort(self) -> None:
        if not self._closed:
            self._closed = True
            mailbox = self._mailbox
            with mailbox.changed:
                remaining = [entry for entry in mailbox.messages if entry[0] != self._link]
                mailbox.messages.clear()
                mailbox.messages.extend(remaining)
                mailbox.waiting.pop(self._link, None)
                mailbox.changed.notify_all()
        self._forget()

    def _forget(self) -> None:
        # An endpoint without a listener and without messages is removed.
        with _LOCK, self._mailbox.changed:
            unused = not self._mailbox.listening and not self._mailbox.messages
            if unused and _MAILBOXES.get(self.endpoint) is self._mailbox:
                del _MAILBOXES[self.endpoint]


register("memory", MemoryTransport)
