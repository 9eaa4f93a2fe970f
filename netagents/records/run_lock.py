"""The lock of a run directory: held by whoever carries a run out, from before the first byte is written until nothing more will be.

The writer of the records holds a lock of its own on ``events.jsonl``.  This one begins earlier and ends later: a launcher takes it when it
makes the directory or is about to resume, so that two resumes at once, or a resume and ``netagents clean``, never meet in one directory.
The kernel drops it with the process.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from pathlib import Path

from netagents.errors import RunDirectoryError
from netagents.records.regular_files import open_descriptor

LOCK = "lock"
"""Name of the lock file, which is empty and stays."""

_SECONDS = 1.0


class RunLock:
    """The lock of one run directory; not taken until :meth:`take`.

    Args:
        folder: the run directory.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._close: weakref.finalize[[int], RunLock] | None = None

    def take(self) -> None:
        """Take the lock; harmless when it is held by this object.

        Raises:
            RunDirectoryError: another process (or another part of this one) carries the run out or removes it, or the directory is gone
                or cannot be written.
        """
        if self._close is not None:
            return
        file = self.folder / LOCK
        try:
            descriptor = open_descriptor(file, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise RunDirectoryError(f"cannot be written: {error.strerror}", where=str(file)) from error
        try:
            _wait(descriptor, self.folder)
            there = file.lstat()
            status = os.fstat(descriptor)
            if (there.st_dev, there.st_ino) != (status.st_dev, status.st_ino):
                raise FileNotFoundError
        except FileNotFoundError:
            os.close(descriptor)
            raise RunDirectoryError("was removed meanwhile", where=str(self.folder)) from None
        except BaseException:
            os.close(descriptor)
            raise
        self._close = weakref.finalize(self, os.close, descriptor)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._close is not None:
            self._close()
            self._close = None

    def is_held_elsewhere(self) -> bool:
        """Whether another process holds the lock; writes nothing."""
        if self._close is not None:
            return False
        try:
            descriptor = open_descriptor(self.folder / LOCK, os.O_RDONLY)
        except (OSError, RunDirectoryError):
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # a file system without locks cannot say
        finally:
            os.close(descriptor)
        return False


def _wait(descriptor: int, folder: Path) -> None:
    until = time.monotonic() + _SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            # Somebody who merely asks holds it for microseconds.
            if time.monotonic() > until:
                raise RunDirectoryError(
                    "this run still goes on in another process", where=str(folder), fix="wait for it, or stop it first"
                ) from error
            time.sleep(0.01)
        except OSError:
            return  # a file system without locks
