"""Names of nodes in logs and errors."""

from __future__ import annotations

from collections.abc import Collection

ENVIRONMENT = -1
"""Node index of the environment server.  Agents are 0..n-1."""

MONITOR = -2
"""Node index of the monitor."""


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
        names = ", ".join(map(str, agents[:most]))
        more = f" and {len(agents) - most} more" if len(agents) > most else ""
        parts.append(f"agent{'s' if len(agents) > 1 else ''} {names}{more}")
    return ", ".join(parts)
