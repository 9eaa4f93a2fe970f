"""The squared distance to a target occupancy: imitation with a bounded, Lipschitz shadow reward."""

from __future__ import annotations

import numpy as np

from netagents.utilities.distribution import DistributionUtility
from netagents.utilities.marginal import Marginal
from netagents.utilities.utility import Curvature, FloatArray


class DistanceUtility(DistributionUtility):
    """f(lambda) = -weight * ||p - q||^2, Euclidean; at most 0, and 0 only at the target.

    Args:
        target: q, of the marginal's shape, summing to one.
        weight: positive.
    """

    def __init__(
        self,
        target: FloatArray,
        marginal: Marginal,
        discount: float,
        *,
        weight: float = 1.0,
        normalise: bool = True,
        where: str = "squared_distance",
    ) -> None:
        super().__init__(marginal, discount, weight, normalise, where)
        self.target = np.array(target, dtype=np.float64, order="C")

    @property
    def curvature(self) -> Curvature:
        """Concave."""
        return "concave"

    def _h(self, p: FloatArray) -> float:
        difference = p - self.target
        return -float((difference * difference).sum())

    def _dh(self, p: FloatArray) -> FloatArray:
        return 2.0 * (self.target - p)

    def _h_range(self) -> tuple[float, float]:
        # The distance is convex, so largest at a corner: a single outcome, or no mass at all.
        square = float((self.target * self.target).sum())
        farthest = square + 1.0 - 2.0 * float(self.target.min())
        return -(farthest if self.normalise else max(farthest, square)), 0.0

    def _dh_range(self) -> tuple[float, float]:
        return 2.0 * (float(self.target.min()) - 1.0), 2.0 * float(self.target.max())
