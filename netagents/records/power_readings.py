"""The power readings of a run as matrices: one array of all iterations, and an average over some.

A reading is an (r, 7) float64 array of one iteration: j, i, power of j over i, its error, share of known visits, effective visits, age.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError

FloatArray = NDArray[np.float64]
LARGEST_POWER_BYTES = 2 << 30


def stacked_power(readings: Iterable[FloatArray], count: int, n: int, directory: Path) -> FloatArray:
    """(K, n, n) power of j (second axis) over i (third axis) in each reading, NaN where unknown or out of reach.

    Args:
        readings: K of them.
        count: K, known before the first is read.
        n: number of agents.
        directory: names the run in errors.

    Raises:
        CapacityError: it would take more than :data:`LARGEST_POWER_BYTES`.
    """
    if 8 * count * n * n > LARGEST_POWER_BYTES:
        raise CapacityError(
            f"the power of {count} iterations and {n} agents needs {8 * count * n * n / 2**30:.3g} GiB as one array",
            where=str(directory),
            fix="read one iteration after the other with each_power_reading()",
        )
    values = np.full((count, n, n), np.nan)
    for matrix, reading in zip(values, readings, strict=False):
        matrix[reading[:, 0].astype(np.int64), reading[:, 1].astype(np.int64)] = reading[:, 2]
    return values


class ReadingMean:
    """Mean of several readings: power, error and age over those in which an entry was known, known share and visits over all of them.

    Errors of readings that follow one another are of the same data and do not average out.

    Args:
        n: number of agents.
    """

    def __init__(self, n: int) -> None:
        self._power, self._error, self._known, self._visits, self._age = (np.zeros((n, n)) for _ in range(5))
        self._counted = np.zeros((n, n), dtype=np.int64)
        self._read = np.zeros((n, n), dtype=np.bool_)
        self._added = 0

    def add(self, reading: FloatArray) -> None:
        """Take in one reading."""
        self._added += 1
        holders, over = reading[:, 0].astype(np.int64), reading[:, 1].astype(np.int64)
        self._read[holders, over] = True
        self._known[holders, over] += reading[:, 4]
        self._visits[holders, over] += reading[:, 5]
        finite = np.isfinite(reading[:, 2])
        holders, over = holders[finite], over[finite]
        self._counted[holders, over] += 1
        for total, column in ((self._power, 2), (self._error, 3), (self._age, 6)):
            total[holders, over] += reading[finite, column]

    def reading(self) -> FloatArray:
        """The mean as one reading, with a row for each pair that was read at all."""
        holders, over = np.nonzero(self._read)
        counted = self._counted[holders, over].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            power, error, age = (total[holders, over] / counted for total in (self._power, self._error, self._age))
        known, visits = (total[holders, over] / max(self._added, 1) for total in (self._known, self._visits))
        return np.column_stack([holders, over, power, error, known, visits, age]).astype(np.float64)


def mean_reading(readings: Sequence[FloatArray], n: int) -> FloatArray:
    """One reading for several (:class:`ReadingMean`); a single reading is given back as it is."""
    if len(readings) == 1:
        return readings[0]
    mean = ReadingMean(n)
    for reading in readings:
        mean.add(reading)
    return mean.reading()
