"""Files of replay buffers: one per agent and iteration, beside the checkpoints, written by the process that owns the buffer.

A batch is written once, when the first checkpoint that needs it is due, and before the agent tells the state that names its digest.  So
a checkpoint never names a batch that is not there, and nothing is written twice however large the buffer is.  Reading checks each file
against the digest of the state.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from netagents.errors import RunDirectoryError
from netagents.learning import NetworkedAgent
from netagents.learning.protocol.agent_checkpoint import checkpoint_due
from netagents.learning.protocol.replay_buffer import ReplayBuffer, layout_bytes
from netagents.records.atomic_files import write_atomically
from netagents.records.checkpoint import owner_name
from netagents.records.regular_files import check_real_folder, read_regular

_NAME = re.compile(r"iteration-(\d{8,12})\.safetensors", re.ASCII)
_HEADER_BYTES = 1 << 16


class ReplayFiles:
    """The files of one agent's buffer; does nothing for an agent without one.

    Args:
        parent: folder of the run's buffers; None where the process has no place to keep one, so that the run cannot be taken back.
        agent: its index.
    """

    def __init__(self, parent: Path | None, agent: int) -> None:
        self._folder = None if parent is None else parent / owner_name(agent)
        self._agent = agent
        self._buffer: ReplayBuffer | None = None
        self._written: set[int] = set()

    def carry(self, agent: NetworkedAgent, *, begins: bool) -> None:
        """Give a new agent the batches that an earlier one of this process still has in memory, unless the run begins anew."""
        if agent.replay_buffer is not None and self._buffer is not None and not begins:
            agent.replay_buffer = self._buffer
        self._buffer = agent.replay_buffer

    def load(self, agent: NetworkedAgent) -> None:
        """Read the batches that a restored agent lacks.

        Raises:
            RunDirectoryError: one is not there, or is another one.
        """
        buffer = agent.replay_buffer
        if buffer is None:
            return
        missing = buffer.missing()
        self._written &= set(buffer.used)
        if missing and self._folder is None:
            raise RunDirectoryError(
                f"the replay buffer of agent {self._agent} is not here: it lacks {len(missing)} iterations from {missing[0]} on",
                where="state of the agent",
                fix="give a node that is started by hand a folder of its own (--replay), or begin a new run",
            )
        for iteration in missing:
            assert self._folder is not None, "checked above"
            path = self._path(iteration)
            try:
                buffer.accept(iteration, _read(path, layout_bytes(buffer.layout)))
            except ValueError as error:
                raise RunDirectoryError(
                    f"is not the batch of iteration {iteration}: {error}", where=str(path), fix="restore the file, or begin a new run"
                ) from error
            self._written.add(iteration)

    def keep(self, agent: NetworkedAgent, iteration: int) -> None:
        """After an iteration whose state is told: write the batches that are not on disk yet, and remove those that nobody needs.

        Raises:
            RunDirectoryError: a file cannot be written.
        """
        buffer, settings = agent.replay_buffer, agent.setup.experiment.checkpoints
        if buffer is None or self._folder is None or not checkpoint_due(agent.setup.experiment, iteration):
            return
        from safetensors.numpy import save

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(f"cannot be made: {error.strerror}", where=str(self._folder)) from error
        check_real_folder(self._folder)
        for number in buffer.used:
            if number not in self._written:
                write_atomically(self._path(number), save(dict(buffer.batch(number))))
                self._written.add(number)
        # The oldest checkpoint that is kept needs K iterations before it; one more is kept while the newest is on its way.
        needed = iteration + 1 - settings.every * (settings.keep + 1) - buffer.iterations
        for path in self._folder.iterdir():
            match = _NAME.fullmatch(path.name)
            if match and int(match[1]) < needed:
                path.unlink(missing_ok=True)

    def _path(self, iteration: int) -> Path:
        assert self._folder is not None, "asked for only where there is one"
        return self._folder / f"iteration-{iteration:08d}.safetensors"


def _read(path: Path, nbytes: int) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    data = read_regular(path, nbytes + _HEADER_BYTES)
    try:
        return dict(load(data))
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"no safetensors file ({error})") from error
