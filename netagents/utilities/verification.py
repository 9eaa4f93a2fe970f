"""A check that a gradient is the gradient: central differences of the value, for tests and for utilities of your own."""

from __future__ import annotations

import numpy as np

from netagents.utilities.contract import FloatArray, Utility


def gradient_error(utility: Utility, occupancy: FloatArray, step: float = 1e-3) -> float:
    """Largest difference between the gradient and fourth-order central differences, on visited pairs.

    Pairs without mass are left out: an occupancy has no negative side there.

    Args:
        occupancy: (|S|, |A|), with at least one positive entry.
        step: half-width of the difference, relative to the entry it moves; must be below 1/2.

    Returns:
        The largest absolute difference, relative to the largest |shadow reward| plus 1 - gamma, its natural unit.
    """
    gradient = utility.gradient(occupancy)
    worst = 0.0
    for s, a in np.argwhere(occupancy > 0.0):
        h = step * float(occupancy[s, a])

        def moved(steps: int, s: int = s, a: int = a, h: float = h) -> float:
            shifted = occupancy.copy()
            shifted[s, a] += steps * h
            return utility.value(shifted)

        difference = (8.0 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12.0 * h)
        worst = max(worst, abs(difference - float(gradient[s, a])))
    return worst / (float(np.abs(gradient).max()) + 1.0 - utility.discount)
