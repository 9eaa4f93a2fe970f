"""A channel sends the bytes that the codec would write, and counts them the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_messages import INDEX, RUN, array

from netagents.errors import DeadlineError, ProtocolError
from netagents.messages import Action, Envelope, Kind, Message, State, TruncatedQ
from netagents.wire.codec import Codec
from netagents.wire.codec.limits import LIMITS, Limits
from netagents.wire.session.channel import Channel
from netagents.wire.session.traffic import Traffic
from netagents.wire.transport.transport import LinkSettings, Listener, open_transport


class Ends:
    """A channel from agent 4 to agents 5 and 6, and their listeners."""

    def __init__(self, kind: Kind, limits: Limits = LIMITS, queue: int = 64) -> None:
        self.transport = open_transport("memory://x", LinkSettings(queue=queue))
        self.listeners: list[Listener] = [self.transport.listen("memory://*") for _ in range(2)]
        self.traffic = Traffic()
        peers = [(5 + index, self.transport.connect(listener.endpoint)) for index, listener in enumerate(self.listeners)]
        self.channel = Channel((RUN, 2, 4), kind, peers, Codec(limits), self.traffic, 0.05)

    def arrived(self) -> list[list[list[bytes]]]:
        return [[[bytes(frame) for frame in frames] for frames, _ in listener.drain()] for listener in self.listeners]


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends(Kind.STATE, queue=3)
    yield made
    made.transport.close()


@st.composite
def same_form_messages(draw: st.DrawFn) -> tuple[Kind, Message, Message]:
    """Two messages of a single array with the same dtype and shape."""
    kind, message_type, dtypes = draw(
        st.sampled_from([(Kind.STATE, State, INDEX), (Kind.ACTION, Action, INDEX), (Kind.TRUNCATED_Q, TruncatedQ, ("<f8",))])
    )
    shape = tuple(draw(st.lists(st.integers(0, 20), min_size=2, max_size=2))) if kind is Kind.TRUNCATED_Q else (draw(st.integers(0, 70)),)
    first = array(draw, shape, dtypes)
    second = array(draw, shape, (first.dtype.str,))
    return kind, message_type(first), message_type(second)


@given(same_form_messages(), st.integers(0, 1 << 40), st.integers(0, 1000), st.sampled_from([LIMITS, replace(LIMITS, inline_bytes=50)]))
def test_a_compiled_channel_sends_the_same_message(messages: tuple[Any, ...], iteration: int, step: int, limits: Limits) -> None:
    kind, sample, message = messages
    ends = Ends(kind, limits)
    try:
        channel, send = ends.channel, ends.channel.compile(sample)
        (content,) = message
        channel.send(message, iteration, step)
        before = dict(ends.traffic.sent)[kind].copy()
        send(content.tobytes(), iteration, step)
        frames = [bytes(frame) for frame in Codec(limits).encode(Envelope(RUN, 2, 4, kind, iteration, step, message))]
        assert ends.arrived() == [[frames, frames]] * 2
        assert before == [2, 2 * sum(map(len, frames))]
        assert ends.traffic.sent[kind] == [2 * count for count in before]
    finally:
        ends.transport.close()


def test_a_full_queue_is_waited_for_and_then_an_error_that_names_the_receiver(ends: Ends) -> None:
    send = ends.channel.compile(State(np.zeros(4, np.uint8)))
    for step in range(3):
        send(bytes(4), 7, step)
    ends.listeners[0].drain()
    with pytest.raises(DeadlineError, match=r"state of iteration 7, step 3 could not be sent to agent 6: waited 0.05 s"):
        send(bytes(4), 7, 3)
    first, second = ends.arrived()
    assert len(first) == 1
    assert len(second) == 3


def test_what_breaks_the_schema_is_refused_before_anything_is_sent(ends: Ends) -> None:
    with pytest.raises(ProtocolError, match="state"):
        ends.channel.compile(State(np.zeros(4, np.complex128)))
    assert ends.arrived() == [[], []]
