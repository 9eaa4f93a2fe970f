"""Policies with memory: a recurrent unit over the observations within kappa_policy, acting in numpy.

The context of a copy is what was read and, behind it, the memory that this led to.  So the memory of the next decision is part of the
present context, and whatever is said of a context (its probabilities, its most probable action) needs nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.policy_settings import GruPolicySettings, NetworkPolicySettings
from netagents.policies.gru import GruLayout
from netagents.policies.mlp import Float32, NetworkLayout, aligned
from netagents.policies.neural_policy import CategoricalPolicy, GaussianPolicy, NeuralPolicy, TanhPolicy
from netagents.policies.window_reader import BoolArray


class RecurrentPolicy(NeuralPolicy):
    """A GRU that reads a window; its memory is empty at the beginning of every episode."""

    def make_layout(self, settings: NetworkPolicySettings, outputs: int, extra: int) -> NetworkLayout:
        """The layout of the weights."""
        assert isinstance(settings, GruPolicySettings), "others have classes of their own"
        self.gru = GruLayout(self.reader.size, settings.units, outputs, extra)
        self.units = settings.units
        return self.gru

    def take(self, weights: Float32) -> None:
        """Look at new weights part by part."""
        self._gru_weights = self.gru.weights(weights)

    def contexts_of(self, steps: int, copies: int) -> Float32:
        """(steps, copies, F + U) float32: features, and the memory after they were read."""
        return aligned((steps, copies, self.reader.size + self.units))

    def initial_memory(self, copies: int) -> Float32:
        """(B, U) zeros."""
        return np.zeros((copies, self.units), dtype=np.float32)

    def next_context(self, memory: NDArray[Any] | None, states: Sequence[NDArray[Any]], near: BoolArray | None = None) -> Float32:
        """(B, F + U) features of the window's observations, and the memory after they were read."""
        assert memory is not None, "begins with initial_memory"
        features = self.reader.read(states, near)
        return np.concatenate([features, self.gru.step(self._gru_weights, features, memory)], axis=1)

    def memory_of(self, context: Any) -> Float32:
        """(B, U) what is remembered after a context."""
        memory: Float32 = context[:, self.reader.size :]
        return memory

    def context(self, states: Sequence[NDArray[Any]], near: BoolArray | None = None) -> Float32:  # noqa: ARG002
        """Never: observations alone do not say what is remembered.

        Raises:
            ValueError: always; use :meth:`next_context`.
        """
        raise ValueError("a policy with memory decides from what it remembers, and not from present observations alone")

    def outputs(self, context: Float32) -> Float32:
        """(B, outputs) of the memory in a context."""
        return self.gru.outputs_of(self._gru_weights, context[:, self.reader.size :])


class RecurrentCategoricalPolicy(RecurrentPolicy, CategoricalPolicy):
    """pi(a | history) of finite actions, with the bounded logits of :class:`CategoricalPolicy`."""


class RecurrentGaussianPolicy(RecurrentPolicy, GaussianPolicy):
    """pi(a | history) of actions in a box."""


class RecurrentTanhPolicy(RecurrentPolicy, TanhPolicy):
    """tanh plus noise in a box, of the history."""
