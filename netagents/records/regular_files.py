"""Regular files of a run directory: opened so that a pipe, a device, a folder or a link in their place is an error and never a wait.

A run directory may come from anybody.  A named pipe in place of a file would hold its reader up for ever, a device would never end, and a
link would lead a reader, or a writer, to a file elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from netagents.errors import RunDirectoryError

_SAFE = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISLNK, "a link to somewhere else"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_descriptor(path: Path, flags: int, mode: int = 0o644) -> int:
    """A descriptor of a regular file; ``flags`` and ``mode`` as :func:`os.open` takes them.

    Raises:
        RunDirectoryError: something else than a regular file stands there.
        OSError: the system refuses, or there is no such file.
    """
    try:
        descriptor = os.open(path, flags | _SAFE, mode)
    except OSError as error:
        # A link, a socket, a folder that is to be written, a pipe that nobody reads.
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR) and (kind := kind_of(path)) is not None:
            raise not_regular(path, kind) from error
        raise
    kind = _kind(os.fstat(descriptor).st_mode)
    if kind is not None:
        os.close(descriptor)
        raise not_regular(path, kind)
    return descriptor


def open_regular(path: Path) -> BinaryIO:
    """A regular file, opened for reading; raises what :func:`open_descriptor` does."""
    return os.fdopen(open_descriptor(path, os.O_RDONLY), "rb")


def read_regular(path: Path, most_bytes: int) -> bytes:
    """The whole of a regular file.

    Args:
        path: of the file.
        most_bytes: a larger file is refused before it is read.

    Raises:
        RunDirectoryError: it is missing, larger, no regular file, or cannot be read.
    """
    try:
        with open_regular(path) as file:
            # Asked for more, read() makes room for all of it first.
            size = os.fstat(file.fileno()).st_size
            data = file.read(size + 1) if size <= most_bytes else None
    except OSError as error:
        raise RunDirectoryError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if data is None or len(data) > most_bytes:
        raise RunDirectoryError(f"is larger than {most_bytes} bytes", where=str(path), fix="the file was damaged")
    return data


def kind_of(path: Path) -> str | None:
    """What stands at a path in words, such as ``a named pipe``; None for a regular file and for nothing."""
    try:
        return _kind(path.lstat().st_mode)
    except OSError:
        return None


def check_regular(paths: Iterator[Path]) -> None:
    """Refuse a run directory that a writer would be led out of, or held up in, before anything is written.

    Raises:
        RunDirectoryError: something else than a regular file stands at one of the paths; names it.
    """
    for path in paths:
        kind = kind_of(path)
        if kind is not None:
            raise not_regular(path, kind)


def check_real_folder(path: Path) -> None:
    """Refuse a link, or anything else than a folder, where a writer takes a folder to be; nothing there is fine.

    Raises:
        RunDirectoryError: it is none.
    """
    kind = kind_of(path)
    if os.path.lexists(path) and kind != "a folder":
        raise not_regular(path, kind or "a file", "a folder")


def not_regular(path: Path, kind: str, right: str = "a file") -> RunDirectoryError:
    """The error for something that is no regular file, or no folder."""
    return RunDirectoryError(f"is {kind}, not {right}", where=str(path), fix="put back what the run had there")


def _kind(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    return next((name for test, name in _KINDS if test(mode)), "something else")
