"""Server of the live page: listens, answers many visitors, and stands back for the run that it shows."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netagents.errors import MissingPackageError, SecurityError, UsageError
from netagents.monitoring.feed.run_catalog import RunCatalog

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

EXTRA = "dashboard"
NICENESS = 5
"""Of the server's process: agents come first, and visitors are still answered where many agents compute."""

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class PageAddress:
    """Where the page is served.

    Attributes:
        host, port: as given; port 0 takes a free one.
        token: what visitors must know; None on loopback.
    """

    host: str
    port: int
    token: str | None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def page_address(words: str, token: bool) -> PageAddress:
    """Parse ``HOST:PORT``.

    Args:
        words: the address.
        token: whether visitors need a token, which is made here; every other address than loopback demands one.

    Raises:
        UsageError: it is no address.
        SecurityError: it is not loopback, and there is to be no token.
    """
    host, _, port = words.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"'{words[:100]}' is no address", where="--listen", fix="write HOST:PORT, such as 127.0.0.1:8702")
    if not is_loopback(host) and not token:
        raise SecurityError(
            f"{host[:100]} can be reached from other machines",
            where="--listen",
            fix="add --token: whoever has the address with its token can then read all records and logs of these runs, unencrypted; "
            "or listen on 127.0.0.1 and forward the port with ssh -L",
        )
    return PageAddress(host, int(port), secrets.token_urlsafe(24) if token else None)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_dashboard() -> None:
    """Refuse where the libraries of the page are not installed.

    Raises:
        MissingPackageError: says what to install.
    """
    import importlib.util

    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingPackageError(f"the package {missing[0]} is not installed", where="watch", fix=f"pip install 'netagents[{EXTRA}]'")


def serve_page(catalog: RunCatalog, address: PageAddress, ready: Callable[[str], None], until: Callable[[], bool] | None = None) -> None:
    """Serve the page until SIGTERM or Ctrl-C, or until a condition holds.

    Args:
        catalog: of what is shown.
        address: where.
        ready: called with the page's address when somebody may come.
        until: looked at every second.

    Raises:
        MissingPackageError: the extra is not installed.
        UsageError: nobody can listen there.
    """
    check_dashboard()
    from netagents.monitoring.page.page_app import page_app

    listener = _listen(address)
    # What strangers send is no news; a fault of the page is.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
        # Waking up, it interrupts no agent: it waits for its turn.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    port = listener.getsockname()[1]
    hosts = LOOPBACK_NAMES | {address.host.lower()} if address.loopback else None
    app = page_app(catalog, hosts, address.token)
    server = http_server(app)
    host = f"[{address.host}]" if ":" in address.host else address.host
    ready(f"http://{host}:{port}/{'' if address.token is None else f'?token={address.token}'}")

    threading.Thread(target=catalog.warm_up, daemon=True).start()

    def end() -> None:
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # who is still there is no news
        app.end()
        server.should_exit = True

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end)
        ending = loop.create_task(_await_end(until, end)) if until is not None else None
        await server._serve([listener])
        if ending is not None:
            ending.cancel()

    try:
        asyncio.run(serve())
    finally:
        listener.close()


def http_server(app: ASGIApp, protocol: type[asyncio.Protocol] | None = None) -> uvicorn.Server:
    """The HTTP server of an application, with deadlines for its visitors.

    Args:
        app: the application.
        protocol: of connections (default: :class:`netagents.monitoring.page.connection_limits.LimitedProtocol`).
    """
    import uvicorn

    from netagents.monitoring.page.connection_limits import LONGEST_REQUEST, MOST_CONNECTIONS, LimitedProtocol

    config = uvicorn.Config(
        app,
        http=LimitedProtocol if protocol is None else protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_CONNECTIONS,
        h11_max_incomplete_event_size=LONGEST_REQUEST,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


async def _await_end(until: Callable[[], bool], end: Callable[[], None]) -> None:
    while not until():
        await asyncio.sleep(1.0)
    end()


def _listen(address: PageAddress) -> socket.socket:
    refused = f"{address.host}:{address.port}"
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(128)
            undo.pop_all()
    except OSError as error:
        fix = "take another port, or stop what listens there"
        raise UsageError(f"cannot listen: {error.strerror}", where=refused, fix=fix) from error
    return listener
