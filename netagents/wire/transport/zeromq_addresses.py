"""Addresses of ``ipc`` and ``tcp`` links: which may be used, and who can reach them."""

from __future__ import annotations

import ipaddress
import socket as names
from pathlib import Path

from netagents.errors import SecurityError, UsageError

IPC_PATH_BYTES = 107
"""Longest path of a Unix socket on Linux."""


def ipc_path(address: str) -> Path | None:
    """The socket file of an ipc address; None for other schemes.

    Raises:
        UsageError: the path is relative or too long.
    """
    return socket_file(address, "ipc") if address.startswith("ipc://") else None


def socket_file(address: str, scheme: str) -> Path:
    """The socket file of an address that begins with ``scheme``.

    Raises:
        UsageError: the path is relative or too long.
    """
    path = address.removeprefix(f"{scheme}://")
    if not path.startswith("/") or "\0" in path:
        raise UsageError(f"'{address[:200]}' has no absolute path", fix=f"write {scheme}:///absolute/path")
    size = len(path.encode())
    if size > IPC_PATH_BYTES:
        raise UsageError(
            f"the path has {size} bytes", where=address, fix=f"a socket path has at most {IPC_PATH_BYTES}: use a shorter directory"
        )
    return Path(path)


def tcp_host(address: str, *, keys: bool, insecure: bool = False) -> str:
    """The host of a tcp address, for which there must be keys: other users of this machine reach loopback, too.

    Args:
        address: as given.
        keys: whether the node has any.
        insecure: whether loopback will do without.

    Raises:
        UsageError: it is not an address.
        SecurityError: there are no keys, and the host is not loopback or nobody allowed to do without.
    """
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    bare = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if scheme == "tcp" and bare and port.isalnum():
        raise UsageError(f"'{address[:200]}' is not an address", fix="write numeric IPv6 addresses in brackets, such as tcp://[::1]:5555")
    if scheme != "tcp" or not host or not (port == "*" or (port.isdecimal() and int(port) < 65_536)):
        raise UsageError(f"'{address[:200]}' is not an address", fix="write tcp://HOST:PORT (port 0 takes a free one) or ipc://PATH")
    if keys:
        return host
    if not is_loopback(host):
        raise SecurityError(
            f"{host} is not loopback and this node has no keys", where=address, fix="make keys with `netagents keys FILE --out DIR`"
        )
    if not insecure:
        raise SecurityError(
            "without keys every user of this machine could read, steer and stop the run",
            where=address,
            fix="make keys with `netagents keys FILE --out DIR` and give --keys DIR, listen at ipc://PATH, or allow it with --insecure",
        )
    return host


def is_ipv6(host: str) -> bool:
    """Whether ``host`` is a numeric IPv6 address.  Names count as IPv4, because a lookup could block for long."""
    return host.startswith("[")


def bracketed(host: str) -> str:
    """The host as written in an address: numeric IPv6 addresses in brackets."""
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return host
    return f"[{host}]"


def is_wildcard(host: str) -> bool:
    """Whether ``host`` means every interface of this machine."""
    return host in ("*", "0.0.0.0", "[::]", "::")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if is_wildcard(host):
        return False
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        pass
    try:
        addresses = names.getaddrinfo(host, None, type=names.SOCK_STREAM)
    except OSError:
        return False
    return bool(addresses) and all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in addresses)
