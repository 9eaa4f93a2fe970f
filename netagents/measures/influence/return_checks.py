"""Checks of returns before influence is estimated from them: each failure is one line that says what would be right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netagents.errors import ExperimentError, NumericalError
from netagents.measures.influence.estimator import Estimator, FloatArray


def check_sizes(policies: int, repetitions: int, estimator: Estimator, where: str = "influence") -> None:
    """Refuse sizes with which the estimator has no value or no interval, also before anything is played.

    Args:
        policies: K.
        repetitions: M.
        estimator: says how many repetitions it needs.
        where: named in the error.

    Raises:
        ExperimentError: K < 2, or M below ``estimator.least_repetitions``.
    """
    if policies < 2:
        raise ExperimentError(
            f"a bank with {policies} {'policy' if policies == 1 else 'policies'} cannot show influence",
            where=where,
            fix="at least 2 policies to choose from (K >= 2)",
        )
    if repetitions < estimator.least_repetitions:
        count = "repetition per policy is" if repetitions == 1 else "repetitions per policy are"
        raise ExperimentError(
            f"{repetitions} {count} too few for {estimator.name}",
            where=where,
            fix=f"at least {estimator.least_repetitions} (M >= {estimator.least_repetitions})",
        )


def check_returns(returns: FloatArray, estimator: Estimator, *, axes: Sequence[str], where: str = "influence") -> FloatArray:
    """The returns as float64, if the estimator can work with them.

    Args:
        returns: any array of returns with the axes named ``axes``, among them ``policy`` and ``repetition``.
        estimator: says how many repetitions and which range it needs.
        axes: names of the axes, for the errors.
        where: named in the errors.

    Raises:
        ExperimentError: wrong number of axes, an empty axis, K < 2, M too small, returns that never vary, or returns outside the
            estimator's range (negative ones for the published bins).
        NumericalError: a return is NaN or infinite.
    """
    values = np.asarray(returns, dtype=np.float64)
    if values.ndim != len(axes):
        raise ExperimentError(f"returns of shape {values.shape} have {values.ndim} axes", where=where, fix=f"the axes {', '.join(axes)}")
    if values.size == 0:
        empty = axes[values.shape.index(0)]
        raise ExperimentError(f"returns of shape {values.shape} hold nothing", where=where, fix=f"at least one {empty}")
    check_sizes(values.shape[list(axes).index("policy")], values.shape[list(axes).index("repetition")], estimator, where)
    finite = np.isfinite(values)
    if not finite.all():
        raise NumericalError(
            f"{int((~finite).sum())} of {values.size} returns are not finite, the first is {_name(values, ~finite, axes)}",
            where=where,
            fix="finite returns",
        )
    if estimator.domain is not None:
        low, high = estimator.domain
        outside = (values < low) | (values > high)
        if outside.any():
            raise ExperimentError(
                f"{int(outside.sum())} of {values.size} returns are outside the bins on [{low:g}, {high:g}], the first is "
                f"{_name(values, outside, axes)}",
                where=where,
                fix=f"bins that cover [{values.min():g}, {values.max():g}], or an estimator without a fixed range",
            )
    if np.ptp(values) == 0.0:
        raise ExperimentError(
            f"all {values.size} returns are {values.flat[0]:g}: nothing can depend on a policy where nothing varies",
            where=where,
            fix="an environment, a horizon or reference policies under which returns vary",
        )
    return values


def _name(values: FloatArray, mask: np.ndarray, axes: Sequence[str]) -> str:
    """The first chosen value and its place."""
    first = np.unravel_index(int(np.argmax(mask)), values.shape)
    return f"{values[first]:g} at " + ", ".join(f"{axis} {int(index)}" for axis, index in zip(axes, first, strict=True))
