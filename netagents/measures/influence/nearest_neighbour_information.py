"""Mutual information by nearest neighbours, for a discrete choice and a continuous return (Ross 2014).

B. C. Ross, "Mutual information between discrete and continuous data sets", PLoS ONE 9(2): e87357, 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import FloatArray, Resampling, Unit

IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class NearestNeighbours:
    """psi(KM) - psi(M) + mean of psi(k_x) - psi(m_x), where the ball around return x reaches its k-th neighbour under the same policy.

    k_x (at least k) and m_x are the other returns within the ball, under the same policy and under all.  Continuous returns
    have k_x = k, which is Ross's formula.  Returns that are equal to k others of their policy are atoms with a ball of radius
    0; they contribute their plug-in term ln K + ln(k_x + 1) - ln(m_x + 1), so that wholly discrete returns give the plug-in value
    and a mixture of both is estimated consistently (the idea of Gao et al. 2017, arXiv 1709.06212).

    Attributes:
        k: neighbours; more of them lower the variance and raise the bias.
    """

    name: ClassVar[str] = "nearest_neighbours"
    unit: ClassVar[Unit] = "nats"
    resampling: ClassVar[Resampling] = "half_samples"
    domain: ClassVar[tuple[float, float] | None] = None

    k: int = 3

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ExperimentError(f"{self.k} neighbours are none", where="nearest_neighbours", fix="k >= 1")

    @property
    def least_repetitions(self) -> int:
        """k neighbours in each half of the repetitions."""
        return 2 * (self.k + 1)

    def value(self, returns: FloatArray) -> FloatArray:
        """The estimates of returns ``(..., K, M)`` with M > k, as ``(...)``; may be negative, and slightly above ln K."""
        K, M = returns.shape[-2:]
        ordered = np.sort(returns, axis=-1)
        radius = _radius_of_kth(ordered, self.k)
        # The margin keeps the k-th neighbour inside although x + (y - x) may not be y.
        margin = 4.0 * np.finfo(np.float64).eps * (np.abs(ordered) + radius)
        margin[radius == 0.0] = 0.0
        low, high = ordered - radius - margin, ordered + radius + margin
        same = _within(ordered, low, high)
        flat = (*returns.shape[:-2], K * M)
        every = _within(ordered.reshape(flat), low.reshape(flat), high.reshape(flat)).reshape(same.shape)
        atom = radius == 0.0
        smooth = digamma(K * M) - digamma(M) + digamma(np.maximum(same - 1, 1)) - digamma(np.maximum(every - 1, 1))
        terms = np.where(atom, np.log(K) + np.log(same) - np.log(every), smooth)
        return np.asarray(terms.mean(axis=(-1, -2)))


def _radius_of_kth(ordered: FloatArray, k: int) -> FloatArray:
    """Distance of each element of ``ordered`` (..., M), ascending, to its k-th nearest in the last axis, itself not counted."""
    M = ordered.shape[-1]
    edge = np.full((*ordered.shape[:-1], k), np.inf)
    padded = np.concatenate([-edge, ordered, edge], axis=-1)
    radius = np.full(ordered.shape, np.inf)
    for below in range(k + 1):  # The k nearest and the element are k + 1 neighbours in order, `below` of them under it.
        first = padded[..., k - below : k - below + M]
        last = padded[..., 2 * k - below : 2 * k - below + M]
        np.minimum(radius, np.maximum(ordered - first, last - ordered), out=radius)
    return radius


def _within(points: FloatArray, low: FloatArray, high: FloatArray) -> IntArray:
    """How many of ``points`` (..., N) lie in each closed interval [low, high] (..., Q)."""
    at_most = _rank(points, high, points_first=True)
    below = _rank(points, low, points_first=False)
    return at_most - below


def _rank(points: FloatArray, queries: FloatArray, *, points_first: bool) -> IntArray:
    """How many points are at most (``points_first``) or below (otherwise) each query: one stable sort of both, for all rows at once."""
    N, Q = points.shape[-1], queries.shape[-1]
    joined = np.concatenate([points, queries] if points_first else [queries, points], axis=-1)
    order = np.argsort(joined, axis=-1, kind="stable")
    is_point = order < N if points_first else order >= Q
    ranks = np.empty(order.shape, dtype=np.int64)
    np.put_along_axis(ranks, order, np.cumsum(is_point, axis=-1), axis=-1)
    return ranks[..., N:] if points_first else ranks[..., :Q]
