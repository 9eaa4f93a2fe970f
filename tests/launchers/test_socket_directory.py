"""The directory of sockets: private, short, and gone when the last one leaves."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from netagents.errors import CapacityError
from netagents.nodes.process.socket_directory import SUN_PATH_BYTES, SocketDirectory


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
