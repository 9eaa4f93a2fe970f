"""Risk of a local cost: how bad, not only how much on average.

Both measures read the cost of one discounted random step, C = c(s, a) with (s, a) drawn from p, which a local occupancy
determines exactly; the risk of the whole return is no function of the occupancy.  When p is not normalised the missing mass
counts as steps of cost 0.

Both make f convex in the occupancy, not concave: a mixture of behaviours is at least as uncertain as its parts.  Ascent then
finds stationary points, without the promise of a global optimum that entropy and imitation carry.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from netagents.errors import UtilityError
from netagents.utilities.distribution import DistributionUtility
from netagents.utilities.marginal import Marginal
from netagents.utilities.utility import Curvature, FloatArray

EXPONENT_LIMIT = 50.0
"""Largest aversion * |cost| of the entropic risk: beyond it the shadow rewards span more than double precision resolves."""


class RiskUtility(DistributionUtility):
    """f(lambda) = -weight * risk of c under p.

    Args:
        costs: c, (|S|, |A|) float64.
        aversion: positive; towards 0 both measures become the mean cost.
        weight: positive.
    """

    def __init__(
        self, costs: FloatArray, discount: float, *, aversion: float = 1.0, weight: float = 1.0, normalise: bool = True, where: str = "risk"
    ) -> None:
        super().__init__(Marginal("state_action", costs.shape[0], costs.shape[1]), discount, weight, normalise, where)
        self.costs = np.array(costs, dtype=np.float64, order="C")
        self.aversion = aversion

    @property
    def curvature(self) -> Curvature:
        """Convex."""
        return "convex"

    def _cost_range(self) -> tuple[float, float]:
        low, high = float(self.costs.min()), float(self.costs.max())
        return (low, high) if self.normalise else (min(low, 0.0), max(high, 0.0))

    def _dh_range(self) -> tuple[float, float]:
        # Monotone in the cost's mean (or exponential mean) for every pair: the extremes are at the ends of its range.
        slopes = [self._slope(mean) for mean in self._mean_range()]
        return min(float(slope.min()) for slope in slopes), max(float(slope.max()) for slope in slopes)

    @abstractmethod
    def _mean_range(self) -> tuple[float, float]:
        """Range of the one number through which p enters the slope."""

    @abstractmethod
    def _slope(self, mean: float) -> FloatArray:
        """d h / d p, given that number."""


class MeanVarianceUtility(RiskUtility):
    """f(lambda) = -weight * (E C + aversion * Var C): the variance is the reward volatility of Bisi et al. (arXiv 1912.03193).

    They show that the variance of the normalised discounted return is at most the volatility, so lowering it lowers the
    variance of what an agent gets.  Chosen as the default because it is truly nonlinear, has a polynomial gradient without a
    floor, and its two parts are read in the cost's own units.
    """

    def _h(self, p: FloatArray) -> float:
        mean = float((self.costs * p).sum())
        deviation = self.costs - mean
        variance = float((deviation * deviation * p).sum()) + (1.0 - float(p.sum())) * mean * mean
        return -(mean + self.aversion * variance)

    def _dh(self, p: FloatArray) -> FloatArray:
        return self._slope(float((self.costs * p).sum()))

    def _mean_range(self) -> tuple[float, float]:
        return self._cost_range()

    def _slope(self, mean: float) -> FloatArray:
        return -self.costs * (1.0 + self.aversion * (self.costs - 2.0 * mean))

    def _h_range(self) -> tuple[float, float]:
        # Convex, so largest at a corner, where nothing varies; the variance is at most a quarter of the squared range (Popoviciu).
        low, high = self._cost_range()
        return -(high + self.aversion * (high - low) ** 2 / 4.0), -low


class EntropicRiskUtility(RiskUtility):
    """f(lambda) = -weight * log(E exp(aversion * C)) / aversion: the entropic risk (Howard and Matheson, Management Science 1972).

    It goes from the mean cost (aversion towards 0) to the worst cost, and unlike mean plus variance it never rewards a larger cost.

    Raises:
        UtilityError: aversion * |cost| is beyond :data:`EXPONENT_LIMIT`.
    """

    def __init__(
        self, costs: FloatArray, discount: float, *, aversion: float = 1.0, weight: float = 1.0, normalise: bool = True, where: str = "risk"
    ) -> None:
        super().__init__(costs, discount, aversion=aversion, weight=weight, normalise=normalise, where=where)
        exponent = aversion * float(np.abs(self.costs).max())
        if exponent > EXPONENT_LIMIT:
            raise UtilityError(
                f"aversion times the largest cost is {exponent:.4g}",
                where=where,
                fix=f"scale costs or aversion so that it is at most {EXPONENT_LIMIT:g}",
            )
        # E exp(aversion C) = 1 + <expm1(aversion c), p> whatever the mass of p, the missing mass having cost 0.
        self._growth = np.expm1(aversion * self.costs)

    def _h(self, p: FloatArray) -> float:
        return -float(np.log1p(self._excess(p))) / self.aversion

    def _dh(self, p: FloatArray) -> FloatArray:
        return self._slope(1.0 + self._excess(p))

    def _excess(self, p: FloatArray) -> float:
        # Rounding may lift the mass of p above 1 by an ulp, and the mean below what any cost gives.
        least = float(self._growth.min())
        return max(float((self._growth * p).sum()), min(least, 0.0))

    def _mean_range(self) -> tuple[float, float]:
        low, high = self._cost_range()
        return float(np.exp(self.aversion * low)), float(np.exp(self.aversion * high))

    def _slope(self, mean: float) -> FloatArray:
        return -self._growth / (self.aversion * mean)

    def _h_range(self) -> tuple[float, float]:
        low, high = self._cost_range()
        return -high, -low
