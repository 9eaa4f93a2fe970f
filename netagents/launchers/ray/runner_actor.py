"""Actor that Ray places on a host: it starts the runner of that host, and hands bytes to it and back."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence

_READ_BYTES = 1 << 20
_LAST_BYTES = 4096
_END_SECONDS = 4.0


class RunnerActor:
    """The runner of one host, as a child of the actor's process.

    When that process ends, however it ends, the runner's input ends with it, and the runner ends its agents.  The runner leads a session of
    its own, so that Ray's signals to the actor's process group do not reach it first.

    Args:
        python: path of Python on this host; None: the one in which the actor runs.
        runner: what Python runs.  The actor imports nothing of netagents, since its process would do so only for these words.
    """

    def __init__(self, python: str | None, runner: Sequence[str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the actor
        self._process = subprocess.Popen(
            [python or sys.executable, *runner],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )

    def write(self, data: bytes) -> None:
        """Write to the runner; the caller waits for the end of each call before the next, which keeps the order."""
        assert self._process.stdin is not None
        descriptor = self._process.stdin.fileno()
        with contextlib.suppress(BrokenPipeError):
            while data:
                data = data[os.write(descriptor, data) :]

    def read(self, seconds: float) -> bytes | None:
        """What the runner has written: empty if that is nothing within ``seconds``, None at its end."""
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        if not select.select([descriptor], [], [], seconds)[0]:
            return b""
        return os.read(descriptor, _READ_BYTES) or None

    def ending(self) -> str:
        """Why a runner that has ended did so: its last line on standard error, or its exit code."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - _LAST_BYTES))
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"the runner ended with exit code {self._process.returncode}"

    def end(self) -> None:
        """End the runner's input, and wait until it has ended its agents."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
