"""Mutual information by histograms: the published plug-in, and equal-frequency bins with the Miller-Madow correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import FloatArray, Resampling, Unit

IntArray = NDArray[np.int64]


def cell_counts(cells: IntArray, bins: int) -> FloatArray:
    """How many returns of each policy lie in each bin.

    Args:
        cells: ``(..., K, M)`` bin of each return, 0 to ``bins - 1``.
        bins: number of bins.

    Returns:
        ``(..., K, bins)`` counts.
    """
    shape = cells.shape[:-1]
    rows = cells.reshape(-1, cells.shape[-1])
    flat = rows + bins * np.arange(len(rows))[:, None]
    return np.bincount(flat.ravel(), minlength=bins * len(rows)).reshape(*shape, bins).astype(np.float64)


def plugin_information(counts: FloatArray) -> FloatArray:
    """Mean over the policies of KL(histogram of the policy || mean histogram), in nats.

    Args:
        counts: ``(..., K, bins)``, equally many returns for each policy.

    Returns:
        ``(...)``, from 0 to ln K.
    """
    probabilities = counts / counts.sum(axis=-1, keepdims=True)
    pooled = probabilities.mean(axis=-2)
    entropy = -xlogy(pooled, pooled).sum(axis=-1)
    conditional = -xlogy(probabilities, probabilities).sum(axis=-1).mean(axis=-1)
    # Both vanish where they should, up to rounding; information is never negative.
    return np.asarray(np.maximum(entropy - conditional, 0.0))


@dataclass(frozen=True, slots=True)
class PluginHistogram:
    """The published estimator (arXiv 2310.07218 and its code): equal bins on a fixed range, natural logarithm, no correction.

    A return on an inner edge belongs to the bin above it, one on the upper end to the last bin, as in ``numpy.histogram``.

    Attributes:
        bins: number of equal bins.
        low: lower end of the range.
        high: upper end.
    """

    name: ClassVar[str] = "plugin"
    unit: ClassVar[Unit] = "nats"
    resampling: ClassVar[Resampling] = "bootstrap"
    least_repetitions: ClassVar[int] = 2

    bins: int = 50
    low: float = 0.0
    high: float = 100.0

    def __post_init__(self) -> None:
        if self.bins < 1 or not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise ExperimentError(
                f"{self.bins} bins on [{self.low:g}, {self.high:g}] are no histogram",
                where="plugin",
                fix="bins >= 1 and low < high, finite",
            )

    @property
    def domain(self) -> tuple[float, float] | None:
        """The histogram's range: a return outside would drop out of it unseen."""
        return (self.low, self.high)

    def value(self, returns: FloatArray) -> FloatArray:
        """Plug-in information of returns ``(..., K, M)``, as ``(...)``."""
        edges = np.linspace(self.low, self.high, self.bins + 1)
        cells = np.clip(np.searchsorted(edges, returns, side="right") - 1, 0, self.bins - 1)
        return plugin_information(cell_counts(cells, self.bins))


@dataclass(frozen=True, slots=True)
class QuantileHistogram:
    """Equal-frequency bins of the pooled returns, with the correction of Miller (1955) for each of the three entropies.

    Unchanged by any increasing transformation of the returns.  Equal returns share a bin.  With occupied cells counted as
    K policies, b bins and c pairs, (K + b - c - 1) / (2 K M) is added to the plug-in; the result may be negative.

    Attributes:
        bins: number of bins; None: the rounded square root of M, from 2 to 20.
    """

    name: ClassVar[str] = "quantile_miller_madow"
    unit: ClassVar[Unit] = "nats"
    resampling: ClassVar[Resampling] = "bootstrap"
    domain: ClassVar[tuple[float, float] | None] = None

    bins: int | None = None

    def __post_init__(self) -> None:
        if self.bins is not None and self.bins < 2:
            raise ExperimentError(f"{self.bins} bins tell no return from another", where="quantile_miller_madow", fix="bins >= 2")

    @property
    def least_repetitions(self) -> int:
        """Two returns for each bin, and at least 4."""
        return max(4, 2 * (self.bins or 2))

    def bins_for(self, repetitions: int) -> int:
        """The number of bins at M repetitions."""
        return self.bins or int(np.clip(round(repetitions**0.5), 2, 20))

    def value(self, returns: FloatArray) -> FloatArray:
        """Corrected information of returns ``(..., K, M)``, as ``(...)``."""
        K, M = returns.shape[-2:]
        bins = self.bins_for(M)
        ordered = np.sort(returns.reshape(*returns.shape[:-2], K * M), axis=-1)
        edges = ordered[..., (np.arange(1, bins) * K * M) // bins]
        cells = np.zeros(returns.shape, dtype=np.int64)
        for b in range(bins - 1):
            cells += returns >= edges[..., b, None, None]
        counts = cell_counts(cells, bins)
        occupied_bins = (counts.sum(axis=-2) > 0).sum(axis=-1)
        occupied_pairs = (counts > 0).sum(axis=(-1, -2))
        return np.asarray(plugin_information(counts) + (K + occupied_bins - occupied_pairs - 1) / (2.0 * K * M))
