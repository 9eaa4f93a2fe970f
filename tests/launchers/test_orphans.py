"""A launcher that is killed while its forkserver still imports leaves nobody: no node is born afterwards, nobody stays, stopped or not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from leaks import LeakWatch

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]

SCRIPT = """
import sys
from multiprocessing import resource_tracker
from pathlib import Path
from netagents.launchers.supervision.process_supervisor import PRELOAD, ProcessSupervisor
from netagents.launchers.supervision.supervisor_events import NodeSpec
logs = Path(sys.argv[1])
specs = [NodeSpec(f"agent_{i}", "trivial_roles:idle") for i in range(4)]
preload = (*PRELOAD[:1], *sys.argv[2:], *PRELOAD[1:])
with ProcessSupervisor(specs, log_directory=logs, preload=preload) as supervisor:
    supervisor.start()
    print("started", resource_tracker._resource_tracker._pid, flush=True)
    supervisor.wait()
"""

STOPPED_AT_BIRTH = """
import os, signal, subprocess, sys
word = sys.argv.pop(1)
class Stopping(subprocess.Popen):
    def __init__(self, words, **settings):
        super().__init__(words, **settings)
        if word in words[-1]:
            os.kill(self.pid, signal.SIGSTOP)
            print("stopped", self.pid, flush=True)
            sys.stdin.read()
from netagents.foreign import multiprocessing_internals
multiprocessing_internals.subprocess.Popen = Stopping
"""
"""Stops the forkserver or the resource tracker when its program has only just been loaded, and waits for the end of standard input."""

SLOW = """
import time
from pathlib import Path
(Path(__file__).parent / "importing").touch()
time.sleep(1.5)
(Path(__file__).parent / "imported").touch()
"""


def until(condition: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


@pytest.fixture
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "slow_import.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    logs = tmp_path / "logs"
    logs.mkdir()
    return logs


def test_no_node_is_born_after_its_launcher_was_killed(leaks: LeakWatch, logs: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(logs), "slow_import"], stdout=subprocess.PIPE, text=True) as process:
        until((logs.parent / "importing").exists, "the slow import")
        # The requests to fork are on their way by now, and wait for the forkserver.
        time.sleep(0.5)
        process.kill()
        process.communicate()
    until((logs.parent / "imported").exists, "the end of the import")
    until(lambda: not leaks.processes(), "the forkserver's end", 10.0)
    assert not [path.name for path in logs.iterdir()], "nodes were born"
    assert not list(leaks.root.glob("netagents-*"))


def test_a_stopped_resource_tracker_does_not_outlive_its_launcher(leaks: LeakWatch, logs: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(logs)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, tracker = process.stdout.readline().split()
        assert word == "started"
        os.kill(int(tracker), signal.SIGSTOP)
        process.kill()
        process.communicate()
    try:
        until(lambda: not leaks.processes(), "the nodes' end", 10.0)
        until(lambda: not Path(f"/proc/{tracker}").exists() or is_zombie(int(tracker)), "the tracker's end", 10.0)
    finally:
        if Path(f"/proc/{tracker}").exists() and not is_zombie(int(tracker)):
            os.kill(int(tracker), signal.SIGKILL)


@pytest.mark.parametrize("word", ["forkserver", "resource_tracker"])
def test_who_is_stopped_before_the_first_line_does_not_outlive_the_launcher(word: str, leaks: LeakWatch, logs: Path) -> None:
    command = [sys.executable, "-c", STOPPED_AT_BIRTH + SCRIPT, word, str(logs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        stopped, number = process.stdout.readline().split()
        assert stopped == "stopped"
        until(lambda: state(int(number)) == "T", "the stop")
        process.kill()
        process.communicate()
    try:
        until(lambda: state(int(number)) in (None, "Z"), "the end of who was stopped", 10.0)
        if word == "forkserver":
            until(lambda: not leaks.files(), "the removal of the socket directory", 10.0)
        else:
            # Nobody was there yet who could remove it.
            for path in leaks.root.glob("netagents-*"):
                path.rmdir()
    finally:
        if state(int(number)) not in (None, "Z"):
            os.kill(int(number), signal.SIGKILL)


def test_a_forkserver_that_is_stopped_while_it_imports_does_not_outlive_the_launcher(leaks: LeakWatch, logs: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SCRIPT, str(logs), "slow_import"], stdout=subprocess.PIPE, text=True) as process:
        until((logs.parent / "importing").exists, "the slow import")
        (forkserver,) = [pid for pid, command in leaks.processes().items() if "forkserver" in command]
        # Back in the launcher's group, so that Ctrl-Z reaches it.
        assert os.getpgid(forkserver) == os.getpgid(process.pid)
        os.kill(forkserver, signal.SIGSTOP)
        process.kill()
        process.communicate()
    until(lambda: not leaks.processes(), "the forkserver's end", 10.0)
    assert not list(leaks.root.glob("netagents-*"))


def state(pid: int) -> str | None:
    """The letter of a process's state, such as T for a stopped one; None if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None


def is_zombie(pid: int) -> bool:
    return state(pid) == "Z"


def test_a_sigterm_before_the_handler_is_answered_as_any_other(leaks: LeakWatch, logs: Path) -> None:
    """All processes of the group get it while the forkserver imports: neither the forkserver nor an unborn node dies of it."""
    command = [sys.executable, "-c", SCRIPT, str(logs), "slow_import"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        until((logs.parent / "importing").exists, "the slow import")
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=60.0)
    assert "the run was interrupted by SIGTERM" in err.rstrip().rpartition("\n")[2], err
    assert not leaks.processes()
