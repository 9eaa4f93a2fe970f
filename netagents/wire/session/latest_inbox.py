"""An inbox that keeps some kinds on a shelf, the newest few of each sender, for those who can do with what is not the newest."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from netagents.messages import Envelope, Kind, Message, Pace
from netagents.wire.session.inbox import Drop, Inbox


class LatestKinds(NamedTuple):
    """A message with its place in time."""

    iteration: int
    step: int
    message: Message


class LatestInbox(Inbox):
    """As an inbox, but messages of the ``shelved`` kinds wait on shelves: nothing asks for one exact message of these.

    A shelf holds the newest :attr:`depth` messages of one sender and kind (and ordinal), so memory is bounded whatever comes.
    """

    shelved: frozenset[Kind] = frozenset()
    depth: int = 64

    def shelve(self, kinds: Collection[Kind], depth: int) -> LatestInbox:
        """Sets which kinds are kept, and how many of each; gives the inbox itself."""
        self.shelved, self.depth = frozenset(kinds), depth
        self._shelves: dict[tuple[Kind, int, int], dict[tuple[int, int], LatestKinds]] = {}
        return self

    def put(self, envelope: Envelope, user: str | None = None) -> bool:
        run, incarnation, sender, kind, iteration, step, message = envelope
        if kind not in self.shelved:
            return super().put(envelope, user)
        box = self._boxes.get(sender)
        if box is None or run != self.run or kind not in box.kinds or incarnation != box.incarnation or user != box.user:
            return self.refuse(envelope, user)
        if iteration > self.iteration + 1:
            return self._drop(Drop.FUTURE, sender, kind, iteration)
        if step >= self._steps:
            return self._drop(Drop.STEP, sender, kind, iteration)
        shelf = self._shelves.setdefault(self._key(kind, sender, step), {})
        place = (iteration, step)
        if place in shelf:
            return self._drop(Drop.DUPLICATE, sender, kind, iteration)
        if len(shelf) >= self.depth:
            oldest = min(shelf)
            if place < oldest:
                return self._drop(Drop.PAST, sender, kind, iteration)
            del shelf[oldest]
        shelf[place] = LatestKinds(iteration, step, message)
        return True

    def shelf(self, kind: Kind, sender: int, ordinal: int = 0) -> dict[tuple[int, int], LatestKinds]:
        """What is there of one sender and kind, by (iteration, step); ``ordinal`` tells apart what travels once per iteration."""
        return self._shelves.get((kind, sender, ordinal if kind.row.pace is Pace.ITERATION else 0), {})

    def newest(self, kind: Kind, sender: int, at: tuple[int, int]) -> LatestKinds | None:
        """The newest message that is not of after ``at`` (iteration, step)."""
        shelf = self.shelf(kind, sender, at[1])
        places = [place for place in shelf if place <= at]
        return shelf[max(places)] if places else None

    def restart(self, iteration: int, incarnation: int) -> None:
        super().restart(iteration, incarnation)
        for shelf in self._shelves.values():
            shelf.clear()

    def _key(self, kind: Kind, sender: int, step: int) -> tuple[Kind, int, int]:
        return kind, sender, step if kind.row.pace is Pace.ITERATION else 0
