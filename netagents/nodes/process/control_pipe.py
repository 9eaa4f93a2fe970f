"""Control pipes between launcher and server: lines of text about who is lost, and about who does not answer.

A control pipe is a named pipe in the run's private directory, one for each direction.  Both ends open it for reading and writing, so that
neither waits for the other and none ever sees an end; a line is shorter than what a pipe writes at once, so lines never mix.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

LOST, SILENT = "lost", "silent"
"""Names of the pipes.  The launcher says who is lost (``AGENT WHY``), the server who is silent (``AGENT INCARNATION WHY``)."""

_BYTES = 1 << 16
_LONGEST = 1024


class ControlPipe:
    """One end of a control pipe.

    Args:
        path: of the pipe; it is made if it is not there.

    Attributes:
        descriptor: readable when a line has come.
    """

    def __init__(self, path: Path) -> None:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._rest = b""

    def send(self, line: str) -> None:
        """Tell the other end; with nobody there to read, a line beyond what the pipe holds is dropped."""
        encoded = " ".join(line.split()).encode()[:_LONGEST]
        with contextlib.suppress(BlockingIOError):
            os.write(self.descriptor, encoded + b"\n")

    def receive(self) -> list[str]:
        """The lines that have come since the last call."""
        try:
            received = os.read(self.descriptor, _BYTES)
        except BlockingIOError:
            return []
        *lines, self._rest = (self._rest + received).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def close(self) -> None:
        """Close this end."""
        os.close(self.descriptor)
