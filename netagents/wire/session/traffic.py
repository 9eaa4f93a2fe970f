"""Traffic counters of a node: messages, bytes, and the time spent on them."""

from __future__ import annotations

import resource
from collections import defaultdict

from netagents.messages import Kind


class Traffic:
    """Counters of one node since it started.

    ``sent`` and ``received`` map kind to ``[messages, framed bytes]``: all frames with their headers, without the transport's own
    framing.  ``wait_seconds`` is time asleep waiting for messages, ``serialise_seconds`` time in the codec.
    """

    def __init__(self) -> None:
        self.sent = counters()
        self.received = counters()
        self.wait_seconds = 0.0
        self.serialise_seconds = 0.0
        self._switches = _switches()
        self.copies_dropped = 0
        """Messages that :meth:`netagents.wire.session.exchange.Exchange.offer` dropped because a queue was full."""

    @property
    def wakeups(self) -> int:
        """How often this thread was woken from sleep, as the kernel counts."""
        return _switches() - self._switches


def count_traffic(counters: defaultdict[Kind, list[int]], kind: Kind, messages: int, framed_bytes: int) -> None:
    """Add messages and their total bytes to a counter."""
    entry = counters[kind]
    entry[0] += messages
    entry[1] += framed_bytes


def counters() -> defaultdict[Kind, list[int]]:
    """``[messages, bytes]`` by kind, zeros for a kind that did not occur."""
    return defaultdict(lambda: [0, 0])


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
