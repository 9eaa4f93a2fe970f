"""What chance alone gives, and how far an estimate scatters: permutation nulls, p-values and intervals, for many agents at once.

Null.  If the choice of policy does not matter, labels and returns may be permuted.  With common random numbers repetition m
of all policies shares its seed, so labels are permuted within each repetition only (a block design); otherwise among all
K M returns.  One permutation is applied to all agents alike.  p = (1 + #{null >= value}) / (1 + permutations) (Phipson and
Smyth 2010), which is valid at any number of permutations.

Interval.  Repetitions are drawn anew within each policy (whole repetitions under common random numbers): with
replacement (Efron 1979), scaled by sqrt(M / (M - 1)) since resamples of few values scatter too little; or as half
samples without replacement, whose variance is that of the full sample up to the factor (M - b) / b that is divided out.
The mean of the resamples is moved to the estimate, because resampling adds the estimator's bias a second time.  With two or
more seeds, seeds are drawn instead of repetitions: the interval then holds for new seeds, too.
The interval describes the scatter of the estimate around its own mean.  It does not remove the estimator's bias.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import FloatArray, Resampling
from netagents.randomness import Purpose, stream

LEVEL = 0.95
"""Of intervals and of the null quantile."""

PERMUTATIONS = 999
"""Of a single estimate, by default."""

RESAMPLES = 999
"""Of an interval, by default."""

ROUNDING = 1e-10
"""A permuted value this close to the estimate counts as equal: sums in another order differ in the last digits."""

_AT_ONCE = 1_000_000
"""Largest number of resampled returns that are held at once."""

Statistic = Callable[[FloatArray], FloatArray]
"""Maps returns ``(..., K, M)`` to ``(..., *T)``."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """Statistics of A agents, averaged over seeds and ego checkpoints, each array ``(A, *T)``.

    Attributes:
        value: the statistic.
        low: lower edge of its 95 % interval.
        high: upper edge.
        null_mean: mean under permutation.
        null_quantile: 95 % quantile under permutation.
        p: p-value against the null, one-sided.
        by_seed: ``(S, A, *T)`` averages over ego checkpoints only.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    null_mean: FloatArray
    null_quantile: FloatArray
    p: FloatArray
    by_seed: FloatArray


def assess(
    statistic: Statistic,
    returns: FloatArray,
    *,
    resampling: Resampling,
    common_random_numbers: bool,
    seed: int,
    owner: int = 0,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
    most: float = np.inf,
) -> Assessment:
    """The statistic with its permutation null and interval.

    Args:
        statistic: maps ``(..., K, M)`` to ``(..., *T)``.
        returns: ``(S, E, K, M, A)``: seeds, ego checkpoints, policies, repetitions, agents.
        resampling: the estimator's.
        common_random_numbers: repetition m has the same seed under all policies.
        seed: of the permutations and resamples.
        owner: index of the source: each source has random numbers of its own.
        permutations: at least 1.
        resamples: at least 2.
        most: the largest that the true value can be; intervals end there, or at an estimate that is above it.

    Raises:
        ExperimentError: too few permutations or resamples.
    """
    if permutations < 1 or resamples < 2:
        raise ExperimentError(
            f"{permutations} permutations and {resamples} resamples give neither p-value nor interval",
            where="influence",
            fix="at least 1 permutation and 2 resamples, better 999 of each",
        )
    data = np.ascontiguousarray(np.moveaxis(returns, -1, 2))  # (S, E, A, K, M)
    by_seed = statistic(data).mean(axis=1)
    value = by_seed.mean(axis=0)
    null = _collect(
        statistic,
        data,
        permutations,
        stream(seed, owner, Purpose.STATISTICS, 0),
        lambda generator, count: _permuted(data, generator, count, common_random_numbers),
    ).mean(axis=(1, 2))
    p = (1.0 + (null >= value - ROUNDING).sum(axis=0)) / (1.0 + permutations)
    generator = stream(seed, owner, Purpose.STATISTICS, 1)
    if len(by_seed) > 1:
        count = len(by_seed)
        drawn = generator.integers(0, count, size=(resamples, count))
        deviations = (by_seed[drawn].mean(axis=1) - value) * np.sqrt(count / (count - 1))
    else:
        replicates = _collect(
            statistic, data, resamples, generator, lambda g, count: _resampled(data, g, count, resampling, common_random_numbers)
        ).mean(axis=(1, 2))
        deviations = (replicates - replicates.mean(axis=0)) * _scale(returns.shape[3], resampling)
    tail = (1.0 - LEVEL) / 2.0
    low, high = value + np.quantile(deviations, [tail, 1.0 - tail], axis=0)
    high = np.minimum(high, np.maximum(value, most))
    return Assessment(value, low, high, null.mean(axis=0), np.quantile(null, LEVEL, axis=0), p, by_seed)


def permutations_needed(tests: int, rate: float, factor: float = 1.0) -> int:
    """The fewest permutations with which a single discovery among ``tests`` can pass false-discovery control at ``rate``.

    Args:
        tests: number of p-values.
        rate: the false-discovery rate.
        factor: what the control multiplies p-values by beyond that (Benjamini-Yekutieli: the harmonic number of ``tests``).
    """
    return int(np.ceil(tests * factor / rate - 1e-9)) - 1


def _scale(repetitions: int, resampling: Resampling) -> float:
    """What turns the spread of resamples into that of samples."""
    if resampling == "bootstrap":
        return float(np.sqrt(repetitions / (repetitions - 1)))
    half = repetitions // 2
    return float(np.sqrt(half / (repetitions - half)))


def _collect(
    statistic: Statistic,
    data: FloatArray,
    total: int,
    generator: np.random.Generator,
    draw: Callable[[np.random.Generator, int], FloatArray],
) -> FloatArray:
    """The statistic of ``total`` draws, as many at once as fit: ``(total, S, E, A, *T)``."""
    at_once = max(1, _AT_ONCE // data.size)
    return np.concatenate([statistic(draw(generator, min(at_once, total - first))) for first in range(0, total, at_once)])


def _permuted(data: FloatArray, generator: np.random.Generator, count: int, blocked: bool) -> FloatArray:
    """``(count, S, E, A, K, M)``: the data with labels permuted, all agents alike."""
    S, E, A, K, M = data.shape
    if blocked:
        columns = np.broadcast_to(np.arange(K, dtype=np.int32)[:, None], (count, S, E, K, M))
        index = generator.permuted(columns, axis=3)
        return np.take_along_axis(data[None], index[:, :, :, None], axis=4)
    flat = np.broadcast_to(np.arange(K * M, dtype=np.int32), (count, S, E, K * M))
    index = generator.permuted(flat, axis=3)
    return np.take_along_axis(data.reshape(1, S, E, A, K * M), index[:, :, :, None], axis=4).reshape(count, S, E, A, K, M)


def _resampled(data: FloatArray, generator: np.random.Generator, count: int, resampling: Resampling, blocked: bool) -> FloatArray:
    """``(count, S, E, A, K, b)``: repetitions drawn anew, b = M with replacement, M // 2 without."""
    S, E, _, K, M = data.shape
    rows = (count, S, E, 1 if blocked else K)
    index: NDArray[np.integer]
    if resampling == "bootstrap":
        index = generator.integers(0, M, size=(*rows, M), dtype=np.int32)
    else:
        index = generator.permuted(np.broadcast_to(np.arange(M, dtype=np.int32), (*rows, M)), axis=4)[..., : M // 2]
    return np.take_along_axis(data[None], index[:, :, :, None], axis=5)
