"""Reliable delivery over a link that loses, doubles and reorders: the two ends as state machines, without a clock and without a socket.

The sending end numbers messages, keeps each until it is acknowledged, and says when it is time to send one again: after the
retransmission timeout of RFC 6298 (smoothed round trip and its variation), twice as long after each further try; round trips are
measured by echoed times, as RFC 7323 does, so that messages that were sent again measure something too.  The receiving end gives
messages out once each and in order, and says what it has: everything below a number, and which of the 64 after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from netagents.messages import Kind
from netagents.wire.codec.frames import Frame

WINDOW = 256
"""Messages that may be on their way on one link; further ones wait at the sender."""

FIRST_TIMEOUT = 0.05
LEAST_TIMEOUT = 0.02
LONGEST_TIMEOUT = 0.5
"""Seconds before a message is sent again: while no round trip was measured, at least, and at most."""

_MEMORY = 1024

T = TypeVar("T")


class RoundTrip:
    """The retransmission timeout of RFC 6298, equations 2.2 and 2.3."""

    def __init__(self) -> None:
        self._smoothed: float | None = None
        self._variation = 0.0
        self.timeout = FIRST_TIMEOUT

    def add_sample(self, seconds: float) -> None:
        """Takes the time between a transmission and its acknowledgement."""
        if self._smoothed is None:
            self._smoothed, self._variation = seconds, seconds / 2.0
        else:
            self._variation += (abs(self._smoothed - seconds) - self._variation) / 4.0
            self._smoothed += (seconds - self._smoothed) / 8.0
        self.timeout = min(LONGEST_TIMEOUT, max(LEAST_TIMEOUT, self._smoothed + 4.0 * self._variation))

    def after(self, tries: int) -> float:
        """How long to wait for an acknowledgement after so many tries."""
        return min(LONGEST_TIMEOUT, float(self.timeout * 2.0 ** (min(tries, 32) - 1)))


class Subject(NamedTuple):
    """What a message is about, for those who have to tell that it was lost."""

    kind: Kind
    iteration: int
    step: int


class Pending:
    """A message that was sent and not yet acknowledged."""

    __slots__ = ("first_sent", "frames", "last_sent", "resend_at", "sequence", "subject", "tries")

    def __init__(self, sequence: int, frames: Sequence[Frame], subject: Subject, now: float) -> None:
        self.sequence, self.frames, self.subject = sequence, frames, subject
        self.tries = 0
        self.first_sent = self.last_sent = self.resend_at = now


class Outbox:
    """The sending end of one link."""

    def __init__(self) -> None:
        self.round_trip = RoundTrip()
        self.pending: dict[int, Pending] = {}
        self._next = 0

    @property
    def full(self) -> bool:
        """Whether the oldest message that is not acknowledged is a whole window behind."""
        return bool(self.pending) and self._next - next(iter(self.pending)) >= WINDOW

    def add(self, frames: Sequence[Frame], subject: Subject, now: float) -> Pending:
        """Numbers a new message; the caller sends it and says so with :meth:`mark_sent`."""
        item = self.pending[self._next] = Pending(self._next, frames, subject, now)
        self._next += 1
        return item

    def mark_sent(self, item: Pending, now: float, departure: float) -> None:
        """It was sent (once more) at ``now``, and leaves the sender ``leaves`` seconds later."""
        item.tries += 1
        item.last_sent = now
        item.resend_at = now + departure + self.round_trip.after(item.tries)

    def mark_acknowledged(self, below: int, bits: int) -> None:
        """The other end has everything below a number, and ``below + 1 + i`` for every bit i that is set."""
        for sequence in list(self.pending):
            ahead = sequence - below - 1
            if sequence < below or (0 <= ahead < 64 and bits >> ahead & 1):
                del self.pending[sequence]
            elif ahead >= 64:
                return

    @property
    def oldest(self) -> int:
        """The first message that the other end may still expect."""
        return next(iter(self.pending), self._next)

    def give_up(self, before: float) -> int:
        """Forgets messages that were first sent before a moment, and the oldest one of a full window; gives how many."""
        count = 0
        while self.pending and (self.full or next(iter(self.pending.values())).first_sent < before):
            del self.pending[next(iter(self.pending))]
            count += 1
        return count

    def due(self, now: float) -> list[Pending]:
        """What has to be sent again, in order."""
        return [item for item in self.pending.values() if item.resend_at <= now]

    def next_due(self) -> float | None:
        """When something has to be sent again; None while all is acknowledged."""
        return min((item.resend_at for item in self.pending.values()), default=None)


class Intake(Generic[T]):
    """The receiving end of one link; T is what it hands on.

    Args:
        incarnation: of the sender; a restarted one begins to count anew.
    """

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self._expected = 0
        self._early: dict[int, T] = {}
        self._heard: dict[int, None] = {}
        self._forgotten = -1

    def take(self, sequence: int, item: T) -> list[T] | None:
        """A numbered message came: what can be handed on now, in order; None for one that was there before or is too far ahead."""
        ahead = sequence - self._expected
        if ahead < 0 or ahead >= WINDOW or sequence in self._early:
            return None
        self._early[sequence] = item
        return self._in_order()

    def skip(self, oldest: int) -> list[T]:
        """Nothing below a number comes any more: what can be handed on without it, in order."""
        ready = []
        if oldest > self._expected:
            ready = [self._early.pop(sequence) for sequence in sorted(self._early) if sequence < oldest]
            self._expected = oldest
        return ready + self._in_order()

    def _in_order(self) -> list[T]:
        ready = []
        while self._expected in self._early:
            ready.append(self._early.pop(self._expected))
            self._expected += 1
        return ready

    def take_any(self, sequence: int) -> bool:
        """A message that is not awaited came, which has numbers of its own: whether it is new."""
        if sequence <= self._forgotten or sequence in self._heard:
            return False
        self._heard[sequence] = None
        if len(self._heard) > _MEMORY:
            # What is older than those remembered cannot be told from a repeat.
            oldest = min(self._heard)
            del self._heard[oldest]
            self._forgotten = oldest
        return True

    def acknowledgement(self) -> tuple[int, int]:
        """``(below, bits)``, as :meth:`Outbox.mark_acknowledged` takes them."""
        bits = 0
        for sequence in self._early:
            ahead = sequence - self._expected - 1
            if ahead < 64:
                bits |= 1 << ahead
        return self._expected, bits
