"""A multilayer perceptron as one flat vector of weights: its layout, its first weights, and its forward pass in numpy.

Acting needs nothing else: a snapshot of the weights and a few matrix products.  Training uses the same vector in torch
(:mod:`netagents.policies.torch_mlp`).  Weights are float32 in both: one forward pass of a small network costs half as much as in
float64, and bits repeat because shapes, order of operations and number of threads are fixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Activation = Literal["tanh", "relu"]
ALIGNMENT = 64
"""Bytes: weights and features begin at such addresses, so that no kernel can take another path from run to run."""


class Layer(NamedTuple):
    """One affine map: ``weight`` (inputs, outputs), ``bias`` (outputs,), both float32 views of the flat vector."""

    weight: Float32
    bias: Float32


class NetworkLayout(Protocol):
    """Where the weights of a network stand in its flat vector: how many there are, and how many, at the end, belong to no layer."""

    total: int
    extra: int

    def first_weights(self, generator: np.random.Generator, last_gain: float) -> Float32:
        """(total,) float32, drawn."""


class MlpLayout:
    """Where each weight of a perceptron stands in its flat vector.

    Args:
        sizes: inputs, hidden layers, outputs.
        activation: of the hidden layers.
        extra: further parameters at the end of the vector that belong to no layer.
    """

    def __init__(self, sizes: Sequence[int], activation: Activation, extra: int = 0) -> None:
        self.sizes = tuple(sizes)
        self.activation: Activation = activation
        self.extra = extra
        pairs = list(zip(self.sizes[:-1], self.sizes[1:], strict=True))
        self.shapes: tuple[tuple[int, ...], ...] = tuple(shape for inputs, outputs in pairs for shape in ((inputs, outputs), (outputs,)))
        self.parts = tuple(prod(shape) for shape in self.shapes) + ((extra,) if extra else ())
        self.total = sum(self.parts)

    def first_weights(self, generator: np.random.Generator, last_gain: float) -> Float32:
        """(total,) float32: normal with variance gain^2 / inputs, gain sqrt(2) for relu and 1 for tanh, ``last_gain`` at the output;
        biases and extras are zero."""
        flat = aligned((self.total,))
        flat[:] = 0.0
        gain = float(np.sqrt(2.0)) if self.activation == "relu" else 1.0
        views = self.layers(flat)
        for position, layer in enumerate(views):
            scale = last_gain if position == len(views) - 1 else gain
            layer.weight[:] = generator.standard_normal(layer.weight.shape) * (scale / np.sqrt(layer.weight.shape[0]))
        return flat

    def layers(self, flat: Float32) -> list[Layer]:
        """Views of a flat vector of weights (total,)."""
        views, first = [], 0
        for shape in self.shapes:
            last = first + prod(shape)
            views.append(flat[first:last].reshape(shape))
            first = last
        return [Layer(*pair) for pair in zip(views[::2], views[1::2], strict=True)]

    def forward(self, layers: Sequence[Layer], features: Float32) -> Float32:
        """(B, inputs) to (B, outputs)."""
        hidden = features
        for weight, bias in layers[:-1]:
            hidden = hidden @ weight
            hidden += bias
            if self.activation == "relu":
                np.maximum(hidden, 0.0, out=hidden)
            else:
                np.tanh(hidden, out=hidden)
        outputs: Float32 = hidden @ layers[-1].weight
        outputs += layers[-1].bias
        return outputs


def aligned(shape: Sequence[int]) -> Float32:
    """Uninitialised C-contiguous float32 whose first byte is at a multiple of :data:`ALIGNMENT`."""
    size = 4 * prod(shape)
    raw: NDArray[Any] = np.empty(size + ALIGNMENT, dtype=np.uint8)
    first = -raw.ctypes.data % ALIGNMENT
    return raw[first : first + size].view(np.float32).reshape(shape)
