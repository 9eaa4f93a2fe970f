"""What the arrays of a peer's messages must look like in this run: dtype and sizes, beyond what the schema says of every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.messages import Kind

ANY = -1
"""A size that may be anything."""


class ExpectedShapes(NamedTuple):
    """One array of a message: its dtype, and its sizes with :data:`ANY` where any will do."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def fits(self, array: NDArray[Any]) -> bool:
        """Whether an array looks like that."""
        if array.dtype != self.dtype or array.ndim != len(self.shape):
            return False
        return all(wanted in (ANY, size) for wanted, size in zip(self.shape, array.shape, strict=True))


Forms = Mapping[tuple[Kind, int], Sequence[Sequence[ExpectedShapes]]]
"""(kind, sender) -> the ways in which such a message may look, each one a form per array."""


def mismatch(ways: Sequence[Sequence[ExpectedShapes]], arrays: Sequence[NDArray[Any] | None]) -> str | None:
    """What is wrong with a message, in words; None if it looks like one of the ``ways``."""
    there = [array for array in arrays if array is not None]
    for way in ways:
        if len(there) == len(way) and all(form.fits(array) for form, array in zip(way, there, strict=True)):
            return None
    found = ", ".join(f"{array.dtype} {array.shape}" for array in there)
    wanted = " or ".join(", ".join(f"{form.dtype} {_sizes(form)}" for form in way) for way in ways)
    return f"has {found}, and this run's has {wanted}"


def _sizes(form: ExpectedShapes) -> str:
    return "(" + ", ".join("any" if size == ANY else str(size) for size in form.shape) + ("," if len(form.shape) == 1 else "") + ")"
