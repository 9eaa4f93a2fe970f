"""The matrix of influence: how much the return of agent i depends on which policy agent j plays.

One rollout gives the returns of all agents, so varying one source at a time, n K M rollouts fill the matrix.  Like the power
matrix it has sources j as rows and agents i as columns, and no diagonal; what an agent's own policy does is kept beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import Estimator, FloatArray, InfluenceEstimate, largest_value
from netagents.measures.influence.false_discovery import Control, control_false_discoveries, penalty
from netagents.measures.influence.resampling import PERMUTATIONS, RESAMPLES, Assessment, assess, permutations_needed
from netagents.measures.influence.return_checks import check_returns
from netagents.measures.influence.variance_share import VarianceShare

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class InfluenceMatrix:
    """Influence of j (row) on i (column); all matrices are ``(n, n)`` with NaN on the diagonal and in rows not measured.

    Attributes:
        values: the estimates, averaged over ego checkpoints and seeds where there are several.
        low: lower edges of the 95 % intervals.
        high: upper edges.
        null_mean: mean of each entry's permutation null.
        null_quantile: its 95 % quantile.
        p: p-values.
        adjusted: p-values adjusted for all off-diagonal entries together.
        significant: bool; discoveries at the false-discovery rate, False on the diagonal.
        share: epsilon squared, the corrected share of the variance of i's returns that lies between j's policies.
        own: ``(n,)`` the diagonal: an agent's own policy and its own return.
        by_seed: ``(S, n, n)`` the estimates of each seed.
        estimator: name of the estimator.
        policies: K.
        repetitions: M.
        permutations: behind each p-value.
        rate: the false-discovery rate.
        control: the procedure that keeps it.
    """

    values: FloatArray
    low: FloatArray
    high: FloatArray
    null_mean: FloatArray
    null_quantile: FloatArray
    p: FloatArray
    adjusted: FloatArray
    significant: BoolArray
    share: FloatArray
    own: FloatArray
    by_seed: FloatArray
    estimator: str
    policies: int
    repetitions: int
    permutations: int
    rate: float
    control: Control

    def entry(self, source: int, agent: int) -> InfluenceEstimate:
        """One entry of the matrix."""
        at = (source, agent)
        numbers = (self.values, self.low, self.high, self.null_mean, self.null_quantile, self.p)
        value, low, high, null_mean, null_quantile, p = (float(matrix[at]) for matrix in numbers)
        return InfluenceEstimate(value, low, high, null_mean, null_quantile, p, self.policies, self.repetitions, self.estimator)


def estimate_influence(
    returns: FloatArray,
    estimator: Estimator,
    *,
    seed: int = 0,
    common_random_numbers: bool = False,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
) -> InfluenceEstimate:
    """Influence of one source on one agent.

    Args:
        returns: ``(K, M)``, or ``(S, E, K, M)`` to average over S seeds and E ego checkpoints as the paper does.
        estimator: which estimator.
        seed: of permutations and resamples.
        common_random_numbers: repetition m has the same seed under all policies.
        permutations: for the null.
        resamples: for the interval.

    Raises:
        ExperimentError: the returns do not fit the estimator, see :func:`check_returns`.
        NumericalError: a return is not finite.
    """
    axes = ("policy", "repetition") if np.ndim(returns) < 4 else ("seed", "ego checkpoint", "policy", "repetition")
    values = check_returns(returns, estimator, axes=axes)
    result = assess(
        estimator.value,
        values[None, None, ..., None] if values.ndim == 2 else values[..., None],
        resampling=estimator.resampling,
        common_random_numbers=common_random_numbers,
        seed=seed,
        permutations=permutations,
        resamples=resamples,
        most=largest_value(estimator, values.shape[-2]),
    )
    numbers = (result.value, result.low, result.high, result.null_mean, result.null_quantile, result.p)
    value, low, high, null_mean, null_quantile, p = (float(array[0]) for array in numbers)
    K, M = values.shape[-2:]
    return InfluenceEstimate(value, low, high, null_mean, null_quantile, p, K, M, estimator.name)


def influence_matrix(
    returns: FloatArray,
    estimator: Estimator,
    *,
    sources: Sequence[int] | None = None,
    seed: int = 0,
    common_random_numbers: bool = True,
    permutations: int | None = None,
    resamples: int = RESAMPLES,
    rate: float = 0.05,
    control: Control = "benjamini_hochberg",
) -> InfluenceMatrix:
    """The matrix from the returns of rollouts in which one source at a time plays each policy of its bank.

    An agent whose returns never vary under a source's policies has influence 0 and p = 1 there.

    Args:
        returns: ``(n sources, K, M, n agents)``, or ``(S, E, n sources, K, M, n agents)`` with seeds and ego checkpoints.
        estimator: which estimator.
        sources: the agent of each row of ``returns``; default 0 to n - 1.  Rows of other agents are NaN.
        seed: of permutations and resamples.
        common_random_numbers: repetition m has the same seed under all policies.
        permutations: for each null; default 999, or more where false-discovery control needs finer p-values.
        resamples: for the intervals.
        rate: false-discovery rate over all off-diagonal entries.
        control: which procedure controls it.

    Raises:
        ExperimentError: the returns do not fit the estimator, or the sources do not fit the returns.
        NumericalError: a return is not finite.
    """
    axes = ("source", "policy", "repetition", "agent")
    if np.ndim(returns) > 4:
        axes = ("seed", "ego checkpoint", *axes)  # type: ignore[assignment]
    values = check_returns(returns, estimator, axes=axes)
    if values.ndim == 4:
        values = values[None, None]
    seeds, _, rows, K, M, n = values.shape
    agents = tuple(range(n)) if sources is None else tuple(int(source) for source in sources)
    if len(agents) != rows or len(set(agents)) != rows or not set(agents) <= set(range(n)):
        raise ExperimentError(
            f"returns of {rows} sources and {n} agents do not go with the sources {list(agents)}",
            where="influence",
            fix=f"{rows} different agents of 0 to {n - 1}",
        )
    tests = max(1, rows * (n - 1))
    if permutations is None:
        permutations = max(PERMUTATIONS, permutations_needed(tests, rate, penalty(tests, control)))
    parts: dict[str, FloatArray] = {name: np.full((n, n), np.nan) for name in ("value", "low", "high", "null_mean", "null_quantile", "p")}
    share, by_seed = np.full((n, n), np.nan), np.full((seeds, n, n), np.nan)
    for row, j in enumerate(agents):
        result: Assessment = assess(
            estimator.value,
            values[:, :, row],
            resampling=estimator.resampling,
            common_random_numbers=common_random_numbers,
            seed=seed,
            owner=j,
            permutations=permutations,
            resamples=resamples,
            most=largest_value(estimator, K),
        )
        for name, matrix in parts.items():
            matrix[j] = getattr(result, name)
        by_seed[:, j] = result.by_seed
        share[j] = VarianceShare().value(np.moveaxis(values[:, :, row], -1, 2)).mean(axis=(0, 1))
    own = np.diagonal(parts["value"]).copy()
    for matrix in (*parts.values(), share, *by_seed):
        np.fill_diagonal(matrix, np.nan)
    discoveries = control_false_discoveries(parts["p"], rate, control)
    return InfluenceMatrix(
        parts["value"],
        parts["low"],
        parts["high"],
        parts["null_mean"],
        parts["null_quantile"],
        parts["p"],
        discoveries.adjusted,
        discoveries.significant,
        share,
        own,
        by_seed,
        estimator.name,
        K,
        M,
        permutations,
        rate,
        control,
    )
