"""A rollout in one loop is the same as its requests one by one."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rollout_agents import (
    COPIES,
    NEIGHBOURS,
    RUN,
    STEPS,
    Delivery,
    Driver,
    RecordingAgent,
    SingleAgent,
    deliveries_in_order,
    delivery,
    make_step,
    node,
    state_of,
    step_by_step,
    step_of,
    whole_rollout,
)

from netagents.errors import DeadlineError, NodeFailedError
from netagents.experiment import Timeouts
from netagents.messages import ENVIRONMENT, Action, Kind, Ready, Stop
from netagents.wire import Drop, Exchange, Inbox, LinkSettings, StopReceivedError, Transport, open_transport
from netagents.wire.codec import Codec
from netagents.wire.codec.limits import LIMITS
from netagents.wire.links.link_layer import LinkLayer
from netagents.wire.relay_exchange import RelayExchange
from netagents.wire.session.delivery_faults import FaultyFeed
from netagents.wire.session.latest_inbox import LatestInbox

PAUSE = 0.02
"""Pause of the server once per iteration, in seconds."""


@pytest.fixture(
    params=[
        *((scheme, LIMITS) for scheme in ("memory", "unix", "ipc", "tcp")),
        *((scheme, replace(LIMITS, inline_bytes=2)) for scheme in ("unix", "ipc")),
    ]
)
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], dict[int, Exchange]]]:
    scheme, limits = request.param
    transport = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=0.3))
    names = iter(range(1000))

    def build() -> dict[int, Exchange]:
        fixed = {"memory": "memory://*", "tcp": "tcp://127.0.0.1:0"}
        nodes = {}
        for index in (ENVIRONMENT, *NEIGHBOURS):
            address = fixed.get(scheme) or f"{scheme}://{tmp_path}/{next(names)}"
            nodes[index] = node(transport, address, index, codec=Codec(limits))
        for index, exchange in nodes.items():
            for peer, other in nodes.items():
                if peer != index:
                    exchange.link(peer, transport.connect(other._listener.endpoint))
        return nodes

    yield build
    transport.close()


def play(nodes: dict[int, Exchange], drivers: Sequence[Driver], iterations: int) -> list[list[list[tuple[Any, ...]]]]:
    """What each agent receives in a small world whose next states are the actions plus the copy index."""
    agents = [RecordingAgent(index) for index in NEIGHBOURS]

    def agent(index: int) -> None:
        for iteration in range(iterations):
            drivers[index](nodes[index], agents[index].request(iteration))

    threads = [threading.Thread(target=agent, args=(index,)) for index in NEIGHBOURS]
    for thread in threads:
        thread.start()
    server = nodes[ENVIRONMENT]
    for iteration in range(iterations):
        observations = [np.full(COPIES, index, np.uint8) for index in NEIGHBOURS]
        for step in range(STEPS + 1):
            if step == STEPS - 1:
                time.sleep(PAUSE)
            for index, observation in enumerate(observations):
                server.send(make_step(observation, step), Kind.STEP, iteration, step, (index,))
            if step < STEPS:
                answers = server.receive(iteration, Kind.ACTION, step, tuple(NEIGHBOURS))
                observations = [answer.actions + np.arange(COPIES, dtype=np.uint8) for answer in answers if isinstance(answer, Action)]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    return [[each.observed, each.decided] for each in agents]


def test_both_drivers_give_agents_the_same(network: Callable[[], dict[int, Exchange]]) -> None:
    outcomes = []
    for drivers in ([step_by_step] * 4, [whole_rollout] * 4, [whole_rollout, step_by_step, whole_rollout, whole_rollout]):
        nodes = network()
        lines = play(nodes, drivers, 4)
        traffic = [(dict(nodes[index].traffic.sent), dict(nodes[index].traffic.received)) for index in NEIGHBOURS]
        outcomes.append((lines, traffic))
        for exchange in nodes.values():
            assert not exchange.inbox.dropped
            assert len(exchange.inbox) == 0
            assert exchange.traffic.wait_seconds > 4 * PAUSE or exchange.node == ENVIRONMENT
            assert exchange.traffic.serialise_seconds > 0.0
            exchange.close()
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert [len(lines) for lines in outcomes[0][0][1]] == [4 * (STEPS + 1)] * 2


def test_steps_of_two_alternating_shapes_are_read_correctly(memory: Transport) -> None:
    messages = deliveries_in_order()
    for step in (1, 3, 4, 6):
        moving = make_step(np.array([step, 1, 2], np.uint8), step)._replace(hops=np.ones((COPIES, 2), np.uint8))
        messages[3 * step] = delivery(ENVIRONMENT, Kind.STEP, step, moving)
    outcomes = [SingleAgent(memory, messages).run(driver) for driver in (step_by_step, whole_rollout)]
    assert outcomes[0] == outcomes[1]


def test_the_inbox_is_not_used_once_the_headers_are_known(memory: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = SingleAgent(memory, deliveries_in_order())
    uses: list[int] = []
    put = Inbox.put
    monkeypatch.setattr(Inbox, "put", lambda self, envelope, user: uses.append(envelope.step) or put(self, envelope, user))
    agent.run(whole_rollout)
    assert uses == [0, 0, 0]


@pytest.mark.parametrize(
    ("without", "place", "words"),
    [
        (step_of(4), (Kind.STEP, 4), "step of iteration 3, step 4 from environment"),
        (state_of(2, 4), (Kind.STATE, 4), "state of iteration 3, step 4 from agent 2"),
    ],
)
@pytest.mark.parametrize("driver", [step_by_step, whole_rollout])
def test_what_is_missing_is_named(memory: Transport, without: Delivery, place: tuple[Kind, int], words: str, driver: Driver) -> None:
    messages = [message for message in deliveries_in_order() if message != without]
    agent = SingleAgent(memory, messages, timeouts=Timeouts(exchange=0.2))
    with pytest.raises(DeadlineError, match=f"waited 0.2 s for {words}") as caught:
        agent.run(driver)
    assert caught.value.wait is not None
    assert caught.value.wait.what == words
    assert caught.value.wait.place[2] == place[1]


@pytest.mark.parametrize("driver", [step_by_step, whole_rollout])
def test_a_stop_ends_a_rollout_at_once_and_names_the_wait(memory: Transport, driver: Driver) -> None:
    messages = [message for step in range(3) for message in (step_of(step), state_of(0, step), state_of(2, step))]
    stop = delivery(ENVIRONMENT, Kind.STOP, 0, Stop("enough"), iteration=0)
    agent = SingleAgent(memory, [*messages, step_of(3), state_of(2, 3), stop])
    with pytest.raises(StopReceivedError) as caught:
        agent.run(driver)
    assert caught.value.wait is not None
    assert caught.value.wait.what == "state of iteration 3, step 3 from agent 0"
    assert len(agent.agent.decided) == 3


@pytest.mark.parametrize("driver", [step_by_step, whole_rollout])
def test_a_new_incarnation_replaces_the_old_one_within_a_rollout(memory: Transport, driver: Driver) -> None:
    before = [message for step in range(3) for message in (step_of(step), state_of(0, step), state_of(2, step))]
    after = []
    for step in range(3, STEPS + 1):
        after += [state_of(2, step), step_of(step), state_of(0, step), state_of(2, step, incarnation=1)]
    agent = SingleAgent(memory, [*before, delivery(ENVIRONMENT, Kind.READY, 0, Ready()), *after])
    agent.exchange.on_control = lambda _envelope, _user: agent.exchange.inbox.set_incarnation(2, 1)
    agent.run(driver)
    assert agent.exchange.inbox.dropped == {Drop.OTHER_INCARNATION: STEPS - 2}


@pytest.mark.parametrize("driver", [step_by_step, whole_rollout])
def test_a_repeated_message_during_or_after_a_rollout_is_a_duplicate(memory: Transport, driver: Driver) -> None:
    messages = deliveries_in_order()
    in_their_step = [step_of(4), step_of(4), state_of(0, 4), state_of(2, 4), state_of(0, 5), state_of(0, 5), step_of(5), state_of(2, 5)]
    agent = SingleAgent(memory, [*messages[:12], *in_their_step, state_of(2, 2), *messages[18:], state_of(2, STEPS), step_of(STEPS)])
    outcomes = agent.run(driver)
    assert outcomes["dropped"] == {Drop.DUPLICATE: 5}
    assert outcomes["waiting"] == {}


@pytest.mark.parametrize("silent", [False, True])
def test_descriptors_are_answered_while_messages_flow_and_while_none_do(memory: Transport, silent: bool) -> None:
    messages = deliveries_in_order()
    readable, writable = os.pipe()

    def lost() -> None:
        raise NodeFailedError("the parent is gone")

    agent = SingleAgent(memory, messages[:-1] if silent else messages, watched={readable: lost}, timeouts=Timeouts(exchange=30.0))
    decide = agent.agent.decide

    def write_in_step_three(step: int, states: Sequence[bytes]) -> bytes:
        if step == 3:
            os.write(writable, b"x")
            agent.exchange.next_poll = 1e18 if silent else 0.0
        return decide(step, states)

    agent.agent.decide = write_in_step_three  # type: ignore[method-assign]
    timer = threading.Timer(0.3, lambda: setattr(agent.exchange, "next_poll", 0.0))
    try:
        timer.start()
        with pytest.raises(NodeFailedError):
            agent.run(whole_rollout)
    finally:
        timer.join()
        os.close(readable)
        os.close(writable)
    assert len(agent.agent.decided) == (STEPS if silent else 4)


def test_only_an_undisturbed_lockstep_exchange_supports_rollouts(memory: Transport) -> None:
    inbox, listener = Inbox(RUN, {}), memory.listen("memory://*")
    layer = LinkLayer(1, listener, (), seed=0, run=RUN, deadline=1.0)
    assert Exchange(1, listener, inbox).supports_rollouts
    assert not Exchange(1, listener, LatestInbox(RUN, {}).keep_latest((), 1)).supports_rollouts
    assert not Exchange(1, listener, inbox, faults=FaultyFeed((), 1, 0)).supports_rollouts
    assert not Exchange(1, listener, inbox, links=layer).supports_rollouts
    assert not RelayExchange(1, listener, inbox, tree_nodes={}).supports_rollouts
