"""Interventions as processes: the same bits as in one process, over tcp, resumed, and after a killed agent was started again."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import Settings, merged, undisturbed, wait_until

import netagents
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Starter

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

LINE: Settings = {
    "name": "interventions",
    "environment": {"kind": "line_msg"},
    "topology": {"kind": "line", "n": 4},
    "kappa": 2,
    "learning": {"batch": 12, "horizon": 8, "iterations": 4},
    "checkpoints": {"every": 2},
    "interventions": [
        {"kind": "random", "agents": [1], "probability": 0.3},
        {"kind": "policy", "agents": [2], "from_step": 2, "until_step": 4},
        {"kind": "sbpr", "probability": 0.3},
    ],
}
NETWORKS: Settings = merged(
    LINE,
    {
        "policy": {"kind": "mlp", "hidden": [8]},
        "learning": {"algorithm": {"kind": "ppo", "epochs": 1, "critic": {"hidden": [8], "steps": 2}}},
        "interventions": [{"kind": "noop", "agents": [3], "probability": 0.2}, {"kind": "sbpr", "probability": 0.3, "aggregate": "max"}],
    },
)
FAST: Settings = merged(LINE, {"interventions": [{"kind": "fixed", "action": 1, "probability": 0.4, "start": 1}]})


@pytest.mark.parametrize(
    ("settings", "transport"), [(LINE, "ipc"), (NETWORKS, "tcp"), (FAST, "tcp")], ids=["tables", "networks", "whole rollouts"]
)
def test_processes_leave_the_same_bits_as_one_process(settings: Settings, transport: str, tmp_path: Path) -> None:
    one = undisturbed(settings, tmp_path / "one")
    many = netagents.run(merged(settings, {"runtime": {"launcher": "local", "transport": transport}}), directory=tmp_path / "many")
    assert same_bits(one, many) == []


@pytest.mark.parametrize("settings", [LINE, NETWORKS], ids=["tables", "networks"])
def test_a_resumed_run_goes_on_as_if_it_had_not_ended(settings: Settings, tmp_path: Path) -> None:
    whole = undisturbed(settings, tmp_path / "whole")
    netagents.run(merged(settings, {"learning": {"iterations": 2}, "runtime": {"launcher": "in_process"}}), directory=tmp_path / "half")
    resumed = netagents.resume(tmp_path / "half", "learning.iterations=4")
    assert same_bits(whole, resumed) == []


def test_an_agent_that_is_killed_comes_back_to_the_same_bits(start: Starter, tmp_path: Path) -> None:
    restart = {"failures": {"agent": "restart", "restarts": 2, "delay": 0.1}, "learning": {"iterations": 30}, "checkpoints": {"every": 5}}
    long = merged(LINE, restart)
    run = start(long)
    run.wait_for_rows(7)
    os.kill(run.newest_pid("agent_1"), signal.SIGKILL)
    wait_until(lambda: "restarted" in [event["event"] for event in run.records.events] or run.process.poll() is not None, "the restart")
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    assert same_bits(undisturbed(long, tmp_path / "whole"), run.records) == []
