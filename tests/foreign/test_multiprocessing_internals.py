"""The private names of multiprocessing that the project uses, checked with real processes on a version of Python that is named."""

from __future__ import annotations

import ast
import os
import stat
import sys
import time
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import pytest

import netagents
from netagents.foreign import multiprocessing_internals as internals

MODULES = {"forkserver", "resource_tracker", "process", "spawn", "context", "reduction", "popen_fork", "util", "connection"}


def command_line(pid: int) -> bytes:
    """Of a process that has perhaps only just been forked: it is empty until its program is loaded."""
    limit = time.monotonic() + 20.0
    while not (line := Path(f"/proc/{pid}/cmdline").read_bytes()) and time.monotonic() < limit:
        time.sleep(0.01)
    return line


def test_this_version_of_python_is_one_of_those_that_were_checked() -> None:
    assert sys.version_info[:2] in internals.CHECKED_VERSIONS, (
        f"run the tests of this file with Python {sys.version_info[0]}.{sys.version_info[1]}, then add it to CHECKED_VERSIONS"
    )


def test_the_number_and_the_life_line_of_a_forkserver_are_where_they_are_looked_for(tmp_path: Path) -> None:
    server = forkserver.ForkServer()
    with internals.sockets_in(str(tmp_path)):
        server.ensure_running()
    pid = internals.forkserver_pid(server)
    try:
        # Its socket is in the folder that was named.
        assert any(stat.S_ISSOCK(file.stat().st_mode) for file in tmp_path.iterdir())
        assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        assert b"forkserver" in command_line(pid)
        descriptor = internals.detach_forkserver(server)
        assert descriptor is not None
        assert stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        # With the last copy of its life line gone the forkserver leaves by itself.
        os.close(descriptor)
        assert os.waitpid(pid, 0) == (pid, 0)
    except BaseException:
        os.kill(pid, 9)
        raise
    assert internals.detach_forkserver(server) is None


def test_an_inherited_life_line_is_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    server = forkserver._forkserver  # type: ignore[attr-defined]
    # Here as in a child, which the forkserver's main hands the descriptor.
    monkeypatch.setattr(server, "_forkserver_alive_fd", 12345)
    assert internals.detach_inherited_forkserver() == 12345
    assert internals.detach_inherited_forkserver() is None


def test_the_resource_tracker_is_the_process_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    resource_tracker.ensure_running()
    pid = internals.tracker_pid()
    assert pid is not None
    assert b"resource_tracker" in command_line(pid)
    monkeypatch.delitem(sys.modules, "multiprocessing.resource_tracker")
    assert internals.tracker_pid() is None


def test_no_other_file_uses_a_private_name_of_multiprocessing() -> None:
    package = Path(netagents.__file__).parent
    users = []
    for file in sorted(package.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "multiprocessing"
            for alias in node.names
        } & MODULES
        for node in ast.walk(tree):
            text = node.attr if isinstance(node, ast.Attribute) else node.value if isinstance(node, ast.Constant) else ""
            of_module = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in imported
            private = isinstance(text, str) and text.startswith("_") and not text.startswith("__")
            known = text in ("_forkserver", "_forkserver_pid", "_forkserver_alive_fd", "_resource_tracker")
            if private and (of_module or known):
                users.append(file.relative_to(package).as_posix())
    assert set(users) == {"foreign/multiprocessing_internals.py"}
