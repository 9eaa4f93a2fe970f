"""Exact local kernels of finite environments: the tables that the oracle multiplies out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LocalKernel:
    """Agent i's next local state and expected reward, given the agents in its scopes.

    Attributes:
        state_scope: agents whose states matter, ascending.
        action_scope: agents whose actions matter, ascending.
        transition: ``(*|S_j| for j in state_scope, *|A_k| for k in action_scope, |S_i|)``; sums to one over the last axis.
        reward: expected reward, ``(*|S_j| for j in state_scope, *|A_k| for k in action_scope)``.
        initial: start distribution of the local state, ``(|S_i|,)``; agents start independently.
    """

    state_scope: tuple[int, ...]
    action_scope: tuple[int, ...]
    transition: NDArray[np.float64]
    reward: NDArray[np.float64]
    initial: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FactoredKernel:
    """The whole model: P(s'|s,a) = prod_i P_i(s_i' | s_scope, a_scope), one :class:`LocalKernel` per agent."""

    state_sizes: tuple[int, ...]
    action_sizes: tuple[int, ...]
    agents: tuple[LocalKernel, ...]
