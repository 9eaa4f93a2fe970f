"""Channel from a node to its receivers of one kind of message."""

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
    """Sends messages of one kind to the same receivers.

    Args:
        origin: run, incarnation and index of the sending node.
        kind: of the messages.
        peers: index and sender of each receiver.
        codec: of this thread.
        traffic: counts the messages.
        timeout: seconds to wait for a receiver whose queue is full.
    """

    __slots__ = ("_codec", "_direct", "_kind", "_peers", "_sent", "_timeout", "_traffic", "origin")

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
        self._direct = [(sender.send_function(), sender.full_error, sender, receiver) for receiver, sender in self._peers]

    def send(self, message: Message, iteration: int, step: int) -> None:
        """Encode once and send to every receiver.

        Raises:
            ProtocolError: the message violates the schema.
            DeadlineError: a receiver's queue stayed full; names it.
        """
        started = perf_counter()
        frames = self._codec.frames(*self.origin, self._kind, iteration, step, message)
        self._traffic.serialise_seconds += perf_counter() - started
        self._sent[0] += len(self._peers)
        self._sent[1] += len(self._peers) * frame_bytes(frames)
        if len(frames) == 1 and type(frame := frames[0]) is bytes:
            self._send_frame(frame, iteration, step)
            return
        for receiver, sender in self._peers:
            if not sender.try_send(frames):
                self._send_blocking(sender, frames, iteration, step, receiver)

    def _send_frame(self, frame: bytes, iteration: int, step: int) -> None:
        """Send a message of one frame by the transport's own calls."""
        for try_send, full_error, sender, receiver in self._direct:
            try:
                try_send(frame)
            except full_error:
                self._send_blocking(sender, [frame], iteration, step, receiver)

    def compile(self, message: Message) -> Callable[[bytes, int, int], None]:
        """A function that sends messages of a single array with the form of this one, given the array's bytes, iteration and step.

        It computes nothing again in every step, so it costs little more than the transport's own calls.

        Raises:
            ProtocolError: the message violates the schema; the function raises DeadlineError as :meth:`send`.
        """
        compiled = self._codec.compile(*self.origin, self._kind, message)
        if compiled is None:
            # The array travels in a frame of its own.
            return partial(self._send_large, message)
        length, header = compiled
        sent, count, send_blocking = self._sent, len(self._peers), self._send_blocking
        peers = self._direct

        def send(values: bytes, iteration: int, step: int) -> None:
            frame = _write_prefix(length, step, iteration) + header + values
            sent[0] += count
            sent[1] += count * len(frame)
            for try_send, full_error, sender, receiver in peers:
                try:
                    try_send(frame)
                except full_error:
                    send_blocking(sender, [frame], iteration, step, receiver)

        return send

    def compile_arrays(self, message: Message) -> Callable[[Message, int, int], None]:
        """A function like :meth:`send` for messages whose arrays have the dtypes and shapes of this one's, which are not looked at again.

        Raises:
            ProtocolError: the message violates the schema; the function raises DeadlineError as :meth:`send`.
        """
        compiled = self._codec.compile_arrays(*self.origin, self._kind, message)
        if compiled is None:
            return self.send
        length, header, paddings = compiled
        fields: Any = message
        size = len(b"".join([_write_prefix(length, 0, 0), header, *(array.tobytes() for array in fields[: len(paddings)]), *paddings]))
        sent, count, present = self._sent, len(self._peers), len(paddings)
        send_frame, send_any = self._send_frame, self.send

        def send(message: Message, iteration: int, step: int) -> None:
            arrays: Any = message
            pieces = [_write_prefix(length, step, iteration), header]
            for array, padding in zip(arrays, paddings, strict=False):
                pieces += (array.tobytes(), padding)
            frame = b"".join(pieces)
            if len(frame) != size or (len(arrays) > present and arrays[present] is not None):
                send_any(message, iteration, step)
                return
            sent[0] += count
            sent[1] += count * size
            send_frame(frame, iteration, step)

        return send

    def _send_large(self, sample: Any, values: bytes, iteration: int, step: int) -> None:
        (array,) = sample
        self.send(type(sample)(np.frombuffer(values, array.dtype).reshape(array.shape)), iteration, step)

    def _send_blocking(self, sender: Sender, frames: Sequence[Frame], iteration: int, step: int, receiver: int) -> None:
        """Send to a receiver whose queue is full."""
        try:
            sender.send(frames, self._timeout)
        except DeadlineError as error:
            what = f"{self._kind.name.lower()} of iteration {iteration}, step {step} could not be sent to {node_name(receiver)}"
            raise DeadlineError(f"{what}: {error.what}", where=sender.endpoint, fix=error.fix) from None
