"""Header of a message on a modelled link: one small frame with sequence numbers, acknowledgements and the delay.

Messages that bypass the model (the handshake, the end of a run, copies for the monitor) have no such frame.  Its first bytes identify it,
because no message of the codec can begin with them.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from netagents.errors import DecodeError
from netagents.wire.codec.frames import Frame

_LAYOUT = struct.Struct("<4s8siIBdQQdIQQdd")
_ALONE, _FOLLOWED = b"nal\x7f", b"nal\xff"
"""Read as the length of a codec header, both exceed any limit; the highest bit says that frames follow, as in the codec."""

LINK_HEADER_BYTES = _LAYOUT.size
LONGEST_HOLD = 3600.0

ACKNOWLEDGEMENT, ORDERED, BEST_EFFORT = 0, 1, 2


class LinkHeader(NamedTuple):
    """The frame.

    Attributes:
        run, sender, incarnation: the sender; sequence numbers begin again with each incarnation.
        content: ACKNOWLEDGEMENT (without a message), ORDERED or BEST_EFFORT; the latter two have separate sequence numbers.
        hold: seconds that the receiver holds the message before it counts as arrived.
        sequence: number of the message.
        oldest: the sender has dropped all ordered messages below this number.
        sent: on the sender's clock, in seconds.
        receiver_incarnation: incarnation of the receiver to which the acknowledgement refers.
        below, bits: everything below a number has arrived, and ``below + 1 + i`` for every bit i that is set.
        echo: ``sent`` of the first newly acknowledged message; negative if there is none.
        acknowledgement_delay: seconds between its arrival and this acknowledgement.
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
    """Read the frame.

    Raises:
        DecodeError: a number is out of bounds.
    """
    header = LinkHeader(*_LAYOUT.unpack(first)[1:])
    if header.content > BEST_EFFORT or not 0.0 <= header.hold <= LONGEST_HOLD or header.sender < -1:
        raise DecodeError(f"a link header with content {header.content} of node {header.sender}, held for {header.hold} s")
    return header
