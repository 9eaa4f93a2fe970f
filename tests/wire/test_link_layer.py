"""Bad links between real exchanges: what is reliable arrives once and in order over every transport, and the ledger says what it cost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from netagents.errors import DeadlineError
from netagents.experiment import Timeouts
from netagents.experiment.link_fault_settings import FaultSettings, LinkFault, PartitionFault
from netagents.messages import ENVIRONMENT, LINK_COSTS, Kind, Ready, State, Step
from netagents.testing import check_history
from netagents.wire import Exchange, Inbox, LinkSettings, Transport, open_transport
from netagents.wire.links.link_cost_counter import merged
from netagents.wire.links.link_layer import RELIABLE_KINDS, LinkLayer
from netagents.wire.transport.message_history import LinkEvent

RUN = b"run-id-8"
NASTY = LinkFault(loss=0.2, delay=0.004, jitter=0.003, duplicate=0.1, reorder=0.1)


class Net:
    """The server and agents 0..n-1, each linked to every other through its link layer."""

    def __init__(
        self,
        transport: Transport,
        address: Callable[[], str],
        n: int,
        faults: Sequence[FaultSettings],
        *,
        seed: int = 5,
        deadline: float = 20.0,
        reliable: Collection[Kind] = RELIABLE_KINDS,
        gives_up: bool = False,
    ) -> None:
        self.nodes = [ENVIRONMENT, *range(n)]
        self.histories: dict[int, list[LinkEvent]] = {node: [] for node in self.nodes}
        self.layers: dict[int, LinkLayer] = {}
        self.exchanges: dict[int, Exchange] = {}
        allowed = {Kind.STATE: set(range(n)), Kind.STEP: {ENVIRONMENT}}
        for node in self.nodes:
            listener = transport.listen(address())
            layer = LinkLayer(
                node,
                listener,
                faults,
                seed=seed,
                run=RUN,
                deadline=deadline,
                gives_up=gives_up,
                reliable=reliable,
                history=self.histories[node].append,
            )
            self.layers[node] = layer
            timeouts = Timeouts(exchange=deadline, send=2.0)
            inbox = Inbox(RUN, allowed, nodes=n, most_waiting=100_000)
            self.exchanges[node] = Exchange(node, listener, inbox, timeouts=timeouts, links=layer)
        for node in self.nodes:
            for peer in self.nodes:
                if peer != node:
                    self.exchanges[node].link(peer, transport.connect(self.exchanges[peer]._listener.endpoint))

    def costs(self) -> dict[tuple[int, int], dict[str, int]]:
        table = merged([layer.costs() for layer in self.layers.values()])
        return {(int(row[0]), int(row[1])): dict(zip(LINK_COSTS, row[2:].tolist(), strict=True)) for row in table}

    def rounds(self, count: int, large: bool = False) -> dict[int, list[list[list[int]]]]:
        """What every agent hears from the others in so many lockstep rounds, each agent in a thread of its own."""
        agents = [node for node in self.nodes if node >= 0]
        deliveries: dict[int, list[list[list[int]]]] = {node: [] for node in agents}
        errors: list[BaseException] = []

        def run(node: int) -> None:
            peers = [peer for peer in agents if peer != node]
            exchange = self.exchanges[node]
            try:
                for number in range(count):
                    iteration, step = divmod(number, 10)
                    values = np.full(30_000 if large else 2, node, np.uint8)
                    values[1] = number % 256
                    exchange.send(State(values), Kind.STATE, iteration, step, peers)
                    messages = exchange.receive(iteration, Kind.STATE, step, peers)
                    deliveries[node].append([message.values[:2].tolist() for message in messages if isinstance(message, State)])
                # Who is done still answers those who are not.
                while not errors and (any(len(deliveries[peer]) < count for peer in agents) or self.unacknowledged()):
                    exchange.pump(0.005)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=run, args=(node,)) for node in agents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        return deliveries

    def unacknowledged(self) -> bool:
        return any(end.outbox.pending for layer in self.layers.values() for end in layer._ends.values())


Build = Callable[..., Net]


@pytest.fixture(params=["memory", "unix", "ipc", "tcp"])
def build(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Build]:
    transport = open_transport(f"{request.param}://x", LinkSettings(insecure=True, linger_seconds=0.3))
    names = iter(range(1000))
    fixed = {"memory": "memory://*", "tcp": "tcp://127.0.0.1:0"}
    yield lambda n, *faults, **options: Net(
        transport, lambda: fixed.get(request.param) or f"{request.param}://{tmp_path}/{next(names)}", n, faults, **options
    )
    transport.close()


@pytest.fixture
def memory() -> Iterator[Build]:
    transport = open_transport("memory://x")
    yield lambda n, *faults, **options: Net(transport, lambda: "memory://*", n, faults, **options)
    transport.close()


def expected(n: int, count: int) -> dict[int, list[list[list[int]]]]:
    return {node: [[[peer, number % 256] for peer in range(n) if peer != node] for number in range(count)] for node in range(n)}


@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
def test_all_arrives_once_and_in_order_whatever_the_links_do(build: Build, large: bool) -> None:
    net = build(3, NASTY)
    assert net.rounds(40, large) == expected(3, 40)
    assert check_history(net.histories, {"state"}) == []
    for node in range(3):
        assert not net.exchanges[node].inbox.dropped
        # The exchange itself knows nothing of what it took.
        assert net.exchanges[node].traffic.sent[Kind.STATE][0] == 80
        assert net.exchanges[node].traffic.received[Kind.STATE][0] == 80
    costs = net.costs()
    assert set(costs) == {(i, j) for i in range(3) for j in range(3) if i != j}
    total = {name: sum(row[name] for row in costs.values()) for name in LINK_COSTS}
    for row in costs.values():
        assert row["messages"] == 40
        assert row["transmissions"] == row["messages"] + row["resent"] + row["acknowledgements"]
        # Whatever was sent in vain had to be sent again.
        assert row["transmissions"] - row["lost"] >= row["messages"]
        assert row["transmissions_bytes"] > row["lost_bytes"] >= 0
    assert total["resent"] >= 20
    assert 0.1 < total["lost"] / total["transmissions"] < 0.3
    assert total["duplicates"] > 0
    # No duplicate without a reason: the link doubled it, or it was sent again.
    assert total["duplicates"] <= total["doubled"] + total["resent"]


def test_links_that_no_fault_concerns_have_no_layer(memory: Build) -> None:
    net = memory(3, LinkFault(loss=0.5, edges=((0, 1),)))
    assert net.rounds(20) == expected(3, 20)
    assert set(net.costs()) == {(0, 1), (1, 0)}
    plain = memory(2)
    assert plain.rounds(5) == expected(2, 5)
    assert plain.costs() == {}
    assert not plain.layers[0]._ends


def test_a_one_way_fault_leaves_the_way_back_alone(memory: Build) -> None:
    net = memory(2, LinkFault(loss=0.4, edges=((0, 1),), one_way=True))
    assert net.rounds(60) == expected(2, 60)
    costs = net.costs()
    assert costs[0, 1]["lost"] > 0
    assert costs[1, 0]["lost"] == 0


def test_the_bandwidth_bounds_what_passes(memory: Build) -> None:
    net = memory(2, LinkFault(bandwidth=2_000_000, burst=40_000))
    start = perf_counter()
    assert net.rounds(30, large=True) == expected(2, 30)
    seconds = perf_counter() - start
    carried = min(row["transmissions_bytes"] for row in net.costs().values())
    assert carried > 900_000
    # A token bucket lets pass at most the burst and the rate times the time.
    assert carried <= 40_000 + 2_000_000 * seconds + 31_000


def test_acknowledgements_ride_on_what_goes_the_other_way(memory: Build) -> None:
    net = memory(2, LinkFault(delay=0.0005))
    assert net.rounds(100) == expected(2, 100)
    alone = sum(row["acknowledgements"] for row in net.costs().values())
    assert alone <= 60  # of 200 messages


def test_a_link_that_loses_everything_is_named_by_both_ends(memory: Build) -> None:
    net = memory(2, LinkFault(loss=1.0, edges=((0, 1),)), deadline=0.6)
    net.exchanges[0].send(State(np.zeros(2, np.uint8)), Kind.STATE, 3, 7, (1,))
    with pytest.raises(DeadlineError, match=r"^agent 0 -> agent 1: state of iteration 3, step 7 was sent \d+ times in 0\.6 s") as caught:
        net.exchanges[0].receive(3, Kind.STATE, 7, (1,), 5.0)
    assert caught.value.wait is not None
    assert net.costs()[0, 1]["lost"] == net.costs()[0, 1]["transmissions"] > 3


def test_a_partition_that_heals_in_time_costs_nothing_but_time_and_one_that_does_not_is_named(memory: Build) -> None:
    healing = memory(3, PartitionFault(groups=((0, 1),), start=2, until=9, seconds=0.5))
    assert healing.rounds(30) == expected(3, 30)
    assert check_history(healing.histories, {"state"}) == []
    costs = healing.costs()
    assert (0, 1) not in costs
    assert min(costs[link]["lost"] for link in ((0, 2), (2, 0), (1, 2), (2, 1))) > 2
    lasting = memory(3, PartitionFault(groups=((0, 1),), start=2), deadline=0.7)
    with pytest.raises(DeadlineError, match=r"faults\.0 cuts"):
        lasting.rounds(30)


def test_kinds_that_the_clock_does_not_need_are_sent_once(memory: Build) -> None:
    net = memory(1, LinkFault(loss=0.5), reliable=RELIABLE_KINDS - {Kind.STATE})
    server, agent = net.exchanges[ENVIRONMENT], net.exchanges[0]
    agent.inbox.allow({Kind.STATE: (ENVIRONMENT,), Kind.STEP: (ENVIRONMENT,)})
    for number in range(200):
        server.send(State(np.array([number], np.uint8)), Kind.STATE, 0, number, (0,))
        server.send(Step(np.zeros(1), np.zeros(1), np.zeros(1, np.uint8)), Kind.STEP, 0, number, (0,))
        for exchange in (agent, server):
            exchange.pump(0.0)
    with suppress(DeadlineError):
        while net.unacknowledged():
            for exchange in (agent, server):
                exchange.pump(0.005)
    assert len(agent.receive(0, Kind.STEP, 199, (ENVIRONMENT,))) == 1
    arrived = [event for event in net.histories[0] if event.kind == "state"]
    assert 60 < len(arrived) < 140
    # But the first of an iteration arrives in any case.
    assert 0 in [event.step for event in arrived]
    assert check_history(net.histories, {"step"}) == []
    assert "no loss" in [violation.promise for violation in check_history(net.histories, {"step", "state"})]
    row = net.costs()[ENVIRONMENT, 0]
    assert row["messages"] == 400


def test_where_others_see_to_who_is_silent_messages_are_given_up(memory: Build) -> None:
    cut = PartitionFault(groups=((0,),), seconds=0.8)
    net = memory(2, LinkFault(delay=0.001), cut, deadline=0.3, gives_up=True)
    for number in range(600):  # more than a window, without waiting for room
        net.exchanges[0].send(State(np.zeros(2, np.uint8)), Kind.STATE, 0, number, (1,))
    assert len(net.layers[0]._ends[1].outbox.pending) == 256
    assert not net.exchanges[0].pump(0.9)
    assert not net.unacknowledged()
    # After the cut it goes on with what is sent then, in order, and nobody waits for what is gone.
    for number in range(600, 620):
        net.exchanges[0].send(State(np.zeros(2, np.uint8)), Kind.STATE, 0, number, (1,))
    limit = perf_counter() + 10.0
    while net.unacknowledged() and perf_counter() < limit:
        for exchange in net.exchanges.values():
            exchange.pump(0.005)
    assert [event.step for event in net.histories[1]] == list(range(600, 620))
    assert [violation.promise for violation in check_history(net.histories, {"state"})] == ["no loss"]


def test_control_messages_go_around_the_model(memory: Build) -> None:
    net = memory(1, LinkFault(loss=1.0))
    deliveries = []
    net.exchanges[ENVIRONMENT].on_control = lambda envelope, _: deliveries.append(envelope.sender)
    net.exchanges[0].send(Ready(), Kind.READY, 0, 0, (ENVIRONMENT,))
    net.exchanges[ENVIRONMENT].pump(1.0)
    assert deliveries == [0]
    assert net.costs() == {}


def test_a_restart_forgets_what_was_on_its_way_and_numbers_begin_anew(memory: Build) -> None:
    net = memory(2, LinkFault(loss=0.3, duplicate=0.2, delay=0.002))
    assert net.rounds(15) == expected(2, 15)
    for node in (0, 1):
        net.exchanges[node].send(State(np.array([9, 9], np.uint8)), Kind.STATE, 1, 7, [1 - node])
    for exchange in net.exchanges.values():
        exchange.restart(0, 1)
    assert net.rounds(15) == expected(2, 15)
    assert check_history(net.histories, {"state"}) == []
    assert {event.incarnation for event in net.histories[0]} == {0, 1}


def test_headers_of_others_are_not_taken_for_this_runs(memory: Build) -> None:
    from netagents.wire.links.link_header import ORDERED, LinkHeader

    net = memory(2, LinkFault(delay=0.001))
    raw: Any = net.layers[0]._ends[1].raw
    good = LinkHeader(RUN, 0, 0, ORDERED, 0.0, 0, 0, 0.0, 0, 0, 0, -1.0, 0.0)
    for header in (good._replace(run=b"another!"), good._replace(sender=7), good._replace(content=9), good._replace(hold=float("nan"))):
        raw.try_send([header.pack(), b"garbage"])
    raw.try_send([good.pack()])
    net.exchanges[1].pump(0.2)
    assert net.exchanges[1].inbox.dropped.total() == 5
    assert net.rounds(5) == expected(2, 5)
