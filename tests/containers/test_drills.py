"""Fault drills with a real engine: what the failure policy names happens within its deadlines, and the report shows it.

They take minutes and want the machine to themselves: ``make chaos ARGS="tests/containers"``.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import LONG, ContainerRun, wait_seconds
from live_run import merged, undisturbed

import netagents
import netagents.errors
from netagents.launchers.compose.container_engine import Container, Engine
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Start

pytestmark = [pytest.mark.containers, pytest.mark.chaos, pytest.mark.timeout(600)]

SHORT = {"answer": 4.0}
"""Seconds in which a sign of life must come: less than a partition lasts, which is less than the others hold."""


def network_of(engine: Engine, run: ContainerRun, container: Container) -> tuple[str, str]:
    """The one network of a container, and its address there."""
    facts = json.loads(engine.run("inspect", container.id))[0]["NetworkSettings"]["Networks"]
    ((name, settings),) = facts.items()
    assert name == f"{run.project}_run"
    return name, settings["IPAddress"]


def same_as_undisturbed(run: ContainerRun, settings: dict[str, object], path: Path) -> list[str]:
    return same_bits(undisturbed(settings, path), netagents.Run.open(run.path))


@contextlib.contextmanager
def loss(container: Container, share: float) -> Iterator[None]:
    """Drop a share of what arrives at a container's interface; needs root, nsenter and iptables."""
    if os.getuid() != 0 or not (shutil.which("nsenter") and shutil.which("iptables")):
        pytest.skip("loss needs root, nsenter and iptables")
    rule = ["INPUT", "-i", "eth0", "-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP"]
    inside = ["nsenter", "-t", str(container.pid), "-n", "iptables"]
    subprocess.run([*inside, "-A", *rule], check=True)
    yield
    # The container may be gone by now, and its rules with it.
    subprocess.run([*inside, "-D", *rule], check=False, capture_output=True)


@contextlib.contextmanager
def delay(container: Container, milliseconds: int) -> Iterator[None]:
    """Delay what leaves a container's interface; needs root, nsenter and a kernel with netem."""
    if os.getuid() != 0 or not (shutil.which("nsenter") and shutil.which("tc")):
        pytest.skip("delay needs root, nsenter and tc")
    inside = ["nsenter", "-t", str(container.pid), "-n", "tc", "qdisc"]
    added = subprocess.run(
        [*inside, "add", "dev", "eth0", "root", "netem", "delay", f"{milliseconds}ms"], check=False, capture_output=True, text=True
    )
    if "unknown" in added.stderr:
        pytest.skip("this kernel has no netem")
    assert added.returncode == 0, added.stderr
    yield
    subprocess.run([*inside, "del", "dev", "eth0", "root"], check=False, capture_output=True)


def test_a_paused_agent_is_waited_for_and_the_bits_stay(start: Start, engine: Engine, tmp_path: Path) -> None:
    run = start(LONG)
    run.wait_for_rows(20)
    agent = run.container("agent_2").id
    engine.run("pause", agent)
    wait_seconds(1.0)
    rows = run.rows()
    wait_seconds(5.0)
    assert run.rows() <= rows + 1
    engine.run("unpause", agent)
    code, output = run.ended()
    assert code == 0, output
    assert "agent_2 was paused; the others wait for it" in output
    assert "agent_2 goes on after a pause" in output
    assert same_as_undisturbed(run, LONG, tmp_path / "one") == []


@pytest.mark.parametrize("policy", ["stop_all", "restart", "continue_without"])
def test_a_killed_agent_has_the_outcome_that_the_policy_names(policy: str, start: Start, engine: Engine, tmp_path: Path) -> None:
    settings = merged(LONG, {"failures": {"agent": policy}})
    run = start(settings)
    run.wait_for_rows(20)
    engine.run("kill", run.container("agent_1").id)
    code, output = run.ended(180.0)
    print(policy, code, output.splitlines()[-1] if output else "")
    if policy == "stop_all":
        assert code == 10
        assert "agent_1: killed by SIGKILL" in output
        return
    assert code == 0, output
    if policy == "restart":
        assert same_as_undisturbed(run, settings, tmp_path / "one") == []
    else:
        assert "agent_1 was killed by SIGKILL; the run goes on without it" in output
        assert len(netagents.Run.open(run.path).iterations) == 400


@pytest.mark.parametrize("policy", ["stop_all", "restart", "continue_without"])
def test_a_partition_of_ten_seconds_has_the_outcome_that_the_policy_names(
    policy: str, start: Start, engine: Engine, tmp_path: Path
) -> None:
    settings = merged(LONG, {"failures": {"agent": policy}, "timeouts": SHORT})
    run = start(settings)
    run.wait_for_rows(20)
    agent = run.container("agent_3")
    network, _ = network_of(engine, run, agent)
    start_time = time.monotonic()
    engine.run("network", "disconnect", network, agent.id)
    wait_seconds(10.0)
    with contextlib.suppress(netagents.errors.EngineError):
        engine.run("network", "connect", "--alias", "agent-3", network, agent.id)
    code, output = run.ended(240.0)
    print(policy, code, f"{time.monotonic() - start_time:.0f} s", output.splitlines()[-1] if output else "")
    if policy == "stop_all":
        # Nobody is asked for a sign of life: the links go on if the engine gives the same address again, and else the deadline ends it.
        assert code in (0, 10), output
        assert code == 0 or "waited 30 s" in output
    elif policy == "restart":
        assert code == 0, output
        assert same_as_undisturbed(run, settings, tmp_path / "one") == []
    else:
        assert code == 0, output
        assert "the run goes on without it" in output


def test_loss_of_a_fifth_at_one_agent_slows_the_run_and_changes_no_bit(start: Start, tmp_path: Path) -> None:
    settings = merged(LONG, {"learning": {"iterations": 40}})
    run = start(settings)
    run.wait_for_rows(3)
    with loss(run.container("agent_1"), 0.2):
        start_time, rows = time.monotonic(), run.rows()
        code, output = run.ended(400.0)
        print(f"20 % loss: {(time.monotonic() - start_time) / max(1, 40 - rows):.2f} s per iteration")
    assert code == 0, output
    assert same_as_undisturbed(run, settings, tmp_path / "one") == []


def test_a_delay_at_one_agent_slows_the_run_and_changes_no_bit(start: Start, tmp_path: Path) -> None:
    settings = merged(LONG, {"learning": {"iterations": 10}})
    run = start(settings)
    run.wait_for_rows(1)
    with delay(run.container("agent_1"), 50):
        code, output = run.ended(400.0)
    assert code == 0, output
    assert same_as_undisturbed(run, settings, tmp_path / "one") == []


@pytest.mark.parametrize("rows", [3, 5], ids=["9 agents", "25 agents"])
def test_many_containers_start_and_finish(rows: int, start: Start, tmp_path: Path) -> None:
    settings = {
        "name": "grid",
        "environment": {"kind": "wireless_spdac"},
        "topology": {"kind": "king_grid", "rows": rows, "columns": rows},
        "learning": {"iterations": 5, "batch": 8, "horizon": 8},
    }
    run = start(settings)
    code, output = run.ended(300.0)
    assert code == 0, output
    created, gathered = (run.events(name)[0]["time"] for name in ("created", "gathered"))
    print(f"{rows * rows} agents: {float(str(gathered)) - float(str(created)):.1f} s to all roles ready, load {os.getloadavg()[0]:.1f}")
    assert same_as_undisturbed(run, settings, tmp_path / "one") == []
