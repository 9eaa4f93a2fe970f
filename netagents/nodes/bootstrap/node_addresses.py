"""Addresses of nodes: where a node listens, and how it finds the server."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from netagents.errors import DeadlineError
from netagents.wire.pauses import note_waking, waiting_clock
from netagents.wire.session.receiver import NOTE_SECONDS
from netagents.wire.transport.unix_transport import has_unix_links
from netagents.wire.transport.zeromq_addresses import is_ipv6, is_loopback

ANNOUNCE_INTERVAL = 0.01
"""Seconds between checks for the server's announcement."""

FILE_SCHEMES = ("unix", "ipc")
"""Schemes whose endpoints are socket files."""


def link_scheme(transport: str) -> str:
    """The scheme of all links of a run whose nodes are on this host, by its setting ``runtime.transport``."""
    if transport != "auto":
        return transport
    return "unix" if has_unix_links() else "ipc"


def own_address(join: str, name: str) -> str:
    """The address at which a node listens that joins at ``join``: beside the server's socket, or a free port that the server can reach."""
    scheme, _, rest = join.partition("://")
    if scheme in FILE_SCHEMES:
        return f"{scheme}://{Path(rest).parent / name}"
    host = rest.rpartition(":")[0]
    if is_ipv6(host):
        return "tcp://[::1]:0" if is_loopback(host) else "tcp://[::]:0"
    return "tcp://127.0.0.1:0" if is_loopback(host) else "tcp://0.0.0.0:0"


def announce(endpoint: str, path: Path) -> None:
    """Write the server's endpoint to a file, for nodes that join at ``file://PATH``."""
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_text(endpoint, encoding="utf-8")
    temporary.rename(path)


def resolve_address(address: str, seconds: float, note: Callable[[str], None] | None = None) -> str:
    """The address itself or, for ``file://PATH``, what the server announced there.

    Args:
        address: as given.
        seconds: to wait for the file.
        note: called with a description of the wait every :data:`netagents.wire.session.receiver.NOTE_SECONDS`.

    Raises:
        DeadlineError: nothing was announced within ``seconds``.
    """
    scheme, _, rest = address.partition("://")
    if scheme != "file":
        return address
    deadline = waiting_clock() + seconds
    next_note = waiting_clock() + NOTE_SECONDS
    while not Path(rest).exists():
        start = waiting_clock()
        if start > deadline:
            raise DeadlineError(f"waited {seconds:g} s for the server to announce its address", where=address)
        if note is not None and start >= next_note:
            next_note += NOTE_SECONDS
            note(f"waiting for the environment server to announce its address in {rest}, {deadline - start:.0f} s left")
        time.sleep(ANNOUNCE_INTERVAL)
        note_waking(start + ANNOUNCE_INTERVAL)
    return Path(rest).read_text(encoding="utf-8")


def socket_path(endpoint: str) -> Path | None:
    """The socket file of an endpoint; None for schemes that have none."""
    scheme, _, rest = endpoint.partition("://")
    return Path(rest) if scheme in FILE_SCHEMES else None
