"""Values along sampled trajectories of which a critic has evaluated only some keys.

A key that a critic has never evaluated has no value, and zero is not one: it says that nothing follows.  Its sampled value is

    v_t = u_t + gamma * v_{t+1},

the learning signal of the step plus the value of the next key: the critic's where the critic has evaluated it, else its own sampled
value.  Where nothing is evaluated this is the return along the trajectory; where everything is, it is never used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def values_along(
    values: FloatArray, evaluated: BoolArray, signal: FloatArray, alive: BoolArray, bootstrap: FloatArray, discount: float
) -> FloatArray:
    """The value of each of T steps of B copies: the critic's where it has evaluated the key, else the sampled one.

    Args:
        values: (T + 1, B) of the critic at the keys of the steps and of the decision after them.
        evaluated: (T + 1, B) which of these keys the critic has evaluated; the other values are not read.
        signal: (T, B) learning signal u^t.
        alive: (T, B) whether the agent's part in the copy had not ended before the step.
        bootstrap: (T, B) 1.0, or 0.0 where the step ended in a terminal state.
        discount: gamma.

    Returns:
        (T, B) float64, zero where the agent's part had ended: nothing of its own follows.
    """
    along = np.zeros_like(signal)
    following = np.where(evaluated[-1], values[-1], 0.0)
    for step in reversed(range(len(signal))):
        sampled = np.where(alive[step], signal[step] + discount * bootstrap[step] * following, 0.0)
        following = np.where(evaluated[step], values[step], sampled)
        along[step] = np.where(alive[step], following, 0.0)
    return along
