"""Decay of influence with hop distance: mean influence at each distance, with intervals over sources, and an exponential rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import FloatArray
from netagents.measures.influence.influence_matrix import InfluenceMatrix
from netagents.measures.influence.resampling import LEVEL, RESAMPLES
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

IntArray = NDArray[np.int64]


class HopDecay(NamedTuple):
    """Influence at each hop distance that occurs, distance 1 first; arrays are ``(D,)``.

    Attributes:
        hops: the distances.
        pairs: number of measured pairs (source, agent) at each.
        mean: mean estimate.
        low: lower edge of its 95 % bootstrap interval; sources are drawn whole, since the entries of one source share its rollouts.
        high: upper edge; both are NaN where fewer than two sources have an agent at that distance.
        null_mean: mean of the permutation nulls: the level that no influence would show.
        significant: share of the pairs that are discoveries.
        rate: c of excess(d) ~ exp(-c d), by least squares on the logarithms of the means beyond the null, weighted by pairs, of the
            distances with a discovery: beyond them excesses are what estimates scatter.  NaN where fewer than two distances have an excess
            and a discovery.  Negative if influence grows with distance.
    """

    hops: IntArray
    pairs: IntArray
    mean: FloatArray
    low: FloatArray
    high: FloatArray
    null_mean: FloatArray
    significant: FloatArray
    rate: float


def hop_decay(matrix: InfluenceMatrix, distances: ArrayLike, *, seed: int = 0, unreachable: int = 2**31 - 1) -> HopDecay:
    """How influence falls with the number of hops between source and agent.

    Args:
        matrix: entries that are NaN are left out.
        distances: ``(n, n)`` hops, as from ``Neighbourhoods.matrix``.
        seed: of the bootstrap.
        unreachable: the distance of pairs without a path, which are left out.

    Raises:
        ExperimentError: the distances are not those of the matrix's agents.
    """
    hops = np.asarray(distances)
    if hops.shape != matrix.values.shape:
        raise ExperimentError(
            f"distances of shape {hops.shape} for an influence matrix of shape {matrix.values.shape}",
            where="hop decay",
            fix="the distances of the graph on which the influence was measured",
        )
    known = np.isfinite(matrix.values) & (hops > 0) & (hops < unreachable)
    present = np.unique(hops[known]).astype(np.int64)
    sums, counts = np.zeros((len(hops), len(present))), np.zeros((len(hops), len(present)))
    null, significant = np.zeros(len(present)), np.zeros(len(present))
    for column, d in enumerate(present):
        at_distance = known & (hops == d)
        sums[:, column] = np.where(at_distance, matrix.values, 0.0).sum(axis=1)
        counts[:, column] = at_distance.sum(axis=1)
        null[column] = matrix.null_mean[at_distance].mean()
        significant[column] = matrix.significant[at_distance].mean()
    pairs = counts.sum(axis=0)
    mean = sums.sum(axis=0) / pairs
    low, high = _bootstrap(sums, counts, seed)
    return HopDecay(
        present, pairs.astype(np.int64), mean, low, high, null, significant, _rate(present, mean - null, pairs, significant > 0.0)
    )


def _bootstrap(sums: FloatArray, counts: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Edges of the 95 % intervals of sum / count when the sources (rows that have any entry) are drawn with replacement."""
    measured = counts.sum(axis=1) > 0
    sums, counts = sums[measured], counts[measured]
    low, high = np.full(sums.shape[1], np.nan), np.full(sums.shape[1], np.nan)
    if not len(sums):
        return low, high
    generator = stream(seed, ENVIRONMENT_OWNER, Purpose.STATISTICS, 2)
    drawn = generator.integers(0, len(sums), size=(RESAMPLES, len(sums)))
    totals, weights = sums[drawn].sum(axis=1), counts[drawn].sum(axis=1)
    tail = (1.0 - LEVEL) / 2.0
    for column in np.flatnonzero((counts > 0).sum(axis=0) > 1):
        some = weights[:, column] > 0
        low[column], high[column] = np.quantile(totals[some, column] / weights[some, column], [tail, 1.0 - tail])
    return low, high


def _rate(hops: IntArray, excess: FloatArray, pairs: FloatArray, discovered: NDArray[np.bool_]) -> float:
    """The exponential rate of the positive excesses at distances with a discovery."""
    positive = (excess > 0.0) & discovered
    if positive.sum() < 2:
        return float("nan")
    x, y, w = hops[positive].astype(np.float64), np.log(excess[positive]), pairs[positive]
    x = x - np.average(x, weights=w)
    return float(-(w * x * y).sum() / (w * x * x).sum())
