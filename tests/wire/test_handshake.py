"""The two-phase start ends the same way in any order, and contradictions are one line."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netagents.errors import ProtocolError
from netagents.messages import ENVIRONMENT, MONITOR, Envelope, Hello, Kind, Message, Ready, Start, Stop, Welcome
from netagents.wire import (
    UNKNOWN_RUN,
    NodeHandshake,
    OtherRunError,
    Phase,
    Rendezvous,
    Reply,
)

RUN, OTHER = b"run-id-8", b"other-id"
KINDS = {Hello: Kind.HELLO, Welcome: Kind.WELCOME, Ready: Kind.READY, Start: Kind.START, Stop: Kind.STOP}


def envelope(sender: int, message: Message, run: bytes = RUN, incarnation: int = 0) -> Envelope:
    return Envelope(run, incarnation, sender, KINDS[type(message)], 0, 0, message)  # type: ignore[index]


def hello(index: int, *, role: str = "agent", version: str = "1.0", pid: int = 100) -> Hello:
    return Hello(role, f"ipc:///s/{index}", version, pid)


def welcome(_: int, peers: Mapping[int, str]) -> Welcome:
    return Welcome("{}", "{}", "{}", dict(peers))


def rendezvous(n: int = 3, *, monitor: bool = True) -> Rendezvous:
    return Rendezvous(RUN, "1.0", n, monitor=monitor, welcome=welcome, iteration=4)


class Simulation:
    """A line of n agents, a monitor and the server; messages travel per link in order, links in any order."""

    def __init__(self, n: int, seed: int, *, known: bool) -> None:
        self.random = random.Random(seed)
        self.server = rendezvous(n)
        self.nodes = {i: NodeHandshake(i, f"ipc:///s/{i}", "1.0", 100 + i, RUN if known else UNKNOWN_RUN) for i in (*range(n), MONITOR)}
        self.links: dict[tuple[int, int], list[Envelope]] = {}
        self.n = n

    def post(self, sender: int, replies: list[Reply]) -> None:
        run = RUN if sender == ENVIRONMENT else self.nodes[sender].run
        for reply in replies:
            self.links.setdefault((sender, reply.receiver), []).append(Envelope(run, 0, sender, reply.kind, 0, 0, reply.message))

    def neighbours(self, index: int) -> set[int]:
        return {peer for peer in (index - 1, index + 1) if 0 <= peer < self.n} if index >= 0 else set()

    def run(self) -> int:
        silent = list(self.nodes)
        steps = 0
        while any(node.phase is not Phase.STARTED for node in self.nodes.values()):
            steps += 1
            assert steps < 10_000
            full = [link for link, queue in self.links.items() if queue]
            if silent and (not full or self.random.random() < 0.3):
                index = silent.pop(self.random.randrange(len(silent)))
                self.post(index, [self.nodes[index].hello()])
                continue
            if self.random.random() < 0.2:
                started = [i for i, node in self.nodes.items() if i not in silent and node.phase is Phase.HELLO]
                if started:
                    again = self.random.choice(started)
                    self.post(again, [self.nodes[again].hello()])
                    continue
            sender, receiver = self.random.choice(full)
            message = self.links[sender, receiver].pop(0)
            if receiver == ENVIRONMENT:
                self.post(ENVIRONMENT, self.server.handle(message))
                continue
            node = self.nodes[receiver]
            self.post(receiver, node.handle(message))
            if node.phase is Phase.WELCOMED:
                self.post(receiver, node.link(self.neighbours(receiver), self.neighbours(receiver)))
        return steps


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 8), st.integers(0, 1 << 30), st.booleans())
def test_any_order_of_starts_and_deliveries_ends_with_all_started(n: int, seed: int, known: bool) -> None:
    simulation = Simulation(n, seed, known=known)
    simulation.run()
    assert simulation.server.phase is Phase.STARTED
    for index, node in simulation.nodes.items():
        assert node.run == RUN
        assert node.iteration == 4
        assert node.hellos.keys() == simulation.neighbours(index)
        assert node.welcome is not None
        assert node.welcome.peers == {i: f"ipc:///s/{i}" for i in (*range(n), MONITOR)}
        assert node.refused == 0


def test_nobody_starts_before_everyone_is_ready() -> None:
    server = rendezvous(2, monitor=False)
    assert server.handle(envelope(0, hello(0), UNKNOWN_RUN)) == []
    replies = server.handle(envelope(1, hello(1), UNKNOWN_RUN))
    assert [(reply.receiver, reply.kind) for reply in replies] == [(0, Kind.WELCOME), (1, Kind.WELCOME)]
    assert server.handle(envelope(1, Ready())) == []
    assert server.handle(envelope(1, Ready())) == []
    assert server.handle(envelope(0, Ready())) == [Reply(0, Kind.START, Start(4)), Reply(1, Kind.START, Start(4))]
    assert server.handle(envelope(0, Ready())) == []
    assert server.missing() == []


def test_the_status_line_says_who_is_missing_and_why() -> None:
    server = rendezvous(25, monitor=False)
    for index in set(range(25)) - {4, 7, 19}:
        server.handle(envelope(index, hello(index)))
    assert server.status(12.0) == "waiting for 3 of 25: agents 4, 7, 19 (never said hello), 12 s left"
    for index in (4, 7, 19):
        server.handle(envelope(index, hello(index)))
    for index in range(24):
        server.handle(envelope(index, Ready()))
    assert server.status(0.0) == "waiting for 1 of 25: agent 24 (said hello, but not ready), no time left"
    server.handle(envelope(24, Ready()))
    assert server.status(3.0) == "all 25 nodes are ready"

    node = NodeHandshake(1, "ipc:///s/1", "1.0", 5)
    assert node.status(3.0) == "waiting for a welcome from the environment server, 3 s left"
    node.handle(envelope(ENVIRONMENT, welcome(1, {})))
    node.link({0, 2}, {0, 2})
    assert node.status(3.0) == "waiting for 2 of 2: agents 0, 2 (never said hello), 3 s left"
    assert node.missing() == [0, 2]


def test_repeats_are_harmless_and_a_late_one_is_welcomed_again() -> None:
    server = rendezvous(2, monitor=False)
    assert server.handle(envelope(0, hello(0))) == server.handle(envelope(0, hello(0))) == []
    server.handle(envelope(1, hello(1)))
    assert [(reply.receiver, reply.kind) for reply in server.handle(envelope(0, hello(0)))] == [(0, Kind.WELCOME)]


def test_a_restarted_node_takes_its_place_with_a_higher_incarnation() -> None:
    server = rendezvous(2, monitor=False)
    server.handle(envelope(0, hello(0)))
    server.handle(envelope(0, hello(0, pid=200), incarnation=1))
    replies = server.handle(envelope(1, hello(1)))
    assert len(replies) == 2
    assert server.hellos[0].pid == 200
    assert server.incarnations == {0: 1, 1: 0}


def test_a_new_process_with_the_number_and_the_address_of_the_one_before_is_a_new_one() -> None:
    server = rendezvous(2, monitor=False)
    for index in range(2):
        server.handle(envelope(index, hello(index)))
    for index in range(2):
        server.handle(envelope(index, Ready()))
    # Repeated by the same process, which has not seen its Welcome yet.
    assert [reply.receiver for reply in server.handle(envelope(1, hello(1)))] == [1]
    assert (server.phase, server.incarnation) == (Phase.STARTED, 0)
    # In a container the first process has the number 1, and another container may be given the address of the one before it.
    assert [reply.receiver for reply in server.handle(envelope(1, hello(1), incarnation=7))] == [0, 1]
    assert (server.phase, server.incarnation, server.ready) == (Phase.WELCOMED, 7, set())


def test_of_two_restarted_at_once_the_earlier_one_may_come_last() -> None:
    server = rendezvous(3, monitor=False)
    for index in range(3):
        server.handle(envelope(index, hello(index)))
    for index in range(3):
        server.handle(envelope(index, Ready()))
    assert [reply.receiver for reply in server.handle(envelope(2, hello(2, pid=200), incarnation=2))] == [0, 1, 2]
    before = server.incarnation
    again = server.handle(envelope(1, hello(1, pid=201), incarnation=1))
    # Whoever was told of agent 2 has an old address of agent 1 and must hear of it under an incarnation that is new to it.
    assert [reply.receiver for reply in again] == [0, 1, 2]
    assert server.incarnation > before
    assert server.ready == set()


@pytest.mark.parametrize(
    ("message", "word"),
    [
        (envelope(0, hello(0, version="0.9")), "runs netagents 0.9, the server 1.0"),
        (envelope(0, hello(0, role="monitor")), "says it is 'monitor'"),
        (envelope(MONITOR, hello(-2)), "says it is 'agent'"),
        (envelope(0, hello(0, role="spy")), "says it is 'spy'"),
        (envelope(ENVIRONMENT, hello(-1, role="environment")), "an agent or the monitor"),
        (envelope(3, hello(3)), "its agents are 0 to 2"),
        (envelope(1, hello(1, pid=999)), "two nodes claim to be agent 1 .process 100 .* process 999"),
        (envelope(0, Ready()), "ready before it was welcomed"),
    ],
)
def test_contradictions_at_the_rendezvous_are_one_line(message: Envelope, word: str) -> None:
    server = rendezvous()
    server.handle(envelope(1, hello(1)))
    with pytest.raises(ProtocolError, match=word) as caught:
        server.handle(message)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, OtherRunError)
    assert server.hellos == {1: hello(1)}


def test_nodes_of_another_run_are_refused_by_everyone() -> None:
    server = rendezvous()
    for message in (hello(0), Ready()):
        with pytest.raises(OtherRunError, match=OTHER.hex()):
            server.handle(envelope(0, message, OTHER))
    node = NodeHandshake(1, "ipc:///s/1", "1.0", 5, RUN)
    for stale in (welcome(1, {}), hello(0), Start(0)):
        with pytest.raises(OtherRunError, match=OTHER.hex()):
            node.handle(envelope(ENVIRONMENT if not isinstance(stale, Hello) else 0, stale, OTHER))
    assert node.phase is Phase.HELLO
    assert node.hellos == {}


def test_a_node_started_by_hand_learns_its_run_and_drops_earlier_hellos_of_other_runs() -> None:
    node = NodeHandshake(1, "ipc:///s/1", "1.0", 5)
    node.handle(envelope(0, hello(0), OTHER))
    node.handle(envelope(2, hello(2)))
    node.handle(envelope(ENVIRONMENT, welcome(1, {})))
    assert node.run == RUN
    assert node.refused == 1
    replies = node.link({0, 2}, {0, 2})
    assert [(reply.receiver, reply.kind) for reply in replies] == [(0, Kind.HELLO), (2, Kind.HELLO)]
    assert node.handle(envelope(0, hello(0))) == [Reply(ENVIRONMENT, Kind.READY, Ready())]
    assert node.handle(envelope(0, hello(0))) == []


def test_a_hello_from_beyond_the_radius_is_dropped_and_counted() -> None:
    node = NodeHandshake(1, "ipc:///s/1", "1.0", 5, RUN)
    node.handle(envelope(5, hello(5)))
    node.handle(envelope(ENVIRONMENT, welcome(1, {})))
    assert node.link({0}, {0})[-1].kind is Kind.HELLO
    assert node.handle(envelope(6, hello(6))) == []
    assert node.refused == 2
    assert node.handle(envelope(0, hello(0))) == [Reply(ENVIRONMENT, Kind.READY, Ready())]


def test_a_node_without_peers_is_ready_at_once() -> None:
    node = NodeHandshake(MONITOR, "ipc:///s/m", "1.0", 5, RUN)
    node.handle(envelope(ENVIRONMENT, welcome(MONITOR, {})))
    assert node.link((), ()) == [Reply(ENVIRONMENT, Kind.READY, Ready())]


def test_contradictions_at_a_node_are_one_line() -> None:
    node = NodeHandshake(1, "ipc:///s/1", "1.0", 5, RUN)
    for wrong, word in (
        (envelope(ENVIRONMENT, Start(0)), "before it is ready"),
        (envelope(0, welcome(1, {})), "only the server welcomes"),
        (envelope(0, hello(0, version="2.0")), "runs netagents 2.0, agent 1 1.0"),
        (envelope(0, hello(0, role="monitor")), "says it is 'monitor'"),
    ):
        with pytest.raises(ProtocolError, match=word):
            node.handle(wrong)
    with pytest.raises(ProtocolError, match="after the welcome"):
        node.link((), ())


def test_a_lost_node_is_neither_awaited_nor_named_any_more() -> None:
    server = rendezvous(3)
    for index in (0, 2, MONITOR):
        assert server.handle(envelope(index, hello(index, role="monitor" if index == MONITOR else "agent"))) == []
    # Before all have said hello: the others need not wait for it.
    replies = server.lose(1)
    assert [(reply.receiver, reply.kind) for reply in replies] == [(MONITOR, Kind.WELCOME), (0, Kind.WELCOME), (2, Kind.WELCOME)]
    assert server.incarnation == 0
    assert all(1 not in reply.message.peers for reply in replies if isinstance(reply.message, Welcome))
    for index in (0, 2, MONITOR):
        started = server.handle(envelope(index, Ready()))
    assert server.phase is Phase.STARTED
    assert {reply.receiver for reply in started} == {0, 2, MONITOR}
    # After the start: those who are left begin again, under an incarnation that nobody has had.
    replies = server.lose(2)
    assert [(reply.receiver, reply.kind) for reply in replies] == [(0, Kind.WELCOME)]
    assert (server.phase, server.incarnation) == (Phase.WELCOMED, 1)
    assert server.handle(envelope(0, Ready())) == []  # of before
    assert {reply.receiver for reply in server.handle(envelope(0, Ready(), incarnation=1))} == {0, MONITOR}
    with pytest.raises(ProtocolError, match="agent 2 is not part of this run"):
        server.handle(envelope(2, hello(2)))
