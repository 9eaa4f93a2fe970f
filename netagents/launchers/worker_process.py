"""A worker process: jobs as lines of JSON on standard input, which stays open as long as the process lives that wants them done.

When that process is killed, the worker ends too, at once and with nothing half-written that counts.

A worker that calls :func:`run_jobs` takes one job after another.  Each is done by a fork of its own, so none sees what another has left
in memory; the worker itself only imports, once, the libraries that its first job has needed.  Short runs take most of their time to import
them otherwise.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any

LIBRARIES = frozenset({"netagents", "numpy", "scipy", "torch"})
"""Packages that a worker imports for its later jobs where the first one has; code of users is imported by each job itself."""

_PR_SET_PDEATHSIG = 1


class WorkerProcess:
    """A process that does jobs, as the process sees it that wants them done.

    Args:
        module: run with ``python -m``; it calls :func:`run_job`, or :func:`run_jobs` where it is to do several.
        job: the first one, as JSON.
    """

    def __init__(self, module: str, job: Mapping[str, Any]) -> None:
        # The worker itself imports this module, too, and does not need it.
        from netagents.launchers.supervision.forkserver import ONE_THREAD

        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,
        )
        try:
            self.give(job)
        except BaseException:
            self.kill()
            self._process.wait()
            raise

    def give(self, job: Mapping[str, Any]) -> None:
        """The next job, once the last one is done.

        Raises:
            BrokenPipeError: the process is gone.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        self._process.stdin.flush()

    def poll(self) -> int | None:
        """The exit code of the job; None while it works."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], 0.0)
        line = self._process.stdout.readline() if ready else b""
        return int(line) if line else self._process.poll()

    @property
    def alive(self) -> bool:
        """It waits for another job, or works."""
        return self._process.poll() is None

    def reason(self) -> str:
        """Why it failed: the last line of its standard error, or nothing."""
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End it and the job it does at once; :meth:`close` waits until it has."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Wait for its end, which the end of its input is where it has nothing to do, and close what belongs to it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def run_job(work: Callable[[dict[str, Any]], None]) -> int:
    """Carry out the job on standard input; the last line of standard error says why it failed.

    Args:
        work: does it.

    Returns:
        The exit code.
    """
    _results()
    return _exit_code(work, sys.stdin.buffer.readline())


def run_jobs(work: Callable[[dict[str, Any]], None]) -> int:
    """Carry out the jobs on standard input one after another, each in a fork, and write the exit code of each to standard output.

    Args:
        work: does one.

    Returns:
        0, when the input ends.
    """
    results = _results()
    libraries: list[str] = []
    while line := sys.stdin.buffer.readline():
        for name in libraries:
            # Some of what stands among the modules of a library is made by it and cannot be imported by its name.
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as names:
            child = os.fork()
            if child == 0:
                _fork(work, line, names)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            names.seek(0)
            libraries = [name for name in names.read().split() if name not in sys.modules]
        try:
            os.write(results, f"{code}\n".encode())
        except BrokenPipeError:
            break
    return 0


def _results() -> int:
    """A descriptor for exit codes in the place of standard output; what a job prints goes nowhere."""
    results = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return results


def _fork(work: Callable[[dict[str, Any]], None], line: bytes, names: IO[str]) -> None:
    """One job in a process of its own; writes the names of the libraries that it has used, and ends."""
    code = 1
    try:
        _end_with_worker()
        code = _exit_code(work, line)
        names.write(" ".join(name for name in list(sys.modules) if name.partition(".")[0] in LIBRARIES))
        names.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _end_with_worker() -> None:
    """Ask the kernel to end this process with its worker; elsewhere than on Linux the end of its input has to do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _exit_code(work: Callable[[dict[str, Any]], None], line: bytes) -> int:
    job = json.loads(line)
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
