"""The linear utility: ordinary reward on (state, action) pairs."""

from __future__ import annotations

import numpy as np

from netagents.utilities.utility import Curvature, FloatArray, Utility, UtilityBounds


class LinearUtility(Utility):
    """f(lambda) = <c, lambda>, the discounted return of the reward table c; its shadow reward is c itself.

    Args:
        rewards: c, (|S|, |A|) float64.
        discount: gamma.
    """

    def __init__(self, rewards: FloatArray, discount: float) -> None:
        super().__init__(rewards.shape[0], rewards.shape[1], discount)
        self.rewards = np.array(rewards, dtype=np.float64, order="C")

    def value(self, occupancy: FloatArray) -> float:
        """<c, lambda>."""
        self.check_occupancy(occupancy)
        return float((self.rewards * occupancy).sum())

    def gradient(self, occupancy: FloatArray) -> FloatArray:
        """The reward table c."""
        self.check_occupancy(occupancy)
        return self.rewards.copy()

    @property
    def curvature(self) -> Curvature:
        """Affine."""
        return "affine"

    def bounds(self) -> UtilityBounds:
        """At full mass the value lies between the smallest and the largest reward, over 1 - gamma; with no mass it is 0."""
        full = 1.0 / (1.0 - self.discount)
        low, high = min(float(self.rewards.min()), 0.0), max(float(self.rewards.max()), 0.0)
        return UtilityBounds(low * full, high * full, float(np.abs(self.rewards).max()))
