"""Where the arrays of a message lie, once its like was found to be right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netagents.messages import Envelope, Message
from netagents.wire.codec.frames import Frame

Place = tuple[np.dtype[Any], int, int, tuple[int, ...] | None]
"""Of one array: dtype, items, offset in the frame, shape if it has more than one axis."""

_view = np.frombuffer
_new: Any = tuple.__new__  # a named tuple, without the call in between


class MessageTemplate:
    """What all messages with one header have in common, once one of them was found to be right.

    Attributes:
        sender, kind: of the messages.
        size: of the frame.
        lead: where the bytes of the first array are.
        door, user, counted: as :meth:`Decoder.admit` noted them.
    """

    __slots__ = (
        "_absent",
        "_arrays",
        "_message",
        "_only",
        "acceptance",
        "counted",
        "incarnation",
        "kind",
        "lead",
        "run",
        "sender",
        "size",
        "user",
    )

    def __init__(self, envelope: Envelope, places: Sequence[Place], absent: int, size: int) -> None:
        self.run, self.incarnation, self.sender, self.kind = envelope[:4]
        self.size = size
        self.acceptance: object = None
        self.user: str | None = None
        self.counted: list[int] = []
        dtype, items, offset, _ = places[0]
        self.lead = slice(offset, offset + items * dtype.itemsize)
        self._message = type(envelope.message)
        self._arrays = tuple(places)
        self._absent = (None,) * absent  # optional arrays that were left out
        self._only = places[0][:3] if len(places) == 1 and places[0][3] is None and not absent else None

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
        """The messages in several such frames as one, whose arrays have those of the first, then those of the second, ... on axis 0."""
        block = np.frombuffer(b"".join(frames), np.uint8).reshape(len(frames), self.size)
        arrays: list[Any] = []
        for dtype, items, offset, shape in self._arrays:
            values = np.ascontiguousarray(block[:, offset : offset + items * dtype.itemsize]).view(dtype)
            arrays.append(values.reshape(-1) if shape is None else values.reshape(-1, *shape[1:]))
        message: Message = _new(self._message, [*arrays, *self._absent])
        return message
