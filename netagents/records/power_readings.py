"""The power readings of a run as matrices: one array of all iterations, an average over some, and the entries that are held.

A reading is an (r, 5) float64 array of one iteration: j, i, power of j over i, share of known entries, age.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError
from netagents.power import PowerMatrix

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


def mean_reading(readings: Sequence[FloatArray], n: int) -> FloatArray:
    """One reading for several: each entry averaged over those in which it was known, its known share over all of them.

    Pairs that were never known are left out; a single reading is given back as it is.
    """
    if len(readings) == 1:
        return readings[0]
    values, known, age = (np.zeros((n, n)) for _ in range(3))
    counted = np.zeros((n, n), dtype=np.int64)
    for reading in readings:
        holders, over = reading[:, 0].astype(np.int64), reading[:, 1].astype(np.int64)
        known[holders, over] += reading[:, 3]
        fine = np.isfinite(reading[:, 2])
        holders, over = holders[fine], over[fine]
        values[holders, over] += reading[fine, 2]
        age[holders, over] += reading[fine, 4]
        counted[holders, over] += 1
    holders, over = np.nonzero(counted)
    seen = counted[holders, over]
    mean = [holders, over, values[holders, over] / seen, known[holders, over] / len(readings), age[holders, over] / seen]
    return np.column_stack(mean).astype(np.float64)


def held_entries(matrix: PowerMatrix) -> FloatArray:
    """The entries over which concentration is taken, NaN elsewhere: reliable ones, of pairs that can influence each other.

    What is measured between pairs that cannot is noise, and power that an agent cannot have is not power that it holds.
    """
    return np.where(matrix.reliable & ~matrix.impossible, matrix.values, np.nan)
