"""What an agent asks of its driver: messages to send, and the one kind of message it waits for.

The agent is a generator of turns.  A driver sends what a turn lists, waits until every named sender's message is there, and
resumes the agent with those messages in the order of the senders.  The agent itself never blocks, reads a clock or touches a
socket, so the same agent runs in one process with all others or alone behind a transport.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

from netagents.messages import Kind, Message


class Outgoing(NamedTuple):
    """A message to send: ``receivers`` are node indices, ``step`` is the step or the ordinal within the iteration."""

    kind: Kind
    iteration: int
    step: int
    message: Message
    receivers: tuple[int, ...]


class Turn(NamedTuple):
    """Send ``outgoing``, then wait for one ``kind`` message of (iteration, step) from each of ``senders``, in that order."""

    outgoing: list[Outgoing]
    kind: Kind
    iteration: int
    step: int
    senders: tuple[int, ...]


Turns = Generator[Turn, list[Any], None]
