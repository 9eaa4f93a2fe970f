"""Warnings about a price of power while agents learn: too high, without effect, unsettling, or of what is noise; each says what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SHORTEST, SHARE = 5, 0.1
"""A window is this many iterations, or this share of them where that is more."""
CLEAR = 2.0
"""Standard errors by which two windows must differ."""
WILD = 2.5
"""Times the spread of before the price from which on learning counts as unsettled."""
NOISY = 0.5
"""Share of the power between those who can influence each other that may be measured between those who cannot."""


@dataclass(frozen=True)
class PricedHistory:
    """One run with a power term, by iteration; all (K,), means over agents.

    Attributes:
        task: discounted task return.
        power: discounted sum of aggregated power.
        weight: minus the price, with its schedule.
        known: share of steps and co-players whose power was known.
        floor: mean power measured between agents that cannot influence each other; NaN where there are none.
        between: the same of those that can.
    """

    task: FloatArray
    power: FloatArray
    weight: FloatArray
    known: FloatArray
    floor: float = float("nan")
    between: float = float("nan")


class PriceWarning(NamedTuple):
    """What is wrong and what to do, a sentence each."""

    name: str
    what: str
    advice: str


def warning_window(count: int) -> int:
    """Iterations that are compared with as many others, after ``count`` of them."""
    return max(SHORTEST, round(SHARE * count))


def price_warnings(history: PricedHistory) -> list[PriceWarning]:
    """Everything that the history of a run warns of; nothing while it is too short to say."""
    count = len(history.task)
    window = warning_window(count)
    priced = np.flatnonzero(history.weight < 0.0)
    warnings: list[PriceWarning] = []
    if history.known[-window:].size and float(history.known[-window:].mean()) < 0.5 and count >= window:
        share = 100.0 * float(history.known[-window:].mean())
        warnings.append(PriceWarning("unknown", f"only {share:.0f} % of power is known", "raise learning.batch or power.window"))
    if np.isfinite(history.floor) and np.isfinite(history.between) and history.floor > NOISY * abs(history.between):
        warnings.append(
            PriceWarning(
                "disagrees with influence",
                f"power of {history.floor:.2g} is measured where there is no influence, {history.between:.2g} elsewhere",
                "raise learning.batch or power.window before raising lambda: what is priced is noise",
            )
        )
    if not priced.size:
        return warnings
    start = int(priced[0])
    if count - start < 2 * window:
        return warnings
    now, earlier = slice(count - window, count), slice(count - 2 * window, count - window)
    if _below(history.task[now], history.task[earlier]) and not _below(history.power[now], history.power[earlier]):
        warnings.append(
            PriceWarning("overcautious", "the task return falls and power no longer does", "lower lambda, or give it a longer ramp")
        )
    if start < window:
        return warnings
    before = slice(start - window, start)
    wild, calm = _scatter(history.task[now]), _scatter(history.task[before])
    if wild > WILD * calm > 0.0:
        warnings.append(
            PriceWarning(
                "destabilised",
                f"the task return scatters {wild / calm:.1f} times as much from iteration to iteration as before the price",
                "lower lambda or the learning rate, or raise refresh and ramp",
            )
        )
    price = -float(history.weight[-1])
    regularized = history.task - price * history.power
    if _below(regularized[now], regularized[before]):
        warnings.append(
            PriceWarning(
                "cost too high",
                "what was learned before the price is better even at the price: more return was lost than power is worth",
                "lower lambda, or let agents learn the task longer before start",
            )
        )
    return warnings


def _below(first: FloatArray, second: FloatArray) -> bool:
    """Whether the mean of one window is clearly below that of another."""
    error = float(np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second)))
    return float(second.mean() - first.mean()) > max(CLEAR * error, 1e-12)


def _scatter(values: FloatArray) -> float:
    """Standard deviation of the changes from iteration to iteration, which a trend hardly touches."""
    return float(np.diff(values).std())
