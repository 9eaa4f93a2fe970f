"""Views: from the observations of a window to the vector that a network reads.

An agent's window is itself and the agents within its radius, ascending.  A view sees what those agents sent, and, where the graph
moves, at which steps each of them was a neighbour; the rest is marked as missing and reads as zeros.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Box, Discrete, Space

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LARGEST_ONE_HOT = 1024
"""Discrete spaces up to this size are read as one-hot vectors, larger ones as the one-hot digits of the index in base :data:`BASE`."""

BASE = 64

LARGEST_SPAN = 1000.0
"""Bounds that lie further apart say little about what occurs (CartPole's are float32.max), and count as none."""


@dataclass(frozen=True, slots=True)
class FeatureEncoder(ABC):
    """How a network reads a window; a pure function, the same in every process."""

    kind: ClassVar[str]

    @abstractmethod
    def size(self, spaces: Sequence[Space], own: int, marked: bool) -> int:
        """Number of features F.

        Args:
            spaces: observation space of each member of the window.
            own: the agent's own place in the window.
            marked: members may be missing (a graph that moves), and each but itself has a feature that says whether it is there.
        """

    @abstractmethod
    def features(self, values: Sequence[NDArray[Any]], spaces: Sequence[Space], own: int, near: BoolArray | None = None) -> FloatArray:
        """What the network reads.

        Args:
            values: one array per member, ``(N,)`` indices or ``(N, *shape)`` float64, N being copies, or steps times copies.
            spaces: observation space of each member.
            own: the agent's own place in the window.
            near: ``(m, N)`` bool for the m members, whether each is a neighbour; None where nobody can be missing.

        Returns:
            ``(N, F)`` float64.
        """

    def unscaled(self, spaces: Sequence[Space], own: int, marked: bool) -> list[tuple[int, int]]:  # noqa: ARG002 - overriders read it
        """The features whose scale nothing but observation can tell: for each its column, and the column of its mark or -1."""
        return []


@dataclass(frozen=True, slots=True)
class WindowEncoder(FeatureEncoder):
    """Every member's observation side by side: indices one-hot, each bounded number scaled to [-1, 1], unbounded ones as they are."""

    kind: ClassVar[str] = "window"

    def size(self, spaces: Sequence[Space], own: int, marked: bool) -> int:  # noqa: ARG002 - the contract's
        """Widths of all members, and a mark for each other one."""
        return sum(width(space) for space in spaces) + marked * (len(spaces) - 1)

    def features(self, values: Sequence[NDArray[Any]], spaces: Sequence[Space], own: int, near: BoolArray | None = None) -> FloatArray:
        """Members in window order; a missing one reads as zeros."""
        parts: list[FloatArray] = []
        for member, (observation, space) in enumerate(zip(values, spaces, strict=True)):
            part = flat(observation, space)
            if near is not None and member != own:
                there = near[member][:, None]
                parts += [np.where(there, part, 0.0), there.astype(np.float64)]
            else:
                parts.append(part)
        return np.concatenate(parts, axis=1)

    def unscaled(self, spaces: Sequence[Space], own: int, marked: bool) -> list[tuple[int, int]]:
        """The numbers without usable bounds of every member; a mark follows the numbers of the member that it is about."""
        columns: list[tuple[int, int]] = []
        begin = 0
        for member, space in enumerate(spaces):
            end = begin + width(space)
            mark = end if marked and member != own else -1
            columns += [(begin + number, mark) for number in unbounded_numbers(space)]
            begin = end + (mark >= 0)
        return columns


@dataclass(frozen=True, slots=True)
class PoseEncoder(FeatureEncoder):
    """Robots in the plane, each observing its pose (x, y, heading): others as seen from one's own frame, and the nearest wall.

    Per other robot: distance / scale, cosine and sine of its bearing in my frame, cosine and sine of my bearing in its frame.  Then
    the nearest wall: distance / side, cosine and sine of its bearing in my frame.  Then my place in the window, in [0, 1].

    Args:
        scale: of distances, in the units of x and y.
        side: of the square [0, side]^2.
    """

    scale: float = 282.0
    side: float = 200.0
    kind: ClassVar[str] = "poses"

    def size(self, spaces: Sequence[Space], own: int, marked: bool) -> int:  # noqa: ARG002 - the contract's
        """5 numbers per other robot, and a mark where it may be missing; 3 for the wall and 1 for the place."""
        return (5 + marked) * (len(spaces) - 1) + 4

    def features(self, values: Sequence[NDArray[Any]], spaces: Sequence[Space], own: int, near: BoolArray | None = None) -> FloatArray:
        """Others in window order; a missing one reads as zeros."""
        poses = np.stack(values, axis=1)  # (N, m, 3)
        own_pose, other_poses = poses[:, own], np.delete(poses, own, axis=1)
        across, up = other_poses[..., 0] - own_pose[:, None, 0], other_poses[..., 1] - own_pose[:, None, 1]
        line = np.arctan2(up, across)
        bearing, back = line - own_pose[:, None, 2], line + np.pi - other_poses[..., 2]
        marked = near is not None
        whole: FloatArray = np.empty((len(poses), self.size(spaces, own, marked)))
        others = whole[:, :-4].reshape(len(poses), other_poses.shape[1], 5 + marked)
        others[..., 0] = np.hypot(across, up) / self.scale
        others[..., 1], others[..., 2] = np.cos(bearing), np.sin(bearing)
        others[..., 3], others[..., 4] = np.cos(back), np.sin(back)
        if near is not None:
            others[..., 5] = 1.0
            others *= np.delete(near, own, axis=0).T[..., None]
        x, y, heading = own_pose.T
        gaps = np.stack([self.side - x, self.side - y, x, y], axis=1)
        facing = np.argmin(gaps, axis=1) * (np.pi / 2) - heading
        whole[:, -4] = gaps.min(axis=1) / self.side
        whole[:, -3], whole[:, -2] = np.cos(facing), np.sin(facing)
        whole[:, -1] = own / max(1, len(values) - 1)
        return whole


def width(space: Space) -> int:
    """How many features one observation takes."""
    if isinstance(space, Discrete):
        return space.size if space.size <= LARGEST_ONE_HOT else BASE * _digits(space.size)
    return int(np.prod(space.shape, dtype=np.int64))


def flat(values: NDArray[Any], space: Space) -> FloatArray:
    """Observations ``(N,)`` or ``(N, *shape)`` as ``(N, width)`` float64 features."""
    if isinstance(space, Discrete):
        one_hot: FloatArray = np.zeros((len(values), width(space)))
        rows, indices = np.arange(len(values)), values.astype(np.int64)
        if space.size <= LARGEST_ONE_HOT:
            one_hot[rows, indices] = 1.0
            return one_hot
        for digit in range(_digits(space.size)):
            one_hot[rows, BASE * digit + indices % BASE] = 1.0
            indices //= BASE
        return one_hot
    numbers = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return scaled(numbers, space)


def scaled(rows: FloatArray, space: Box) -> FloatArray:
    """Each number with usable bounds brought to [-1, 1] by its own; the others as they are."""
    units = _units(space)
    return rows if units is None else (rows - units[0]) / units[1]


@lru_cache(maxsize=1024)
def _units(space: Box) -> tuple[FloatArray, FloatArray] | None:
    """Centre and half width of each number, 0 and 1 without usable bounds; None where no bounds are usable.  Asked for at every step."""
    low, high = space.bounds()
    usable = _usable(low, high)
    if not usable.any():
        return None
    centre, half = np.zeros(len(low)), np.ones(len(low))
    centre[usable] = (low[usable] + high[usable]) / 2
    half[usable] = (high[usable] - low[usable]) / 2
    return centre, half


def unbounded_numbers(space: Space) -> list[int]:
    """The numbers of a box, in C order, whose bounds are infinite, too far apart or equal."""
    if isinstance(space, Discrete):
        return []
    return np.flatnonzero(~_usable(*space.bounds())).tolist()


def _usable(low: FloatArray, high: FloatArray) -> BoolArray:
    finite = np.isfinite(low) & np.isfinite(high)
    span = np.where(finite, high, 0.0) / 2 - np.where(finite, low, 0.0) / 2  # halved, so that it cannot overflow
    usable: BoolArray = finite & (span > 0.0) & (span <= LARGEST_SPAN / 2)
    return usable


def _digits(size: int) -> int:
    """Digits of the largest index in base :data:`BASE`."""
    digits = 1
    while BASE**digits < size:
        digits += 1
    return digits


_VIEWS: dict[str, type[FeatureEncoder]] = {view.kind: view for view in (WindowEncoder, PoseEncoder)}


def view_to_json(view: FeatureEncoder) -> dict[str, Any]:
    """A view as plain JSON values."""
    return {"kind": view.kind, **asdict(view)}


def view_from_json(facts: Mapping[str, Any]) -> FeatureEncoder:
    """The view that :func:`view_to_json` was given.

    Raises:
        KeyError, TypeError: the facts are not such a view.
    """
    numbers = {name: float(value) for name, value in facts.items() if name != "kind"}
    return _VIEWS[str(facts["kind"])](**numbers)
