"""Which links to an ``ipc`` listener ended: noted by ZeroMQ's own thread, and counted when somebody asks.

Over tcp the doorkeeper sees this, because it has to answer for keys anyway.  Unix sockets carry no keys, so nothing needs a thread of
its own here, and no process wakes up for it.
"""

from __future__ import annotations

import itertools
from collections import Counter

import zmq

from netagents.wire.security.zap_authenticator import CUT

_numbers = itertools.count()


class ClosedConnections:
    """Counts links that end while their listener is open: a frame above the limit, or a peer that died.

    Args:
        context: of the listeners.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context
        self._watches: dict[zmq.Socket[bytes], zmq.Socket[bytes]] = {}
        self._closing: list[zmq.Socket[bytes]] = []
        self._cut = 0

    def watch(self, listener: zmq.Socket[bytes]) -> None:
        """Begins to watch a listener, before it is bound."""
        address = f"inproc://netagents-cut-{next(_numbers)}"
        listener.monitor(address, zmq.EVENT_DISCONNECTED)
        watch: zmq.Socket[bytes] = self._context.socket(zmq.PAIR)
        watch.set(zmq.LINGER, 0)
        # Without a limit ZeroMQ's thread never waits for us, however rarely we look.
        watch.set(zmq.RCVHWM, 0)
        watch.connect(address)
        self._watches[listener] = watch

    def forget(self, listener: zmq.Socket[bytes]) -> None:
        """Before a listener closes: links that end from here on end as they should."""
        self._read_events()
        # ZeroMQ may still speak of it until the listener is gone, and would wait for somebody who hears.
        self._closing.append(self._watches.pop(listener))

    def counts(self) -> Counter[str]:
        """What ended so far, by reason; without zeros."""
        self._read_events()
        return Counter({CUT: self._cut} if self._cut else {})

    def close(self) -> None:
        """After all listeners have closed; harmless when repeated."""
        for watch in (*self._watches.values(), *self._closing):
            watch.close(0)
        self._watches.clear()
        self._closing.clear()

    def _read_events(self) -> None:
        for watch in self._watches.values():
            while int(watch.get(zmq.EVENTS)) & zmq.POLLIN:
                watch.recv_multipart(zmq.NOBLOCK)
                self._cut += 1
