"""Local state and action spaces: finite sets and boxes of real vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.errors import EnvironmentMismatchError
from netagents.messages import index_dtype


@dataclass(frozen=True, slots=True)
class Discrete:
    """The finite set {0, ..., size - 1}."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise EnvironmentMismatchError(f"a discrete space of size {self.size}", fix="a discrete space has at least one element")


@dataclass(frozen=True, slots=True)
class Box:
    """Real vectors of a fixed shape with a lower and an upper bound (infinite where unbounded).

    Attributes:
        shape: of one value.
        low, high: the lowest and the highest bound of any of its numbers.
        lows, highs: the bounds of each number, in C order, where they differ from number to number; else empty.
    """

    shape: tuple[int, ...]
    low: float
    high: float
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise EnvironmentMismatchError(f"a box from {self.low} to {self.high}", fix="low must be below high")
        numbers = int(np.prod(self.shape, dtype=np.int64))
        if (self.lows or self.highs) and not len(self.lows) == len(self.highs) == numbers:
            raise EnvironmentMismatchError(
                f"a box of {numbers} numbers with {len(self.lows)} lower and {len(self.highs)} upper bounds", fix="give one pair per number"
            )
        if any(not low <= high for low, high in zip(self.lows, self.highs, strict=True)):
            raise EnvironmentMismatchError("a box with a lower bound above its upper bound", fix="swap them")

    @classmethod
    def of(cls, low: NDArray[Any], high: NDArray[Any]) -> Box:
        """The box between two arrays of one shape; a box whose bounds all coincide has no upper bound."""
        shape = tuple(int(size) for size in low.shape)
        lows, highs = tuple(low.astype(np.float64).ravel().tolist()), tuple(high.astype(np.float64).ravel().tolist())
        lowest, highest = min(lows), max(highs)
        if not lowest < highest:
            return cls(shape, lowest, float("inf"))
        same = len(set(lows)) == 1 and len(set(highs)) == 1
        return cls(shape, lowest, highest) if same else cls(shape, lowest, highest, lows, highs)

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper bound of each number, in C order."""
        if self.lows:
            return np.array(self.lows), np.array(self.highs)
        numbers = int(np.prod(self.shape, dtype=np.int64))
        return np.full(numbers, self.low), np.full(numbers, self.high)


Space = Discrete | Box


def space_dtype(space: Space) -> np.dtype[Any]:
    """The dtype in which values of a space travel and are kept: the smallest unsigned one for indices, float64 for boxes."""
    return index_dtype(space.size) if isinstance(space, Discrete) else np.dtype(np.float64)


def space_shape(space: Space) -> tuple[int, ...]:
    """The shape of one value: () for an index."""
    return () if isinstance(space, Discrete) else space.shape


def discrete_size(space: Space, where: str) -> int:
    """The number of elements of a finite space.

    Raises:
        EnvironmentMismatchError: the space is not finite.
    """
    if isinstance(space, Discrete):
        return space.size
    raise EnvironmentMismatchError(
        f"a box of shape {space.shape} has no table", where=where, fix="tables need discrete spaces; use a neural policy and critic instead"
    )


MOST_CANDIDATES = 254
"""Most candidate actions of an agent, whose places travel in a byte."""


def candidate_actions(space: Space, points: int = 3, where: str = "interventions") -> NDArray[Any]:
    """(C, *shape) the actions among which somebody looks for the worst: all of a finite space, a grid of a box.

    Args:
        space: of the actions.
        points: of the grid per number, the bounds included; where there are no bounds, from -1 to 1.
        where: names the setting in errors.

    Raises:
        EnvironmentMismatchError: there are more than :data:`MOST_CANDIDATES`.
    """
    numbers = 1 if isinstance(space, Discrete) else int(np.prod(space.shape, dtype=np.int64))
    count = space.size if isinstance(space, Discrete) else points**numbers
    if count > MOST_CANDIDATES:
        what = "actions" if isinstance(space, Discrete) else f"points of a grid over {numbers} numbers"
        raise EnvironmentMismatchError(
            f"the worst of {count} {what} cannot be looked for", where=where, fix=f"at most {MOST_CANDIDATES} are possible"
        )
    if isinstance(space, Discrete):
        return np.arange(space.size, dtype=space_dtype(space))
    lows, highs = space.bounds()
    lows, highs = np.where(np.isfinite(lows), lows, -1.0), np.where(np.isfinite(highs), highs, 1.0)
    axes = [np.linspace(low, high, points) for low, high in zip(lows, highs, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(count, *space.shape).astype(np.float64)
