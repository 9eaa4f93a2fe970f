"""The way from a node to some receivers, for one kind of message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

from netagents.errors import DeadlineError
from netagents.messages import Kind, Message, node_name
from netagents.wire.codec import Codec
from netagents.wire.codec.frames import PREFIX, Frame, frame_bytes
from netagents.wire.session.traffic import Traffic
from netagents.wire.transport.transport import Sender

_write_prefix = PREFIX.pack


class Channel:
    """Messages of one kind from a node, as what it is in a run, to the same receivers.

    Args:
        origin: run, incarnation and index of the node.
        kind: of the messages.
        peers: the receivers, each with its sender.
        codec: of this thread.
        traffic: where the messages count.
        timeout: seconds after which a receiver whose queue is full is an error.
    """

    __slots__ = ("_codec", "_kind", "_peers", "_sent", "_timeout", "_traffic", "origin")

    def __init__(
        self,
        origin: tuple[bytes, int, int],
        kind: Kind,
        peers: Sequence[tuple[int, Sender]],
        codec: Codec,
        traffic: Traffic,
        timeout: float,
    ) -> None:
        self.origin = origin
        self._kind, self._peers, self._codec, self._timeout = kind, tuple(peers), codec, timeout
        self._traffic, self._sent = traffic, traffic.sent[kind]

    def send(self, message: Message, iteration: int, step: int) -> None:
        """Encodes once and sends to every receiver.

        Raises:
            ProtocolError: the message breaks the schema.
            DeadlineError: a receiver's queue stayed full; names it.
        """
        started = perf_counter()
        frames = self._codec.frames(*self.origin, self._kind, iteration, step, message)
        self._traffic.serialise_seconds += perf_counter() - started
        self._sent[0] += len(self._peers)
        self._sent[1] += len(self._peers) * frame_bytes(frames)
        for receiver, sender in self._peers:
            if not sender.try_send(frames):
                self._send_blocking(sender, frames, iteration, step, receiver)

    def compile(self, message: Message) -> Callable[[bytes, int, int], None]:
        """What sends messages of a single array that look like this one, from the array's bytes, iteration and step.

        Nothing is worked out anew in every step, so that it takes little more than the transport's own calls.

        Raises:
            ProtocolError: the message breaks the schema; what comes back raises DeadlineError as :meth:`send`.
        """
        compiled = self._codec.compile(*self.origin, self._kind, message)
        if compiled is None:
            # Large enough for frames of its own.
            return partial(self._send_large, message)
        length, header = compiled
        sent, count, late = self._sent, len(self._peers), self._send_blocking
        peers = [(sender.send_function(), sender.full_error, sender, receiver) for receiver, sender in self._peers]

        def send(values: bytes, iteration: int, step: int) -> None:
            frame = _write_prefix(length, step, iteration) + header + values
            sent[0] += count
            sent[1] += count * len(frame)
            for hand_over, refused, sender, receiver in peers:
                try:
                    hand_over(frame)
                except refused:
                    late(sender, [frame], iteration, step, receiver)

        return send

    def _send_large(self, like: Any, values: bytes, iteration: int, step: int) -> None:
        (sample,) = like
        self.send(type(like)(np.frombuffer(values, sample.dtype).reshape(sample.shape)), iteration, step)

    def _send_blocking(self, sender: Sender, frames: Sequence[Frame], iteration: int, step: int, receiver: int) -> None:
        """Sends to a receiver whose queue is full."""
        try:
            sender.send(frames, self._timeout)
        except DeadlineError as error:
            what = f"{self._kind.name.lower()} of iteration {iteration}, step {step} could not be sent to {node_name(receiver)}"
            raise DeadlineError(f"{what}: {error.what}", where=sender.endpoint, fix=error.fix) from None
