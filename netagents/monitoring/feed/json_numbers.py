"""JSON numbers for a browser: six significant digits, NaN as null, infinities as null."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

DIGITS = 6


def rounded(values: ArrayLike) -> Any:
    """Nested lists of numbers with :data:`DIGITS` significant digits; what is not finite is None."""
    array = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(array)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        size = np.where(finite & (array != 0.0), np.floor(np.log10(np.abs(array))), 0.0)
        scale = 10.0 ** np.clip(DIGITS - 1 - size, -300.0, 300.0)
        short = np.where(finite, np.round(array * scale) / scale, array)
    short = np.where(np.isfinite(short), short, array)
    if finite.all():
        return short.tolist()
    return _plain(short.tolist())


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value if value - value == 0.0 else None
