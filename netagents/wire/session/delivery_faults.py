"""Delivery faults that an experiment injects: messages are delayed, dropped, swapped or repeated between codec and inbox.

Nothing here sleeps: the caller gives the time and asks for the messages that are due.  All draws are seeded.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np

from netagents.experiment.link_fault_settings import DelayFault, DropFault, FaultSettings, ReplayFault, SwapFault
from netagents.messages import Envelope, Kind
from netagents.randomness import Purpose, stream

Delivery = tuple[Envelope, str | None]
"""An envelope with the authenticated name of its sender."""


class FaultyFeed:
    """Delivery faults at one receiver.

    Args:
        faults: of the experiment; those for other receivers are ignored.
        receiver: node index.
        seed: of the run.  The delays of each link are a fixed sequence of (seed, receiver, sender).
    """

    def __init__(self, faults: Sequence[FaultSettings], receiver: int, seed: int) -> None:
        self._delays = [fault for fault in faults if isinstance(fault, DelayFault)]
        self._drops = [fault for fault in faults if isinstance(fault, DropFault) and fault.receiver == receiver]
        self._swaps = [fault for fault in faults if isinstance(fault, SwapFault) and fault.receiver == receiver]
        self._replays = [fault for fault in faults if isinstance(fault, ReplayFault) and fault.receiver == receiver]
        self._held: dict[SwapFault, Delivery] = {}
        self._receiver = receiver
        self._seed = seed
        self._streams: dict[int, np.random.Generator] = {}
        self._latest: dict[int, float] = {}
        self._queue: list[tuple[float, int, Delivery]] = []
        self._arrivals = 0

    def push(self, delivery: Delivery, now: float) -> None:
        """Take a message that arrived at ``now`` (seconds on any one clock)."""
        envelope = delivery[0]
        for drop in self._drops:
            if _matches(drop, envelope) and envelope.sender == drop.sender:
                self._drops.remove(drop)
                return
        for swap in self._swaps:
            if _matches(swap, envelope) and envelope.sender in swap.senders:
                other = self._held.get(swap)
                if other is None:
                    self._held[swap] = delivery
                    return
                if other[0].sender != envelope.sender:
                    self._swaps.remove(swap)
                    del self._held[swap]
                    self._schedule((other[0]._replace(message=envelope.message), other[1]), now)
                    self._schedule((envelope._replace(message=other[0].message), delivery[1]), now)
                    return
        self._schedule(delivery, now)
        for replay in self._replays:
            if _matches(replay, envelope) and envelope.sender == replay.sender:
                for _ in range(replay.times):
                    self._schedule(delivery, now)

    def due(self, now: float) -> list[Delivery]:
        """The messages to deliver now, each once, in order of arrival for each sender."""
        return list(self.each_due(now))

    def each_due(self, now: float) -> Iterator[Delivery]:
        """The same one by one; those that are not taken stay."""
        while self._queue and self._queue[0][0] <= now:
            yield heapq.heappop(self._queue)[2]

    def next_due(self) -> float | None:
        """When the next message has to be delivered; None when none waits."""
        return self._queue[0][0] if self._queue else None

    def _schedule(self, delivery: Delivery, now: float) -> None:
        sender = delivery[0].sender
        moment = now
        if self._delays:
            draws = self._streams.get(sender)
            if draws is None:
                # Owners begin at -1 and nodes at -2; the sender stands in the counter, so that links draw independently.
                draws = self._streams[sender] = stream(self._seed, self._receiver + 1, Purpose.FAULTS, sender + 2)
            moment += sum(draws.uniform(delay.low, delay.high) for delay in self._delays)
        moment = max(moment, self._latest.get(sender, moment))
        self._latest[sender] = moment
        self._arrivals += 1
        heapq.heappush(self._queue, (moment, self._arrivals, delivery))


def _matches(fault: DropFault | SwapFault | ReplayFault, envelope: Envelope) -> bool:
    return envelope.iteration == fault.iteration and envelope.step == fault.step and envelope.kind is Kind[fault.message.upper()]
