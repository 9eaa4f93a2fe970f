"""The Kullback-Leibler divergence to a target occupancy: imitation in the sense of information."""

from __future__ import annotations

from copy import copy

import numpy as np

from netagents.errors import UtilityError
from netagents.utilities.distribution import DistributionUtility
from netagents.utilities.marginal import Marginal
from netagents.utilities.utility import Curvature, FloatArray


class DivergenceUtility(DistributionUtility):
    """f(lambda) = -weight * sum_x p_x log((p_x + floor) / q_x): minus KL(p || q), the floor bounding the slope at p_x = 0.

    Where the target q_x is 0 the divergence is infinite as soon as p_x is positive, and f refuses to answer.  While p_x is 0
    there, f is that of the other outcomes and the entry of the slope is taken as 0: no step of the batch ever reads it.

    Args:
        target: q, of the marginal's shape, summing to one.
        weight: positive.
        floor: added to p inside the logarithm.
        smoothing: share of the uniform distribution mixed into q.
    """

    def __init__(
        self,
        target: FloatArray,
        marginal: Marginal,
        discount: float,
        *,
        weight: float = 1.0,
        floor: float = 1e-6,
        smoothing: float = 0.0,
        normalise: bool = True,
        where: str = "kl",
    ) -> None:
        super().__init__(marginal, discount, weight, normalise, where)
        self.floor = floor
        self.target: FloatArray = (1.0 - smoothing) * target + smoothing / marginal.outcomes
        self._support = self.target > 0.0
        # Outside the support the logarithm is never used; 1 keeps it finite.
        self._log_target = np.log(np.where(self._support, self.target, 1.0))

    @property
    def curvature(self) -> Curvature:
        """Concave."""
        return "concave"

    def with_halved_floor(self) -> DivergenceUtility:
        """The same utility with half the floor."""
        halved = copy(self)
        halved.floor = self.floor / 2.0
        return halved

    def distribution(self, occupancy: FloatArray) -> FloatArray:
        """p, of the marginal's shape.

        Raises:
            UtilityError: p is positive where the target is 0, besides what every occupancy may break.
        """
        p = super().distribution(occupancy)
        outside = np.where(self._support, 0.0, p)
        if (outside > 0.0).any():
            worst = int(outside.argmax())
            raise UtilityError(
                f"the target is 0 at {self.marginal.label(worst)}, which is visited with probability {outside.flat[worst]:.3g}, "
                "so the divergence is infinite",
                where=self.where,
                fix="make the target positive there, set smoothing above 0, or use squared_distance",
            )
        return p

    def _h(self, p: FloatArray) -> float:
        return float(-(p * (np.log(p + self.floor) - self._log_target)).sum())

    def _dh(self, p: FloatArray) -> FloatArray:
        floored = p + self.floor
        return np.where(self._support, self._log_target - np.log(floored) - p / floored, 0.0)

    def _h_range(self) -> tuple[float, float]:
        # Concave, so smallest at a corner.  At mass M minus KL is at most -M log M, whose largest value over M is 1/e.
        corner = float(np.log(self.target.min() / (1.0 + self.floor))) if self._support.all() else -np.inf
        return corner, 0.0 if self.normalise else float(np.exp(-1.0))

    def _dh_range(self) -> tuple[float, float]:
        target = self.target[self._support]
        steep = float(np.log(target.min() / (1.0 + self.floor)) - 1.0 / (1.0 + self.floor))
        flat = float(np.log(target.max() / self.floor))
        return (steep, flat) if self._support.all() else (min(steep, 0.0), max(flat, 0.0))
