"""The softmax policy table: pi_i(a | x) = exp(theta[x, a]) / sum_b exp(theta[x, b]), x the local states within kappa_policy."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import CapacityError
from netagents.policies.indexing import MixedRadix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

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


class SoftmaxTable:
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
        contexts = check_table(state_sizes, action_size, where)
        self.window = tuple(window)
        self.radix = MixedRadix(state_sizes)
        self.action_size = action_size
        self.logits: FloatArray = np.zeros((contexts, action_size))
        self._refresh()

    @property
    def contexts(self) -> int:
        """Number of rows X: joint local states of the window."""
        return self.radix.total

    def context(self, states: Sequence[NDArray[Any]]) -> IntArray:
        """Row index x of each copy from the window's local states, one array of shape (...) per agent of the window."""
        return self.radix.encode(states)

    def act(self, context: IntArray, uniforms: FloatArray) -> IntArray:
        """Draw an action per copy by inverting the cumulative distribution.

        Args:
            context: (B,) row indices.
            uniforms: (B,) uniforms on [0, 1).

        Returns:
            (B,) int64 actions.
        """
        if self.action_size == 2:
            actions: IntArray = (uniforms >= self._thresholds[context, 0]).astype(np.int64)
        else:
            actions = (uniforms[:, None] >= self._thresholds[context]).sum(axis=1, dtype=np.int64)
        return actions

    def greedy(self, context: IntArray) -> IntArray:
        """The most probable action per copy; ties go to the lowest action."""
        actions: IntArray = np.argmax(self.logits, axis=1)[context]
        return actions

    def ascend(self, step: FloatArray, bound: float) -> None:
        """Add ``step`` (X, A) to the logits and project them on [-bound, bound] (theta_max)."""
        np.clip(self.logits + step, -bound, bound, out=self.logits)
        self._refresh()

    def load(self, logits: FloatArray) -> None:
        """Take over logits of shape (X, A)."""
        if logits.shape != self.logits.shape:
            raise ValueError(f"logits of shape {logits.shape} for a policy of shape {self.logits.shape}")
        self.logits = np.ascontiguousarray(logits, dtype=np.float64).copy()
        self._refresh()

    def _refresh(self) -> None:
        weights = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        self.probabilities: FloatArray = weights / weights.sum(axis=1, keepdims=True)
        self._thresholds = np.ascontiguousarray(np.cumsum(self.probabilities, axis=1)[:, :-1])
