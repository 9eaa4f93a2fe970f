"""Values that other people's utilities and policies give while a run goes on, judged before anything is computed from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import ForeignCodeError, NumericalError
from netagents.foreign.part_faults import definition

SUM_TOLERANCE = 1e-9
"""How far from 1 the probabilities of a row may sum."""


def is_foreign(part: Any) -> bool:
    """Whether a part's class is not netagents' own."""
    return type(part).__module__.partition(".")[0] != "netagents"


def check_array(values: Any, shape: tuple[int, ...], method: Callable[..., Any]) -> NDArray[np.float64]:
    """The values, if they are a finite float64 array of this shape.

    Args:
        values: what ``method`` of somebody else's part gave.
        shape: that they must have.
        method: named with file and line in errors.

    Raises:
        ForeignCodeError: of another type, dtype or shape.
        NumericalError: one is NaN or infinite.
    """
    if not isinstance(values, np.ndarray) or values.shape != shape or values.dtype != np.float64:
        actual = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else f"a {type(values).__name__}"
        raise ForeignCodeError(f"it gave {actual}", where=_place(method), fix=f"return float64 of shape {shape}")
    if not np.isfinite(values).all():
        raise NumericalError("it gave a value that is not finite", where=_place(method), fix="return finite numbers")
    return values


def check_number(value: Any, method: Callable[..., Any]) -> float:
    """The value, if it is a finite number.

    Raises:
        ForeignCodeError: it is none.
        NumericalError: it is NaN or infinite.
    """
    if isinstance(value, (float, int, np.floating, np.integer)) or (isinstance(value, np.ndarray) and value.size == 1):
        return float(check_array(np.asarray(value, dtype=np.float64).reshape(1), (1,), method)[0])
    raise ForeignCodeError(f"it gave a {type(value).__name__}", where=_place(method), fix="return a float")


def check_distribution(probabilities: Any, shape: tuple[int, ...], method: Callable[..., Any]) -> NDArray[np.float64]:
    """The probabilities, if every row of them is a distribution without zeros.

    Raises:
        ForeignCodeError, NumericalError: as :func:`check_array`, or a row is no distribution.
    """
    whole = check_array(probabilities, shape, method)
    if not ((whole > 0.0).all() and np.allclose(whole.sum(axis=1), 1.0, rtol=0.0, atol=SUM_TOLERANCE)):
        raise ForeignCodeError(
            "a row of its probabilities is no distribution", where=_place(method), fix="make every entry positive and every row sum to 1"
        )
    return whole


def _place(method: Callable[..., Any]) -> str:
    return definition(method) or str(getattr(method, "__qualname__", method))
