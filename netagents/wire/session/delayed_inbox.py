"""Inbox for aged information: messages count some steps after the step in which they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from netagents.messages import Envelope, Kind
from netagents.wire.session.inbox import Inbox


class DelayedInbox(Inbox):
    """A message that was sent at step t is collected at step t + the delay of its sender.

    Args:
        delays: kind -> sender -> steps; 0 for all others.
        last: the last step of an iteration; messages that would count after it are not kept.
    """

    def __init__(
        self, run: bytes, allowed: Mapping[Kind, Iterable[int]], *, delays: Mapping[Kind, Mapping[int, int]], last: int, **named: Any
    ) -> None:
        longest = max((steps for by_sender in delays.values() for steps in by_sender.values()), default=0)
        super().__init__(run, allowed, steps=last + 1, most_waiting=64 + longest, **named)
        self._delays = delays
        self._last = last

    def put(self, envelope: Envelope, user: str | None = None) -> bool:
        delay = self._delays.get(envelope.kind, {}).get(envelope.sender, 0)
        step = envelope.step + delay
        if delay and envelope.step <= self._last < step:
            return True
        return super().put(envelope._replace(step=step) if delay else envelope, user)
