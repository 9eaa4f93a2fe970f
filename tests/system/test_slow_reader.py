"""Slow readers in a run: others wait or pass them over, nobody's memory grows, and the bits stay the same."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import LINE, LiveRun, merged, wait_until

import netagents
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]


def resident(run: LiveRun, role: str) -> int:
    """Bytes of a process in memory."""
    return int(Path(f"/proc/{run.pid(role)}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_a_monitor_that_reads_nothing_costs_the_server_its_queue_and_no_more(start: Starter, tmp_path: Path) -> None:
    settings = merged(LINE, {"topology": {"n": 3}, "learning": {"iterations": 900, "batch": 2, "horizon": 2}, "timeouts": {"stop": 2.0}})
    run = start(settings)
    run.wait_for_rows(100)
    run.send("monitor", signal.SIGSTOP)
    before = resident(run, "environment")
    # Longer than the queues of both ends, so that most of it is dropped.
    run.wait_for_rows(850, 120.0)
    grown = resident(run, "environment") - before
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    (traffic,) = [event for event in run.records.events if event["event"] == "traffic"]
    assert traffic["digests_dropped"] > 0
    assert grown < 6_000_000, f"the server grew by {grown} bytes"
    one = netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    assert same_bits(one, run.records) == []


def test_an_agent_that_pauses_again_and_again_makes_others_wait_and_nothing_else(start: Starter, tmp_path: Path) -> None:
    settings = merged(LINE, {"learning": {"iterations": 60}})
    run = start(settings)
    run.wait_for_rows(5)
    watched = ("environment", "agent_1", "agent_2", "agent_4")
    before = {role: resident(run, role) for role in watched}
    rows = run.path / "metrics.jsonl"
    for _ in range(6):
        run.send("agent_3", signal.SIGSTOP)
        time.sleep(0.4)
        rows_before = rows.read_bytes().count(b"\n")
        time.sleep(0.2)
        # Nobody runs ahead of who does not answer.
        assert rows.read_bytes().count(b"\n") <= rows_before + 1
        run.send("agent_3", signal.SIGCONT)
        wait_until(lambda rows_before=rows_before: rows.read_bytes().count(b"\n") > rows_before + 1, "it to go on")  # type: ignore[misc]
    grown = {role: resident(run, role) - before[role] for role in watched}
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert max(grown.values()) < 6_000_000, grown
    one = netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "one")
    assert same_bits(one, run.records) == []
