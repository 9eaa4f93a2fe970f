"""Socket directory: the private directory of one run's sockets, and its removal.

It is new for every start, has mode 0700, and its path is short, because the path of a Unix socket has at most 107 bytes.  The last process
removes it: the launcher at the end of a run; if the launcher was killed, the forkserver's guard; if that was killed too, the last child.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from netagents.errors import CapacityError
from netagents.nodes.process.control_pipe import LOST, SILENT
from netagents.nodes.process.stray_processes import running_members

PREFIX = "netagents-"
SUN_PATH_BYTES = 107
"""Longest path of a Unix socket, without the terminating zero byte."""

_LONGEST_NAME = 32
_ABANDONED_SECONDS = 60.0
_FORKSERVER_LISTENER = "listener-"
_MADE_NAME = re.compile(f"{PREFIX}[a-z0-9_]{{8}}")
_PIPES = (LOST, SILENT)
_FILES = ("copies", "endpoint", "keys", "logs")
"""What else the local launcher and its nodes put there."""


def base_folders() -> list[str]:
    """Folders in which a socket directory may stand, first choice first."""
    return [base for base in (tempfile.gettempdir(), "/tmp", os.environ.get("XDG_RUNTIME_DIR")) if base]


@dataclass(frozen=True)
class SocketDirectory:
    """A private directory for the sockets of one run and incarnation."""

    path: Path

    @classmethod
    def create(cls) -> SocketDirectory:
        """A new directory in the folder for temporary files (``TMPDIR``), else in ``/tmp``, else in ``XDG_RUNTIME_DIR``.

        ``XDG_RUNTIME_DIR`` is last because it is removed when its user logs out, while a run under ``nohup`` or ``tmux`` continues.
        Folders whose path is too long for a socket or has unprintable characters are skipped.

        Raises:
            CapacityError: no directory with a path short enough can be created.
        """
        bases = base_folders()
        for base in bases:
            # The name appears in addresses, which end at a line break, and on terminals.
            if not Path(base).is_absolute() or not base.isprintable():
                continue
            # mkdtemp adds eight random characters; the directory has mode 0700 from the beginning.
            length = len(os.fsencode(base)) + 1 + len(PREFIX) + 8 + 1 + _LONGEST_NAME
            if length > SUN_PATH_BYTES:
                continue
            with contextlib.suppress(OSError):
                return cls(Path(tempfile.mkdtemp(prefix=PREFIX, dir=base)))
        raise CapacityError(
            "no directory for sockets can be made",
            where=", ".join(bases),
            fix=f"set TMPDIR to a writable directory whose path has at most {SUN_PATH_BYTES - len(PREFIX) - _LONGEST_NAME - 10} bytes",
        )

    def leave(self, own: Iterable[Path] = (), *, parent_lost: bool = False) -> None:
        """Clean up when a child ends: unlink its own sockets and, if it is the last one, the directory.

        Args:
            own: the sockets that this process bound.
            parent_lost: the launcher has ended, so sockets of dead processes are unlinked too.
        """
        for path in own:
            with contextlib.suppress(OSError):
                path.unlink()
        if not parent_lost:
            return
        try:
            entries = list(self.path.iterdir())
        except OSError:
            return
        in_use = False
        for entry in entries:
            # Only the launcher may connect to the forkserver's listener; any other connection would end the forkserver.
            if entry.name.startswith(_FORKSERVER_LISTENER) or _is_dead_socket(entry):
                with contextlib.suppress(OSError):
                    entry.unlink()
            else:
                in_use = in_use or entry.is_socket()
        if not in_use:
            self.remove()

    def remove(self) -> None:
        """Remove the directory with its content, after all processes have ended."""
        if self.path.name.startswith(PREFIX):
            shutil.rmtree(self.path, ignore_errors=True)


def _is_dead_socket(path: Path) -> bool:
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return False
    except OSError:
        return False
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as probe:
            probe.setblocking(False)
            try:
                probe.connect(os.fspath(path))
            except ConnectionRefusedError:
                return True
            except OSError:
                continue
            return False
    return False


def abandoned_directories() -> list[SocketDirectory]:
    """This user's socket directories whose processes are all gone, left behind when launcher and guard were killed together.

    A directory counts if its name and mode are those that :meth:`SocketDirectory.create` gives, nothing has been added for a minute, no
    process carries it as its run, and what is in it belongs to a run that is dead.  An empty one shows nothing of the kind, and stays.
    """
    directories = []
    alive = running_members()
    for base in dict.fromkeys(base_folders()):
        for path in sorted(Path(base).glob(f"{PREFIX}*")):
            if not _MADE_NAME.fullmatch(path.name) or str(path) in alive:
                continue
            try:
                status = path.lstat()
                private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700 and status.st_uid == os.getuid()
                if private and time.time() - status.st_mtime > _ABANDONED_SECONDS and _is_of_dead_run(list(path.iterdir())):
                    directories.append(SocketDirectory(path))
            except OSError:
                continue
    return directories


def _is_of_dead_run(entries: list[Path]) -> bool:
    """Whether these are what a run leaves: a socket or control pipe at least, nobody who listens, and nothing else but its files."""
    evidence = False
    for entry in entries:
        mode = entry.lstat().st_mode
        if stat.S_ISFIFO(mode) and entry.name in _PIPES:
            evidence = True
        elif stat.S_ISSOCK(mode):
            # To connect to the listener of a forkserver would end it, and its run.
            if not entry.name.startswith(_FORKSERVER_LISTENER):
                if not _is_dead_socket(entry):
                    return False
                evidence = True
        elif entry.name not in _FILES:
            return False
    return evidence
