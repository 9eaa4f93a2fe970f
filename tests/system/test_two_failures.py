"""Two failures at once: a recovery that is itself interrupted begins anew."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from live_run import LINE, Settings, merged, undisturbed, wait_until

from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

SOON: Settings = {"timeouts": {"answer": 2.0, "ready": 12.0, "exchange": 20.0}, "learning": {"iterations": 60}, "checkpoints": {"every": 7}}


def test_a_stopped_and_a_killed_agent_are_both_started_again(start: Starter, tmp_path: Path) -> None:
    settings = merged(LINE, SOON, {"failures": {"agent": "restart", "delay": 0.1}})
    run = start(settings)
    run.wait_for_rows(5)
    run.send("agent_1", signal.SIGSTOP)
    run.send("agent_4", signal.SIGKILL)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert {event["agent"] for event in run.records.events if event["event"] == "restarted"} == {1, 4}
    assert same_bits(undisturbed(settings, tmp_path / "whole"), run.records) == []


def test_a_stopped_and_a_killed_agent_are_both_done_without(start: Starter) -> None:
    run = start(merged(LINE, SOON, {"failures": {"agent": "continue_without"}}))
    run.wait_for_rows(5)
    run.send("agent_1", signal.SIGSTOP)
    run.send("agent_4", signal.SIGKILL)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert {event["agent"] for event in run.records.events if event["event"] == "lost"} == {1, 4}


def test_a_successor_that_is_stopped_at_once_has_a_successor(start: Starter, tmp_path: Path) -> None:
    settings = merged(LINE, SOON, {"failures": {"agent": "restart", "delay": 0.0}})
    run = start(settings)
    run.wait_for_rows(5)
    first = run.pid("agent_2")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: run.newest_pid("agent_2") != first, "its successor")
    os.kill(run.newest_pid("agent_2"), signal.SIGSTOP)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert same_bits(undisturbed(settings, tmp_path / "whole"), run.records) == []


def test_the_budget_bounds_recoveries_that_are_interrupted(start: Starter) -> None:
    run = start(merged(LINE, SOON, {"failures": {"agent": "restart", "restarts": 1, "delay": 0.0}, "learning": {"iterations": 100_000}}))
    run.wait_for_rows(5)
    run.send("agent_4", signal.SIGKILL)
    run.wait_for_rows(60)
    run.send("agent_1", signal.SIGSTOP)
    last = run.newest_pid("agent_4")
    os.kill(last, signal.SIGKILL)
    ended = run.ended(20.0)
    run.assert_nothing_left()
    assert ended.code == 10
    assert ended.last_line.startswith(f"netagents: error: agent_4: killed by SIGKILL (process {last})")


def test_an_agent_that_is_killed_because_it_is_silent_is_named_with_the_reason(start: Starter) -> None:
    run = start(merged(LINE, SOON, {"failures": {"agent": "restart", "restarts": 1, "delay": 0.0}, "learning": {"iterations": 100_000}}))
    run.wait_for_rows(5)
    first = run.pid("agent_3")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: run.newest_pid("agent_3") != first, "its successor")
    run.wait_for_rows(80)
    last = run.newest_pid("agent_3")
    os.kill(last, signal.SIGSTOP)
    ended = run.ended(20.0)
    run.assert_nothing_left()
    assert ended.code == 10
    start_of_line = (
        f"netagents: error: agent_3: killed by SIGKILL (process {last}): it gave no sign of life for 2 s, so the launcher killed it"
    )
    assert ended.last_line == start_of_line


def test_a_server_that_is_stopped_while_agents_are_done_without_is_named_in_bounded_time(start: Starter) -> None:
    run = start(merged(LINE, SOON, {"failures": {"agent": "continue_without"}, "timeouts": {"exchange": 4.0, "answer": 2.0}}))
    run.wait_for_rows(5)
    run.send("environment", signal.SIGSTOP)
    # All agents wait in vain and leave; nobody is left to say so.
    ended = run.ended(25.0)
    run.assert_nothing_left()
    assert ended.code == 10
    assert "environment: did nothing for 4 s" in ended.last_line
