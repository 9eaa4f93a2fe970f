"""Walking through a rollout is the same as going turn by turn, whatever comes in between."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import DeadlineError, NodeFailedError
from netagents.experiment import Timeouts
from netagents.learning.turns import Rounds
from netagents.messages import ENVIRONMENT, Action, Envelope, Kind, Message, Ready, State, Step, Stop, TruncatedQ
from netagents.nodes.walking import walk
from netagents.wire import Drop, Exchange, Inbox, LinkSettings, StopReceivedError, Transport, open_transport
from netagents.wire.codec import Codec
from netagents.wire.faulty import FaultyFeed
from netagents.wire.frames import HEAD, PREFIX
from netagents.wire.link_layer import LinkLayer
from netagents.wire.relay import RelayExchange
from netagents.wire.shelves import ShelfInbox

RUN = b"run-id-8"
STEPS = 6
COPIES = 3
PAUSE = 0.02
"""Of the world, once per iteration, in seconds."""
HEARD = {0: (1,), 1: (0, 2), 2: (1,)}
Walk = Callable[[Exchange, Rounds], None]


def walking(exchange: Exchange, rounds: Rounds) -> None:
    assert exchange.plain
    walk(exchange, rounds)


def turn_by_turn(exchange: Exchange, rounds: Rounds) -> None:
    iteration, steps, audience, heard, place, _, _, observe, decide = rounds
    for step in range(steps + 1):
        (observed,) = exchange.receive(iteration, Kind.STEP, step, (ENVIRONMENT,))
        assert isinstance(observed, Step)
        observe(observed)
        exchange.send(State(observed.observation), Kind.STATE, iteration, step, audience)
        states: Any = exchange.receive(iteration, Kind.STATE, step, heard)
        window = [state.values.tobytes() for state in states]
        window.insert(place, observed.observation.tobytes())
        actions = decide(step, window)
        if step < steps:
            exchange.send(Action(np.frombuffer(actions, np.uint8)), Kind.ACTION, iteration, step, (ENVIRONMENT,))


class Told:
    """An agent that writes down what it is told, and acts on all of it."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.observed: list[tuple[Any, ...]] = []
        self.decided: list[tuple[Any, ...]] = []

    def observe(self, observed: Step) -> None:
        rows = [array.reshape(-1, COPIES).tolist() for array in observed if array is not None]
        self.observed += zip(*rows, strict=True)

    def decide(self, step: int, states: Sequence[bytes]) -> bytes:
        self.decided.append((step, [list(state) for state in states]))
        total = np.zeros(COPIES, int)
        for agent, state in enumerate(states):
            total += (agent + 1) * np.frombuffer(state, np.uint8)
        return ((total + step) % 5).astype(np.uint8).tobytes()

    def rounds(self, iteration: int) -> Rounds:
        heard, values = HEARD[self.index], np.empty(COPIES, np.uint8)
        place = sorted([*heard, self.index]).index(self.index)
        return Rounds(iteration, STEPS, heard, heard, place, State(values), Action(values), self.observe, self.decide)


def node(transport: Transport, address: str, index: int, **options: Any) -> Exchange:
    allowed = {Kind.STEP: {ENVIRONMENT}, Kind.STATE: HEARD[index]} if index >= 0 else {Kind.ACTION: HEARD.keys()}
    inbox = Inbox(RUN, allowed, nodes=3, steps=STEPS + 1, strict=False)
    timeouts = options.pop("timeouts", Timeouts(exchange=5.0, send=0.5))
    return Exchange(index, transport.listen(address), inbox, timeouts=timeouts, **options)


# -- agents that talk to each other --------------------------------------------------------------------------------------


@pytest.fixture(params=["memory", "ipc", "tcp"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], dict[int, Exchange]]]:
    transport = open_transport(f"{request.param}://x", LinkSettings(linger_seconds=0.3))
    names = iter(range(1000))

    def build() -> dict[int, Exchange]:
        address = {"memory": "memory://*", "ipc": f"ipc://{tmp_path}/{next(names)}", "tcp": "tcp://127.0.0.1:0"}
        nodes = {}
        for index in (ENVIRONMENT, *HEARD):
            address["ipc"] = f"ipc://{tmp_path}/{next(names)}"
            nodes[index] = node(transport, address[request.param], index)
        for index, exchange in nodes.items():
            for peer, other in nodes.items():
                if peer != index:
                    exchange.link(peer, transport.connect(other._listener.endpoint))
        return nodes

    yield build
    transport.close()


