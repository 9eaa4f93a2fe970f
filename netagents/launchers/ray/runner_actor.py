"""Actor that hosts the runner of one host of a Ray cluster, and hands its lines on."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile

RUNNER = "netagents.launchers.hosts.host_runner"

_POLL_SECONDS = 0.5
_READ_BYTES = 1 << 20


class RunnerActor:
    """Starts a runner; when the actor's process ends, however it ends, the runner's input ends with it, and the runner ends its agents."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the actor
        self._runner = subprocess.Popen(
            [sys.executable, "-P", "-m", RUNNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )

    def send(self, data: bytes) -> None:
        """Lines for the runner."""
        assert self._runner.stdin is not None
        with contextlib.suppress(OSError):
            os.write(self._runner.stdin.fileno(), data)

    def receive(self) -> tuple[bytes, str]:
        """Lines of the runner, after at most half a second; and why there will be no more, empty while there may be."""
        assert self._runner.stdout is not None
        descriptor = self._runner.stdout.fileno()
        if not select.select([descriptor], [], [], _POLL_SECONDS)[0]:
            return b"", ""
        data = os.read(descriptor, _READ_BYTES)
        return data, "" if data else self._ending()

    def _ending(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._runner.wait(1.0)
        self._errors.seek(0)
        lines = self._errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"the runner ended with exit code {self._runner.returncode}"

    def end(self) -> None:
        """End the runner's input, and wait a moment for its end."""
        assert self._runner.stdin is not None
        with contextlib.suppress(OSError):
            self._runner.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._runner.wait(4.0)
