"""Where links may listen and connect: which addresses are none, which need keys, and when keys are asked for."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from netagents.errors import SecurityError, UsageError
from netagents.wire.transport.transport import LinkSettings, open_transport, scheme_of


def test_open_ports_get_real_numbers_and_memory_names_are_free() -> None:
    for scheme, address in (("tcp", "tcp://127.0.0.1:0"), ("tcp", "tcp://127.0.0.1:*"), ("memory", "memory://*")):
        transport = open_transport(f"{scheme}://x", LinkSettings(insecure=True))
        one, two = transport.listen(address), transport.listen(address)
        assert one.endpoint != two.endpoint
        assert not one.endpoint.endswith((":0", "*"))
        transport.close()


@pytest.mark.parametrize(
    "address", ["tcp://0.0.0.0:0", "tcp://*:0", "tcp://[::]:0", "tcp://192.0.2.1:0", "tcp://no-such-host.invalid:5000"]
)
def test_links_off_loopback_need_keys_whatever_is_allowed(address: str) -> None:
    transport = open_transport("tcp://x", LinkSettings(insecure=True))
    try:
        with pytest.raises(SecurityError, match="netagents keys"):
            transport.listen(address)
        with pytest.raises(SecurityError, match="netagents keys"):
            transport.connect(address)
    finally:
        transport.close()


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "tcp://[::1]:0", "tcp://localhost:0"])
def test_links_on_loopback_need_keys_too_because_others_on_the_machine_reach_them(address: str) -> None:
    transport = open_transport("tcp://x")
    try:
        with pytest.raises(SecurityError, match="every user of this machine could read, steer and stop the run; make keys"):
            transport.listen(address)
        with pytest.raises(SecurityError, match="--insecure"):
            transport.check(address.replace(":0", ":5701"))
    finally:
        transport.close()


class OpenCredentials:
    """Credentials that protect nothing but record what the transport asks of them."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.users: dict[bytes, str] = {}

    def secure_listener(self, _socket: object) -> None:
        self.calls.append("listener")

    def secure_sender(self, _socket: object, _endpoint: str, peer: str | None) -> None:
        self.calls.append(f"sender to {peer}")


def test_credentials_are_asked_before_every_tcp_link_and_not_for_ipc(tmp_path: Path) -> None:
    door = OpenCredentials()
    transport = open_transport("tcp://x", LinkSettings(credentials=door))
    listener = transport.listen("tcp://0.0.0.0:0")
    assert listener.endpoint.split(":")[1] == f"//{socket.gethostname()}"
    port = listener.endpoint.rpartition(":")[2]
    transport.connect(f"tcp://127.0.0.1:{port}", "agent-1").send([b"a", b"b"], 5.0)
    message = listener.receive(5.0)
    assert message is not None
    assert list(message.frames) == [b"a", b"b"]
    assert message.user == ""  # nobody vouched for it, so it is nobody's
    transport.connect(transport.listen(f"ipc://{tmp_path}/x").endpoint)
    transport.close()
    transport.close()
    assert door.calls == ["listener", "sender to agent-1"]
    with pytest.raises(TypeError):
        open_transport("tcp://x", LinkSettings(credentials="password"))


@pytest.mark.parametrize(
    ("address", "word"),
    [
        ("ipc:///tmp/" + "x" * 120, "at most 107"),
        ("ipc://relative/path", "absolute"),
        ("unix:///tmp/" + "x" * 120, "at most 107"),
        ("unix://relative/path", "absolute"),
        ("unix:///no/such/directory/x", "existing directory"),
        ("ipc:///no/such/directory/x", "existing directory"),
        ("tcp://127.0.0.1", "HOST:PORT"),
        ("tcp://127.0.0.1:99999", "HOST:PORT"),
        ("tcp://127.0.0.1:http", "HOST:PORT"),
    ],
)
def test_addresses_that_cannot_be_are_one_line(address: str, word: str) -> None:
    transport = open_transport(address)
    with pytest.raises(UsageError, match=word) as caught:
        transport.listen(address)
    assert "\n" not in str(caught.value)
    transport.close()


@pytest.mark.parametrize("address", ["", "nothing", "http://x", "tcp://", "://x"])
def test_unknown_schemes_name_the_known_ones(address: str) -> None:
    with pytest.raises(UsageError, match="ipc://, memory://, tcp://, unix://"):
        scheme_of(address)


def test_an_ipc_path_of_107_bytes_is_short_enough(tmp_path: Path) -> None:
    transport = open_transport("ipc://x")
    room = 107 - len(f"{tmp_path}/")
    listener = transport.listen(f"ipc://{tmp_path}/{'x' * room}")
    transport.connect(listener.endpoint).send([b"x"], 1.0)
    message = listener.receive(5.0)
    assert message is not None
    assert list(message.frames) == [b"x"]
    transport.close()


def has_ipv6() -> bool:
    """Whether this machine can listen on the loopback address of IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_links_carry_messages_and_need_no_keys_on_loopback_where_that_is_allowed() -> None:
    transport = open_transport("tcp://x", LinkSettings(insecure=True))
    try:
        listener = transport.listen("tcp://[::1]:0")
        assert listener.endpoint.startswith("tcp://[::1]:")
        transport.connect(listener.endpoint, "agent-1").send([b"a"], 5.0)
        message = listener.receive(5.0)
        assert message is not None
        assert list(message.frames) == [b"a"]
    finally:
        transport.close()


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_a_numeric_host_to_be_reached_by_gets_its_brackets() -> None:
    transport = open_transport("tcp://x", LinkSettings(credentials=OpenCredentials(), advertise="::1"))
    try:
        listener = transport.listen("tcp://[::]:0")
        assert listener.endpoint.startswith("tcp://[::1]:")
        transport.connect(listener.endpoint, "agent-1").send([b"a"], 5.0)
        assert listener.receive(5.0) is not None
        # Both families reach a node that listens on all addresses.
        port = listener.endpoint.rpartition(":")[2]
        transport.connect(f"tcp://127.0.0.1:{port}", "agent-1").send([b"b"], 5.0)
        assert listener.receive(5.0) is not None
    finally:
        transport.close()


def test_ipv6_addresses_say_what_is_wrong_with_them() -> None:
    transport = open_transport("tcp://x", LinkSettings(credentials=OpenCredentials()))
    try:
        with pytest.raises(UsageError, match=r"write numeric IPv6 addresses in brackets, such as tcp://\[::1\]:5555"):
            transport.listen("tcp://fd00::1:5000")
        with pytest.raises(UsageError, match="cannot listen: this machine has no such IPv6 address"):
            transport.listen("tcp://[2001:db8::dead]:0")
    finally:
        transport.close()
    from netagents.nodes.bootstrap.node_addresses import own_address

    assert own_address("tcp://[::1]:5000", "agent-1") == "tcp://[::1]:0"
    assert own_address("tcp://[fd00::1]:5000", "agent-1") == "tcp://[::]:0"
