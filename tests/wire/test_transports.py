"""One conformance suite, run over each transport."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from netagents.errors import DeadlineError, UsageError
from netagents.wire.codec.limits import Limits
from netagents.wire.transport import memory_transport
from netagents.wire.transport.transport import LinkSettings, Listener, Transport, in_frames, open_transport

Address = Callable[[], str]

FOLLOWED_BY_MORE = b"\0\0\0\x80head"
"""A first frame that announces others, as the codec writes it."""


@pytest.fixture(params=["memory", "unix", "ipc", "tcp"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def address(scheme: str, tmp_path_factory: pytest.TempPathFactory) -> Address:
    directory = tmp_path_factory.mktemp("s")
    names = iter(range(1000))
    fixed = {"memory": "memory://*", "tcp": "tcp://127.0.0.1:0"}
    return lambda: fixed.get(scheme) or f"{scheme}://{directory}/{next(names)}"


@pytest.fixture
def transport(scheme: str) -> Iterator[Transport]:
    made = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=0.3))
    yield made
    made.close()


def receive_all(listener: Listener, number: int, seconds: float = 5.0) -> list[bytes]:
    received: list[bytes] = []
    limit = time.monotonic() + seconds
    while len(received) < number and time.monotonic() < limit:
        message = listener.receive(0.2)
        if message is not None:
            received.append(b"|".join(bytes(frame) for frame in message.frames))
    return received


def test_messages_of_one_link_arrive_in_order_and_once(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    sender = transport.connect(listener.endpoint)
    thread = threading.Thread(target=lambda: [sender.send([b"%d" % i], 5.0) for i in range(2000)])
    thread.start()
    assert receive_all(listener, 2000) == [b"%d" % i for i in range(2000)]
    thread.join()
    assert listener.receive(0.05) is None


def test_a_message_of_many_frames_arrives_whole(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    large = os.urandom(5_000_000)
    transport.connect(listener.endpoint).send([FOLLOWED_BY_MORE, memoryview(large), b"", b"tail"], 5.0)
    message = listener.receive(5.0)
    assert message is not None
    assert [bytes(frame) for frame in message.frames] == [FOLLOWED_BY_MORE, large, b"", b"tail"]
    assert message.user is None


def test_what_a_loop_takes_is_what_take_gives(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    sender = transport.connect(listener.endpoint)
    hand_over = sender.send_function()
    take = listener.take_function(0.2)
    messages = [[b"one"], [FOLLOWED_BY_MORE, b"", b"tail"], [b""], [b"two"]]
    for message in messages:
        if len(message) == 1:
            hand_over(message[0])
        else:
            sender.send(message, 5.0)
    received = [in_frames(listener.complete(take())) for _ in messages]
    assert [list(each.frames) for each in received] == messages
    start = time.monotonic()
    with pytest.raises(listener.timeout_error):
        take()
    assert 0.15 < time.monotonic() - start < 5.0
    # Neither a look at what is there nor a wait of another length changes how long the loop waits.
    assert listener.take(0.0) is None
    assert listener.take(0.01) is None
    threading.Timer(0.05, lambda: hand_over(b"late")).start()
    assert list(in_frames(take()).frames) == [b"late"]


def test_a_loop_is_told_when_its_message_was_not_sent(transport: Transport, address: Address) -> None:
    sender = transport.connect(transport.listen(address()).endpoint)
    hand_over = sender.send_function()
    sender.close()
    with pytest.raises(sender.full_error):
        hand_over(b"into the void")


def test_memory_may_change_as_soon_as_send_returns(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    content = bytearray(b"a" * 1_000_000)
    transport.connect(listener.endpoint).send([FOLLOWED_BY_MORE, memoryview(content)], 5.0)
    content[:] = b"b" * len(content)
    message = listener.receive(5.0)
    assert message is not None
    assert bytes(message.frames[1]) == b"a" * len(content)


def test_many_senders_share_one_listener(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    senders = [transport.connect(listener.endpoint) for _ in range(30)]
    for number, sender in enumerate(senders):
        for turn in range(20):
            sender.send([b"%d %d" % (number, turn)], 5.0)
    received = [tuple(map(int, text.split())) for text in receive_all(listener, 600)]
    assert len(received) == 600
    for number in range(30):
        assert [turn for origin, turn in received if origin == number] == list(range(20))


def test_a_receive_without_messages_ends_when_its_time_is_up(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    started = time.monotonic()
    assert listener.receive(0.0) is None
    assert time.monotonic() - started < 0.1
    assert listener.receive(0.15) is None
    assert not listener.wait((), 0.15).messages
    assert 0.25 < time.monotonic() - started < 5.0


def test_one_wait_covers_messages_and_descriptors(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    sender = transport.connect(listener.endpoint)
    reader, writer = os.pipe()
    try:
        assert listener.wait((reader,), 0.05) == (False, ())
        sender.send([b"x"], 5.0)
        assert listener.wait((reader,), 5.0) == (True, ())
        assert listener.receive(0.0) is not None
        os.close(writer)  # the other end is gone: what a lost parent looks like
        writer = -1
        assert listener.wait((reader,), 5.0) == (False, (reader,))
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    assert not listener.wait((), 0.01).messages


def test_drain_takes_what_is_there_and_no_more_than_it_may(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    sender = transport.connect(listener.endpoint)
    for number in range(50):
        sender.send([b"%d" % number], 5.0)
    taken: list[bytes] = []
    while len(taken) < 50 and listener.wait((), 5.0).messages:
        some = listener.drain(7)
        assert len(some) <= 7
        taken += [bytes(message.frames[0]) for message in some]
    assert taken == [b"%d" % number for number in range(50)]


def test_a_link_may_be_made_before_anyone_listens(transport: Transport, scheme: str, tmp_path: Path) -> None:
    if scheme == "tcp":
        with socket.socket() as probe:  # the port is only known to be free a moment ago; good enough for a test
            probe.bind(("127.0.0.1", 0))
            target = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    else:
        target = f"{scheme}://{tmp_path}/late"
    sender = transport.connect(target)
    sender.send([b"early"], 1.0)
    time.sleep(0.05)
    listener = transport.listen(target)
    assert receive_all(listener, 1) == [b"early"]


def test_a_full_queue_is_a_deadline_error_that_names_the_endpoint(scheme: str, address: Address) -> None:
    transport = open_transport(f"{scheme}://x", LinkSettings(insecure=True, queue=4, linger_seconds=0.0))
    try:
        listener = transport.listen(address())
        sender = transport.connect(listener.endpoint)
        payload = [bytes(300_000)]

        def flood() -> None:
            for _ in range(1000):
                sender.send(payload, 0.1)

        with pytest.raises(DeadlineError, match="does not read") as caught:
            flood()
        assert listener.endpoint in str(caught.value)
        assert not sender.try_send(payload)
        assert listener.receive(1.0) is not None
        while listener.receive(0.1) is not None:
            pass
        sender.send(payload, 5.0)
    finally:
        transport.close()


def test_close_lets_messages_leave_and_abort_does_not_wait_for_them(scheme: str, address: Address) -> None:
    receiving = open_transport(f"{scheme}://x", LinkSettings(insecure=True))
    sending = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=5.0))
    listener = receiving.listen(address())
    sender = sending.connect(listener.endpoint)
    for number in range(100):
        sender.send([b"%d" % number], 1.0)
    sender.close()
    sender.close()
    thread = threading.Thread(target=sending.close)
    thread.start()
    assert len(receive_all(listener, 100)) == 100
    thread.join(5.0)
    assert not thread.is_alive()
    receiving.close()

    lonely = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=30.0))
    stranger = lonely.connect(listener.endpoint + "9" if scheme != "tcp" else "tcp://127.0.0.1:9")
    stranger.send([b"lost"], 1.0)
    started = time.monotonic()
    stranger.abort()
    stranger.abort()
    lonely.close()
    assert time.monotonic() - started < 5.0


def test_closing_waits_no_longer_than_the_linger_time(scheme: str) -> None:
    transport = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=0.2))
    sender = transport.connect("tcp://127.0.0.1:9" if scheme == "tcp" else f"{scheme}:///tmp/no/such/place")
    sender.send([b"x"], 1.0)
    started = time.monotonic()
    transport.close()
    assert time.monotonic() - started < 3.0


def test_sending_on_a_closed_link_is_a_deadline_error(transport: Transport, address: Address) -> None:
    sender = transport.connect(transport.listen(address()).endpoint)
    sender.close()
    assert not sender.try_send([b"x"])
    with pytest.raises(DeadlineError):
        sender.send([b"x"], 0.05)


def held() -> tuple[int, int, int]:
    """Descriptors and threads of this process, and memory endpoints."""
    return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir())), len(memory_transport._MAILBOXES)


def test_nothing_is_left_behind(scheme: str, address: Address) -> None:
    def once() -> None:
        transport = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=0.2))
        where = address()
        listener = transport.listen(where)
        senders = [transport.connect(listener.endpoint) for _ in range(5)]
        for sender in senders:
            sender.send([b"x"], 1.0)
        assert len(receive_all(listener, 5)) == 5
        listener.close()
        listener.close()
        transport.close()
        transport.close()
        if scheme in ("ipc", "unix"):
            assert list(Path(where.removeprefix(f"{scheme}://")).parent.iterdir()) == []

    once()
    before = held()
    for _ in range(5):
        once()
    assert held() == before


def test_two_listeners_cannot_share_an_address(transport: Transport, address: Address) -> None:
    listener = transport.listen(address())
    with pytest.raises(UsageError, match="listens there already"):
        transport.listen(listener.endpoint)
    transport.connect(listener.endpoint).send([b"still here"], 1.0)
    assert receive_all(listener, 1) == [b"still here"]


def test_frames_above_the_limit_end_the_link_and_do_not_arrive(scheme: str, address: Address) -> None:
    if scheme == "memory":
        pytest.skip("memory links carry what this process itself built")
    receiving = open_transport(f"{scheme}://x", LinkSettings(insecure=True, limits=Limits(message_bytes=100_000)))
    sending = open_transport(f"{scheme}://x", LinkSettings(insecure=True, linger_seconds=0.0))
    try:
        listener = receiving.listen(address())
        sending.connect(listener.endpoint).send([bytes(100_001)], 1.0)
        assert listener.receive(0.3) is None
        sending.connect(listener.endpoint).send([bytes(100_000)], 1.0)
        assert listener.receive(5.0) is not None
    finally:
        sending.close()
        receiving.close()


def test_messages_of_too_many_frames_are_cut_for_the_codec_to_refuse(tmp_path: Path) -> None:
    transport = open_transport("ipc://x", LinkSettings(limits=Limits(arrays=3)))
    listener = transport.listen(f"ipc://{tmp_path}/x")
    sender = transport.connect(listener.endpoint)
    sender.send([FOLLOWED_BY_MORE, *[b"x"] * 49], 1.0)
    sender.send([b"next"], 1.0)
    message = listener.receive(5.0)
    assert message is not None
    assert len(message.frames) == 5
    assert receive_all(listener, 1) == [b"next"]
    transport.close()


def test_all_sockets_have_a_finite_linger(tmp_path: Path) -> None:
    transport = open_transport("ipc://x", LinkSettings(linger_seconds=0.7))
    listener = transport.listen(f"ipc://{tmp_path}/x")
    sender = transport.connect(listener.endpoint)
    assert listener._socket.get(zmq.LINGER) == sender._socket.get(zmq.LINGER) == 700  # type: ignore[attr-defined]
    transport.close()
