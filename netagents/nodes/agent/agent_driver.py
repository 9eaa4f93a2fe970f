"""How an agent's turns are answered: under each clock, with scheduled faults, and when neighbours are not heard.

In lockstep, with nothing else asked for, an agent asks the exchange itself and nothing stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from netagents.experiment.clock_settings import BoundedStalenessSettings, FreeRunningSettings
from netagents.learning import NetworkedAgent, Turns
from netagents.learning.interventions.random_actions import beginning
from netagents.learning.protocol.age_counts import AgeCounts
from netagents.learning.protocol.missing_neighbours import LastKnown, without_absent
from netagents.learning.protocol.requests import RolloutRequest
from netagents.messages import ENVIRONMENT, Heartbeat, Kind, Message
from netagents.nodes.agent.inbox_recording import InboxRecorder
from netagents.nodes.agent.process_faults import ProcessFaults
from netagents.nodes.agent.rollout_driver import drive_rollout
from netagents.nodes.bootstrap.membership import Membership
from netagents.nodes.clocks.bounded_staleness import BoundedStaleness
from netagents.nodes.clocks.free_running import FreeRunning
from netagents.nodes.clocks.silent_neighbours import SilenceTolerance

Send = Callable[[Message, Kind, int, int, Sequence[int]], None]
Receive = Callable[[int, Kind, int, Sequence[int]], list[Any]]


def _nothing() -> None:
    """What most runs do at the end of an iteration."""


class Drive(NamedTuple):
    """What runs an agent.

    ``begin`` gives the turns of an iteration; ``send`` and ``receive`` carry them out, or ``walk`` all rounds of them at once, where
    nobody stands in between who deals with single turns; ``close`` is called after each iteration.
    """

    begin: Callable[[int], Turns]
    send: Send
    receive: Receive
    drive_rollout: Callable[[RolloutRequest], None] | None = None
    close: Callable[[], None] = _nothing


def make_driver(membership: Membership, agent: NetworkedAgent, recorder: InboxRecorder | None = None) -> Drive:
    """The drive that the experiment asks for; a recorder writes down what the agent is told in the end, whatever stands between."""
    setup, exchange = membership.setup, membership.exchange
    experiment, ages = setup.experiment, membership.ages
    begin = plainly = beginning(agent) if recorder is None else recorder.around(beginning(agent))
    send: Send = exchange.send
    receive: Receive = exchange.receive
    tolerant: SilenceTolerance | None = None
    if experiment.does_without:
        begin = _Going(membership, agent, begin)
        tolerant = SilenceTolerance(exchange, experiment.timeouts)
        receive = tolerant.receive
    if isinstance(experiment.clock, BoundedStalenessSettings):
        receive = BoundedStaleness(exchange, experiment, ages, tolerant).receive
    elif isinstance(experiment.clock, FreeRunningSettings):
        running = FreeRunning(exchange, experiment, ages, tolerant)
        send, receive = running.send, running.receive
    faults = experiment.faults_of(membership.index)
    disturbance = ProcessFaults(faults, fresh=membership.fresh)
    if disturbance.strikes:
        begin = partial(_disturbed, disturbance, begin)
    plain = begin == plainly and receive == exchange.receive
    walks = plain and recorder is None and exchange.plain
    return Drive(
        begin, send, receive, partial(drive_rollout, exchange) if walks else None, _nothing if plain else partial(_tell, membership, ages)
    )


class _Going:
    """Begins iterations of an agent that may have to do without others."""

    def __init__(self, membership: Membership, agent: NetworkedAgent, begin: Callable[[int], Turns]) -> None:
        self._agent, self._begin = agent, begin
        self._window, self._lost = membership.window, membership.lost
        kept = self._window.before(membership.first_iteration)
        self._memory = LastKnown(membership.setup, membership.ages) if kept is None else kept[1].copy()
        agent.ledger.leave_out(self._lost)

    def __call__(self, iteration: int) -> Turns:
        self._window.keep(iteration, self._agent.arrays(), self._memory)
        return without_absent(self._begin(iteration), self._memory, self._lost)


def _disturbed(disturbance: ProcessFaults, begin: Callable[[int], Turns], iteration: int) -> Turns:
    return disturbance.around(begin(iteration))


def _tell(membership: Membership, ages: AgeCounts) -> None:
    """Tells the server how old what was used has been, once something was."""
    if ages.stale:
        membership.exchange.offer(Heartbeat(np.array(ages.counts)), Kind.HEARTBEAT, 0, 0, ENVIRONMENT)
