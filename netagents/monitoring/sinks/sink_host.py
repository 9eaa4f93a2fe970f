"""Host of sinks: starts the process of each, gives it rows without ever waiting, and cuts off one that fails or blocks."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from netagents.errors import ExperimentError, MissingPackageError, printable
from netagents.experiment import Experiment
from netagents.experiment.sink_settings import SinkSettings
from netagents.learning import IterationRecord
from netagents.measures.power import Concentration
from netagents.monitoring.sinks.sink import BUILTIN, SinkRun, plugins
from netagents.monitoring.sinks.sink_frames import frame, row_frame
from netagents.records.process_log import LOGGER
from netagents.wire.wait_marker import waits

OPEN_SECONDS = 120.0
"""That a sink has to open: its library is imported and its place made meanwhile, which takes long on a busy machine."""

BLOCKED_SECONDS = 30.0
"""After which an open sink that takes nothing is cut off."""

CLOSE_SECONDS = 20.0
"""That open sinks have to write what is left at the end of a run."""

SETTLING_SECONDS = OPEN_SECONDS + CLOSE_SECONDS + 2.0
"""After which none of them is left."""

MOST_WAITING = 1 << 26
"""Bytes that wait for a slow sink; rows beyond them are left out, and that is said at the end."""


class SinkHost:
    """One sink, seen from the monitor.

    Args:
        kind: of the sink.
        run: what it is told of the run.
        blocked_seconds: see :data:`BLOCKED_SECONDS`.
    """

    def __init__(self, kind: str, run: SinkRun, blocked_seconds: float = BLOCKED_SECONDS) -> None:
        self.kind = kind
        self.left_out = 0
        self._blocked = blocked_seconds
        self._waiting: deque[memoryview] = deque()
        self._size = 0
        self._started = self._moved = time.monotonic()
        self._opened: float | None = None
        self._read = b""
        self._process: subprocess.Popen[bytes] | None = None
        self._status, child_status = os.pipe()
        os.set_blocking(self._status, False)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "netagents.monitoring.sinks.sink_process", str(child_status)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(child_status,),
                bufsize=0,
            )
        except OSError as error:
            self._cut(f"could not be started: {error.strerror}")
            return
        finally:
            os.close(child_status)
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        facts = asdict(run) | {"folder": str(run.folder.absolute())}
        self.send(frame({"kind": kind, "run": facts}))

    @property
    def alive(self) -> bool:
        """Whether it still takes rows."""
        return self._process is not None

    def send(self, data: bytes) -> None:
        """Give it a frame; never waits."""
        if self._process is None:
            return
        if self._size + len(data) > MOST_WAITING:
            self.left_out += 1
        else:
            self._waiting.append(memoryview(data))
            self._size += len(data)
        self._pump()

    def _pump(self) -> None:
        """Write what the pipe takes, and look whether the sink has failed."""
        process = self._process
        if process is None or process.stdin is None:
            return
        try:
            while self._waiting:
                written = os.write(process.stdin.fileno(), self._waiting[0])
                self._moved, self._size = time.monotonic(), self._size - written
                if written == len(self._waiting[0]):
                    self._waiting.popleft()
                else:
                    self._waiting[0] = self._waiting[0][written:]
        except BlockingIOError:
            now = time.monotonic()
            if self._opened is None and now > self._started + max(self._blocked, OPEN_SECONDS):
                self._cut(f"it had not opened {OPEN_SECONDS:g} s after its start")
                return
            if self._opened is not None and now - max(self._moved, self._opened) > self._blocked:
                self._cut(f"has taken nothing for {self._blocked:g} s")
                return
        except OSError:
            self._cut(self._fault() or "its process has ended")
            return
        if not self._waiting:
            self._moved = time.monotonic()
        fault = self._fault()
        if fault:
            self._cut(fault)

    def _fault(self) -> str:
        """What it says is wrong; empty where it says nothing, or only that it is open."""
        with contextlib.suppress(OSError):
            while data := os.read(self._status, 4096):
                self._read += data
        *lines, self._read = self._read.split(b"\n")
        for line in lines:
            status = dict(json.loads(line))
            if "opened" in status:
                self._opened = time.monotonic()
            if "fault" in status:
                return printable(str(status["fault"]))
        return ""

    def _cut(self, reason: str) -> None:
        logging.getLogger(LOGGER).warning("the sink %s is cut off: %s; the run goes on without it", self.kind, reason)
        self._release()

    def _release(self) -> None:
        process, self._process = self._process, None
        self._waiting.clear()
        if process is not None:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()
        if self._status >= 0:
            os.close(self._status)
            self._status = -1

    def finish(self) -> bool:
        """Whether it has written everything and ended, or was cut off; asks no question that blocks."""
        self._pump()
        if self._process is None:
            return True
        if self._waiting or self._process.poll() is None:
            return False
        fault = self._fault() if self._process.returncode == 0 else self._fault() or f"its process ended with {self._process.returncode}"
        if fault:
            self._cut(fault)
        elif self.left_out:
            logging.getLogger(LOGGER).warning("the sink %s was too slow: %d iterations are left out in it", self.kind, self.left_out)
        self._release()
        return True

    def end(self, asked: float, seconds: float) -> bool:
        """Whether it has ended; one that has not in time is cut off.

        Args:
            asked: when it was asked to finish, on the monotonic clock.
            seconds: that it has from then on, or from when it had opened; one that has not opened has :data:`OPEN_SECONDS` from its start.
        """
        if self.finish():
            return True
        now = time.monotonic()
        if self._opened is None:
            late, why = now > max(asked + seconds, self._started + OPEN_SECONDS), "it had not opened when the run was over"
        else:
            late, why = now > max(asked, self._opened) + seconds, f"it had not finished {seconds:g} s after the end"
        if late:
            self._cut(why)
        return late


class Sinks:
    """All sinks of a run.

    Args:
        hosts: of them.
    """

    def __init__(self, hosts: list[SinkHost]) -> None:
        self._hosts = hosts

    def __bool__(self) -> bool:
        """Whether any of them still takes rows."""
        return any(host.alive for host in self._hosts)

    def write(self, record: IterationRecord, power: Concentration) -> None:
        """Give every sink one iteration."""
        alive = [host for host in self._hosts if host.alive]
        if alive:
            data = row_frame(record, power)
            for host in alive:
                host.send(data)

    @waits("for sinks to write what is left")
    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Let all sinks finish, each for at most so many seconds; at once where all have."""
        for host in self._hosts:
            host.send(frame({"end": True}))
        asked = time.monotonic()
        while sum(not host.end(asked, seconds) for host in self._hosts):
            time.sleep(0.02)


