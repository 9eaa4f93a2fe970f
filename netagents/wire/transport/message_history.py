"""History of a node's messages, sent and delivered; :mod:`netagents.testing.delivery_history` checks it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from netagents.messages import Envelope
from netagents.wire.codec.frames import Frame


class LinkAction(StrEnum):
    """The event of a message at a node."""

    SENT = "sent"
    DELIVERED = "delivered"


class LinkEvent(NamedTuple):
    """One entry of a node's history, in order of time.

    Attributes:
        what: ``sent`` or ``delivered``.
        peer: the other end of the link: receiver or sender.
        incarnation: of the sender.
        kind: label of the message's kind. iteration, step: of the message.
        digest: of its bytes, 16 hexadecimal digits.
    """

    what: str
    peer: int
    incarnation: int
    kind: str
    iteration: int
    step: int
    digest: str

    @property
    def message(self) -> tuple[int, str, int, int, str]:
        """The fields on which both ends agree."""
        return self[2:]


def link_event(action: LinkAction, peer: int, envelope: Envelope, frames: Sequence[Frame]) -> LinkEvent:
    """The entry for one message."""
    digest = hashlib.blake2b(digest_size=8)
    for frame in frames:
        digest.update(frame)
    return LinkEvent(
        str(action), peer, envelope.incarnation, envelope.kind.name.lower(), envelope.iteration, envelope.step, digest.hexdigest()
    )
