"""Reports of nodes about themselves besides their work: what they refused, what bad links cost, what they passed on for others, how old
what they used was; and the records of it at the end of a run."""

from __future__ import annotations

import contextlib

import numpy as np
from numpy.typing import NDArray

from netagents.errors import DeadlineError, NetagentsError
from netagents.messages import ENVIRONMENT, LINK_COSTS, DropCounts, Heartbeat, RelayStats, node_name
from netagents.nodes.bootstrap.drop_counts import Refusals, read_drop_counts
from netagents.nodes.server.relay_stats import carriage_facts
from netagents.records.recorder import Recorder
from netagents.wire.links.link_cost_counter import CostTotals
from netagents.wire.session.exchange import Exchange


class NodeReports:
    """The newest report of every node.

    Attributes:
        ages: per agent, how often it used what was how old; see :class:`netagents.messages.Heartbeat`.
    """

    def __init__(self) -> None:
        self.ages: dict[int, NDArray[np.int64]] = {}
        self._refused: dict[int, Refusals] = {}
        self._relayed: dict[int, RelayStats] = {}
        self._link_costs = CostTotals()

    def take(self, sender: int, message: Heartbeat | DropCounts | RelayStats) -> None:
        """Keep a report in the place of an older one."""
        if isinstance(message, Heartbeat):
            self.ages[sender] = message.ages
        elif isinstance(message, DropCounts):
            self._refused[sender] = read_drop_counts(message)
            if message.links is not None:
                self._link_costs.update(sender, message.links)
        else:
            self._relayed[sender] = message

    def refused(self, own: Refusals) -> dict[int, Refusals]:
        """What every node has refused so far; ``own``: the server."""
        return {ENVIRONMENT: own, **self._refused}

    def await_relay_stats(self, exchange: Exchange, agents: int, seconds: float) -> None:
        """With relay routing agents report as they leave what travelled over their links; one that does not is left out of the records."""
        with contextlib.suppress(DeadlineError):
            exchange.serve(lambda: len(self._relayed) == agents, seconds, lambda _: "waited for what agents passed on for others")

    def write(self, recorder: Recorder, exchange: Exchange, refused: Refusals, sample_seconds: float) -> None:
        """Record what travelled and what it cost, in the server and, as far as they told, in the agents.

        Args:
            exchange: the server's.
            refused: what the server itself refused.
            sample_seconds: the time inside lockstep steps.
        """
        traffic = exchange.traffic
        if exchange.links is not None:
            with contextlib.suppress(NetagentsError):
                exchange.pump(0.0)  # the last accounts came with the last reports
            self._link_costs.update(ENVIRONMENT, exchange.links.costs())
            recorder.event("links", columns=list(LINK_COSTS), rows=self._link_costs.total().tolist())
        everywhere = self.refused(refused)
        recorder.event(
            "traffic",
            sent={kind.name.lower(): counted for kind, counted in traffic.sent.items()},
            received={kind.name.lower(): counted for kind, counted in traffic.received.items()},
            wait_seconds=traffic.wait_seconds,
            serialise_seconds=traffic.serialise_seconds,
            sample_seconds=sample_seconds,
            wakeups=traffic.wakeups,
            digests_dropped=traffic.copies_dropped,
            dropped={str(reason): count for reason, count in exchange.inbox.dropped.items()},
            refused={node_name(node): counted for node, counted in sorted(everywhere.items()) if counted},
            **({"carried": carriage_facts(self._relayed)} if self._relayed else {}),
        )
