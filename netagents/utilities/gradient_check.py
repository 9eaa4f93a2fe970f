"""A check that a gradient is the gradient: finite differences of the value, for tests and for utilities of your own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from netagents.utilities.utility import FloatArray, Utility

_EPSILON = float(np.finfo(np.float64).eps)
_LONGEST = 0.01
"""Longest forward step, as a share of the occupancy's mass."""
_STEADY = 0.1
"""Largest change of the gradient along a forward step, in its natural unit."""


class _Slope(NamedTuple):
    """A finite difference, and how far it may be from the derivative."""

    value: float
    uncertainty: float


def gradient_error(utility: Utility, occupancy: FloatArray, step: float = 1e-3) -> float:
    """Largest difference between the gradient and finite differences of the value, on visited pairs.

    Pairs without mass are left out: an occupancy has no negative side there.  At each other pair the difference is taken over steps of
    many lengths, central ones while both sides are positive and, beyond, forward ones along which the gradient hardly changes; the one
    that can be trusted most counts.  What finite differences cannot see, because doubles have 16 digits, is no error: a value near 1
    says next to nothing about what an entry of 1e-15 adds to it.

    Args:
        occupancy: (|S|, |A|), with at least one positive entry.
        step: shortest half-width of a difference, relative to the entry it moves; must be below 1/4.

    Returns:
        The largest absolute difference beyond the uncertainty of its finite difference, relative to the largest |shadow reward| plus
        1 - gamma, its natural unit.
    """
    gradient = utility.gradient(occupancy)
    # What is added up to a value is about as large as this, whatever cancels in the sum.
    size = abs(utility.value(occupancy)) + float(np.abs(gradient * occupancy).sum())
    mass, unit = float(occupancy.sum()), float(np.abs(gradient).max()) + 1.0 - utility.discount
    worst = 0.0
    for s, a in np.argwhere(occupancy > 0.0):

        def moved(distance: float, s: int = s, a: int = a) -> FloatArray:
            shifted = occupancy.copy()
            shifted[s, a] += distance
            return shifted

        def value(distance: float, moved: Callable[[float], FloatArray] = moved) -> float:
            return utility.value(moved(distance))

        def steady(distance: float, s: int = s, a: int = a, moved: Callable[[float], FloatArray] = moved) -> bool:
            change = abs(float(utility.gradient(moved(distance))[s, a]) - float(gradient[s, a]))
            return change <= _STEADY * unit

        for slope in _most_certain(value, steady, float(occupancy[s, a]), mass, step, size):
            worst = max(worst, abs(slope.value - float(gradient[s, a])) - slope.uncertainty)
    return worst / unit


def _most_certain(
    value: Callable[[float], float], steady: Callable[[float], bool], entry: float, mass: float, step: float, size: float
) -> list[_Slope]:
    """Of finite differences over steps of growing length, the one that rounding and its length leave most certain; none if none can be."""
    slopes: list[_Slope] = []
    h = max(step * entry, _EPSILON * mass)
    while 4.0 * h < entry or (h <= _LONGEST * mass and steady(8.0 * h)):
        # The error of either formula falls with h^4, so twice the step shows more than what this step misses.
        formula, weights = (_central, 1.5) if 4.0 * h < entry else (_forward, 11.0)
        slope = formula(value, h)
        slopes.append(_Slope(slope, abs(slope - formula(value, 2.0 * h)) + 4.0 * weights * _EPSILON * size / h))
        h *= 4.0
    return sorted(slopes, key=lambda slope: slope.uncertainty)[:1]


def _central(value: Callable[[float], float], h: float) -> float:
    """Fourth order, from both sides."""
    return (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h)


def _forward(value: Callable[[float], float], h: float) -> float:
    """Fourth order, from above."""
    return (-25.0 * value(0.0) + 48.0 * value(h) - 36.0 * value(2.0 * h) + 16.0 * value(3.0 * h) - 3.0 * value(4.0 * h)) / (12.0 * h)
