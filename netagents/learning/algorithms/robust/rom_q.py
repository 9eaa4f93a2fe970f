"""RoM-Q's stand-in for networks: in some copies one agent, drawn by lot, plays the action that it believes worst.

The method itself is exact on tables (:mod:`netagents.exact.robust_q`).  For networks the released code of MIR3 trains beside such agents:

    with probability ``probability`` a copy has one adversarial agent in this iteration, drawn uniformly;
    it plays  argmin_a Q_j(o_j, a)  over its legal actions, or in a box ``steps`` steps of length ``step`` along -sign grad_a Q_j;
    all critics learn from all copies; the policy of agent j leaves out those in which it was the adversary.

Q_j reads what agent j's policy reads, and no more, because an agent that acts has not yet heard what the others do.  The lot follows from
the seed alone, so that every agent knows who is adversarial and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.critics.action_value import ActionValue
from netagents.environments.feature_encoders import flat
from netagents.experiment.robust_settings import RomQSettings
from netagents.policies import Policy
from netagents.policies.mlp import Float32, Layer, MlpLayout
from netagents.policies.neural_policy import CategoricalPolicy, NeuralPolicy, TanhPolicy
from netagents.randomness import ENVIRONMENT_OWNER, Purpose, stream

BoolArray = NDArray[np.bool_]


def adversarial_copies(seed: int, iteration: int, copies: int, agents: int, agent: int, probability: float) -> BoolArray:
    """(B,) the copies in which an agent is the adversary in an iteration."""
    lottery = stream(seed, ENVIRONMENT_OWNER, Purpose.ROBUSTNESS, iteration)
    drawn, adversary = lottery.random(copies) < probability, lottery.integers(0, agents, copies)
    marked: BoolArray = drawn & (adversary == agent)
    return marked


class WorstPlay(Policy):
    """A policy that plays the worst action in some copies, and another policy in all others.

    Args:
        own: the policy of the agent.
        critic: Q_j, of what the policy reads and the own action.
        settings: steps in a box.
        marked: (B,) the copies.
    """

    def __init__(self, own: NeuralPolicy, critic: ActionValue, settings: RomQSettings, marked: BoolArray) -> None:
        self.own, self.settings, self.marked = own, settings, marked
        self.window, self.component = own.window, own.component  # type: ignore[misc]
        self._layout = critic.layout
        self._layers = critic.layout.layers(critic.net.weights())

    def contexts_of(self, steps: int, copies: int) -> NDArray[Any]:
        return self.own.contexts_of(steps, copies)

    def noise(self, generator: np.random.Generator, steps: int, copies: int) -> NDArray[np.float64]:
        return self.own.noise(generator, steps, copies)

    def context(self, states: Sequence[NDArray[Any]], *near: Any) -> NDArray[Any]:
        return self.own.context(states, *near)

    def act(self, context: Any, noise: NDArray[np.float64], mask: BoolArray | None = None) -> NDArray[Any]:
        """The own policy's actions, with the worst ones in the marked copies."""
        actions = self.own.act(context, noise, mask)
        if self.marked.any():
            actions[self.marked] = self._worst(context[self.marked], None if mask is None else mask[self.marked])
        return actions

    def greedy(self, context: Any, *mask: Any) -> NDArray[Any]:
        return self.own.greedy(context, *mask)

    def load(self, parameters: NDArray[Any]) -> None:
        """Nothing: the parameters are those of the other policy."""

    def _worst(self, context: Float32, mask: BoolArray | None) -> NDArray[Any]:
        if isinstance(self.own, CategoricalPolicy):
            values = np.stack([self._values(context, one_hot) for one_hot in np.eye(self.own.action_size, dtype=np.float32)], axis=1)
            worst: NDArray[np.int64] = np.where(np.ones_like(values, bool) if mask is None else mask, values, np.inf).argmin(axis=1)
            return worst
        assert isinstance(self.own, TanhPolicy), "MADDPG has no other policies"
        units = np.tanh(self.own.outputs(context)).astype(np.float64)
        for _ in range(self.settings.steps):
            read = flat(self.own.executed(units), self.own.space).astype(np.float32)
            features = np.concatenate([context, read], axis=1)
            slope = input_gradient(self._layout, self._layers, features)[:, context.shape[1] :]
            units = np.clip(units - self.settings.step * np.sign(slope), -1.0, 1.0)
        return self.own.executed(units)

    def _values(self, context: Float32, action: Float32) -> Float32:
        whole = np.concatenate([context, np.broadcast_to(action, (len(context), len(action)))], axis=1)
        values: Float32 = self._layout.forward(self._layers, whole)[:, 0]
        return values


def input_gradient(layout: MlpLayout, layers: Sequence[Layer], features: Float32) -> Float32:
    """(M, F) the derivative of a network's first output in its features."""
    hidden, slopes = features, []
    for weight, bias in layers[:-1]:
        before = hidden @ weight + bias
        hidden = np.maximum(before, 0.0) if layout.activation == "relu" else np.tanh(before)
        slopes.append((before > 0.0).astype(np.float32) if layout.activation == "relu" else 1.0 - hidden * hidden)
    back = np.broadcast_to(layers[-1].weight[:, 0], hidden.shape)
    for (weight, _), slope in zip(reversed(layers[:-1]), reversed(slopes), strict=True):
        back = (back * slope) @ weight.T
    gradient: Float32 = np.ascontiguousarray(back)
    return gradient
