"""An inbox in which some messages count only some steps after the step in which they were said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from netagents.messages import Envelope, Kind
from netagents.wire.session.inbox import Inbox


class DelayedInbox(Inbox):
    """An inbox for aged information: what a sender says at step t is collected at step t + its delay.

    Args:
        delays: kind -> sender -> steps; none for all others.
        last: the last step of an iteration; what would count after it is of no use and not kept.
    """

    def __init__(
        self, run: bytes, allowed: Mapping[Kind, Iterable[int]], *, delays: Mapping[Kind, Mapping[int, int]], last: int, **named: Any
    ) -> None:
        longest = max((steps for its in delays.values() for steps in its.values()), default=0)
        super().__init__(run, allowed, steps=last + 1, most_waiting=64 + longest, **named)
        self._delays = delays
        self._last = last

    def put(self, envelope: Envelope, user: str | None = None) -> bool:
        delay = self._delays.get(envelope.kind, {}).get(envelope.sender, 0)
        step = envelope.step + delay
        if delay and envelope.step <= self._last < step:
            return True
        return super().put(envelope._replace(step=step) if delay else envelope, user)
