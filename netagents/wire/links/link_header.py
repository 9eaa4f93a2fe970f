"""What stands before a message on a modelled link: one small frame with numbers, acknowledgements and how long it is held.

Messages that go around the model (the handshake, the end of a run, copies for the monitor) have no such frame; the two are told apart by
their first bytes, which no message of the codec can begin with.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from netagents.errors import DecodeError
from netagents.wire.codec.frames import Frame

_LAYOUT = struct.Struct("<4s8siIBdQQdIQQdd")
_ALONE, _FOLLOWED = b"nal\x7f", b"nal\xff"
"""As a header length, both are far above any limit; the highest bit says that frames follow, as it does for the codec."""

LINK_HEADER_BYTES = _LAYOUT.size
LONGEST_HOLD = 3600.0

ACKNOWLEDGEMENT, ORDERED, BEST_EFFORT = 0, 1, 2


class LinkHeader(NamedTuple):
    """The frame.

    Attributes:
        run, sender, incarnation: who speaks; ``incarnation`` also says which numbering ``sequence`` belongs to.
        content: ACKNOWLEDGEMENT (nothing else), ORDERED or BEST_EFFORT, which have numbers of their own.
        hold: seconds that the receiver keeps it before it counts as arrived.
        sequence: number of the message.
        oldest: the sender has given up on all ordered messages below this number.
        sent: on the sender's clock, in seconds.
        heard: the receiver's incarnation that is acknowledged.
        below, bits: everything below a number has arrived, and ``below + 1 + i`` for every bit i that is set.
        echo: ``sent`` of the first message that is acknowledged only now; negative when there is none.
        waited: seconds that it waited for this acknowledgement.
    """

    run: bytes
    sender: int
    incarnation: int
    content: int
    hold: float
    sequence: int
    oldest: int
    sent: float
    receiver_incarnation: int
    below: int
    bits: int
    echo: float
    acknowledgement_delay: float

    def pack(self) -> bytes:
        """The frame."""
        return _LAYOUT.pack(_ALONE if self.content == ACKNOWLEDGEMENT else _FOLLOWED, *self)


def is_link_header(first: Frame) -> bool:
    """Whether the first frame of a message is one of these."""
    return len(first) == LINK_HEADER_BYTES and bytes(first[:4]) in (_ALONE, _FOLLOWED)


def read_link_header(first: Frame) -> LinkHeader:
    """What the frame says.

    Raises:
        DecodeError: a number is out of bounds.
    """
    header = LinkHeader(*_LAYOUT.unpack(first)[1:])
    if header.content > BEST_EFFORT or not 0.0 <= header.hold <= LONGEST_HOLD or header.sender < -1:
        raise DecodeError(f"a link header that carries {header.content} of node {header.sender} and holds it for {header.hold} s")
    return header
