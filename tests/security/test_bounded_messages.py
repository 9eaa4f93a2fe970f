"""Messages that are too large or have too many frames: memory stays bounded, each is counted, and one line says so."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from netagents.errors import DecodeError
from netagents.messages import ENVIRONMENT, Envelope, Kind, Trace, TruncatedQ
from netagents.wire.codec import Codec
from netagents.wire.codec.limits import Limits
from netagents.wire.security import zap_authenticator
from netagents.wire.security.key_bundles import CurveCredentials, make_bundles, write_bundles
from netagents.wire.security.zap_authenticator import CUT
from netagents.wire.session.exchange import Exchange
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.radius_admission import Drop
from netagents.wire.transport.transport import LinkSettings, Listener, Transport, open_transport

RUN = bytes(range(8))
LIMITS = Limits(message_bytes=1 << 20, arrays=64)
MANY = Limits(message_bytes=1 << 26, arrays=64)
Ends = tuple[Transport, Listener, "zmq.Socket[bytes]"]


@pytest.fixture(params=["ipc", "tcp with keys"])
def ends(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ends]:
    """A node that listens, and a bare ZeroMQ socket inside its door: what a liar would use."""
    # Where many frames are wanted, and not a cut for too many bytes on their way.
    limits = MANY if "hundred_thousand" in request.node.name else LIMITS
    bundles = make_bundles({0: {ENVIRONMENT}, ENVIRONMENT: {0}})
    secured = request.param != "ipc"
    address = "tcp://127.0.0.1:0" if secured else f"ipc://{tmp_path}/door"
    credentials = CurveCredentials(bundles[ENVIRONMENT]) if secured else None
    transport = open_transport(address, LinkSettings(limits=limits, credentials=credentials, linger_seconds=0.0))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    liar = context.socket(zmq.PUSH)
    liar.set(zmq.LINGER, 0)
    try:
        listener = transport.listen(address)
        if secured:
            CurveCredentials(bundles[0]).secure_sender(liar, listener.endpoint, "environment")
        liar.connect(listener.endpoint)
        yield transport, listener, liar
    finally:
        liar.close()
        context.term()
        transport.close()


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def next_frames(listener: Listener) -> list[bytes]:
    message = None
    deadline = time.monotonic() + 10.0
    while message is None and time.monotonic() < deadline:
        message = listener.receive(1.0)
    assert message is not None
    return [bytes(frame) for frame in message.frames]


def test_a_frame_above_the_limit_ends_the_link_and_is_counted(ends: Ends) -> None:
    transport, listener, liar = ends
    liar.send(b"hello")
    assert next_frames(listener) == [b"hello"]
    assert transport.refused() == {}
    liar.send(bytes(LIMITS.message_bytes + 1))
    until(lambda: transport.refused() == {CUT: 1})
    assert listener.receive(0.1) is None
    # The link comes back by itself, and is only cut when that happens again.
    liar.send(b"sorry")
    assert next_frames(listener) == [b"sorry"]
    assert transport.refused() == {CUT: 1}


def test_a_listener_that_closes_counts_nobody(ends: Ends) -> None:
    transport, listener, liar = ends
    liar.send(b"hello")
    assert next_frames(listener) == [b"hello"]
    listener.close()
    liar.close()
    time.sleep(0.1)
    assert transport.refused() == {}


def test_a_hundred_thousand_frames_are_kept_up_to_the_limit_only(ends: Ends, caplog: pytest.LogCaptureFixture) -> None:
    _, listener, liar = ends
    rows = LIMITS.message_bytes // 8
    head = Codec().encode(Envelope(RUN, 0, 0, Kind.TRUNCATED_Q, 0, 0, TruncatedQ(np.zeros((rows, 1)))))[0]
    inbox = Inbox(RUN, {Kind.TRUNCATED_Q: (0,)}, nodes=1)
    inbox.identify({} if listener.endpoint.startswith("ipc") else {0: "agent-0"})
    exchange = Exchange(ENVIRONMENT, listener, inbox, codec=Codec(MANY))
    good = Codec().encode(Envelope(RUN, 0, 0, Kind.TRUNCATED_Q, 0, 0, TruncatedQ(np.ones((3, 4)))))

    def lie() -> None:
        for _ in range(3):
            liar.send_multipart([head, *[bytes(200)] * 99_999])
        liar.send_multipart(good)

    thread = threading.Thread(target=lie)
    with caplog.at_level(logging.WARNING):
        tracemalloc.start()
        try:
            thread.start()
            messages = exchange.receive(0, Kind.TRUNCATED_Q, 0, (0,), 60.0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            thread.join()
    assert len(messages) == 1
    # The sender's list of pointers is the largest thing there is; the frames themselves would be 20 MB.
    assert peak < 8_000_000
    assert inbox.dropped == {Drop.MALFORMED: 3}
    assert sum("dropped a malformed message: a message of" in record.message for record in caplog.records) == 1


SENDER = """
import sys, zmq
from netagents.messages import ENVIRONMENT
from netagents.wire.security.key_bundles import CurveCredentials, load_bundle
from pathlib import Path
socket = zmq.Context().socket(zmq.PUSH)
CurveCredentials(load_bundle(Path(sys.argv[1]), 0)).secure_sender(socket, sys.argv[2], "environment")
socket.connect(sys.argv[2])
socket.send_multipart([b"an honest one", b"of two frames"])
frame = bytes(1 << 19)
socket.send_multipart([frame] * 1200)
socket.send(b"another honest one")
sys.stdin.read()
"""


def test_a_message_that_does_not_end_is_cut_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(zap_authenticator, "CHECK_SECONDS", 0.02)
    bundles = make_bundles({0: {ENVIRONMENT}, ENVIRONMENT: {0}})
    write_bundles(bundles.values(), tmp_path / "keys")
    settings = LinkSettings(limits=LIMITS, credentials=CurveCredentials(bundles[ENVIRONMENT]), linger_seconds=0.0)
    transport = open_transport("tcp://127.0.0.1:0", settings)
    peak = [0]
    ended = threading.Event()

    def watch_memory() -> None:
        while not ended.wait(0.005):
            peak[0] = max(peak[0], resident())

    thread = threading.Thread(target=watch_memory)
    try:
        listener = transport.listen("tcp://127.0.0.1:0")
        before = resident()
        thread.start()
        command = [sys.executable, "-c", SENDER, str(tmp_path / "keys"), listener.endpoint]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as sender, caplog.at_level(logging.WARNING):
            assert next_frames(listener) == [b"an honest one", b"of two frames"]
            until(lambda: transport.refused() == {CUT: 1}, 30.0)
            # The link comes back, without the message of 600 MB.
            assert next_frames(listener) == [b"another honest one"]
            sender.communicate(timeout=10.0)
    finally:
        ended.set()
        thread.join()
        transport.close()
    assert peak[0] - before < 150_000_000
    assert sum("too many unread bytes" in record.message for record in caplog.records) == 1


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_frames_that_are_too_large_together_are_kept_up_to_the_limit_only(ends: Ends) -> None:
    _, listener, liar = ends
    liar.send_multipart([b"\xff" * (LIMITS.message_bytes // 2)] * 3)
    remaining = next_frames(listener)
    assert sum(map(len, remaining)) <= 2 * LIMITS.message_bytes
    # A description that fits what was kept is refused all the same: it is more than a message may have.
    half = np.zeros((1, 6 * LIMITS.message_bytes // 10), np.uint8)
    honest = Codec().encode(Envelope(RUN, 0, 0, Kind.TRACE, 0, 0, Trace(half, half)))
    assert len(honest) == 3
    liar.send_multipart([*honest, b"", b""])
    remaining = next_frames(listener)
    assert [len(frame) for frame in remaining] == [len(frame) for frame in honest]
    assert isinstance(Codec().decode(remaining).message, Trace)
    with pytest.raises(DecodeError):
        Codec(LIMITS).decode(remaining)
