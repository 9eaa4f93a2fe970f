"""A node that was started by hand, died and is started by hand again takes its own place, over encrypted links too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_run import LINE, merged, patience, wait_until

import netagents
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

SETTINGS = merged(
    LINE,
    {
        "topology": {"n": 4},
        "learning": {"iterations": 40},
        "failures": {"agent": "restart"},
        "checkpoints": {"every": 6},
        "faults": [{"kind": "delay", "low": 0.0, "high": 0.001}],
    },
)


class Nodes:
    """Nodes with keys, each with a status file and a log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[str]] = {}
        (folder / "experiment.yaml").write_text(json.dumps(SETTINGS))
        self.netagents("keys", str(folder / "experiment.yaml"), "--out", str(folder / "keys"))

    def netagents(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "netagents", *words], capture_output=True, text=True, timeout=patience(30.0))

    def start(self, role: str, *words: str) -> None:
        if role == "environment":
            where = [
                "--experiment",
                str(self.folder / "experiment.yaml"),
                "--listen",
                "tcp://127.0.0.1:0",
                "--out",
                str(self.folder / "run"),
            ]
            where += ["--announce", str(self.folder / "address")]
        else:
            where = ["--join", f"file://{self.folder}/address"]
        own = ["--keys", str(self.folder / "keys" / role), "--status", str(self.folder / f"{role}.status")]
        command = [sys.executable, "-m", "netagents", "node", role, *where, *own, "--log", str(self.folder / f"{role}.jsonl"), *words]
        self.processes[role] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def code(self, role: str) -> int:
        process = self.processes[role]
        process.communicate(timeout=patience(60.0))
        return process.returncode

    def rows(self) -> int:
        file = self.folder / "run" / "metrics.jsonl"
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def restarts(self) -> int:
        """How often one was let in anew, as recorded so far."""
        file = self.folder / "run" / "events.jsonl"
        return file.read_text().count('"event":"restarted"') if file.exists() else 0

    def close(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Nodes]:
    nodes = Nodes(tmp_path)
    yield nodes
    nodes.close()


ROLES = ("agent-2", "environment", "agent-0", "monitor", "agent-1", "agent-3")


def test_an_agent_with_keys_that_died_takes_its_place_again_and_the_bits_stay(nodes: Nodes, tmp_path: Path) -> None:
    # Long enough that what is done to it from outside always finds it learning.
    long = merged(SETTINGS, {"learning": {"iterations": 160}})
    (tmp_path / "experiment.yaml").write_text(json.dumps(long))
    for role in ROLES:
        nodes.start(role, *(["--replace"] if role.startswith("agent") else []))
    for kill, victim in enumerate(("agent-1", "agent-3")):
        wait_until(lambda count=kill: nodes.restarts() == count, "the restart", 60.0)  # type: ignore[misc]
        # More rows mean that all of them are back.
        before = nodes.rows()
        wait_until(lambda before=before: nodes.rows() >= before + 8, "rows", 60.0)  # type: ignore[misc]
        status = tmp_path / f"{victim}.status"
        healthy = nodes.netagents("health", str(status))
        assert healthy.returncode == 0, healthy.stderr
        assert healthy.stdout.startswith(f"{victim.replace('-', '_')}: ")
        nodes.processes[victim].send_signal(signal.SIGKILL)
        nodes.processes[victim].communicate()
        dead = nodes.netagents("health", str(status))
        assert dead.returncode == 10
        assert dead.stderr == f"netagents: error: {victim.replace('-', '_')}: has ended unexpectedly\n"
        nodes.start(victim, "--replace")
    assert {role: nodes.code(role) for role in ROLES} == dict.fromkeys(ROLES, 0)
    assert not list(tmp_path.glob("*.status")), "a node that ended cleanly leaves no status"
    run = netagents.Run.open(tmp_path / "run")
    assert [event["event"] for event in run.events].count("restarted") == 2
    assert run.state == "finished"
    one = netagents.run(merged(long, {"runtime": {"launcher": "in_process"}, "faults": []}), directory=tmp_path / "one")
    assert same_bits(one, run) == []


def test_a_server_started_again_goes_on_with_its_run_directory(nodes: Nodes, tmp_path: Path) -> None:
    for role in ROLES:
        nodes.start(role)
    wait_until(lambda: nodes.rows() >= 10, "rows", 60.0)
    nodes.processes["environment"].send_signal(signal.SIGTERM)
    assert nodes.code("environment") == 143
    # An agent that was started by hand says by its exit code that the run did not finish.
    codes = {role: nodes.code(role) for role in ROLES if role != "environment"}
    assert codes == {role: 0 if role == "monitor" else 10 for role in codes}
    assert netagents.Run.open(tmp_path / "run").state == "interrupted"
    here = ["--listen", "tcp://127.0.0.1:0", "--announce", str(tmp_path / "address"), "--keys", str(tmp_path / "keys" / "environment")]
    command = [sys.executable, "-m", "netagents", "node", "environment", "--resume", str(tmp_path / "run"), *here, "--report"]
    nodes.processes["environment"] = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for role in ROLES:
        if role != "environment":
            nodes.start(role)
    assert {role: nodes.code(role) for role in ROLES} == dict.fromkeys(ROLES, 0)
    run = netagents.Run.open(tmp_path / "run")
    assert run.state == "finished"
    assert (tmp_path / "run" / "report.html").is_file()
    one = netagents.run(merged(SETTINGS, {"runtime": {"launcher": "in_process"}, "faults": []}), directory=tmp_path / "one")
    assert same_bits(one, run) == []
    again = nodes.netagents("node", "environment", "--resume", str(tmp_path / "run"), *here)
    assert again.returncode == 6
    assert again.stderr.count("\n") == 1
    assert "has finished its 40 iterations" in again.stderr


def test_a_stopped_node_is_not_well(nodes: Nodes, tmp_path: Path) -> None:
    nodes.start("agent-0")
    status = tmp_path / "agent-0.status"
    wait_until(status.exists, "the status")
    waiting = nodes.netagents("health", str(status))
    assert (waiting.returncode, waiting.stderr.count("\n")) == (10, 1)
    assert "agent_0: is not part of the run yet" in waiting.stderr
    os.kill(nodes.processes["agent-0"].pid, signal.SIGSTOP)
    assert "agent_0: is stopped" in nodes.netagents("health", str(status)).stderr
    os.kill(nodes.processes["agent-0"].pid, signal.SIGKILL)
