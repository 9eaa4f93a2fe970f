"""Runs one agent of a recorded run again, alone and in this process, from what it was told: to watch it think, or fail, once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ReplayError, RunDirectoryError, UsageError
from netagents.experiment.imported_parts import has_foreign_code
from netagents.learning import ExchangeRequest, NetworkedAgent, Outgoing, make_agent
from netagents.learning.protocol.agent_checkpoint import restore_agent
from netagents.messages import Kind, Report, node_name, node_names
from netagents.messages.array_fields import mismatch
from netagents.nodes.agent.inbox_recording import LEDGER, InboxRecording, state_digest
from netagents.nodes.bootstrap.run_shapes import shapes_of
from netagents.randomness import GlobalNumbers
from netagents.records.checkpoint import load_checkpoint
from netagents.records.replay_buffer_files import ReplayFiles
from netagents.records.run_creation import CHECKPOINTS, REPLAY
from netagents.records.run_reader import Run

Arrays = Mapping[str, NDArray[Any]]


@dataclass
class Replayed:
    """What a replay found.

    Attributes:
        agent: its index. first: the iteration that the replay began with. source: where the state before it came from.
        iterations: whole iterations that were replayed.
        compared: those after which the run tells a state, in the recording or in a checkpoint; it was the same.
        digest: SHA-256 of the state after the last of them.
        checkpoints: those of the run that hold the same state.
        rows: recorded rows of metrics that the replay repeated, number by number.
        ends_in: what the agent would have waited for next, None when everything was replayed.
    """

    agent: int
    first: int
    source: str
    iterations: list[int] = field(default_factory=list)
    compared: list[int] = field(default_factory=list)
    digest: str = ""
    checkpoints: list[int] = field(default_factory=list)
    rows: int = 0
    ends_in: str | None = None


def replay(
    run: Run, agent: int, start: int | None = None, last: int | None = None, before: Callable[[NetworkedAgent, int], None] | None = None
) -> Replayed:
    """Replay an agent from the newest state at or before an iteration.

    Args:
        run: whose ``runtime.record_inbox`` named the agent.
        agent: its index.
        start: the iteration that is of interest (default: the first one recorded).
        last: the last iteration to replay (default: as far as the recording goes).
        before: called with the agent and ``start`` when it is about to begin.

    Returns:
        What was compared, and found equal.

    Raises:
        UsageError: there is no such agent, or ``last`` lies before ``start``.
        RunDirectoryError: nothing was recorded, not these iterations, or a file is damaged.
        SecurityError: the settings name code, and the run was opened without trust.
        ReplayError: the agent came to another state, or reported other numbers, than in the run.
    """
    run.directory.require_trust()
    if not 0 <= agent < run.n:
        raise UsageError(f"there is no agent {agent}", where="--agent", fix=f"the agents of this run are 0 to {run.n - 1}")
    if start is not None and last is not None and last < start:
        raise UsageError(f"{last} lies before {start}, the iteration of --from", where="--to", fix="give the later iteration as --to")
    recording = InboxRecording.open(run.path, run.directory.run_id, agent)
    low, high = recording.iterations
    target = low if start is None else start
    if not low <= target <= high or (last is not None and last < target):
        outside = target if not low <= target <= high else last
        raise RunDirectoryError(
            f"iteration {outside} cannot be replayed",
            where=str(recording.folder),
            fix=f"the recording of agent {agent} goes from {low} to {high}",
        )
    stored = {iteration: path for iteration, path in run.checkpoints.items() if iteration + 1 <= target}
    begin = max(iteration for iteration in recording.starts if iteration <= target)
    newest = max(stored, default=-1) + 1
    one = make_agent(agent, run.setup)
    if newest > begin:
        begin, source = newest, str(stored[newest - 1].relative_to(run.path))
        restore_agent(one, load_checkpoint(stored[newest - 1], {agent})[agent], source)
    else:
        source = str(recording.starts[begin][0].relative_to(run.path))
        restore_agent(one, recording.state(begin), source)
    ReplayFiles(run.path / REPLAY, agent).load(one)
    return _Replay(run, recording, one, Replayed(agent, begin, source)).until(target, last, before)


class _Replay:
    def __init__(self, run: Run, recording: InboxRecording, agent: NetworkedAgent, replayed: Replayed) -> None:
        self.run, self.recording, self.agent, self.replayed = run, recording, agent, replayed
        self.numbers = GlobalNumbers(run.experiment.seed, has_foreign_code(run.experiment))
        self.metrics = {name: run.agent_metric(name) for name in run.setup.metric_names}
        self.shapes = shapes_of(run.setup, replayed.agent)
        self.row = {int(iteration): place for place, iteration in enumerate(run.iterations)}

    def until(self, target: int, last: int | None, before: Callable[[NetworkedAgent, int], None] | None) -> Replayed:
        replayed, end = self.replayed, self.run.experiment.learning.iterations
        for iteration in range(replayed.first, end if last is None else min(end, last + 1)):
            if iteration == target and before is not None:
                before(self.agent, iteration)
            for turn in self._iterate(iteration):
                missing = [sender for sender in turn.senders if self._message(turn, sender) is None]
                replayed.ends_in = f"{turn.kind.name.lower()} of iteration {turn.iteration}, step {turn.step} from {node_names(missing)}"
                return replayed
            self._compare(iteration)
        for outgoing in self.agent.farewell(end - 1) if replayed.iterations and replayed.iterations[-1] == end - 1 else ():
            self._take_sent(outgoing)
        return replayed

    def _iterate(self, iteration: int) -> Iterator[ExchangeRequest]:
        """Feeds the agent one iteration; yields the turn for which there is nothing more."""
        one = self.replayed.agent
        self.numbers.begin(one, iteration)
        turns = self.agent.iterate(iteration)
        with self.numbers.of(one):
            turn = next(turns)
        while True:
            for outgoing in turn.outgoing:
                self._take_sent(outgoing)
            messages = [self._message(turn, sender) for sender in turn.senders]
            if any(message is None for message in messages):
                yield turn
                return
            try:
                with self.numbers.of(one):
                    turn = turns.send(messages)
            except StopIteration:
                return

    def _message(self, turn: ExchangeRequest, sender: int) -> Any:
        """The recorded message, which must be one of a run with these settings; None if there is none.

        Raises:
            RunDirectoryError: the settings are those of another run.
        """
        message = self.recording.message(turn.iteration, turn.kind, turn.step, sender)
        expected = self.shapes.get((turn.kind, sender))
        differs = None if message is None or expected is None else mismatch(expected, cast("Sequence[NDArray[Any] | None]", message))
        if differs is not None:
            what = f"{turn.kind.name.lower()} of iteration {turn.iteration}, step {turn.step} from {node_name(sender)} {differs}"
            raise RunDirectoryError(what, where=str(self.recording.folder), fix="the settings were changed after the run")
        return message

    def _take_sent(self, outgoing: Outgoing) -> None:
        """Reports must be those that the run recorded."""
        if outgoing.kind is not Kind.REPORT or not isinstance(outgoing.message, Report):
            return
        place = self.row.get(outgoing.iteration)
        if place is None:
            return
        for name, value in zip(self.run.setup.metric_names, outgoing.message.metrics.tolist(), strict=True):
            recorded = float(self.metrics[name][place, self.replayed.agent])
            if not np.array_equal(value, recorded, equal_nan=True):
                raise self._differs(outgoing.iteration, f"{name} is {value!r} and was {recorded!r}")
        self.replayed.rows += 1

    def _compare(self, iteration: int) -> None:
        """The state after an iteration must be that of the run: as the agent's own process told it, and as a checkpoint holds it."""
        arrays = self.agent.arrays()
        digest, recorded = state_digest(arrays), self.recording.ends.get(iteration)
        if recorded is not None and recorded != digest:
            raise self._differs(iteration, f"the state has SHA-256 {digest[:16]}... and had {recorded[:16]}...")
        path = self.run.checkpoints.get(iteration)
        if path is not None:
            stored = load_checkpoint(path, {self.replayed.agent})[self.replayed.agent]
            # What was sent to agents that were lost meanwhile is all that an agent alone cannot repeat.
            uncertain = LEDGER if self.run.experiment.does_without else ()
            for name in sorted(name for name in stored.keys() | arrays.keys() if not name.startswith(uncertain)):
                if name not in stored or name not in arrays or not _same(stored[name], arrays[name]):
                    raise self._differs(iteration, f"component '{name}' is not that of {path.relative_to(self.run.path)}")
            self.replayed.checkpoints.append(iteration)
        if recorded is not None or path is not None:
            self.replayed.compared.append(iteration)
        self.replayed.iterations.append(iteration)
        self.replayed.digest = digest

    def _differs(self, iteration: int, difference: str) -> ReplayError:
        return ReplayError(
            f"agent {self.replayed.agent} came to something else than in the run: after iteration {iteration} {difference}",
            where=f"{self.run.path / CHECKPOINTS if difference.startswith('component') else self.recording.folder}",
            fix="replay with the version, the packages and the kind of processor that the run was made with",
        )


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == np.asarray(other, order="C").tobytes()
