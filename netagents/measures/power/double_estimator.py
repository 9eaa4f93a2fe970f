"""Double estimator of power: two critics whose errors are independent, one of which chooses the worst action and the other values it.

The minimum over a noisy critic's values lies too low, and power too high: by about 1.27 standard deviations of the noise with six actions
that are all alike.  Here one critic of a pair chooses the action and the other values it and the action that was played; then they
change places, and the two readings are averaged (double estimator, van Hasselt 2010).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
PAIR = 2


def double_estimate(played: FloatArray, alternatives: FloatArray) -> FloatArray:
    """Power from two critics whose errors are independent.

    Args:
        played: (2, M) values of what was played, by each critic.
        alternatives: (2, A, M) values of every action of j, the others as played.

    Returns:
        (M,) mean over who chooses: value of what was played less value of the chosen action, both by the one that did not choose.
    """
    power = np.zeros(played.shape[1])
    for chooser in range(PAIR):
        valuer = 1 - chooser
        worst = alternatives[chooser].argmin(axis=0)
        power += played[valuer] - np.take_along_axis(alternatives[valuer], worst[None], axis=0)[0]
    return power / PAIR


def single_estimate(played: FloatArray, alternatives: FloatArray) -> FloatArray:
    """Power from the pair's mean as if it were one critic: the reading with the bias, to be set beside the other; shapes as there."""
    estimate: FloatArray = played.mean(axis=0) - alternatives.mean(axis=0).min(axis=0)
    return estimate
