"""Live page beside a run of processes: five visitors, one of whom reads nothing, change no bit of it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from experiments import line_msg

import netagents
from netagents.records import Run
from netagents.records.same_bits import same_bits

pytest.importorskip("uvicorn", reason="the extra dashboard is not installed")


@pytest.mark.system
def test_visitors_change_no_bit(tmp_path: Path) -> None:
    settings = line_msg(3, name="watched", kappa=1, iterations=200, batch=8, horizon=4)
    alone = netagents.run(settings | {"runtime": {"launcher": "in_process"}}, directory=tmp_path / "alone")
    file = tmp_path / "watched.json"
    file.write_text(json.dumps(settings))
    words = [sys.executable, "-m", "netagents", "run", str(file), "--watch", "--quiet", "--out", str(tmp_path / "run")]
    received_iterations: list[set[int]] = [set() for _ in range(4)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert "the page is at http://127.0.0.1:" in line
            where = urlsplit(line.split()[-1])
            from netagents.monitoring.feed.run_catalog import run_key

            request = f"GET /api/runs/{run_key(tmp_path / 'run')}/news HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            visitors = [socket.create_connection((where.hostname, where.port), timeout=60) for _ in range(5)]
            for visitor in visitors:
                visitor.sendall(request)
            threads = [threading.Thread(target=_listen, args=pair) for pair in zip(visitors[1:], received_iterations, strict=True)]
            for thread in threads:
                thread.start()
            assert process.wait(90) == 0
            for thread in threads:
                thread.join(20)
            for visitor in visitors:
                visitor.close()
        finally:
            process.kill()
    run = Run.open(tmp_path / "run")
    assert run.state == "finished"
    assert same_bits(run, alone) == []
    assert [len(iterations) > 20 for iterations in received_iterations] == [True] * 4, [
        len(iterations) for iterations in received_iterations
    ]
    assert all(iterations <= set(range(200)) for iterations in received_iterations)
    # The page has ended with the command.
    assert _refused(str(where.hostname), int(where.port or 0))


def _refused(host: str, port: int) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection((host, port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.1)
    return False


def _listen(visitor: socket.socket, received_iterations: set[int]) -> None:
    with visitor.makefile("rb") as file:
        try:
            for line in file:
                if line.startswith(b"data: "):
                    received_iterations.update(json.loads(line[6:]).get("team", {}).get("i", []))
        except OSError:
            return
