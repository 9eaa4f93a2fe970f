"""Around a role: exit codes, one failure record, SIGTERM, stacks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from netagents.errors import CapacityError, NumericalError, UsageError
from netagents.launchers.supervision.interruptions import CtrlC, Interruptions
from netagents.launchers.supervision.processes import WatchedProcess, adopting_orphans, allow_descriptors, signal_name, start_time
from netagents.nodes.process.node_process import ProcessContext, resolve, run_role, wait_for_end
from netagents.records.process_log import failure_of, read_log


def test_a_role_that_returns_ends_with_zero_and_gets_its_arguments(tmp_path: Path) -> None:
    calls: list[object] = []

    def role(context: ProcessContext, arguments: Mapping[str, Any]) -> None:
        calls.extend([context.role, context.parent_lost(), context.stop_requested(), dict(arguments)])

    assert run_role("agent_0", lambda: role, {"index": 0}, log_path=tmp_path / "agent_0.jsonl") == 0
    assert calls == ["agent_0", False, False, {"index": 0}]
    assert [entry["message"] for entry in read_log(tmp_path / "agent_0.jsonl")] == ["started", "ended"]


@pytest.mark.parametrize(("error", "code"), [(NumericalError("nan", where="agent 3"), 9), (ValueError("what"), 1)])
def test_an_error_becomes_its_exit_code_and_one_record(tmp_path: Path, error: Exception, code: int) -> None:
    def role(_context: ProcessContext, _arguments: Mapping[str, Any]) -> None:
        raise error

    path = tmp_path / "agent_0.jsonl"
    assert run_role("agent_0", lambda: role, {}, log_path=path) == code
    failure = failure_of(path)
    assert failure is not None
    assert failure["exit_code"] == code
    assert type(error).__name__ in failure["traceback"]
    assert sum("failure" in entry for entry in read_log(path)) == 1


def test_sigterm_wakes_the_role_and_handlers_return(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def role(context: ProcessContext, _arguments: Mapping[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert wait_for_end(context, 5.0)

    begin = time.monotonic()
    assert run_role("agent_0", lambda: role, {}, log_path=tmp_path / "log.jsonl") == 143
    assert time.monotonic() - begin < 1.0
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_lost_launcher_is_seen_in_the_poller(tmp_path: Path) -> None:
    receiver, sender = os.pipe()

    def role(context: ProcessContext, _arguments: Mapping[str, Any]) -> None:
        assert not context.parent_lost()
        assert not wait_for_end(context, 0.01)
        os.close(sender)
        assert wait_for_end(context, 5.0)
        assert context.parent_lost()

    assert run_role("agent_0", lambda: role, {}, log_path=tmp_path / "log.jsonl", parent_fd=receiver) == 0
    os.close(receiver)
    assert read_log(tmp_path / "log.jsonl")[-1]["message"] == "the launcher is gone; left"


def test_sigusr1_writes_stacks_into_the_log(tmp_path: Path) -> None:
    def role(_context: ProcessContext, _arguments: Mapping[str, Any]) -> None:
        os.kill(os.getpid(), signal.SIGUSR1)

    run_role("agent_0", lambda: role, {}, log_path=tmp_path / "log.jsonl")
    stack = [entry["message"] for entry in read_log(tmp_path / "log.jsonl") if entry["level"] == "output"]
    assert any("test_node_process.py" in line and "in role" in line for line in stack)


@pytest.mark.parametrize("target", ["nothing", "json:", ":loads", "json:no_such_function"])
def test_an_import_path_that_is_none_gets_one_line(target: str) -> None:
    with pytest.raises(UsageError):
        resolve(target)


def test_a_watched_process_is_alive_until_it_ends_and_is_reaped_once() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    watched = WatchedProcess(child.pid)
    assert watched.alive()
    assert start_time(child.pid) is not None
    assert watched.send(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while (code := watched.reap()) is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert code == -signal.SIGKILL
    assert signal_name(code) == "SIGKILL"
    assert not watched.alive()
    assert not watched.send(signal.SIGTERM)
    assert watched.reap() is None
    watched.close()
    child.returncode = code


def test_a_number_that_passed_to_another_process_is_not_taken_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    watched = WatchedProcess(os.getpid())
    assert watched.alive()
    watched._started = -1  # as if the process under this number were a later one
    assert not watched.alive()
    assert not watched.send(signal.SIGKILL)


def test_orphans_are_adopted_only_inside() -> None:
    script = (
        "import os, sys; pid = os.fork(); (print(pid, flush=True), os._exit(0)) if pid else (__import__('time').sleep(0.2), os._exit(7))"
    )
    with adopting_orphans():
        orphan = int(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True).stdout)
        assert os.waitstatus_to_exitcode(os.waitpid(orphan, 0)[1]) == 7
    orphan = int(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True).stdout)
    with pytest.raises(ChildProcessError):
        os.waitpid(orphan, 0)


def test_too_many_processes_for_the_machine_get_one_line() -> None:
    with pytest.raises(CapacityError, match="use at most"):
        allow_descriptors(10**9)


@pytest.fixture
def ctrl_c_not_ignored() -> Iterator[None]:
    """As in a terminal; a shell that starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_not_ignored")
def test_a_ctrl_c_that_python_swallowed_is_taken_up() -> None:
    ctrl_c = CtrlC()
    with ctrl_c.handling():
        assert signal.getsignal(signal.SIGINT) is ctrl_c
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        interruptions = Interruptions()
        assert interruptions.take() == [signal.SIGINT]
        assert (interruptions.first, interruptions.urgent) == (signal.SIGINT, False)
        interruptions.close()
        assert signal.getsignal(signal.SIGINT) is ctrl_c
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    interruptions = Interruptions()
    assert interruptions.take() == []
    interruptions.close()


def test_interruptions_are_taken_in_order_and_the_second_ctrl_c_is_urgent() -> None:
    interruptions = Interruptions()
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert interruptions.take() == [signal.SIGTERM, signal.SIGINT]
        assert (interruptions.first, interruptions.urgent) == (signal.SIGTERM, True)
        assert interruptions.take() == []
    finally:
        interruptions.close()
        interruptions.close()
