"""What travelled over links between neighbours with relay routing: told by each agent as it leaves, and kept in the records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netagents.messages import Kind, RelayStats


def carriage_facts(stats: Mapping[int, RelayStats]) -> dict[str, Any]:
    """The accounts of all agents in one.

    Returns:
        ``kinds``: kind -> [messages, payload bytes] over all links, each link once, as the agents counted them.  ``bundles`` and
        ``bundle_bytes`` (with headers): how what was handed on travelled.  ``handed_on``: messages that came in them.
        ``hop_milliseconds``: mean time from a forwarder's sending to the next node's taking, which may be busy; by the system clocks,
        so between hosts it is as good as they agree.  ``agents``: how many gave an account.
    """
    kinds: dict[str, list[int]] = {}
    for carried in stats.values():
        for kind, messages, size in carried.kinds.tolist():
            row = kinds.setdefault(_name(kind), [0, 0])
            row[0] += messages
            row[1] += size
    bundles, bundle_bytes, taken, nanoseconds = (sum(int(carried.totals[place]) for carried in stats.values()) for place in range(4))
    return {
        "agents": len(stats),
        "kinds": dict(sorted(kinds.items())),
        "bundles": bundles,
        "bundle_bytes": bundle_bytes,
        "handed_on": taken,
        "hop_milliseconds": nanoseconds / 1e6 / taken if taken else 0.0,
    }


def _name(kind: int) -> str:
    """A kind's name; the number of one that only a later version knows."""
    try:
        return Kind(kind).name.lower()
    except ValueError:
        return str(kind)
