"""A gated recurrent unit (GRU, arXiv 1406.1078) with a linear output: its flat vector of weights, its first weights, one step in numpy.

    r = sigmoid(x W_r + h U_r + b_r),   z = sigmoid(x W_z + h U_z + b_z),
    n = tanh(x W_n + b_n + r * (h U_n + c)),   h' = n + z * (h - n),   output = h' V + d.

As with perceptrons, training uses the same vector in torch (:mod:`netagents.policies.torch_gru`), and weights are float32 in both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netagents.policies.mlp import Float32, Layer, aligned

GATES = 3
"""Reset r, update z, candidate n."""


class GruWeights(NamedTuple):
    """Views of a flat vector, all float32.

    Attributes:
        read: weight (F, 3 U) and bias (3 U,) of what is read, gate beside gate in the order r, z, n.
        remembered: weight (U, 3 U) of the memory. candidate_bias: (U,) c.
        head: weight (U, outputs) and bias (outputs,).
    """

    read: Layer
    remembered: Float32
    candidate_bias: Float32
    head: Layer


class GruLayout:
    """Where each weight of a GRU stands in its flat vector.

    Args:
        inputs: F. units: U, numbers of memory. outputs: of the linear map behind it.
        extra: further parameters at the end of the vector that belong to no layer.
    """

    def __init__(self, inputs: int, units: int, outputs: int, extra: int = 0) -> None:
        self.inputs, self.units, self.outputs, self.extra = inputs, units, outputs, extra
        gates = GATES * units
        self.shapes: tuple[tuple[int, ...], ...] = (
            (inputs, gates),
            (gates,),
            (units, gates),
            (units,),
            (units, outputs),
            (outputs,),
        )
        self.parts = tuple(int(np.prod(shape)) for shape in self.shapes) + ((extra,) if extra else ())
        self.total = sum(self.parts)

    def first_weights(self, generator: np.random.Generator, last_gain: float) -> Float32:
        """(total,) float32: normal with variance 1 / inputs of each matrix, ``last_gain`` at the output; the memory's matrices are
        orthogonal, which keeps the length of what is remembered; biases are zero, but for those of update gates."""
        flat = aligned((self.total,))
        flat[:] = 0.0
        weights, units = self.weights(flat), self.units
        weights.read.weight[:] = generator.standard_normal(weights.read.weight.shape) / np.sqrt(max(1, self.inputs))
        for gate in range(GATES):
            q, r = np.linalg.qr(generator.standard_normal((units, units)))
            weights.remembered[:, gate * units : (gate + 1) * units] = q * np.sign(np.diag(r))
        # With a bias of 1 update gates begin near 0.73: a memory lasts several steps before anything is learned.
        weights.read.bias[units : 2 * units] = 1.0
        weights.head.weight[:] = generator.standard_normal(weights.head.weight.shape) * (last_gain / np.sqrt(units))
        return flat

    def weights(self, flat: Float32) -> GruWeights:
        """Views of a flat vector of weights (total,)."""
        views, first = [], 0
        for shape in self.shapes:
            last = first + int(np.prod(shape))
            views.append(flat[first:last].reshape(shape))
            first = last
        return GruWeights(Layer(views[0], views[1]), views[2], views[3], Layer(views[4], views[5]))

    def step(self, weights: GruWeights, features: Float32, memory: Float32) -> Float32:
        """The memory (B, U) after reading features (B, F), from that before."""
        units = self.units
        read = features @ weights.read.weight
        read += weights.read.bias
        past = memory @ weights.remembered
        gates = read[:, : 2 * units] + past[:, : 2 * units]
        # sigmoid(x) = (1 + tanh(x / 2)) / 2, which cannot overflow.
        gates *= np.float32(0.5)
        np.tanh(gates, out=gates)
        gates *= np.float32(0.5)
        gates += np.float32(0.5)
        candidate = past[:, 2 * units :]
        candidate += weights.candidate_bias
        candidate *= gates[:, :units]
        candidate += read[:, 2 * units :]
        np.tanh(candidate, out=candidate)
        after: Float32 = memory - candidate
        after *= gates[:, units:]
        after += candidate
        return after

    def outputs_of(self, weights: GruWeights, memory: Float32) -> Float32:
        """(B, outputs) of a memory (B, U)."""
        outputs: Float32 = memory @ weights.head.weight
        outputs += weights.head.bias
        return outputs
