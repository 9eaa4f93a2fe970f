"""The entropy of the local occupancy: exploration."""

from __future__ import annotations

from copy import copy

import numpy as np

from netagents.utilities.distribution import DistributionUtility
from netagents.utilities.marginal import Marginal
from netagents.utilities.utility import Curvature, FloatArray


class EntropyUtility(DistributionUtility):
    """f(lambda) = -weight * sum_x p_x log(p_x + floor), p = (1 - gamma) lambda over states, actions or pairs.

    The floor keeps the shadow reward bounded by about (1 - gamma) |log floor| at outcomes never met.  The gradient is that of
    the floored function.  As in SPDAC (arXiv 2305.17568) p is not renormalised unless asked, so over few steps its mass is below 1.

    Args:
        floor: added to probabilities inside the logarithm, in (0, 0.1].
    """

    def __init__(
        self,
        marginal: Marginal,
        discount: float,
        *,
        weight: float = 1.0,
        floor: float = 1e-6,
        normalise: bool = False,
        where: str = "entropy",
    ) -> None:
        super().__init__(marginal, discount, weight, normalise, where)
        self.floor = floor

    @property
    def curvature(self) -> Curvature:
        """Concave for positive weights."""
        return "concave" if self.weight >= 0.0 else "convex"

    @property
    def is_zero(self) -> bool:
        """Whether the weight is 0."""
        return self.weight == 0.0

    def with_halved_floor(self) -> EntropyUtility:
        """The same utility with half the floor."""
        halved = copy(self)
        halved.floor = self.floor / 2.0
        return halved

    def _h(self, p: FloatArray) -> float:
        return float(-(p * np.log(p + self.floor)).sum())

    def _dh(self, p: FloatArray) -> FloatArray:
        floored = p + self.floor
        return -(np.log(floored) + p / floored)

    def _h_range(self) -> tuple[float, float]:
        # h is a sum of one concave function, so it is smallest at a corner and largest where all outcomes are alike.
        least = min(0.0, self._h(np.ones(1)))
        share = 1.0 / self.marginal.outcomes
        if not self.normalise:
            share = self._best_share(share)
        return least, self.marginal.outcomes * self._h(np.array([share]))

    def _dh_range(self) -> tuple[float, float]:
        at_zero, at_one = self._dh(np.array([0.0, 1.0]))
        return float(at_one), float(at_zero)

    def _best_share(self, limit: float) -> float:
        # Below mass 1 two outcomes of 1/e each have entropy 2/e, more than log 2: the best share may lie inside [0, limit].
        low, high = 0.0, limit
        if self._dh(np.array([high]))[0] >= 0.0:
            return high
        for _ in range(100):
            middle = (low + high) / 2.0
            low, high = (middle, high) if self._dh(np.array([middle]))[0] >= 0.0 else (low, middle)
        return high
