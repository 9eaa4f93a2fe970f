"""What modelled links cost: how much travelled, how much of it again, and how much in vain."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from netagents.messages.control_messages import LINK_COSTS

_INDEX = {name: place for place, name in enumerate(LINK_COSTS)}


class CostCounter:
    """Counts of the links of one node, by directed link and by the names of :data:`netagents.messages.LINK_COSTS`."""

    def __init__(self) -> None:
        self._links: dict[tuple[int, int], list[int]] = {}

    def add(self, sender: int, receiver: int, size: int = 0, **counts: int) -> None:
        """Counts events on a link; a name that has a ``_bytes`` beside it counts ``size`` bytes per event as well."""
        row = self._links.get((sender, receiver))
        if row is None:
            row = self._links[sender, receiver] = [0] * len(LINK_COSTS)
        for name, count in counts.items():
            row[_INDEX[name]] += count
            column = _INDEX.get(f"{name}_bytes")
            if column is not None:
                row[column] += count * size

    def rows(self) -> NDArray[np.int64]:
        """As it travels and is recorded: a row ``sender, receiver, counts...`` per link, ascending."""
        found = [[*link, *counts] for link, counts in sorted(self._links.items())]
        return np.array(found, np.int64).reshape(-1, 2 + len(LINK_COSTS))


class CostTotals:
    """What all nodes told about their links, each from its own counters since it was started."""

    def __init__(self) -> None:
        self._newest: dict[int, NDArray[np.int64]] = {}
        self._before: list[NDArray[np.int64]] = []

    def update(self, node: int, told: NDArray[np.int64]) -> None:
        """Takes a node's counters; what it had counted before it was started again is kept."""
        old = self._newest.get(node)
        if old is not None and old[:, 2:].sum() > told[:, 2:].sum():
            self._before.append(old)
        self._newest[node] = told

    def total(self) -> NDArray[np.int64]:
        """A row ``sender, receiver, counts...`` per directed link, ascending: both ends of each together."""
        return merged([*self._before, *self._newest.values()])


def merged(tables: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows of the same link added up."""
    links: dict[tuple[int, int], NDArray[np.int64]] = {}
    for table in tables:
        for row in table:
            link = int(row[0]), int(row[1])
            links[link] = links[link] + row[2:] if link in links else row[2:].astype(np.int64)
    found = [np.concatenate([np.array(link, np.int64), links[link]]) for link in sorted(links)]
    return np.array(found, np.int64).reshape(-1, 2 + len(LINK_COSTS))
