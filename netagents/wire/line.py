"""The way from a node to some receivers, for one kind of message."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from netagents.errors import DeadlineError
from netagents.messages import Kind, Message, node_name
from netagents.wire.codec import Codec
from netagents.wire.frames import PREFIX, Frame, frame_bytes
from netagents.wire.schema import ARRAYS
from netagents.wire.traffic import Traffic
from netagents.wire.transport import Sender

_write_prefix = PREFIX.pack
_SINGLE = {kind: schema.message for kind, schema in ARRAYS.items() if len(schema.fields) == 1}
"""Kinds of messages that are one array, and their types."""


class Line:
    """Messages of one kind from a node, as what it is in a run, to the same receivers.

    Args:
        speaker: run, incarnation and index of the node.
        kind: of the messages.
        ways: the receivers, each with its sender.
        codec: of this thread.
        traffic: where the messages count.
        patience: seconds after which a receiver whose queue is full is an error.
    """

    __slots__ = ("_codec", "_form", "_header", "_kind", "_length", "_look", "_patience", "_sent", "_traffic", "_ways", "speaker")

    def __init__(
        self,
        speaker: tuple[bytes, int, int],
        kind: Kind,
        ways: Sequence[tuple[int, Sender]],
        codec: Codec,
        traffic: Traffic,
        patience: float,
    ) -> None:
        self.speaker = speaker
        self._kind, self._codec, self._patience = kind, codec, patience
        self._ways = [(sender.sending(), sender.refused, sender, receiver) for receiver, sender in ways]
        self._traffic, self._sent = traffic, traffic.sent[kind]
        # Of messages that are a single array: the type, dtype and shape of the last one, and what stood before its bytes.
        self._form = _SINGLE.get(kind)
        self._look: tuple[Any, ...] | None = None
        self._length, self._header = 0, b""

    def send(self, message: Message, iteration: int, step: int) -> None:
        """Encodes once and sends to every receiver.

        Raises:
            ProtocolError: the message breaks the schema.
            DeadlineError: a receiver's queue stayed full; names it.
        """
        started = perf_counter()
        content: Any = message
        if type(message) is self._form and (content[0].dtype, content[0].shape) == self._look:
            # Like the last one, as states and actions are in every step: nothing is worked out anew.
            frames: list[Frame] = [_write_prefix(self._length, step, iteration) + self._header + content[0].tobytes()]
        else:
            frames = self._codec.frames(*self.speaker, self._kind, iteration, step, message)
            if self._form is not None:
                self._look, self._length, self._header = self._codec.stencil(self._kind)
        self._traffic.serialise_seconds += perf_counter() - started
        ways, sent = self._ways, self._sent
        sent[0] += len(ways)
        if len(frames) == 1:
            first: Any = frames[0]
            sent[1] += len(ways) * len(first)
            for send, refused, sender, receiver in ways:
                try:
                    send(first)
                except refused:
                    self._send_late(sender, frames, iteration, step, receiver)
        else:
            sent[1] += len(ways) * frame_bytes(frames)
            for _, _, sender, receiver in ways:
                if not sender.try_send(frames):
                    self._send_late(sender, frames, iteration, step, receiver)

    def _send_late(self, sender: Sender, frames: Sequence[Frame], iteration: int, step: int, receiver: int) -> None:
        """Sends to a receiver whose queue is full."""
        try:
            sender.send(frames, self._patience)
        except DeadlineError as error:
            what = f"{self._kind.name.lower()} of iteration {iteration}, step {step} could not be sent to {node_name(receiver)}"
            raise DeadlineError(f"{what}: {error.what}", where=sender.endpoint, fix=error.fix) from None
