"""Influence of a set of sources, and their synergy: what their policies tell together beyond the sum of what each tells alone.

With every combination of the sources' policies played equally often the choices are independent, so the joint information is
at least the sum of the single ones; the rest is synergy (for two sources the interaction information of McGill 1954).  In
units of eta squared it is the interaction share of the analysis of variance, exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netagents.errors import ExperimentError
from netagents.measures.influence.estimator import Estimator, FloatArray
from netagents.measures.influence.resampling import PERMUTATIONS, RESAMPLES, assess
from netagents.measures.influence.return_checks import check_returns


class AgentEstimates(NamedTuple):
    """One statistic for each agent: value, 95 % interval, mean and 95 % quantile of its permutation null, p-value; all ``(A,)``."""

    value: FloatArray
    low: FloatArray
    high: FloatArray
    null_mean: FloatArray
    null_quantile: FloatArray
    p: FloatArray


class GroupInfluence(NamedTuple):
    """Influence of g sources on A agents.

    The null of all of them is that no source matters.  It also shows the bias of synergy, which compares estimates at different
    numbers of policies and repetitions; a p-value of synergy speaks against that null, not against additive sources.

    Attributes:
        joint: of all sources together, on ``(K_1 ... K_g)`` joint policies and M repetitions.
        single: of each source, the others varying as well.
        synergy: joint minus the sum of the single ones.
    """

    joint: AgentEstimates
    single: tuple[AgentEstimates, ...]
    synergy: AgentEstimates


def group_influence(
    returns: FloatArray,
    estimator: Estimator,
    *,
    seed: int = 0,
    common_random_numbers: bool = False,
    permutations: int = PERMUTATIONS,
    resamples: int = RESAMPLES,
) -> GroupInfluence:
    """Joint and single influence and synergy, from all combinations of the sources' policies.

    Args:
        returns: ``(K_1, ..., K_g, M, A)`` with g >= 2.
        estimator: which estimator.
        seed: of permutations and resamples.
        common_random_numbers: repetition m has the same seed under all combinations.
        permutations: for the nulls.
        resamples: for the intervals.

    Raises:
        ExperimentError: fewer than two sources, a source with one policy, or returns that do not fit the estimator.
        NumericalError: a return is not finite.
    """
    shape = np.shape(returns)
    if len(shape) < 4:
        raise ExperimentError(
            f"returns of shape {shape} are not those of a set of sources",
            where="influence",
            fix="the axes policy of source 1, policy of source 2, ..., repetition, agent",
        )
    *banks, M, A = shape
    single_bank = [source for source, K in enumerate(banks) if K < 2]
    if single_bank:
        raise ExperimentError(
            f"source {single_bank[0]} of the set has a bank of {banks[single_bank[0]]}", where="influence", fix="at least 2 policies each"
        )
    values = check_returns(np.reshape(returns, (-1, M, A)), estimator, axes=("policy", "repetition", "agent"))

    def statistic(cells: FloatArray) -> FloatArray:
        """Joint, single ones and synergy of returns ``(..., K_1 ... K_g, m)``, as ``(..., g + 2)``."""
        m = cells.shape[-1]
        by_bank = cells.reshape(*cells.shape[:-2], *banks, m)
        first = cells.ndim - 2
        joint = estimator.value(cells)
        single = []
        for source, K in enumerate(banks):
            moved = np.moveaxis(by_bank, first + source, first)
            single.append(estimator.value(moved.reshape(*cells.shape[:-2], K, -1)))
        return np.stack([joint, *single, joint - np.sum(single, axis=0)], axis=-1)

    result = assess(
        statistic,
        values[None, None],
        resampling=estimator.resampling,
        common_random_numbers=common_random_numbers,
        seed=seed,
        permutations=permutations,
        resamples=resamples,
    )
    numbers = (result.value, result.low, result.high, result.null_mean, result.null_quantile, result.p)
    columns = [AgentEstimates(*(array[:, column] for array in numbers)) for column in range(len(banks) + 2)]
    return GroupInfluence(columns[0], tuple(columns[1:-1]), columns[-1])
