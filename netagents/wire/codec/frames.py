"""Frames: the byte strings that make up a message, and the prefix of the first one.

Frame 0 begins with ``header length, step, iteration`` (uint32, uint32, int64).  The highest bit of the length says that further frames
follow; without it the message is this one frame, and the transport need not be asked.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

Frame = bytes | memoryview

PREFIX = struct.Struct("<IIq")
"""Header length, step, iteration."""

HEAD = PREFIX.size

PROTOCOL_VERSION = 3
"""First element of every header; nodes of different versions refuse each other."""

FOLLOWED = 1 << 31
"""The bit of the header length that announces further frames."""


def frame_bytes(frames: Sequence[Frame]) -> int:
    """Bytes of a message as it travels: all frames, without the transport's own framing."""
    if len(frames) == 1 and type(frames[0]) is bytes:
        return len(frames[0])
    total = 0
    for frame in frames:
        total += len(frame) if type(frame) is bytes else memoryview(frame).nbytes
    return total
