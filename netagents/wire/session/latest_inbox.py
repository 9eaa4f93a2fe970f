"""Inbox that keeps the latest messages of some kinds, for clocks that may use older ones."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from netagents.messages import Envelope, Kind, Message, Pace
from netagents.wire.session.inbox import Inbox
from netagents.wire.session.radius_admission import Drop


class TimedMessage(NamedTuple):
    """A message with its iteration and step."""

    iteration: int
    step: int
    message: Message


class LatestInbox(Inbox):
    """An inbox that stores the latest messages of :attr:`latest_kinds`, of which no exact message is waited for.

    It stores at most :attr:`depth` messages of each sender and kind (and ordinal), so memory is bounded.
    """

    latest_kinds: frozenset[Kind] = frozenset()
    depth: int = 64

    def keep_latest(self, kinds: Collection[Kind], depth: int) -> LatestInbox:
        """Set which kinds are stored, and how many messages of each; returns the inbox itself."""
        self.latest_kinds, self.depth = frozenset(kinds), depth
        self._latest: dict[tuple[Kind, int, int], dict[tuple[int, int], TimedMessage]] = {}
        return self

    def put(self, envelope: Envelope, user: str | None = None) -> bool:
        _, _, sender, kind, iteration, step, message = envelope
        if kind not in self.latest_kinds:
            return super().put(envelope, user)
        if not self.admits(envelope, user):
            return False
        if iteration > self.iteration + 1:
            return self._drop(Drop.FUTURE, sender, kind, iteration)
        if step >= self._steps:
            return self._drop(Drop.STEP, sender, kind, iteration)
        stored = self._latest.setdefault(self._key(kind, sender, step), {})
        time = (iteration, step)
        if time in stored:
            return self._drop(Drop.DUPLICATE, sender, kind, iteration)
        if len(stored) >= self.depth:
            oldest = min(stored)
            if time < oldest:
                return self._drop(Drop.PAST, sender, kind, iteration)
            del stored[oldest]
        stored[time] = TimedMessage(iteration, step, message)
        return True

    def stored(self, kind: Kind, sender: int, ordinal: int = 0) -> dict[tuple[int, int], TimedMessage]:
        """The stored messages of one sender and kind, by (iteration, step); ``ordinal`` selects among kinds of once per iteration."""
        return self._latest.get((kind, sender, ordinal if kind.row.pace is Pace.ITERATION else 0), {})

    def newest(self, kind: Kind, sender: int, at: tuple[int, int]) -> TimedMessage | None:
        """The newest message that is not later than ``at`` (iteration, step)."""
        stored = self.stored(kind, sender, at[1])
        times = [time for time in stored if time <= at]
        return stored[max(times)] if times else None

    def restart(self, iteration: int, incarnation: int) -> None:
        super().restart(iteration, incarnation)
        for stored in self._latest.values():
            stored.clear()

    def _key(self, kind: Kind, sender: int, step: int) -> tuple[Kind, int, int]:
        return kind, sender, step if kind.row.pace is Pace.ITERATION else 0
