"""Waits of the server for agents that may have failed: those whose message is missing are asked for a heartbeat.

A failed agent makes its neighbours wait, and they theirs, so most of those whose message is missing are alive.  They say so when
asked, because a node that waits answers at once; one that is gone, stopped or caught in a computation does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from netagents.errors import DeadlineError
from netagents.experiment import Timeouts
from netagents.messages import Heartbeat, Kind, Message
from netagents.nodes.server.failure_policy import AgentEvent, AgentState, FailurePolicy, PolicyAction
from netagents.wire.pauses import waiting_clock
from netagents.wire.session.exchange import Exchange

ASK = Heartbeat(np.zeros((0, 0), dtype=np.int64))

CarryOut = Callable[[list[tuple[int, tuple[PolicyAction, ...]]], str], None]
"""Carries out what the policy answers with, for several agents at once, given why; may raise."""


class HeartbeatMonitor:
    """Waits that feed the failure policy.

    Args:
        exchange: the server's.
        policy: of the run.
        timeouts: after half of ``answer`` those who are missing are asked; the other half is theirs to answer.
        carry_out: what the policy answers with.
        overdue: called with agents whose message is missing, when they are first asked, and for how many seconds it has been awaited.
    """

    def __init__(
        self,
        exchange: Exchange,
        policy: FailurePolicy,
        timeouts: Timeouts,
        carry_out: CarryOut,
        overdue: Callable[[list[int], float], None] = lambda _agents, _seconds: None,
    ) -> None:
        self._exchange, self._policy, self._carry_out, self._overdue = exchange, policy, carry_out, overdue
        self._answer, self._whole = timeouts.seconds("answer"), timeouts.seconds("exchange")

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Message]:
        """As :meth:`netagents.wire.session.exchange.Exchange.receive`; who does not answer meanwhile has failed."""
        exchange = self._exchange
        if not self._policy.asks:
            return exchange.receive(iteration, kind, step, senders)
        limit = waiting_clock() + self._whole
        while True:
            remaining = limit - waiting_clock()
            patience = min(self._answer / 2.0, remaining)
            try:
                return exchange.receive(iteration, kind, step, senders, patience)
            except DeadlineError as error:
                if patience >= remaining:
                    self._miss_deadline(exchange.inbox.missing(iteration, kind, step, senders))
                    what = error.wait.what if error.wait is not None else kind.name.lower()
                    overdue = DeadlineError(f"waited {self._whole:g} s for {what}", where=error.where)
                    overdue.wait = error.wait
                    raise overdue from None
            self.ask(lambda: exchange.inbox.missing(iteration, kind, step, senders), self._answer)

    def serve(
        self, is_complete: Callable[[], bool], missing: Callable[[], Sequence[int]], seconds: float, describe: Callable[[float], str]
    ) -> None:
        """As :meth:`netagents.wire.session.receiver.Receiver.serve`, for a rollback: who of those missing does not answer has failed.

        Args:
            missing: the agents that are not ready.
            seconds: the limit; who gives no heartbeat is found before half of it, if ``timeouts.answer`` is not shorter.
        """
        exchange, limit = self._exchange, waiting_clock() + seconds
        answer = min(self._answer, seconds / 2.0)
        while True:
            remaining = limit - waiting_clock()
            patience = min(answer / 2.0, remaining) if self._policy.asks else remaining
            rest = remaining - patience
            try:
                exchange.serve(is_complete, patience, lambda seconds_left, rest=rest: describe(seconds_left + rest))  # type: ignore[misc]
            except DeadlineError:
                if patience >= remaining:
                    self._miss_deadline(missing())
                    raise
                self.ask(missing, answer)
            else:
                return

    def ask(self, missing: Callable[[], Sequence[int]], answer: float | None = None) -> None:
        """Ask those who are missing for a heartbeat, and wait for it half of ``answer`` seconds (``timeouts.answer`` if None)."""
        exchange, policy = self._exchange, self._policy
        seconds = self._answer if answer is None else answer
        awaited = missing()
        late = [agent for agent in awaited if policy.state(agent) in (AgentState.TAKING_PART, AgentState.LATE)]
        if late:
            self._overdue(late, seconds / 2.0)
        for agent in awaited:
            if PolicyAction.ASK in policy.handle(agent, AgentEvent.MESSAGE_OVERDUE) and agent in exchange.linked:
                exchange.offer(ASK, Kind.HEARTBEAT, 0, 0, agent)
        limit = waiting_clock() + seconds / 2.0
        while policy.unanswered(missing()) and (remaining := limit - waiting_clock()) > 0.0:
            exchange.pump(remaining, lambda: not policy.unanswered(missing()))
        decisions = [(agent, policy.handle(agent, AgentEvent.NO_ANSWER)) for agent in policy.unanswered(missing())]
        self._carry_out(decisions, f"gave no sign of life for {seconds:g} s")

    def _miss_deadline(self, missing: Sequence[int]) -> None:
        """Every policy gives up then, and the caller raises what says who was waited for."""
        for agent in missing:
            self._policy.handle(agent, AgentEvent.DEADLINE)
