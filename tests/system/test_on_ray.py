"""Runs on a real Ray cluster of two raylets: the bits of one process, kills, and one line for what is wrong."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Starter
from live_run import LINE, SLOW, WIRELESS, Settings, merged, patience, undisturbed
from ray_cluster import ADDRESS, RayCluster, why_no_ray

import netagents
from netagents.errors import EngineError
from netagents.nodes.process.stray_processes import RUN_MARKER
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    reason = why_no_ray()
    if reason is not None:
        pytest.skip(reason)
    cluster = RayCluster(Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp")))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def ray_up(cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> RayCluster:
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    return cluster


def on_ray(settings: Settings, **more: object) -> Settings:
    runtime = {"launcher": "ray", "ray": {"address": ADDRESS, **more}}
    return merged(settings, {"runtime": runtime, "timeouts": {"scale": patience(1.0)}})


def agents_here() -> list[int]:
    """The processes of all nodes that run on this machine on behalf of Ray's actors."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if b"RAY_JOB_ID=" in environment and f"{RUN_MARKER}=".encode() in environment:
            found.append(int(folder.name))
    return found


def nothing_left() -> bool:
    deadline = time.monotonic() + patience(5.0)
    while agents_here() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not agents_here()


@pytest.mark.parametrize("settings", [merged(LINE, {"topology": {"n": 12}}), WIRELESS], ids=["line_msg", "wireless"])
@pytest.mark.usefixtures("ray_up")
def test_a_cluster_leaves_the_same_bits_as_one_process(settings: Settings, tmp_path: Path) -> None:
    run = netagents.run(on_ray(settings), directory=tmp_path / "run")
    assert run.state == "finished"
    assert same_bits(run, undisturbed(settings, tmp_path / "alone")) == []
    assert nothing_left()


@pytest.mark.usefixtures("ray_up")
def test_bad_input_is_one_line(tmp_path: Path) -> None:
    def fails(**more: object) -> str:
        with pytest.raises(EngineError) as error:
            netagents.run(on_ray(LINE, **more), directory=tmp_path / "run")
        assert not (tmp_path / "run").exists()
        return str(error.value)

    assert "6 agents, and 2 slots" in fails(processors=8.0)
    assert "6 agents, and 0 slots" in fails(resources={"chip": 1.0})
    assert "launcher ray: " in fails(address="127.0.0.1:1")


def test_a_killed_agent_and_a_killed_raylet_are_survived_or_named(ray_up: RayCluster, start: Starter, tmp_path: Path) -> None:
    settings = merged(
        LINE, {"topology": {"n": 12}, "failures": {"agent": "restart"}, "checkpoints": {"every": 1}, "learning": {"iterations": 60}}
    )
    run = start(on_ray(settings))
    run.wait_for_rows(2, 60.0)
    os.kill(run.newest_pid("agent_1"), signal.SIGKILL)
    run.wait_for_rows(4, 60.0)
    ray_up.kill_raylet()
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    assert same_bits(run.records, undisturbed(settings, tmp_path / "alone")) == []
    restarted = [path.stem for path in (run.path / "logs").glob("agent_*.jsonl") if path.read_text().count("started, process") > 1]
    assert len(restarted) >= 4, restarted
    assert nothing_left()
    run = start(on_ray(merged(LINE, SLOW)))
    run.wait_for_rows(1, 60.0)
    os.kill(run.newest_pid("agent_1"), signal.SIGKILL)
    ended = run.ended(15.0)
    assert ended.code == 10, ended.err
    assert "agent_1: killed by SIGKILL" in ended.last_line
    assert nothing_left()
