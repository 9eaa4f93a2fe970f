"""Functions that send messages of one form put the same bytes on the link as sending each by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netagents.messages import ENVIRONMENT, Kind, State, Step
from netagents.wire import Exchange, Inbox, LinkSettings, open_transport
from netagents.wire.codec import Codec
from netagents.wire.codec.limits import LIMITS

RUN = b"run-id-8"


def step_of(copies: int, shape: tuple[int, ...], value: int, **changes: Any) -> Step:
    observation = np.full((copies, *shape), value, np.float64 if shape else np.uint8)
    return Step(observation, np.full(copies, value / 7.0), np.full(copies, value % 2, np.uint8), **changes)


@pytest.mark.parametrize("copies", [1, 3, 64, 20_000])
@pytest.mark.parametrize("shape", [(), (2,)])
def test_a_form_that_is_compiled_sends_the_same_bytes(copies: int, shape: tuple[int, ...]) -> None:
    transport = open_transport("memory://x", LinkSettings())
    taken, traffic = [], []
    masked = {"hops": np.zeros((copies, 0), np.uint8), "mask": np.ones((copies, 2), bool)}
    for compiled in (False, True):
        exchange = Exchange(ENVIRONMENT, transport.listen("memory://*"), Inbox(RUN, {}, nodes=1))
        sink = transport.listen("memory://*")
        exchange.link(0, transport.connect(sink.endpoint))
        channel = exchange.channel(Kind.STEP, (0,))
        send = channel.compile_arrays(step_of(copies, shape, 0)) if compiled else channel.send
        for step, message in enumerate([step_of(copies, shape, 1), step_of(copies, shape, 2, **masked), step_of(copies + 1, shape, 3)]):
            send(message, 5, step)
        taken.append([b"".join(bytes(frame) for frame in received.frames) for received in sink.drain()])
        traffic.append(dict(exchange.traffic.sent))
    assert taken[0] == taken[1]
    assert len(taken[0]) == 3
    assert traffic[0] == traffic[1]
    transport.close()


def test_what_travels_in_frames_of_its_own_is_sent_as_ever() -> None:
    from dataclasses import replace

    codec = Codec(replace(LIMITS, inline_bytes=2))
    assert codec.compile_arrays(RUN, 0, ENVIRONMENT, Kind.STEP, step_of(4, (), 1)) is None
    assert codec.compile_arrays(RUN, 0, 0, Kind.STATE, State(np.zeros(1, np.uint8))) is not None
