"""Counter of closed connections of ``ipc`` listeners: ZeroMQ's thread queues the events, and they are counted on request.

Over tcp the ZAP authenticator counts them.  Unix sockets have no keys, so no thread is needed here and no process wakes up for an event.
"""

from __future__ import annotations

import itertools
from collections import Counter

import zmq

from netagents.wire.security.zap_authenticator import CUT

_numbers = itertools.count()


class ClosedConnections:
    """Counts connections that end while their listener is open: a frame above the limit, or a peer that died.

    Args:
        context: of the listeners.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context
        self._watches: dict[zmq.Socket[bytes], zmq.Socket[bytes]] = {}
        self._closing: list[zmq.Socket[bytes]] = []
        self._cut = 0

    def watch(self, listener: zmq.Socket[bytes]) -> None:
        """Watch a listener that is not bound yet."""
        address = f"inproc://netagents-cut-{next(_numbers)}"
        listener.monitor(address, zmq.EVENT_DISCONNECTED)
        watch: zmq.Socket[bytes] = self._context.socket(zmq.PAIR)
        watch.set(zmq.LINGER, 0)
        # Without a limit ZeroMQ's thread never waits for this queue.
        watch.set(zmq.RCVHWM, 0)
        watch.connect(address)
        self._watches[listener] = watch

    def forget(self, listener: zmq.Socket[bytes]) -> None:
        """Stop counting, before a listener closes: its connections end normally from now on."""
        self._read_events()
        # ZeroMQ may send events until the listener is closed, and needs an open receiver for them.
        self._closing.append(self._watches.pop(listener))

    def counts(self) -> Counter[str]:
        """Number of closed connections by reason; without zeros."""
        self._read_events()
        return Counter({CUT: self._cut} if self._cut else {})

    def close(self) -> None:
        """Close, after all listeners; may be called again."""
        for watch in (*self._watches.values(), *self._closing):
            watch.close(0)
        self._watches.clear()
        self._closing.clear()

    def _read_events(self) -> None:
        for watch in self._watches.values():
            while int(watch.get(zmq.EVENTS)) & zmq.POLLIN:
                watch.recv_multipart(zmq.NOBLOCK)
                self._cut += 1
