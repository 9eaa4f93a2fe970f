"""Requests of an agent to its driver: messages to send, and the one kind of message that it waits for.

The agent is a generator of requests.  A driver sends the messages of a request, waits until every named sender's message is there, and
resumes the agent with those messages in the order of the senders.  The agent itself never blocks, reads a clock or touches a socket, so
the same agent runs in one process with all others or alone behind a transport.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from netagents.messages import Action, Kind, Message, State, Step


class Outgoing(NamedTuple):
    """A message to send: ``receivers`` are node indices, ``step`` is the step or the ordinal within the iteration."""

    kind: Kind
    iteration: int
    step: int
    message: Message
    receivers: tuple[int, ...]


class RolloutRequest(NamedTuple):
    """All steps of an iteration; the action of the last one is drawn but not executed.

    A step is two exchange requests: wait for the server's Step, then send its observation as a State to the out-neighbours; wait for the
    States of the in-neighbours, then ``decide`` and send the Action to the server.  States and actions stay the bytes that travel.

    Attributes:
        iteration, steps: steps 0 to ``steps`` of this iteration.
        out_neighbours, in_neighbours: to whom the State goes, and from whom States come.
        own_index: of the agent's own state among the states of the window.
        sample_state, sample_action: messages with the dtypes and shapes of those of every step.
        observe: takes the Step of the next step, or those of several steps concatenated on axis 0.
        decide: from the step and the states of the window to the actions.
    """

    iteration: int
    steps: int
    out_neighbours: tuple[int, ...]
    in_neighbours: tuple[int, ...]
    own_index: int
    sample_state: State
    sample_action: Action
    observe: Callable[[Step], object]
    decide: Callable[[int, Sequence[bytes]], bytes]


class ExchangeRequest(NamedTuple):
    """Send ``outgoing``, then wait for one ``kind`` message of (iteration, step) from each of ``senders``, in that order.

    With ``rollout`` it is the first request of that rollout.  A driver may carry out the whole rollout instead, and then resumes the
    agent with :data:`ROLLOUT_DONE`.
    """

    outgoing: list[Outgoing]
    kind: Kind
    iteration: int
    step: int
    senders: tuple[int, ...]
    rollout: RolloutRequest | None = None


class RolloutDone(Enum):
    """Type of :data:`ROLLOUT_DONE`."""

    ROLLOUT_DONE = "rollout done"


ROLLOUT_DONE: Final = RolloutDone.ROLLOUT_DONE
"""The answer of a driver that has carried out a whole :class:`RolloutRequest`."""

Answer = list[Any] | RolloutDone
"""The messages that a request waits for, or that its rollout is done."""

Turns = Generator[ExchangeRequest, Answer, None]
"""The requests of one iteration of an agent."""
