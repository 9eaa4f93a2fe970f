"""What happens to a machine and is nobody's failure: it is suspended, its terminal is lost, its runtime directory is removed."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Starter
from live_run import LINE, SLOW, Settings, merged, wait_until

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

ENDLESS = merged(LINE, SLOW, {"topology": {"kind": "line", "n": 4}, "timeouts": {"exchange": 3.0, "answer": 2.0, "progress": 3.0}})
PAUSE_SECONDS = 8.0
"""Longer than every deadline of a phase."""

KINDS: dict[str, Settings] = {
    "plain": {},
    "restarting": {"failures": {"agent": "restart"}},
    "relayed": {"routing": "relay"},
    "lossy": {"faults": [{"kind": "link", "loss": 0.02, "delay": 0.001}]},
    "stale": {"clock": {"kind": "bounded_staleness", "steps": 2}},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_suspended_as_a_whole_goes_on(kind: str, start: Starter) -> None:
    run = start(merged(ENDLESS, KINDS[kind]))
    run.wait_for_rows(3)
    # Launcher, forkserver and nodes are one group, as a shell or a batch system sees them.
    os.killpg(run.process.pid, signal.SIGSTOP)
    time.sleep(PAUSE_SECONDS)
    os.killpg(run.process.pid, signal.SIGCONT)
    rows = (run.path / "metrics.jsonl").read_bytes().count(b"\n")
    run.wait_for_rows(rows + 20)
    run.send("launcher", signal.SIGTERM)
    ended = run.ended(10.0)
    assert ended.code == 143, ended.err
    assert "lost" not in {event["event"] for event in run.records.directory.events()}
    assert "restarted" not in {event["event"] for event in run.records.directory.events()}
    run.assert_nothing_left()


def test_one_agent_that_is_stopped_alone_is_still_missed(start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    run.send("agent_2", signal.SIGSTOP)
    ended = run.ended(20.0)
    assert ended.code == 10, ended.err
    assert "waited 3 s for" in ended.err
    run.assert_nothing_left()


@pytest.mark.parametrize("all_roles", [False, True], ids=["launcher", "group"])
def test_a_lost_terminal_ends_a_run_in_good_order(all_roles: bool, start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    if all_roles:
        os.killpg(run.process.pid, signal.SIGHUP)
    else:
        run.send("launcher", signal.SIGHUP)
    ended = run.ended(10.0)
    assert ended.code == 129, ended.err
    assert ended.last_line == "netagents: error: the run was interrupted by SIGHUP (the terminal is gone)"
    records = run.records
    assert records.state == "interrupted"
    assert (records.ending["role"], records.ending["exit_code"]) == ("launcher", 129)
    assert (run.path / "tables").is_dir()
    run.assert_nothing_left()


@pytest.fixture
def hangup_ignored() -> Iterator[None]:
    """As ``nohup`` starts a command."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup_ignored")
def test_a_run_under_nohup_outlives_its_terminal(start: Starter) -> None:
    run = start(ENDLESS)
    run.wait_for_rows(3)
    os.killpg(run.process.pid, signal.SIGHUP)
    rows = (run.path / "metrics.jsonl").read_bytes().count(b"\n")
    run.wait_for_rows(rows + 20)
    run.send("launcher", signal.SIGTERM)
    assert run.ended(10.0).code == 143


def test_the_end_of_a_login_session_removes_nothing_that_a_run_needs(
    start: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = tmp_path / "session"
    session.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    run = start(merged(ENDLESS, {"failures": {"agent": "restart"}, "checkpoints": {"every": 10}}))
    run.wait_for_rows(12)
    shutil.rmtree(session)
    run.send("agent_1", signal.SIGKILL)
    events = run.path / "events.jsonl"
    wait_until(lambda: b'"restarted"' in events.read_bytes(), "the restart")
    run.wait_for_rows(60)
    run.send("launcher", signal.SIGTERM)
    assert run.ended(10.0).code == 143