def play(nodes: dict[int, Exchange], ways: Sequence[Walk], iterations: int) -> list[list[list[tuple[Any, ...]]]]:
    """What each agent was told in a little world in which the next states are the actions, counted on."""
    told = [Told(index) for index in HEARD]

    def agent(index: int) -> None:
        for iteration in range(iterations):
            ways[index](nodes[index], told[index].rounds(iteration))

    threads = [threading.Thread(target=agent, args=(index,)) for index in HEARD]
    for thread in threads:
        thread.start()
    server = nodes[ENVIRONMENT]
    for iteration in range(iterations):
        observations = [np.full(COPIES, index, np.uint8) for index in HEARD]
        for step in range(STEPS + 1):
            if step == STEPS - 1:
                time.sleep(PAUSE)
            for index, observation in enumerate(observations):
                server.send(world_step(observation, step), Kind.STEP, iteration, step, (index,))
            if step < STEPS:
                answers = server.receive(iteration, Kind.ACTION, step, tuple(HEARD))
                observations = [answer.actions + np.arange(COPIES, dtype=np.uint8) for answer in answers if isinstance(answer, Action)]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    return [[each.observed, each.decided] for each in told]


def world_step(observation: np.ndarray, step: int) -> Step:
    return Step(observation, observation / 7.0 + step, np.zeros(COPIES, np.uint8))


def test_those_who_walk_and_those_who_go_turn_by_turn_are_told_the_same(network: Callable[[], dict[int, Exchange]]) -> None:
    seen = []
    for ways in ([turn_by_turn] * 3, [walking] * 3, [walking, turn_by_turn, walking]):
        nodes = network()
        lines = play(nodes, ways, 4)
        traffic = [(dict(nodes[index].traffic.sent), dict(nodes[index].traffic.received)) for index in HEARD]
        seen.append((lines, traffic))
        for exchange in nodes.values():
            assert not exchange.inbox.dropped
            assert len(exchange.inbox) == 0
            assert exchange.traffic.wait_seconds > 4 * PAUSE or exchange.node == ENVIRONMENT
            assert exchange.traffic.serialise_seconds > 0.0
            exchange.close()
    assert seen[0] == seen[1] == seen[2]
    assert [len(lines) for lines in seen[0][0][1]] == [4 * (STEPS + 1)] * 2


# -- an agent that is told everything at once, and more ------------------------------------------------------------------

ITERATION = 3


class Post(NamedTuple):
    """Frames, and which link they come by: of the server (-1), a neighbour or somebody else (9)."""

    source: int
    frames: list[Any]


def letter(
    sender: int, kind: Kind, step: int, message: Message, iteration: int = ITERATION, run: bytes = RUN, incarnation: int = 0
) -> Post:
    return Post(sender, Codec().encode(Envelope(run, incarnation, sender, kind, iteration, step, message)))


def state_of(sender: int, step: int, **changes: Any) -> Post:
    return letter(sender, Kind.STATE, step, State(np.array([sender, step, 7], np.uint8)), **changes)


def step_of(step: int) -> Post:
    return letter(ENVIRONMENT, Kind.STEP, step, world_step(np.array([step, 1, 2], np.uint8), step))


def proper_post() -> dict[int, list[Post]]:
    queues = {ENVIRONMENT: [step_of(step) for step in range(STEPS + 1)]}
    return queues | {sender: [state_of(sender, step) for step in range(STEPS + 1)] for sender in HEARD[1]}


def elsewhen(post: Post, iteration: int) -> Post:
    (first,) = post.frames
    length, step, _ = PREFIX.unpack_from(first)
    return Post(post.source, [PREFIX.pack(length, step, iteration) + first[HEAD:]])


