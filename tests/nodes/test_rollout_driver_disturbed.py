"""Whatever comes when, a walk takes and refuses the same as turns do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_agents import ITERATION, NEIGHBOURS, RUN, STEPS, Alone, Post, in_step, letter, state_of, step_of, turn_by_turn, walking

from netagents.messages import ENVIRONMENT, Kind, Ready, State, TruncatedQ
from netagents.wire import Drop, Exchange, Inbox, Transport, open_transport
from netagents.wire.codec.frames import HEAD, PREFIX
from netagents.wire.transport.transport import Listener, Received, ReceivedFrames, WaitResult


def proper_post() -> dict[int, list[Post]]:
    queues = {ENVIRONMENT: [step_of(step) for step in range(STEPS + 1)]}
    return queues | {sender: [state_of(sender, step) for step in range(STEPS + 1)] for sender in NEIGHBOURS[1]}


def elsewhen(post: Post, iteration: int) -> Post:
    (first,) = post.frames
    length, step, _ = PREFIX.unpack_from(first)
    return Post(post.source, [PREFIX.pack(length, step, iteration) + first[HEAD:]])


INTRUDERS: dict[str, Callable[[int, int], Post]] = {
    "garbage": lambda _step, _sender: Post(9, [b"garbage"]),
    "an empty frame": lambda _step, _sender: Post(9, [b""]),
    "zeros": lambda _step, _sender: Post(9, [b"\0" * 500]),
    "frames too many": lambda step, sender: Post(sender, [*state_of(sender, step).frames, b"more"]),
    "bytes too many": lambda step, sender: Post(sender, [state_of(sender, step).frames[0] + bytes(8)]),
    "a state once more": lambda step, sender: state_of(sender, step),
    "a step once more": lambda step, _sender: step_of(step),
    "another run": lambda step, sender: state_of(sender, step, run=b"another!"),
    "another incarnation": lambda step, sender: state_of(sender, step, incarnation=1),
    "its own state": lambda step, _sender: state_of(1, step),
    "a stranger": lambda step, _sender: state_of(7, step),
    "the next iteration": lambda step, sender: state_of(sender, step, iteration=ITERATION + 1),
    "the one after": lambda step, sender: state_of(sender, step, iteration=ITERATION + 2),
    "no iteration": lambda step, sender: elsewhen(state_of(sender, step), -1),
    "the last iteration": lambda step, sender: elsewhen(state_of(sender, step), ITERATION - 1),
    "another look, too late": lambda step, sender: letter(
        sender, Kind.STATE, step, State(np.array([5], np.uint8)), iteration=ITERATION - 1
    ),
    "another kind": lambda step, sender: letter(sender, Kind.TRUNCATED_Q, step, TruncatedQ(np.zeros((2, 2)))),
    "a control message": lambda _step, _sender: letter(ENVIRONMENT, Kind.READY, 0, Ready()),
}


@st.composite
def intruders(draw: st.DrawFn) -> Post:
    return INTRUDERS[draw(st.sampled_from(list(INTRUDERS)))](draw(st.integers(0, STEPS)), draw(st.sampled_from(NEIGHBOURS[1])))


@st.composite
def deliveries(draw: st.DrawFn) -> list[Post]:
    """All that an agent needs, each link in order and the links in any, or step by step as in life, with intruders anywhere."""
    queues = proper_post()
    posts = []
    step_by_step = draw(st.booleans())
    while any(queues.values()):
        if step_by_step:
            posts += [queues[source].pop(0) for source in draw(st.permutations(list(queues)))]
        else:
            posts.append(queues[draw(st.sampled_from([source for source, queue in queues.items() if queue]))].pop(0))
    for intruder in draw(st.lists(intruders(), max_size=6)):
        posts.insert(draw(st.integers(0, len(posts))), intruder)
    return posts


@given(deliveries())
@settings(deadline=None)
def test_whatever_comes_when_a_walk_takes_and_refuses_the_same(posts: list[Post]) -> None:
    transport = open_transport("memory://x")
    try:
        seen = [Alone(transport, posts).go(way) for way in (turn_by_turn, walking)]
    finally:
        transport.close()
    assert seen[0] == seen[1]
    assert len(seen[0]["observed"]) == len(seen[0]["decided"]) == STEPS + 1


@pytest.mark.parametrize("intruder", INTRUDERS)
def test_an_intruder_at_any_place_of_a_step_changes_no_other_than_what_is_dropped(memory: Transport, intruder: str) -> None:
    for place in range(4):
        for step, sender in ((4, 0), (4, 2), (STEPS, 2)):
            posts = in_step()
            posts.insert(3 * step + place, INTRUDERS[intruder](step, sender))
            seen = [Alone(memory, posts).go(way) for way in (turn_by_turn, walking)]
            assert seen[0] == seen[1]


class Scripted(Listener):
    """Messages as they come from users whom a transport knows."""

    endpoint = "script://"

    def __init__(self, received: Sequence[ReceivedFrames]) -> None:
        self.left = list(received)

    def take(self, timeout_seconds: float) -> Received | None:  # noqa: ARG002 - nothing comes later
        return self.left.pop(0) if self.left else None

    def wait(self, descriptors: Sequence[int], timeout_seconds: float) -> WaitResult:  # noqa: ARG002 - as above
        return WaitResult(bool(self.left), ())

    def close(self) -> None:
        pass


def test_a_known_look_from_another_user_is_forged(memory: Transport) -> None:
    users = {ENVIRONMENT: "server", 0: "zero", 2: "two"}
    received = [ReceivedFrames(post.frames, users[post.source]) for post in in_step()]
    forged = letter(0, Kind.STATE, 4, State(np.array([9, 9, 9], np.uint8)))
    received.insert(3 * 4 + 1, ReceivedFrames(forged.frames, "two"))
    seen = []
    for way in (turn_by_turn, walking):
        agent = Alone(memory)
        agent.exchange._listener.close()
        inbox = Inbox(RUN, {Kind.STEP: {ENVIRONMENT}, Kind.STATE: NEIGHBOURS[1]}, nodes=len(NEIGHBOURS), steps=STEPS + 1, strict=False)
        inbox.identify(users)
        earlier, agent.exchange = agent.exchange, Exchange(1, Scripted(received), inbox)
        agent.exchange.adopt(earlier)
        seen.append(agent.go(way))
        assert inbox.dropped == {Drop.FORGED: 1}
    assert seen[0] == seen[1]
