"""Transport ``unix``: links between the processes of one host, without threads and without ZeroMQ.

A node listens on one ``SOCK_SEQPACKET`` socket, and has a connection for each peer.  ``unix_listener.py`` receives, ``unix_sender.py``
sends, and ``unix_packets.py`` says how a message becomes packets.  The kernel vouches for the peers: a socket file may be used by its owner
only, and both ends of a connection must belong to the same user.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Mapping
from time import monotonic

from netagents.errors import SecurityError, UsageError
from netagents.wire.transport.transport import LinkSettings, Transport, register
from netagents.wire.transport.unix_listener import UnixListener
from netagents.wire.transport.unix_sender import LinkGroup, UnixSender
from netagents.wire.transport.zeromq_addresses import socket_file

SCHEME = "unix"
_BACKLOG = 4096


def has_unix_links() -> bool:
    """Whether this platform has what same-host links need: Linux."""
    return sys.platform == "linux" and hasattr(os, "memfd_create") and hasattr(socket, "SOCK_SEQPACKET")


class UnixTransport(Transport):
    """All ``unix`` links of a process.

    Args:
        settings: limits, queue lengths and linger; credentials are not used.
    """

    def __init__(self, settings: LinkSettings) -> None:
        if not has_unix_links():
            raise UsageError("this platform has no same-host links", where=f"{SCHEME}://", fix="use ipc://PATH")
        self._settings = settings
        self._group = LinkGroup(settings)
        self._open: list[UnixListener | UnixSender] = []

    def listen(self, address: str) -> UnixListener:
        path = socket_file(address, SCHEME)
        taken = UsageError("something listens there already", where=address, fix="use a fresh directory for each run")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        bound = False
        try:
            listening.bind(os.fspath(path))
            bound = True
            path.chmod(0o600)  # nobody can connect before `listen`
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            if bound:
                path.unlink(missing_ok=True)
            if error.errno == errno.EADDRINUSE:
                raise taken from None
            raise UsageError(f"cannot listen: {error.strerror}", where=address, fix="name an existing directory") from None
        listener = UnixListener(self._group, listening, path, f"{SCHEME}://{path}")
        self._group.listeners.append(listener)
        self._open.append(listener)
        return listener

    def connect(self, endpoint: str, peer: str | None = None) -> UnixSender:  # noqa: ARG002 -- the kernel knows who is there
        sender = UnixSender(self._group, socket_file(endpoint, SCHEME), endpoint)
        self._open.append(sender)
        return sender

    def check(self, endpoint: str) -> None:
        # The other end would count a link that opens and closes at once as cut.
        socket_file(endpoint, SCHEME)

    def failure(self) -> SecurityError | None:
        return self._group.failure

    def refused(self) -> Mapping[str, int]:
        for listener in list(self._group.listeners):
            listener.read_ahead()
        return +self._group.counts

    def close(self) -> None:
        for link in self._open:
            link.close()
        limit = monotonic() + self._settings.linger_seconds
        while self._group.queued and (remaining := limit - monotonic()) > 0.0:
            self._group.await_room(next(iter(self._group.queued)), remaining)
        for link in self._open:
            if isinstance(link, UnixSender):
                link.abort()
        self._open.clear()


register(SCHEME, UnixTransport)
