"""Silent neighbours: agents that are alive but whose messages do not arrive, in a network that has fallen apart.

An agent continues without a neighbour of which nothing arrives for ``timeouts.answer``, at first for the rest of the iteration.  Then it
waits for that neighbour again; each failed wait doubles the number of iterations without waiting.  Messages that arrive in time are used
at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from netagents.errors import DeadlineError
from netagents.experiment import Timeouts
from netagents.messages import NEIGHBOUR_KINDS, Kind, Message, node_names
from netagents.wire.pauses import waiting_clock
from netagents.wire.session.exchange import Exchange

_log = logging.getLogger(__name__)


class SilentNeighbours:
    """The neighbours that are not waited for, and until which iteration."""

    def __init__(self) -> None:
        self._until: dict[int, tuple[int, int]] = {}

    def awaited(self, senders: Sequence[int], iteration: int) -> tuple[int, ...]:
        """Those of ``senders`` to wait for in this iteration."""
        return tuple(sender for sender in senders if sender not in self._until or self._until[sender][0] <= iteration)

    def mark_missing(self, senders: Iterable[int], iteration: int) -> None:
        """The wait for these senders has failed."""
        for sender in senders:
            pause = 2 * self._until[sender][1] if sender in self._until else 1
            self._until[sender] = iteration + pause, pause

    def mark_received(self, sender: int) -> None:
        """A message of this sender has arrived in time."""
        if self._until.pop(sender, None) is not None:
            _log.warning("messages of agent %d arrive again", sender)


class SilenceTolerance:
    """Receives in lockstep, and gives None for silent neighbours.

    Args:
        exchange: of the agent.
        timeouts: ``answer`` bounds the wait for neighbours.
    """

    supports_rollouts = False

    def __init__(self, exchange: Exchange, timeouts: Timeouts) -> None:
        self._exchange, self.send = exchange, exchange.send
        self.seconds = timeouts.seconds("answer")
        self.silent = SilentNeighbours()

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message | None]:
        """As :meth:`netagents.wire.session.exchange.Exchange.receive`, with None for silent neighbours."""
        exchange, silent = self._exchange, self.silent
        if kind not in NEIGHBOUR_KINDS:
            return list(exchange.receive(iteration, kind, step, senders))
        awaited = silent.awaited(senders, iteration)
        if len(awaited) == len(senders):
            try:
                whole = exchange.receive(iteration, kind, step, senders, self.seconds)
            except DeadlineError:
                self.give_up(exchange.inbox.missing(iteration, kind, step, senders), iteration)
            else:
                for sender in senders:
                    silent.mark_received(sender)
                return list(whole)
        elif missing := self._wait_for(iteration, kind, step, awaited):
            self.give_up(missing, iteration)
        messages = exchange.inbox.collect_present(iteration, kind, step, senders)
        for sender, message in zip(senders, messages, strict=True):
            if message is not None:
                silent.mark_received(sender)
        return messages

    def _wait_for(self, iteration: int, kind: Kind, step: int, awaited: Sequence[int]) -> list[int]:
        """Wait for some of the senders; gives those whose message is missing."""
        inbox, limit = self._exchange.inbox, waiting_clock() + self.seconds
        self._exchange.pump(0.0)
        while (missing := inbox.missing(iteration, kind, step, awaited)) and (remaining := limit - waiting_clock()) > 0.0:
            self._exchange.pump(remaining, lambda: not inbox.missing(iteration, kind, step, awaited))
        return missing

    def give_up(self, missing: Sequence[int], iteration: int) -> None:
        """Continue without the messages of these senders."""
        _log.warning("no message of %s for %g s in iteration %d; going on without", node_names(missing), self.seconds, iteration)
        self.silent.mark_missing(missing, iteration)
