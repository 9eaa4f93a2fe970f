"""A run started with the command line, watched and disturbed from outside while it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import line_msg
from leaks import LeakWatch

import netagents
from netagents.records.process_log import read_log

Settings = Mapping[str, Any]

LINE: Settings = line_msg(6, name="line", kappa=2, kappa_policy=1, iterations=4, batch=8, horizon=10)
"""Six agents in a row; small, and with every kind of message on its way."""

WIRELESS: Settings = {
    "name": "wireless",
    "environment": {"kind": "wireless_spdac"},
    "topology": {"kind": "king_grid", "rows": 3, "columns": 3},
    "kappa": 1,
    "learning": {"iterations": 3, "batch": 8, "horizon": 8},
}
"""Nine agents on a grid."""

SLOW: Settings = {"learning": {"iterations": 100_000, "batch": 8, "horizon": 10}}
"""A run that goes on until something ends it."""


def merged(settings: Settings, *changes: Settings) -> dict[str, Any]:
    """Settings with the changes laid over them, section by section."""
    result = dict(settings)
    for change in changes:
        for key, value in change.items():
            old = result.get(key)
            result[key] = {**old, **value} if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def undisturbed(settings: Settings, path: Path) -> netagents.Run:
    """The same experiment in one process and without faults: what its bits are compared with."""
    plain = {"runtime": {"launcher": "in_process"}, "failures": {"agent": "stop_all"}, "faults": []}
    return netagents.run(merged(settings, plain), directory=path)


def patience(seconds: float) -> float:
    """Seconds on an idle machine, longer by as much as others keep this one busy."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def promised(seconds: float, settings: Settings) -> float:
    """Seconds of a promise that rests on deadlines: these were stretched when the run began, on what may be a less busy machine by now."""
    return seconds * max(1.0, float(settings["timeouts"]["scale"]) / patience(1.0))


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait for something to become true, and say what it was when it does not."""
    deadline = time.monotonic() + patience(seconds)
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, seconds since it was last watched, and what it printed."""

    code: int
    seconds: float
    out: str
    err: str

    @property
    def last_line(self) -> str:
        """The one line of the error."""
        return self.err.rstrip().rpartition("\n")[2]


class LiveRun:
    """``netagents run`` in a process of its own.

    Args:
        path: the run directory to make.
        settings: written to an experiment file beside it.
        overrides: words of the command line.
        leaks: finds what is left behind.
    """

    def __init__(self, path: Path, settings: Settings, overrides: Sequence[str], leaks: LeakWatch) -> None:
        self.path = path
        self.leaks = leaks
        file = path.with_suffix(".yaml")
        file.write_text(json.dumps(dict(settings)))
        command = [sys.executable, "-m", "netagents", "run", str(file), *overrides, "--out", str(path), "--quiet"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def wait_for_rows(self, rows: int, seconds: float = 30.0) -> None:
        """Wait until so many iterations are recorded."""
        file = self.path / "metrics.jsonl"

        def enough() -> bool:
            assert self.process.poll() is None, self.process.communicate()[1]
            return file.exists() and file.read_bytes().count(b"\n") >= rows

        wait_until(enough, f"{rows} rows in {file}", seconds)

    def pid(self, role: str) -> int:
        """The process of a role: ``agent_3``, ``environment``, ``monitor``, ``forkserver``, ``launcher``."""
        if role == "launcher":
            return self.process.pid
        if role == "forkserver":
            return int((Path("/proc") / str(self.pid("environment")) / "stat").read_text().rpartition(")")[2].split()[1])
        return self._started(role)[0]

    def newest_pid(self, role: str) -> int:
        """The newest process of a role that has been started more than once."""
        return self._started(role)[-1]

    def _started(self, role: str) -> list[int]:
        messages = [str(entry.get("message", "")) for entry in read_log(self.path / "logs" / f"{role}.jsonl")]
        pids = [int(message.split()[2].rstrip(";")) for message in messages if message.startswith("started, process ")]
        assert pids, f"{role} wrote no process number"
        return pids

    def send(self, role: str, number: int) -> None:
        """Send a signal to one role."""
        os.kill(self.pid(role), number)

    def socket(self, name: str) -> Path:
        """One of the run's sockets."""
        (path,) = self.leaks.root.glob(f"netagents-*/{name}")
        return path

    def ended(self, seconds: float) -> Ended:
        """Wait for the end; it must come within ``seconds``."""
        start = time.monotonic()
        out, err = self.process.communicate(timeout=patience(seconds))
        return Ended(self.process.returncode, time.monotonic() - start, out, err)

    def assert_nothing_left(self, *, swept: bool = True) -> None:
        """Two seconds after the end there is no process, no socket, no socket directory and no temporary file.

        Args:
            swept: the launcher ended by itself, and removed what a killed writer left in the run directory; otherwise the next writer does.
        """
        left = self.leaks.wait_until_clean(patience(2.0))
        left.pop("descriptors", None)  # of this test, which still holds pipes
        assert not left, left
        if not swept:
            return
        temporary = [str(file) for file in self.path.rglob("*") if file.name.startswith((".", "tmp")) or file.suffix in (".tmp", ".new")]
        assert not temporary, temporary

    @property
    def records(self) -> netagents.Run:
        """What it has recorded."""
        return netagents.Run.open(self.path)

    def kill(self) -> None:
        """End it for good; harmless when it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
