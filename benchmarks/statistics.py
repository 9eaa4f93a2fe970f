"""Paired measurements: A B A B ..., the ratio of each pair, its median and a bootstrap interval."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Paired(NamedTuple):
    """Medians of two alternating measurements and the ratio of the pairs, with its 95 % bootstrap interval."""

    first: float
    second: float
    ratio: float
    low: float
    high: float

    def text(self) -> str:
        """The ratio as ``0.81 [0.78, 0.84]``."""
        return f"{self.ratio:.2f} [{self.low:.2f}, {self.high:.2f}]"


def summarise(pairs: list[tuple[float, float]]) -> Paired:
    """Median ratio of the pairs with a percentile bootstrap interval."""
    values = np.array(pairs)
    ratios = values[:, 0] / values[:, 1]
    draws = np.random.default_rng(0).integers(0, len(ratios), (2000, len(ratios)))
    low, high = np.percentile(np.median(ratios[draws], axis=1), [2.5, 97.5])
    return Paired(float(np.median(values[:, 0])), float(np.median(values[:, 1])), float(np.median(ratios)), float(low), float(high))


def alternate(first: Callable[[], float], second: Callable[[], float], rounds: int) -> Paired:
    """Measure two things in turn, after one uncounted round."""
    first(), second()
    return summarise([(first(), second()) for _ in range(rounds)])
