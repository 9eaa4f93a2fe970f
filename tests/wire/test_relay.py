"""Relay routing: neighbours hand messages on; everybody hears what direct links would bring, and a forwarder cannot leave its path."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import DeadlineError
from netagents.experiment import Timeouts
from netagents.experiment.link_fault_settings import DelayFault, DropFault
from netagents.messages import ENVIRONMENT, Bundle, Envelope, Kind, Message, State, Stop, TruncatedQ
from netagents.topology import Topology, relay_tree
from netagents.wire import Drop, FaultyFeed, Inbox, LinkSettings, StopReceivedError, Transport, open_transport
from netagents.wire.codec import Codec
from netagents.wire.relay_exchange import RelayExchange, _bundle, _Queue, _unbundle
from netagents.wire.transport.transport import ReceivedFrames

RUN = b"run-id-8"
TIMEOUTS = Timeouts(exchange=5.0, send=0.3)
LINE = Topology(5, ((0, 1), (1, 2), (2, 3), (3, 4)))
WHEEL = Topology(7, ((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (0, 6), (6, 3)))


class Network:
    """Agents on a graph, each linked to those neighbours that its trees ask for, all with the same radius for every kind."""

    def __init__(self, transport: Transport, address: Callable[[], str], graph: Topology, radius: int, **options: Any) -> None:
        self.graph, self.in_neighbours = graph, {i: tuple(j for j in graph.hops.within(i, radius) if j != i) for i in range(graph.n)}
        trees = {origin: relay_tree(graph, origin, self.in_neighbours[origin]) for origin in range(graph.n)}
        self.exchanges: dict[int, RelayExchange] = {}
        self.transport = transport
        for node in range(graph.n):
            places = {origin: tree[node] for origin, tree in trees.items() if node in tree}
            allowed = {Kind.STATE: self.in_neighbours[node], Kind.TRUNCATED_Q: self.in_neighbours[node]}
            faults = options.get("faults")
            inbox = Inbox(RUN, allowed, nodes=graph.n, strict=False)
            inbox.identify(options.get("users", {}).get(node, {}))
            self.exchanges[node] = RelayExchange(
                node,
                transport.listen(address()),
                inbox,
                timeouts=options.get("timeouts", TIMEOUTS),
                faults=FaultyFeed(faults, node, 3) if faults else None,
                tree_nodes={Kind.STATE: places, Kind.TRUNCATED_Q: places},
            )
        for node, exchange in self.exchanges.items():
            for neighbour in graph.neighbours(node):
                exchange.link(neighbour, transport.connect(self[neighbour]._listener.endpoint))

    def __getitem__(self, node: int) -> RelayExchange:
        return self.exchanges[node]

    def run(self, rounds: int) -> dict[int, list[list[list[int]]]]:
        """Lockstep: everybody tells and hears a state per round, and large values at the end."""
        received: dict[int, list[list[list[int]]]] = {node: [] for node in self.exchanges}

        def live(node: int) -> None:
            exchange, in_neighbours = self[node], self.in_neighbours[node]
            for number in range(rounds):
                iteration, step = divmod(number, 10)
                exchange.send(state(node, number), Kind.STATE, iteration, step, in_neighbours)
                received[node].append(values(exchange.receive(iteration, Kind.STATE, step, in_neighbours)))
            exchange.send(TruncatedQ(np.full((4, 1000), float(node))), Kind.TRUNCATED_Q, iteration, 0, in_neighbours)
            messages = exchange.receive(iteration, Kind.TRUNCATED_Q, 0, in_neighbours)
            received[node].append([[int(each.values.mean())] for each in messages if isinstance(each, TruncatedQ)])
            assert all(each.values.flags.aligned for each in messages if isinstance(each, TruncatedQ))
            # Who has what it needs still hands on for others.
            finish_line.wait_for_all(lambda: exchange.pump(0.01))

        finish_line = Together(len(self.exchanges))
        threads = [threading.Thread(target=live, args=(node,)) for node in self.exchanges]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return received


class Together:
    """Threads that go on with something until all have come here."""

    def __init__(self, count: int) -> None:
        self._left, self._lock = count, threading.Lock()

    def wait_for_all(self, meanwhile: Callable[[], object]) -> None:
        with self._lock:
            self._left -= 1
        limit = time.monotonic() + 30.0
        while self._left and time.monotonic() < limit:
            meanwhile()


Build = Callable[..., Network]


@pytest.fixture(params=["memory", "unix", "ipc", "tcp"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Build]:
    transport = open_transport(f"{request.param}://x", LinkSettings(insecure=True, linger_seconds=0.3))
    names = iter(range(1000))
    fixed = {"memory": "memory://*", "tcp": "tcp://127.0.0.1:0"}
    yield lambda graph, radius, **options: Network(
        transport, lambda: fixed.get(request.param) or f"{request.param}://{tmp_path}/{next(names)}", graph, radius, **options
    )
    transport.close()


def state(*numbers: int) -> State:
    return State(np.array(numbers, np.uint8))


def values(messages: list[Message]) -> list[list[int]]:
    return [message.values.tolist() for message in messages if isinstance(message, State)]


def expected(network: Network, rounds: int) -> dict[int, list[list[list[int]]]]:
    return {
        node: [[[peer, number] for peer in in_neighbours] for number in range(rounds)] + [[[peer] for peer in in_neighbours]]
        for node, in_neighbours in network.in_neighbours.items()
    }


@pytest.mark.parametrize(("graph", "radius"), [(LINE, 1), (LINE, 2), (LINE, 4), (WHEEL, 3)], ids=str)
def test_everybody_hears_everyone_within_the_radius_and_each_link_is_crossed_once(build: Build, graph: Topology, radius: int) -> None:
    network, rounds = build(graph, radius), 30
    assert network.run(rounds) == expected(network, rounds)
    edges = sum(len(relay_tree(graph, origin, network.in_neighbours[origin])) - 1 for origin in range(graph.n))
    carried = [exchange.relay_counts for exchange in network.exchanges.values()]
    assert sum(each.kinds[Kind.STATE][0] for each in carried) == rounds * edges
    assert sum(each.kinds[Kind.STATE][1] for each in carried) == rounds * edges * 2
    assert sum(each.kinds[Kind.TRUNCATED_Q][1] for each in carried) == edges * 4 * 1000 * 8
    firsts = sum(len(graph.neighbours(node)) for node in range(graph.n))
    handed_on = (rounds + 1) * (edges - firsts)
    assert sum(each.taken for each in carried) == handed_on
    bundles = sum(each.bundles for each in carried)
    assert bundles <= handed_on
    assert (bundles > 0) == (radius > 1)
    assert (sum(each.hop_nanoseconds for each in carried) > 0) == (radius > 1)
    for exchange in network.exchanges.values():
        assert not exchange.inbox.dropped
        # On the sockets there were the nodes' own messages, for the first hop, and bundles.
        assert exchange.traffic.sent[Kind.STATE][0] == rounds * len(graph.neighbours(exchange.node))
        assert exchange.traffic.sent.get(Kind.BUNDLE, [0])[0] == exchange.relay_counts.bundles


def test_delays_of_delivery_change_nothing_but_the_time(build: Build) -> None:
    network = build(LINE, 4, faults=(DelayFault(low=0.0, high=0.003),))
    assert network.run(20) == expected(network, 20)


def test_a_message_that_gets_lost_is_named_with_the_way_it_should_have_come(build: Build) -> None:
    network = build(LINE, 3, timeouts=Timeouts(exchange=0.3, send=0.3))
    network[0].send(state(0), Kind.STATE, 2, 5, network.in_neighbours[0])
    for node in (1, 2):
        network[node].send(state(node), Kind.STATE, 2, 5, network.in_neighbours[node])
        network[node].pump(0.2)
    # Agent 2 dies before it hands on what agent 0 said.
    with pytest.raises(DeadlineError, match=r"waited 0.3 s for state of iteration 2, step 5 from agents 0, 1, 4 by way of agent 2"):
        network[3].receive(2, Kind.STATE, 5, network.in_neighbours[3])


def test_a_dropped_message_is_lost_for_one_receiver_only(build: Build) -> None:
    network = build(
        LINE, 2, timeouts=Timeouts(exchange=0.3, send=0.3), faults=(DropFault(message="state", sender=0, receiver=1, iteration=0),)
    )
    network[0].send(state(7), Kind.STATE, 0, 0, network.in_neighbours[0])
    with pytest.raises(DeadlineError, match="from agent 0"):
        network[1].receive(0, Kind.STATE, 0, (0,))
    assert values(network[2].receive(0, Kind.STATE, 0, (0,))) == [[7]]


def test_messages_of_one_wake_up_travel_in_one_bundle(build: Build) -> None:
    network = build(LINE, 4)
    for step in range(6):
        network[0].send(state(step), Kind.STATE, 0, step, network.in_neighbours[0])
    time.sleep(0.2)
    network[1].pump(1.0)
    assert (network[1].relay_counts.bundles, network[1].traffic.sent[Kind.BUNDLE][0]) == (1, 1)
    network[2].pump(1.0)
    assert network[2].relay_counts.taken == 6
    assert [values(network[2].receive(0, Kind.STATE, step, (0,))) for step in range(6)] == [[[step]] for step in range(6)]


def test_a_stop_ends_the_wait(build: Build) -> None:
    network = build(LINE, 2)
    server = network.transport.connect(network[1]._listener.endpoint)
    server.send(Codec().encode(Envelope(RUN, 0, ENVIRONMENT, Kind.STOP, 0, 0, Stop("finished"))), 1.0)
    with pytest.raises(StopReceivedError, match="finished"):
        network[1].receive(0, Kind.STATE, 0, (0,))


def test_a_neighbour_that_takes_nothing_is_named() -> None:
    transport = open_transport("memory://x", LinkSettings(queue=2, linger_seconds=0.0))
    network = Network(transport, lambda: "memory://*", LINE, 4, timeouts=Timeouts(exchange=3.0, send=0.2))

    def talk() -> None:
        for step in range(1000):
            network[0].send(state(step % 256), Kind.STATE, 0, step, network.in_neighbours[0])
            network[1].pump(0.05)
            time.sleep(0.001)

    with pytest.raises(DeadlineError, match=r"to hand messages on to agent 2: it is gone or does not read"):
        talk()
    transport.close()


# -- what a forwarder may not do ----------------------------------------------------------------------------------------


def inner(sender: int, step: int = 0, *, iteration: int = 0, run: bytes = RUN, incarnation: int = 0, kind: Kind = Kind.STATE) -> bytes:
    message = state(99) if kind is Kind.STATE else Stop("go home")
    (frame,) = Codec().encode(Envelope(run, incarnation, sender, kind, iteration, step, message))
    return bytes(frame)


def bundle(forwarder: int, *bundled: bytes, sizes: list[int] | None = None, run: bytes = RUN) -> list[Any]:
    content = np.frombuffer(b"".join(bundled), np.uint8)
    lengths = np.array([len(parcel) for parcel in bundled] if sizes is None else sizes, np.int32)
    message = Bundle(lengths, np.array([time.time_ns()], np.int64), content)
    return Codec().encode(Envelope(run, 0, forwarder, Kind.BUNDLE, 0, 0, message))


LIES = {
    "the other side of the origin": (bundle(3, inner(0)), Drop.OFF_ROUTE),
    "not a neighbour": (bundle(4, inner(0)), Drop.OFF_ROUTE),
    "its own name in another's bundle": (bundle(3, inner(2)), Drop.OFF_ROUTE),
    "a neighbour's own words": (bundle(1, inner(3)), Drop.OFF_ROUTE),
    "a message said directly from afar": ([inner(0)], Drop.OFF_ROUTE),
    "an agent that there is not": (bundle(1, inner(77)), Drop.OUTSIDE_RADIUS),
    "another run within": (bundle(1, inner(0, run=b"another!")), Drop.OTHER_RUN),
    "another run": (bundle(1, inner(0), run=b"another!"), Drop.OTHER_RUN),
    "another incarnation": (bundle(1, inner(0, incarnation=1)), Drop.OTHER_INCARNATION),
    "a kind that is not handed on": (bundle(1, inner(ENVIRONMENT, kind=Kind.STOP)), Drop.WRONG_KIND),
    "a bundle in a bundle": (bundle(1, bytes(bundle(1, inner(0))[0])), Drop.WRONG_KIND),
    "too far ahead": (bundle(1, inner(0, iteration=7)), Drop.FUTURE),
    "the same again": (bundle(1, inner(0), inner(0)), Drop.DUPLICATE),
    "earlier than before": (bundle(1, inner(0, 3), inner(0, 2)), Drop.DUPLICATE),
    "sizes that do not fit": (bundle(1, inner(0), sizes=[5]), Drop.MALFORMED),
    "no first frame": (bundle(1, inner(0), sizes=[-len(inner(0)) - 1]), Drop.MALFORMED),
    "nothing at all": (bundle(1), Drop.MALFORMED),
    "garbage": (bundle(1, b"x" * 100), Drop.MALFORMED),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_forwarder_that_leaves_its_path_is_counted_and_nothing_of_it_goes_on(lie: str) -> None:
    transport = open_transport("memory://x", LinkSettings(linger_seconds=0.0))
    # Agent 2 in the middle of a line hears 0 by way of 1, and hands it on to 3.
    network = Network(transport, lambda: "memory://*", LINE, 4)
    frames, reason = LIES[lie]
    link = transport.connect(network[2]._listener.endpoint)
    link.send(frames, 1.0)
    network[2].pump(1.0)
    assert network[2].inbox.dropped == {reason: 1}
    honest = {"the same again": 1, "earlier than before": 1}.get(lie, 0)
    assert network[2].relay_counts.kinds.get(Kind.STATE, [0])[0] == honest
    assert len(network[2].inbox) == honest
    transport.close()


def test_an_origin_beyond_the_radius_of_the_kind_is_dropped() -> None:
    transport = open_transport("memory://x", LinkSettings(linger_seconds=0.0))
    network = Network(transport, lambda: "memory://*", LINE, 2)
    link = transport.connect(network[3]._listener.endpoint)
    link.send(bundle(2, inner(0)), 1.0)
    network[3].pump(1.0)
    assert network[3].inbox.dropped == {Drop.OUTSIDE_RADIUS: 1}
    transport.close()


def test_the_authenticated_user_is_that_of_the_forwarder() -> None:
    transport = open_transport("memory://x", LinkSettings(linger_seconds=0.0))
    network = Network(transport, lambda: "memory://*", LINE, 4, users={2: {1: "agent-1", 3: "agent-3"}})
    exchange = network[2]
    codec = Codec()
    for frames, user, dropped in (
        (bundle(1, inner(0, 1)), "agent-1", {}),
        (bundle(1, inner(0, 2)), "agent-3", {Drop.FORGED: 1}),
        (bundle(1, inner(0, 3)), None, {Drop.FORGED: 2}),
        ([inner(1, 1)], "agent-1", {Drop.FORGED: 2}),
        ([inner(1, 2)], "agent-3", {Drop.FORGED: 3}),
    ):
        assert codec.decode(frames).kind in (Kind.BUNDLE, Kind.STATE)
        exchange.process(ReceivedFrames(frames, user))
        assert exchange.inbox.dropped == dropped
    transport.close()


@given(
    st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=4), min_size=1, max_size=6),
    st.lists(st.integers(-(1 << 31), (1 << 31) - 1), max_size=8),
)
def test_a_bundle_gives_back_what_was_put_in_and_no_other_sizes_do_harm(messages: list[list[bytes]], wrong: list[int]) -> None:
    queue = _Queue(0.0)
    for frames in messages:
        for place, frame in enumerate(frames):
            queue.sizes.append(-len(frame) - 1 if place else len(frame))
            queue.content.append(frame)
    packed = _bundle(queue)
    assert _unbundle(packed) == messages
    lie = packed._replace(sizes=np.array(wrong, np.int32))
    try:
        bundled = _unbundle(lie)
    except ValueError:
        return
    assert b"".join(bytes(frame) for frames in bundled for frame in frames) == packed.content.tobytes()


def test_a_restart_forgets_what_was_to_be_handed_on() -> None:
    transport = open_transport("memory://x", LinkSettings(linger_seconds=0.0))
    network = Network(transport, lambda: "memory://*", LINE, 4)
    network[2]._receive_relayed(Codec().decode([inner(0)]), [inner(0)], 1, None)
    assert network[2]._queues
    network[2].restart(0, 1)
    assert not network[2]._queues
    link = transport.connect(network[2]._listener.endpoint)
    link.send(bundle(1, inner(0), inner(0, incarnation=1)), 1.0)
    network[2].pump(1.0)
    assert network[2].inbox.dropped == {Drop.OTHER_INCARNATION: 1}
    assert len(network[2].inbox) == 1
    transport.close()
