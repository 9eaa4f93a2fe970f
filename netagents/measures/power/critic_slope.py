"""The slope of returns on a critic's differences between an agent's actions: how much of their effect the critic tells.

For visits that the critic has not learned from let ``c`` be its value of what j did less its mean value over j's actions, everything
else being the same, and ``m`` that mean.  In ``return = a + slope * c + b * m + noise`` the slope is 1 where the critic is right about
j, above 1 where it tells too little and 0 where it tells nothing but noise; m takes up what the state decides.  The error is a
jackknife over parts of the data that share no copy of the environment.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netagents.measures.power.reading import FOLDS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

COLUMNS = 4
"""Of the regression's products: c, the constant, m, and the return."""
SMALLEST = 1e-9
"""Share of the variance of c that the constant and m must leave, for a slope to be told."""


class CriticSlopes:
    """Fading normal equations, one per member of a window and fold.

    Args:
        members: of the window.
        window: a visit loses 1/window of its weight with every iteration that passes.

    Attributes:
        sums: (members, folds, 4, 4) float64, products of the columns.
    """

    def __init__(self, members: int, window: int) -> None:
        self._fading = 1.0 - 1.0 / window
        self.sums: FloatArray = np.zeros((members, FOLDS, COLUMNS, COLUMNS))

    def fade(self) -> None:
        """Let one iteration pass."""
        self.sums *= self._fading

    def add(self, member: int, difference: FloatArray, mean: FloatArray, returns: FloatArray, fold: IntArray) -> None:
        """Take in M visits: (M,) c, (M,) m, (M,) returns and (M,) fold."""
        columns = np.stack([difference, np.ones_like(mean), mean, returns], axis=1)
        for each in range(FOLDS):
            rows = columns[fold == each]
            self.sums[member, each] += rows.T @ rows

    def of(self, member: int) -> tuple[float, float]:
        """The slope of one member and its standard error; NaN where there are too few visits or c does not vary."""
        whole = self.sums[member].sum(axis=0)
        slope = _slope(whole)
        without = np.array([_slope(whole - self.sums[member, each]) for each in range(FOLDS)])
        off = without - without.mean()
        return slope, float(np.sqrt((FOLDS - 1) / FOLDS * (off @ off)))


def _slope(products: FloatArray) -> float:
    """The coefficient of c, others partialled out."""
    inner, cross, right = products[1:3, 1:3], products[0, 1:3], products[1:3, 3]
    solved = np.linalg.pinv(inner, hermitian=True)
    residual = products[0, 0] - cross @ solved @ cross
    if residual <= SMALLEST * products[0, 0]:
        return float("nan")
    return float((products[0, 3] - cross @ solved @ right) / residual)
