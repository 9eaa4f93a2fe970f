"""The pods of the Kubernetes manifests as containers of a real engine: the bits of one process, rights, policies, another attempt."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from conftest import SMALL, Settings
from live_run import merged, undisturbed, wait_until
from pods import PodEngine, why_no_policies

import netagents
from netagents.launchers.compose.container_engine import Engine
from netagents.launchers.node_commands import default_image
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[2] / "docs" / "clusters.md"
(RECORDS,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
"""The pod of the page that mounts the records."""

THREE: Settings = merged(SMALL, {"topology": {"n": 3}})

Apply = Callable[..., PodEngine]


@pytest.fixture
def apply(engine: Engine, tmp_path: Path) -> Iterator[Apply]:
    """Applies the manifests that the command writes for some settings."""
    applied: list[PodEngine] = []

    def write(settings: Settings) -> PodEngine:
        file, out = tmp_path / "experiment.yaml", tmp_path / "run.yaml"
        file.write_text(json.dumps(dict(settings)))
        command = [sys.executable, "-m", "netagents", "script", "kubernetes", str(file), "--out", str(out)]
        subprocess.run(command, check=True, capture_output=True)
        objects = list(yaml.safe_load_all(out.read_text()))
        applied.append(PodEngine(engine, objects, f"netagents-pods-{os.getpid()}-{len(applied)}"))
        return applied[-1]

    yield write
    for each in applied:
        each.delete()


def records(cluster: PodEngine, folder: Path) -> netagents.Run:
    """The records, fetched with the pod and the command of the page."""
    pod = yaml.safe_load(RECORDS.replace("registry.example/netagents:0.1.0", default_image()).replace("RUN", cluster.run))
    started = cluster.start_pod("records", pod["spec"], {})
    command = [*cluster.engine.docker, "exec", started.node, "tar", "c", "-C", "/runs", cluster.run]
    archive = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return netagents.Run.open(folder / cluster.run)


ROLES = ("agent-0", "agent-1", "agent-2", "monitor", "environment")
"""In the order of their starts: a cluster may start them in any order, and here the server, whose name all look up, comes last."""


def test_pods_leave_the_bits_of_one_process(apply: Apply, tmp_path: Path) -> None:
    cluster = apply(THREE)
    for role in ROLES:
        cluster.start_job(role)
    assert {role: cluster.exit_code(role) for role in ROLES} == dict.fromkeys(ROLES, 0), "".join(map(cluster.output, ROLES))
    assert re.search(r"iteration \d of 6, return", cluster.output("monitor")), cluster.output("monitor")
    run = records(cluster, tmp_path)
    assert (run.state, len(run.iterations)) == ("finished", 6)
    assert same_bits(run, undisturbed(THREE, tmp_path / "alone")) == []
    assert (run.path / "report.html").is_file()


def test_a_job_starts_its_agent_again_behind_policies_that_allow_the_graph_alone(apply: Apply, tmp_path: Path) -> None:
    reason = why_no_policies()
    if reason is not None:
        pytest.skip(reason)
    settings = merged(THREE, {"routing": "relay", "failures": {"agent": "restart"}, "learning": {"iterations": 5000}})
    cluster = apply(settings)
    for role in ROLES:
        cluster.start_job(role)
    file = f"/runs/{cluster.run}/metrics.jsonl"

    def rows() -> int:
        code, text = cluster.inside("environment", f"wc -l <{file}")
        return int(text) if code == 0 else 0

    wait_until(lambda: rows() > 5, "rows", 60.0)
    # Relay routing has links along edges only, and only the server's peers reach the server.
    assert cluster.reaches("agent-0", "agent-1")
    assert not cluster.reaches("agent-0", "agent-2")
    assert cluster.reaches("monitor", "environment")
    assert not cluster.reaches("monitor", "agent-1")
    # A node may write into its own volumes and nowhere else, reads its own secret alone, and is nobody on the host.
    for command, code in (
        ("test $(id -u):$(id -g) = 10001:10001", 0),
        ("touch /tmp/there", 0),
        ("touch /there", 1),
        ("touch /opt/netagents/there", 1),
        ('test -n "$(ls /keys/agent-1)" && test -z "$(find /keys/agent-1 -perm /077)"', 0),
        ("test -e /secret", 1),
        ("grep -q 'CapEff:.0000000000000000' /proc/1/status && grep -q 'NoNewPrivs:.1' /proc/1/status", 0),
    ):
        assert cluster.inside("agent-1", command)[0] == code, (command, cluster.inside("agent-1", command))
    assert cluster.inside("environment", "touch /experiment/there")[0] == 1
    # A pod that failed is followed by another one, with another address and fresh volumes.
    assert cluster.job("agent-1")["spec"]["backoffLimit"] == 3
    cluster.engine.run("kill", cluster.pods["agent-1"].node)
    assert cluster.exit_code("agent-1") == 137
    cluster.remove("agent-1")
    cluster.start_job("agent-1")
    before = rows()
    wait_until(lambda: rows() > before + 20, "rows after the restart", 60.0)
    # Nothing stands between the engine and a node: the process with number 1 answers SIGTERM itself.
    cluster.engine.run("stop", cluster.pods["environment"].node, seconds=60.0)
    assert cluster.exit_code("environment") == 143, cluster.output("environment")
    # An agent that may be started again ends well when the server stops it, or its Job would start it again.
    assert {role: cluster.exit_code(role) for role in ROLES[:3]} == dict.fromkeys(ROLES[:3], 0), cluster.output("agent-1")
    run = records(cluster, tmp_path)
    assert run.state == "interrupted"
    assert [event["agent"] for event in run.events if event["event"] == "restarted"] == [1]
    shorter = merged(settings, {"learning": {"iterations": len(run.iterations)}})
    assert [line for line in same_bits(undisturbed(shorter, tmp_path / "alone"), run) if line.startswith(("metrics", "returns"))] == []
