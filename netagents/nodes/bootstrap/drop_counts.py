"""Drop counts of a node: messages and peers that it refused, for the server and the records."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netagents.messages import DropCounts
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.radius_admission import Drop
from netagents.wire.transport.transport import Transport

Refusals = dict[str, int]
"""Reason -> count; without zeros."""

_REASONS = tuple(Drop)


def refusals(inbox: Inbox, transport: Transport) -> Refusals:
    """Everything that a node has refused so far: messages at its inbox, peers at its transport."""
    counts = {str(reason): count for reason, count in inbox.dropped.items() if count}
    return counts | {reason: count for reason, count in transport.refused().items() if count}


def drop_counts_message(counts: Mapping[str, int], links: NDArray[np.int64] | None = None) -> DropCounts:
    """The message: a count per reason, in the order of :class:`netagents.wire.session.inbox.Drop`, and the costs of modelled links."""
    return DropCounts(np.array([counts.get(reason, 0) for reason in _REASONS], np.int64), links)


def read_drop_counts(message: DropCounts) -> Refusals:
    """The counts in a message; reasons of a later version are counted as ``other``."""
    names = [*map(str, _REASONS), *["other"] * max(0, len(message.counts) - len(_REASONS))]
    counts: Refusals = {}
    for name, count in zip(names, message.counts.tolist(), strict=False):
        if count > 0:
            counts[name] = counts.get(name, 0) + count
    return counts


def refusals_line(counts: Mapping[str, int]) -> str:
    """One line such as ``duplicate 2, forged sender 1``."""
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()))
