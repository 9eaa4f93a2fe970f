"""The softmax policy table: pi_i(a | x) = exp(theta[x, a]) / sum_b exp(theta[x, b]), x the local states within kappa_policy."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from netagents.errors import CapacityError
from netagents.policies.policy import FloatArray, TabularPolicy

LARGEST_TABLE = 1 << 24
"""Largest number of logits of one agent (128 MiB)."""


def check_table(state_sizes: Sequence[int], action_size: int, where: str) -> int:
    """The number of contexts of a policy table over these states.

    Raises:
        CapacityError: the table would have more than :data:`LARGEST_TABLE` entries.
    """
    contexts = prod(state_sizes)
    if contexts * action_size > LARGEST_TABLE:
        raise CapacityError(
            f"the policy table over the states of {len(state_sizes)} agents needs {contexts * action_size:.3g} entries "
            f"({contexts * action_size * 8 / 2**30:.3g} GiB), more than {LARGEST_TABLE}",
            where=where,
            fix="lower kappa_policy, or use a topology with fewer neighbours",
        )
    return contexts


class SoftmaxTable(TabularPolicy):
    """A tabular localized policy.

    Args:
        window: the agents whose states it reads, ascending, itself included.
        state_sizes: number of local states of each agent in the window.
        action_size: number of own actions.
        where: names the agent in errors.

    Raises:
        CapacityError: the table would have more than :data:`LARGEST_TABLE` entries.
    """

    def __init__(self, window: Sequence[int], state_sizes: Sequence[int], action_size: int, where: str = "policy") -> None:
        check_table(state_sizes, action_size, where)
        super().__init__(window, state_sizes, action_size)

    def distribution(self, logits: FloatArray) -> FloatArray:
        """exp(theta[x, a]) / sum_b exp(theta[x, b])."""
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: FloatArray = weights / weights.sum(axis=1, keepdims=True)
        return probabilities

    def score_sum(self, credit: FloatArray) -> FloatArray:
        """The score of a softmax row is 1[a] - pi(.|x): the credit itself, less the row's total in proportion to pi."""
        gradient: FloatArray = credit - self.probabilities * credit.sum(axis=1, keepdims=True)
        return gradient
