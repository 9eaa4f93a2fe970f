"""Recording of an agent's inbox: everything that it receives, so that ``netagents replay`` can run it again alone.

Each process of an agent begins a new segment, and another one whenever the last has grown to an eighth of the space for all; the oldest
are removed.  A segment begins with the agent's state, so every remaining segment can be replayed from its first iteration.  Messages are
stored in their wire format and checked like messages from a peer when they are decoded.
"""

from __future__ import annotations

import hashlib
import logging
import re
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import DecodeError, ExperimentError, RunDirectoryError
from netagents.learning import ExchangeRequest, Setup, Turns
from netagents.messages import Envelope, Kind, Message, Snapshot
from netagents.records.framed_log import Bytes, FramedWriter, read_framed
from netagents.records.regular_files import open_regular
from netagents.wire.codec import Codec
from netagents.wire.codec.limits import LIMITS

_log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]

INBOX = "inbox"
"""Folder of a run directory that holds one folder for each agent whose inbox is recorded."""

_MAGIC = b"NAINBOX\x01"
_RUN, _STATE, _MESSAGE, _END = 0, 1, 2, 3
_RUN_PART = struct.Struct("<B8sq")
_ITERATION = struct.Struct("<Bq")
_KEY = struct.Struct("<BqBqi")
_COUNT = struct.Struct("<I")
_SEGMENT = re.compile(r"(\d{6,})\.inbox")
_SEGMENTS = 8
_MOST_PAYLOAD = LIMITS.message_bytes + (1 << 20)

LEDGER = "ledger."
"""Prefix of components that count messages; a replayed agent cannot know which receivers were lost, so they are not compared."""

Key = tuple[int, Kind, int, int]
"""Iteration, kind, step and sender of a message that the agent waited for."""

RecordPosition = tuple[Path, int, int]
"""Segment, position in it and length of a record."""


def inbox_folder(directory: Path, agent: int) -> Path:
    """Where the inbox of an agent is recorded in a run directory."""
    return directory / INBOX / f"agent-{agent}"


def check_recorded_agents(setup: Setup) -> None:
    """Refuse to record agents that do not exist.

    Raises:
        ExperimentError: names the first one.
    """
    agents = setup.experiment.runtime.record_inbox
    unknown = [] if agents == "all" else [index for index in agents if index >= setup.n]
    if unknown:
        raise ExperimentError(
            f"there is no agent {unknown[0]}", where="runtime.record_inbox", fix=f"the agents of this run are 0 to {setup.n - 1}"
        )


