"""Model of a bad link: the fate of each transmission, from counter-based draws, without clock or I/O.

The terms are those of network emulators (loss, delay, jitter, duplication, reordering, a token bucket for the bandwidth).  The fate of the
k-th transmission of a directed link is a function of (seed, sender, receiver, k) alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.link_fault_settings import FaultSettings, LinkFault, PartitionFault, acts_in
from netagents.messages import ENVIRONMENT, MONITOR
from netagents.randomness import Purpose, stream

_BLOCK = 256
_LOSS, _JITTER, _DUPLICATE, _REORDER, _JITTER_OF_COPY = range(5)


class Transmission(NamedTuple):
    """The fate of one transmission.

    Attributes:
        departure: seconds until the bandwidth allows it to leave.
        arrivals: seconds from now until each copy arrives; empty if it is lost.
        cut: it is lost because of a partition.
    """

    departure: float
    arrivals: tuple[float, ...]
    cut: bool = False


class TokenBucket:
    """``rate`` bytes per second on average and ``burst`` at once; a transmission that finds too few tokens waits for them."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0

    def take(self, size: int, now: float) -> float:
        """Seconds until ``size`` bytes may leave."""
        self._tokens = min(self._burst, self._tokens + self._rate * max(0.0, now - self._at)) - size
        self._at = max(now, self._at)
        return max(0.0, -self._tokens / self._rate)


class LinkModel:
    """One directed link.

    Args:
        faults: of the experiment, by their number; those for other links are ignored.
        sender, receiver: node indices, -1 for the environment server.
        seed: of the run.
    """

    def __init__(self, faults: Mapping[int, FaultSettings], sender: int, receiver: int, seed: int) -> None:
        self.sender, self.receiver = sender, receiver
        self._seed = seed
        self._models = [fault for fault in faults.values() if isinstance(fault, LinkFault) and fault.applies_to(sender, receiver)]
        self._buckets = [None if model.bandwidth is None else TokenBucket(model.bandwidth, model.burst) for model in self._models]
        self._partitions = {
            number: fault for number, fault in faults.items() if isinstance(fault, PartitionFault) and separates(fault, sender, receiver)
        }
        self._cut_since: dict[int, float] = {}
        self._draws: NDArray[np.float64] = np.zeros((0, 0, 5))
        self._count = 0

    @property
    def ideal(self) -> bool:
        """Whether no fault applies to this link."""
        return not self._models and not self._partitions

    def transmit(self, size: int, iteration: int, now: float) -> Transmission:
        """The fate of the next transmission.

        Args:
            size: bytes.
            iteration: the sender's present one.
            now: seconds on any one monotonic clock.
        """
        draws = self._next_draws()
        if self.cut_by(iteration, now) is not None:
            return Transmission(0.0, (), cut=True)
        departure, delay, delay_of_copy, lost, doubled = 0.0, 0.0, 0.0, False, False
        for model, bucket, chance in zip(self._models, self._buckets, draws, strict=True):
            if not acts_in(model, iteration):
                continue
            if bucket is not None:
                departure = max(departure, bucket.take(size, now))
            lost = lost or chance[_LOSS] < model.loss
            doubled = doubled or chance[_DUPLICATE] < model.duplicate
            if chance[_REORDER] >= model.reorder:
                delay += model.delay + model.jitter * (2.0 * chance[_JITTER] - 1.0)
            delay_of_copy += model.delay + model.jitter * (2.0 * chance[_JITTER_OF_COPY] - 1.0)
        if lost:
            return Transmission(departure, ())
        return Transmission(departure, (departure + delay, departure + delay_of_copy) if doubled else (departure + delay,))

    def cut_by(self, iteration: int, now: float) -> int | None:
        """The number of the partition that cuts the link now; None if none does."""
        for number, partition in self._partitions.items():
            if not acts_in(partition, iteration):
                continue
            start = self._cut_since.setdefault(number, now)
            if partition.seconds is None or now - start < partition.seconds:
                return number
        return None

    def _next_draws(self) -> Sequence[Sequence[float]]:
        block, index = divmod(self._count, _BLOCK)
        self._count += 1
        if index == 0 and self._models:
            # Sender and receiver are part of the key and of the counter, so that links draw independently.
            counter = (self.receiver + 2) << 32 | block
            generator = stream(self._seed, self.sender, Purpose.LINKS, counter)
            self._draws = generator.random((_BLOCK, len(self._models), 5))
        return self._draws[index].tolist() if self._models else ()


def link_faults(faults: Sequence[FaultSettings]) -> dict[int, FaultSettings]:
    """The faults that are models of links, by their number in the experiment."""
    return {number: fault for number, fault in enumerate(faults) if isinstance(fault, LinkFault | PartitionFault)}


def separates(partition: PartitionFault, first: int, second: int) -> bool:
    """Whether two nodes are on different sides."""
    sides = {agent: number for number, group in enumerate(partition.groups) for agent in group}
    if MONITOR in (first, second):
        return False
    if ENVIRONMENT in (first, second):
        agent = second if first == ENVIRONMENT else first
        return partition.server == "none" or (isinstance(partition.server, int) and sides.get(agent) != partition.server)
    return sides.get(first) != sides.get(second)
