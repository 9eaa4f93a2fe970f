"""Same-host links: who may connect, what their packets may be, peers that die, and two nodes that send more than sockets hold."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netagents.errors import SecurityError
from netagents.wire.codec.limits import Limits
from netagents.wire.security.zap_authenticator import CUT, REFUSED
from netagents.wire.transport import unix_listener, unix_sender
from netagents.wire.transport.transport import LinkSettings, Listener, Transport, in_frames, open_transport
from netagents.wire.transport.unix_packets import MARK, PACKET_BYTES

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this platform has no same-host links")

LIMITS = Limits(message_bytes=1 << 20, arrays=8)
HEAD = struct.Struct("<4sIQ")
FORK = get_context("fork")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[Transport, Listener, Path]]:
    path = tmp_path / "node"
    transport = open_transport("unix://x", LinkSettings(limits=LIMITS, linger_seconds=0.0))
    yield transport, transport.listen(f"unix://{path}"), path
    transport.close()


def connected(path: Path) -> socket.socket:
    """A bare socket inside the door: what a liar would use."""
    liar = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    liar.connect(os.fspath(path))
    return liar


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(MARK), st.integers(0, 3 * PACKET_BYTES).map(bytes)), min_size=1, max_size=9))
def test_any_frames_arrive_as_they_were_sent(frames: list[bytes]) -> None:
    name = f"/tmp/netagents-packets-{os.getpid()}"
    transport = open_transport("unix://x", LinkSettings(limits=LIMITS))
    try:
        listener = transport.listen(f"unix://{name}")
        sender = transport.connect(listener.endpoint)
        before = descriptors()
        for _ in range(2):
            sender.send(frames, 5.0)
            received = listener.receive(5.0)
            assert received is not None
            assert [bytes(frame) for frame in received.frames] == frames
        # The connection's other end, and at most one memory file that the sender has not looked at again.
        assert descriptors() - before <= 3
    finally:
        transport.close()


def test_a_socket_file_is_for_its_owner_only(node: tuple[Transport, Listener, Path]) -> None:
    assert stat.S_IMODE(node[2].stat().st_mode) == 0o600


def test_a_connection_of_another_user_is_refused_and_counted(
    node: tuple[Transport, Listener, Path], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    transport, listener, path = node

    def speak() -> None:
        if os.geteuid() == 0:
            os.setuid(65_534)
        with connected(path) as stranger, contextlib.suppress(BrokenPipeError):
            stranger.send(b"from somebody else")
        os._exit(0)

    if os.geteuid() == 0:
        path.chmod(0o666)
        for folder in (path.parent, *path.parent.parents):
            if folder.stat().st_uid == 0 and folder != Path("/") and str(folder) != "/tmp":
                folder.chmod(folder.stat().st_mode | 0o011)
    else:
        monkeypatch.setattr(unix_listener, "peer_user", lambda _: os.geteuid() + 1)
    process = FORK.Process(target=speak)
    process.start()
    assert listener.receive(1.0) is None
    process.join(10.0)
    assert process.exitcode == 0
    assert transport.refused() == {REFUSED: 1}
    assert "refused a connection: it comes from user" in caplog.text


def test_a_listener_of_another_user_gets_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = open_transport("unix://x", LinkSettings(linger_seconds=0.0))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(f"{tmp_path}/other")
        other.listen()
        monkeypatch.setattr(unix_sender, "peer_user", lambda _: os.geteuid() + 1)
        transport.connect(f"unix://{tmp_path}/other").send([b"secret"], 1.0)
        accepted, _ = other.accept()
        assert accepted.recv(100) == b""
        failure = transport.failure()
        assert isinstance(failure, SecurityError)
        assert "the socket belongs to user" in str(failure)
        accepted.close()
    transport.close()


def lies() -> list[list[tuple[bytes, bool]]]:
    """Packets that break the rules, each with whether a pipe's descriptor goes with it."""
    one = HEAD.pack(MARK, 1, 8 + 100_000)
    return [
        [(MARK, False)],
        [(b"x" * (PACKET_BYTES + 1), False)],
        [(HEAD.pack(MARK, 0, 8), False)],
        [(HEAD.pack(MARK, 2**31, 8), False)],
        [(HEAD.pack(MARK, 1, 2**63), False)],
        [(HEAD.pack(MARK, 2**28, 2**31), False)],
        [(HEAD.pack(MARK, 1, 1 << 22), False)],
        [(HEAD.pack(MARK, 1, 16) + struct.pack("<Q", 2**60) + b"12345678", False)],
        [(HEAD.pack(MARK, 1, 99) + b"short", False)],
        [(one, False), (b"\0", False)],
        [(one, False), (b"\0", True)],
        [(one, False), (b"other", True)],
        [(one, False), (b"a message instead", False)],
    ]


@pytest.mark.parametrize("number", range(len(lies())))
def test_packets_that_break_the_rules_end_their_connection_only(number: int, node: tuple[Transport, Listener, Path]) -> None:
    transport, listener, path = node
    honest = transport.connect(listener.endpoint)
    honest.send([b"before"], 1.0)
    assert listener.receive(5.0) is not None
    before = descriptors()
    with connected(path) as liar:
        ends = os.pipe()
        for packet, passes in lies()[number]:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("@i", ends[0]))] if passes else []
            liar.sendmsg([packet], rights)
        os.close(ends[0])
        os.close(ends[1])
        until(lambda: transport.refused() == {CUT: 1})
        with pytest.raises(BrokenPipeError):
            liar.send(b"more", socket.MSG_NOSIGNAL)
    assert descriptors() == before
    honest.send([b"after"], 1.0)
    received = listener.receive(5.0)
    assert received is not None
    assert list(received.frames) == [b"after"]


