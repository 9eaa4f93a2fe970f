"""Shows the report of a run, and nothing else, to a browser; for hosts that have the records and no screen."""

from __future__ import annotations

import contextlib
import signal
import tempfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from netagents.errors import NetagentsError, UsageError
from netagents.records.run_reader import Run
from netagents.reports.run_report import write_report

_SECONDS = 10.0


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

    class Page(BaseHTTPRequestHandler):
        timeout = _SECONDS  # a visitor that says nothing holds nobody up for longer

        def do_GET(self) -> None:
            if self.path not in ("/", "/index.html", "/report.html"):
                self.send_error(404, "there is only the report")
                return
            try:
                with tempfile.TemporaryDirectory() as folder:
                    body, code, kind = write_report(find(), Path(folder) / "report.html").read_bytes(), 200, "text/html"
            except NetagentsError as error:
                body, code, kind = f"{error}\n".encode("utf-8", "backslashreplace"), 503, "text/plain"
            self.send_response(code)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_arguments: object) -> None:  # noqa: A002 - http.server names it
            """Visits are nobody's business."""

    try:
        server = HTTPServer((host, int(port)), Page)
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
