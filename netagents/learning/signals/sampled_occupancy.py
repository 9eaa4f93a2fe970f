"""The sampled local occupancy lambda_i (arXiv 2302.07938, section 2): discounted visits of own (state, action) pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def sampled_occupancy(
    states: NDArray[Any], actions: NDArray[Any], weights: FloatArray, copies: int, state_size: int, action_size: int
) -> FloatArray:
    """lambda_i(s, a) = (1/B) sum over copies and steps of gamma^t 1[s_i^t = s, a_i^t = a].

    Args:
        states, actions: (T, B) own indices.
        weights: (T, B) gamma^t, zero for steps after a copy ended.
        copies: B.

    Returns:
        (state_size, action_size) float64 of total mass (1 - gamma^T) / (1 - gamma) when no copy ended early.
    """
    pairs = states.astype(np.int64) * action_size + actions
    visits = np.bincount(pairs.reshape(-1), weights=weights.reshape(-1), minlength=state_size * action_size)
    return visits.reshape(state_size, action_size) / copies
