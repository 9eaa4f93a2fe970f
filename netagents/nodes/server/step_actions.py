"""Actions of a step as the server takes them in lockstep: in one array, without a message for each, while nothing else happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NetagentsError
from netagents.messages import Action, Kind, Message
from netagents.wire.codec.message_template import MessageTemplate
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.steady_links import SteadyLinks
from netagents.wire.transport.transport import Received


class StepActions:
    """Takes the actions of all agents, step by step, with the same result as :meth:`Exchange.receive` for each step.

    Args:
        exchange: the server's; it :attr:`supports rollouts <netagents.wire.session.receiver.Receiver.supports_rollouts>`.
        agents: all of them.
    """

    def __init__(self, exchange: Exchange, agents: tuple[int, ...]) -> None:
        self._exchange, self._agents = exchange, agents
        self._iteration = -1
        self._links: SteadyLinks | None = None
        self._form: tuple[np.dtype[Any], int] | None = None

    def take(self, iteration: int, step: int) -> Sequence[NDArray[Any]]:
        """One array (B, ...) per agent, or all of them as one.

        Raises:
            NetagentsError: as :meth:`Exchange.receive`.
        """
        inbox, links = self._exchange.inbox, self._links
        if iteration != self._iteration:
            # With the first actions of an iteration come reports.
            self._iteration, self._links = iteration, None
            return self._receive(iteration, step)
        if inbox.phases:
            self._links = None
            return self._receive(iteration, step)
        arrivals: dict[int, tuple[MessageTemplate, bytes]] = {}
        phases = {Kind.ACTION: arrivals}
        if links is None:
            other = self._exchange.gather(iteration, step, phases, Kind.ACTION, self._agents, raw=True)
        else:
            other = links.gather(step, phases)
        if len(arrivals) < len(self._agents):
            self._links = None
            return self._receive_rest(iteration, step, arrivals, other)
        inbox.resume_at(iteration, step + 1, {Kind.ACTION: {}})
        if links is None:
            self._links = self._exchange.steady_links(iteration, Kind.ACTION, self._agents, arrivals)
            self._form = _common_form([template for template, _ in arrivals.values()])
        in_order = [arrivals[agent] for agent in self._agents]
        if self._form is None or self._links is None:
            return [_actions_of(template.read(frame)) for template, frame in in_order]
        dtype, copies = self._form
        together = np.frombuffer(b"".join([frame[template.lead] for template, frame in in_order]), dtype)
        # Its rows are the agents' actions.
        return cast("Sequence[NDArray[Any]]", together.reshape(len(in_order), copies))

    def _receive_rest(
        self, iteration: int, step: int, arrivals: dict[int, tuple[MessageTemplate, bytes]], other: Received | None
    ) -> list[NDArray[Any]]:
        """Finish a step message by message."""
        messages = {agent: template.read(frame) for agent, (template, frame) in arrivals.items()}
        self._exchange.inbox.resume_at(iteration, step, {Kind.ACTION: messages})
        if other is not None:
            self._process(other, iteration, step)
        return self._receive(iteration, step)

    def _process(self, other: Received, iteration: int, step: int) -> None:
        try:
            self._exchange.process_other(other)
        except NetagentsError as error:
            error.wait = self._exchange.wait(iteration, Kind.ACTION, step, self._agents)
            raise

    def _receive(self, iteration: int, step: int) -> list[NDArray[Any]]:
        received = self._exchange.receive(iteration, Kind.ACTION, step, self._agents)
        return [_actions_of(message) for message in received]


def _actions_of(message: Message) -> NDArray[Any]:
    assert isinstance(message, Action), "nothing else was waited for"
    return message.actions


def _common_form(templates: Sequence[MessageTemplate]) -> tuple[np.dtype[Any], int] | None:
    """Dtype and length of the one-dimensional arrays that the messages hold, where they are the same for all."""
    forms = {template.vector for template in templates}
    return forms.pop() if len(forms) == 1 else None
