"""``--launcher compose``: the same bits, exit codes and records as one process per agent, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from live_run import merged, undisturbed, wait_until

import netagents
from netagents.records.same_bits import same_bits

if TYPE_CHECKING:
    from conftest import Start

    from netagents.launchers.compose.container_engine import Engine

from conftest import LONG, SMALL

pytestmark = [pytest.mark.containers, pytest.mark.timeout(300)]

RESIDENT_BYTES = 80 * 1024 * 1024
"""What a tabular agent's container may hold in memory."""


def test_containers_leave_the_same_bits_as_one_process_and_as_many(start: Start, tmp_path: Path) -> None:
    run = start(SMALL)
    code, output = run.ended()
    assert code == 0, output
    records = netagents.Run.open(run.path)
    assert (records.state, records.manifest["launcher"]) == ("finished", "compose")
    assert same_bits(undisturbed(SMALL, tmp_path / "one"), records) == []
    assert same_bits(netagents.run(SMALL, directory=tmp_path / "many"), records) == []
    assert len(records.iterations) == 6
    # The live view, the logs and the report are those of the local launcher.
    assert "line: 6 processes started" in output
    assert "/6 | return" in output
    assert (run.path / "report.html").is_file()
    roles = ["agent_0", "agent_1", "agent_2", "agent_3", "environment", "monitor"]
    assert sorted(path.stem for path in (run.path / "logs").iterdir()) == roles
    assert all(any("ended" in line for line in run.log_lines(role)) for role in roles)
    assert {path.stat().st_uid for path in run.path.rglob("*")} == {os.getuid()}


def test_relay_routing_has_one_network_per_edge_and_the_same_bits(start: Start, engine: Engine, tmp_path: Path) -> None:
    relayed = merged(LONG, {"routing": "relay"})
    run = start(relayed)
    run.wait_for_rows(1)
    names = engine.run("network", "ls", "--filter", f"label=com.docker.compose.project={run.project}", "--format", "{{.Name}}").split()
    edges = {name.partition("_")[2] for name in names}
    assert edges == {"edge-0-1", "edge-1-2", "edge-2-3", "link-monitor", *(f"link-agent-{i}" for i in range(4))}
    first = run.container("agent_0").id
    # Two hops away there is no name and no route, whatever the keys say.
    reach = "import socket,sys; socket.create_connection((sys.argv[1], 5701), 3)"
    near, far = (
        subprocess.run([*engine.docker, "exec", first, "python", "-c", reach, name], capture_output=True, text=True, check=False)
        for name in ("agent-1", "agent-2")
    )
    assert "ConnectionRefusedError" in near.stderr  # it is there, and listens on another port
    assert "gaierror" in far.stderr
    code, output = run.ended()
    assert code == 0, output
    assert same_bits(undisturbed(relayed, tmp_path / "one"), netagents.Run.open(run.path)) == []


def test_an_agent_that_is_killed_is_started_again_and_the_bits_stay(start: Start, engine: Engine, tmp_path: Path) -> None:
    settings = merged(LONG, {"failures": {"agent": "restart"}})
    run = start(settings)
    run.wait_for_rows(30)
    engine.run("kill", run.container("agent_2").id)
    wait_until(lambda: len(run.events("restarted")) == 1 or run.process.poll() is not None, "the restart", 60.0)
    code, output = run.ended()
    assert code == 0, output
    assert "agent_2 failed and was started again (restart 1 of 3)" in output
    assert [event["agent"] for event in run.events("restarted")] == [2]
    assert same_bits(undisturbed(settings, tmp_path / "one"), netagents.Run.open(run.path)) == []


def test_without_restarts_a_killed_agent_ends_the_run_and_resume_goes_on(start: Start, engine: Engine, tmp_path: Path) -> None:
    run = start(LONG)
    run.wait_for_rows(25)
    agent = run.container("agent_1")
    # What an agent's container holds while it learns: the whole group of its processes, as the engine sees it.
    assert resident_bytes(engine, agent.id) <= RESIDENT_BYTES
    engine.run("kill", agent.id)
    code, output = run.ended()
    assert code == 10
    assert output.rstrip().splitlines()[-1].startswith("netagents: error: agent_1: killed by SIGKILL (process ")
    assert netagents.Run.open(run.path).state == "failed"
    run.resume()
    wait_until(lambda: len(run.events("gathered")) == 2 or run.process.poll() is not None, "the run to go on", 60.0)
    run.wait_for_rows(run.rows() + 5)
    run.process.send_signal(signal.SIGTERM)
    assert run.ended()[0] == 143
    assert netagents.Run.open(run.path).state == "interrupted"
    run.resume("runtime.launcher=local", "learning.iterations=420")
    code, output = run.ended()
    assert code == 0, output
    longer = merged(LONG, {"learning": {"iterations": 420}})
    assert same_bits(undisturbed(longer, tmp_path / "one"), netagents.Run.open(run.path)) == []


def test_what_does_not_fit_is_one_line_and_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    def refused(words: list[str], **changes: str) -> str:
        out = tmp_path / "run"
        command = [sys.executable, "-m", "netagents", "run", "launch/line_msg.yaml", "--launcher", "compose", "--out", str(out), *words]
        result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **changes}, timeout=60, check=False)
        assert (result.returncode, result.stderr.count("\n"), out.exists()) == (14, 1, False), result.stderr
        return result.stderr

    nowhere = f"unix://{tmp_path}/nothing.sock"
    assert "no container engine runs; start it, or set DOCKER_HOST" in refused([], DOCKER_HOST=nowhere)
    assert "no command 'docker' is installed" in refused([], PATH=str(tmp_path))
    assert "nobody/nothing:1: there is no such image; build it or pull it" in refused(["runtime.containers.image=nobody/nothing:1"])
    stale = f"netagents-test-stale:{os.getpid()}"
    recipe = f"FROM netagents:{netagents.__version__}\nUSER root\nRUN echo '# another' >> /opt/package/netagents/errors.py\nUSER 10001\n"
    subprocess.run([*engine.docker, "build", "--quiet", "--tag", stale, "-"], input=recipe, text=True, capture_output=True, check=True)
    try:
        message = refused([f"runtime.containers.image={stale}"])
        assert f"{stale}: the image holds another netagents ({netagents.__version__}) than the one that starts the run" in message
        assert message.endswith("build it anew: docker compose build\n")
    finally:
        engine.run("rmi", "--force", stale)


def resident_bytes(engine: Engine, container: str) -> int:
    """The resident memory of a container's init and node, pages that they share with other containers included."""
    lines = engine.run("top", container, "-eo", "pid,rss,args").splitlines()[1:]
    # Whoever asks a container how it is comes and goes.
    sizes = [int(line.split()[1]) for line in lines if "netagents node" in line]
    assert len(sizes) == 2, lines
    return 1024 * sum(sizes)
