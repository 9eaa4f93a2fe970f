"""Paired measurements: A B A B ..., the ratio of each pair, its median and the interval of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from netagents.intervals import Interval, median_interval


class Paired(NamedTuple):
    """Medians of two alternating measurements, and the median ratio of the pairs with its interval of order statistics."""

    first: float
    second: float
    ratio: Interval

    def text(self) -> str:
        """The ratio as ``0.81 [0.78, 0.84]``."""
        return self.ratio.text(count=False)


def summarise(pairs: list[tuple[float, float]]) -> Paired:
    """Median ratio of the pairs."""
    values = np.array(pairs)
    return Paired(float(np.median(values[:, 0])), float(np.median(values[:, 1])), median_interval(values[:, 0] / values[:, 1]))


def alternate(first: Callable[[], float], second: Callable[[], float], rounds: int) -> Paired:
    """Measure two things in turn, after one uncounted round."""
    first(), second()
    return summarise([(first(), second()) for _ in range(rounds)])
