"""Going on without an agent: what its neighbours use in the place of what it no longer says.

An absent agent stands still at what was last known of it: policies and critics see its last known state and action.  Its shadow
reward and its Q-values count as zero, as if it were muted, because values along another batch would say nothing about this one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.age_counts import ABSENT, AgeCounts
from netagents.learning.protocol.requests import ExchangeRequest, Outgoing, Turns
from netagents.learning.protocol.setup import Setup
from netagents.messages import Absence, Kind, Message, Pace, State, Trace
from netagents.messages.array_fields import ExpectedArray


class _Received(NamedTuple):
    iteration: int
    step: int
    message: Message


class LastKnown:
    """What one agent last received from each neighbour, and what stands for a message that the neighbour does not send.

    Args:
        setup: what all agents share.
        ages: where the use of what was remembered is counted.
    """

    def __init__(self, setup: Setup, ages: AgeCounts) -> None:
        self._setup, self._ages = setup, ages
        self._received: dict[tuple[Kind, int], _Received] = {}

    def remember(self, turn: ExchangeRequest, sender: int, message: Message) -> None:
        """Remember what a request waited for."""
        self._received[turn.kind, sender] = _Received(turn.iteration, turn.step, message)

    def copy(self) -> LastKnown:
        """The memory as it is now."""
        other = LastKnown(self._setup, self._ages)
        other._received = dict(self._received)
        return other

    def substitute(self, turn: ExchangeRequest, sender: int) -> Message:
        """What stands for a message that is not there, by the row of its kind; its use is counted with its age."""
        kind = turn.kind
        if kind.row.absence is not Absence.HOLD:
            self._ages.count(kind, ABSENT)
            assert kind.row.traffic is not None, "kinds between agents say what is sent"
            templates = kind.row.traffic(self._setup, sender)
            # Several of one form, as for updates from a replay buffer, have one template.
            template: Message = templates[min(turn.step, len(templates) - 1) if kind.row.pace is Pace.ITERATION else 0][0]
            return template
        known = self._newest(kind, sender)
        self._ages.count(kind, ABSENT if known is None else self._age(turn, known))
        state = self._last_state(sender)
        if kind is Kind.STATE:
            return State(state)
        times = self._trace_length(turn.step)
        return Trace(_repeated(state, times), _repeated(self._last_action(sender), times))

    def _newest(self, kind: Kind, sender: int) -> _Received | None:
        return self._received.get((kind, sender)) or self._received.get((Kind.STATE if kind is Kind.TRACE else Kind.TRACE, sender))

    def _age(self, turn: ExchangeRequest, known: _Received) -> int:
        iterations = turn.iteration - known.iteration
        if turn.kind.row.pace is not Pace.STEP:
            return iterations
        step = self._setup.steps if isinstance(known.message, Trace) else known.step
        return iterations * (self._setup.steps + 1) + turn.step - step

    def _last_state(self, sender: int) -> NDArray[Any]:
        known = self._newest(Kind.STATE, sender)
        if known is None:
            return _zeros(self._setup.observation_array(sender, self._setup.batch))
        return known.message.values if isinstance(known.message, State) else np.asarray(known.message.states[-1])  # type: ignore[union-attr]

    def _last_action(self, sender: int) -> NDArray[Any]:
        known = self._received.get((Kind.TRACE, sender))
        if known is None or not isinstance(known.message, Trace):
            return _zeros(self._setup.action_array(sender, self._setup.batch))
        return np.asarray(known.message.actions[-1])

    def _trace_length(self, ordinal: int) -> int:
        """Decisions in a trace: those of the batch, or with ordinal 1 of the further steps of fresh evaluation."""
        return (self._setup.evaluation_steps if ordinal else self._setup.horizon) + 1


def _zeros(expected: ExpectedArray) -> NDArray[Any]:
    return np.zeros(expected.shape, dtype=expected.dtype)


def _repeated(values: NDArray[Any], times: int) -> NDArray[Any]:
    return np.repeat(values[None], times, axis=0)


def without_absent(turns: Turns, memory: LastKnown, lost: Collection[int]) -> Turns:
    """The turns of an agent that does without some others.

    Nothing is sent to the ``lost`` and nothing awaited from them.  A driver may also answer a turn with None in the place of any
    other message that did not come.

    Args:
        turns: what the agent asks for.
        memory: of what it heard, before this iteration.
        lost: agents that are gone.
    """
    turn = next(turns)
    while True:
        present = tuple(sender for sender in turn.senders if sender not in lost)
        outgoing = _to_the_living(turn.outgoing, lost) if lost else turn.outgoing
        received: Any = yield ExchangeRequest(outgoing, turn.kind, turn.iteration, turn.step, present)
        answers: Mapping[int, Message | None] = dict(zip(present, received, strict=True))
        messages: list[Message] = []
        for sender in turn.senders:
            message = answers.get(sender)
            if message is None:
                message = memory.substitute(turn, sender)
            elif sender >= 0:
                memory.remember(turn, sender, message)
            messages.append(message)
        try:
            turn = turns.send(messages)
        except StopIteration:
            return


def _to_the_living(outgoing: list[Outgoing], lost: Collection[int]) -> list[Outgoing]:
    messages = [each._replace(receivers=tuple(j for j in each.receivers if j not in lost)) for each in outgoing]
    return [each for each in messages if each.receivers]
