"""Returns that trust a critic a little way ahead: lambda-returns, of which generalized advantages are the excess over a baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def lambda_returns(
    signal: FloatArray,
    ahead: FloatArray,
    bootstrap: FloatArray,
    alive: NDArray[np.bool_],
    discount: float,
    decay: float,
    cut: NDArray[np.bool_] | None = None,
) -> FloatArray:
    """G_t = u_t + gamma [ (1 - lambda) v_{t+1} + lambda G_{t+1} ], with v the critic one step ahead.

    With v = V this less V(s_t) is the generalized advantage of arXiv 1506.02438, sum_l (gamma lambda)^l delta_{t+l}; with v = Q(s', a')
    it is SARSA(lambda)'s return.  At the last step, and where the environment cut a copy short, the critic stands for all that follows.

    Args:
        signal: (T, B) u.
        ahead: (T, B) v at the state (and action) that the step led to.
        bootstrap: (T, B) 0.0 where the step ended in a terminal state, else 1.0.
        alive: (T, B) the agent's part in the copy had not ended before the step.
        discount, decay: gamma and lambda.
        cut: (T, B) further steps after which the critic stands for all that follows.

    Returns:
        (T, B), zero for steps after the end: nothing follows there.
    """
    returns = np.empty_like(signal)
    # What no later step enters is worked out for all steps at once.
    trusted, weights = (1.0 - decay) * ahead, discount * bootstrap
    # What the next step knows counts only where the copy goes on: elsewhere the critic does.
    goes_on = np.zeros_like(alive)
    goes_on[:-1] = alive[1:]
    if cut is not None:
        goes_on &= ~cut
    whole: list[bool] = np.logical_and.reduce(goes_on, axis=1).tolist()
    following = ahead[-1]
    for step in range(len(signal) - 1, -1, -1):
        row = returns[step]
        np.multiply(following, decay, out=row)
        row += trusted[step]
        if not whole[step]:
            np.copyto(row, ahead[step], where=~goes_on[step])
        row *= weights[step]
        row += signal[step]
        following = row
    return np.where(alive, returns, 0.0)
