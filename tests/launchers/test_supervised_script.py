"""Script that supervises processes: killed or interrupted, it leaves no process behind; without a guard its main part runs once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from idle_nodes import until
from leaks import LeakWatch

from netagents.launchers.supervision.node_watch import FORKSERVER

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("leaks")]


SCRIPT = """
import sys
print("main runs", flush=True)
from netagents.errors import NetagentsError, exit_code_of
from netagents.experiment.timeouts import Timeouts
from netagents.launchers.supervision.supervisor_events import NodeSpec
from netagents.launchers.supervision.process_supervisor import ProcessSupervisor
target, count = {target!r}, {count}
with ProcessSupervisor([NodeSpec(f"agent_{{i}}", target) for i in range(count)], timeouts=Timeouts(stop={stop})) as supervisor:
    supervisor.start()
    print("started", *(f"{{role}}={{pid}}" for role, pid in supervisor.pids().items()), flush=True)
    try:
        supervisor.wait()
    except NetagentsError as error:
        print(error, flush=True)
        sys.exit(exit_code_of(error))
print("finished", flush=True)
"""


def launcher(target: str, count: int, cwd: Path, stop: float = 2.0) -> subprocess.Popen[str]:
    script = cwd / "unguarded.py"
    script.write_text(SCRIPT.format(target=target, count=count, stop=stop))
    return subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, cwd=cwd)


def started(process: subprocess.Popen[str]) -> dict[str, int]:
    assert process.stdout is not None
    assert process.stdout.readline() == "main runs\n"
    words = process.stdout.readline().split()
    assert words[0] == "started"
    return {role: int(pid) for role, pid in (word.split("=") for word in words[1:])}


@pytest.mark.parametrize("also", [(), (FORKSERVER,), ("agent_1",)], ids=["alone", "with the forkserver", "with an agent"])
def test_a_killed_launcher_leaves_no_process_and_no_directory(leaks: LeakWatch, tmp_path: Path, also: Sequence[str]) -> None:
    with launcher("trivial_roles:idle", 8, tmp_path) as process:
        pids = started(process)
        until(lambda: len(list(leaks.root.glob("netagents-*/agent_*.ipc"))) == 8)
        process.send_signal(signal.SIGSTOP)  # so that it cannot act on the deaths that follow
        for role in also:
            os.kill(pids[role], signal.SIGKILL)
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 2.0
    while (leaks.processes() or list(leaks.root.glob("netagents-????????"))) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not leaks.processes()
    assert not list(leaks.root.glob("netagents-????????"))


def test_a_killed_launcher_takes_deaf_and_stopped_children_with_it(leaks: LeakWatch, tmp_path: Path) -> None:
    with launcher("trivial_roles:deaf", 4, tmp_path) as process:
        pids = started(process)
        until(lambda: sum("deaf" in path.read_text() for path in leaks.root.glob("netagents-*/logs/*.jsonl")) == 4)
        os.kill(pids["agent_2"], signal.SIGSTOP)
        process.kill()
        process.communicate()
    deadline = time.monotonic() + 2.0
    while leaks.processes() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not leaks.processes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_to_a_launcher_end_it_with_the_documented_code(tmp_path: Path, number: int, code: int) -> None:
    with launcher("trivial_roles:idle", 5, tmp_path) as process:
        started(process)
        process.send_signal(number)
        output, _ = process.communicate(timeout=10)
    assert process.returncode == code
    assert output == f"the run was interrupted by {signal.Signals(number).name}\n"


def test_a_second_interrupt_kills_at_once(leaks: LeakWatch, tmp_path: Path) -> None:
    with launcher("trivial_roles:deaf", 3, tmp_path, stop=30.0) as process:
        started(process)
        until(lambda: sum("deaf" in path.read_text() for path in leaks.root.glob("netagents-*/logs/*.jsonl")) == 3)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)
        assert time.monotonic() - begin < 10.0
    assert process.returncode == 130


@pytest.mark.parametrize("how", ["script", "command", "stdin", "module"])
def test_scripts_need_no_guard_and_main_runs_once(tmp_path: Path, how: str) -> None:
    text = SCRIPT.format(target="trivial_roles:finish", count=3, stop=2.0)
    (tmp_path / "unguarded.py").write_text(text)
    words = {"script": ["unguarded.py"], "command": ["-c", text], "stdin": ["-"], "module": ["-m", "unguarded"]}[how]
    result = subprocess.run(
        [sys.executable, *words], input=text if how == "stdin" else None, capture_output=True, text=True, cwd=tmp_path, timeout=30
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "main runs"
    assert lines.count("main runs") == 1
    assert lines[-1] == "finished"
    assert result.stderr == ""
