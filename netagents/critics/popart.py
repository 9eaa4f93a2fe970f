"""The units of a critic's outputs: values follow the mean and deviation of what they are fitted to, and what they say stays the same.

One learning rate then serves rewards and horizons of any size (Pop-Art, van Hasselt et al. 2016).
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netagents.policies.mlp import MlpLayout

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]
FOLLOW = 0.1
"""Share by which units follow the newest batch; the first batch sets them."""
SMALLEST = 1e-3


class PopArt:
    """value = centre + scale * output, for one layout with a single output.

    Args:
        layout: of the networks.
    """

    def __init__(self, layout: MlpLayout) -> None:
        self._first = layout.total - layout.sizes[-2] - 1
        self.centre, self.scale, self.set = 0.0, 1.0, False

    def follow(self, values: FloatArray, networks: list[torch.Tensor]) -> None:
        """Move towards the mean and deviation of ``values``; rewrite the output layers of ``networks`` (copies, P) so that they agree."""
        import torch

        share = FOLLOW if self.set else 1.0
        centre = self.centre + share * (float(values.mean()) - self.centre)
        scale = max(self.scale + share * (float(values.std()) - self.scale), SMALLEST)
        with torch.no_grad():
            for flat in networks:
                last = flat[:, self._first :]
                if self.set:
                    last *= self.scale / scale
                    last[:, -1] += (self.centre - centre) / scale
        self.centre, self.scale, self.set = centre, scale, True

    def values(self, outputs: NDArray[np.float32]) -> FloatArray:
        """Values of raw outputs."""
        return outputs.astype(np.float64) * self.scale + self.centre

    def of_array(self, array: FloatArray) -> PopArt:
        """Other units of the same layout, as :meth:`array` gave them."""
        other = copy(self)
        other.restore(array)
        return other

    def array(self) -> FloatArray:
        """For checkpoints."""
        return np.array([self.centre, self.scale, float(self.set)])

    def restore(self, array: FloatArray) -> None:
        """Take over what :meth:`array` gave."""
        self.centre, self.scale, self.set = float(array[0]), float(array[1]), bool(array[2])
