"""Array fields of messages: the dtypes of the wire, and the rank and size of each array of a message.

All numbers are little-endian.  A dtype travels as its code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("u1"),
    2: np.dtype("<u2"),
    3: np.dtype("<u4"),
    4: np.dtype("<f8"),
    5: np.dtype("<i8"),
    6: np.dtype("<u8"),
    7: np.dtype("<i4"),
    8: np.dtype("<f4"),
    9: np.dtype("i1"),
    10: np.dtype("<i2"),
    11: np.dtype("?"),
    12: np.dtype("<f2"),
}
"""Code on the wire -> dtype.  Append, never renumber."""

CODES: dict[np.dtype[Any], int] = {dtype: code for code, dtype in DTYPES.items()}
"""dtype -> code on the wire."""

BOOL_CODE = CODES[np.dtype("?")]
MAXIMUM_RANK = 8
ANY = -1
"""Any size."""


class ArrayField(NamedTuple):
    """One array of a message, as it is in every run.

    ``codes`` maps each allowed dtype to its code, ``dtypes`` each code to its dtype; ``low`` and ``high`` bound the rank; ``last`` is the
    size of the last axis where the schema fixes it, else :data:`ANY`.
    """

    name: str
    codes: Mapping[np.dtype[Any], int]
    dtypes: Mapping[int, np.dtype[Any]]
    low: int
    high: int
    last: int


def array_field(name: str, dtypes: Sequence[Any], low: int, high: int | None = None, last: int = ANY) -> ArrayField:
    """A field of the given dtypes and of rank ``low``, or ``low`` to ``high``."""
    codes = {np.dtype(dtype): CODES[np.dtype(dtype)] for dtype in dtypes}
    return ArrayField(name, codes, {code: dtype for dtype, code in codes.items()}, low, low if high is None else high, last)


VALUE = ("u1", "<u2", "<u4", "<f8")
"""An index in the smallest unsigned dtype of its space, or continuous values."""
UINT8, INT32, INT64, FLOAT64, BOOL = ("u1",), ("<i4",), ("<i8",), ("<f8",), ("?",)
ROUNDED = ("<f8", "<f4", "<f2")
"""Numbers that travel in the precision that a run has chosen; a run allows one of these."""

ANY_ARRAY = array_field("array", tuple(CODES), 0, MAXIMUM_RANK)
"""An array of a snapshot."""

TEXT = array_field("text", UINT8, 1)
"""A long UTF-8 text; it travels as an array of bytes, so that headers stay small."""

INDICES = array_field("peers", INT64, 1)


class ExpectedArray(NamedTuple):
    """One array of a message in one run: its dtype and its sizes, :data:`ANY` where any size is valid."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def fits(self, array: NDArray[Any]) -> bool:
        """Whether an array has this dtype and these sizes."""
        if array.dtype != self.dtype or array.ndim != len(self.shape):
            return False
        return all(expected in (ANY, size) for expected, size in zip(self.shape, array.shape, strict=True))

    def __str__(self) -> str:
        sizes = ", ".join("any" if size == ANY else str(size) for size in self.shape)
        return f"{self.dtype} ({sizes}{',' if len(self.shape) == 1 else ''})"


Alternatives = Sequence[Sequence[ExpectedArray]]
"""The valid forms of a message, each with one expected array per array of the message."""


def mismatch(alternatives: Alternatives, arrays: Sequence[NDArray[Any] | None]) -> str | None:
    """How a message differs from every valid form, in words; None if it has one of them."""
    present = [array for array in arrays if array is not None]
    for expected in alternatives:
        if len(present) == len(expected) and all(field.fits(array) for field, array in zip(expected, present, strict=True)):
            return None
    received = ", ".join(f"{array.dtype} {array.shape}" for array in present)
    forms = " or ".join(", ".join(map(str, expected)) for expected in alternatives)
    return f"has {received}, and this run's has {forms}"
