"""Drivers of an agent: they carry out its requests, step by step or a whole rollout at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from netagents.learning import ExchangeRequest, NetworkedAgent, Outgoing, Turns
from netagents.learning.protocol.missing_neighbours import LastKnown, without_absent
from netagents.learning.protocol.requests import ROLLOUT_DONE, Answer
from netagents.messages import Report
from netagents.nodes.agent.inbox_recording import InboxRecorder
from netagents.nodes.agent.process_faults import ProcessFaults
from netagents.nodes.agent.rollout_driver import drive_rollout
from netagents.nodes.bootstrap.membership import Membership
from netagents.nodes.clocks.agent_clock import AgentClock, make_clock
from netagents.wire.session.exchange import Exchange

Begin = Callable[[int], Turns]
"""From an iteration to its requests."""

Wrapper = Callable[[int, Turns], Turns]
"""From an iteration and its requests to the requests that are carried out instead."""

Stamp = Callable[[Report], Report]
"""Fills the times of the last iteration into a report."""


class AgentDriver(ABC):
    """Carries out the iterations of one agent.

    Args:
        clock: sends and receives.
        begin: gives the requests of an iteration.
        stamp: completes each report before it is sent.
    """

    def __init__(self, clock: AgentClock, begin: Begin, stamp: Stamp) -> None:
        self._clock, self._begin, self._stamp = clock, begin, stamp

    def run(self, iteration: int) -> None:
        """Carry out one iteration."""
        turns = self._begin(iteration)
        request = next(turns)
        while True:
            self.send(request.outgoing)
            answer = self._answer(request)
            try:
                request = turns.send(answer)
            except StopIteration:
                return

    def send(self, outgoing: Iterable[Outgoing]) -> None:
        """Send messages of the agent."""
        for kind, iteration, step, message, receivers in outgoing:
            self._clock.send(self._stamp(message) if type(message) is Report else message, kind, iteration, step, receivers)

    @abstractmethod
    def _answer(self, request: ExchangeRequest) -> Answer:
        """Carry out a request, whose messages have been sent."""


class StepDriver(AgentDriver):
    """Waits for the messages of each request, under any clock."""

    def _answer(self, request: ExchangeRequest) -> list[Any]:
        return self._clock.receive(request.iteration, request.kind, request.step, request.senders)


class RolloutDriver(AgentDriver):
    """Carries out all steps of an iteration in one loop where the agent offers that.

    Args:
        exchange: of the agent; it :attr:`supports rollouts <netagents.wire.session.receiver.Receiver.supports_rollouts>`.
        begin, stamp: as :class:`AgentDriver`.
    """

    def __init__(self, exchange: Exchange, begin: Begin, stamp: Stamp) -> None:
        super().__init__(exchange, begin, stamp)
        self._exchange = exchange

    def _answer(self, request: ExchangeRequest) -> Answer:
        if request.rollout is None:
            return self._exchange.receive(request.iteration, request.kind, request.step, request.senders)
        drive_rollout(self._exchange, request.rollout)
        return ROLLOUT_DONE


def make_driver(membership: Membership, agent: NetworkedAgent, recorder: InboxRecorder | None, stamp: Stamp) -> AgentDriver:
    """The driver that the experiment asks for.

    Args:
        membership: of the agent's process.
        agent: the agent.
        recorder: records what the agent receives, after everything that changes it.
        stamp: completes each report before it is sent.
    """
    experiment, exchange = membership.setup.experiment, membership.exchange
    clock = make_clock(exchange, experiment, membership.ages)
    faults = ProcessFaults(experiment.faults_of(membership.index), fresh=membership.fresh)
    # The innermost comes first.
    wrappers: list[Wrapper] = []
    if recorder is not None:
        wrappers.append(lambda _, turns: recorder.wrap(turns))
    if experiment.does_without:
        wrappers.append(_AbsenceWrapper(membership, agent))
    if faults.scheduled:
        wrappers.append(lambda _, turns: faults.wrap(turns))
    begin = agent.iterate
    if clock.supports_rollouts and not wrappers:
        return RolloutDriver(exchange, begin, stamp)
    return StepDriver(clock, _wrapped(begin, wrappers), stamp)


def _wrapped(begin: Begin, wrappers: list[Wrapper]) -> Begin:
    def begin_wrapped(iteration: int) -> Turns:
        turns = begin(iteration)
        for wrap in wrappers:
            turns = wrap(iteration, turns)
        return turns

    return begin_wrapped


class _AbsenceWrapper:
    """Replaces the messages of absent neighbours, and keeps the agent's state so that an iteration can begin again."""

    def __init__(self, membership: Membership, agent: NetworkedAgent) -> None:
        self._agent, self._undo_log, self._lost = agent, membership.undo_log, membership.lost
        state_before = self._undo_log.before(membership.first_iteration)
        self._last_known = LastKnown(membership.setup, membership.ages) if state_before is None else state_before[1].copy()
        agent.ledger.leave_out(self._lost)

    def __call__(self, iteration: int, turns: Turns) -> Turns:
        self._undo_log.keep(iteration, self._agent.arrays(), self._last_known)
        return without_absent(turns, self._last_known, self._lost)
