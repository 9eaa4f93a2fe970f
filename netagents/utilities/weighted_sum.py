"""Weighted sums of utilities."""

from __future__ import annotations

from collections.abc import Sequence

from netagents.utilities.utility import Curvature, FloatArray, Utility, UtilityBounds

_FLIPPED: dict[Curvature, Curvature] = {"affine": "affine", "concave": "convex", "convex": "concave", "neither": "neither"}


class WeightedSum(Utility):
    """f(lambda) = sum_k w_k f_k(lambda); its shadow reward is the same sum of shadow rewards.

    Args:
        terms: (w_k, f_k), at least one, all of one shape and discount; summed in this order.
    """

    def __init__(self, terms: Sequence[tuple[float, Utility]]) -> None:
        first = terms[0][1]
        super().__init__(first.state_size, first.action_size, first.discount)
        self.terms = tuple(terms)

    def value(self, occupancy: FloatArray) -> float:
        """The sum of the values."""
        total = 0.0
        for weight, utility in self.terms:
            total += weight * utility.value(occupancy)
        return total

    def gradient(self, occupancy: FloatArray) -> FloatArray:
        """The sum of the shadow rewards."""
        (weight, utility), *others = self.terms
        total = weight * utility.gradient(occupancy)
        for weight, utility in others:
            total += weight * utility.gradient(occupancy)
        return total

    @property
    def is_zero(self) -> bool:
        """Whether every term is 0 or has weight 0."""
        return all(weight == 0.0 or utility.is_zero for weight, utility in self.terms)

    @property
    def curvature(self) -> Curvature:
        """Of the sum, as far as the terms' curvatures decide it."""
        bends: set[Curvature] = set()
        for weight, utility in self.terms:
            if weight != 0.0 and utility.curvature != "affine":
                bends.add(utility.curvature if weight > 0.0 else _FLIPPED[utility.curvature])
        if not bends:
            return "affine"
        return bends.pop() if len(bends) == 1 else "neither"

    def bounds(self) -> UtilityBounds:
        """Sums of the terms' bounds: provable, not tight."""
        lower = upper = shadow = 0.0
        for weight, utility in self.terms:
            if weight == 0.0:
                continue
            bounds = utility.bounds()
            ends = sorted((weight * bounds.lower, weight * bounds.upper))
            lower, upper, shadow = lower + ends[0], upper + ends[1], shadow + abs(weight) * bounds.shadow
        return UtilityBounds(lower, upper, shadow)

    def with_halved_floor(self) -> Utility:
        """The sum of the terms with half their floors; itself when none has one."""
        halved = [(weight, utility.with_halved_floor()) for weight, utility in self.terms]
        if all(new is old for (_, new), (_, old) in zip(halved, self.terms, strict=True)):
            return self
        twin = WeightedSum(halved)
        twin.where = self.where
        return twin
