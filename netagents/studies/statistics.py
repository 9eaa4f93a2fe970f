"""Honest statistics of a handful of seeds: interquartile means, bootstrap intervals, and the knee of a curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

FloatArray = NDArray[np.float64]
DRAWS = 2000


class Interval(NamedTuple):
    """A value and its 95 % percentile-bootstrap interval; both edges are NaN for fewer than two samples."""

    value: float
    low: float
    high: float


def interquartile_mean(samples: FloatArray) -> FloatArray:
    """Mean of the middle half along the last axis; a sample that straddles a quartile counts in part, so that no seed is lost.

    Args:
        samples: ``(..., k)`` with k >= 1.
    """
    ordered = np.sort(samples, axis=-1)
    k = ordered.shape[-1]
    # Sample j covers the ranks [j, j + 1) / k; its weight is what of that lies between 1/4 and 3/4.
    edges = np.arange(k + 1) / k
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0.0, None)
    return np.asarray((ordered * weights).sum(axis=-1) / weights.sum())


def summarise(samples: Sequence[float] | FloatArray, statistic: Callable[[FloatArray], FloatArray] = interquartile_mean) -> Interval:
    """The interquartile mean of the samples that are numbers, with its 95 % bootstrap interval over them."""
    values = np.asarray(samples, dtype=np.float64)
    values = values[~np.isnan(values)]
    if values.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    centre = float(statistic(values))
    if values.size == 1:
        return Interval(centre, float("nan"), float("nan"))
    draws = stream(0, ENVIRONMENT_OWNER, Purpose.STATISTICS, values.size).integers(0, values.size, (DRAWS, values.size))
    low, high = np.percentile(statistic(values[draws]), [2.5, 97.5])
    return Interval(centre, float(low), float(high))


def probability_of_improvement(first: FloatArray, second: FloatArray) -> float:
    """How often a run of ``first`` is better than one of ``second``, ties counting half."""
    difference = np.asarray(first)[:, None] - np.asarray(second)[None, :]
    return float(((difference > 0.0) + 0.5 * (difference == 0.0)).mean())


def knee(gains: Sequence[Interval], floor: float) -> int:
    """The smallest position that no later one beats by more than ``floor`` and by more than chance.

    A later position beats an earlier one when it is higher by more than ``floor`` and their intervals do not overlap; without
    intervals (one seed) the difference alone decides.

    Args:
        gains: what each radius brings, in ascending order of cost.
        floor: a difference that nobody cares about.
    """
    for position, here in enumerate(gains):
        if np.isnan(here.value):
            continue
        if not any(_beats(later, here, floor) for later in gains[position + 1 :]):
            return position
    return 0


def _beats(later: Interval, here: Interval, floor: float) -> bool:
    if not later.value - here.value > floor:
        return False
    return not (later.low <= here.high)


class PowerLaw(NamedTuple):
    """y ~ c x^exponent, with the 95 % interval of the exponent (NaN where two points leave no freedom)."""

    exponent: float
    low: float
    high: float


def fit_power_law(x: Sequence[float] | FloatArray, y: Sequence[float] | FloatArray) -> PowerLaw:
    """Least squares on logarithms; the interval is Student's."""
    from scipy import stats

    along, up = np.log(np.asarray(x, dtype=np.float64)), np.log(np.asarray(y, dtype=np.float64))
    fine = np.isfinite(along) & np.isfinite(up)
    along, up = along[fine], up[fine]
    if len(along) < 2 or float(np.ptp(along)) == 0.0:
        return PowerLaw(float("nan"), float("nan"), float("nan"))
    centred = along - along.mean()
    slope = float(centred @ up / (centred @ centred))
    if len(along) < 3:
        return PowerLaw(slope, float("nan"), float("nan"))
    residuals = up - up.mean() - slope * centred
    error = float(np.sqrt((residuals @ residuals) / (len(along) - 2) / (centred @ centred)))
    width = float(stats.t.ppf(0.975, len(along) - 2)) * error
    return PowerLaw(slope, slope - width, slope + width)
