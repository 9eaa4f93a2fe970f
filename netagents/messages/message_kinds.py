"""The kinds of messages, and which communication radius governs each."""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum, StrEnum

ENVIRONMENT = -1
"""Node index of the environment server.  Agents are 0..n-1."""

MONITOR = -2
"""Node index of the monitor."""


class Kind(IntEnum):
    """Message kinds.  Numbers travel on the wire and stand in records: append, never renumber."""

    HELLO = 1
    WELCOME = 2
    READY = 3
    START = 4
    STOP = 5
    FAILED = 6
    TALLY = 7
    CARRIED = 8
    SIGN = 9
    STEP = 10
    ACTION = 11
    STATE = 12
    TRACE = 13
    SHADOW_REWARD = 14
    TRUNCATED_Q = 15
    REPORT = 16
    SNAPSHOT = 17
    DIGEST = 18
    BUNDLE = 19


class RadiusKind(StrEnum):
    """The three communication radii."""

    POLICY = "policy"
    CRITIC = "critic"
    GRADIENT = "gradient"


_RADIUS = {
    Kind.STATE: RadiusKind.POLICY,
    Kind.TRACE: RadiusKind.CRITIC,
    Kind.SHADOW_REWARD: RadiusKind.GRADIENT,
    Kind.TRUNCATED_Q: RadiusKind.GRADIENT,
}


NEIGHBOUR_KINDS = tuple(_RADIUS)
"""What agents tell each other."""


def radius_of(kind: Kind) -> RadiusKind | None:
    """The radius that bounds how far a kind may travel between agents; None for kinds that agents never exchange."""
    return _RADIUS.get(kind)


def node_name(index: int) -> str:
    """A node's name in logs and errors: ``agent 3``, ``environment`` or ``monitor``."""
    if index == ENVIRONMENT:
        return "environment"
    return "monitor" if index == MONITOR else f"agent {index}"


def node_names(indices: Collection[int], most: int = 12) -> str:
    """Several nodes in one phrase: ``environment, agents 4, 7``; beyond ``most`` agents the rest is counted."""
    agents = sorted(index for index in indices if index >= 0)
    parts = [node_name(index) for index in sorted((index for index in indices if index < 0), reverse=True)]
    if agents:
        shown = ", ".join(map(str, agents[:most]))
        more = f" and {len(agents) - most} more" if len(agents) > most else ""
        parts.append(f"agent{'s' if len(agents) > 1 else ''} {shown}{more}")
    return ", ".join(parts)
