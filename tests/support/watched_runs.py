"""Runs for the live page: settings, records that grow row by row, and a page server in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from experiments import line_msg

SETTINGS: dict[str, Any] = line_msg(4, name="seen", kappa=2, iterations=24, batch=256, horizon=6, launcher="in_process")


def cut(path: Path, rows: int) -> None:
    """Leave only so many iterations of a run, as if it had come no further, and was going on."""
    for name in ("metrics.jsonl", "power.jsonl", "ledger.jsonl"):
        lines = (path / name).read_bytes().splitlines(keepends=True)
        (path / name).write_bytes(b"".join(lines[:rows]))
    events = [line for line in (path / "events.jsonl").read_text().splitlines() if json.loads(line)["event"] in ("created", "started")]
    (path / "events.jsonl").write_text("".join(f"{line}\n" for line in events))


def grow(path: Path, source: Path, rows: int) -> None:
    """Append the rows of another run up to so many iterations, metrics last, as a recorder does."""
    for name in ("ledger.jsonl", "power.jsonl", "metrics.jsonl"):
        have = (path / name).read_bytes().count(b"\n")
        lines = (source / name).read_bytes().splitlines(keepends=True)
        with (path / name).open("ab") as file:
            file.write(b"".join(lines[have:rows]))


def lengthen(path: Path, rows: int) -> None:
    """Give a run so many iterations: its own, and its last half again and again."""
    for name in ("ledger.jsonl", "power.jsonl", "metrics.jsonl"):
        lines = [json.loads(line) for line in (path / name).read_text().splitlines()]
        half = len(lines) // 2
        with (path / name).open("w") as file:
            for at in range(rows):
                row = lines[at] if at < len(lines) else lines[half + (at - half) % (len(lines) - half)]
                file.write(json.dumps(row | {"iteration": at}, separators=(",", ":")) + "\n")


def add_event(path: Path, **facts: Any) -> None:
    """Append an event."""
    with (path / "events.jsonl").open("a") as file:
        file.write(json.dumps({"time": 1_790_000_000.0, **facts}) + "\n")


@contextlib.contextmanager
def page_of(*paths: Path, token: str | None = None, hosts: bool = True, protocol: Any = None) -> Iterator[str]:
    """The page of some paths at an address of this machine, served by a thread."""
    pytest.importorskip("uvicorn", reason="the extra dashboard is not installed")
    from netagents.monitoring.feed.run_catalog import RunCatalog
    from netagents.monitoring.page.page_app import page_app
    from netagents.monitoring.page.page_server import LOOPBACK_NAMES, http_server

    app = page_app(RunCatalog(list(paths)), LOOPBACK_NAMES if hosts else None, token)
    server = http_server(app, protocol)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server._serve([listener])), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            app.end()
            server.should_exit = True
            thread.join(20.0)
            assert not thread.is_alive()
