"""Links with keys: who belongs gets through under its own name; everybody else is refused, counted, and told why."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import zmq

from netagents.errors import SecurityError
from netagents.messages import ENVIRONMENT
from netagents.wire.codec.limits import Limits
from netagents.wire.security.key_bundles import CurveCredentials, KeyBundle, make_bundles, role_name
from netagents.wire.security.zap_authenticator import CUT, REFUSED
from netagents.wire.transport.transport import LinkSettings, Listener, Sender, Transport, open_transport

ADDRESS = "tcp://127.0.0.1:0"
KNOWS = {ENVIRONMENT: {0, 1, 2, 3}, 0: {ENVIRONMENT, 1}, 1: {ENVIRONMENT, 0, 2}, 2: {ENVIRONMENT, 1, 3}, 3: {ENVIRONMENT, 2}}
"""Four agents in a row, kappa 1."""

Open = Callable[..., Transport]


@pytest.fixture
def bundles() -> dict[int, KeyBundle]:
    return make_bundles(KNOWS)


@pytest.fixture
def opened() -> Iterator[Open]:
    transports: list[Transport] = []

    def make(bundle: KeyBundle | None, limits: Limits | None = None) -> Transport:
        settings = LinkSettings(credentials=None if bundle is None else CurveCredentials(bundle), linger_seconds=0.0, insecure=True)
        transports.append(open_transport(ADDRESS, settings if limits is None else replace(settings, limits=limits)))
        return transports[-1]

    yield make
    for transport in transports:
        transport.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "zap-authenticator"]


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def failure(transport: Transport, seconds: float = 10.0) -> SecurityError:
    """What the owner of the transport is told, by way of the descriptor that its wait watches."""
    ((descriptor, check),) = transport.watched().items()
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    assert poller.poll(1000 * seconds), "nobody was told"
    with pytest.raises(SecurityError) as caught:
        check()
    assert "\n" not in str(caught.value)
    return caught.value


def next_message(listener: Listener) -> tuple[list[bytes], str | None]:
    message = listener.receive(10.0)
    assert message is not None
    return [bytes(frame) for frame in message.frames], message.user


def assert_silent(listener: Listener, sender: Sender) -> None:
    sender.try_send([b"let me in"])
    assert listener.receive(0.2) is None


def test_who_belongs_gets_through_under_the_name_that_its_key_proves(bundles: dict[int, KeyBundle], opened: Open) -> None:
    listening = opened(bundles[1])
    listener = listening.listen(ADDRESS)
    for peer in (ENVIRONMENT, 0, 2):
        sender = opened(bundles[peer]).connect(listener.endpoint, "agent-1")
        sender.send([b"from", role_name(peer).encode()], 5.0)
        assert next_message(listener) == ([b"from", role_name(peer).encode()], role_name(peer))
    assert listening.refused() == {}


def test_what_travels_is_encrypted(bundles: dict[int, KeyBundle], opened: Open) -> None:
    listener = opened(bundles[1]).listen(ADDRESS)
    tap = Tap(int(listener.endpoint.rpartition(":")[2]))
    try:
        opened(bundles[0]).connect(tap.endpoint, "agent-1").send([b"a secret that nobody else may read" * 20], 5.0)
        assert next_message(listener)[1] == "agent-0"
        assert len(tap.forth) > 680
        assert b"a secret" not in bytes(tap.forth)
    finally:
        tap.close()


def test_an_agent_outside_the_radius_is_refused(bundles: dict[int, KeyBundle], opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    listening = opened(bundles[3])
    listener = listening.listen(ADDRESS)
    outsider = opened(bundles[0])
    # Agent 0 does not even know the key of agent 3 ...
    with pytest.raises(SecurityError, match="agent-0 has no key of agent-3; make keys of this experiment"):
        outsider.connect(listener.endpoint, "agent-3")
    # ... and if somebody gave it to agent 0, agent 3 still does not let it in.
    keys = replace(bundles[0], peers={**bundles[0].peers, "agent-3": bundles[3].public})
    insistent = opened(keys)
    with caplog.at_level(logging.WARNING):
        assert_silent(listener, insistent.connect(listener.endpoint, "agent-3"))
        until(lambda: listening.refused() == {REFUSED: 1})
        error = failure(insistent)
    assert str(error).startswith(f"{listener.endpoint}: agent-3 refused this node's key: it is of another run, or this node is outside")
    assert sum("refused a key from 127.0.0.1" in record.message for record in caplog.records) == 1


def test_a_key_of_another_run_is_refused(bundles: dict[int, KeyBundle], opened: Open) -> None:
    listening = opened(bundles[1])
    listener = listening.listen(ADDRESS)
    stale = make_bundles(KNOWS)
    # A node of an earlier run, which somehow learned the new run's public key.
    late = opened(replace(stale[0], peers={**stale[0].peers, "agent-1": bundles[1].public}))
    assert_silent(listener, late.connect(listener.endpoint, "agent-1"))
    assert "refused this node's key: it is of another run" in str(failure(late))
    # A node of an earlier run as it is: it looks for a peer that is not there any more.
    older = opened(stale[0])
    assert_silent(listener, older.connect(listener.endpoint, "agent-1"))
    assert "does not hold the key of agent-1: it is of another run, another node, or has no keys" in str(failure(older))
    until(lambda: listening.refused()[REFUSED] >= 2)


def test_a_node_without_keys_is_refused(bundles: dict[int, KeyBundle], opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    listening = opened(bundles[1])
    listener = listening.listen(ADDRESS)
    naked = opened(None)
    with caplog.at_level(logging.WARNING):
        assert_silent(listener, naked.connect(listener.endpoint, "agent-1"))
        assert "agent-1 asks for keys and this node has none; give --keys DIR" in str(failure(naked))
        until(lambda: listening.refused().get(REFUSED, 0) >= 1)
    # One line per cause, however often it knocks: its end noticed first, or ours.
    assert sum("refused a peer" in record.message for record in caplog.records) in (1, 2)


def test_a_node_with_keys_speaks_to_nobody_without(bundles: dict[int, KeyBundle], opened: Open) -> None:
    listener = opened(None).listen(ADDRESS)
    careful = opened(bundles[0])
    assert_silent(listener, careful.connect(listener.endpoint, "agent-1"))
    # Either end may notice first; when it is the other one, it closes the link without a word.
    message = str(failure(careful))
    assert "this node has keys and agent-1 has none" in message or "does not hold the key of agent-1" in message


def test_another_agents_public_key_without_its_secret_is_worth_nothing(bundles: dict[int, KeyBundle], opened: Open) -> None:
    listening = opened(bundles[1])
    listener = listening.listen(ADDRESS)
    _, secret = zmq.curve_keypair()
    thief = opened(replace(bundles[3], role="agent-0", public=bundles[0].public, secret=secret, peers={"agent-1": bundles[1].public}))
    assert_silent(listener, thief.connect(listener.endpoint, "agent-1"))
    until(lambda: listening.refused().get(REFUSED, 0) >= 1)


def test_a_node_that_took_a_peers_place_hears_nothing(bundles: dict[int, KeyBundle], opened: Open) -> None:
    # Agent 2 listens where agent 0 expects agent 1: it cannot answer for agent 1's key.
    listener = opened(bundles[2]).listen(ADDRESS)
    sender = opened(bundles[0])
    assert_silent(listener, sender.connect(listener.endpoint, "agent-1"))
    assert "does not hold the key of agent-1" in str(failure(sender))


def test_a_recorded_connection_played_again_is_refused(
    bundles: dict[int, KeyBundle], opened: Open, caplog: pytest.LogCaptureFixture
) -> None:
    listening = opened(bundles[1])
    listener = listening.listen(ADDRESS)
    port = int(listener.endpoint.rpartition(":")[2])
    tap = Tap(port)
    try:
        opened(bundles[0]).connect(tap.endpoint, "agent-1").send([b"once"], 5.0)
        assert next_message(listener) == ([b"once"], "agent-0")
        recorded = bytes(tap.forth)
        # The same bytes on a connection of their own: the key exchange is a new one.
        with socket.create_connection(("127.0.0.1", port)) as again:
            again.sendall(recorded)
            again.settimeout(10.0)
            while again.recv(4096):
                pass
        until(lambda: listening.refused().get(REFUSED, 0) == 1)
        # The last record once more on the same connection: its number has been used.
        tap.inject(recorded[recorded.rindex(b"\x07MESSAGE") - 2 :])
        until(lambda: listening.refused() == {REFUSED: 2})
        assert "a record arrived twice or out of order" in caplog.text
        assert listener.receive(0.2) is None
    finally:
        tap.close()


def test_a_frame_above_the_limit_ends_the_link_and_is_counted(bundles: dict[int, KeyBundle], opened: Open) -> None:
    listening = opened(bundles[1], Limits(message_bytes=10_000))
    listener = listening.listen(ADDRESS)
    sender = opened(bundles[0]).connect(listener.endpoint, "agent-1")
    sender.send([b"hello"], 5.0)
    assert next_message(listener)[0] == [b"hello"]
    sender.send([bytes(10_001)], 5.0)
    until(lambda: listening.refused() == {CUT: 1})
    assert listener.receive(0.1) is None


def test_a_peer_that_goes_away_before_it_has_shaken_hands_is_no_error(bundles: dict[int, KeyBundle], opened: Open) -> None:
    listening = opened(bundles[1])
    port = int(listening.listen(ADDRESS).endpoint.rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port)).close()
    until(lambda: listening.refused() == {REFUSED: 1})
    for check in listening.watched().values():
        check()


def test_failed_links_do_not_matter_once_they_are_given_up_or_the_start_is_over(bundles: dict[int, KeyBundle], opened: Open) -> None:
    listener = opened(bundles[2]).listen(ADDRESS)
    transport = opened(bundles[0])
    sender = transport.connect(listener.endpoint, "agent-1")
    failure(transport)
    sender.abort()
    for check in transport.watched().values():
        check()
    transport.connect(listener.endpoint, "agent-1")
    failure(transport)
    transport.finish_start()
    for check in transport.watched().values():
        check()


def test_a_link_that_fails_later_on_explains_a_wait_until_it_is_mended(bundles: dict[int, KeyBundle], opened: Open) -> None:
    wrong = opened(bundles[2])
    listener = wrong.listen(ADDRESS)
    transport = opened(bundles[0])
    transport.finish_start()
    assert transport.failure() is None
    sender = transport.connect(listener.endpoint, "agent-1")
    until(lambda: transport.failure() is not None)
    error = transport.failure()
    assert isinstance(error, SecurityError)
    assert str(error).startswith(f"{listener.endpoint}: the listener there does not hold the key of agent-1")
    # The right one takes the place.
    endpoint = listener.endpoint
    wrong.close()
    mended = opened(bundles[1]).listen(endpoint)
    sender.send([b"at last"], 10.0)
    assert next_message(mended) == ([b"at last"], "agent-0")
    until(lambda: transport.failure() is None)


def test_a_late_listener_is_found_and_no_failure(bundles: dict[int, KeyBundle], opened: Open) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    transport = opened(bundles[0])
    sender = transport.connect(endpoint, "agent-1")
    sender.send([b"early"], 5.0)
    time.sleep(0.1)
    listener = opened(bundles[1]).listen(endpoint)
    assert next_message(listener) == ([b"early"], "agent-0")
    for check in transport.watched().values():
        check()


class Tap:
    """A wire-tap between a sender and the listener at ``port``: it records what goes forth and can add to it."""

    def __init__(self, port: int) -> None:
        self.forth = bytearray()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self._out = socket.create_connection(("127.0.0.1", port))
        self._in: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._in, _ = self._server.accept()
        poller = select.poll()
        pairs = {self._in.fileno(): (self._in, self._out), self._out.fileno(): (self._out, self._in)}
        for descriptor in pairs:
            poller.register(descriptor, select.POLLIN)
        while True:
            for descriptor, _ in poller.poll():
                source, target = pairs[descriptor]
                try:
                    data = source.recv(65_536)
                    if source is self._in:
                        self.forth += data
                    target.sendall(data)
                except OSError:
                    return
                if not data:
                    return

    def inject(self, data: bytes) -> None:
        self._out.sendall(data)

    def close(self) -> None:
        for end in (self._in, self._out, self._server):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._thread.join(5.0)
