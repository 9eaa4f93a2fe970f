"""What the watchdog calls waiting: real processes that sleep and compute in turns, inside and outside of a marked wait."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import netagents
from netagents.launchers.supervision.watchdog import Frame, _status_of, process_statuses
from netagents.wire.session.receiver import Receiver
from netagents.wire.wait_marker import find_wait, marked_waits, waits

PROGRAM = """
import faulthandler, signal, sys, time
from netagents.wire.wait_marker import waits
def look_about(busy):
    end = time.monotonic() + busy
    while time.monotonic() < end:
        pass
def learn(busy, asleep):
    print("ready", flush=True)
    while True:
        look_about(busy)
        time.sleep(asleep) if asleep else None
@waits("for tea")
def whatever_it_is_called(busy, asleep):
    print("ready", flush=True)
    while True:
        look_about(busy)
        time.sleep(asleep) if asleep else None
if __name__ == "__main__":
    log = open(sys.argv[1], "w")
    faulthandler.register(signal.SIGUSR1, file=log)
    globals()[sys.argv[2]](float(sys.argv[3]), float(sys.argv[4]))
"""


@pytest.mark.parametrize(
    ("name", "busy", "asleep", "waits"),
    [
        ("whatever_it_is_called", 0.001, 0.5, True),
        ("whatever_it_is_called", 0.1, 0.0, False),
        ("learn", 0.001, 0.5, False),
        ("learn", 0.1, 0.0, False),
    ],
)
def test_who_sleeps_inside_a_marked_wait_waits_and_nobody_else(tmp_path: Path, name: str, busy: float, asleep: float, waits: bool) -> None:
    program, log = tmp_path / "role.py", tmp_path / "agent_0.jsonl"
    program.write_text(PROGRAM)
    spec = importlib.util.spec_from_file_location("role", program)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    command = [sys.executable, str(program), str(log), name, str(busy), str(asleep)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            (status,) = process_statuses({"agent_0": process.pid}, tmp_path)
        finally:
            process.kill()
    assert status.is_waiting == waits
    assert status.frame is not None
    assert status.frame.function in ((name,) if waits else (name, "look_about"))
    assert str(status).startswith("agent_0 is waiting for tea in role.py:") == waits


def test_a_process_that_is_no_more_is_gone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as process:
        process.wait()
    (status,) = process_statuses({"agent_0": process.pid}, tmp_path)
    assert str(status) == "agent_0 is gone"


def test_who_looks_about_in_the_middle_of_a_wait_still_waits() -> None:
    code = Receiver.gather.__code__
    line = code.co_firstlineno + 30
    stack = [Frame("/x/inbox.py", 271, "collect"), Frame(code.co_filename, line, "gather"), Frame("/x/agent.py", 103, "learn")]
    waiting = f"agent_0 is waiting for messages in receiver.py:{line} gather"
    assert str(_status_of("agent_0", ["running", "waiting", "running"], stack)) == waiting
    assert str(_status_of("agent_0", ["running"] * 3, stack)) == "agent_0 is running in inbox.py:271 collect"
    assert str(_status_of("agent_0", ["waiting"] * 3, stack[2:])) == "agent_0 is waiting in agent.py:103 learn"
    assert not _status_of("agent_0", ["waiting"] * 3, stack[2:]).is_waiting


def test_a_marked_function_is_known_by_its_code_and_not_by_its_name() -> None:
    code = Receiver.gather.__code__
    inside = code.co_firstlineno + 30
    assert find_wait(code.co_filename, inside, "gather") is not None
    # A container has the package elsewhere.
    assert find_wait("/usr/lib/python3/site-packages/netagents/wire/session/receiver.py", inside, "gather") is not None
    assert find_wait("/usr/lib/python3/site-packages/others/wire/session/receiver.py", inside, "gather") is None
    assert find_wait(code.co_filename, 1, "gather") is None
    assert find_wait("/elsewhere/receiver.py", inside, "gather") is None
    assert find_wait(code.co_filename, inside, "scatter") is None
    with pytest.raises(TypeError, match="no function of Python"):
        waits("for nothing")(len)


def test_the_watchdog_alone_loads_every_marked_wait_of_the_package() -> None:
    """A mark in a module that the launcher does not load would be of no use; and without any mark everybody would be blamed."""
    package = Path(netagents.__file__).parent
    marked = {
        (file.relative_to(package).as_posix(), node.name)
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
        for each in node.decorator_list
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "waits"
    }
    assert len(marked) >= 3
    program = (
        "import netagents.launchers.supervision.watchdog, netagents.wire.wait_marker as m\n"
        "print(sorted((w.file, w.function) for w in m.marked_waits()))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60.0).stdout
    assert printed.strip() == str(sorted(marked))
    assert marked <= {(each.file, each.function) for each in marked_waits()}
