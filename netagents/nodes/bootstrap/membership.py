"""A node's place in a run once it has joined: what it shares with all, its links, and what it tells the server about itself."""

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

State = Mapping[str, NDArray[Any]] | None
"""Every named array of an agent; None at the beginning of a run."""


@dataclass
class Membership:
    """A node's place in a run, before and after it starts.

    Attributes:
        index: of the node. setup: what all nodes share. exchange: its messages.
        first_iteration: where it begins. state: what an agent knew before that, None at the beginning of a run.
        enter: links to all peers and waits for the start, after a Welcome that may be a new one.
        fresh: whether this is the node's first process, in a run from its beginning.
        window: what an agent kept of the newest iterations, to begin one of them anew.
        ages: how old what an agent used was.
        lost: agents that the run goes on without.
    """

    index: int
    setup: Setup
    exchange: Exchange
    transport: Transport
    first_iteration: int
    state: State
    enter: Callable[[Envelope | None], tuple[int, State, frozenset[int]]]
    fresh: bool = True
    undo_log: IterationUndoLog = field(default_factory=IterationUndoLog)
    ages: AgeCounts = field(default_factory=AgeCounts)
    lost: frozenset[int] = frozenset()
    _reported: Refusals = field(default_factory=dict)

    def rejoin(self, taken_back: RollbackError) -> None:
        """Link to those who were restarted and wait for the start of the iteration that all were taken back to."""
        self.first_iteration, self.state, self.lost = self.enter(taken_back.envelope)

    def send_drop_counts(self) -> None:
        """Tell the server, best effort, what this node has refused so far, if that has grown, and what modelled links have cost."""
        counted = refusals(self.exchange.inbox, self.transport)
        links = None if self.exchange.links is None else self.exchange.links.costs()
        if counted != self._reported or links is not None:
            if counted.keys() != self._reported.keys():
                _log.warning("refused so far: %s", refusals_line(counted))
            self._reported = counted
            self.exchange.offer(drop_counts_message(counted, links), Kind.DROP_COUNTS, 0, 0, ENVIRONMENT)

    def send_relay_stats(self) -> None:
        """With relay routing, tell the server, best effort, what travelled over this node's links to neighbours."""
        if isinstance(self.exchange, RelayExchange):
            self.exchange.offer(self.exchange.relay_counts.message(), Kind.RELAY_STATS, 0, 0, ENVIRONMENT)

    def send_ages(self) -> None:
        """Tell the server, best effort, how old the messages were that this agent used, if any was not fresh."""
        if self.ages.stale:
            self.exchange.offer(Heartbeat(self.ages.counts.copy()), Kind.HEARTBEAT, 0, 0, ENVIRONMENT)

    def fail(self, error: BaseException, code: int) -> None:
        """Tell the server, best effort, why this node ends."""
        self.send_drop_counts()
        line = " ".join(str(error).split()) or type(error).__name__
        self.exchange.offer(Failed(line, code), Kind.FAILED, 0, 0, ENVIRONMENT)

    def leave(self) -> None:
        """End all links; last words still leave."""
        if self._reported:
            _log.warning("refused in all: %s", refusals_line(self._reported))
        self.exchange.close()
        self.transport.close()
