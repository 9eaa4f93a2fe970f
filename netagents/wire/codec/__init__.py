"""The codec: envelopes to frames and back.

Frame 0 is ``header length, step, iteration | header | padding to 8 | arrays, each padded to 8``.  The header is the msgpack array
``[version, kind, run, incarnation, sender, fields...]``, where each array's field is ``[dtype code, sizes...]``.  A sender's messages
of one kind have the same header step after step, so a header that was once checked is remembered by its bytes.
When the arrays are larger than :attr:`Limits.inline_bytes` together, each travels as a raw frame of its own behind frame 0.
``docs/protocol.md`` has the whole format.

Nothing is built before version, kind, types, shapes, dtypes and sizes were checked against the bytes that are really there, so
a message costs at most a small multiple of its own length, and :class:`DecodeError` is the only error that leaves :meth:`Codec.decode`.
"""

from __future__ import annotations

from netagents.wire.codec.decoder import Decoder
from netagents.wire.codec.encoder import Encoder
from netagents.wire.codec.limits import LIMITS, Limits


class Codec(Encoder, Decoder):
    """Encodes and decodes envelopes; one per thread, since the packer is re-used.

    Args:
        limits: what a message may be at most, in both directions.
    """

    def __init__(self, limits: Limits = LIMITS) -> None:
        Encoder.__init__(self, limits)
        Decoder.__init__(self, limits)
