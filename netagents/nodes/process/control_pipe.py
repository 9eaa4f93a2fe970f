"""A line of words between launcher and server: who was lost, and who does not answer.

It is a named pipe in the run's private directory, one for each direction.  Both ends open it for reading and writing, so that neither
waits for the other and none ever sees an end; a word is shorter than what a pipe writes at once, so words never mix.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LOST, SILENT = "lost", "silent"
"""Names of the pipes: the launcher says who was lost, the server who is silent."""

_BYTES = 1 << 16


class ControlPipe:
    """One end of a line.

    Args:
        path: of the pipe; it is made if it is not there.

    Attributes:
        descriptor: readable when a word has come.
    """

    def __init__(self, path: Path) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""

    def say(self, word: str) -> None:
        """Tell the other end; with nobody there to read, a word beyond what the pipe holds is dropped."""
        with contextlib.suppress(BlockingIOError):
            os.write(self.descriptor, word.encode() + b"\n")

    def words(self) -> list[str]:
        """What has come since the last call."""
        try:
            came = os.read(self.descriptor, _BYTES)
        except BlockingIOError:
            return []
        *whole, self._rest = (self._rest + came).split(b"\n")
        return [word.decode() for word in whole]

    def close(self) -> None:
        """Let go of this end."""
        os.close(self.descriptor)
