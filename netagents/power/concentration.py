"""How concentrated power is: top share, Herfindahl index and Gini coefficient of the power that agents hold."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Concentration(NamedTuple):
    """Concentration of held power h_j = sum_i P[j, i] over the entries given.

    Attributes:
        held: (n,) power held by each agent.
        top_holder: the agent that holds most, -1 when nothing is held.
        top_share: its share of all held power.
        herfindahl: sum of squared shares, from 1/n (equal) to 1 (one agent holds all).
        gini: Gini coefficient of the held power, 0 (equal) to (n - 1)/n.
        largest: the largest single entry.
    """

    held: FloatArray
    top_holder: int
    top_share: float
    herfindahl: float
    gini: float
    largest: float


def concentration(power: FloatArray) -> Concentration:
    """Concentration of a power matrix P[j, i] (NaN entries are unknown and count for nobody).

    Where nothing is known, or nobody holds any power, the shares are NaN and ``top_holder`` is -1.
    """
    known = np.isfinite(power)
    # A double estimator of nothing scatters around zero; below it nothing is held.
    held = np.where(known, np.maximum(power, 0.0), 0.0).sum(axis=1)
    total = float(held.sum())
    largest = float(np.max(power[known])) if known.any() else float("nan")
    if not known.any() or total <= 0.0:
        nan = float("nan")
        return Concentration(held, -1, nan, nan, nan, largest)
    shares = held / total
    n = len(held)
    ordered = np.sort(held)
    gini = float((2.0 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))
    top = int(np.argmax(held))
    return Concentration(held, top, float(shares[top]), float((shares * shares).sum()), gini, largest)
