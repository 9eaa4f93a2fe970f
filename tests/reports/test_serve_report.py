"""Server of the report: visitors that say nothing or drip their request delay nobody, and too many are turned away."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from netagents.records import Run


def is_open(connection: socket.socket) -> bool:
    """Whether the other side still waits for what comes."""
    connection.setblocking(False)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


@pytest.mark.system
def test_silent_and_dripping_visitors_delay_nobody(recorded_run: Callable[..., Run]) -> None:
    run = recorded_run()
    words = [sys.executable, "-m", "netagents", "report", str(run.path), "--serve", "127.0.0.1:0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            match = re.search(r"http://127.0.0.1:(\d+)/", server.stderr.readline())
            assert match is not None
            port = int(match[1])

            def opened(data: bytes = b"") -> socket.socket:
                connection = socket.create_connection(("127.0.0.1", port), timeout=60)
                connection.sendall(data)
                return connection

            def answer(path: str) -> tuple[int, bytes]:
                connection: Any = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read()

            waiting = [opened(), opened(), opened(), opened(b"GET / HTTP/1.1\r\nX-A: ")]
            assert answer("/nothing")[0] == 404
            # Nobody had to be cut off for that.
            assert all(map(is_open, waiting))
            status, page = answer("/")
            assert status == 200
            assert page.startswith(b"<!doctype html>")
            crowd = [opened() for _ in range(60)]
            crowd[-1].settimeout(60)
            assert crowd[-1].recv(1) == b""
            for each in (*waiting, *crowd):
                each.close()
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(30)
