"""Limits of messages, checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Maximum sizes of every message, the same for sending and receiving.

    Attributes:
        message_bytes: of all frames together; also the largest single frame that a transport accepts.
        header_bytes: of the msgpack header.
        inline_bytes: arrays with fewer bytes than this together follow the header in the same frame.
        arrays: arrays per message (a snapshot has many).
        rank: dimensions per array.
        text_chars: of a short text (role, endpoint, version, reason, error line).
        name_chars: of the name of a snapshot's array.
        nodes: largest agent index plus one.
        steps: largest step plus one.
    """

    message_bytes: int = 1 << 28
    header_bytes: int = 1 << 18
    inline_bytes: int = 16 * 1024
    arrays: int = 1024
    rank: int = 8
    text_chars: int = 4096
    name_chars: int = 128
    nodes: int = 1 << 20
    steps: int = 1 << 31


LIMITS = Limits()
"""The default limits."""
