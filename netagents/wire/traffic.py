"""What a node sent and received, and where its time went while it did."""

from __future__ import annotations

import resource

from netagents.messages import Kind


class Traffic:
    """Counters of one node since it started.

    ``sent`` and ``received`` map kind to ``[messages, framed bytes]``: all frames with their headers, without the transport's own
    framing.  ``wait_seconds`` is time asleep for messages, ``serialise_seconds`` time in the codec.
    """

    def __init__(self) -> None:
        self.sent: dict[Kind, list[int]] = {}
        self.received: dict[Kind, list[int]] = {}
        self.wait_seconds = 0.0
        self.serialise_seconds = 0.0
        self._switches = _switches()
        self.copies_dropped = 0
        """Messages to an observer that were not sent because its queue was full."""

    @property
    def wakeups(self) -> int:
        """How often this thread has slept and was woken, by the kernel's count."""
        return _switches() - self._switches


def tally(counters: dict[Kind, list[int]], kind: Kind, messages: int, framed_bytes: int) -> None:
    """Adds ``messages`` of ``framed_bytes`` together."""
    entry = counters.get(kind)
    if entry is None:
        counters[kind] = [messages, framed_bytes]
    else:
        entry[0] += messages
        entry[1] += framed_bytes


def _switches() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
