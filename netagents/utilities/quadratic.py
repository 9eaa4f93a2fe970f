"""The squared size of the local occupancy: how much an agent keeps to few outcomes."""

from __future__ import annotations

from netagents.utilities.distribution import DistributionUtility
from netagents.utilities.marginal import Marginal
from netagents.utilities.utility import Curvature, FloatArray


class QuadraticUtility(DistributionUtility):
    """f(lambda) = (weight / 2) * sum_x c_x p_x^2, p = (1 - gamma) lambda over states, actions or pairs.

    With weight 1 it is largest where all mass lies on one outcome.  SPDAC (arXiv 2305.17568, appendix H.3 and the released code)
    constrains it on the wireless grid, over the actions that send (c = 0 for the idle one), so that users become predictable.

    Args:
        coefficients: c, of the marginal's shape, none negative; the sign is the weight's.
    """

    def __init__(
        self,
        coefficients: FloatArray,
        marginal: Marginal,
        discount: float,
        *,
        weight: float = 1.0,
        normalise: bool = False,
        where: str = "quadratic",
    ) -> None:
        super().__init__(marginal, discount, weight, normalise, where)
        self.coefficients = coefficients

    @property
    def curvature(self) -> Curvature:
        """Convex for positive weights."""
        return "convex" if self.weight >= 0.0 else "concave"

    @property
    def is_zero(self) -> bool:
        """Whether the weight or every coefficient is 0."""
        return self.weight == 0.0 or not self.coefficients.any()

    def _h(self, p: FloatArray) -> float:
        return 0.5 * float((self.coefficients * p * p).sum())

    def _dh(self, p: FloatArray) -> FloatArray:
        return self.coefficients * p

    def _h_range(self) -> tuple[float, float]:
        # Convex, so largest at a corner; smallest without mass or, where the mass is one, spread as 1 / c.
        largest = 0.5 * float(self.coefficients.max())
        if not self.normalise or (self.coefficients == 0.0).any():
            return 0.0, largest
        return 0.5 / float((1.0 / self.coefficients).sum()), largest

    def _dh_range(self) -> tuple[float, float]:
        return 0.0, float(self.coefficients.max())
