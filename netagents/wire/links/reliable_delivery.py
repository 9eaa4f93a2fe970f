"""Reliable delivery over a link that loses, duplicates and reorders: the two ends as state machines without clock or I/O.

The sending end numbers messages, keeps each until it is acknowledged, and schedules retransmissions: after the timeout of RFC 6298
(smoothed round trip and its variation), doubled after each further try.  Echoed times measure round trips, as in RFC 7323, so that
retransmitted messages can be measured too.  The receiving end delivers each message once and in order, and acknowledges everything below a
number and which of the 64 numbers after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from netagents.messages import Kind
from netagents.wire.codec.frames import Frame

WINDOW = 256
"""Unacknowledged messages that a link may have; further ones wait at the sender."""

FIRST_TIMEOUT = 0.05
LEAST_TIMEOUT = 0.02
LONGEST_TIMEOUT = 0.5
"""Seconds before a retransmission: before any round trip is measured, at least, and at most."""

_MEMORY = 1024

T = TypeVar("T")


class RoundTrip:
    """The retransmission timeout of RFC 6298, equations 2.2 and 2.3."""

    def __init__(self) -> None:
        self._smoothed: float | None = None
        self._variation = 0.0
        self.timeout = FIRST_TIMEOUT

    def add_sample(self, seconds: float) -> None:
        """Add the time between a transmission and its acknowledgement."""
        if self._smoothed is None:
            self._smoothed, self._variation = seconds, seconds / 2.0
        else:
            self._variation += (abs(self._smoothed - seconds) - self._variation) / 4.0
            self._smoothed += (seconds - self._smoothed) / 8.0
        self.timeout = min(LONGEST_TIMEOUT, max(LEAST_TIMEOUT, self._smoothed + 4.0 * self._variation))

    def after(self, tries: int) -> float:
        """Seconds to wait for an acknowledgement after this many tries."""
        return min(LONGEST_TIMEOUT, float(self.timeout * 2.0 ** (min(tries, 32) - 1)))


class Subject(NamedTuple):
    """Kind, iteration and step of a message, for errors."""

    kind: Kind
    iteration: int
    step: int


class Pending:
    """A message that is not acknowledged yet."""

    __slots__ = ("first_sent", "frames", "resend_at", "sequence", "subject", "tries")

    def __init__(self, sequence: int, frames: Sequence[Frame], subject: Subject, now: float) -> None:
        self.sequence, self.frames, self.subject = sequence, frames, subject
        self.tries = 0
        self.first_sent = self.resend_at = now


class Outbox:
    """The sending end of one link."""

    def __init__(self) -> None:
        self.round_trip = RoundTrip()
        self.pending: dict[int, Pending] = {}
        self._next = 0

    @property
    def full(self) -> bool:
        """Whether the oldest unacknowledged message is a whole window behind."""
        return bool(self.pending) and self._next - next(iter(self.pending)) >= WINDOW

    def add(self, frames: Sequence[Frame], subject: Subject, now: float) -> Pending:
        """Number a new message; the caller sends it and calls :meth:`mark_sent`."""
        item = self.pending[self._next] = Pending(self._next, frames, subject, now)
        self._next += 1
        return item

    def mark_sent(self, item: Pending, now: float, departure: float) -> None:
        """The message was transmitted at ``now`` and leaves the sender ``departure`` seconds later."""
        item.tries += 1
        item.resend_at = now + departure + self.round_trip.after(item.tries)

    def mark_acknowledged(self, below: int, bits: int) -> None:
        """The receiver has everything below a number, and ``below + 1 + i`` for every set bit i."""
        for sequence in list(self.pending):
            ahead = sequence - below - 1
            if sequence < below or (0 <= ahead < 64 and bits >> ahead & 1):
                del self.pending[sequence]
            elif ahead >= 64:
                return

    @property
    def oldest(self) -> int:
        """The first number that the receiver may still expect."""
        return next(iter(self.pending), self._next)

    def excuse(self, now: float) -> None:
        """Do not count time in which nobody looked at the timers: this node computed, or was stopped, and its peers are not to blame."""
        for item in self.pending.values():
            late = now - item.resend_at
            if late > LONGEST_TIMEOUT:
                item.first_sent += late
                item.resend_at = now

    def give_up(self, before: float) -> int:
        """Drop messages that were first sent before a time, and the oldest one of a full window; returns how many."""
        count = 0
        while self.pending and (self.full or next(iter(self.pending.values())).first_sent < before):
            del self.pending[next(iter(self.pending))]
            count += 1
        return count

    def due(self, now: float) -> list[Pending]:
        """The messages to retransmit now, in order."""
        return [item for item in self.pending.values() if item.resend_at <= now]

    def next_due(self) -> float | None:
        """Time of the next retransmission; None while all is acknowledged."""
        return min((item.resend_at for item in self.pending.values()), default=None)


class Intake(Generic[T]):
    """The receiving end of one link; T is the type of a message.

    Args:
        incarnation: of the sender; its sequence numbers begin at 0.
    """

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self._expected = 0
        self._early: dict[int, T] = {}
        self._received: dict[int, None] = {}
        self._forgotten = -1

    def take(self, sequence: int, item: T) -> list[T] | None:
        """Take an ordered message; gives what can be delivered now, in order; None for a duplicate or a number too far ahead."""
        ahead = sequence - self._expected
        if ahead < 0 or ahead >= WINDOW or sequence in self._early:
            return None
        self._early[sequence] = item
        return self._in_order()

    def skip(self, oldest: int) -> list[T]:
        """Expect nothing below a number any more; gives the messages that can be delivered now, in order."""
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
        """Take a best-effort message, with its separate number; returns whether it is new."""
        if sequence <= self._forgotten or sequence in self._received:
            return False
        self._received[sequence] = None
        if len(self._received) > _MEMORY:
            # Older numbers count as duplicates from now on.
            oldest = min(self._received)
            del self._received[oldest]
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
