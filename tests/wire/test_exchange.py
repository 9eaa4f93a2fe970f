"""The exchange delivers phases, waits once, and says what it waited for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netagents.errors import DeadlineError, NodeFailedError, ProtocolError
from netagents.experiment import Timeouts
from netagents.experiment.link_fault_settings import DelayFault, DropFault, FaultSettings, SwapFault
from netagents.messages import ENVIRONMENT, MONITOR, Kind, Message, Ready, State, Stop
from netagents.wire import Drop, Exchange, FaultyFeed, Inbox, LinkSettings, StopReceivedError, Transport, open_transport
from netagents.wire.codec import Codec

RUN = b"run-id-8"
TIMEOUTS = Timeouts(exchange=5.0, send=0.3)


class Network:
    """Agents 0..n-1 and the server, every one linked to every other, over one transport."""

    def __init__(self, transport: Transport, address: Callable[[], str], n: int, **options: Any) -> None:
        nodes = [ENVIRONMENT, *range(n)]
        self.exchanges: dict[int, Exchange] = {}
        self.endpoints: dict[int, str] = {}
        allowed = {Kind.STATE: set(range(n)), Kind.STEP: {ENVIRONMENT}}
        for node in nodes:
            listener = transport.listen(address())
            self.endpoints[node] = listener.endpoint
            faults = options.get("faults")
            feed = FaultyFeed(faults, node, 3) if faults else None
            self.exchanges[node] = Exchange(
                node, listener, Inbox(RUN, allowed, nodes=n), timeouts=TIMEOUTS, faults=feed, watched=options.get("watched")
            )
        for node in nodes:
            for peer in nodes:
                if peer != node:
                    self.exchanges[node].link(peer, transport.connect(self.endpoints[peer]))

    def __getitem__(self, node: int) -> Exchange:
        return self.exchanges[node]


Build = Callable[..., Network]


@pytest.fixture(params=["memory", "unix", "ipc", "tcp"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Build]:
    transport = open_transport(f"{request.param}://x", LinkSettings(insecure=True, linger_seconds=0.3))
    names = iter(range(1000))
    fixed = {"memory": "memory://*", "tcp": "tcp://127.0.0.1:0"}
    yield lambda n, **options: Network(
        transport, lambda: fixed.get(request.param) or f"{request.param}://{tmp_path}/{next(names)}", n, **options
    )
    transport.close()


def state(*values: int) -> State:
    return State(np.array(values, np.uint8))


def values(messages: list[Message]) -> list[list[int]]:
    return [message.values.tolist() for message in messages if isinstance(message, State)]


def test_lockstep_rounds_give_every_node_every_state_in_order(build: Build) -> None:
    network, rounds = build(4), 50
    received: dict[int, list[list[list[int]]]] = {}

    def run(node: int) -> None:
        peers = [peer for peer in range(4) if peer != node]
        received[node] = []
        for number in range(rounds):
            iteration, step = divmod(number, 10)
            network[node].send(state(node, number), Kind.STATE, iteration, step, peers)
            received[node].append(values(network[node].receive(iteration, Kind.STATE, step, peers)))

    threads = [threading.Thread(target=run, args=(node,)) for node in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for node in range(4):
        assert received[node] == [[[peer, number] for peer in range(4) if peer != node] for number in range(rounds)]
        assert not network[node].inbox.dropped
        sent, deliveries = network[node].traffic.sent[Kind.STATE], network[node].traffic.received[Kind.STATE]
        assert sent[0] == deliveries[0] == 3 * rounds
        assert sent[1] == deliveries[1] == 3 * rounds * 42  # counters of 16, a header of 18 with one field, padding to 40, two values
    assert sum(network[node].traffic.sent[Kind.STATE][1] for node in range(4)) == sum(
        network[node].traffic.received[Kind.STATE][1] for node in range(4)
    )
    assert network[0].traffic.wait_seconds > 0.0
    assert network[0].traffic.serialise_seconds > 0.0


def test_messages_carry_the_incarnation_and_the_run_of_the_moment(build: Build) -> None:
    network = build(2)
    codec, headers = Codec(), []
    for change in (lambda: None, lambda: network[1].restart(0, 3), lambda: setattr(network[1].inbox, "run", b"another!")):
        change()
        for value in (1, 2):
            network[1].send(state(value), Kind.STATE, 0, 0, [0])
            received = network[0]._listener.receive(5.0)
            assert received is not None
            headers.append(codec.decode(received.frames)[:2])
    assert headers == [(RUN, 0), (RUN, 0), (RUN, 3), (RUN, 3), (b"another!", 3), (b"another!", 3)]


def test_the_number_of_remembered_channels_is_bounded(build: Build) -> None:
    exchange = build(12)[0]
    lines = [exchange.channel(Kind.STATE, tuple(j for j in range(1, 12) if mask >> (j - 1) & 1)) for mask in range(2048)]
    assert len(set(map(id, lines))) == 2048
    assert len(exchange._channels) <= 1024
    assert exchange.channel(Kind.STATE, tuple(range(1, 12))) is lines[-1]


def test_a_deadline_names_phase_iteration_step_and_missing_peers(build: Build) -> None:
    network = build(4)
    network[1].send(state(1), Kind.STATE, 0, 17, [0])
    with pytest.raises(DeadlineError, match=r"^agent 0: waited 0\.2 s for state of iteration 0, step 17 from agents 2, 3$"):
        network[0].receive(0, Kind.STATE, 17, (1, 2, 3), 0.2)
    with pytest.raises(DeadlineError, match=r"for step of iteration 0, step 1 from environment$"):
        network[0].receive(0, Kind.STEP, 1, (ENVIRONMENT,), 0.05)


def test_who_waits_is_asleep(build: Build) -> None:
    network = build(2)
    start = time.thread_time()
    with pytest.raises(DeadlineError):
        network[0].receive(0, Kind.STATE, 0, (1,), 0.5)
    assert time.thread_time() - start < 0.25
    assert network[0].traffic.wait_seconds > 0.25


def test_messages_that_trickle_in_do_not_put_off_a_deadline(build: Build) -> None:
    network = build(8)
    for peer in range(1, 8):
        network[peer].send(state(peer), Kind.STATE, 0, 0, [0])
    network[0].receive(0, Kind.STATE, 0, range(1, 8), 5.0)

    def trickle() -> None:
        for peer in range(1, 8):
            time.sleep(0.08)
            network[peer].send(state(peer), Kind.STATE, 0, 1, [0])

    thread = threading.Thread(target=trickle)
    thread.start()
    with pytest.raises(DeadlineError, match=r"waited 0.25 s for state of iteration 0, step 1 from agents? .*7$"):
        network[0].receive(0, Kind.STATE, 1, range(1, 8), 0.25)
    thread.join()


RULES: dict[str, tuple[Callable[[Inbox], None], Drop]] = {
    "no longer near": (lambda inbox: inbox.allow({Kind.STEP: {ENVIRONMENT}}), Drop.OUTSIDE_RADIUS),
    "started again": (lambda inbox: inbox.set_incarnation(1, 1), Drop.OTHER_INCARNATION),
    "all begin again": (lambda inbox: inbox.restart(0, 1), Drop.OTHER_INCARNATION),
    "known by name": (lambda inbox: inbox.identify({1: "agent-1"}), Drop.FORGED),
}


@pytest.mark.parametrize("change", RULES)
def test_what_was_accepted_before_is_refused_when_the_rules_have_changed(change: str, build: Build) -> None:
    network, (change_rules, reason) = build(2), RULES[change]
    for step in range(3):
        network[1].send(state(1, step), Kind.STATE, 0, step, [0])
        assert values(network[0].receive(0, Kind.STATE, step, (1,))) == [[1, step]]
    change_rules(network[0].inbox)
    network[1].send(state(1, 3), Kind.STATE, 0, 3, [0])
    with pytest.raises(DeadlineError):
        network[0].receive(0, Kind.STATE, 3, (1,), 0.2)
    assert network[0].inbox.dropped == {reason: 1}


def test_what_was_accepted_before_must_still_arrive_once_and_in_time(build: Build) -> None:
    network = build(2)
    for step in range(3):
        network[1].send(state(step), Kind.STATE, 0, step, [0])
        network[0].receive(0, Kind.STATE, step, (1,))
    network[1].send(state(9), Kind.STATE, 2, 0, [0])
    with pytest.raises(DeadlineError):
        network[0].receive(0, Kind.STATE, 3, (1,), 0.2)
    assert network[0].inbox.dropped == {Drop.FUTURE: 1}
    network[1].send(state(1), Kind.STATE, 0, 1, [0])
    with pytest.raises(ProtocolError, match="state of iteration 0, step 1 arrived twice"):
        network[0].receive(0, Kind.STATE, 3, (1,), 1.0)


def test_nothing_is_waited_for_when_nobody_is_asked(build: Build) -> None:
    assert build(1)[0].receive(3, Kind.STATE, 0, ()) == []


def test_a_stop_ends_the_wait_and_only_the_server_can_send_it(build: Build) -> None:
    network = build(2)
    network[1].send(Stop("from a peer"), Kind.STOP, 0, 0, [0])
    with pytest.raises(DeadlineError):
        network[0].receive(0, Kind.STATE, 0, (1,), 0.2)
    assert network[0].inbox.dropped == {Drop.WRONG_KIND: 1}
    network[ENVIRONMENT].send(Stop("agent 1 failed"), Kind.STOP, 0, 0, [0, 1])
    with pytest.raises(StopReceivedError, match="agent 1 failed"):
        network[0].receive(0, Kind.STATE, 0, (1,))


def test_a_lost_parent_ends_the_wait(build: Build) -> None:
    reader, writer = os.pipe()

    def lost() -> None:
        raise NodeFailedError("the launcher is gone")

    network = build(2, watched={reader: lost})
    threading.Timer(0.1, os.close, (writer,)).start()
    with pytest.raises(NodeFailedError):
        network[0].receive(0, Kind.STATE, 0, (1,))
    os.close(reader)


def test_sending_without_a_link_and_to_a_full_queue_name_the_receiver(build: Build) -> None:
    network = build(2)
    with pytest.raises(ProtocolError, match="no link to agent 7"):
        network[0].send(state(1), Kind.STATE, 0, 0, [7])
    big = State(np.zeros(400_000, np.uint8))

    def flood() -> None:
        for step in range(5_000):
            network[0].send(big, Kind.STATE, 0, step, [1])

    with pytest.raises(DeadlineError, match="could not be sent to agent 1"):
        flood()


def test_an_observer_that_does_not_read_costs_nothing_but_a_count(build: Build) -> None:
    network = build(2)
    big = State(np.zeros(400_000, np.uint8))
    started = time.monotonic()
    taken = sum(network[0].offer(big, Kind.STATE, 0, step, 1) for step in range(1_500))
    assert time.monotonic() - started < 5.0
    assert 0 < taken < 1_500
    assert network[0].traffic.copies_dropped == 1_500 - taken
    assert not network[0].offer(big, Kind.STATE, 0, 0, MONITOR)


def test_garbage_is_counted_and_disturbs_nobody(build: Build) -> None:
    network = build(2)
    network[1]._senders[0].send([b"garbage"], 1.0)
    network[1]._senders[0].send([b"\0" * 500], 1.0)
    network[1].send(state(5), Kind.STATE, 0, 0, [0])
    assert values(network[0].receive(0, Kind.STATE, 0, (1,))) == [[5]]
    assert network[0].inbox.dropped == {Drop.MALFORMED: 2}


def test_serve_answers_control_messages_until_done(build: Build) -> None:
    network = build(3)
    received: list[int] = []
    network[ENVIRONMENT].on_control = lambda envelope, _: received.append(envelope.sender)
    for node in (2, 0, 1):
        network[node].send(Ready(), Kind.READY, 0, 0, [ENVIRONMENT])
    network[ENVIRONMENT].serve(lambda: len(received) == 3, 5.0, lambda _: "unused")
    assert sorted(received) == [0, 1, 2]
    with pytest.raises(DeadlineError, match="environment: waiting for more"):
        network[ENVIRONMENT].serve(lambda: False, 0.05, lambda _: "waiting for more")


def rounds_with(build: Build, faults: tuple[FaultSettings, ...], timeout: float = 5.0) -> list[list[list[int]]]:
    """What agent 0 receives from agents 1 and 2 in twenty rounds."""
    network = build(3, faults=faults)
    for step in range(20):
        for peer in (1, 2):
            network[peer].send(state(peer, step), Kind.STATE, 0, step, [0])
    return [values(network[0].receive(0, Kind.STATE, step, (1, 2), timeout)) for step in range(20)]


def test_delays_change_nothing_but_the_time(build: Build) -> None:
    assert rounds_with(build, (DelayFault(low=0.0, high=0.005),)) == [[[1, step], [2, step]] for step in range(20)]


def test_a_dropped_message_is_a_deadline_that_names_it(build: Build) -> None:
    drop = DropFault(message="state", sender=2, receiver=0, iteration=0, step=7)
    with pytest.raises(DeadlineError, match="state of iteration 0, step 7 from agent 2"):
        rounds_with(build, (drop,), 0.2)


def test_swapped_messages_arrive_under_each_others_name(build: Build) -> None:
    swap = SwapFault(message="state", senders=(2, 1), receiver=0, iteration=0, step=7)
    for faults in ((swap,), (swap, DelayFault(low=0.0, high=0.002))):
        expected = [[[1, step], [2, step]] for step in range(20)]
        expected[7] = [[2, 7], [1, 7]]
        assert rounds_with(build, faults) == expected
