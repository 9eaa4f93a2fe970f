"""What the server does about agents that fail, by the experiment's policy, and what it tells the launcher about them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from netagents.errors import NodeFailedError
from netagents.experiment import Experiment
from netagents.messages import node_name
from netagents.nodes.process.control_pipe import LOST, SILENT, ControlPipe
from netagents.nodes.process.rollback import AgentLostError

_log = logging.getLogger(__name__)


class LostAgents:
    """Hears of failures and carries out the policy.

    Args:
        experiment: the settings.
        lines: the folder of the lines to the launcher; None for a server that was started by hand.
        lose: goes on without an agent, given its index and why; may raise.
    """

    def __init__(self, experiment: Experiment, lines: Path | None, lose: Callable[[int, str], None]) -> None:
        self._policy, self._lose = experiment.failures.agent, lose
        self._answer = experiment.timeouts.seconds("answer")
        used = lines is not None and self._policy != "stop_all"
        self._lost = ControlPipe(lines / LOST) if used and lines is not None else None
        self._silent = ControlPipe(lines / SILENT) if used and lines is not None else None

    def watched(self) -> dict[int, Callable[[], None]]:
        """What the server's poller watches: the launcher's words."""
        return {} if self._lost is None else {self._lost.descriptor: self._hear}

    def _hear(self) -> None:
        assert self._lost is not None
        words = [word.partition(" ") for word in self._lost.words()]
        self._lose_all([(int(agent), why) for agent, _, why in words])

    def _lose_all(self, lost: list[tuple[int, str]]) -> None:
        """Goes on without each of them, also when the loop is left over the first."""
        raised: AgentLostError | None = None
        for agent, why in lost:
            try:
                self._lose(agent, why)
            except AgentLostError as error:
                raised = error
        if raised is not None:
            raise raised

    def failed(self, agent: int, line: str) -> None:
        """An agent said why it ends.

        Raises:
            NodeFailedError: the policy is to end the run.
        """
        if self._policy == "stop_all":
            raise NodeFailedError(f"failed: {line}", where=node_name(agent))
        _log.warning("%s failed: %s", node_name(agent), line)
        if self._policy == "continue_without":
            self._lose(agent, line)

    def silent(self, agents: list[int]) -> None:
        """Agents gave no sign of life: the launcher ends their processes, and what follows is what follows any failure."""
        why = f"gave no sign of life for {self._answer:g} s"
        for agent in agents:
            _log.warning("%s %s", node_name(agent), why)
            if self._silent is not None:
                self._silent.say(f"{agent} {why}")
        if self._policy == "continue_without":
            self._lose_all([(agent, why) for agent in agents])

    def close(self) -> None:
        """Let go of the lines."""
        for line in (self._lost, self._silent):
            if line is not None:
                line.close()