@st.composite
def intruders(draw: st.DrawFn) -> Post:
    step, sender = draw(st.integers(0, STEPS)), draw(st.sampled_from(HEARD[1]))
    return draw(
        st.sampled_from(
            [
                Post(9, [b"garbage"]),
                Post(9, [b""]),
                Post(9, [b"\0" * 500]),
                Post(sender, [*state_of(sender, step).frames, b"more"]),
                state_of(sender, step),  # once more
                step_of(step),
                state_of(sender, step, run=b"another!"),
                state_of(sender, step, incarnation=1),
                state_of(1, step),
                state_of(7, step),
                state_of(sender, step, iteration=ITERATION + 1),
                state_of(sender, step, iteration=ITERATION + 2),
                elsewhen(state_of(sender, step), -1),
                elsewhen(state_of(sender, step), ITERATION - 1),
                letter(sender, Kind.STATE, step, State(np.array([5], np.uint8)), iteration=ITERATION - 1),
                letter(sender, Kind.TRUNCATED_Q, step, TruncatedQ(np.zeros((2, 2)))),
                letter(ENVIRONMENT, Kind.READY, 0, Ready()),
            ]
        )
    )


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


class Alone:
    """Agent 1, with everybody else's mail put into its box beforehand."""

    def __init__(self, transport: Transport, posts: Sequence[Post] = (), **options: Any) -> None:
        self.told, self.heard_control = Told(1), 0
        self.exchange = node(transport, "memory://*", 1, on_control=self._on_control, **options)
        self.sinks = {peer: transport.listen("memory://*") for peer in (ENVIRONMENT, 0, 2)}
        for peer, sink in self.sinks.items():
            self.exchange.link(peer, transport.connect(sink.endpoint))
        links = {source: transport.connect(self.exchange._listener.endpoint) for source in (ENVIRONMENT, 0, 1, 2, 7, 9)}
        for post in posts:
            links[post.source].send(post.frames, 1.0)

    def _on_control(self, envelope: Envelope, _user: str | None) -> None:
        if isinstance(envelope.message, Stop):
            raise StopReceivedError(envelope.message.reason)
        self.heard_control += 1

    def go(self, way: Walk) -> dict[str, Any]:
        """Everything that can be seen of it afterwards."""
        way(self.exchange, self.told.rounds(ITERATION))
        while self.exchange.pump(0.0):
            pass
        inbox, traffic = self.exchange.inbox, self.exchange.traffic
        return {
            "observed": self.told.observed,
            "decided": self.told.decided,
            "control": self.heard_control,
            "dropped": dict(inbox.dropped),
            "waiting": {key: sorted(phase) for key, phase in inbox.phases.items() if phase},
            "sent": dict(traffic.sent),
            "received": dict(traffic.received),
            "said": {peer: [list(frames) for frames, _ in sink.drain()] for peer, sink in self.sinks.items()},
        }


@pytest.fixture
def memory() -> Iterator[Transport]:
    transport = open_transport("memory://x")
    yield transport
    transport.close()


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


