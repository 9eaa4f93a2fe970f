"""Axes of charts: scales from values to pixels, round tick values, ranges with a margin, and labels moved apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Scale(NamedTuple):
    """A scale from values to pixels.

    Attributes:
        low, high: values at its ends; positive where it is logarithmic.
        begin, end: pixels at its ends.
        logarithmic: equal ratios have equal lengths.
    """

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    def place(self, values: FloatArray | float) -> FloatArray:
        """Pixels of values; NaN for what a logarithmic scale cannot show."""
        low, high, at = self.low, self.high, np.asarray(values, dtype=np.float64)
        if self.logarithmic:
            low, high = math.log10(low), math.log10(high)
            at = np.log10(np.where(at > 0.0, at, np.nan))
        return self.begin + (at - low) / ((high - low) or 1.0) * (self.end - self.begin)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values along it."""
        return decades(self.low, self.high, most) if self.logarithmic else ticks(self.low, self.high, most)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round values between ``low`` and ``high``, at most ``most``."""
    width = high - low
    if width <= 0.0 or not math.isfinite(width):
        return [low]
    magnitude = 10.0 ** math.floor(math.log10(width / most))
    step = next(magnitude * factor for factor in (1, 2, 5, 10, 20) if width / (magnitude * factor) <= most)
    first = math.ceil(low / step - 1e-9)
    return [round(at * step, 12) for at in range(first, math.floor(high / step + 1e-9) + 1)]


def decades(low: float, high: float, most: int = 6) -> list[float]:
    """Powers of ten between two positive values, at most ``most``; with 2 and 5 times them where there would be fewer than three."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = max(1, math.ceil((last - first + 1) / most))

    def inside(factors: Sequence[float], step: int) -> list[float]:
        values = [factor * 10.0**power for power in range(first, last + 1, step) for factor in factors]
        return [value for value in values if low * 0.999 <= value <= high * 1.001]

    ticks = inside((1.0,), every)
    return ticks if len(ticks) >= 3 else inside((1.0, 2.0, 5.0), 1)[: 2 * most]


def value_range(arrays: Iterable[FloatArray], *, logarithmic: bool = False) -> tuple[float, float]:
    """The range that shows all finite values, with a margin; positive where it is logarithmic."""
    values = np.concatenate([np.zeros(0), *(np.asarray(array, dtype=np.float64).ravel() for array in arrays)])
    values = values[np.isfinite(values) & ((values > 0.0) if logarithmic else True)]
    if logarithmic:
        low, high = (float(values.min()), float(values.max())) if values.size else (0.1, 1.0)
        margin = max((high / low) ** 0.05, 1.15)
        return low / margin, high * margin
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 0.5
    # A quantity that is never negative is not drawn as if it could be.
    return (max(0.0, low - margin) if low >= 0.0 else low - margin), high + margin


def apart(places: Sequence[float], needed: float) -> list[float]:
    """Ascending places, moved as little as needed so that neighbours are ``needed`` apart."""
    moved = list(places)
    for _ in range(100):
        touching = False
        for at in range(len(moved) - 1):
            overlap = needed - (moved[at + 1] - moved[at])
            if overlap > 1e-9:
                moved[at] -= overlap / 2
                moved[at + 1] += overlap / 2
                touching = True
        if not touching:
            break
    return moved


def within(places: Sequence[float], needed: float, low: float, high: float) -> list[float]:
    """Ascending places, ``needed`` apart, and as far as there is room between ``low`` and ``high``."""
    moved = apart(places, needed)
    beyond = max(0.0, moved[-1] - high) if moved else 0.0
    return [max(low + needed * at, place - beyond) for at, place in enumerate(moved)]
