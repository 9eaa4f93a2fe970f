"""Local state and action spaces: finite sets and boxes of real vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

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
    """Real vectors of a fixed shape with one lower and one upper bound (infinite where unbounded)."""

    shape: tuple[int, ...]
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise EnvironmentMismatchError(f"a box from {self.low} to {self.high}", fix="low must be below high")


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
