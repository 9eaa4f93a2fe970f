"""How power moved: who held which share of it in each iteration, and the power matrix in windows of the run."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from netagents.measures.power import PowerMatrix, concentration
from netagents.records import Run
from netagents.records.power_readings import ReadingMean

FloatArray = NDArray[np.float64]

WINDOWS = 6
"""Windows into which a run is divided."""


@dataclass(frozen=True)
class PowerWindow:
    """The power matrix averaged over iterations ``first`` to ``last``, both included.

    Attributes:
        name: of a matrix that is no average over iterations; empty otherwise.
    """

    first: int
    last: int
    matrix: PowerMatrix
    name: str = ""

    @property
    def title(self) -> str:
        """The iterations, as a caption says them."""
        return self.name or (f"iteration {self.first}" if self.first == self.last else f"iterations {self.first}-{self.last}")


@dataclass(frozen=True)
class PowerHistory:
    """Power over a whole run.

    Attributes:
        shares: (K, n) share of all held power that each agent holds, over the entries that count; NaN where it is not known.
        windows: the matrix in up to :data:`WINDOWS` windows of equal length, then averaged over the last iterations asked for.
    """

    shares: FloatArray
    windows: tuple[PowerWindow, ...]


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
    means = [ReadingMean(n) for _ in (*spans, None)]
    shares = np.full((count, n), np.nan)
    for position, reading in enumerate(run.each_power_reading()):
        if position >= count:
            break
        concentration_of_run = concentration(run.matrix_of(reading))
        if concentration_of_run.top_holder >= 0:
            shares[position] = concentration_of_run.held / concentration_of_run.held.sum()
        means[int(np.searchsorted(edges, position, side="right")) - 1].add(reading)
        if position >= count - last:
            means[-1].add(reading)
    spans.append((count - last, count))
    if len(spans) > 1 and spans[-2] == spans[-1]:
        # The last of the equal windows is the one asked for.
        del spans[-2], means[-2]
    windows = tuple(
        PowerWindow(int(iterations[first]), int(iterations[end - 1]), run.matrix_of(mean.reading()))
        for (first, end), mean in zip(spans, means, strict=True)
    )
    return PowerHistory(shares, windows)
