"""Membership of a node in a run: the common setup, its links, and its reports about itself to the server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from netagents.learning import Setup
from netagents.learning.protocol.age_counts import AgeCounts
from netagents.messages import ENVIRONMENT, Envelope, Failed, Heartbeat, Kind
from netagents.nodes.bootstrap.drop_counts import Refusals, drop_counts_message, refusals, refusals_line
from netagents.nodes.process.rollback import IterationUndoLog, RollbackError
from netagents.wire.relay_exchange import RelayExchange
from netagents.wire.session.exchange import Exchange
from netagents.wire.transport.transport import Transport

_log = logging.getLogger(__name__)

AgentState = Mapping[str, NDArray[Any]] | None
"""Every named array of an agent; None at the beginning of a run."""


@dataclass
class Membership:
    """Membership of a node in a run.

    Attributes:
        index: of the node. setup: common to all nodes. exchange: sends and receives.
        first_iteration: where it begins. state: of an agent before that; None at the beginning of a run.
        enter: links to all peers and waits for the start, after a new Welcome if one is given.
        fresh: whether this is the node's first process in a run from its beginning.
        undo_log: states of an agent before the newest iterations, so that one can begin again.
        ages: ages of the messages that an agent used.
        lost: agents without which the run continues.
    """

    index: int
    setup: Setup
    exchange: Exchange
    transport: Transport
    first_iteration: int
    state: AgentState
    enter: Callable[[Envelope | None], tuple[int, AgentState, frozenset[int]]]
    fresh: bool = True
    undo_log: IterationUndoLog = field(default_factory=IterationUndoLog)
    ages: AgeCounts = field(default_factory=AgeCounts)
    lost: frozenset[int] = frozenset()
    _reported: Refusals = field(default_factory=dict)

    def rejoin(self, rollback: RollbackError) -> None:
        """Link to restarted nodes and wait for the start of the iteration to which all go back."""
        self.first_iteration, self.state, self.lost = self.enter(rollback.envelope)

    def send_drop_counts(self) -> None:
        """Send the server, best effort, the drop counts if they have grown, and the costs of modelled links."""
        counts = refusals(self.exchange.inbox, self.transport)
        links = None if self.exchange.links is None else self.exchange.links.costs()
        if counts != self._reported or links is not None:
            if counts.keys() != self._reported.keys():
                _log.warning("refused so far: %s", refusals_line(counts))
            self._reported = counts
            self.exchange.offer(drop_counts_message(counts, links), Kind.DROP_COUNTS, 0, 0, ENVIRONMENT)

    def send_relay_stats(self) -> None:
        """With relay routing, send the server, best effort, the traffic over this node's links to neighbours."""
        if isinstance(self.exchange, RelayExchange):
            self.exchange.offer(self.exchange.relay_counts.message(), Kind.RELAY_STATS, 0, 0, ENVIRONMENT)

    def send_ages(self) -> None:
        """Send the server, best effort, the ages of the messages that this agent used, if any was not fresh."""
        if self.ages.stale:
            self.exchange.offer(Heartbeat(self.ages.counts.copy()), Kind.HEARTBEAT, 0, 0, ENVIRONMENT)

    def fail(self, error: BaseException, code: int) -> None:
        """Send the server, best effort, the reason why this node ends."""
        self.send_drop_counts()
        line = " ".join(str(error).split()) or type(error).__name__
        self.exchange.offer(Failed(line, code), Kind.FAILED, 0, 0, ENVIRONMENT)

    def leave(self) -> None:
        """End all links; messages already sent still leave."""
        if self._reported:
            _log.warning("refused in all: %s", refusals_line(self._reported))
        self.exchange.close()
        self.transport.close()
