"""Pipes between server and launcher: the launcher says whose process is gone for good, the server whose process is to be killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from netagents.experiment import Experiment
from netagents.nodes.process.control_pipe import LOST, SILENT, ControlPipe


class LauncherPipes:
    """The server's ends; nothing where no launcher is there, or where the run ends with the first failure.

    Args:
        experiment: the settings.
        folder: of the pipes; None for a server that was started by hand.
        on_gone: given agents and why each of them is gone; may raise.
    """

    def __init__(self, experiment: Experiment, folder: Path | None, on_gone: Callable[[list[tuple[int, str]]], None]) -> None:
        self._on_gone = on_gone
        used = folder if experiment.failures.agent != "stop_all" else None
        self._losses = None if used is None else ControlPipe(used / LOST)
        self._silent = None if used is None else ControlPipe(used / SILENT)

    def watched(self) -> dict[int, Callable[[], None]]:
        """What the server's poller watches."""
        return {} if self._losses is None else {self._losses.descriptor: self._receive}

    def _receive(self) -> None:
        assert self._losses is not None
        lines = [line.partition(" ") for line in self._losses.receive()]
        self._on_gone([(int(agent), reason) for agent, _, reason in lines])

    def report_silent(self, agent: int, incarnation: int, reason: str) -> None:
        """Have the process of an agent killed; the incarnation spares one that was started meanwhile."""
        if self._silent is not None:
            self._silent.send(f"{agent} {incarnation} {reason}")

    def close(self) -> None:
        """Close both ends."""
        for pipe in (self._losses, self._silent):
            if pipe is not None:
                pipe.close()
