"""Rank correlation over scenarios, and the analysis of variance of population sizes: the statistics of the allocation study."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

FloatArray = NDArray[np.float64]
RESAMPLES = 2000


@dataclass(frozen=True)
class Correlation:
    """Spearman's rank correlation over scenarios, and its 95 % bootstrap interval over scenarios; NaN where a side does not vary."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class AnalysisOfVariance:
    """Do population sizes differ, scenarios and seeds being blocks?  F with its degrees of freedom, and p."""

    f: float
    between: int
    within: int
    p: float


def correlation(x: FloatArray, y: FloatArray) -> Correlation:
    """Spearman's rank correlation of the entries that both sides know."""
    from scipy.stats import rankdata

    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]

    def spearman(index: NDArray[np.int64]) -> FloatArray:
        """Of draws ``(D, n)``, as ``(D,)``; NaN where a side is all ties."""
        a, b = (rankdata(side[index], axis=1) for side in (x, y))
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
        return np.asarray(np.where(scale > 0.0, (a * b).sum(axis=1) / np.where(scale > 0.0, scale, 1.0), np.nan))

    if len(x) < 3:
        return Correlation(float("nan"), float("nan"), float("nan"), len(x))
    generator = stream(0, ENVIRONMENT_OWNER, Purpose.STATISTICS, 5)
    drawn = spearman(generator.integers(0, len(x), (RESAMPLES, len(x))))
    low, high = np.nanquantile(drawn, [0.025, 0.975]) if np.isfinite(drawn).any() else (float("nan"), float("nan"))
    return Correlation(float(spearman(np.arange(len(x))[None])[0]), float(low), float(high), len(x))


def block_anova(values: FloatArray) -> AnalysisOfVariance:
    """The F test of sizes in ``(R, S, L)`` returns, every pair of a seed and a scenario being a block."""
    from scipy.stats import f as f_distribution

    blocks = values.reshape(-1, values.shape[-1])
    B, L = blocks.shape
    centred = blocks - blocks.mean(axis=1, keepdims=True)
    effect = centred.mean(axis=0)
    between = B * float((effect**2).sum()) / (L - 1)
    within = float(((centred - effect) ** 2).sum()) / ((B - 1) * (L - 1))
    ratio = between / within if within > 0.0 else float("nan")
    return AnalysisOfVariance(ratio, L - 1, (B - 1) * (L - 1), float(f_distribution.sf(ratio, L - 1, (B - 1) * (L - 1))))
