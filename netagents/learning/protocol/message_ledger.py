"""The message ledger of one node: messages and payload bytes by kind, receiver and hop distance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.requests import Outgoing
from netagents.messages import Kind, Step, payload_bytes


class Ledger:
    """Counts what a node sends in one iteration.

    Args:
        hop: distance in hops to a receiver; 0 for the environment server and the monitor, which stand outside the graph.
    """

    def __init__(self, hop: Callable[[int], int]) -> None:
        self._hop = hop
        self._rows: dict[tuple[int, int], list[int]] = {}
        self._lost: Collection[int] = ()

    def leave_out(self, lost: Collection[int]) -> None:
        """Nothing goes to these receivers any more, whatever is entered."""
        self._lost = lost

    def count(self, outgoing: Outgoing, times: int = 1) -> None:
        """Enter a message once per receiver, or ``times`` messages of the same size."""
        size = payload_bytes(outgoing.message)
        for receiver in outgoing.receivers:
            row = self._rows.setdefault((outgoing.kind, receiver), [0, 0])
            row[0] += times
            row[1] += times * size

    def count_steps(self, iteration: int, messages: Sequence[Step], steps: int) -> None:
        """Enter the messages that open an iteration, one per agent, and as many more of each as it has ``steps``."""
        for agent, message in enumerate(messages):
            self.count(Outgoing(Kind.STEP, iteration, 0, message, (agent,)), times=steps + 1)

    def count_executed(self, messages: Sequence[Step]) -> None:
        """Enter what a step's messages, one per agent, are longer by than those that opened the iteration: executed actions."""
        for agent, message in enumerate(messages):
            if message.executed is not None:
                self._rows.setdefault((Kind.STEP, agent), [0, 0])[1] += message.executed.nbytes

    def open_rows(self) -> NDArray[np.int64]:
        """The (r, 4) rows kind, receiver, messages, payload bytes of the page that is still open."""
        rows = [[kind, receiver, *counted] for (kind, receiver), counted in sorted(self._rows.items())]
        return np.array(rows, dtype=np.int64).reshape(-1, 4)

    def restore(self, rows: NDArray[np.int64]) -> None:
        """Go on with a page that :meth:`open_rows` gave."""
        self._rows = {(kind, receiver): [messages, size] for kind, receiver, messages, size in rows.tolist()}

    def close(self) -> NDArray[np.int64]:
        """The (r, 5) rows kind, receiver, hop, messages, payload bytes, sorted; starts a new page."""
        rows = [[kind, receiver, self._hop(receiver), *counted] for (kind, receiver), counted in self._living()]
        self._rows = {}
        return np.array(rows, dtype=np.int64).reshape(-1, 5)

    def _living(self) -> list[tuple[tuple[int, int], list[int]]]:
        return [(key, counted) for key, counted in sorted(self._rows.items()) if key[1] not in self._lost]
