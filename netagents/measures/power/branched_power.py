"""Power from branches: the loss by an agent's worst action, from rollouts that begin at the same states with the same random numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.intervals import Interval, standard_half_width
from netagents.measures.power.power_matrix import PowerMatrix

FloatArray = NDArray[np.float64]


class PowerAtVisits(NamedTuple):
    """Power of one holder over all agents at each visit, (V, n): the worst action chosen and valued by different rollouts, which
    underestimates, and by the same ones, which overestimates; the truth lies between."""

    low: FloatArray
    high: FloatArray


def power_at_visits(own: FloatArray, forced: FloatArray) -> PowerAtVisits:
    """Power of one holder at each visit.

    Args:
        own: (V, 2, n) discounted returns where it plays what it played, a mean for each half of the rollouts.
        forced: (S, V, 2, n) the same where it is forced to each of S actions or sequences; infinite where one is not legal.
    """
    low = np.zeros(own[:, 0].shape)
    for chooser in (0, 1):
        worst = forced[:, :, chooser].argmin(axis=0)[None]
        low += 0.5 * (own[:, 1 - chooser] - np.take_along_axis(forced[:, :, 1 - chooser], worst, axis=0)[0])
    return PowerAtVisits(low, own.mean(axis=1) - forced.mean(axis=2).min(axis=0))


@dataclass(frozen=True, kw_only=True)
class BranchedPower:
    """True power of each holder j (row) over each agent i (column), means over visits.

    Attributes:
        visits: (n,) of each holder; 0 for those that were not audited.
        low, high: (n, n) the worst action chosen and valued by different rollouts, and by the same ones; NaN on the diagonal and for
            holders that were not audited.
        error: (n, n) standard error of their middle over visits.
    """

    visits: NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    error: FloatArray

    @property
    def power(self) -> FloatArray:
        """(n, n) the middle of low and high; NaN on the diagonal and for holders that were not audited."""
        return 0.5 * (self.low + self.high)

    def interval(self, holder: int, sufferer: int) -> Interval:
        """Power of one agent over another with its 95 % interval: sampling error, widened by half the distance between low and high."""
        value, count = float(self.power[holder, sufferer]), int(self.visits[holder])
        deviation = float(self.error[holder, sufferer]) * count**0.5
        half = float(standard_half_width(deviation, count)) + 0.5 * float(self.high[holder, sufferer] - self.low[holder, sufferer])
        return Interval(value, value - half, value + half, count)

    def matrix(self, impossible: NDArray[np.bool_]) -> PowerMatrix:
        """The audit as a power matrix: every audited pair counts, whatever its distance, with half the length of its interval as its error.

        Args:
            impossible: (n, n) bool, j's action cannot reach i's reward.
        """
        known = np.isfinite(self.power)
        error = np.full_like(self.power, np.nan)
        for j, i in np.argwhere(known).tolist():
            interval = self.interval(j, i)
            error[j, i] = 0.5 * (interval.high - interval.low)
        visits = np.where(known, self.visits[:, None].astype(np.float64), 0.0)
        return PowerMatrix(
            self.power, error, known.astype(np.float64), visits, np.where(known, 0.0, np.nan), ~np.eye(len(known), dtype=np.bool_), known,
            impossible,
        )  # fmt: skip


def branched_power(visits: NDArray[np.int64], low: FloatArray, high: FloatArray, squares: FloatArray) -> BranchedPower:
    """Power from sums over visits.

    Args:
        visits: (n,) of each holder. low, high: (n, n) sums over its visits. squares: (n, n) sums of the squared middles of both.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        count = visits[:, None].astype(np.float64)
        low, high = low / count, high / count
        middle = 0.5 * (low + high)
        error = np.sqrt(np.maximum(squares / count - middle * middle, 0.0) / np.maximum(count - 1.0, 1.0))
    for each in (low, high, error):
        np.fill_diagonal(each, np.nan)
        each[visits == 0] = np.nan
    return BranchedPower(visits=visits, low=low, high=high, error=error)
