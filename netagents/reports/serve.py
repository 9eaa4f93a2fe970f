"""Shows the report of a run, and nothing else, to a browser; for hosts that have the records and no screen."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from netagents.errors import NetagentsError, UsageError
from netagents.records.run_reader import Run
from netagents.reports.run_report import write_report

_SECONDS = 10.0
MOST_VISITORS = 32
"""Those beyond are turned away, so that silent ones cannot take all threads of the host."""


class _Server(ThreadingHTTPServer):
    """Answers each visitor in a thread of its own, so that one that says nothing, or drips its request, delays nobody."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._free = threading.BoundedSemaphore(MOST_VISITORS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin to answer a visitor, unless there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a visitor."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor that went away is no news; a fault is."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Cuts a visitor off that has not asked after a while, however it drips its request, or that does not read its answer."""

    timeout = _SECONDS

    def setup(self) -> None:
        super().setup()
        self._cut = threading.Timer(_SECONDS, self._cut_off)
        self._cut.daemon = True
        self._cut.start()

    def parse_request(self) -> bool:
        complete = super().parse_request()
        self._cut.cancel()
        return complete

    def finish(self) -> None:
        self._cut.cancel()
        super().finish()

    def _cut_off(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002 - http.server names it
        """Visits are nobody's business."""


def serve_report(address: str, find: Callable[[], Run], ready: Callable[[str], None]) -> None:
    """Answer requests for the report until SIGTERM or Ctrl-C; it is written anew for each, so a run that goes on can be watched.

    Args:
        address: ``HOST:PORT``; port 0 takes a free one.
        find: gives the run.
        ready: told the real address when somebody may come.

    Raises:
        UsageError: nobody can listen there.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"'{address[:100]}' is no address", where="--serve", fix="write HOST:PORT, such as 127.0.0.1:8701")

    drawing = threading.Lock()

    class Page(_Handler):
        def do_GET(self) -> None:
            if self.path not in ("/", "/index.html", "/report.html"):
                self.send_error(404, "there is only the report")
                return
            try:
                # One after the other: drawing takes the core from the run.
                with drawing, tempfile.TemporaryDirectory() as folder:
                    body, code, kind = write_report(find(), Path(folder) / "report.html").read_bytes(), 200, "text/html"
            except NetagentsError as error:
                body, code, kind = f"{error}\n".encode("utf-8", "backslashreplace"), 503, "text/plain"
            self.send_response(code)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    try:
        server = _Server((host, int(port)), Page)
    except OSError as error:
        raise UsageError(f"cannot listen: {error.strerror}", where=address, fix="take another port, or stop what listens there") from error

    def end(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, end)
    try:
        with server, contextlib.suppress(KeyboardInterrupt):
            ready(f"{host}:{server.server_address[1]}")
            server.serve_forever()
    finally:
        signal.signal(signal.SIGTERM, previous)