def state_digest(arrays: Arrays) -> str:
    """SHA-256 over an agent's state, without its ledger of messages: names, dtypes, shapes and bytes; 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        if name.startswith(LEDGER):
            continue
        whole = np.asarray(array, order="C")
        digest.update(f"{name} {whole.dtype} {whole.shape}\n".encode())
        digest.update(whole.tobytes())
    return digest.hexdigest()


class InboxRecorder:
    """Records everything that one agent receives.

    Args:
        folder: of the agent's recording; created if needed.
        run: 8 bytes that name the run.
        agent: its index.
        most_bytes: limit of all segments together; the oldest are removed.
    """

    def __init__(self, folder: Path, run: bytes, agent: int, most_bytes: int) -> None:
        self._folder, self._run, self._agent, self._most_bytes = folder, run, agent, most_bytes
        self._codec = Codec()
        self._writer: FramedWriter | None = None
        self._failed = False

    def begin(self, iteration: int, arrays: Callable[[], Arrays]) -> None:
        """Before an iteration: begin a new segment with the state from ``arrays`` if the last one is large enough."""
        if self._failed or (self._writer is not None and self._writer.size < self._most_bytes // _SEGMENTS):
            return

        def new_segment() -> None:
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            segments = segment_files(self._folder)
            ordinal = int(segments[-1].stem) + 1 if segments else 0
            self._remove_oldest(segments)
            self._writer = FramedWriter(self._folder / f"{ordinal:06d}.inbox", _MAGIC)
            self._writer.append([_RUN_PART.pack(_RUN, self._run, self._agent)])
            envelope = Envelope(self._run, 0, self._agent, Kind.SNAPSHOT, iteration, 0, Snapshot(arrays()))
            self._writer.append([_ITERATION.pack(_STATE, iteration), *self._packed(envelope)])

        self._write(new_segment)

    def wrap(self, turns: Turns) -> Turns:
        """The requests of an iteration; their answers are recorded."""
        request = next(turns)
        while True:
            messages: Any = yield request
            self.record(request, messages)
            try:
                request = turns.send(messages)
            except StopIteration:
                return

    def record(self, request: ExchangeRequest, messages: Sequence[Message]) -> None:
        """Record the messages that answer a request."""

        def append() -> None:
            assert self._writer is not None
            _, kind, iteration, step, senders, _ = request
            for sender, message in zip(senders, messages, strict=True):
                envelope = Envelope(self._run, 0, sender, kind, iteration, step, message)
                self._writer.append([_KEY.pack(_MESSAGE, iteration, kind, step, sender), *self._packed(envelope)])

        self._write(append)

    def end(self, iteration: int, arrays: Arrays) -> None:
        """After an iteration: record the digest of the agent's state."""

        def append() -> None:
            assert self._writer is not None
            self._writer.append([_ITERATION.pack(_END, iteration), bytes.fromhex(state_digest(arrays))])

        self._write(append)

    def close(self) -> None:
        """Close the segment; harmless when repeated."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write(self, write: Callable[[], None]) -> None:
        """A full disk ends the recording, not the run."""
        if self._failed:
            return
        try:
            write()
        except OSError as error:
            self._failed = True
            self.close()
            _log.warning("the inbox is not recorded any more: %s (%s)", error.strerror, self._folder)

    def _remove_oldest(self, segments: list[Path]) -> None:
        sizes = [path.stat().st_size for path in segments]
        # Room for the segment that begins now.
        while segments and sum(sizes) > self._most_bytes * (_SEGMENTS - 1) // _SEGMENTS:
            segments.pop(0).unlink()
            sizes.pop(0)

    def _packed(self, envelope: Envelope) -> list[Bytes]:
        frames = self._codec.encode(envelope)
        sizes = [_COUNT.pack(memoryview(frame).nbytes) for frame in frames]
        return [_COUNT.pack(len(frames)), *sizes, *frames]


@dataclass
class InboxRecording:
    """The recording of one agent's inbox.

    Attributes:
        folder: of the recording. agent: its index.
        starts: iteration -> position of the state before it. ends: iteration -> digest of the state after it.
        messages: position of each message; of iterations that ran twice, after a restart or a resume, the newest.
    """

    folder: Path
    agent: int
    starts: dict[int, RecordPosition] = field(default_factory=dict)
    ends: dict[int, str] = field(default_factory=dict)
    messages: dict[Key, RecordPosition] = field(default_factory=dict)

    @classmethod
    def open(cls, directory: Path, run: bytes, agent: int) -> InboxRecording:
        """Find everything that was recorded of an agent.

        Raises:
            RunDirectoryError: nothing was recorded, a file is damaged, or one belongs to another run or agent.
        """
        recording = cls(inbox_folder(directory, agent), agent)
        segments = segment_files(recording.folder)
        if not segments:
            raise RunDirectoryError(
                f"the inbox of agent {agent} was not recorded",
                where=str(directory),
                fix=f"run or resume with runtime.record_inbox=[{agent}], or record_inbox=all",
            )
        for path in segments:
            recording._index(path, run)
        if not recording.starts:
            raise RunDirectoryError("holds no whole state: the agent ended as it began", where=str(recording.folder))
        return recording

    def _index(self, path: Path, run: bytes) -> None:
        for position, payload in read_framed(path, _MAGIC, _MOST_PAYLOAD):
            record = (path, position, len(payload))
            try:
                record_type = payload[0]
                if record_type == _RUN:
                    _, recorded_run, agent = _RUN_PART.unpack(payload)
                    if (recorded_run, agent) != (run, self.agent):
                        raise RunDirectoryError(
                            f"is of agent {agent} of run {recorded_run.hex()}, not of agent {self.agent} of run {run.hex()}",
                            where=str(path),
                        )
                elif record_type == _STATE:
                    self.starts[_iteration(_ITERATION.unpack_from(payload)[1])] = record
                elif record_type == _MESSAGE:
                    _, iteration, kind, step, sender = _KEY.unpack_from(payload)
                    self.messages[_iteration(iteration), Kind(kind), step, sender] = record
                elif record_type == _END and len(payload) == _ITERATION.size + 32:
                    self.ends[_iteration(_ITERATION.unpack_from(payload)[1])] = payload[_ITERATION.size :].hex()
                else:
                    raise ValueError("unknown record")
            except (struct.error, ValueError, IndexError) as error:
                raise RunDirectoryError(f"is damaged at byte {position}: {error}", where=str(path)) from error

    @property
    def iterations(self) -> tuple[int, int]:
        """The first iteration with a recorded state before it, and the last one of which anything is recorded."""
        return min(self.starts), max([*self.ends, *(key[0] for key in self.messages)], default=min(self.starts))

    def state(self, iteration: int) -> dict[str, NDArray[Any]]:
        """The agent's state before an iteration of :attr:`starts`."""
        envelope = self._decode(self.starts[iteration], _ITERATION.size)
        if not isinstance(envelope.message, Snapshot):
            raise _mismatch(self.starts[iteration])
        return dict(envelope.message.arrays)

    def message(self, iteration: int, kind: Kind, step: int, sender: int) -> Message | None:
        """A message that the agent received; None where the recording ends before it."""
        record = self.messages.get((iteration, kind, step, sender))
        if record is None:
            return None
        envelope = self._decode(record, _KEY.size)
        if (envelope.kind, envelope.sender) != (kind, sender):
            raise _mismatch(record)
        return envelope.message

    def _decode(self, record: RecordPosition, skip: int) -> Envelope:
        path, position, length = record
        with open_regular(path) as file:
            file.seek(position + skip)
            packed = file.read(length - skip)
        try:
            return Codec().decode(list(_frames(packed)))
        except (DecodeError, struct.error) as error:
            raise RunDirectoryError(f"is damaged at byte {position}: {error}", where=str(path)) from error


def _iteration(number: int) -> int:
    if not 0 <= number < 1 << 31:
        raise ValueError(f"iteration {number}")
    return number


def segment_files(folder: Path) -> list[Path]:
    """The segments of a recording, oldest first."""
    paths = folder.iterdir() if folder.is_dir() else iter(())
    return sorted((path for path in paths if _SEGMENT.fullmatch(path.name)), key=lambda path: int(path.stem))


def _frames(packed: bytes) -> Iterator[bytes]:
    (count,) = _COUNT.unpack_from(packed)
    if count > LIMITS.arrays + 1:
        raise DecodeError(f"a message of {count} frames")
    position = _COUNT.size * (1 + count)
    for index in range(count):
        (size,) = _COUNT.unpack_from(packed, _COUNT.size * (1 + index))
        yield packed[position : position + size]
        position += size


def _mismatch(record: RecordPosition) -> RunDirectoryError:
    return RunDirectoryError(f"is damaged at byte {record[1]}: another message than its key says", where=str(record[0]))
