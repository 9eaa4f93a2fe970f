"""Eta squared: the share of the variance of returns that lies between policies, and the information it stands for.

With R = mean of the policy + Gaussian noise and many policies whose means are Gaussian, the information is
-1/2 ln(1 - eta squared) exactly; otherwise that is a proxy that sees differences of means only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from netagents.measures.influence.estimator import FloatArray, Resampling, Unit


def eta_squared(returns: FloatArray) -> FloatArray:
    """Sum of squares between policies divided by the total, of returns ``(..., K, M)``; 0 where returns do not vary."""
    # Shifting by one of the returns keeps constants exactly constant and large offsets harmless.
    shifted = returns - returns[..., :1, :1]
    means = shifted.mean(axis=-1)
    grand = means.mean(axis=-1)
    between = returns.shape[-1] * ((means - grand[..., None]) ** 2).sum(axis=-1)
    within = ((shifted - means[..., None]) ** 2).sum(axis=(-1, -2))
    total = between + within
    varies = np.ptp(returns, axis=(-1, -2)) > 0.0
    return np.asarray(np.where(varies, between / np.where(total > 0.0, total, 1.0), 0.0))


def epsilon_squared(share: FloatArray, policies: int, repetitions: int) -> FloatArray:
    """Eta squared with the correction of the analysis of variance (Kelley 1935): 1 - (KM - 1)/(KM - K) (1 - eta squared).

    Its numerator, (K - 1)(mean square between - mean square within), is unbiased; without influence its mean is about 0, so it
    may be negative.

    Args:
        share: eta squared.
        policies: K.
        repetitions: M, at least 2.
    """
    count = policies * repetitions
    return np.asarray(1.0 - (count - 1) / (count - policies) * (1.0 - share))


@dataclass(frozen=True, slots=True)
class VarianceShare:
    """Eta squared as an estimator.

    Attributes:
        corrected: apply :func:`epsilon_squared` (returns that do not vary still give 0).
    """

    unit: ClassVar[Unit] = "share"
    resampling: ClassVar[Resampling] = "bootstrap"
    domain: ClassVar[tuple[float, float] | None] = None
    least_repetitions: ClassVar[int] = 2

    corrected: bool = True

    @property
    def name(self) -> str:
        """``epsilon_squared`` if corrected, else ``eta_squared``."""
        return "epsilon_squared" if self.corrected else "eta_squared"

    def value(self, returns: FloatArray) -> FloatArray:
        """The share for returns ``(..., K, M)``, as ``(...)``."""
        K, M = returns.shape[-2:]
        share = eta_squared(returns)
        if not self.corrected:
            return share
        varies = np.ptp(returns, axis=(-1, -2)) > 0.0
        return np.asarray(np.where(varies, epsilon_squared(share, K, M), 0.0))


@dataclass(frozen=True, slots=True)
class VarianceInformation:
    """The information proxy -1/2 ln(1 - share), cut at ln K, the most that a choice among K can tell.

    Attributes:
        corrected: use the corrected share; the proxy may then be negative.
    """

    unit: ClassVar[Unit] = "nats"
    resampling: ClassVar[Resampling] = "bootstrap"
    domain: ClassVar[tuple[float, float] | None] = None
    least_repetitions: ClassVar[int] = 2

    corrected: bool = True

    @property
    def name(self) -> str:
        """``variance_information``, with ``_uncorrected`` where it is."""
        return "variance_information" if self.corrected else "variance_information_uncorrected"

    def value(self, returns: FloatArray) -> FloatArray:
        """The proxy for returns ``(..., K, M)``, as ``(...)``, in nats."""
        rest = 1.0 - VarianceShare(self.corrected).value(returns)
        return np.asarray(-0.5 * np.log(np.maximum(rest, returns.shape[-2] ** -2.0)))
