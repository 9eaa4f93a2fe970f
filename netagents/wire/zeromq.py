"""The ``ipc`` and ``tcp`` transports, over ZeroMQ: one bound PULL per listener, one PUSH per peer, one I/O thread per process.

PUSH/PULL blocks where PUB drops, and keeps order per link.  Everything about ZeroMQ stays in this file.
"""

from __future__ import annotations

import errno
import ipaddress
import select
import socket as names
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Protocol, runtime_checkable

import zmq

from netagents.errors import DeadlineError, SecurityError, UsageError
from netagents.wire.cut_links import CutLinks
from netagents.wire.doorkeeper import Doorkeeper
from netagents.wire.frames import Frame, followed
from netagents.wire.in_flight import FRAME_BYTES, InFlight
from netagents.wire.transport import LinkSettings, Listener, ReceivedFrames, Sender, Transport, Waited, register

IPC_PATH_BYTES = 107
"""Longest path of a Unix socket on Linux."""

_RECONNECT_MILLISECONDS = (20, 500)
_AT_ONCE, _MORE, _EVENTS, _READABLE = int(zmq.NOBLOCK), int(zmq.RCVMORE), int(zmq.EVENTS), int(zmq.POLLIN)
_MESSAGES, _NOTHING = Waited(True, ()), Waited(False, ())


@runtime_checkable
class ZmqCredentials(Protocol):
    """What encrypts and authenticates ZeroMQ links.  The transport calls these before it binds or connects a tcp socket."""

    users: Mapping[bytes, str]
    """Public key (32 bytes) -> name of every node that may connect."""

    def secure_listener(self, socket: zmq.Socket[bytes]) -> None:
        """Makes the receiving socket accept only known peers."""

    def secure_sender(self, socket: zmq.Socket[bytes], endpoint: str, peer: str | None) -> None:
        """Gives the sending socket its own keys and that of ``peer``, who is to be found at ``endpoint``."""


