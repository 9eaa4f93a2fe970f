"""MADDPG as processes: the same bits as in one process, and back to a checkpoint with its replay buffer, resumed or restarted."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import LINE, WIRELESS, Settings, merged, undisturbed

import netagents
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

LOCAL: Settings = {"runtime": {"launcher": "local"}}


def replayed(settings: Settings, *changes: Settings) -> Settings:
    algorithm = {
        "kind": "maddpg",
        "updates": 2,
        "minibatch": 32,
        "replay": 200,
        "q": {"hidden": [16]},
        "critic": {"hidden": [8], "steps": 2, "minibatch": 16},
    }
    return merged(settings, {"policy": {"kind": "mlp", "hidden": [16]}}, {"learning": {"algorithm": algorithm}}, *changes)


@pytest.mark.parametrize(("transport", "routing"), [("ipc", "direct"), ("tcp", "direct"), ("ipc", "relay")])
def test_processes_resumed_with_their_buffers_leave_the_bits_of_one_process_that_went_through(
    transport: str, routing: str, tmp_path: Path
) -> None:
    settings = replayed(LINE, {"routing": routing}, {"agents": [{"agents": [2], "role": "adversary"}]})
    one = undisturbed(settings, tmp_path / "one")
    local = {"runtime": {"launcher": "local", "transport": transport}}
    netagents.run(merged(settings, {"learning": {"iterations": 2}}, local), directory=tmp_path / "many")
    many = netagents.resume(tmp_path / "many", "learning.iterations=4")
    assert same_bits(one, many) == []
    assert many.ledger.by_kind()["target_action"].messages == one.ledger.by_kind()["target_action"].messages > 0


def test_a_restarted_agent_leaves_the_bits_of_an_undisturbed_run(start: Starter, tmp_path: Path) -> None:
    """It reads its buffer from the disk; the others have theirs in memory, and go back as well."""
    restart = {"failures": {"agent": "restart", "restarts": 3, "delay": 0.1}, "checkpoints": {"every": 4}}
    settings = replayed(WIRELESS, restart, {"learning": {"iterations": 25}})
    run = start(settings)
    run.wait_for_rows(10)
    os.kill(run.newest_pid("agent_4"), signal.SIGKILL)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert [event["event"] for event in run.records.events].count("restarted") == 1
    assert same_bits(undisturbed(settings, tmp_path / "whole"), run.records) == []


def test_those_who_go_on_without_an_agent_go_back_with_what_their_memory_holds(tmp_path: Path) -> None:
    settings = replayed(
        WIRELESS,
        LOCAL,
        {"failures": {"agent": "continue_without"}, "timeouts": {"answer": 2.0}, "learning": {"iterations": 8}},
        {"faults": [{"kind": "crash", "agent": 4, "iteration": 3, "phase": "target_action"}]},
    )
    first, second = (netagents.run(settings, directory=tmp_path / name) for name in ("first", "second"))
    assert first.state == "finished"
    assert same_bits(first, second) == []
