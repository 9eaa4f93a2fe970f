"""Control messages of a node (Hello to Failed): who answers them while it waits for others."""

from __future__ import annotations

from collections.abc import Callable

from netagents.errors import NetagentsError
from netagents.messages import Envelope, Stop

FINISHED = "finished"
"""The reason of a Stop that ends a whole run."""


class StopReceivedError(NetagentsError):
    """The server asked this node to end; ``reason`` is ``finished`` or one line of explanation."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"asked to stop: {reason}")
        self.reason = reason


OnControl = Callable[[Envelope, str | None], None]
"""Called with each control message and its sender's authenticated name; what it raises leaves the wait."""


def stop_on_request(envelope: Envelope, _user: str | None) -> None:
    """The default for control messages: Stop ends the wait with :class:`StopReceivedError`, everything else is ignored."""
    if isinstance(envelope.message, Stop):
        raise StopReceivedError(envelope.message.reason)
