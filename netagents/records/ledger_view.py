"""The message ledger of a run, read back: messages and payload bytes by kind, hop distance and link, in total and over time."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.messages import Kind
from netagents.records.column_table import ColumnTable

IntArray = NDArray[np.int64]

SENDER, KIND, RECEIVER, HOP = 1, 2, 3, 4


class LedgerTraffic(NamedTuple):
    """Messages and their payload bytes, without headers and framing."""

    messages: int
    bytes: int


class LedgerView:
    """What was sent in the first ``iterations`` iterations.

    Agents are 0..n-1; -1 is the environment server.  Hop 0 means that a message did not go from agent to agent.

    Args:
        changes: (c, 7) as :func:`netagents.records.packed_records.ledger_changes` gives them.
        iterations: number of iterations that count.
    """

    def __init__(self, changes: IntArray, iterations: int) -> None:
        self.changes = changes[changes[:, 0] < iterations]
        self.iterations = iterations

    @cached_property
    def links(self) -> IntArray:
        """(l, 6) totals: sender, kind, receiver, hop, messages, bytes."""
        changes = self.changes
        if len(changes) == 0:
            return np.zeros((0, 6), dtype=np.int64)
        same = (changes[1:, 1:5] == changes[:-1, 1:5]).all(axis=1)
        until = np.append(np.where(same, changes[1:, 0], self.iterations), self.iterations)
        lasting = (until - changes[:, 0])[:, None] * changes[:, 5:]
        first = np.flatnonzero(np.append(True, ~same))
        return np.column_stack([changes[first, 1:5], np.add.reduceat(lasting, first, axis=0)])

    @property
    def total(self) -> LedgerTraffic:
        """Everything that was sent."""
        return LedgerTraffic(int(self.links[:, 4].sum()), int(self.links[:, 5].sum()))

    def by_kind(self) -> dict[str, LedgerTraffic]:
        """Totals by kind, such as ``state`` or ``truncated_q``."""
        return {kind_name(kind): traffic for kind, traffic in self._grouped(1).items()}

    def by_hop(self) -> dict[int, LedgerTraffic]:
        """Totals by hop distance."""
        return self._grouped(3)

    def by_kind_and_hop(self) -> dict[tuple[str, int], LedgerTraffic]:
        """Totals by kind and hop distance."""
        pairs = self._grouped_pairs(1, 3)
        return {(kind_name(kind), hop): traffic for (kind, hop), traffic in pairs.items()}

    def by_link(self) -> dict[tuple[int, int], LedgerTraffic]:
        """Totals by sender and receiver."""
        return self._grouped_pairs(0, 2)

    def farthest(self) -> dict[str, int]:
        """The largest hop distance that each kind travelled."""
        return {kind_name(int(kind)): int(self.links[self.links[:, 1] == kind, 3].max()) for kind in np.unique(self.links[:, 1])}

    def over_time(self, kind: int | None = None, hop: int | None = None) -> IntArray:
        """(iterations, 2) messages and bytes of each iteration, of one kind or one hop distance if given."""
        changes = self.changes
        steps = np.zeros((self.iterations, 2), dtype=np.int64)
        if len(changes) == 0:
            return steps
        same = np.append(False, (changes[1:, 1:5] == changes[:-1, 1:5]).all(axis=1))
        rise = changes[:, 5:].copy()
        rise[same] -= changes[np.flatnonzero(same) - 1, 5:]
        rows = np.ones(len(changes), dtype=np.bool_)
        if kind is not None:
            rows &= changes[:, KIND] == kind
        if hop is not None:
            rows &= changes[:, HOP] == hop
        np.add.at(steps, changes[rows, 0], rise[rows])
        summed: IntArray = np.cumsum(steps, axis=0)
        return summed

    def table(self) -> ColumnTable:
        """One row per link and kind: sender, kind, receiver, hop, messages, bytes."""
        links = self.links
        kinds = np.array([kind_name(int(kind)) for kind in links[:, 1]], dtype=np.str_)
        columns = {"sender": links[:, 0], "kind": kinds, "receiver": links[:, 2]}
        return ColumnTable({**columns, "hop": links[:, 3], "messages": links[:, 4], "bytes": links[:, 5]})

    def _grouped(self, column: int) -> dict[int, LedgerTraffic]:
        links = self.links
        values, group = np.unique(links[:, column], return_inverse=True)
        sums = np.zeros((len(values), 2), dtype=np.int64)
        np.add.at(sums, group, links[:, 4:])
        return {int(value): LedgerTraffic(int(count), int(size)) for value, (count, size) in zip(values, sums, strict=True)}

    def _grouped_pairs(self, first: int, second: int) -> dict[tuple[int, int], LedgerTraffic]:
        links = self.links
        values, group = np.unique(links[:, [first, second]], axis=0, return_inverse=True)
        sums = np.zeros((len(values), 2), dtype=np.int64)
        np.add.at(sums, group.reshape(-1), links[:, 4:])
        return {(int(a), int(b)): LedgerTraffic(int(count), int(size)) for (a, b), (count, size) in zip(values, sums, strict=True)}


def kind_name(kind: int) -> str:
    """The name of a message kind as people read it."""
    return Kind(kind).name.lower()
