"""Honest statistics of a few numbers: bootstrap intervals, the same for the same data."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

FloatArray = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95
_AT_ONCE = 4_000_000
"""Largest number of resampled values that are held at once."""


class Interval(NamedTuple):
    """A mean and its percentile-bootstrap interval of level 95 %; NaN edges where there is only one value."""

    mean: float
    low: float
    high: float

    def text(self, digits: int = 2) -> str:
        """As people write it: ``23.53 [23.41, 23.64]``."""
        if not np.isfinite(self.low):
            return f"{self.mean:.{digits}f}"
        return f"{self.mean:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def bootstrap_interval(values: FloatArray, seed: int = 0) -> Interval:
    """The mean of ``values`` (N,) with the interval of :func:`bootstrap_intervals`."""
    mean, low, high = bootstrap_intervals(np.asarray(values, dtype=np.float64).reshape(-1, 1), seed)
    return Interval(float(mean[0]), float(low[0]), float(high[0]))


def bootstrap_intervals(values: FloatArray, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means of the columns of ``values`` (N, m) with percentile-bootstrap intervals (Efron 1979) over the N rows.

    Rows are drawn whole, so that columns that belong together stay together.

    Args:
        values: at least one row.
        seed: of the resampling; the same data and seed give the same interval.

    Returns:
        (m,) means, lower and upper edges.
    """
    count, columns = values.shape
    mean = values.mean(axis=0)
    if count < 2:
        unknown = np.full(columns, np.nan)
        return mean, unknown, unknown.copy()
    generator = stream(seed, ENVIRONMENT_OWNER, Purpose.STATISTICS, 0)
    at_once = max(1, _AT_ONCE // (count * columns))
    means = np.empty((RESAMPLES, columns))
    for first in range(0, RESAMPLES, at_once):
        drawn = generator.integers(0, count, size=(min(at_once, RESAMPLES - first), count))
        means[first : first + len(drawn)] = values[drawn].mean(axis=1)
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail], axis=0)
    return mean, low, high
