"""ROMAX (Sun et al., arXiv 2109.06795): part of the Q-function is a certified lower bound over a box around the others' actions.

    Q^low_i(x, a) <= min over a~_-i in B_eps(a_-i) of Q_i(x, a_i, a~_-i),
    the critic's target and the policy's objective use  (1 - kappa) Q_i + kappa Q^low_i.

B_eps is the box of half-width eps around each feature of the others' actions, within the range that actions have at all.  Two bounds are
certified, up to rounding:

- **interval**: each layer maps centre c and radius r of a box to (W c + b, |W| r), and an activation maps both ends, since it rises;
- **linear** (for relu): the dual of the linear-programming relaxation (Wong and Kolter 2018).  With l <= z <= u from intervals, an
  unstable relu lies between s z and s (z - l), s = u / (u - l).  Going backwards from the output with coefficients nu, those below zero
  take the upper line and those above the lower one; what is left is affine in the input and minimised over its box corner by corner.

The larger of the two is used for ``linear``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netagents.critics.action_value import ActionValue
from netagents.experiment.robust_settings import RomaxSettings
from netagents.policies.torch_mlp import tensor

if TYPE_CHECKING:
    import torch

Layers = Sequence[tuple["torch.Tensor", "torch.Tensor"]]


class CertifiedMinimum:
    """(1 - kappa) Q_i + kappa Q^low_i.

    Args:
        settings: eps, kappa, which bound.
        others: columns of each other agent's action among the action features.
        lowest, highest: (A,) the range of each action feature.
    """

    def __init__(self, settings: RomaxSettings, others: Sequence[slice], lowest: Sequence[float], highest: Sequence[float]) -> None:
        self.settings = settings
        radius = np.zeros(len(lowest))
        for columns in others:
            radius[columns] = settings.epsilon
        self._radius, self._lowest, self._highest = tensor(radius), tensor(np.array(lowest)), tensor(np.array(highest))

    def values(self, q: ActionValue, observed: torch.Tensor, acted: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(M,) values, differentiable in ``acted``."""
        share = self.settings.share
        return (1.0 - share) * q.values(observed, acted, weights) + share * self.lower_bound(q, observed, acted, weights)

    def lower_bound(self, q: ActionValue, observed: torch.Tensor, acted: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(M,) Q^low."""
        import torch

        layers = q.layers(q.net.flat if weights is None else weights)
        # The action as it is belongs to its box also where noise has pushed it out of the range.
        low = torch.minimum(torch.maximum(acted - self._radius, self._lowest), acted)
        high = torch.maximum(torch.minimum(acted + self._radius, self._highest), acted)
        box = Interval(torch.cat([observed, low], dim=1), torch.cat([observed, high], dim=1))
        relu = q.layout.activation == "relu"
        inner, bound = interval_bounds(layers, box, relu)
        if self.settings.bound == "linear" and relu:
            bound = torch.maximum(bound, linear_bound(layers, box, inner))
        return bound


class Interval(NamedTuple):
    """Lower and upper ends of M boxes, (M, width) each."""

    low: torch.Tensor
    high: torch.Tensor


def interval_bounds(layers: Layers, box: Interval, relu: bool) -> tuple[list[Interval], torch.Tensor]:
    """Boxes of each hidden layer before its activation, and (M,) a lower bound of the output, by interval arithmetic."""
    import torch

    inner: list[Interval] = []
    for number, (matrix, bias) in enumerate(layers):
        centre, radius = (box.low + box.high) / 2, (box.high - box.low) / 2
        middle, reach = centre @ matrix + bias, radius @ matrix.abs()
        box = Interval(middle - reach, middle + reach)
        if number < len(layers) - 1:
            inner.append(box)
            box = Interval(torch.relu(box.low), torch.relu(box.high)) if relu else Interval(torch.tanh(box.low), torch.tanh(box.high))
    return inner, box.low[:, 0]


def linear_bound(layers: Layers, box: Interval, inner: Sequence[Interval]) -> torch.Tensor:
    """(M,) a lower bound of the output of a relu network by the dual of its linear relaxation."""
    import torch

    matrix, bias = layers[-1]
    coefficients = matrix[:, 0].expand(len(box.low), -1)
    constant = bias[0].expand(len(box.low))
    for (matrix, bias), (low, high) in zip(reversed(layers[:-1]), reversed(inner), strict=True):
        unstable = (low < 0.0) & (high > 0.0)
        # Of stable units the line is the relu itself.
        slope = torch.where(unstable, high / (high - low).clamp_min(1e-12), (low >= 0.0).to(low.dtype))
        above = torch.where(unstable & (coefficients < 0.0), -coefficients * slope * low, torch.zeros_like(low))
        # An upper line s (z - l) adds - nu s l, which is below zero for nu < 0.
        constant = constant + above.sum(dim=1)
        coefficients = coefficients * slope
        constant = constant + coefficients @ bias
        coefficients = coefficients @ matrix.T
    return constant + (coefficients.clamp_min(0.0) * box.low + coefficients.clamp_max(0.0) * box.high).sum(dim=1)
