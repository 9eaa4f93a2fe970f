"""Checks of what agents tell about themselves: numbers that no honest agent of the run could have counted are a lie, and name the liar.

A report within these bounds may still be false; a report beyond them never reaches the records.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netagents.learning import Setup
from netagents.messages import ENVIRONMENT, LINK_COSTS, NEIGHBOUR_KINDS, DropCounts, Heartbeat, Kind, RelayStats, Report
from netagents.messages.array_fields import ANY
from netagents.wire.codec.limits import LIMITS
from netagents.wire.pauses import waiting_clock

SLACK, LEAST = 4, 1024
"""Messages of one kind to one receiver that an agent may report in an iteration: so many times as lockstep needs, and at least so many,
because an algorithm may exchange a kind more than once."""

MESSAGES_PER_SECOND = 1e7
"""More than any node handles; bytes may be as many times as many as a small message has."""

_KINDS = frozenset(map(int, Kind))
_BYTES_PER_SECOND = 1e11
_HEAD_START = 60.0
_LONGEST = 1e9


class ReportChecks:
    """Bounds of the reports of one run.

    Args:
        setup: what all nodes share.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._start = waiting_clock()
        self._sizes: dict[tuple[int, int], int] = {}
        branches = 0 if setup.branch_plan is None else setup.branch_plan.messages
        self._most = max(LEAST, SLACK * (max(setup.steps, branches) + 2))

    def breach(self, agent: int, report: Report) -> str | None:
        """What is impossible about an iteration's report, in words; None if nothing is."""
        if report.metrics.shape != (len(self._setup.metric_names),):
            return f"reported {len(report.metrics)} metrics, not {len(self._setup.metric_names)}"
        if report.timing.shape != (3,) or not np.isfinite(report.timing).all() or np.abs(report.timing).max(initial=0.0) > _LONGEST:
            return "reported times that cannot be"
        others = report.power[:, 0]
        if len(others) and not (np.isin(others, np.arange(self._setup.n)).all() and len(np.unique(others)) == len(others)):
            return "reported power of agents that there are not"
        shares = report.power[:, 3]
        if len(shares) and (np.nanmin(shares, initial=0.0) < 0.0 or np.nanmax(shares, initial=0.0) > 1.0 + 1e-6):
            return "reported a known share outside 0 to 1"
        return self._ledger_breach(agent, report.ledger)

    def _ledger_breach(self, agent: int, ledger: NDArray[np.int64]) -> str | None:
        entries = set()
        for kind, receiver, hop, messages, size in ledger.tolist():
            if not self._may_send(agent, kind, receiver) or not 0 <= hop <= self._setup.n or (kind, receiver) in entries:
                return f"reported messages of kind {kind} to node {receiver}, which it does not send"
            entries.add((kind, receiver))
            name = Kind(kind).label
            if not 0 <= messages <= self._most:
                return f"reported {messages:,} messages of kind {name} in one iteration"
            if not 0 <= size <= messages * self._size(agent, Kind(kind)):
                return f"reported {size:,} bytes in {messages:,} messages of kind {name}"
        return None

    def _may_send(self, agent: int, kind: int, receiver: int) -> bool:
        if kind not in _KINDS:
            return False
        return receiver == ENVIRONMENT or (Kind(kind) in NEIGHBOUR_KINDS and receiver in self._setup.out_neighbours(Kind(kind), agent))

    def _size(self, agent: int, kind: Kind) -> int:
        """Largest payload of one message, in bytes."""
        size = self._sizes.get((agent, kind))
        if size is None:
            forms = kind.row.expected(self._setup, agent) if kind in (*NEIGHBOUR_KINDS, Kind.ACTION, Kind.BRANCH_ACTION) else None
            arrays = [[(each.dtype.itemsize, each.shape) for each in form] for form in forms or ()]
            known = bool(arrays) and not any(ANY in shape for form in arrays for _, shape in form)
            size = max(sum(item * int(np.prod(shape)) for item, shape in form) for form in arrays) if known else LIMITS.message_bytes
            self._sizes[agent, kind] = size
        return size

    def report_breach(self, sender: int, message: Heartbeat | DropCounts | RelayStats) -> str | None:
        """What is impossible about counts that a node sends from time to time, in words; None if nothing is."""
        seconds = waiting_clock() - self._start + _HEAD_START
        if isinstance(message, Heartbeat):
            return _beyond("ages of messages", message.ages, MESSAGES_PER_SECOND * seconds)
        if isinstance(message, RelayStats):
            return _beyond("messages passed on", message.kinds[:, 1:2], MESSAGES_PER_SECOND * seconds) or _beyond(
                "bytes passed on", message.kinds[:, 2:], _BYTES_PER_SECOND * seconds
            )
        counted = _beyond("refused messages", message.counts, MESSAGES_PER_SECOND * seconds)
        if counted is not None or message.links is None:
            return counted
        links = message.links
        if links.shape[1] != 2 + len(LINK_COSTS) or not ((links[:, 0] == sender) | (links[:, 1] == sender)).all():
            return "reported costs of links that it does not have"
        if len(links) and not ENVIRONMENT <= links[:, :2].min() <= links[:, :2].max() < self._setup.n:
            return "reported costs of links that there are not"
        return _beyond("costs of links", links[:, 2:], _BYTES_PER_SECOND * seconds)


def _beyond(what: str, counts: NDArray[np.int64], most: float) -> str | None:
    if counts.size == 0:
        return None
    low, high = int(counts.min()), int(counts.max())
    return None if low >= 0 and high <= most else f"reported {low if low < 0 else high:,} {what}"
