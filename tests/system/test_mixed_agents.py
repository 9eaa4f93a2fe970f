"""Agents that differ as processes: policies (with memory or without), algorithms, utilities and radii, with the same bits everywhere."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import LINE, Settings, merged, undisturbed, wait_until

import netagents
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

CRITIC = {"hidden": [8], "steps": 3, "minibatch": 32}
MIXED: Settings = merged(
    LINE,
    {
        "agents": [
            {"agents": [1], "policy": {"kind": "mlp", "hidden": [8]}, "learning": {"algorithm": {"kind": "ppo", "critic": CRITIC}}},
            {
                "agents": [2],
                "policy": {"kind": "gru", "units": 8},
                "learning": {"algorithm": {"kind": "actor_critic", "critic": CRITIC}},
                "utility": {"kind": "entropy"},
            },
            {"agents": [3], "role": "frozen", "policy": {"kind": "gru", "units": 4}, "greedy": True},
            {"agents": [4], "incentive": {"kind": "alpha", "alpha": 0.5}, "kappa_critic": 1, "learning": {"learning_rate": 20}},
        ]
    },
)


def test_mixed_agents_leave_the_same_bits_in_one_process_over_tcp_and_resumed(tmp_path: Path) -> None:
    one = undisturbed(MIXED, tmp_path / "one")
    local = {"runtime": {"launcher": "local", "transport": "tcp"}}
    netagents.run(merged(MIXED, local, {"learning": {"iterations": 2}}), directory=tmp_path / "many")
    many = netagents.resume(tmp_path / "many", "learning.iterations=4")
    assert same_bits(one, many) == []
    assert len(many.iterations) == 4


def test_a_mixed_agent_that_is_killed_comes_back_with_the_same_bits(start: Starter, tmp_path: Path) -> None:
    restart = {"failures": {"agent": "restart", "restarts": 3, "delay": 0.1}, "checkpoints": {"every": 4}}
    long = merged(MIXED, restart, {"learning": {"iterations": 30}})
    run = start(long)
    run.wait_for_rows(6)
    os.kill(run.newest_pid("agent_2"), signal.SIGKILL)
    wait_until(lambda: any(event["event"] == "restarted" for event in run.records.events) or run.process.poll() is not None, "the restart")
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    assert same_bits(undisturbed(long, tmp_path / "whole"), run.records) == []
