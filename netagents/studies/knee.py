"""The knee of a curve over the radius: the smallest radius that no larger one is shown to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netagents.intervals import ENOUGH, Interval, order


def knee(gains: Sequence[Interval], floor: float) -> int | None:
    """The smallest position that no later one beats by more than ``floor``; None where these samples do not tell.

    They do not tell with fewer than :data:`netagents.intervals.ENOUGH` samples somewhere, or where a later position is higher by more
    than ``floor`` but its interval overlaps that of the candidate: naming the candidate would then be a guess.

    Args:
        gains: what each radius brings, in ascending order of cost.
        floor: a difference that nobody cares about.
    """
    if not gains or any(each.n < ENOUGH or np.isnan(each.value) for each in gains):
        return None
    for position, here in enumerate(gains):
        later = gains[position + 1 :]
        if any(order(each, here, floor) == "higher" for each in later):
            continue
        return None if any(each.value - here.value > floor for each in later) else position
    return None
