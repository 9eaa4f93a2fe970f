"""The directory of sockets: private, short, and gone when the last one leaves."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netagents.errors import CapacityError
from netagents.nodes.process.control_pipe import ControlPipe
from netagents.nodes.process.socket_directory import SUN_PATH_BYTES, SocketDirectory, abandoned_directories
from netagents.nodes.process.stray_processes import RUN_MARKER


def bind(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(path))
    listener.listen()
    return listener


def test_it_is_private_fresh_and_short_enough_for_every_role() -> None:
    first, second = SocketDirectory.create(), SocketDirectory.create()
    try:
        assert first != second
        assert stat.S_IMODE(first.path.stat().st_mode) == 0o700
        bind(first.path / f"{'agent_9999':.<32}").close()
        assert len(os.fsencode(first.path / ("x" * 32))) <= SUN_PATH_BYTES
    finally:
        first.remove()
        second.remove()
    assert not first.path.exists()


def test_a_path_too_long_for_sockets_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    directory = SocketDirectory.create()
    directory.remove()
    assert directory.path.parent == Path("/tmp")


@pytest.mark.parametrize("odd", ["line\nbreak", "tab\there", "esc\x1bape"])
def test_a_path_that_no_address_can_hold_is_passed_over(odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / odd
    folder.mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    directory = SocketDirectory.create()
    directory.remove()
    assert directory.path.parent == Path("/tmp")


def test_where_nothing_can_be_written_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> str:
        raise PermissionError

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(CapacityError, match="set TMPDIR"):
        SocketDirectory.create()


def test_the_last_child_of_a_lost_launcher_removes_what_the_dead_left() -> None:
    directory = SocketDirectory.create()
    alive = bind(directory.path / "agent_1.ipc")
    bind(directory.path / "agent_0.ipc").close()  # its owner was killed: nobody listens, the file stays
    bind(directory.path / "listener-abc").close()
    own = directory.path / "agent_2.ipc"
    bind(own).close()
    directory.leave([own], parent_lost=True)
    assert [path.name for path in directory.path.iterdir()] == ["agent_1.ipc"]
    alive.close()
    directory.leave([directory.path / "agent_1.ipc"], parent_lost=True)
    assert not directory.path.exists()
    directory.leave([], parent_lost=True)


def test_while_the_launcher_lives_a_child_unlinks_its_own_sockets_only() -> None:
    directory = SocketDirectory.create()
    try:
        for name in ("agent_0.ipc", "agent_1.ipc"):
            bind(directory.path / name).close()
        directory.leave([directory.path / "agent_0.ipc"])
        assert [path.name for path in directory.path.iterdir()] == ["agent_1.ipc"]
    finally:
        directory.remove()


def test_a_directory_that_is_not_ours_is_never_removed(tmp_path: Path) -> None:
    SocketDirectory(tmp_path).remove()
    assert tmp_path.is_dir()


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of this test alone; its path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="t-", dir="/tmp"))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    shutil.rmtree(folder)


def long_ago(folder: Path) -> Path:
    os.utime(folder, (1.0, 1.0))
    return folder


def left_here(temporary: Path) -> list[Path]:
    return [each.path for each in abandoned_directories() if each.path.parent == temporary]


def dead_socket(folder: Path) -> None:
    bind(folder / "environment").close()


def dead_pipe(folder: Path) -> None:
    ControlPipe(folder / "lost").close()


def dead_run_over_tcp(folder: Path) -> None:
    (folder / "endpoint").write_text("tcp://127.0.0.1:1")
    (folder / "keys").mkdir()
    bind(folder / "listener-abc").close()
    bind(folder / "view").close()


@pytest.mark.parametrize("fill", [dead_socket, dead_pipe, dead_run_over_tcp])
def test_what_a_dead_run_left_is_abandoned_after_a_minute(fill: Callable[[Path], None], temporary: Path) -> None:
    directory = SocketDirectory.create()
    fill(directory.path)
    assert left_here(temporary) == []
    long_ago(directory.path)
    assert left_here(temporary) == [directory.path]


def nothing(_: Path) -> None:
    """An empty folder."""


def own_file(folder: Path) -> None:
    dead_socket(folder)
    (folder / "results.csv").touch()


def own_pipe(folder: Path) -> None:
    os.mkfifo(folder / "sensor")


@pytest.mark.parametrize("fill", [nothing, own_file, own_pipe])
@pytest.mark.parametrize("name", ["netagents-mydata", "netagents-my_stuff"])
def test_a_folder_of_the_user_is_not_taken_for_a_dead_run(name: str, fill: Callable[[Path], None], temporary: Path) -> None:
    folder = temporary / name
    folder.mkdir(mode=0o700)
    fill(folder)
    long_ago(folder)
    assert left_here(temporary) == []


def test_sockets_in_a_folder_of_another_name_or_mode_are_the_users(temporary: Path) -> None:
    for name, mode in (("netagents-my-data", 0o700), ("netagents-12345678", 0o755)):
        folder = temporary / name
        folder.mkdir(mode=mode)
        dead_socket(folder)
        long_ago(folder)
    assert left_here(temporary) == []


def test_the_forkserver_of_a_run_that_goes_on_is_not_connected_to(temporary: Path) -> None:
    """Its listener would take any connection for the launcher's, and end."""
    directory = SocketDirectory.create()
    dead_socket(directory.path)
    listener = bind(directory.path / "listener-abc")
    listener.setblocking(False)
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, env=os.environ | {RUN_MARKER: str(directory.path)}
    )
    try:
        long_ago(directory.path)
        assert left_here(temporary) == []
    finally:
        sleeper.communicate()
    assert left_here(temporary) == [directory.path]
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()
