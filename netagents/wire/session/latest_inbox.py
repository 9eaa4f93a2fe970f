"""An inbox that keeps some kinds on a stored, the newest few of each sender, for those who can do with what is not the newest."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from netagents.messages import Envelope, Kind, Message, Pace
from netagents.wire.session.inbox import Drop, Inbox


class TimedMessage(NamedTuple):
    """A message with its place in time."""

    iteration: int
    step: int
    message: Message


class LatestInbox(Inbox):
    """As an inbox, but messages of the ``latest_kinds`` kinds wait on shelves: nothing asks for one exact message of these.

    A stored holds the newest :attr:`depth` messages of one sender and kind (and ordinal), so memory is bounded whatever comes.
    """

    latest_kinds: frozenset[Kind] = frozenset()
    depth: int = 64

    def keep_latest(self, kinds: Collection[Kind], depth: int) -> LatestInbox:
        """Sets which kinds are kept, and how many of each; gives the inbox itself."""
        self.latest_kinds, self.depth = frozenset(kinds), depth
        self._latest: dict[tuple[Kind, int, int], dict[tuple[int, int], TimedMessage]] = {}
        return self

    def put(self, envelope: Envelope, user: str | None = None) -> bool:
        run, incarnation, sender, kind, iteration, step, message = envelope
        if kind not in self.latest_kinds:
            return super().put(envelope, user)
        rule = self._rules.get(sender)
        if rule is None or run != self.run or kind not in rule.kinds or incarnation != rule.incarnation or user != rule.user:
            return self.refuse(envelope, user)
        if iteration > self.iteration + 1:
            return self._drop(Drop.FUTURE, sender, kind, iteration)
        if step >= self._steps:
            return self._drop(Drop.STEP, sender, kind, iteration)
        stored = self._latest.setdefault(self._key(kind, sender, step), {})
        place = (iteration, step)
        if place in stored:
            return self._drop(Drop.DUPLICATE, sender, kind, iteration)
        if len(stored) >= self.depth:
            oldest = min(stored)
            if place < oldest:
                return self._drop(Drop.PAST, sender, kind, iteration)
            del stored[oldest]
        stored[place] = TimedMessage(iteration, step, message)
        return True

    def stored(self, kind: Kind, sender: int, ordinal: int = 0) -> dict[tuple[int, int], TimedMessage]:
        """What is there of one sender and kind, by (iteration, step); ``ordinal`` tells apart what travels once per iteration."""
        return self._latest.get((kind, sender, ordinal if kind.row.pace is Pace.ITERATION else 0), {})

    def newest(self, kind: Kind, sender: int, at: tuple[int, int]) -> TimedMessage | None:
        """The newest message that is not of after ``at`` (iteration, step)."""
        stored = self.stored(kind, sender, at[1])
        places = [place for place in stored if place <= at]
        return stored[max(places)] if places else None

    def restart(self, iteration: int, incarnation: int) -> None:
        super().restart(iteration, incarnation)
        for stored in self._latest.values():
            stored.clear()

    def _key(self, kind: Kind, sender: int, step: int) -> tuple[Kind, int, int]:
        return kind, sender, step if kind.row.pace is Pace.ITERATION else 0