def test_a_memory_file_that_changes_its_size_is_refused(node: tuple[Transport, Listener, Path]) -> None:
    transport, listener, path = node
    for written in (0, 99_999, 200_000):
        file = os.memfd_create("lie", os.MFD_ALLOW_SEALING)
        os.write(file, bytes(written))
        with connected(path) as liar:
            liar.send(HEAD.pack(MARK, 1, 100_000))
            assert listener.receive(0.01) is None
            liar.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("@i", file))])
            os.close(file)
            assert listener.receive(0.05) is None
    assert transport.refused() == {CUT: 3}


def test_the_end_of_a_killed_peer_is_counted_after_its_messages(node: tuple[Transport, Listener, Path]) -> None:
    transport, listener, path = node

    def speak() -> None:
        sender = open_transport("unix://x").connect(f"unix://{path}")
        sender.send([b"small"], 1.0)
        sender.send([b"\0\0\0\x80", bytes(300_000)], 1.0)
        os.kill(os.getpid(), 9)

    process = FORK.Process(target=speak)
    process.start()
    process.join(10.0)
    received = [listener.receive(5.0), listener.receive(5.0)]
    assert [sum(map(len, message.frames)) for message in received if message is not None] == [5, 300_004]
    until(lambda: transport.refused() == {CUT: 1})


def test_what_is_queued_while_nobody_listens_reaches_the_next_listener_once_and_in_order(tmp_path: Path) -> None:
    where = f"unix://{tmp_path}/again"
    sending = open_transport(where, LinkSettings(queue=300))
    own = sending.listen(f"unix://{tmp_path}/own")
    sender = sending.connect(where)
    hand_over = sender.send_function()
    first = open_transport(where)
    listener = first.listen(where)
    until(lambda: own.receive(0.0) is None and sender.try_send([b"hello"]) and listener.receive(0.1) is not None)
    while listener.receive(0.05) is not None or sender in sender._group.queued:  # type: ignore[attr-defined]
        assert own.receive(0.0) is None
    first.close()
    messages = [b"%d" % number for number in range(200)]
    large = bytes(200_000)
    for message in messages[:100]:
        hand_over(message)
    sender.send([large], 1.0)
    second = open_transport(where)
    listener = second.listen(where)
    arrived: list[bytes] = []
    for message in messages[100:]:
        hand_over(message)
    deadline = time.monotonic() + 10.0
    while len(arrived) < 201 and time.monotonic() < deadline:
        assert own.receive(0.0) is None
        received = listener.receive(0.05)
        if received is not None:
            arrived.append(bytes(received.frames[0]))
    assert arrived == [*messages[:100], large, *messages[100:]]
    second.close()
    sending.close()


def capacity(folder: Path, size: int, queue: int) -> int:
    """Messages that a link takes while its receiver does nothing."""
    transport, other = (open_transport("unix://x", LinkSettings(queue=queue, linger_seconds=0.0)) for _ in range(2))
    try:
        sender = transport.connect(other.listen(f"unix://{folder}/nobody").endpoint)
        return next(number for number in range(10_000) if not sender.try_send([bytes(size)]))
    finally:
        transport.close()
        other.close()


@pytest.mark.parametrize("size", [25_000, 300_000])
def test_two_nodes_that_send_before_they_read_do_not_wait_for_each_other(size: int, tmp_path: Path) -> None:
    queue, rounds, results = 16, 3, []
    held = capacity(tmp_path, size, queue)
    # More than sockets, memory files and the sender's queue hold: without reading ahead both would wait for ever.
    count = held + queue // 2

    def run(own: str, other: str) -> None:
        transport = open_transport("unix://x", LinkSettings(queue=queue))
        try:
            listener = transport.listen(f"unix://{tmp_path}/{own}")
            sender = transport.connect(f"unix://{tmp_path}/{other}")
            received = []
            for _ in range(rounds):
                for number in range(count):
                    sender.send([b"%08d" % number + bytes(size)], 20.0)
                for _ in range(count):
                    message = listener.receive(20.0)
                    assert message is not None
                    received.append(int(bytes(message.frames[0][:8])))
            results.append(received == rounds * list(range(count)))
        finally:
            transport.close()

    threads = [threading.Thread(target=run, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert results == [True, True]


def test_a_waiting_node_lets_its_queue_go_and_wakes_for_its_messages(tmp_path: Path) -> None:
    slow, fast = (open_transport("unix://x", LinkSettings(queue=200)) for _ in range(2))
    reader, own = slow.listen(f"unix://{tmp_path}/reader"), fast.listen(f"unix://{tmp_path}/own")
    sender, back = fast.connect(reader.endpoint), slow.connect(own.endpoint)
    count = 0
    while sender.try_send([bytes(20_000)]):
        count += 1
    assert count > 200

    def read_and_answer() -> None:
        for _ in range(count):
            assert reader.receive(10.0) is not None
        back.send([b"all read"], 1.0)

    reader.thread = -1  # type: ignore[attr-defined] -- it belongs to the thread below
    thread = threading.Thread(target=read_and_answer)
    thread.start()
    answer = own.take_function(10.0)()
    assert list(in_frames(answer).frames) == [b"all read"]
    thread.join()
    fast.close()
    slow.close()
