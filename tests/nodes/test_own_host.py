"""A host that has no address for its own name waits for one, and says so when none comes."""

from __future__ import annotations

import socket

import pytest

from netagents.errors import DeadlineError
from netagents.nodes.by_hand import own_host


def test_an_address_that_comes_later_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def lookup(name: str, *_: object, **__: object) -> list[object]:
        asked.append(name)
        if len(asked) < 3:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        kind = socket.SOCK_STREAM
        return [(socket.AF_INET6, kind, 6, "", ("fd00::4", 0, 0, 0)), (socket.AF_INET, kind, 6, "", ("172.18.0.4", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert own_host(30.0) == "172.18.0.4"
    assert asked == [socket.gethostname()] * 3


def test_none_that_comes_is_named_by_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(name: str, *_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, f"Name or service not known: {name}")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(DeadlineError, match=r"^--advertise own-address: waited 0\.3 s for this host's own name to have an address: Name"):
        own_host(0.3)


def test_a_host_that_has_only_the_newer_family_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fd00::4", 0, 0, 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
    assert own_host(0.3) == "fd00::4"
