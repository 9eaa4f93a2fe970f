"""Perceptron in torch with its gradient written out: one node of the graph in the place of a dozen.

The gradient calls the operations that torch's own differentiation would call, in its order, so that both give the same bits; what is
saved is the work of recording and walking a graph of small operations.  Imported when the first network is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from netagents.policies.mlp import MlpLayout

Layers = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Per layer the weights (copies, inputs, outputs) and the bias (copies, 1, outputs), views of the flat vector."""


def layers_of(flat: torch.Tensor, layout: MlpLayout) -> Layers:
    """Views of flat vectors of weights (copies, P), without their graph."""
    copies = len(flat)
    parts = flat.detach().split_with_sizes(layout.parts, dim=1)
    weights = [part.view(copies, *shape) for part, shape in zip(parts[::2], layout.shapes[::2], strict=False)]
    return [(weight, bias.unsqueeze(1)) for weight, bias in zip(weights, parts[1::2], strict=False)]


def forward_pass(layers: Layers, features: torch.Tensor, activation: str) -> list[torch.Tensor]:
    """What each layer reads, then the outputs (copies, M, outputs); to be called where no graph is recorded.

    Args:
        layers: of the network.
        features: (copies, M, inputs), or (M, inputs) for all copies.
        activation: of the hidden layers, ``relu`` or ``tanh``.
    """
    act = torch.relu_ if activation == "relu" else torch.tanh_
    read = [features if features.dim() == 3 else features.expand(len(layers[0][0]), *features.shape)]
    for weight, bias in layers[:-1]:
        read.append(act(torch.baddbmm(bias, read[-1], weight)))
    weight, bias = layers[-1]
    read.append(torch.baddbmm(bias, read[-1], weight))
    return read


def flat_gradient(layers: Layers, read: Sequence[torch.Tensor], slope: torch.Tensor, layout: MlpLayout) -> torch.Tensor:
    """(copies, P) gradient of a loss in the flat vectors.

    Args:
        layers: of the network.
        read: what each layer read.
        slope: (copies, M, outputs) gradient of the loss in the outputs.
        layout: of the weights.
    """
    copies = len(slope)
    parts = [slope.new_zeros((copies, layout.extra))] if layout.extra else []
    for number in range(len(layers) - 1, -1, -1):
        inputs = read[number]
        parts += (slope.sum(1), inputs.transpose(1, 2).bmm(slope).view(copies, -1))
        if number:
            slope = slope.bmm(layers[number][0].transpose(1, 2))
            if layout.activation == "relu":
                slope = torch.ops.aten.threshold_backward(slope, inputs, 0)
            else:
                slope = torch.ops.aten.tanh_backward(slope, inputs)
    return torch.cat(parts[::-1], dim=1)


class Perceptron(torch.autograd.Function):
    """The outputs of a perceptron, differentiable in its flat vector."""

    @staticmethod
    def forward(ctx: Any, flat: torch.Tensor, layers: Layers, features: torch.Tensor, layout: MlpLayout) -> torch.Tensor:  # noqa: ARG004
        """The outputs; ``flat`` (copies, P) is what the layers are views of."""
        *ctx.read, outputs = forward_pass(layers, features, layout.activation)
        ctx.layers, ctx.layout = layers, layout
        return outputs

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """The gradient in the flat vector."""
        with torch.no_grad():
            return flat_gradient(ctx.layers, ctx.read, slope, ctx.layout), None, None, None
