"""The doorkeeper: one small thread per node that lets known keys in and notices when a link could not be secured.

ZeroMQ asks an authenticator about every key, and tells what becomes of handshakes only on monitor sockets.  The doorkeeper serves both,
so that the node's own loop never wakes up for a stranger: it sleeps until somebody knocks, and once a second looks whether a
connection holds more than it may.
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
from netagents.wire.security.unread_messages import UnreadMessages

_log = logging.getLogger(__name__)

ZAP_DOMAIN = b"netagents"

REFUSED = "handshake refused"
"""A peer without a key, with a key that is not on the list, or one that took this node for another."""

CUT = "link cut"
"""A link that had been accepted ended in the middle of a run: a frame above the limit, or a peer that died."""

_ZAP_ENDPOINT = "inproc://zeromq.zap.01"  # fixed by ZeroMQ's RFC 27
_CONTROL = "inproc://netagents-zap"
_FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
_EVENTS = _FAILED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED | zmq.EVENT_MONITOR_STOPPED
CHECK_SECONDS = 1.0
"""Seconds between looks at what connections hold."""

_UNEXPLAINED = 3
"""Handshakes in a row that end without a reason before the reason is taken to be a wrong key; a peer that dies explains one."""
_MECHANISMS_DIFFER = 0x11000002  # ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
_CAUSES = {
    _MECHANISMS_DIFFER: "it has no keys",
    0x10000002: "a record came twice or out of order",  # ZMQ_PROTOCOL_ERROR_ZMTP_INVALID_SEQUENCE
}
_MOST_LINES = 200

_ONE_BUNDLE = "start all nodes with folders of one `netagents keys` bundle, each node with its own"


@dataclass
class _Link:
    """A socket under watch; ``peer`` is whom a sender wants to reach, None for a listener, which may bound what connections hold."""

    endpoint: str
    peer: str | None
    in_flight: UnreadMessages | None = None
    unexplained: int = 0
    refused: int = 0


class ZapAuthenticator:
    """Watches the tcp sockets of one context, and answers for their keys.

    Args:
        context: of the transport.
        users: public key (32 bytes) -> name of the only nodes that may connect; None when links carry no keys.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], users: Mapping[bytes, str] | None) -> None:
        self.counts: Counter[str] = Counter()
        """What was refused so far, by :data:`REFUSED` and :data:`CUT`."""
        self.start_finished = False
        """Once true, a failed handshake is logged but no longer raised: a run that goes on decides by its own deadlines."""
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
        # Signals belong to the main thread, whose sleep they must end; a thread inherits the mask of its maker.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        # Without its authenticator ZeroMQ would let in any key: nothing is bound before it stands.
        self._attached.acquire()
        self._control: zmq.Socket[bytes] = context.socket(zmq.PUSH)
        self._control.set(zmq.LINGER, 0)
        self._control.connect(_CONTROL)

    # -- called by the owner of the sockets ------------------------------------------------------------------------------

    def watch(self, socket: zmq.Socket[bytes], endpoint: str, peer: str | None = None, in_flight: UnreadMessages | None = None) -> int:
        """Watches a socket from before its first handshake; the number is for :meth:`forget`."""
        number = next(self._numbers)
        self._links[number] = _Link(endpoint, peer, in_flight)
        socket.monitor(_watch_address(number), _EVENTS)
        self._control.send(str(number).encode())
        self._attached.acquire()
        return number

    def forget(self, number: int) -> None:
        """Before a watched socket closes: what went wrong with it does not matter any more.

        ZeroMQ ends the watch itself, in its own thread; asked to do it here it would wait for the doorkeeper with the interpreter's lock
        in its hands.
        """
        link = self._links.pop(number, None)
        if link is not None and link.in_flight is not None:
            link.in_flight.close()
        self._failures.pop(number, None)

    def check(self) -> None:
        """What to call when :attr:`descriptor` is readable.

        Raises:
            SecurityError: a link could not be secured; names the endpoint and the likely cause.
        """
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.descriptor)
        if not self.start_finished:
            for error in list(self._failures.values()):
                raise error

    def failure(self) -> SecurityError | None:
        """Why a link cannot be secured, if there is one that still cannot: what a wait in vain may come from."""
        return next(iter(list(self._failures.values())), None)

    def close(self) -> None:
        """Ends the thread; harmless when repeated."""
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
                        word = control.recv()
                        if not word:
                            return
                        monitor = self._socket(exits, zmq.PAIR)
                        monitor.connect(_watch_address(int(word)))
                        monitors[monitor] = int(word)
                        poller.register(monitor, zmq.POLLIN)
                        self._attached.release()
                    elif not self._note(monitors[socket], socket):
                        poller.unregister(socket)
                        del monitors[socket]
                        socket.close(0)

    def _poll_timeout(self) -> int | None:
        """Milliseconds to sleep at most, after a look at what connections hold when one is due; None when there is none to look at."""
        watched = [link for link in list(self._links.values()) if link.in_flight is not None and len(link.in_flight)]
        now = time.monotonic()
        if now >= self._next_check:
            self._next_check = now + CHECK_SECONDS
            for link in watched:
                for held in link.in_flight.close_overfull() if link.in_flight is not None else ():
                    self._warn_once(
                        "held", link.endpoint, f"{link.endpoint}: cut a link that held {held:,} bytes without a message to take"
                    )
        return max(1, round(1000.0 * (self._next_check - now))) if watched else None

    def _socket(self, exits: contextlib.ExitStack, kind: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        exits.callback(socket.close, 0)
        return socket

    def _answer(self, asked: list[bytes]) -> list[bytes]:
        """To a request of ZeroMQ's authentication protocol: the node whose key this is, or a refusal."""
        request = asked[1] if len(asked) > 1 else b""
        user = None
        if len(asked) == 7 and asked[0] == b"1.0" and asked[5] == b"CURVE" and self._users is not None:
            user = self._users.get(asked[6])
        if user is None:
            address = asked[3].decode(errors="replace")[:64] if len(asked) > 3 else "?"
            self._warn_once(
                "key", address, f"refused a key from {address}: not on this node's list (another run's, or an agent's out of reach)"
            )
            return [b"1.0", request, b"400", b"unknown key", b"", b""]
        return [b"1.0", request, b"200", b"OK", user.encode(), b""]

    def _note(self, number: int, socket: zmq.Socket[bytes]) -> bool:
        """Takes in one event; False when the watched socket is gone."""
        event = parse_monitor_message(socket.recv_multipart())
        what, value = int(event["event"]), int(event["value"])
        if what == zmq.EVENT_MONITOR_STOPPED:
            return False
        link = self._links.get(number)
        if link is None:
            return True
        if link.peer is None:
            self._note_listener(link, what, value, event["endpoint"].decode(errors="replace"))
        elif what == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            link.unexplained = 0
            self._failures.pop(number, None)
        elif what & _FAILED:
            self._note_sender(number, link, what, value)
        return True

    def _note_listener(self, link: _Link, what: int, value: int, endpoint: str) -> None:
        if what & _FAILED:
            link.refused += 1  # its disconnection follows
            if what != zmq.EVENT_HANDSHAKE_FAILED_AUTH:  # the authenticator has spoken of those
                why = _CAUSES.get(value, "no keys, keys of another run, or no node of netagents")
                self._warn_once(why, endpoint, f"{endpoint}: refused a peer: {why}")
            self.counts[REFUSED] += 1
        elif what == zmq.EVENT_ACCEPTED:
            if link.in_flight is not None:
                link.in_flight.accepted(value)
        elif what == zmq.EVENT_DISCONNECTED:
            if link.in_flight is not None:
                link.in_flight.ended(value)
            if link.refused:
                link.refused -= 1
            else:
                self.counts[CUT] += 1

    def _note_sender(self, number: int, link: _Link, what: int, value: int) -> None:
        if what == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            link.unexplained += 1
            if link.unexplained < _UNEXPLAINED:
                return
        error = self._failure(link, what, value)
        if number not in self._failures:
            self._warn_once("link", link.endpoint, str(error))
        self._failures[number] = error
        os.eventfd_write(self.descriptor, 1)

    def _failure(self, link: _Link, what: int, value: int) -> SecurityError:
        peer = link.peer or "the peer"
        if self._users is None:
            return SecurityError(f"{peer} asks for keys and this node has none", where=link.endpoint, fix="give --keys DIR; " + _ONE_BUNDLE)
        if what == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            cause = f"{peer} refused this node's key: it is of another run, or this node is outside its radius"
        elif value == _MECHANISMS_DIFFER:
            cause = f"this node has keys and {peer} has none"
        else:
            cause = f"whoever listens there does not hold the key of {peer}: it is of another run, another node, or has no keys"
        return SecurityError(cause, where=link.endpoint, fix=_ONE_BUNDLE)

    def _warn_once(self, reason: str, who: str, line: str) -> None:
        if (reason, who) not in self._logged and len(self._logged) < _MOST_LINES:
            self._logged.add((reason, who))
            _log.warning("%s (further ones are only counted)", line)


def _watch_address(number: int) -> str:
    return f"inproc://netagents-watch-{number}"
