"""Costs of modelled links: what was transmitted, retransmitted and lost."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from netagents.messages.control_messages import LINK_COSTS

_INDEX = {name: column for column, name in enumerate(LINK_COSTS)}


class CostCounter:
    """Counts of the links of one node, by directed link and by the names of :data:`netagents.messages.LINK_COSTS`."""

    def __init__(self) -> None:
        self._links: dict[tuple[int, int], list[int]] = {}

    def add(self, sender: int, receiver: int, size: int = 0, **counts: int) -> None:
        """Count events on a link; where a name with ``_bytes`` exists, ``size`` bytes per event are counted there."""
        row = self._links.get((sender, receiver))
        if row is None:
            row = self._links[sender, receiver] = [0] * len(LINK_COSTS)
        for name, count in counts.items():
            row[_INDEX[name]] += count
            column = _INDEX.get(f"{name}_bytes")
            if column is not None:
                row[column] += count * size

    def rows(self) -> NDArray[np.int64]:
        """A row ``sender, receiver, counts...`` per link, ascending, as it is sent and recorded."""
        rows = [[*link, *counts] for link, counts in sorted(self._links.items())]
        return np.array(rows, np.int64).reshape(-1, 2 + len(LINK_COSTS))


class CostTotals:
    """Sum of the link costs of all nodes, from each node's counters since its start."""

    def __init__(self) -> None:
        self._newest: dict[int, NDArray[np.int64]] = {}
        self._before: list[NDArray[np.int64]] = []

    def update(self, node: int, rows: NDArray[np.int64]) -> None:
        """Take a node's newest counters; the counts before a restart of the node are kept."""
        old = self._newest.get(node)
        if old is not None and old[:, 2:].sum() > rows[:, 2:].sum():
            self._before.append(old)
        self._newest[node] = rows

    def total(self) -> NDArray[np.int64]:
        """A row ``sender, receiver, counts...`` per directed link, ascending, with the counts of both ends."""
        return merged([*self._before, *self._newest.values()])


def merged(tables: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The sum of the rows of each link."""
    links: dict[tuple[int, int], NDArray[np.int64]] = {}
    for table in tables:
        for row in table:
            link = int(row[0]), int(row[1])
            links[link] = links[link] + row[2:] if link in links else row[2:].astype(np.int64)
    rows = [np.concatenate([np.array(link, np.int64), links[link]]) for link in sorted(links)]
    return np.array(rows, np.int64).reshape(-1, 2 + len(LINK_COSTS))