def test_the_plain_case_does_not_touch_the_inbox_once_the_looks_are_known(memory: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Alone(memory, [post for step in range(STEPS + 1) for post in (step_of(step), state_of(0, step), state_of(2, step))])
    kept: list[int] = []
    keep = Inbox.keep
    monkeypatch.setattr(Inbox, "keep", lambda self, *what: kept.append(what[3]) or keep(self, *what))
    agent.go(walking)
    assert kept == [0, 0, 0]


@pytest.mark.parametrize(
    ("without", "place", "words"),
    [
        (step_of(4), (Kind.STEP, 4), "step of iteration 3, step 4 from environment"),
        (state_of(2, 4), (Kind.STATE, 4), "state of iteration 3, step 4 from agent 2"),
    ],
)
@pytest.mark.parametrize("way", [turn_by_turn, walking])
def test_what_is_missing_is_named(memory: Transport, without: Post, place: tuple[Kind, int], words: str, way: Walk) -> None:
    posts = [post for queue in proper_post().values() for post in queue if post != without]
    agent = Alone(memory, posts, timeouts=Timeouts(exchange=0.2))
    with pytest.raises(DeadlineError, match=f"waited 0.2 s for {words}") as caught:
        agent.go(way)
    assert caught.value.wait is not None
    assert caught.value.wait.what == words
    assert caught.value.wait.place[2] == place[1]


@pytest.mark.parametrize("way", [turn_by_turn, walking])
def test_a_stop_ends_it_at_once_and_tells_what_was_waited_for(memory: Transport, way: Walk) -> None:
    posts = [post for step in range(3) for post in (step_of(step), state_of(0, step), state_of(2, step))]
    stop = letter(ENVIRONMENT, Kind.STOP, 0, Stop("enough"), iteration=0)
    agent = Alone(memory, [*posts, step_of(3), state_of(2, 3), stop])
    with pytest.raises(StopReceivedError) as caught:
        agent.go(way)
    assert caught.value.wait is not None
    assert caught.value.wait.what == "state of iteration 3, step 3 from agent 0"
    assert len(agent.told.decided) == 3


@pytest.mark.parametrize("way", [turn_by_turn, walking])
def test_who_speaks_under_another_incarnation_from_now_on_is_heard_only_so(memory: Transport, way: Walk) -> None:
    before = [post for step in range(3) for post in (step_of(step), state_of(0, step), state_of(2, step))]
    after = []
    for step in range(3, STEPS + 1):
        after += [state_of(2, step), step_of(step), state_of(0, step), state_of(2, step, incarnation=1)]
    agent = Alone(memory, [*before, letter(ENVIRONMENT, Kind.READY, 0, Ready()), *after])
    agent.exchange.on_control = lambda _envelope, _user: agent.exchange.inbox.renew(2, 1)
    agent.go(way)
    assert agent.exchange.inbox.dropped == {Drop.OTHER_INCARNATION: STEPS - 2}


@pytest.mark.parametrize("way", [turn_by_turn, walking])
def test_what_comes_once_more_during_or_after_it_is_a_duplicate(memory: Transport, way: Walk) -> None:
    posts = [post for step in range(STEPS + 1) for post in (step_of(step), state_of(0, step), state_of(2, step))]
    in_their_step = [step_of(4), step_of(4), state_of(0, 4), state_of(2, 4), state_of(0, 5), state_of(0, 5), step_of(5), state_of(2, 5)]
    agent = Alone(memory, [*posts[:12], *in_their_step, state_of(2, 2), *posts[18:], state_of(2, STEPS), step_of(STEPS)])
    seen = agent.go(way)
    assert seen["dropped"] == {Drop.DUPLICATE: 5}
    assert seen["waiting"] == {}


@pytest.mark.parametrize("silent", [False, True])
def test_descriptors_are_answered_while_messages_flow_and_while_none_do(memory: Transport, silent: bool) -> None:
    posts = [post for step in range(STEPS + 1) for post in (step_of(step), state_of(0, step), state_of(2, step))]
    readable, writable = os.pipe()

    def lost() -> None:
        raise NodeFailedError("the parent is gone")

    agent = Alone(memory, posts[:-1] if silent else posts, watched={readable: lost}, timeouts=Timeouts(exchange=30.0))
    decide = agent.told.decide

    def write_in_step_three(step: int, states: Sequence[bytes]) -> bytes:
        if step == 3:
            os.write(writable, b"x")
            agent.exchange.next_glance = 1e18 if silent else 0.0
        return decide(step, states)

    agent.told.decide = write_in_step_three  # type: ignore[method-assign]
    timer = threading.Timer(0.3, lambda: setattr(agent.exchange, "next_glance", 0.0))
    try:
        timer.start()
        with pytest.raises(NodeFailedError):
            agent.go(walking)
    finally:
        timer.join()
        os.close(readable)
        os.close(writable)
    assert len(agent.told.decided) == (STEPS if silent else 4)


def test_only_a_plain_exchange_walks(memory: Transport) -> None:
    inbox, listener = Inbox(RUN, {}), memory.listen("memory://*")
    layer = LinkLayer(1, listener, (), seed=0, run=RUN, deadline=1.0)
    assert Exchange(1, listener, inbox).plain
    assert not Exchange(1, listener, ShelfInbox(RUN, {}).shelve((), 1)).plain
    assert not Exchange(1, listener, inbox, faults=FaultyFeed((), 1, 0)).plain
    assert not Exchange(1, listener, inbox, links=layer).plain
    assert not RelayExchange(1, listener, inbox, places={}).plain
