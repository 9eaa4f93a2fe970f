"""Waiting for agents that may have failed: who is asked for a sign of life and gives none is lost.

A lost agent makes its neighbours wait, and they theirs, so most of those whose message is missing are alive.  They say so when
asked, because a node that waits answers at once; one that is gone, stopped or caught in a computation does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from netagents.errors import DeadlineError
from netagents.experiment import Timeouts
from netagents.messages import Heartbeat, Kind, Message
from netagents.wire.pauses import waiting_clock
from netagents.wire.session.exchange import Exchange

ASK = Heartbeat(np.zeros((0, 0), dtype=np.int64))


class HeartbeatMonitor:
    """Waits that find out who is silent.

    Args:
        exchange: the server's.
        timeouts: after half of ``answer`` those who are missing are asked; who has not answered when all of it is over is silent.
        on_silent: told who is silent; may raise.
    """

    def __init__(self, exchange: Exchange, timeouts: Timeouts, on_silent: Callable[[list[int]], None]) -> None:
        self._exchange, self._on_silent = exchange, on_silent
        self._seconds, self._whole = timeouts.seconds("answer"), timeouts.seconds("exchange")
        self._heard: set[int] = set()
        self._given_up: set[int] = set()

    def hear(self, agent: int) -> None:
        """A sign of life came."""
        self._heard.add(agent)
        self._given_up.discard(agent)

    def begin_again(self) -> None:
        """Whoever was silent is back, or not awaited any more."""
        self._given_up.clear()

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message]:
        """As :meth:`netagents.wire.session.exchange.Exchange.receive`, and whoever does not answer meanwhile is silent."""
        exchange, limit = self._exchange, waiting_clock() + self._whole
        while True:
            left = limit - waiting_clock()
            patience = min(self._seconds / 2.0, left)
            try:
                return exchange.receive(iteration, kind, step, senders, patience)
            except DeadlineError as error:
                if patience >= left:
                    what = error.wait.what if error.wait is not None else kind.name.lower()
                    overdue = DeadlineError(f"waited {self._whole:g} s for {what}", where=error.where)
                    overdue.wait = error.wait
                    raise overdue from None
            self.ask(lambda: exchange.inbox.missing(iteration, kind, step, senders))

    def ask(self, missing: Callable[[], Sequence[int]]) -> None:
        """Ask those who are missing for a sign of life, and wait half of ``answer`` for it; whoever gives none is silent."""
        self._heard.clear()
        for agent in missing():
            self._exchange.offer(ASK, Kind.HEARTBEAT, 0, 0, agent)
        limit = waiting_clock() + self._seconds / 2.0

        def silent() -> list[int]:
            return [agent for agent in missing() if agent not in self._heard]

        while silent() and (left := limit - waiting_clock()) > 0.0:
            self._exchange.pump(left, lambda: not silent())
        # Once each: whoever was told ends the agent's process and starts another, which needs longer to come than an answer.
        if left_over := [agent for agent in silent() if agent not in self._given_up]:
            self._given_up.update(left_over)
            self._on_silent(left_over)
