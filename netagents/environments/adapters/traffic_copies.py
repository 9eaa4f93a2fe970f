"""Copies of a SUMO simulation: one worker process each, all of which simulate at the same time."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netagents.errors import DeadlineError, ForeignExitError, NetagentsError, SimulatorError

WORKER = "netagents.environments.adapters.traffic_worker"

START_SECONDS, ANSWER_SECONDS = 60.0, 300.0
"""Deadlines: of a worker's start, and of one reset or one decision."""

START = "SUMO's start"
"""Loading libsumo into a worker, before any network is read."""

CLOSE_SECONDS = 2.0
"""For all workers to end after their input has; one that is still there is killed."""


class TrafficCopies:
    """The workers of one environment in this process.

    Args:
        order: what each worker is sent first; see :class:`netagents.environments.adapters.traffic_worker.Simulation`.
        where: names the environment in errors.
    """

    def __init__(self, order: Mapping[str, Any], where: str) -> None:
        self._order, self.where = dict(order), where
        self._workers: list[_Worker] = []

    def __len__(self) -> int:
        return len(self._workers)

    @property
    def processes(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.pid for worker in self._workers]

    def open(self, count: int, report: Callable[[int, int], None] | None = None) -> None:
        """Start workers until there are so many.

        Raises:
            SimulatorError: SUMO cannot be loaded.
            DeadlineError: a worker does not answer within :data:`START_SECONDS`.
        """
        first = len(self._workers)
        while len(self._workers) < count:
            worker = _Worker(f"{self.where}, copy {len(self._workers)}")
            self._workers.append(worker)
            worker.send({"do": "open", **self._order})
        try:
            for number, worker in enumerate(self._workers[first:], first + 1):
                worker.receive(START_SECONDS, START)
                if report is not None:
                    report(number, count)
        except NetagentsError:
            self.close()
            raise

    def reset(self, seeds: Sequence[int]) -> list[dict[str, Any]]:
        """Start the first copies again, each from its seed; their reports."""
        return self._all([{"do": "reset", "seed": seed} for seed in seeds], "its start of an episode")

    def step(self, greens: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
        """One decision of each of the first copies, the number of the green phase of each signal; their reports."""
        return self._all([{"do": "step", "greens": list(each)} for each in greens], "its step")

    def _all(self, orders: Sequence[Mapping[str, Any]], what: str) -> list[dict[str, Any]]:
        for worker, order in zip(self._workers, orders, strict=False):
            worker.send(order)
        try:
            return [worker.receive(ANSWER_SECONDS, what) for worker, _ in zip(self._workers, orders, strict=False)]
        except NetagentsError:
            self.close()  # answers of the others would be taken for those of the next command
            raise

    def close(self) -> None:
        """End all workers.  May be called again, and workers may be started anew afterwards."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.end_input()
        deadline = time.monotonic() + CLOSE_SECONDS
        for worker in workers:
            worker.join(deadline)


class _Worker:
    """One worker process."""

    def __init__(self, where: str) -> None:
        self.where = where
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        self._rest = b""

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, order: Mapping[str, Any]) -> None:
        """Send a command; a worker that has ended is noticed when its answer is read."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self, seconds: float, what: str) -> dict[str, Any]:
        """The answer to the last command.

        Raises:
            SimulatorError: SUMO refused.
            ForeignExitError: it ended its process.
            DeadlineError: no answer in time.
        """
        assert self._process.stdout is not None
        pipe, deadline, waiting = self._process.stdout.fileno(), time.monotonic() + seconds, select.poll()
        waiting.register(pipe, select.POLLIN)
        while b"\n" not in self._rest:
            if not waiting.poll(1_000 * max(0.0, deadline - time.monotonic())):
                raise DeadlineError(f"{what} took longer than {seconds:g} s", where=self.where, fix="use a smaller network or less traffic")
            part = os.read(pipe, 1 << 16)
            if not part:
                raise ForeignExitError(f"SUMO ended its process {self._how()} during {what}", where=self.where, fix="see what it printed")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            fix = "try the network and the routes with SUMO itself"
            if what == START:
                fix = "reinstall it: pip install --force-reinstall libsumo"
            raise SimulatorError(f"{what} failed: {reply['error']}", where=self.where, fix=fix)
        return reply

    def end_input(self) -> None:
        """Let it end by itself."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def join(self, deadline: float) -> None:
        """Wait for its end, and kill it when that takes too long."""
        assert self._process.stdout is not None
        try:
            self._process.wait(max(0.05, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _how(self) -> str:
        code = self._process.wait()
        return f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