class ZmqTransport(Transport):
    """One ZeroMQ context: all ``ipc`` and ``tcp`` links of a process.

    Args:
        settings: limits, queue lengths, linger and, for links off loopback, :class:`ZmqCredentials`.
    """

    def __init__(self, settings: LinkSettings) -> None:
        credentials = settings.credentials
        if credentials is not None and not isinstance(credentials, ZmqCredentials):
            raise TypeError(f"{type(credentials).__name__} are no credentials for ZeroMQ links")
        self._settings = settings
        self._credentials = credentials
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._context.set(zmq.MAX_SOCKETS, 8_192)
        self._open: list[ZmqListener | ZmqSender] = []
        self._doorkeeper: Doorkeeper | None = None
        self._cut_links = CutLinks(self._context)

    def listen(self, address: str) -> ZmqListener:
        path = _ipc_path(address)
        host = "" if path else self._check_host(address)
        socket = self._socket(zmq.PULL)
        watch: Callable[[], None] | None = None
        in_flight = InFlight(2 * self._settings.limits.message_bytes) if self._credentials is not None and not path else None
        try:
            socket.set(zmq.MAXMSGSIZE, self._settings.limits.message_bytes)
            if self._credentials is not None and not path:
                self._credentials.secure_listener(socket)
            # Binding a Unix socket replaces the file of whoever listens there, so look first.
            if path is not None and path.exists():
                raise UsageError("something listens there already", where=address, fix="use a fresh directory for each run")
            if path:
                self._cut_links.watch(socket)
                watch = partial(self._cut_links.forget, socket)
            else:
                watch = self._watch(socket, address, None, in_flight)
            socket.bind(address)
        except zmq.ZMQError as error:
            if watch is not None:
                watch()
            socket.close(0)
            raise _bind_error(address, error) from None
        except BaseException:
            socket.close(0)
            raise
        endpoint = socket.get(zmq.LAST_ENDPOINT)
        text = (endpoint.decode() if isinstance(endpoint, bytes) else str(endpoint)).rstrip("\0")
        if not path and _is_wildcard(host):
            text = f"tcp://{self._settings.advertise or names.gethostname()}:{text.rpartition(':')[2]}"
        listener = ZmqListener(socket, text, path, self._settings, in_flight=in_flight, before_close=watch)
        self._open.append(listener)
        return listener

    def connect(self, endpoint: str, peer: str | None = None) -> ZmqSender:
        path = _ipc_path(endpoint)
        if not path:
            self._check_host(endpoint)
        socket = self._socket(zmq.PUSH)
        watch = None
        try:
            if self._credentials is not None and not path:
                self._credentials.secure_sender(socket, endpoint, peer)
            if not path:
                watch = self._watch(socket, endpoint, peer or "the peer")
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            if watch is not None:
                watch()
            socket.close(0)
            raise UsageError(f"cannot connect: {error.strerror}", where=endpoint) from None
        except BaseException:
            socket.close(0)
            raise
        sender = ZmqSender(socket, endpoint, before_close=watch)
        self._open.append(sender)
        return sender

    def check(self, endpoint: str) -> None:
        # A link that opens and closes at once would be counted as a stranger at the other end.
        if not _ipc_path(endpoint):
            self._check_host(endpoint)

    def close(self) -> None:
        for link in self._open:
            link.close()
        self._open.clear()
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        self._cut_links.close()
        self._context.term()

    def watched(self) -> Mapping[int, Callable[[], None]]:
        return {} if self._doorkeeper is None else {self._doorkeeper.descriptor: self._doorkeeper.check}

    def settle(self) -> None:
        if self._doorkeeper is not None:
            self._doorkeeper.settled = True

    def failure(self) -> SecurityError | None:
        return None if self._doorkeeper is None else self._doorkeeper.failure()

    def refused(self) -> Mapping[str, int]:
        counts = self._cut_links.counts()
        if self._doorkeeper is not None:
            counts += self._doorkeeper.counts
        return counts

    def _watch(self, socket: zmq.Socket[bytes], endpoint: str, peer: str | None, in_flight: InFlight | None = None) -> Callable[[], None]:
        """Puts a tcp socket under the doorkeeper's eyes; gives what to call before the socket closes."""
        if self._doorkeeper is None:
            self._doorkeeper = Doorkeeper(self._context, None if self._credentials is None else self._credentials.users)
        return partial(self._doorkeeper.forget, self._doorkeeper.watch(socket, endpoint, peer, in_flight))

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        """A socket with every bound set; the only place where linger is chosen."""
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.set(zmq.LINGER, round(1000 * self._settings.linger_seconds))
        socket.set(zmq.SNDHWM, self._settings.queue)
        socket.set(zmq.RCVHWM, self._settings.queue)
        first, most = _RECONNECT_MILLISECONDS
        socket.set(zmq.RECONNECT_IVL, first)
        socket.set(zmq.RECONNECT_IVL_MAX, most)
        socket.set(zmq.IPV6, 0)
        return socket

    def _check_host(self, address: str) -> str:
        """The host of a tcp address, after it was found to be loopback or to be protected by keys."""
        scheme, _, rest = address.partition("://")
        host, _, port = rest.rpartition(":")
        if scheme != "tcp" or not host or not (port == "*" or (port.isdecimal() and int(port) < 65_536)):
            raise UsageError(f"'{address[:200]}' is no address", fix="write tcp://HOST:PORT (port 0 takes a free one) or ipc://PATH")
        if self._credentials is None and not is_loopback(host):
            raise SecurityError(
                f"{host} is not loopback and this node has no keys", where=address, fix="make keys with `netagents keys FILE --out DIR`"
            )
        return host


