"""Warnings about influence estimates that look like results and are none: each is one line, or absent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import FloatArray, InfluenceEstimate
from netagents.measures.influence.false_discovery import penalty
from netagents.measures.influence.influence_matrix import InfluenceMatrix
from netagents.measures.influence.resampling import permutations_needed

LITTLE_VARIATION = 0.1
"""Standard deviation divided by mean below which scenarios are as good as equal."""

SIMILAR_POLICIES = 0.05
"""Mean total-variation distance below which a bank hardly differs."""

SAME_POLICY = 0.01
"""Total-variation distance below which two policies are as good as one."""

STABLE_RANKS = 0.5
"""Mean rank correlation between seeds below which an order of influence is not to be relied on."""


def scenario_warning(estimates: Sequence[InfluenceEstimate]) -> str | None:
    """A line if influence varies so little between scenarios that allocation by it cannot matter.

    It does so if the differences are within the intervals (Cochran's test of homogeneity, 5 %) or small altogether.
    """
    from scipy.stats import chi2

    values = np.array([estimate.value for estimate in estimates])
    if len(values) < 2:
        return None
    width = np.array([estimate.high - estimate.low for estimate in estimates])
    error = np.maximum(width / (2.0 * 1.96), 1e-12)
    weights = 1.0 / error**2
    spread = float((weights * (values - np.average(values, weights=weights)) ** 2).sum())
    p = float(chi2.sf(spread, len(values) - 1))
    mean, deviation = float(values.mean()), float(values.std())
    facts = f"between {len(values)} scenarios influence varies from {values.min():.3g} to {values.max():.3g}"
    if p > 0.05:
        return f"{facts}, no more than its estimates scatter (p = {p:.2g}): an allocation by influence cannot matter"
    if deviation < LITTLE_VARIATION * abs(mean):
        return f"{facts}, a deviation of {100 * deviation / abs(mean):.0f} % of the mean: an allocation by influence can hardly matter"
    return None


def null_warning(values: FloatArray, null_quantile: FloatArray) -> str | None:
    """A line if estimates are no higher than the 95 % quantile of their null; NaN entries are left out.

    Without any influence 5 % of the estimates are above it, so that is the share that may be.
    """
    values, null_quantile = np.asarray(values), np.asarray(null_quantile)
    known = np.isfinite(values) & np.isfinite(null_quantile)
    count = int(known.sum())
    inside = int((values[known] <= null_quantile[known]).sum())
    if not inside:
        return None
    return f"{inside} of {count} estimates are within what permuted labels give (95 % quantile): they are no evidence of influence"


def policy_distances(probabilities: FloatArray) -> FloatArray:
    """Mean total-variation distance between the policies of a bank, ``(K, K)``.

    Args:
        probabilities: ``(K, X, A)`` of each action at X observations, those that were met while playing.

    Raises:
        ExperimentError: not three axes, or rows that are no distributions.
    """
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 3 or not table.size or not np.allclose(table.sum(axis=-1), 1.0, atol=1e-6) or table.min() < -1e-9:
        raise ExperimentError(
            f"action probabilities of shape {table.shape}", where="bank", fix="distributions, (policies, observations, actions)"
        )
    return np.stack([0.5 * np.abs(table - policy).sum(axis=-1).mean(axis=-1) for policy in table])


def bank_warning(distances: FloatArray, names: Sequence[str] | None = None) -> str | None:
    """A line if the policies of a bank hardly differ, or two of them are the same.

    Args:
        distances: ``(K, K)`` of :func:`policy_distances`.
        names: of the policies, default their numbers.
    """
    K = len(distances)
    if K < 2:
        return None
    above = np.triu_indices(K, 1)
    mean = float(distances[above].mean())
    same = [(int(a), int(b)) for a, b in zip(*above, strict=True) if distances[a, b] < SAME_POLICY]
    if mean < SIMILAR_POLICIES:
        return f"the {K} policies of the bank hardly differ (mean distance {mean:.2g}): little influence then says little of the source"
    if same:
        a, b = same[0]
        pair = f"{names[a]} and {names[b]}" if names is not None else f"{a} and {b}"
        return f"{len(same)} of {len(above[0])} pairs of policies of the bank are as good as equal, the first {pair}: K should be smaller"
    return None


def seed_warning(by_seed: FloatArray) -> str | None:
    """A line if the order of influence changes with the seed of the banks.

    Args:
        by_seed: ``(S, ...)`` the same estimates from S seeds; NaN entries are left out.
    """
    from scipy.stats import spearmanr

    flat = np.asarray(by_seed, dtype=np.float64).reshape(len(by_seed), -1)
    flat = flat[:, np.isfinite(flat).all(axis=0)]
    S, entries = flat.shape
    if S < 2 or entries == 0:
        return None
    if entries >= 3:
        varied = [row for row in flat if np.ptp(row) > 0.0]
        if len(varied) < 2:
            return None
        pairs = [float(spearmanr(a, b).statistic) for i, a in enumerate(varied) for b in varied[i + 1 :]]
        if np.mean(pairs) < STABLE_RANKS:
            return f"the order of {entries} estimates changes with the seed of the bank (mean rank correlation {np.mean(pairs):.2f})"
        return None
    spread = float((flat.std(axis=0, ddof=1) / np.maximum(np.abs(flat.mean(axis=0)), 1e-12)).max())
    return f"influence changes by {100 * spread:.0f} % of its mean with the seed of the bank ({S} seeds)" if spread > STABLE_RANKS else None


def matrix_warnings(matrix: InfluenceMatrix) -> tuple[str, ...]:
    """All that a matrix itself gives reason to warn of."""
    tests = int(np.isfinite(matrix.p).sum())
    needed = permutations_needed(tests, matrix.rate, penalty(tests, matrix.control))
    coarse = None
    if matrix.permutations < needed:
        coarse = (
            f"{matrix.permutations} permutations are too few to tell a single entry of {tests} at a false-discovery rate of "
            f"{matrix.rate:g}: at least {needed}"
        )
    lines = (null_warning(matrix.values, matrix.null_quantile), seed_warning(matrix.by_seed), coarse)
    return tuple(line for line in lines if line)