def wanted_sinks(experiment: Experiment) -> tuple[SinkSettings, ...]:
    """The sinks that an experiment asks for; ``runtime.tensorboard`` is short for one of them."""
    runtime = experiment.runtime
    short = () if runtime.tensorboard is None else (SinkSettings(kind="tensorboard", folder=runtime.tensorboard),)
    return (*short, *runtime.sinks)


def check_sinks(experiment: Experiment) -> None:
    """Refuse sinks that are not there, before the run starts.

    Raises:
        MissingPackageError: names the setting and what to install.
        ExperimentError: there is no such kind.
    """
    for index, sink in enumerate(wanted_sinks(experiment)):
        short = experiment.runtime.tensorboard is not None
        where = "runtime.tensorboard" if short and index == 0 else f"runtime.sinks.{index - short}.kind"
        builtin = BUILTIN.get(sink.kind)
        if builtin is None:
            offered = plugins()
            if sink.kind not in offered:
                fix = f"choose one of {', '.join((*BUILTIN, *sorted(offered)))}, or install the package that offers it"
                raise ExperimentError(f"there is no sink '{sink.kind}'", where=where, fix=fix)
        elif builtin.package and importlib.util.find_spec(builtin.package) is None:
            fix = f"pip install 'netagents[{builtin.extra}]', or leave the setting out"
            raise MissingPackageError(f"the package {builtin.package} is not installed", where=where, fix=fix)


def open_sinks(experiment: Experiment, key: str, agents: tuple[str, ...]) -> Sinks:
    """Start the sinks that an experiment asks for.

    Args:
        experiment: relative folders of its sinks start where the run was started.
        key: of the run, 16 hexadecimal digits.
        agents: their names.
    """
    return Sinks([SinkHost(sink.kind, _sink_run(experiment, sink, key, agents)) for sink in wanted_sinks(experiment)])


def add_artifacts(experiment: Experiment, key: str, agents: tuple[str, ...], files: Iterable[Path]) -> None:
    """Give files of a run that has ended, such as its report, to its sinks."""
    there = [str(file.absolute()) for file in files if file.is_file()]
    sinks = open_sinks(experiment, key, agents)
    for host in sinks._hosts:
        for file in there:
            host.send(frame({"artifact": file}))
    sinks.close()


def _sink_run(experiment: Experiment, sink: SinkSettings, key: str, agents: tuple[str, ...]) -> SinkRun:
    settings = experiment.model_dump(mode="json")
    return SinkRun(f"{experiment.name}-{key[:8]}", key, Path(sink.folder), settings, agents, dict(sink.options))