class ZmqListener(Listener):
    """A bound PULL socket; made by :meth:`ZmqTransport.listen`."""

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        endpoint: str,
        path: Path | None,
        settings: LinkSettings,
        *,
        in_flight: InFlight | None,
        before_close: Callable[[], None] | None,
    ) -> None:
        self.endpoint = endpoint
        self._socket = socket
        self._path = path
        self._most_frames = settings.limits.arrays + 1
        self._most_bytes = settings.limits.message_bytes
        self._in_flight = in_flight
        self._before_close = before_close
        self._handle = int(socket.get(zmq.FD))
        self._poller = select.poll()
        self._poller.register(self._handle, select.POLLIN)
        self._watched: tuple[int, ...] = ()
        self._patience = -1
        # The library's own receiving and sending, without the layer of options that pyzmq puts around them.
        self._recv = super(zmq.Socket, socket).recv

    def receive(self, timeout_seconds: float) -> ReceivedFrames | None:
        # This is where a node sleeps while it learns: one blocking call, without a poller and without asking for events before.
        if timeout_seconds > 0.0:
            milliseconds = _milliseconds(timeout_seconds)
            if milliseconds != self._patience:
                self._patience = milliseconds
                self._socket.set(zmq.RCVTIMEO, milliseconds)
            flags = 0
        else:
            flags = _AT_ONCE
        try:
            if self._in_flight is not None:
                return self._receive_authenticated(flags, self._in_flight.taken)
            first = self._recv(flags)
        except zmq.Again:
            return None
        if not followed(first):
            return ReceivedFrames((first,), None)
        frames: list[Frame] = [first]
        room = self._most_bytes - len(first)
        while self._socket.get(_MORE):
            frame = self._recv(_AT_ONCE)
            # Beyond the limits the rest is read and thrown away; one frame too many is kept for the codec to refuse.
            if len(frames) <= self._most_frames and room >= 0:
                frames.append(frame)
                room -= len(frame)
        return ReceivedFrames(frames, None)

    def _receive_authenticated(self, flags: int, taken: dict[int, int]) -> ReceivedFrames:
        part = self._socket.recv(flags, copy=False)
        # Identity is what the key exchange proved, never what a peer says about itself.
        try:
            user: str | None = str(part.get("User-Id"))
        except zmq.ZMQError:
            user = ""
        frames: list[Frame] = [part.bytes]
        size = len(part) + FRAME_BYTES
        room = self._most_bytes - size
        while part.more:
            part = self._socket.recv(zmq.NOBLOCK, copy=False)
            size += len(part) + FRAME_BYTES
            if len(frames) <= self._most_frames and room >= 0:
                frames.append(part.bytes)
                room -= len(part)
        connection = int(part.get(zmq.SRCFD))
        taken[connection] = taken.get(connection, 0) + size
        return ReceivedFrames(frames, user)

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> Waited:
        if descriptors != self._watched:
            for descriptor in self._watched:
                self._poller.unregister(descriptor)
            for descriptor in descriptors:
                self._poller.register(descriptor, select.POLLIN)
            self._watched = tuple(descriptors)
        # ZeroMQ's own descriptor says that something changed since its events were last asked, so they are asked before sleeping.
        # The same by zmq.Poller takes twice as many calls.
        if int(self._socket.get(_EVENTS)) & _READABLE:
            if not descriptors:
                return _MESSAGES
            woken = self._poller.poll(0)
            return Waited(True, tuple(descriptor for descriptor, _ in woken if descriptor != self._handle)) if woken else _MESSAGES
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
                return Waited(messages, ready)
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
    """A connected PUSH socket; made by :meth:`ZmqTransport.connect`."""

    def __init__(self, socket: zmq.Socket[bytes], endpoint: str, before_close: Callable[[], None] | None) -> None:
        self.endpoint = endpoint
        self._socket = socket
        self._before_close = before_close
        self._send = super(zmq.Socket, socket).send

    def send(self, frames: Sequence[Frame], timeout_seconds: float) -> None:
        if self.try_send(frames):
            return
        if not self._socket.closed and self._socket.poll(_milliseconds(timeout_seconds), zmq.POLLOUT) and self.try_send(frames):
            return
        raise DeadlineError(
            f"waited {timeout_seconds:g} s to send: the peer is gone or does not read", where=self.endpoint, fix="look at the peer's log"
        )

    def try_send(self, frames: Sequence[Frame]) -> bool:
        try:
            # Copying sends (pyzmq's default) let the caller change its arrays at once; views are not copied before this.
            if len(frames) == 1:
                self._send(frames[0], _AT_ONCE)
            else:
                self._socket.send_multipart(frames, _AT_ONCE)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if self._socket.closed or error.errno in (errno.ENOTSOCK, zmq.ETERM):
                return False
            raise
        return True

    def close(self) -> None:
        self._close(None)

    def abort(self) -> None:
        self._close(0)

    def _close(self, linger: int | None) -> None:
        if self._before_close is not None and not self._socket.closed:
            self._before_close()
        self._socket.close(linger)


def _milliseconds(seconds: float) -> int:
    # Rounded up, so that a short wait does not become a busy loop of zero-length waits.
    return max(0, -int(-seconds * 1000.0 // 1))


def _ipc_path(address: str) -> Path | None:
    """The socket file of an ipc address; None for other schemes."""
    scheme, _, rest = address.partition("://")
    if scheme != "ipc":
        return None
    if not rest.startswith("/"):
        raise UsageError(f"'{address[:200]}' has no absolute path", fix="write ipc:///absolute/path")
    size = len(rest.encode())
    if size > IPC_PATH_BYTES:
        raise UsageError(
            f"the path has {size} bytes", where=address, fix=f"a socket path has at most {IPC_PATH_BYTES}: use a shorter directory"
        )
    return Path(rest)


def _is_wildcard(host: str) -> bool:
    return host in ("*", "0.0.0.0", "[::]", "::")


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach ``host``."""
    if _is_wildcard(host):
        return False
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        pass
    try:
        found = names.getaddrinfo(host, None, type=names.SOCK_STREAM)
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def _bind_error(address: str, error: zmq.ZMQError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError("something listens there already", where=address, fix="take another port, or port 0 for a free one")
    return UsageError(f"cannot listen: {error.strerror}", where=address, fix="name an address of this machine, or an existing directory")


register("ipc", ZmqTransport)
register("tcp", ZmqTransport)
