"""``docker compose up`` with a generated file and nothing else: the report on the host, strangers refused, a clean end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import LONG, Settings
from live_run import merged, patience, wait_until

import netagents
from netagents.launchers.compose.container_engine import Engine
from netagents.launchers.node_commands import default_image
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]

OWNER = 23456
"""A user of the host that no image knows."""


class Project:
    """A folder with a Compose file and a folder for the records."""

    def __init__(self, engine: Engine, folder: Path, settings: Settings) -> None:
        self.engine, self.folder = engine, folder
        self.name = f"netagents-test-{os.getpid()}"
        experiment = folder / "experiment.yaml"
        experiment.write_text(json.dumps(settings))
        written = subprocess.run(
            [sys.executable, "-m", "netagents", "compose", str(experiment)], capture_output=True, text=True, check=True
        )
        (folder / "docker-compose.yml").write_text(written.stdout)
        (folder / "runs").mkdir()

    def compose(self, *words: str, seconds: float = 120.0) -> subprocess.CompletedProcess[str]:
        command = self.engine.project(self.name, self.folder / "docker-compose.yml", *words)
        return subprocess.run(command, capture_output=True, text=True, timeout=patience(seconds), check=False)

    def container(self, service: str) -> str:
        return self.engine.containers(self.name)[service].id

    def state(self, service: str) -> tuple[str, int]:
        facts = json.loads(self.engine.run("inspect", self.container(service)))[0]["State"]
        return facts["Status"], facts["ExitCode"]

    def log_text(self, service: str) -> str:
        result = subprocess.run([*self.engine.docker, "logs", self.container(service)], capture_output=True, text=True, check=True)
        return result.stdout + result.stderr

    def run_directory(self) -> Path:
        (directory,) = (path for path in (self.folder / "runs").iterdir() if path.name.startswith("line-"))
        return directory

    def rows(self) -> int:
        files = list((self.folder / "runs").glob("line-*/metrics.jsonl"))
        return files[0].read_bytes().count(b"\n") if files else 0

    def stranger(self, keys: str, *words: str) -> tuple[int, list[str]]:
        """A container of our own on the run's network, with the keys in one volume; gives exit code and lines."""
        mount = (
            ["--volume", f"{self.name}_{keys}:/keys:ro"] if keys.startswith("keys-") else ["--volume", f"{keys}:/keys:ro"] if keys else []
        )
        arguments = ["--keys", "/keys"] if keys else []
        command = [*self.engine.docker, "run", "--rm", "--init", "--network", f"{self.name}_run", "--user", "10001:10001", *mount]
        command += [default_image(), "node", *words, "--join", "tcp://environment:5701", *arguments, "--replace"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=patience(60.0), check=False)
        return result.returncode, [line for line in result.stderr.splitlines() if "error" in line]


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> Iterator[Project]:
    project = Project(engine, tmp_path, merged(LONG, {"failures": {"agent": "restart"}, "learning": {"iterations": 3000}}))
    if os.getuid() == 0:
        os.chown(tmp_path / "runs", OWNER, OWNER)
    yield project
    project.compose("down", "--volumes", "--timeout", "0")


def test_compose_up_alone_runs_refuses_strangers_restarts_and_ends_cleanly(project: Project, engine: Engine, tmp_path: Path) -> None:
    up = project.compose("up", "--detach", "--no-build")
    assert up.returncode == 0, up.stderr
    wait_until(lambda: project.rows() > 5, "rows", 60.0)
    assert "netagents: error" not in "".join(project.log_text(name) for name in ("environment", "monitor", "agent-0"))
    assert engine.run("exec", project.container("agent-1"), "netagents", "health").startswith("agent_1: iteration ")
    # No keys, another agent's keys, the keys of another run.
    code, lines = project.stranger("", "agent-1")
    assert code == 13
    assert len(lines) == 1
    assert "without keys" in lines[0] or "no keys" in lines[0] or "keys" in lines[0]
    code, lines = project.stranger("keys-agent-2", "agent-1")
    assert (code, len(lines)) == (13, 1)
    assert "these are the keys of agent-2, not of agent-1" in lines[0]
    stale = tmp_path / "stale"
    made = [sys.executable, "-m", "netagents", "keys", str(tmp_path / "experiment.yaml"), "--out", str(stale)]
    subprocess.run(made, check=True, capture_output=True)
    if os.getuid() == 0:
        for path in (stale / "agent-1", *(stale / "agent-1").iterdir()):
            os.chown(path, 10001, 10001)
    code, lines = project.stranger(str(stale / "agent-1"), "agent-1")
    assert (code, len(lines)) == (13, 1)
    assert "does not hold the key of environment: it is of another run" in lines[0] or "of another run" in lines[0]
    # The first step, when it comes again, leaves the keys of a run that goes on alone.
    again = project.compose("run", "--rm", "keys")
    assert "a run goes on with these keys; they stay" in again.stdout, again.stderr
    # The engine starts an agent again that died; it takes its place, with the same keys.
    rows = project.rows()
    subprocess.run(["kill", "-KILL", str(_node_of(engine, project.container("agent-3")))], check=True)
    wait_until(lambda: '"restarted"' in (project.run_directory() / "events.jsonl").read_text(), "the restart", 60.0)
    wait_until(lambda: project.rows() > rows + 30, "rows after the restart", 60.0)
    # A stop is a clean end.
    engine.run("stop", project.container("environment"), seconds=60.0)
    assert project.state("environment") == ("exited", 143), project.log_text("environment")
    run = netagents.Run.open(project.run_directory())
    assert run.state == "interrupted"
    assert (run.path / "report.html").is_file()
    owner = OWNER if os.getuid() == 0 else os.getuid()
    assert {path.stat().st_uid for path in run.path.rglob("*")} == {owner}
    one = merged(LONG, {"runtime": {"launcher": "in_process"}, "learning": {"iterations": len(run.iterations)}})
    shorter = netagents.run(one, directory=tmp_path / "one")
    assert [line for line in same_bits(shorter, run) if line.startswith("metrics")] == []
    down = project.compose("down", "--volumes")
    assert down.returncode == 0, down.stderr


def test_the_file_is_valid_for_this_compose(project: Project) -> None:
    checked = project.compose("config", "--quiet")
    assert checked.returncode == 0, checked.stderr


def _node_of(engine: Engine, container: str) -> int:
    """The process of a container that its init has started, as this host numbers it."""
    lines = engine.run("top", container, "-eo", "pid,args").splitlines()[1:]
    return next(int(line.split()[0]) for line in lines if "docker-init" not in line and "netagents node" in line)
