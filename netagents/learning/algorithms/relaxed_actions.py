"""Actions as functions of a policy's weights, so that the derivative of a critic in the actions reaches the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.feature_encoders import flat
from netagents.policies.neural_policy import CategoricalPolicy, NeuralPolicy, TanhPolicy
from netagents.policies.torch_mlp import tensor

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]
SMALLEST_UNIFORM = 1e-12


class RelaxedActions:
    """The actions of one policy as a critic reads them.

    Finite actions are drawn by the straight-through Gumbel-softmax (arXiv 1611.01144): forwards the one-hot of argmax(l + g), which is a
    draw from softmax(l); backwards the derivative of softmax(l + g).  Actions in a box are tanh(z) in the critic's scale of the box.

    Args:
        policy: of the agent; categorical or tanh.
    """

    def __init__(self, policy: NeuralPolicy) -> None:
        self.policy = policy
        self._affine: tuple[torch.Tensor, torch.Tensor] | None = None
        if isinstance(policy, TanhPolicy):
            ends = [flat(policy.executed(np.full((1, policy.dimensions), unit)), policy.space)[0] for unit in (0.0, 1.0)]
            self._affine = tensor(ends[0]), tensor(ends[1] - ends[0])

    def noise(self, generator: np.random.Generator, rows: int) -> FloatArray | None:
        """(rows, A) standard Gumbel numbers of finite actions; None for a box, whose actions have no noise here."""
        if not isinstance(self.policy, CategoricalPolicy):
            return None
        uniforms = np.maximum(generator.random((rows, self.policy.action_size)), SMALLEST_UNIFORM)
        gumbel: FloatArray = -np.log(-np.log(uniforms))
        return gumbel

    def features(self, outputs: torch.Tensor, gumbel: FloatArray | None, mask: NDArray[np.bool_] | None) -> torch.Tensor:
        """(M, w) what the critic reads, differentiable in the outputs (M, ...) of the policy's perceptron."""
        import torch

        if self._affine is not None:
            centre, half = self._affine
            return centre + half * torch.tanh(outputs)
        assert gumbel is not None, "finite actions are drawn"
        soft = torch.softmax(self.logits(outputs, mask) + tensor(gumbel), dim=1)
        hard = torch.nn.functional.one_hot(soft.argmax(dim=1), soft.shape[1]).to(soft.dtype)
        return hard + soft - soft.detach()

    def logits(self, outputs: torch.Tensor, mask: NDArray[np.bool_] | None) -> torch.Tensor:
        """(M, A) bounded logits, those of actions that are not legal far below all others."""
        import torch

        assert isinstance(self.policy, CategoricalPolicy), "boxes have none"
        bound = float(self.policy.logit_bound)
        logits = bound * torch.tanh(outputs / bound)
        return logits if mask is None else logits.masked_fill(~torch.from_numpy(mask), -1e9)

    def executed(self, outputs: torch.Tensor, gumbel: FloatArray | None, mask: NDArray[np.bool_] | None) -> NDArray[Any]:
        """The same as actions that can be told: (M,) int64 indices, or (M, *shape) float64 values."""
        import torch

        if isinstance(self.policy, TanhPolicy):
            return self.policy.executed(torch.tanh(outputs).numpy().astype(np.float64))
        assert gumbel is not None, "finite actions are drawn"
        drawn: NDArray[np.int64] = (self.logits(outputs, mask) + tensor(gumbel)).argmax(dim=1).numpy()
        return drawn

    def entropy(self, outputs: torch.Tensor, mask: NDArray[np.bool_] | None) -> float:
        """Mean entropy of finite actions, in nats; NaN for a box."""
        import torch

        if not isinstance(self.policy, CategoricalPolicy):
            return float("nan")
        logs = torch.log_softmax(self.logits(outputs, mask), dim=1)
        return float(-(logs.exp() * logs).sum(dim=1).mean())
