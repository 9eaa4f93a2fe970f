"""The contract of a tabular localized policy, whatever its parametrisation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.policies.indexing import MixedRadix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class TabularPolicy(ABC):
    """pi_i(a | x) as a table with a row per context x, the joint local states within kappa_policy, and a parameter per entry.

    A policy of your own implements :meth:`distribution` and :meth:`score_sum`; it may override :meth:`project`.  Set what these
    need before calling ``super().__init__``, which evaluates the policy at parameters of zero.

    Args:
        window: the agents whose states it reads, ascending, itself included.
        state_sizes: number of local states of each agent in the window.
        action_size: number of own actions A.

    Attributes:
        logits: (X, A) float64, the parameters theta, whatever they mean.
        probabilities: (X, A) of the present parameters.
    """

    def __init__(self, window: Sequence[int], state_sizes: Sequence[int], action_size: int) -> None:
        self.window = tuple(window)
        self.radix = MixedRadix(state_sizes)
        self.action_size = action_size
        self.logits: FloatArray = np.zeros((self.radix.total, action_size))
        self._refresh()

    @abstractmethod
    def distribution(self, logits: FloatArray) -> FloatArray:
        """pi(. | x) of every row for parameters ``(X, A)``: positive, each row with sum 1, a pure function."""

    @abstractmethod
    def score_sum(self, credit: FloatArray) -> FloatArray:
        """sum over (x, a) of credit[x, a] * grad_theta log pi(a | x) at the present parameters, (X, A).

        With the sampled advantages as credit this is the policy gradient.
        """

    def project(self, logits: FloatArray, bound: float) -> FloatArray:
        """The parameters nearest to ``logits`` that are allowed: each within [-bound, bound] (theta_max)."""
        return np.clip(logits, -bound, bound)

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
        actions: IntArray = np.argmax(self.probabilities, axis=1)[context]
        return actions

    def ascend(self, step: FloatArray, bound: float) -> None:
        """Add ``step`` (X, A) to the parameters and project them."""
        self.logits = np.ascontiguousarray(self.project(self.logits + step, bound))
        self._refresh()

    def load(self, logits: FloatArray) -> None:
        """Take over parameters of shape (X, A)."""
        if logits.shape != self.logits.shape:
            raise ValueError(f"logits of shape {logits.shape} for a policy of shape {self.logits.shape}")
        self.logits = np.ascontiguousarray(logits, dtype=np.float64).copy()
        self._refresh()

    def _refresh(self) -> None:
        self.probabilities: FloatArray = self.distribution(self.logits)
        self._thresholds = np.ascontiguousarray(np.cumsum(self.probabilities, axis=1)[:, :-1])
