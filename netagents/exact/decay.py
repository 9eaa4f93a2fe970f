"""How fast a Q-function forgets what lies beyond kappa hops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netagents.exact.joint_model import JointModel
from netagents.exact.truncation import Truncated, Window

FloatArray = NDArray[np.float64]

NEGLIGIBLE = 1e-12
"""Errors below this share of the largest one are rounding and do not enter a fit."""


def truncation_error(model: JointModel, q: FloatArray, window: Window) -> float:
    """sup |Q(z) - Q(z')| over all joint states and actions that agree on the window: what the coupling certificate bounds.

    Every reading of a truncated Q lies within this distance of the exact Q wherever it has a value (the fixed point excepted, which
    feeds its own errors back), and none can do better than half of it.

    Args:
        q: ``(S, A)``.
    """
    outside = [j for j in range(model.n) if j not in window]
    axes = (*outside, *(model.n + j for j in outside))
    table = q.reshape(model.shape)
    return float((table.max(axis=axes) - table.min(axis=axes)).max())


def reading_error(critic: Truncated, q: FloatArray, weights: FloatArray | None = None) -> tuple[float, float]:
    """sup |Q^ - Q| over the entries that have a value, and the weighted root mean square.

    Args:
        weights: ``(S, A)`` of the mean square; default uniform.
    """
    difference = critic.expand() - q
    known = np.isfinite(difference)
    weights = known / 1.0 if weights is None else np.where(known, weights, 0.0)
    squares = np.where(known, difference, 0.0) ** 2
    return float(np.sqrt(squares.max())), float(np.sqrt((weights * squares).sum() / weights.sum()))


@dataclass(frozen=True, slots=True)
class CriticError:
    """The error of a learned critic, split; weighted root mean squares over the entries that have a value.

    Attributes:
        statistical: learned - limit, which more samples reduce.
        truncation: limit - exact, which only a larger radius reduces.
        total: learned - exact.
    """

    statistical: float
    truncation: float
    total: float


def split_error(learned: Truncated, limit: Truncated, q: FloatArray, weights: FloatArray) -> CriticError:
    """Split a learned critic's error at the value that it converges to.

    Args:
        learned: the table that learning left, NaN where it was never visited.
        limit: what learning converges to: the fixed point for TD, the conditional mean for averaged returns.
        q: the exact Q, ``(S, A)``.
        weights: ``(S, A)`` of the mean squares.
    """
    table, target = learned.expand(), limit.expand()
    known = np.isfinite(table) & np.isfinite(target)
    share = np.where(known, weights, 0.0)
    share = share / share.sum()

    def size(difference: FloatArray) -> float:
        return float(np.sqrt((share * np.where(known, difference, 0.0) ** 2).sum()))

    return CriticError(size(table - target), size(target - q), size(table - q))


def decay_rate(kappas: Sequence[int], errors: Sequence[float]) -> float:
    """phi of the fit error ~ c phi^kappa: least squares on the logarithms of the errors that are not rounding.

    Returns:
        NaN when fewer than two errors remain.
    """
    sizes = np.asarray(errors, dtype=np.float64)
    usable = np.isfinite(sizes) & (sizes > NEGLIGIBLE * max(1.0, float(np.nanmax(sizes, initial=0.0))))
    if np.count_nonzero(usable) < 2:
        return float("nan")
    radii = np.asarray(kappas, dtype=np.float64)[usable]
    if np.ptp(radii) == 0.0:
        return float("nan")
    centred = radii - radii.mean()
    slope = float(centred @ np.log(sizes[usable]) / (centred @ centred))
    return float(np.exp(slope))
