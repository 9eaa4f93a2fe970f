"""The contract of an influence estimator, and the result that all of them give.

Level of Influence (arXiv 2310.07218) of a source j on an agent i is the mutual information between i's episode return and
which of K policies j plays, in nats; it is at most ln K.  An estimator sees M returns under each of the K policies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

Resampling = Literal["bootstrap", "half_samples"]
Unit = Literal["nats", "share"]


class Estimator(Protocol):
    """A number computed from returns ``(K, M)`` that says how much the return depends on the policy."""

    @property
    def name(self) -> str:
        """The name in tables and files."""

    @property
    def unit(self) -> Unit:
        """``nats`` of information, or a ``share`` of the variance of returns."""

    @property
    def resampling(self) -> Resampling:
        """How its sampling variation is simulated: distances between returns do not survive drawing with replacement."""

    @property
    def least_repetitions(self) -> int:
        """The smallest M at which value, correction and interval are defined."""

    @property
    def domain(self) -> tuple[float, float] | None:
        """The closed range that returns must lie in, or None where any range will do."""

    def value(self, returns: FloatArray) -> FloatArray:
        """The estimates of returns ``(..., K, M)``, as ``(...)``; every policy has the weight 1/K."""


def largest_value(estimator: Estimator, policies: int) -> float:
    """The largest that the true value can be: ln K nats, or a share of 1."""
    return float(np.log(policies)) if estimator.unit == "nats" else 1.0


@dataclass(frozen=True, slots=True)
class InfluenceEstimate:
    """One estimate of influence, with what chance alone would give.

    Attributes:
        value: the estimate, in the estimator's unit.
        low: lower edge of the 95 % interval of its sampling variation, see :mod:`netagents.measures.influence.resampling`.
        high: upper edge.
        null_mean: mean of the estimate when the policy labels are permuted: what no influence looks like to this estimator.
        null_quantile: the 95 % quantile of that null distribution.
        p: (1 + permutations at or above ``value``) / (1 + permutations).
        policies: K.
        repetitions: M, returns per policy.
        estimator: the name of the estimator.
    """

    value: float
    low: float
    high: float
    null_mean: float
    null_quantile: float
    p: float
    policies: int
    repetitions: int
    estimator: str

    @property
    def excess(self) -> float:
        """The value beyond the mean of the null."""
        return self.value - self.null_mean

    def text(self, digits: int = 3) -> str:
        """One line for people: ``0.412 [0.310, 0.498], null 0.071 (95 %: 0.120), p = 0.001, K = 9, M = 6 (eta_squared)``."""
        return (
            f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}], null {self.null_mean:.{digits}f} "
            f"(95 %: {self.null_quantile:.{digits}f}), p = {self.p:.2g}, K = {self.policies}, M = {self.repetitions} ({self.estimator})"
        )
