"""How power moved: who held which share of it in each iteration, and the power matrix in windows of the run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from netagents.power import PowerMatrix
from netagents.records import Run

FloatArray = NDArray[np.float64]

WINDOWS = 6
"""Windows into which a run is divided."""


@dataclass(frozen=True)
class Window:
    """The power matrix averaged over iterations ``first`` to ``last``, both included."""

    first: int
    last: int
    matrix: PowerMatrix

    @property
    def title(self) -> str:
        """The iterations, as a caption says them."""
        return f"iteration {self.first}" if self.first == self.last else f"iterations {self.first}-{self.last}"


@dataclass(frozen=True)
class PowerHistory:
    """Power over a whole run.

    Attributes:
        shares: (K, n) share of all held power that each agent holds, over the entries that count; NaN where none does.
        windows: the matrix in up to :data:`WINDOWS` windows of equal length, then averaged over the last iterations asked for.
    """

    shares: FloatArray
    windows: tuple[Window, ...]


def power_history(run: Run, last: int) -> PowerHistory:
    """Read every power reading once.

    Args:
        run: with at least one recorded iteration.
        last: how many of the last iterations make the last window.
    """
    iterations = run.iterations
    count, n = len(iterations), run.n
    last = min(last, count)
    edges = np.unique(np.linspace(0, count, min(WINDOWS, count) + 1).astype(np.int64))
    spans = [(int(a), int(b)) for a, b in pairwise(edges)]
    means = [_Mean(n) for _ in (*spans, None)]
    shares = np.full((count, n), np.nan)
    counts = _counting(run)
    for position, reading in enumerate(run.each_power_reading()):
        if position >= count:
            break
        holders, over = reading[:, 0].astype(np.int64), reading[:, 1].astype(np.int64)
        fine = np.isfinite(reading[:, 2]) & counts[holders, over]
        held = np.bincount(holders[fine], weights=reading[fine, 2], minlength=n)
        if fine.any() and held.sum() > 0.0:
            shares[position] = held / held.sum()
        means[int(np.searchsorted(edges, position, side="right")) - 1].add(holders, over, reading)
        if position >= count - last:
            means[-1].add(holders, over, reading)
    spans.append((count - last, count))
    if len(spans) > 1 and spans[-2] == spans[-1]:
        # The last of the equal windows is the one asked for.
        del spans[-2], means[-2]
    windows = tuple(
        Window(int(iterations[first]), int(iterations[end - 1]), run.matrix_of(mean.reading()))
        for (first, end), mean in zip(spans, means, strict=True)
    )
    return PowerHistory(shares, windows)


def _counting(run: Run) -> NDArray[np.bool_]:
    """(n, n) pairs whose power counts wherever it is known: near enough, and able to influence."""
    distances, trusted, impossible = run.power_facts
    counting: NDArray[np.bool_] = (distances <= np.array(trusted)[None, :]) & ~impossible
    return counting


class _Mean:
    """Mean of power readings: each entry over the iterations in which it was known."""

    def __init__(self, n: int) -> None:
        self._sums = np.zeros((3, n, n))
        self._counted = np.zeros((n, n), dtype=np.int64)
        self._read = np.zeros((n, n), dtype=np.bool_)
        self._added = 0

    def add(self, holders: NDArray[np.int64], over: NDArray[np.int64], reading: FloatArray) -> None:
        self._added += 1
        self._read[holders, over] = True
        self._sums[1, holders, over] += reading[:, 3]
        fine = np.isfinite(reading[:, 2])
        holders, over = holders[fine], over[fine]
        self._sums[0, holders, over] += reading[fine, 2]
        self._sums[2, holders, over] += reading[fine, 4]
        self._counted[holders, over] += 1

    def reading(self) -> FloatArray:
        holders, over = np.nonzero(self._read)
        counted = self._counted[holders, over].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            values, age = self._sums[0, holders, over] / counted, self._sums[2, holders, over] / counted
        known = self._sums[1, holders, over] / max(self._added, 1)
        return np.column_stack([holders, over, values, known, age]).astype(np.float64)
