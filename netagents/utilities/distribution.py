"""Utilities of a probability distribution p made from the occupancy: what they share.

p = (1 - gamma) * lambda has mass 1 only at an infinite horizon; over H steps it has 1 - gamma^H.  A utility either reads it
as it is, or divides by the sampled mass m = sum(lambda) (``normalise``), whose gradient then follows the quotient rule:
d f / d lambda = (G - <G, p>) / m with G = d f / d p, so that scaling lambda changes nothing to first order.
"""

from __future__ import annotations

from abc import abstractmethod

from netagents.errors import UtilityError
from netagents.utilities.marginal import Marginal
from netagents.utilities.utility import FloatArray, Utility, UtilityBounds


class DistributionUtility(Utility):
    """f(lambda) = weight * h(p), p a marginal of the occupancy.

    Args:
        marginal: states, actions or pairs.
        discount: gamma.
        weight: factor in front.
        normalise: p = lambda / sum(lambda) instead of (1 - gamma) * lambda.
        where: how error messages name the utility.
    """

    def __init__(self, marginal: Marginal, discount: float, weight: float, normalise: bool, where: str) -> None:
        super().__init__(marginal.state_size, marginal.action_size, discount)
        self.marginal = marginal
        self.weight = weight
        self.normalise = normalise
        self.where = where

    @abstractmethod
    def _h(self, p: FloatArray) -> float:
        """h(p) for p of the marginal's shape."""

    @abstractmethod
    def _dh(self, p: FloatArray) -> FloatArray:
        """d h / d p, of the marginal's shape."""

    @abstractmethod
    def _h_range(self) -> tuple[float, float]:
        """Smallest and largest h: over distributions when normalised, over masses in [0, 1] otherwise."""

    @abstractmethod
    def _dh_range(self) -> tuple[float, float]:
        """Smallest and largest entry of d h / d p over the same set."""

    def distribution(self, occupancy: FloatArray) -> FloatArray:
        """p, of the marginal's shape.

        Raises:
            UtilityError: not an occupancy, or one without mass that would have to be normalised.
        """
        self.check_occupancy(occupancy)
        marginal = self.marginal.of(occupancy)
        return marginal / self._mass(occupancy) if self.normalise else (1.0 - self.discount) * marginal

    def value(self, occupancy: FloatArray) -> float:
        """weight * h(p)."""
        return self.weight * self._h(self.distribution(occupancy))

    def gradient(self, occupancy: FloatArray) -> FloatArray:
        """weight * d h(p) / d lambda: (1 - gamma) G, or (G - <G, p>) / mass when normalised."""
        p = self.distribution(occupancy)
        slope = self.weight * self._dh(p)
        if self.normalise:
            return self.marginal.spread((slope - (slope * p).sum()) / self._mass(occupancy))
        return self.marginal.spread((1.0 - self.discount) * slope)

    def bounds(self) -> UtilityBounds:
        """From the range of h and of its slope; a normalised gradient is at most the slope's span."""
        low, high = sorted(self.weight * h for h in self._h_range())
        steep, flat = self._dh_range()
        slope = flat - steep if self.normalise else max(abs(steep), abs(flat))
        return UtilityBounds(low, high, (1.0 - self.discount) * abs(self.weight) * slope)

    def _mass(self, occupancy: FloatArray) -> float:
        mass = float(occupancy.sum())
        if mass <= 0.0:
            raise UtilityError(
                "the occupancy has no mass to normalise", where=self.where, fix="sample at least one step, or set normalise: false"
            )
        return mass
