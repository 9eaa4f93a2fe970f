"""Strangers before their handshake, and members with too many connections: memory and descriptors of a node stay bounded."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from test_bounded_messages import next_frames, resident, until

from netagents.messages import ENVIRONMENT
from netagents.wire.security.connection_guard import MOST_HALF_OPEN, MOST_PER_MEMBER
from netagents.wire.security.key_bundles import CurveCredentials, KeyBundle, make_bundles
from netagents.wire.security.zap_authenticator import CUT, REFUSED
from netagents.wire.transport.transport import LinkSettings, Listener, Transport, open_transport

GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + b"CURVE".ljust(20, b"\0") + b"\0" + bytes(31)
"""The first 64 bytes of a client that speaks ZMTP 3.1 and CURVE."""


@pytest.fixture
def bundles() -> dict[int, KeyBundle]:
    return make_bundles({0: {ENVIRONMENT}, 1: {ENVIRONMENT}, ENVIRONMENT: {0, 1}})


@pytest.fixture
def node(bundles: dict[int, KeyBundle]) -> Iterator[tuple[Transport, Listener]]:
    transport = open_transport("tcp://x", LinkSettings(credentials=CurveCredentials(bundles[ENVIRONMENT]), linger_seconds=0.0))
    try:
        yield transport, transport.listen("tcp://127.0.0.1:0")
    finally:
        transport.close()


@pytest.fixture
def raw(node: tuple[Transport, Listener]) -> Iterator[Callable[[], socket.socket]]:
    """Bare tcp connections to the node."""
    port = int(node[1].endpoint.rpartition(":")[2])
    made: list[socket.socket] = []

    def connect() -> socket.socket:
        made.append(socket.create_connection(("127.0.0.1", port)))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def member(bundle: KeyBundle) -> Transport:
    return open_transport("tcp://x", LinkSettings(credentials=CurveCredentials(bundle), linger_seconds=0.5))


def test_what_a_stranger_sends_before_its_handshake_does_not_fill_the_memory(
    node: tuple[Transport, Listener], raw: Callable[[], socket.socket], bundles: dict[int, KeyBundle], caplog: pytest.LogCaptureFixture
) -> None:
    transport, listener = node
    before = resident()
    sent, peak = [0], [0]
    size = 250_000_000  # a command of the handshake, as long as a message may be

    def pour(stranger: socket.socket) -> None:
        stranger.settimeout(5.0)
        with contextlib.suppress(OSError):
            stranger.sendall(GREETING + b"\x06" + size.to_bytes(8, "big"))
            chunk = b"\xaa" * 1_000_000
            for _ in range(size // len(chunk)):
                stranger.sendall(chunk)
                sent[0] += len(chunk)
                peak[0] = max(peak[0], resident())

    with caplog.at_level(logging.WARNING):
        threads = [threading.Thread(target=pour, args=(raw(),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60.0)
    assert peak[0] - before < 150_000_000, f"{sent[0]} bytes went out"
    until(lambda: transport.refused().get(REFUSED, 0) == 3)
    assert sum("too many bytes before a handshake" in record.message for record in caplog.records) == 1
    agent = member(bundles[0])
    agent.connect(listener.endpoint, "environment").send([b"hello"], 5.0)
    assert next_frames(listener) == [b"hello"]
    agent.close()


@pytest.mark.parametrize("greeted", [False, True], ids=["silent", "greeted"])
def test_half_open_connections_leave_descriptors_for_members(
    greeted: bool,
    node: tuple[Transport, Listener],
    raw: Callable[[], socket.socket],
    bundles: dict[int, KeyBundle],
    caplog: pytest.LogCaptureFixture,
) -> None:
    transport, listener = node
    most = MOST_HALF_OPEN + 2 * 2
    before, strangers = descriptors(), []
    with caplog.at_level(logging.WARNING):
        for number in range(300):
            strangers.append(raw())
            if greeted:
                with contextlib.suppress(OSError):
                    strangers[-1].sendall(GREETING)
            if number % 50 == 0:
                time.sleep(0.02)
        # Each costs two descriptors of the node, and one of this test.
        until(lambda: descriptors() - before - len(strangers) <= 2 * most + 8)
        agent = member(bundles[1])
        agent.connect(listener.endpoint, "environment").send([b"hello"], 5.0)
        assert next_frames(listener) == [b"hello"]
        agent.close()
    until(lambda: transport.refused()[REFUSED] >= 300 - most - 1)
    assert sum("too many half-open connections" in record.message for record in caplog.records) == 1


def test_a_member_has_a_few_connections_and_no_more(
    node: tuple[Transport, Listener], bundles: dict[int, KeyBundle], caplog: pytest.LogCaptureFixture
) -> None:
    transport, listener = node
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    sockets = []
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(20):
                liar = context.socket(zmq.PUSH)
                sockets.append(liar)
                liar.set(zmq.LINGER, 0)
                liar.set(zmq.RECONNECT_IVL, -1)
                CurveCredentials(bundles[0]).secure_sender(liar, listener.endpoint, "environment")
                liar.connect(listener.endpoint)
                liar.send(b"me again")
                assert next_frames(listener) == [b"me again"]
            until(lambda: transport.refused() == {CUT: 20 - MOST_PER_MEMBER})
            honest = member(bundles[1])
            honest.connect(listener.endpoint, "environment").send([b"hello"], 5.0)
            assert next_frames(listener) == [b"hello"]
            honest.close()
    finally:
        for liar in sockets:
            liar.close()
        context.term()
    assert sum("cut a link with agent-0: too many connections" in record.message for record in caplog.records) == 1
