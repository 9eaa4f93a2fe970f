"""A worker process: one job as a line of JSON on standard input, which stays open as long as the process lives that wants it done.

When that process is killed, the worker ends too, at once and with nothing half-written that counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import Any


class WorkerProcess:
    """A process that does one job, as the process sees it that wants it done.

    Args:
        module: run with ``python -m``; it calls :func:`run_job`.
        job: as JSON.
    """

    def __init__(self, module: str, job: Mapping[str, Any]) -> None:
        # The worker itself imports this module, too, and does not need it.
        from netagents.launchers.supervision.forkserver import ONE_THREAD

        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
        except BaseException:
            self.kill()
            self._process.wait()
            raise

    def poll(self) -> int | None:
        """The exit code; None while it works."""
        return self._process.poll()

    def reason(self) -> str:
        """Why it failed: the last line of its standard error, or nothing."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End it at once; :meth:`close` waits until it has."""
        self._process.kill()

    def close(self) -> None:
        """Wait for its end and close what belongs to it."""
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._errors.close()


def run_job(work: Callable[[dict[str, Any]], None]) -> int:
    """Carry out the job on standard input; the last line of standard error says why it failed.

    Args:
        work: does it.

    Returns:
        The exit code.
    """
    job = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from netagents.errors import NetagentsError, exit_code_of

    try:
        work(job)
    except NetagentsError as error:
        print(error, file=sys.stderr)
        return exit_code_of(error)
    return 0


def _end_with_parent() -> None:
    # The parent writes nothing more; the end of the stream is the parent's end.
    while os.read(0, 4096):
        pass
    os._exit(143)
