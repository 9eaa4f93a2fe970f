"""Running mean and deviation of numbers without usable bounds, by which networks read them at unit scale.

Within an iteration the statistics stand still, so that a policy is trained on the very features that it acted on; what was read
meanwhile is merged when the iteration ends.  Only the first batch of all counts at once, because nothing would be known without it.
Means and sums of squares are merged pairwise (Chan, Golub and LeVeque 1983), in the order of reading, and so with the same bits under
every launcher.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

LARGEST_FEATURE = 10.0
"""Deviations from the mean beyond which a feature is clipped: values of another size than any before must not swamp a network."""

_LARGEST_VALUE = 1e100  # squares of larger ones would overflow
_RELATIVE_FLOOR = 1e-6
_FLOOR = 1e-12


class ObservedScale:
    """Statistics of m columns of the features of one network.

    Args:
        columns: for each number its column among the features, and the column of the mark that says whether it is there, or -1.
    """

    def __init__(self, columns: Sequence[tuple[int, int]]) -> None:
        self._columns = np.array([column for column, _ in columns], dtype=np.int64)
        marks = np.array([mark for _, mark in columns], dtype=np.int64)
        self._marks = marks if (marks >= 0).any() else None
        # Rows: count, mean, sum of squared deviations.
        self._settled: FloatArray = np.zeros((3, len(columns)))
        self._pending: FloatArray = np.zeros((3, len(columns)))

    def normalise(self, features: FloatArray) -> None:
        """Count the numbers of a batch of features ``(N, F)``, and bring them to mean 0 and deviation 1 in place.

        A number that is not there stays 0, and is not counted.
        """
        numbers = np.clip(features[:, self._columns], -_LARGEST_VALUE, _LARGEST_VALUE)
        there = self._there(features)
        batch = _statistics(numbers, there)
        fresh = self._settled[0] == 0.0
        if fresh.any():
            self._settled = np.where(fresh, batch, self._settled)
            batch = np.where(fresh, 0.0, batch)
        self._pending = _merged(self._pending, batch)
        features[:, self._columns] = self._scaled(numbers, there)

    def apply(self, features: FloatArray) -> None:
        """The same without counting, for features that were counted when they were first read."""
        numbers = np.clip(features[:, self._columns], -_LARGEST_VALUE, _LARGEST_VALUE)
        features[:, self._columns] = self._scaled(numbers, self._there(features))

    def _scaled(self, numbers: FloatArray, there: NDArray[np.bool_] | None) -> FloatArray:
        count, mean, squares = self._settled
        deviation = np.maximum(np.sqrt(squares / np.maximum(count, 1.0)), _RELATIVE_FLOOR * np.abs(mean) + _FLOOR)
        scaled: FloatArray = np.clip((numbers - mean) / deviation, -LARGEST_FEATURE, LARGEST_FEATURE)
        return scaled if there is None else scaled * there

    def _there(self, features: FloatArray) -> NDArray[np.bool_] | None:
        return None if self._marks is None else np.where(self._marks >= 0, features[:, self._marks] != 0.0, True)

    def settle(self) -> None:
        """The iteration has ended: what was counted since the last call takes effect."""
        self._settled = _merged(self._settled, self._pending)
        self._pending = np.zeros_like(self._pending)

    def array(self) -> FloatArray:
        """(3, m): count, mean and sum of squared deviations of each number."""
        return self._settled.copy()

    def restore(self, array: FloatArray) -> None:
        """Take over what :meth:`array` gave; what was counted since is forgotten.

        Raises:
            ValueError: it is of another shape.
        """
        if array.shape != self._settled.shape:
            raise ValueError(f"statistics of shape {array.shape} for {self._settled.shape[1]} numbers")
        self._settled = np.array(array, dtype=np.float64)
        self._pending = np.zeros_like(self._settled)


def _statistics(numbers: FloatArray, there: NDArray[np.bool_] | None) -> FloatArray:
    """Count, mean and sum of squared deviations of each column, of the entries that are there."""
    whole = np.zeros((3, numbers.shape[1]))
    if there is None:
        whole[0] = len(numbers)
        whole[1] = numbers.mean(axis=0)
        whole[2] = ((numbers - whole[1]) ** 2).sum(axis=0)
        return whole
    whole[0] = there.sum(axis=0)
    whole[1] = np.where(there, numbers, 0.0).sum(axis=0) / np.maximum(whole[0], 1.0)
    whole[2] = (np.where(there, numbers - whole[1], 0.0) ** 2).sum(axis=0)
    return whole


def _merged(left: FloatArray, right: FloatArray) -> FloatArray:
    count = left[0] + right[0]
    share = right[0] / np.maximum(count, 1.0)
    gap = right[1] - left[1]
    return np.stack([count, left[1] + gap * share, left[2] + right[2] + gap * gap * left[0] * share])
