"""Transports ``ipc`` and ``tcp`` over ZeroMQ: one bound PULL per listener, one PUSH per peer, one I/O thread per process.

PUSH/PULL blocks where PUB drops, and keeps order per link.  This file makes the sockets.  ``zeromq_sockets.py`` receives and sends on
them, ``zeromq_addresses.py`` checks addresses, ``zap_authenticator.py`` and ``closed_connections.py`` watch connections, and
``key_bundles.py`` has the keys.
"""

from __future__ import annotations

import errno
import socket as names
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, runtime_checkable

import zmq

from netagents.errors import SecurityError, UsageError
from netagents.wire.security.connection_guard import ConnectionGuard
from netagents.wire.security.zap_authenticator import ZapAuthenticator
from netagents.wire.transport.closed_connections import ClosedConnections
from netagents.wire.transport.transport import LinkSettings, Transport, register
from netagents.wire.transport.zeromq_addresses import bracketed, ipc_path, is_ipv6, is_wildcard, tcp_host
from netagents.wire.transport.zeromq_sockets import ZmqListener, ZmqSender

_RECONNECT_MILLISECONDS = (20, 500)
_HANDSHAKE_MILLISECONDS = 10_000
"""After which a listener ends a connection whose handshake is not over; its peer tries again by itself."""


@runtime_checkable
class ZmqCredentials(Protocol):
    """Encrypts and authenticates ZeroMQ links; called before a tcp socket is bound or connected."""

    users: Mapping[bytes, str]
    """Public key (32 bytes) -> name of every node that may connect."""

    def secure_listener(self, socket: zmq.Socket[bytes]) -> None:
        """Make the receiving socket accept only known peers."""

    def secure_sender(self, socket: zmq.Socket[bytes], endpoint: str, peer: str | None) -> None:
        """Give the sending socket its own keys and that of ``peer``, which listens at ``endpoint``."""


class ZmqTransport(Transport):
    """One ZeroMQ context: all ``ipc`` and ``tcp`` links of a process.

    Args:
        settings: limits, queue lengths, linger and, for links over tcp, :class:`ZmqCredentials`.
    """

    def __init__(self, settings: LinkSettings) -> None:
        credentials = settings.credentials
        if credentials is not None and not isinstance(credentials, ZmqCredentials):
            raise TypeError(f"{type(credentials).__name__} are not credentials for ZeroMQ links")
        self._settings = settings
        self._credentials = credentials
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=1)
        self._context.set(zmq.MAX_SOCKETS, 8_192)
        self._open: list[ZmqListener | ZmqSender] = []
        self._authenticator: ZapAuthenticator | None = None
        self._closed_connections = ClosedConnections(self._context)

    def listen(self, address: str) -> ZmqListener:
        path = ipc_path(address)
        host = "" if path else self._tcp_host(address)
        socket = self._socket(zmq.PULL)
        watch: Callable[[], None] | None = None
        guard = None
        if self._credentials is not None and not path:
            guard = ConnectionGuard(2 * self._settings.limits.message_bytes, len(self._credentials.users))
        try:
            socket.set(zmq.MAXMSGSIZE, self._settings.limits.message_bytes)
            if self._credentials is not None and not path:
                self._credentials.secure_listener(socket)
                socket.set(zmq.HANDSHAKE_IVL, _HANDSHAKE_MILLISECONDS)
            # Binding a Unix socket would replace the file of another listener.
            if path is not None and path.exists():
                raise UsageError("something listens there already", where=address, fix="use a fresh directory for each run")
            if path:
                self._closed_connections.watch(socket)
                watch = partial(self._closed_connections.forget, socket)
            else:
                watch = self._watch(socket, address, None, guard)
            if host:
                socket.set(zmq.IPV6, int(is_ipv6(host)))
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
        if not path and is_wildcard(host):
            text = f"tcp://{bracketed(self._settings.advertise or names.gethostname())}:{text.rpartition(':')[2]}"
        listener = ZmqListener(socket, text, path, self._settings, guard=guard, before_close=watch)
        self._open.append(listener)
        return listener

    def connect(self, endpoint: str, peer: str | None = None) -> ZmqSender:
        path = ipc_path(endpoint)
        host = "" if path else self._tcp_host(endpoint)
        socket = self._socket(zmq.PUSH)
        watch = None
        try:
            if self._credentials is not None and not path:
                self._credentials.secure_sender(socket, endpoint, peer)
            if not path:
                watch = self._watch(socket, endpoint, peer or "the peer")
                socket.set(zmq.IPV6, int(is_ipv6(host)))
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
        # The other end would count a link that opens and closes at once as refused.
        if not ipc_path(endpoint):
            self._tcp_host(endpoint)

    def _tcp_host(self, address: str) -> str:
        return tcp_host(address, keys=self._credentials is not None, insecure=self._settings.insecure)

    def close(self) -> None:
        for link in self._open:
            link.close()
        self._open.clear()
        if self._authenticator is not None:
            self._authenticator.close()
        self._closed_connections.close()
        self._context.term()

    def watched(self) -> Mapping[int, Callable[[], None]]:
        return {} if self._authenticator is None else {self._authenticator.descriptor: self._authenticator.check}

    def finish_start(self) -> None:
        if self._authenticator is not None:
            self._authenticator.start_finished = True

    def failure(self) -> SecurityError | None:
        return None if self._authenticator is None else self._authenticator.failure()

    def refused(self) -> Mapping[str, int]:
        counts = self._closed_connections.counts()
        if self._authenticator is not None:
            counts += self._authenticator.counts
        return counts

    def _watch(
        self, socket: zmq.Socket[bytes], endpoint: str, peer: str | None, guard: ConnectionGuard | None = None
    ) -> Callable[[], None]:
        """Let the authenticator watch a tcp socket; returns what to call before the socket closes."""
        if self._authenticator is None:
            self._authenticator = ZapAuthenticator(self._context, None if self._credentials is None else self._credentials.users)
        return partial(self._authenticator.forget, self._authenticator.watch(socket, endpoint, peer, guard))

    def _socket(self, kind: int) -> zmq.Socket[bytes]:
        """A socket with all limits set."""
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.set(zmq.LINGER, round(1000 * self._settings.linger_seconds))
        socket.set(zmq.SNDHWM, self._settings.queue)
        socket.set(zmq.RCVHWM, self._settings.queue)
        first, most = _RECONNECT_MILLISECONDS
        socket.set(zmq.RECONNECT_IVL, first)
        socket.set(zmq.RECONNECT_IVL_MAX, most)
        return socket


def _bind_error(address: str, error: zmq.ZMQError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError("something listens there already", where=address, fix="take another port, or port 0 for a free one")
    if "[" in address and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.ENODEV):
        return UsageError(
            "cannot listen: this machine has no such IPv6 address",
            where=address,
            fix="name an address of this machine (`ip -6 address` lists them), or use IPv4",
        )
    return UsageError(f"cannot listen: {error.strerror}", where=address, fix="name an address of this machine, or an existing directory")


register("ipc", ZmqTransport)
register("tcp", ZmqTransport)
