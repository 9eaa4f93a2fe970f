"""What the watchdog calls waiting: real processes that sleep and compute in turns, inside and outside of a wait."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from netagents.launchers.supervision.watchdog import _standing, process_statuses

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import faulthandler, signal, sys, time
log = open(sys.argv[1], "w")
faulthandler.register(signal.SIGUSR1, file=log)
def look_about(busy):
    end = time.monotonic() + busy
    while time.monotonic() < end:
        pass
def {name}(busy, asleep):
    print("ready", flush=True)
    while True:
        look_about(busy)
        time.sleep(asleep) if asleep else None
{name}({busy}, {asleep})
"""


@pytest.mark.parametrize(
    ("name", "busy", "asleep", "waits"),
    [
        ("receive", 0.01, 0.03, True),
        ("receive", 0.1, 0.0, False),
        ("learn", 0.01, 0.03, False),
        ("learn", 0.1, 0.0, False),
    ],
)
def test_who_sleeps_inside_a_wait_waits_and_nobody_else(tmp_path: Path, name: str, busy: float, asleep: float, waits: bool) -> None:
    program = PROGRAM.format(name=name, busy=busy, asleep=asleep)
    log = tmp_path / "agent_0.jsonl"
    with subprocess.Popen([sys.executable, "-c", program, str(log)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            (standing,) = process_statuses({"agent_0": process.pid}, tmp_path)
        finally:
            process.kill()
    assert standing.is_waiting == waits
    assert standing.frame.endswith(name if waits else (name, "look_about"))


def test_a_process_that_is_no_more_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    (standing,) = process_statuses({"agent_0": process.pid}, tmp_path)
    assert str(standing) == "agent_0 is gone"


def test_who_looks_about_in_the_middle_of_a_wait_still_waits() -> None:
    stack = ["inbox.py:271 collect", "arrivals.py:138 _await", "arrivals.py:118 receive", "agent.py:103 learn"]
    assert str(_standing("agent_0", ["running", "waiting", "running"], stack)) == "agent_0 is waiting in arrivals.py:138 _await"
    assert str(_standing("agent_0", ["running"] * 3, stack)) == "agent_0 is running in inbox.py:271 collect"
    assert str(_standing("agent_0", ["waiting"] * 3, stack[3:])) == "agent_0 is waiting in agent.py:103 learn"
    assert not _standing("agent_0", ["waiting"] * 3, stack[3:]).is_waiting
