"""Other people's spaces (gymnasium's) as ours: what is supported, and how values pass from one side to the other.

Supported are Discrete, Box, and a Dict of ``observation`` and ``action_mask``, which is how PettingZoo's environments tell which
actions are legal.  Nothing here imports gymnasium: spaces are told by the names of their classes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Box, Discrete, Space, space_shape
from netagents.errors import EnvironmentMismatchError

FloatArray = NDArray[np.float64]

MASK_KEYS = {"observation", "action_mask"}


class Gate(NamedTuple):
    """One space of theirs and how its values pass.

    Attributes:
        space: ours.
        start: of a Discrete space of theirs, whose first element need not be 0.
        low, high: of a Box of theirs whose bounds differ from number to number; ours is then [-1, 1] throughout.
        dtype: of theirs.
        masked: values are pairs of an observation and a mask.
    """

    space: Space
    start: int
    low: FloatArray | None
    high: FloatArray | None
    dtype: np.dtype[Any]
    masked: bool = False

    def inward(self, value: Any) -> FloatArray:
        """A value of theirs as a flat float64 array, an index as one number."""
        flat = np.asarray(value, dtype=np.float64).reshape(-1)
        return flat - self.start if isinstance(self.space, Discrete) else flat

    def outward(self, value: Any) -> Any:
        """A value of ours as they take it."""
        if isinstance(self.space, Discrete):
            return int(value) + self.start
        if self.low is not None and self.high is not None:
            value = self.low + (value + 1.0) / 2.0 * (self.high - self.low)
        return np.asarray(value).astype(self.dtype)

    @property
    def width(self) -> int:
        """Numbers of a flat value."""
        return int(np.prod(space_shape(self.space), dtype=np.int64))


def gate_of(space: Any, what: str, where: str) -> Gate:
    """How values of a space pass.

    Args:
        space: of theirs.
        what: ``observation`` or ``action``; actions must have bounds.
        where: names environment and agent in errors.

    Raises:
        EnvironmentMismatchError: the space is not supported.
    """
    kind = type(space).__name__
    if kind == "Dict" and what == "observation" and set(space.spaces) == MASK_KEYS:
        return gate_of(space.spaces["observation"], what, where)._replace(masked=True)
    if kind == "Discrete":
        return Gate(Discrete(int(space.n)), int(space.start), None, None, np.dtype(np.int64))
    if kind == "Box":
        return _box(space, what, where)
    raise EnvironmentMismatchError(
        f"its {what} space {_brief(space)} is not supported",
        where=where,
        fix="Discrete and Box are, and a Dict of observation and action_mask; wrap the environment, for example flatten its observations",
    )


def _box(space: Any, what: str, where: str) -> Gate:
    low, high = np.asarray(space.low, dtype=np.float64), np.asarray(space.high, dtype=np.float64)
    shape, dtype = tuple(int(size) for size in space.shape), np.dtype(space.dtype)
    if low.size == 0:
        raise EnvironmentMismatchError(f"its {what} space {_brief(space)} is empty", where=where, fix="a box has at least one number")
    if what == "observation":
        lowest, highest = float(low.min()), float(high.max())
        return Gate(Box(shape, lowest, highest if highest > lowest else np.inf), 0, None, None, dtype)
    if not (np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all()):
        raise EnvironmentMismatchError(
            f"its action space {_brief(space)} has no finite bounds", where=where, fix="give every action finite bounds, low below high"
        )
    if np.ptp(low) == 0.0 and np.ptp(high) == 0.0:
        return Gate(Box(shape, float(low.min()), float(high.max())), 0, None, None, dtype)
    return Gate(Box(shape, -1.0, 1.0), 0, low, high, dtype)


def _brief(space: Any) -> str:
    text = " ".join(str(space).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
