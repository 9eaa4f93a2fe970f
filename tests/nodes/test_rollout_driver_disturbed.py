"""Whatever arrives and when, both drivers accept and refuse the same messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_agents import (
    ITERATION,
    NEIGHBOURS,
    RUN,
    STEPS,
    Delivery,
    SingleAgent,
    deliveries_in_order,
    delivery,
    state_of,
    step_by_step,
    step_of,
    whole_rollout,
)

from netagents.messages import ENVIRONMENT, Kind, Ready, State, TruncatedQ
from netagents.wire import Drop, Exchange, Inbox, Transport, open_transport
from netagents.wire.codec.frames import HEAD, PREFIX
from netagents.wire.transport.transport import Listener, Received, ReceivedFrames, WaitResult


def expected_deliveries() -> dict[int, list[Delivery]]:
    queues = {ENVIRONMENT: [step_of(step) for step in range(STEPS + 1)]}
    return queues | {sender: [state_of(sender, step) for step in range(STEPS + 1)] for sender in NEIGHBOURS[1]}


def at_iteration(message: Delivery, iteration: int) -> Delivery:
    (first,) = message.frames
    length, step, _ = PREFIX.unpack_from(first)
    return Delivery(message.source, [PREFIX.pack(length, step, iteration) + first[HEAD:]])


INTRUDERS: dict[str, Callable[[int, int], Delivery]] = {
    "garbage": lambda _step, _sender: Delivery(9, [b"garbage"]),
    "an empty frame": lambda _step, _sender: Delivery(9, [b""]),
    "zeros": lambda _step, _sender: Delivery(9, [b"\0" * 500]),
    "frames too many": lambda step, sender: Delivery(sender, [*state_of(sender, step).frames, b"more"]),
    "bytes too many": lambda step, sender: Delivery(sender, [state_of(sender, step).frames[0] + bytes(8)]),
    "a state once more": lambda step, sender: state_of(sender, step),
    "a step once more": lambda step, _sender: step_of(step),
    "another run": lambda step, sender: state_of(sender, step, run=b"another!"),
    "another incarnation": lambda step, sender: state_of(sender, step, incarnation=1),
    "its own state": lambda step, _sender: state_of(1, step),
    "a stranger": lambda step, _sender: state_of(7, step),
    "the next iteration": lambda step, sender: state_of(sender, step, iteration=ITERATION + 1),
    "the one after": lambda step, sender: state_of(sender, step, iteration=ITERATION + 2),
    "no iteration": lambda step, sender: at_iteration(state_of(sender, step), -1),
    "the last iteration": lambda step, sender: at_iteration(state_of(sender, step), ITERATION - 1),
    "another shape, too late": lambda step, sender: delivery(
        sender, Kind.STATE, step, State(np.array([5], np.uint8)), iteration=ITERATION - 1
    ),
    "another kind": lambda step, sender: delivery(sender, Kind.TRUNCATED_Q, step, TruncatedQ(np.zeros((2, 2)))),
    "a control message": lambda _step, _sender: delivery(ENVIRONMENT, Kind.READY, 0, Ready()),
}


@st.composite
def intruders(draw: st.DrawFn) -> Delivery:
    return INTRUDERS[draw(st.sampled_from(list(INTRUDERS)))](draw(st.integers(0, STEPS)), draw(st.sampled_from(NEIGHBOURS[1])))


@st.composite
def deliveries(draw: st.DrawFn) -> list[Delivery]:
    """All messages of a rollout, in order on each link, links interleaved freely or step by step, with intruders anywhere."""
    queues = expected_deliveries()
    messages = []
    step_by_step = draw(st.booleans())
    while any(queues.values()):
        if step_by_step:
            messages += [queues[source].pop(0) for source in draw(st.permutations(list(queues)))]
        else:
            messages.append(queues[draw(st.sampled_from([source for source, queue in queues.items() if queue]))].pop(0))
    for intruder in draw(st.lists(intruders(), max_size=6)):
        messages.insert(draw(st.integers(0, len(messages))), intruder)
    return messages


@given(deliveries())
@settings(deadline=None)
def test_both_drivers_accept_and_refuse_the_same_messages(messages: list[Delivery]) -> None:
    transport = open_transport("memory://x")
    try:
        outcomes = [SingleAgent(transport, messages).run(driver) for driver in (step_by_step, whole_rollout)]
    finally:
        transport.close()
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]["observed"]) == len(outcomes[0]["decided"]) == STEPS + 1


@pytest.mark.parametrize("intruder", INTRUDERS)
def test_an_intruder_at_any_position_of_a_step_has_the_same_effect_on_both_drivers(memory: Transport, intruder: str) -> None:
    for place in range(4):
        for step, sender in ((4, 0), (4, 2), (STEPS, 2)):
            messages = deliveries_in_order()
            messages.insert(3 * step + place, INTRUDERS[intruder](step, sender))
            outcomes = [SingleAgent(memory, messages).run(driver) for driver in (step_by_step, whole_rollout)]
            assert outcomes[0] == outcomes[1]


class Scripted(Listener):
    """Messages from authenticated users."""

    endpoint = "script://"

    def __init__(self, received: Sequence[ReceivedFrames]) -> None:
        self.left = list(received)

    def take(self, timeout_seconds: float) -> Received | None:  # noqa: ARG002 - nothing comes later
        return self.left.pop(0) if self.left else None

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:  # noqa: ARG002 - as above
        return WaitResult(bool(self.left), ())

    def close(self) -> None:
        pass


def test_a_known_header_from_another_user_is_forged(memory: Transport) -> None:
    users = {ENVIRONMENT: "server", 0: "zero", 2: "two"}
    received = [ReceivedFrames(message.frames, users[message.source]) for message in deliveries_in_order()]
    forged = delivery(0, Kind.STATE, 4, State(np.array([9, 9, 9], np.uint8)))
    received.insert(3 * 4 + 1, ReceivedFrames(forged.frames, "two"))
    outcomes = []
    for driver in (step_by_step, whole_rollout):
        agent = SingleAgent(memory)
        agent.exchange._listener.close()
        inbox = Inbox(RUN, {Kind.STEP: {ENVIRONMENT}, Kind.STATE: NEIGHBOURS[1]}, nodes=len(NEIGHBOURS), steps=STEPS + 1, strict=False)
        inbox.identify(users)
        earlier, agent.exchange = agent.exchange, Exchange(1, Scripted(received), inbox)
        agent.exchange.adopt(earlier)
        outcomes.append(agent.run(driver))
        assert inbox.dropped == {Drop.FORGED: 1}
    assert outcomes[0] == outcomes[1]
