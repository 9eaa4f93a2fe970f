"""An agent that dies in mid-run is started again, and the run leaves the bits of one that was never disturbed."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from live_run import LINE, WIRELESS, LiveRun, Settings, merged, undisturbed, wait_until

import netagents
from netagents.errors import ExperimentError
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

RESTART: Settings = {"failures": {"agent": "restart", "restarts": 3, "delay": 0.1}, "checkpoints": {"every": 7}}


def restarts(run: LiveRun) -> int:
    return [event["event"] for event in run.records.events].count("restarted")


def kill_agents(run: LiveRun, kills: int, seed: int) -> None:
    """Kill an agent drawn at random, time and again, each when the one before has been started again."""
    chance = np.random.default_rng(seed)
    for kill in range(kills):
        run.wait_for_rows(5 + 15 * kill)
        role = f"agent_{chance.integers(6)}"
        os.kill(run.newest_pid(role), signal.SIGKILL)
        wait_until(lambda count=kill: restarts(run) > count or run.process.poll() is not None, "the restart")  # type: ignore[misc]


@pytest.mark.parametrize(("settings", "kills", "count"), [(LINE, 3, 60), (WIRELESS, 1, 25)], ids=["line_msg", "wireless"])
def test_restarted_agents_leave_the_bits_of_an_undisturbed_run(
    settings: Settings, kills: int, count: int, start: Starter, tmp_path: Path
) -> None:
    long = merged(settings, RESTART, {"learning": {"iterations": count}})
    run = start(long)
    kill_agents(run, kills, 7)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert restarts(run) == kills
    assert same_bits(undisturbed(long, tmp_path / "whole"), run.records) == []


def test_two_agents_that_die_at_once_are_both_started_again(start: Starter, tmp_path: Path) -> None:
    long = merged(LINE, RESTART, {"learning": {"iterations": 30}, "faults": [{"kind": "delay", "low": 0.0, "high": 0.002}]})
    run = start(long)
    run.wait_for_rows(5)
    for role in ("agent_1", "agent_2"):
        run.send(role, signal.SIGKILL)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert restarts(run) >= 1
    assert same_bits(undisturbed(long, tmp_path / "whole"), run.records) == []


def test_an_agent_that_dies_before_the_start_is_started_again(start: Starter, tmp_path: Path) -> None:
    long = merged(LINE, RESTART, {"learning": {"iterations": 20}})
    run = start(long)
    log = run.path / "logs" / "agent_4.jsonl"
    wait_until(lambda: log.exists() and "started, process" in log.read_text(), "agent 4")
    run.send("agent_4", signal.SIGKILL)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert same_bits(undisturbed(long, tmp_path / "whole"), run.records) == []


def test_the_budget_ends_and_the_last_failure_is_named(start: Starter) -> None:
    run = start(merged(LINE, {"failures": {"agent": "restart", "restarts": 1, "delay": 0.0}, "learning": {"iterations": 100_000}}))
    run.wait_for_rows(3)
    run.send("agent_3", signal.SIGKILL)
    wait_until(lambda: restarts(run) == 1, "the restart")
    last = run.newest_pid("agent_3")
    os.kill(last, signal.SIGKILL)
    ended = run.ended(10.0)
    run.assert_nothing_left()
    assert ended.code == 10
    assert ended.last_line.startswith(f"netagents: error: agent_3: killed by SIGKILL (process {last})")


def test_a_server_that_dies_ends_the_run_whatever_the_agents_policy(start: Starter) -> None:
    run = start(merged(LINE, RESTART, {"learning": {"iterations": 100_000}}))
    run.wait_for_rows(3)
    run.send("environment", signal.SIGKILL)
    ended = run.ended(10.0)
    run.assert_nothing_left()
    assert ended.code == 10
    assert ended.last_line.startswith("netagents: error: environment: killed by SIGKILL")


def test_a_monitor_may_be_made_essential(start: Starter) -> None:
    run = start(merged(LINE, {"failures": {"monitor": "stop_all"}, "learning": {"iterations": 100_000}}))
    run.wait_for_rows(3)
    run.send("monitor", signal.SIGKILL)
    ended = run.ended(10.0)
    run.assert_nothing_left()
    assert ended.last_line.startswith("netagents: error: monitor: killed by SIGKILL")


def test_a_barrier_too_short_for_the_restarts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match=r"the last restart waits 64 s, but the others hold for 30 s only"):
        netagents.run(merged(LINE, {"failures": {"agent": "restart", "restarts": 8, "delay": 0.5}}), directory=tmp_path / "run")
    with pytest.raises(ExperimentError, match="linger 3 must be below stop 2"):
        netagents.run(merged(LINE, {"timeouts": {"linger": 3.0, "stop": 2.0}}), directory=tmp_path / "run")
