"""Codec: envelopes to frames and back.

Frame 0 is ``header length, step, iteration | header | padding to 8 | arrays, each padded to 8``.  The header is the msgpack array
``[version, kind, run, incarnation, sender, fields...]``, where each array's field is ``[dtype code, sizes...]``.  A sender's messages
of one kind have the same header in every step, so the bytes of a checked header are remembered.
Arrays that together exceed :attr:`Limits.inline_bytes` travel as raw frames after frame 0, one each.
``docs/protocol.md`` has the whole format.

Nothing is allocated before version, kind, types, shapes, dtypes and sizes are checked against the bytes that have arrived.  So a message
costs at most a small multiple of its own length, and :class:`DecodeError` is the only error that :meth:`Codec.decode` raises.
"""

from __future__ import annotations

from netagents.wire.codec.decoder import Decoder
from netagents.wire.codec.encoder import Encoder
from netagents.wire.codec.limits import LIMITS, Limits


class Codec(Encoder, Decoder):
    """Encodes and decodes envelopes; one per thread, since the packer is re-used.

    Args:
        limits: maximum sizes, in both directions.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        Encoder.__init__(self, limits)
        Decoder.__init__(self, limits)
