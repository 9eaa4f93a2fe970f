"""When things go wrong: whoever is killed, the run ends at once, says who it was, leaves its records and nothing else."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from conftest import Starter
from live_run import LINE, SLOW, merged, patience, wait_until

import netagents
from netagents.records.same_bits import same_bits

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

END_SECONDS = 5.0
ENDLESS = merged(LINE, SLOW)


@pytest.mark.parametrize("role", ["agent_3", "environment"])
def test_a_killed_node_ends_the_run_and_is_named(role: str, start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    pid = run.pid(role)
    run.send(role, signal.SIGKILL)
    ended = run.ended(END_SECONDS)
    run.assert_nothing_left()
    assert ended.code == 10
    assert ended.last_line.startswith(f"netagents: error: {role}: killed by SIGKILL (process {pid})")
    assert f"last lines of the log of {role}:" in ended.err
    assert f"started, process {pid}" in ended.err
    records = run.records
    assert records.state == "failed"
    assert (records.ending["role"], records.ending["exit_code"], records.ending["signal"]) == (role, 10, "SIGKILL")
    assert len(records.returns) >= 3
    assert len(records.power_readings()) == len(records.returns)


def test_a_killed_forkserver_ends_the_run_and_is_named(start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    run.send("forkserver", signal.SIGKILL)
    ended = run.ended(END_SECONDS)
    run.assert_nothing_left()
    assert ended.code == 10
    assert "forkserver: killed by SIGKILL" in ended.last_line
    assert run.records.state == "failed"
    assert len(run.records.returns) >= 3


def test_a_killed_launcher_leaves_nothing_but_its_records(start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    run.send("launcher", signal.SIGKILL)
    assert run.ended(END_SECONDS).code == -signal.SIGKILL
    run.assert_nothing_left()
    records = run.records
    assert records.state == "interrupted"
    assert "launcher" in records.ending["line"]
    assert len(records.returns) >= 3


def test_launcher_and_forkserver_killed_together_leave_nothing_but_the_records(start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    launcher, forkserver = run.pid("launcher"), run.pid("forkserver")
    for pid in (forkserver, launcher):
        os.kill(pid, signal.SIGKILL)
    run.ended(END_SECONDS)
    run.assert_nothing_left()
    assert len(run.records.returns) >= 3


def test_a_killed_monitor_changes_nothing(start: Starter, tmp_path: Path) -> None:
    settings = merged(LINE, {"learning": {"iterations": 120}})
    run = start(settings)
    run.wait_for_rows(2)
    run.send("monitor", signal.SIGKILL)
    ended = run.ended(60.0)
    assert ended.code == 0, ended.err
    run.assert_nothing_left()
    records = run.records
    assert records.state == "finished"
    assert "finished" not in (run.path / "logs" / "monitor.jsonl").read_text()
    undisturbed = netagents.run(merged(settings, {"runtime": {"launcher": "in_process"}}), directory=tmp_path / "undisturbed")
    assert same_bits(undisturbed, records) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl_c", "sigterm"])
def test_interrupted_runs_end_cleanly_with_whole_records(number: int, code: int, start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    run.send("launcher", number)
    ended = run.ended(END_SECONDS)
    run.assert_nothing_left()
    assert ended.code == code
    assert ended.err == f"netagents: error: the run was interrupted by {signal.Signals(number).name}\n"
    records = run.records
    assert records.state == "interrupted"
    assert len(records.returns) >= 3
    assert {file.name for file in (run.path / "tables").iterdir()} >= {"metrics.parquet", "power.parquet", "returns.parquet"}


def test_ctrl_c_reaches_the_whole_process_group_and_only_the_launcher_answers(start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    # What a terminal does: every process of the group gets the signal.
    os.killpg(run.process.pid, signal.SIGINT)
    ended = run.ended(END_SECONDS)
    run.assert_nothing_left()
    assert ended.code == 130
    assert run.records.state == "interrupted"


@pytest.mark.parametrize("seconds", [0.6, 0.9, 1.2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl_c", "sigterm"])
def test_a_run_interrupted_while_it_starts_leaves_nothing(number: int, seconds: float, start: Starter) -> None:
    run = start(ENDLESS)
    time.sleep(seconds)
    run.process.send_signal(number)
    ended = run.ended(END_SECONDS)
    run.assert_nothing_left()
    # Before Python has imported the command itself, signals have their usual effect.
    assert ended.code in (128 + number, -number), ended.err
    if run.path.exists():
        assert run.records.state in ("created", "interrupted")


def test_a_stopped_agent_is_named_within_the_deadline(start: Starter) -> None:
    run = start(merged(ENDLESS, {"timeouts": {"exchange": 2.0}}))
    run.wait_for_rows(3)
    run.send("agent_3", signal.SIGSTOP)
    start_time = time.monotonic()
    ended = run.ended(2.0 + END_SECONDS)
    assert time.monotonic() - start_time >= 1.5
    run.assert_nothing_left()
    assert ended.code == 10
    # Whoever's patience ended first speaks; the earliest wait of all names the one that stands still, and nobody else.
    first = ended.last_line
    assert "exit code 11" in first
    assert first.endswith(("from agent 3", "from agent 3; the stack is in its log")), first
    assert run.records.state == "failed"


def test_agents_heed_the_join_deadline_while_the_server_is_stopped(start: Starter) -> None:
    run = start(merged(ENDLESS, {"timeouts": {"join": 4.0}}))
    log = run.path / "logs" / "environment.jsonl"
    wait_until(lambda: log.exists() and "started, process" in log.read_text(), "the server")
    run.send("environment", signal.SIGSTOP)
    ended = run.ended(4.0 + 2 * END_SECONDS)
    run.assert_nothing_left()
    assert ended.code == 10
    assert "waiting for a welcome from the environment server, no time left" in ended.last_line


def test_a_bug_in_a_role_shows_its_traceback_once(start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "broken_environment.py"
    module.write_text(
        "from netagents.environments.builtin.line_msg import LineMsg\n\n\n"
        "class Broken(LineMsg):\n"
        "    def step(self, state, actions, noise):\n"
        "        raise ZeroDivisionError('an inner fault')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = start(merged(ENDLESS, {"environment": {"kind": "import:broken_environment:Broken"}}))
    ended = run.ended(30.0)
    run.assert_nothing_left()
    assert ended.code == 5
    assert ended.last_line.startswith("netagents: error: environment: exit code 5 ")
    assert "broken_environment.py:6 in step: ZeroDivisionError: an inner fault" in ended.last_line
    assert ended.err.count("Traceback (most recent call last)") >= 1
    assert "broken_environment.py" in ended.err


def test_clean_removes_what_is_left_of_dead_runs_and_keeps_the_living(start: Starter, capsys: pytest.CaptureFixture[str]) -> None:
    from netagents.cli.main import main

    dead, living = start(ENDLESS), start(ENDLESS)
    for run in (dead, living):
        run.wait_for_rows(1)
    dead.send("agent_0", signal.SIGKILL)
    dead.ended(END_SECONDS)
    assert main(["clean", str(dead.path.parent)]) == 0
    output = capsys.readouterr().out
    assert f"removed  {dead.path}  (failed)" in output
    assert f"kept     {living.path}  (still running)" in output
    assert not dead.path.exists()
    assert living.process.poll() is None
    living.send("launcher", signal.SIGTERM)
    assert living.ended(END_SECONDS).code == 143
    wait_until(lambda: living.records.state == "interrupted", "the living run's end", patience(2.0))
