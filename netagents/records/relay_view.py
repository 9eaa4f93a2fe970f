"""What crosses each link between neighbours when messages travel hop by hop, worked out from a run's ledger and its graph."""

from __future__ import annotations

import numpy as np

from netagents.learning import Setup
from netagents.learning.protocol.relay_routes import Routes
from netagents.messages import Kind
from netagents.records.column_table import ColumnTable
from netagents.records.ledger_view import LedgerTraffic, LedgerView, kind_name


class RelayView:
    """The hop-weighted ledger: every message once per link of its origin's relay tree.

    With relay routing this is what the links carried; with direct routing, what they would have.  Agents count the same while they hand
    messages on (the event ``traffic``), unless they were taken back to a checkpoint and did some work twice.

    Args:
        setup: graph and radii.
        ledger: what was sent, to whom.
    """

    def __init__(self, setup: Setup, ledger: LedgerView) -> None:
        routes = Routes(setup)
        self._links: dict[tuple[int, Kind, int], list[int]] = {}
        names: set[tuple[int, int]] = set()
        for origin, number, _, hop, messages, size in ledger.links.tolist():
            # All out-neighbours get the same messages, so one receiver is enough.
            if hop == 0 or (origin, number) in names:
                continue
            names.add((origin, number))
            kind = Kind(number)
            for node, place in routes.tree(kind, origin).items():
                for child in place.children:
                    row = self._links.setdefault((node, kind, child), [0, 0])
                    row[0] += messages
                    row[1] += size

    @property
    def total(self) -> LedgerTraffic:
        """Everything that crossed a link, once per link."""
        return LedgerTraffic(sum(row[0] for row in self._links.values()), sum(row[1] for row in self._links.values()))

    def by_kind(self) -> dict[str, LedgerTraffic]:
        """The same by kind."""
        totals: dict[str, LedgerTraffic] = {}
        for (_, kind, _), (messages, size) in sorted(self._links.items()):
            before = totals.get(kind_name(kind), LedgerTraffic(0, 0))
            totals[kind_name(kind)] = LedgerTraffic(before.messages + messages, before.bytes + size)
        return totals

    def table(self) -> ColumnTable:
        """One row per link and kind: sender, kind, receiver, messages, bytes; senders hand on what others said as well."""
        rows = [(sender, kind_name(kind), receiver, *counted) for (sender, kind, receiver), counted in sorted(self._links.items())]
        columns = list(zip(*rows, strict=True)) or [()] * 5
        kinds = np.array(columns[1], dtype=np.str_)
        numbers = [np.array(columns[place], dtype=np.int64) for place in (0, 2, 3, 4)]
        return ColumnTable({"sender": numbers[0], "kind": kinds, "receiver": numbers[1], "messages": numbers[2], "bytes": numbers[3]})
