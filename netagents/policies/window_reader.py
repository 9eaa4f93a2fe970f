"""What the networks of one agent read: the observations of its window, and the actions where a critic reads them too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.feature_encoders import LARGEST_ONE_HOT, FeatureEncoder, WindowEncoder, flat, width
from netagents.environments.spaces import Discrete, Space
from netagents.policies.mlp import Float32, aligned
from netagents.policies.observed_scale import ObservedScale

BoolArray = NDArray[np.bool_]


class WindowReader:
    """Turns the observations of a window into the features of a network.

    Args:
        view: the environment's.
        spaces: observation space of each member of the window, in its order.
        own: the agent's own place in the window.
        marked: members may be missing (a graph that moves); then each of the others has a feature that says whether it is there.

    Attributes:
        scale: of numbers without usable bounds, which are read relative to what was observed; None where there are none.
    """

    _unscaled: list[Float32] | None = None

    def __init__(self, view: FeatureEncoder, spaces: Sequence[Space], own: int, marked: bool) -> None:
        self.view, self.spaces, self.own, self.marked = view, tuple(spaces), own, marked
        self.size = view.size(self.spaces, own, marked)
        columns = view.unscaled(self.spaces, own, marked)
        self.scale = ObservedScale(columns) if columns else None
        # Indices of one size, which is what networked finite models have, are looked up in one table: one call for the whole window.
        sizes = {space.size if isinstance(space, Discrete) else 0 for space in self.spaces}
        self._one_hot: Float32 | None = None
        if isinstance(view, WindowEncoder) and not marked and len(sizes) == 1 and 0 < max(sizes) <= LARGEST_ONE_HOT:
            self._one_hot = np.eye(max(sizes), dtype=np.float32)

    def read(self, values: Sequence[NDArray[Any]], near: BoolArray | None = None) -> Float32:
        """Features ``(N, size)`` float32.

        Args:
            values: one array with first axis N per member of the window.
            near: ``(m, N)`` bool, whether each member is there; only where members may be missing.
        """
        if self._one_hot is not None:
            together: NDArray[Any] = np.stack(values, axis=1)
            looked_up = self._one_hot.take(together, axis=0).reshape(len(together), self.size)
            if self._unscaled is not None:
                self._unscaled.append(looked_up)
            return looked_up
        features = self.view.features(values, self.spaces, self.own, near if self.marked else None)
        if self._unscaled is not None:
            self._unscaled.append(features.astype(np.float32))
        if self.scale is not None:
            self.scale.normalise(features)
        return features.astype(np.float32)

    @contextmanager
    def collected(self) -> Iterator[list[Float32]]:
        """A list of the features of every :meth:`read` within the block, before they are scaled."""
        parts: list[Float32] = []
        self._unscaled = parts
        try:
            yield parts
        finally:
            self._unscaled = None

    def scaled(self, unscaled: Float32) -> Float32:
        """Features ``(N, size)`` that were read before, at the scale of now; they are not counted again."""
        if self.scale is None:
            return unscaled
        features = unscaled.astype(np.float64)
        self.scale.apply(features)
        return features.astype(np.float32)

    def settle(self) -> None:
        """An iteration has ended: what it observed takes effect on how numbers without bounds are read."""
        if self.scale is not None:
            self.scale.settle()

    def statistics(self) -> dict[str, NDArray[np.float64]]:
        """``observed``: how numbers without bounds are read; empty where there are none."""
        return {} if self.scale is None else {"observed": self.scale.array()}

    def restore(self, statistics: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`statistics` gave.

        Raises:
            KeyError, ValueError: they are missing or do not fit.
        """
        if self.scale is not None:
            self.scale.restore(statistics["observed"])


class ActionReader:
    """Actions of a window as features: one-hot for indices, scaled to [-1, 1] for bounded boxes.

    Args:
        spaces: action space of each member of the window, in its order.
    """

    def __init__(self, spaces: Sequence[Space]) -> None:
        self.spaces = tuple(spaces)
        edges = np.cumsum([0, *(width(space) for space in self.spaces)]).tolist()
        self.columns = tuple(slice(first, last) for first, last in pairwise(edges))
        """Per member its columns among the action features."""
        self.size: int = edges[-1]

    def read(self, actions: Sequence[NDArray[Any]], near: BoolArray | None = None) -> Float32:
        """Features ``(N, size)`` float32; a missing member's actions read as zeros."""
        features = aligned((len(actions[0]), self.size))
        for member, (taken, space, columns) in enumerate(zip(actions, self.spaces, self.columns, strict=True)):
            features[:, columns] = flat(taken, space)
            if near is not None:
                features[:, columns] *= near[member][:, None]
        return features

    def read_one(self, member: int, actions: NDArray[Any]) -> Float32:
        """Features ``(N, width)`` of the actions of one member."""
        return flat(actions, self.spaces[member]).astype(np.float32)

    def draw(self, member: int, intentions: NDArray[np.float64], generator: np.random.Generator) -> Float32:
        """Actions drawn anew for one member, as features ``(N, width)``.

        Args:
            member: its place in the window.
            intentions: ``(N, m)`` probabilities of its actions, or means and deviations of Gaussian ones.
            generator: of the draws.
        """
        if isinstance(self.spaces[member], Discrete):
            heights = np.cumsum(intentions, axis=1)
            drawn = (generator.random(len(heights))[:, None] * heights[:, -1:] >= heights[:, :-1]).sum(axis=1)
            return flat(drawn, self.spaces[member]).astype(np.float32)
        half = intentions.shape[1] // 2
        normals = generator.standard_normal((len(intentions), half))
        return np.clip(intentions[:, :half] + intentions[:, half:] * normals, -1.0, 1.0).astype(np.float32)
