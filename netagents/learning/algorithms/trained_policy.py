"""Policies under training: the torch side of a neural policy, and how its outputs follow from what it has read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.critics.neural_critic import minibatch_indices
from netagents.policies.neural_policy import NeuralPolicy
from netagents.policies.recurrent_policy import RecurrentPolicy
from netagents.policies.torch_gru import TrainedGru
from netagents.policies.torch_mlp import TrainedMlp, tensor

if TYPE_CHECKING:
    import torch


def trained_policy(policy: NeuralPolicy, rate: float, gradient_clip: float | None, agent: int) -> TrainedMlp | TrainedGru:
    """The torch side of a policy, at its present weights."""
    if isinstance(policy, RecurrentPolicy):
        return TrainedGru(policy.gru, [policy.weights], rate, gradient_clip, "policy", agent)
    return TrainedMlp(policy.mlp, [policy.weights], rate, gradient_clip, "policy", agent)


class Steps(NamedTuple):
    """What a policy without memory has read: every decision stands for itself.

    Attributes:
        features: (M, F).
    """

    features: torch.Tensor

    def minibatches(self, generator: np.random.Generator, parts: int, passes: int) -> list[torch.Tensor]:
        """Positions of the decisions of each minibatch."""
        return minibatch_indices(generator, len(self.features), parts, passes)

    def rows(self, minibatch: torch.Tensor) -> torch.Tensor:
        """The decisions of a minibatch, as positions among the M."""
        return minibatch

    def outputs(self, net: TrainedMlp | TrainedGru, minibatch: torch.Tensor | None = None) -> torch.Tensor:
        """(M, outputs) of a policy under training, or those of a minibatch."""
        assert isinstance(net, TrainedMlp), "a policy with memory reads sequences"
        outputs: torch.Tensor = net(self.features if minibatch is None else self.features.index_select(0, minibatch))[0]
        return outputs


class Sequences(NamedTuple):
    """What a policy with memory has read: whole episodes, of which the decisions that it is trained on are some steps.

    Attributes:
        features: (B, T, F).
        chosen: (B, T) bool which steps are decisions; after an episode's end there are none.
        position: (B, T) int64 of each such step among the M decisions.
    """

    features: torch.Tensor
    chosen: torch.Tensor
    position: torch.Tensor

    def minibatches(self, generator: np.random.Generator, parts: int, passes: int) -> list[torch.Tensor]:
        """Copies of each minibatch, each with at least one decision."""
        drawn = minibatch_indices(generator, len(self.features), parts, passes)
        return [copies for copies in drawn if bool(self.chosen[copies].any())]

    def rows(self, minibatch: torch.Tensor) -> torch.Tensor:
        """The decisions of a minibatch, as positions among the M."""
        return self.position[minibatch][self.chosen[minibatch]]

    def outputs(self, net: TrainedMlp | TrainedGru, minibatch: torch.Tensor | None = None) -> torch.Tensor:
        """(M, outputs) of a policy under training, or those of a minibatch, in the order of :meth:`rows`."""
        import torch

        assert isinstance(net, TrainedGru), "sequences are read by a policy with memory"
        if minibatch is not None:
            return net.along(self.features[minibatch])[self.chosen[minibatch]]
        along = net.along(self.features)
        ordered = torch.empty((int(self.chosen.sum()), along.shape[2]))
        ordered[self.position[self.chosen]] = along[self.chosen]
        return ordered


def read_by(policy: NeuralPolicy, context: NDArray[np.float32], trained_on: NDArray[np.bool_]) -> Steps | Sequences:
    """What a policy has read along a batch.

    Args:
        policy: says whether it remembers.
        context: (T, B, ...) its contexts.
        trained_on: (T, B) which decisions it is trained on; these are numbered step by step.
    """
    import torch

    if not isinstance(policy, RecurrentPolicy):
        return Steps(tensor(context[trained_on]))
    position = np.zeros(trained_on.shape, dtype=np.int64)
    position[trained_on] = np.arange(int(trained_on.sum()))
    features = tensor(context[:, :, : policy.reader.size].swapaxes(0, 1))
    return Sequences(features, torch.from_numpy(trained_on.T.copy()), torch.from_numpy(position.T.copy()))
