"""What an agent asks of its driver: messages to send, and the one kind of message it waits for.

The agent is a generator of turns.  A driver sends what a turn lists, waits until every named sender's message is there, and
resumes the agent with those messages in the order of the senders.  The agent itself never blocks, reads a clock or touches a
socket, so the same agent runs in one process with all others or alone behind a transport.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from netagents.messages import Action, Kind, Message, State, Step


class Outgoing(NamedTuple):
    """A message to send: ``receivers`` are node indices, ``step`` is the step or the ordinal within the iteration."""

    kind: Kind
    iteration: int
    step: int
    message: Message
    receivers: tuple[int, ...]


class RolloutRequest(NamedTuple):
    """All steps of an iteration, the last of which is decided and not executed.

    A step is two turns: wait for the server's Step and send ``out_neighbours`` its observation as a State; wait for the State of everyone
    ``in_neighbours``, ``decide``, and send the server the Action.  What a step only passes on stays the bytes in which it travels.

    Attributes:
        iteration, steps: steps 0 to ``steps`` of this iteration.
        out_neighbours, in_neighbours: to whom the State goes, and from whom States come.
        place: of the own observation among the states of the window.
        state, action: messages that look like those of every step, whatever is in them.
        observe: takes in the Step of the next step, or those of several, copies behind copies.
        decide: given the step and the states of the window, gives the actions.
    """

    iteration: int
    steps: int
    out_neighbours: tuple[int, ...]
    in_neighbours: tuple[int, ...]
    place: int
    state: State
    action: Action
    observe: Callable[[Step], object]
    decide: Callable[[int, Sequence[bytes]], bytes]


class ExchangeRequest(NamedTuple):
    """Send ``outgoing``, then wait for one ``kind`` message of (iteration, step) from each of ``senders``, in that order.

    With ``rounds`` it is the first turn of these: a driver that can goes through all of them by itself, and resumes the agent with
    nothing; to any other it is a turn like all.
    """

    outgoing: list[Outgoing]
    kind: Kind
    iteration: int
    step: int
    senders: tuple[int, ...]
    rounds: RolloutRequest | None = None


Turns = Generator[ExchangeRequest, list[Any], None]
