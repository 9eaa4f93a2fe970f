"""Template of a checked message: where its arrays lie in the frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netagents.messages import Envelope, Message
from netagents.wire.codec.frames import Frame

ArrayPosition = tuple[np.dtype[Any], int, int, tuple[int, ...] | None]
"""Of one array: dtype, items, offset in the frame, and shape if it has more than one axis."""

_view = np.frombuffer
_new: Any = tuple.__new__  # makes a named tuple without calling its own constructor


class MessageTemplate:
    """What all messages with one checked header have in common.

    Attributes:
        sender, kind: of the messages.
        size: of the frame.
        lead: slice of the frame with the bytes of the first array.
        acceptance, user, counter: as :meth:`netagents.wire.codec.decoder.Decoder.accept` sets them.
    """

    __slots__ = (
        "_absent",
        "_arrays",
        "_message",
        "_only",
        "acceptance",
        "counter",
        "incarnation",
        "kind",
        "lead",
        "run",
        "sender",
        "size",
        "user",
    )

    def __init__(self, envelope: Envelope, positions: Sequence[ArrayPosition], absent: int, size: int) -> None:
        self.run, self.incarnation, self.sender, self.kind = envelope[:4]
        self.size = size
        self.acceptance: object = None
        self.user: str | None = None
        self.counter: list[int] = []
        dtype, items, offset, _ = positions[0]
        self.lead = slice(offset, offset + items * dtype.itemsize)
        self._message = type(envelope.message)
        self._arrays = tuple(positions)
        self._absent = (None,) * absent  # optional arrays that are left out
        self._only = positions[0][:3] if len(positions) == 1 and positions[0][3] is None and not absent else None

    @property
    def vector(self) -> tuple[np.dtype[Any], int] | None:
        """Dtype and length of the array where the messages hold a single one with one axis; else None."""
        return None if self._only is None else self._only[:2]

    def read(self, first: Frame) -> Message:
        """The message in a frame of this size and header; its arrays are read-only views of the frame."""
        if self._only is not None:
            short: Message = _new(self._message, (_view(first, *self._only),))
            return short
        arrays: list[Any] = []
        for dtype, items, offset, shape in self._arrays:
            array = _view(first, dtype, items, offset)
            arrays.append(array if shape is None else array.reshape(shape))
        if self._absent:
            arrays += self._absent
        message: Message = _new(self._message, arrays)
        return message

    def read_all(self, frames: Sequence[bytes]) -> Message:
        """The messages in several such frames as one message, whose arrays are concatenated on axis 0."""
        block = np.frombuffer(b"".join(frames), np.uint8).reshape(len(frames), self.size)
        arrays: list[Any] = []
        for dtype, items, offset, shape in self._arrays:
            values = np.ascontiguousarray(block[:, offset : offset + items * dtype.itemsize]).view(dtype)
            arrays.append(values.reshape(-1) if shape is None else values.reshape(-1, *shape[1:]))
        message: Message = _new(self._message, [*arrays, *self._absent])
        return message
