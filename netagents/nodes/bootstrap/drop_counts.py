"""How many messages and peers each node refused: counted where it happens, told to the server, and kept in the records."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from netagents.messages import DropCounts
from netagents.wire.session.inbox import Drop, Inbox
from netagents.wire.transport.transport import Transport

Refusals = dict[str, int]
"""Reason -> how often; without zeros."""

_REASONS = tuple(Drop)


def refusals(inbox: Inbox, transport: Transport) -> Refusals:
    """Everything that a node has refused so far: messages at its inbox, peers at its door."""
    counted = {str(reason): count for reason, count in inbox.dropped.items() if count}
    return counted | {reason: count for reason, count in transport.refused().items() if count}


def drop_counts_message(counted: Mapping[str, int], links: NDArray[np.int64] | None = None) -> DropCounts:
    """As it travels: one count per reason, in the order of :class:`netagents.wire.session.inbox.Drop`, and what modelled links cost."""
    return DropCounts(np.array([counted.get(reason, 0) for reason in _REASONS], np.int64), links)


def read_drop_counts(tally: DropCounts) -> Refusals:
    """What was counted; a node of a later version may know more reasons, which are told as ``other``."""
    names = [*map(str, _REASONS), *["other"] * max(0, len(tally.counts) - len(_REASONS))]
    counted: Refusals = {}
    for name, count in zip(names, tally.counts.tolist(), strict=False):
        if count > 0:
            counted[name] = counted.get(name, 0) + count
    return counted


def refusals_line(counted: Mapping[str, int]) -> str:
    """One line such as ``duplicate 2, forged sender 1``."""
    return ", ".join(f"{reason} {count}" for reason, count in sorted(counted.items()))
