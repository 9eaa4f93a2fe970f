"""Precision of what agents send each other of what they have learned: rounded before it is sent, and float64 again where it arrives.

A sender rounds its message once, whoever receives it and by whatever transport, so every launcher has the same bits.  What an agent keeps
of its own is not rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netagents.errors import NumericalError
from netagents.messages import Kind, Message, node_name

_FLOAT64 = np.dtype(np.float64)


def rounded(message: Message, kind: Kind, dtype: np.dtype[Any], agent: int) -> Message:
    """The message as it travels: float64 arrays of kinds that are rounded become ``dtype``.

    Raises:
        NumericalError: a value is too large for it; names the agent and the largest value that fits.
    """
    if dtype == _FLOAT64 or not kind.row.rounded:
        return message
    fields: tuple[Any, ...] = tuple(message)
    with np.errstate(over="ignore"):
        arrays = [array.astype(dtype) if _is_float64(array) else array for array in fields]
    for exact, sent in zip(fields, arrays, strict=True):
        if _is_float64(exact) and not np.array_equal(np.isfinite(exact), np.isfinite(sent)):
            largest = float(np.abs(exact[np.isfinite(exact)]).max())
            raise NumericalError(
                f"{kind.name.lower()} has a value of {largest:.3g}, and {dtype} ends at {np.finfo(dtype).max:.3g}",
                where=node_name(agent),
                fix="use learning.wire_precision=float32",
            )
    return _like(message, arrays)


def widened(message: Message, kind: Kind) -> Message:
    """The message with all its floating-point arrays in float64, for the receiver's arithmetic."""
    if not kind.row.rounded:
        return message
    fields: tuple[Any, ...] = tuple(message)
    return _like(message, [array.astype(_FLOAT64) if _is_narrow(array) else array for array in fields])


def _like(message: Message, arrays: Sequence[Any]) -> Message:
    made: Any = type(message)
    same: Message = made(*arrays)
    return same


def _is_float64(array: Any) -> bool:
    return array is not None and array.dtype == _FLOAT64


def _is_narrow(array: Any) -> bool:
    return array is not None and array.dtype.kind == "f" and array.dtype != _FLOAT64
