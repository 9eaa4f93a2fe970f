"""Clock of an agent: how its messages are sent and received in lockstep, with bounded staleness or free running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from netagents.experiment import Experiment
from netagents.experiment.clock_settings import BoundedStalenessSettings, FreeRunningSettings
from netagents.learning.protocol.age_counts import AgeCounts
from netagents.messages import Kind, Message
from netagents.nodes.clocks.bounded_staleness import BoundedStaleness
from netagents.nodes.clocks.free_running import FreeRunning
from netagents.nodes.clocks.silent_neighbours import SilenceTolerance
from netagents.wire.session.exchange import Exchange


class AgentClock(Protocol):
    """Sends and receives the messages of one agent; in lockstep the exchange itself does."""

    @property
    def supports_rollouts(self) -> bool:
        """Whether a driver may carry out whole rollouts on the exchange: each step waits for exactly its own messages, and nothing
        between the links and the inbox needs to see them."""

    def send(self, message: Message, kind: Kind, iteration: int, step: int, receivers: Sequence[int]) -> None:
        """Send a message, as :meth:`netagents.wire.session.exchange.Exchange.send` does."""

    def receive(self, iteration: int, kind: Kind, step: int, senders: Sequence[int]) -> list[Any]:
        """One message of each sender, in that order; None for a neighbour whose message the agent does without."""


def make_clock(exchange: Exchange, experiment: Experiment, ages: AgeCounts) -> AgentClock:
    """The clock that an experiment asks for.

    Args:
        exchange: of the agent.
        experiment: the settings.
        ages: counts how old the messages are that the agent uses.
    """
    tolerance = SilenceTolerance(exchange, experiment.timeouts) if experiment.does_without else None
    if isinstance(experiment.clock, BoundedStalenessSettings):
        return BoundedStaleness(exchange, experiment, ages, tolerance)
    if isinstance(experiment.clock, FreeRunningSettings):
        return FreeRunning(exchange, experiment, ages, tolerance)
    return exchange if tolerance is None else tolerance
