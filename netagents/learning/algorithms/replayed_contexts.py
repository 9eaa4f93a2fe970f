"""Replayed contexts: what a policy reads at transitions drawn from a replay buffer, alone or with the steps that led to them.

A policy with memory is unrolled over the last L steps up to each drawn decision, from the memory that it had before them: zeros where
these steps reach back to the beginning of the episode, and else the one that was stored while it acted, which the present weights would
have filled otherwise (the stored state of R2D2, Kapturowski et al. 2019).  With L above the horizon all memory is that of present weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.learning.protocol.replay_buffer import IntArray, ReplayBuffer
from netagents.policies.neural_policy import NeuralPolicy
from netagents.policies.recurrent_policy import RecurrentPolicy
from netagents.policies.torch_gru import TrainedGru
from netagents.policies.torch_mlp import TrainedMlp, tensor

if TYPE_CHECKING:
    import torch


class ReplayedObservations(NamedTuple):
    """Decisions that stand for themselves.

    Attributes:
        features: (M, F).
    """

    features: torch.Tensor

    def outputs(self, net: TrainedMlp | TrainedGru, flat: torch.Tensor | None = None) -> torch.Tensor:
        """(M, outputs) of a policy, with other weights (1, P) where some are given."""
        assert isinstance(net, TrainedMlp), "a policy with memory reads sequences"
        outputs: torch.Tensor = net(self.features, flat)[0]
        return outputs


class ReplayedSequences(NamedTuple):
    """Decisions with the steps before them, each sequence beginning at place 0.

    Attributes:
        steps: (M, L, F); what lies behind the decision does not count.
        memory: (M, U) before the first of them.
        last: (M,) place of the decision.
    """

    steps: torch.Tensor
    memory: torch.Tensor
    last: torch.Tensor

    @property
    def features(self) -> torch.Tensor:
        """(M, F) at the decisions alone."""
        import torch

        return self.steps[torch.arange(len(self.last)), self.last]

    def outputs(self, net: TrainedMlp | TrainedGru, flat: torch.Tensor | None = None) -> torch.Tensor:
        """(M, outputs) at the decisions, with other weights (1, P) where some are given."""
        import torch

        assert isinstance(net, TrainedGru), "sequences are read by a policy with memory"
        return net.along(self.steps, self.memory, flat)[torch.arange(len(self.last)), self.last]


ReplayedContexts = ReplayedObservations | ReplayedSequences


def replayed_contexts(
    buffer: ReplayBuffer, policy: NeuralPolicy, iterations: IntArray, rows: IntArray, copies: int, unroll: int
) -> ReplayedContexts:
    """What a policy reads at M decisions.

    Args:
        buffer: has ``context``, and ``memory`` of a policy that has one.
        policy: whose.
        iterations, rows: (M,) where each decision is; rows count steps times copies.
        copies: B.
        unroll: L, the largest number of steps of a sequence.
    """
    reader = policy.reader
    if not isinstance(policy, RecurrentPolicy):
        return ReplayedObservations(tensor(reader.scaled(buffer.rows("context", iterations, rows))))
    steps, copy = rows // copies, rows % copies
    last = np.minimum(steps, unroll - 1)
    begin = steps - last
    places = begin[:, None] + np.minimum(np.arange(int(last.max()) + 1), last[:, None])
    features = buffer.rows("context", iterations[:, None], places * copies + copy[:, None])
    before: NDArray[np.float32] = buffer.rows("memory", iterations, np.maximum(begin - 1, 0) * copies + copy)
    scaled = reader.scaled(features.reshape(-1, features.shape[2])).reshape(features.shape)
    return ReplayedSequences(tensor(scaled), tensor(before * (begin > 0)[:, None]), _index(last))


def _index(places: IntArray) -> torch.Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(places))
