"""Runs on hosts that are reached with a real ssh: the bits of one process, restarts, and nothing left when a connection or a host ends."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Starter
from leaks import LeakWatch
from live_run import LINE, SLOW, WIRELESS, Settings, merged, patience, promised, undisturbed, wait_until
from other_version import other_version
from ssh_servers import HOSTS, SshServers, why_no_namespace, why_no_sshd

import netagents
from netagents.errors import EngineError
from netagents.records.same_bits import same_bits

pytestmark = pytest.mark.system


@pytest.fixture
def servers(request: pytest.FixtureRequest, tmp_path: Path, leaks: LeakWatch, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServers]:
    apart = getattr(request, "param", None) == "apart"
    reason = why_no_sshd() or (why_no_namespace() if apart else None)
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path / "ssh"
    folder.mkdir()
    servers = SshServers(folder, leaks.root, apart=apart)
    monkeypatch.setenv("NETAGENTS_SSH", servers.command)
    try:
        yield servers
    finally:
        servers.stop()


def on_hosts(servers: SshServers, settings: Settings, slots: tuple[int, int] = (5, 5), **more: str) -> Settings:
    runtime = {"launcher": "ssh", "hosts": {"file": str(servers.hosts_file(*slots)), **more}}
    return merged(settings, {"runtime": runtime, "timeouts": {"scale": patience(1.0)}})


@pytest.mark.parametrize("settings", [LINE, WIRELESS], ids=["line_msg", "wireless"])
def test_hosts_leave_the_same_bits_as_one_process(servers: SshServers, settings: Settings, tmp_path: Path) -> None:
    run = netagents.run(on_hosts(servers, settings), directory=tmp_path / "run")
    assert run.state == "finished"
    assert same_bits(run, undisturbed(settings, tmp_path / "alone")) == []
    logs = {path.stem for path in (tmp_path / "run" / "logs").iterdir()}
    assert logs == {"environment", "monitor", *(f"agent_{agent}" for agent in range(run.n))}
    places = [(tmp_path / "run" / "logs" / f"agent_{agent}.jsonl").read_text() for agent in range(run.n)]
    assert {host for host in HOSTS for text in places if f"tcp://{host}:" in text} == set(HOSTS)


def test_a_killed_agent_is_started_again_and_a_lost_host_moves_its_agents(servers: SshServers, start: Starter, tmp_path: Path) -> None:
    settings = merged(LINE, {"failures": {"agent": "restart"}, "checkpoints": {"every": 1}, "learning": {"iterations": 40}})
    run = start(on_hosts(servers, settings, slots=(6, 6)))
    run.wait_for_rows(2)
    os.kill(run.newest_pid("agent_1"), signal.SIGKILL)
    run.wait_for_rows(4)
    lost = next(iter(servers.connections().items()))
    for pid in lost:
        os.kill(pid, signal.SIGKILL)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    assert same_bits(run.records, undisturbed(settings, tmp_path / "alone")) == []
    restarted = [path.stem for path in (run.path / "logs").glob("agent_*.jsonl") if path.read_text().count("started, process") > 1]
    assert "agent_1" in restarted
    assert len(restarted) >= 3, restarted
    run.assert_nothing_left()


def test_a_lost_host_ends_a_run_that_is_to_end_with_it(servers: SshServers, start: Starter) -> None:
    run = start(on_hosts(servers, merged(LINE, SLOW), slots=(6, 6)))
    run.wait_for_rows(1)
    for pid in next(iter(servers.connections().items())):
        os.kill(pid, signal.SIGKILL)
    ended = run.ended(15.0)
    assert ended.code == 10, ended.err
    assert "is lost" in ended.last_line
    assert "host 127.0.0." in ended.last_line
    run.assert_nothing_left()


@pytest.mark.parametrize("servers", ["apart"], indirect=True)
def test_a_host_behind_a_cut_cable_is_lost_and_its_agents_end_by_themselves(servers: SshServers, start: Starter) -> None:
    settings = merged(on_hosts(servers, merged(LINE, SLOW), slots=(6, 6)), {"timeouts": {"exchange": 5.0}})
    run = start(settings)
    run.wait_for_rows(1, 60.0)
    servers.cut()
    # Ten seconds of silence (timeouts.answer), or an exchange that waits in vain before.
    ended = run.ended(promised(15.0, settings))
    assert ended.code in (10, 11), ended.err
    # What is left is the process that has forked them, which its runner ends with the connection.
    wait_until(lambda: len(run.leaks.processes()) <= 1, "the ends of the agents", 40.0)


def test_nothing_outlives_a_launcher_that_is_killed(servers: SshServers, start: Starter) -> None:
    run = start(on_hosts(servers, merged(LINE, SLOW)))
    run.wait_for_rows(1)
    run.kill()
    deadline = time.monotonic() + patience(8.0)
    while (left := run.leaks.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    assert not run.leaks.files()


def test_bad_input_is_one_line_with_the_words_of_ssh(servers: SshServers, tmp_path: Path) -> None:
    def fails(settings: Settings) -> str:
        with pytest.raises(EngineError) as error:
            netagents.run(settings, directory=tmp_path / f"run-{len(list(tmp_path.iterdir()))}")
        return str(error.value)

    assert "6 agents, and 4 slots (127.0.0.2 2, 127.0.0.3 2)" in fails(on_hosts(servers, LINE, slots=(2, 2)))
    line = fails(on_hosts(servers, LINE, python="/nonexistent/python"))
    assert "/nonexistent/python" in line
    assert "install netagents there" in line
    line = fails(on_hosts(servers, LINE, python=str(other_version(tmp_path))))
    assert "has netagents 0.0.9, and the launcher" in line
    file = servers.hosts_file(5, 5)
    file.write_text("127.0.0.2 6 port=1\n")
    assert "Connection refused" in fails(merged(LINE, {"runtime": {"launcher": "ssh", "hosts": {"file": str(file)}}}))
