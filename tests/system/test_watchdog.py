"""A run that stands still says who it waits for, long before a deadline ends it."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from live_run import LINE, SLOW, merged, patience

from netagents.launchers.supervision.watchdog import Watchdog

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]


def test_a_stopped_agent_is_named_and_the_others_are_found_waiting(start: Starter) -> None:
    run = start(merged(LINE, SLOW, {"timeouts": {"exchange": 120.0}}))
    run.wait_for_rows(3)
    watchdog = Watchdog(run.path / "metrics.jsonl", run.path / "logs", 0.5)
    pids = {role: run.pid(role) for role in ("environment", "monitor", *(f"agent_{index}" for index in range(6)))}
    run.send("agent_3", signal.SIGSTOP)
    lines: list[str] = []
    deadline = time.monotonic() + patience(20.0)
    while not lines and time.monotonic() < deadline:
        time.sleep(0.05)
        lines = watchdog.look(pids)
    assert lines[0].startswith("no iteration has ended for ")
    assert lines[0].endswith("s: agent_3 is stopped")
    assert {line.split()[0] for line in lines[1:-1]} == pids.keys() - {"agent_3"}
    assert watchdog.look(pids) == []
    run.send("agent_3", signal.SIGCONT)
    run.send("launcher", signal.SIGTERM)
    assert run.ended(10.0).code == 143
    run.assert_nothing_left()
