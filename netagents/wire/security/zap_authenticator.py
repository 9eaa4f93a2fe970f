"""ZAP authenticator: one small thread per node that accepts known keys and notices links that cannot be secured.

ZeroMQ asks an authenticator about every key, and reports the results of handshakes on monitor sockets.  The thread serves both, so that
the node's own loop never wakes up for an unknown peer.  It sleeps until an event occurs, and has the guards of its listeners
(:mod:`netagents.wire.security.connection_guard`) check their connections: once a second, and more often while a handshake goes on.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import zmq
from zmq.utils.monitor import parse_monitor_message

from netagents.errors import SecurityError
from netagents.wire.security.connection_guard import Closed, ConnectionGuard

_log = logging.getLogger(__name__)

ZAP_DOMAIN = b"netagents"

REFUSED = "handshake refused"
"""A peer without a key, with an unknown key, or that expected another node here."""

CUT = "link cut"
"""An accepted connection ended during a run: a frame above the limit, or a peer that died."""

_ZAP_ENDPOINT = "inproc://zeromq.zap.01"  # fixed by ZeroMQ's RFC 27
_CONTROL = "inproc://netagents-zap"
_FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_EVENTS = _FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED
CHECK_SECONDS = 1.0
"""Seconds between checks of all connections."""
HALF_OPEN_SECONDS = 0.01
"""Seconds between checks of half-open connections, while there are any."""

_UNEXPLAINED = 3
"""Consecutive handshakes without a stated reason that count as a wrong key; a peer that dies explains one."""
_MECHANISMS_DIFFER = 0x11000002  # ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
_CAUSES = {
    _MECHANISMS_DIFFER: "it has no keys",
    0x10000002: "a record arrived twice or out of order",  # ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE
}
_MOST_LINES = 200

_ONE_BUNDLE = "start all nodes with folders of one `netagents keys` bundle, each node with its own"


@dataclass
class _Link:
    """A watched socket; ``peer`` is the node that a sender connects to, None for a listener, which may have a guard."""

    endpoint: str
    peer: str | None
    guard: ConnectionGuard | None = None
    unexplained: int = 0
    refused: int = 0


class ZapAuthenticator:
    """Watches the tcp sockets of one context, and authenticates their peers.

    Args:
        context: of the transport.
        users: public key (32 bytes) -> name of the only nodes that may connect; None when links carry no keys.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], users: Mapping[bytes, str] | None) -> None:
        self.counts: Counter[str] = Counter()
        """Number of :data:`REFUSED` and :data:`CUT` connections so far."""
        self.start_finished = False
        """Once true, failed handshakes are logged and no longer raised: the deadlines of the run decide."""
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._context = context
        self._users = users
        self._links: dict[int, _Link] = {}
        self._failures: dict[int, SecurityError] = {}
        self._numbers = itertools.count()
        self._logged: set[tuple[str, str]] = set()
        self._next_check = 0.0
        self._attached = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name="zap-authenticator", daemon=True)
        # Signals must interrupt the main thread; a new thread inherits the signal mask.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # Without an authenticator ZeroMQ would accept any key, so nothing may be bound before it runs.
        self._attached.acquire()
        self._control: zmq.Socket[bytes] = context.socket(zmq.PUSH)
        self._control.set(zmq.LINGER, 0)
        self._control.connect(_CONTROL)

    # -- called by the owner of the sockets ------------------------------------------------------------------------------

    def watch(self, socket: zmq.Socket[bytes], endpoint: str, peer: str | None = None, guard: ConnectionGuard | None = None) -> int:
        """Watch a socket that has not had a handshake yet; returns a number for :meth:`forget`."""
        number = next(self._numbers)
        self._links[number] = _Link(endpoint, peer, guard)
        socket.monitor(_watch_address(number), _EVENTS)
        self._control.send(str(number).encode())
        self._attached.acquire()
        return number

    def forget(self, number: int) -> None:
        """Stop watching, before the socket closes.

        ZeroMQ closes the monitor socket in its own thread.  Doing it here would wait for this authenticator's thread while holding the
        interpreter's lock.
        """
        link = self._links.pop(number, None)
        if link is not None and link.guard is not None:
            link.guard.close()
        self._failures.pop(number, None)

    def check(self) -> None:
        """Callback for when :attr:`descriptor` is readable.

        Raises:
            SecurityError: a link could not be secured; names the endpoint and the likely cause.
        """
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)
        if not self.start_finished:
            for error in list(self._failures.values()):
                raise error

    def failure(self) -> SecurityError | None:
        """The error of a link that still cannot be secured, if there is one: the likely reason of a timeout."""
        return next(iter(list(self._failures.values())), None)

    def close(self) -> None:
        """End the thread; may be called again."""
        if self._control.closed:
            return
        self._control.send(b"")
        self._thread.join()
        self._control.close()
        os.close(self.descriptor)

    # -- the thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with contextlib.ExitStack() as exits:
            poller = zmq.Poller()
            control = self._socket(exits, zmq.PULL)
            control.bind(_CONTROL)
            poller.register(control, zmq.POLLIN)
            zap: zmq.Socket[bytes] | None = None
            if self._users is not None:
                zap = self._socket(exits, zmq.REP)
                zap.bind(_ZAP_ENDPOINT)
                poller.register(zap, zmq.POLLIN)
            monitors: dict[zmq.Socket[bytes], int] = {}
            self._attached.release()
            while True:
                for socket, _ in poller.poll(self._poll_timeout()):
                    if zap is not None and socket is zap:
                        zap.send_multipart(self._answer(zap.recv_multipart()))
                    elif socket is control:
                        number = control.recv()
                        if not number:
                            return
                        monitor = self._socket(exits, zmq.PAIR)
                        monitor.connect(_watch_address(int(number)))
                        monitors[monitor] = int(number)
                        poller.register(monitor, zmq.POLLIN)
                        self._attached.release()
                    elif not self._note(monitors[socket], socket):
                        poller.unregister(socket)
                        del monitors[socket]
                        socket.close(0)

    def _poll_timeout(self) -> int | None:
        """Longest sleep in milliseconds, after the checks of connections that are due; None if there are no connections."""
        guards = [(link, link.guard) for link in list(self._links.values()) if link.guard is not None and len(link.guard)]
        if not guards:
            return None
        now = time.monotonic()
        whole = now >= self._next_check
        if whole:
            self._next_check = now + CHECK_SECONDS
        for link, guard in guards:
            self._note_closed(link, guard.check() if whole else guard.check_half_open())
        wake = self._next_check - now
        return max(1, round(1000.0 * (min(wake, HALF_OPEN_SECONDS) if any(guard.half_open for _, guard in guards) else wake)))

    def _note_closed(self, link: _Link, closed: list[Closed]) -> None:
        for reason, peer, amount in closed:
            # ZeroMQ's own events follow, and are counted.
            self._warn_once(reason, peer, f"{link.endpoint}: cut a link with {peer}: {reason} ({amount:,})")

    def _socket(self, exits: contextlib.ExitStack, kind: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        exits.callback(socket.close, 0)
        return socket

    def _answer(self, request: list[bytes]) -> list[bytes]:
        """The answer to a request of ZeroMQ's authentication protocol: the node with this key, or a refusal."""
        identifier = request[1] if len(request) > 1 else b""
        user = None
        if len(request) == 7 and request[0] == b"1.0" and request[5] == b"CURVE" and self._users is not None:
            user = self._users.get(request[6])
        if user is None:
            address = request[3].decode(errors="replace")[:64] if len(request) > 3 else "?"
            self._warn_once(
                "key", address, f"refused a key from {address}: not on this node's list (another run's, or an agent's out of reach)"
            )
            return [b"1.0", identifier, b"400", b"unknown key", b"", b""]
        return [b"1.0", identifier, b"200", b"OK", user.encode(), b""]

    def _note(self, number: int, socket: zmq.Socket[bytes]) -> bool:
        """Process one event; returns False when the watched socket is closed."""
        event = parse_monitor_message(socket.recv_multipart())
        event_type, value = int(event["event"]), int(event["value"])
        if event_type == zmq.EVENT_MONITOR_STOPPED:
            return False
        link = self._links.get(number)
        if link is None:
            return True
        if link.peer is None:
            self._note_listener(link, event_type, value, event["endpoint"].decode(errors="replace"))
        elif event_type == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            link.unexplained = 0
            self._failures.pop(number, None)
        elif event_type & _FAILED:
            self._note_sender(number, link, event_type, value)
        return True

    def _note_listener(self, link: _Link, event_type: int, value: int, endpoint: str) -> None:
        if event_type & _FAILED:
            link.refused += 1  # its disconnection follows
            if event_type != zmq.EVENT_HANDSHAKE_FAILED_AUTH:  # the authenticator has logged those
                cause = _CAUSES.get(value, "no keys, keys of another run, or not a node of netagents")
                self._warn_once(cause, endpoint, f"{endpoint}: refused a peer: {cause}")
            self.counts[REFUSED] += 1
        elif event_type == zmq.EVENT_ACCEPTED:
            if link.guard is not None:
                self._note_closed(link, link.guard.add(value))
        elif event_type == zmq.EVENT_DISCONNECTED:
            if link.guard is not None:
                link.guard.remove(value)
            if link.refused:
                link.refused -= 1
            else:
                self.counts[CUT] += 1

    def _note_sender(self, number: int, link: _Link, event_type: int, value: int) -> None:
        if event_type == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            link.unexplained += 1
            if link.unexplained < _UNEXPLAINED:
                return
        error = self._failure(link, event_type, value)
        if number not in self._failures:
            self._warn_once("link", link.endpoint, str(error))
        self._failures[number] = error
        os.eventfd_write(self.descriptor, 1)

    def _failure(self, link: _Link, event_type: int, value: int) -> SecurityError:
        peer = link.peer or "the peer"
        if self._users is None:
            return SecurityError(f"{peer} asks for keys and this node has none", where=link.endpoint, fix="give --keys DIR; " + _ONE_BUNDLE)
        if event_type == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            cause = f"{peer} refused this node's key: it is of another run, or this node is outside its radius"
        elif value == _MECHANISMS_DIFFER:
            cause = f"this node has keys and {peer} has none"
        else:
            cause = f"the listener there does not hold the key of {peer}: it is of another run, another node, or has no keys"
        return SecurityError(cause, where=link.endpoint, fix=_ONE_BUNDLE)

    def _warn_once(self, reason: str, source: str, line: str) -> None:
        if (reason, source) not in self._logged and len(self._logged) < _MOST_LINES:
            self._logged.add((reason, source))
            _log.warning("%s (further ones are only counted)", line)


def _watch_address(number: int) -> str:
    return f"inproc://netagents-watch-{number}"
