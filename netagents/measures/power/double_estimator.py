"""Double estimator of power: two critics whose errors are independent, one of which chooses the worst action and the other values it.

The minimum over a noisy critic's values lies too low, and power too high: by about 1.27 standard deviations of the noise with six actions
that are all alike.  Here one critic of a pair chooses the action and the other values it and the action that was played; then they
change places, and the two readings are averaged (double estimator, van Hasselt 2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
PAIR = 2


def double_readings(played: FloatArray, alternatives: FloatArray) -> FloatArray:
    """Power from two critics whose errors are independent, by each of the two that values.

    Args:
        played: (2, M) values of what was played, by each critic.
        alternatives: (2, A, M) values of every action of j, the others as played.

    Returns:
        (2, M) value of what was played less value of the action that the other critic chose.
    """
    power = np.empty_like(played)
    for chooser in range(PAIR):
        valuer = 1 - chooser
        worst = alternatives[chooser].argmin(axis=0)
        power[chooser] = played[valuer] - np.take_along_axis(alternatives[valuer], worst[None], axis=0)[0]
    return power


def double_estimate(played: FloatArray, alternatives: FloatArray) -> FloatArray:
    """(M,) the mean of both readings; shapes as there."""
    first, second = double_readings(played, alternatives)
    estimate: FloatArray = (first + second) / PAIR
    return estimate


def single_estimate(played: FloatArray, alternatives: FloatArray) -> FloatArray:
    """Power from the pair's mean as if it were one critic: the reading with the bias, to be set beside the other; shapes as there."""
    estimate: FloatArray = played.mean(axis=0) - alternatives.mean(axis=0).min(axis=0)
    return estimate


def shrunk(readings: FloatArray, visits: FloatArray) -> FloatArray:
    """Many readings of power as one table from which something is learned: what is noise is drawn to the common mean (empirical Bayes).

    Whoever climbs a table climbs its noise.  With m the mean of all entries, tau^2 the variance of their true values around it and
    s^2 / visits that of an entry's error, an entry becomes m + tau^2 / (tau^2 + s^2 / visits) (entry - m), and at least 0: where nothing
    but noise is seen all entries are alike.

    Args:
        readings: (2, M) of two critics whose errors are independent; NaN where unknown.
        visits: (M,) behind each.

    Returns:
        (M,) NaN where unknown.
    """
    entries = readings.mean(axis=0)
    known = np.isfinite(entries) & (visits > 0.0)
    if not known.any():
        return np.full(entries.shape, np.nan)
    weights, estimates = visits[known], entries[known]
    share = weights / weights.sum()
    mean = float(share @ estimates)
    # Half the difference of the two readings has the variance of their mean's error.
    noise = float((weights * (0.5 * (readings[0, known] - readings[1, known])) ** 2).mean())
    errors = noise / weights
    between = max(float(share @ (estimates - mean) ** 2) - float(share @ errors), 0.0)
    shrinkage = np.divide(between, between + errors, out=np.zeros_like(estimates), where=between + errors > 0.0)
    result = np.full(entries.shape, np.nan)
    result[known] = np.maximum(mean + shrinkage * (estimates - mean), 0.0)
    return result
