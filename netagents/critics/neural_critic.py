"""Truncated critics as networks: a pair of Q-functions over a window's observations and actions, and a state value beside them.

Q_i(s, a) of N_i^kappa is fitted by temporal differences on the batch: at each minibatch step towards
``signal + gamma * Q_target(s', a')``, the target following slowly (as in DQN and DDPG).  The pair never learns from the same copies of
the environment: one takes the even ones, the other the odd ones.  So their errors are independent, and a minimum over actions that
one of them chooses can be valued without bias by the other (double Q-learning, van Hasselt 2010); see
:mod:`netagents.measures.power.neural_power`.  What the pair says together is its mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.critics.popart import PopArt
from netagents.critics.target_network import TargetNetwork
from netagents.experiment.algorithm_settings import NeuralCriticSettings
from netagents.policies.mlp import Float32, MlpLayout
from netagents.policies.torch_mlp import TrainedMlp, tensor

if TYPE_CHECKING:
    import torch

    from netagents.policies.perceptron_gradient import Layers

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
PAIR = 2
LAST_GAIN = 0.1
"""First output weights are small: values begin near the mean of the first batch."""


class Transitions(NamedTuple):
    """What critics learn from, T steps of B copies.

    Attributes:
        features: ((T + 1) * B, F) float32 tensor of the window's observations and actions in step order.
        alive: (T, B) bool, the copy had not ended before the step.
        bootstrap: (T, B) 1.0, or 0.0 where the step ended in a terminal state.
    """

    features: torch.Tensor
    alive: NDArray[np.bool_]
    bootstrap: FloatArray

    @property
    def copies(self) -> int:
        """B."""
        return int(self.alive.shape[1])

    def halves(self) -> list[IntArray]:
        """Flat positions of the evaluated steps of even copies, then of odd ones; of all for both when there is one copy only."""
        alive = self.alive.reshape(-1)
        parity = np.tile(np.arange(self.copies) % PAIR, len(self.alive))
        halves = [np.flatnonzero(alive & (parity == half)) for half in range(PAIR)]
        whole = np.flatnonzero(alive)
        return [half if half.size else whole for half in halves]


class NeuralCritic(TargetNetwork):
    """A pair of truncated Q-networks, each with its target network.

    Args:
        settings: layers, rate, steps.
        inputs: F.
        generator: draws the first weights of both.
        name, agent: in errors.
    """

    def __init__(self, settings: NeuralCriticSettings, inputs: int, generator: np.random.Generator, name: str, agent: int) -> None:
        self.settings = settings
        self.name = name
        layout = MlpLayout((inputs, *settings.hidden, 1), settings.activation)
        weights = [layout.first_weights(generator, LAST_GAIN) for _ in range(PAIR)]
        super().__init__(TrainedMlp(layout, weights, settings.learning_rate, settings.max_grad_norm, name, agent), layout)
        self.target_layers = self.net.layers_of(self.target)

    def pair(self, features: torch.Tensor, weights: torch.Tensor | None = None, units: PopArt | None = None) -> FloatArray:
        """(2, M) values of both networks at features (M, F); with other weights and units than their own where some are given."""
        import torch

        with torch.no_grad():
            outputs: Float32 = self.net(features, weights).squeeze(2).numpy()
        return (units or self.units).values(outputs)

    def values(self, features: torch.Tensor) -> FloatArray:
        """(M,) the pair's mean."""
        mean: FloatArray = self.pair(features).mean(axis=0)
        return mean

    def learn(
        self, batch: Transitions, signal: FloatArray, returns: FloatArray, discount: float, generator: np.random.Generator, where: str
    ) -> float:
        """Minibatch steps of temporal differences.

        Args:
            batch: transitions. signal: (T, B). discount: gamma.
            returns: (T, B) returns of this signal; the units follow them.
            generator: draws the minibatches.
            where: iteration, in errors.

        Returns:
            Root mean square of the last step's temporal differences.

        Raises:
            NumericalError: a gradient is not finite.
        """
        import torch

        halves = batch.halves()
        if min(half.size for half in halves) == 0:
            return 0.0
        steps, size = self.settings.steps, self.settings.minibatch
        self.units.follow(returns[batch.alive], [self.net.flat, self.target])
        centre, scale = self.units.centre, self.units.scale
        # In the units of the outputs: y = (u + gamma (centre + scale * ahead) - centre) / scale.
        rewards = tensor((signal + (discount * batch.bootstrap - 1.0) * centre).reshape(-1) / scale)
        weight = tensor(discount * batch.bootstrap.reshape(-1))
        drawn = [half[generator.integers(0, half.size, (steps, min(size, half.size)))] for half in halves]
        width = min(each.shape[1] for each in drawn)
        index = torch.from_numpy(np.stack([each[:, :width] for each in drawn], axis=1))
        share = mean_share(width)
        with torch.no_grad():
            for step in range(steps):
                minibatch = index[step].view(-1)
                ahead = self._pass(batch.features, minibatch + batch.copies, self.target_layers)[-1].squeeze(2)
                goal = rewards[minibatch].view(ahead.shape) + weight[minibatch].view(ahead.shape) * ahead
                *read, outputs = self._pass(batch.features, minibatch, self.net.layers)
                # The loss is half the mean square of each network's differences.
                difference = outputs.squeeze(2) - goal
                self.net.descend_from(read, (difference * share).unsqueeze(2), f"{where}, step {step}")
                self.follow(self.settings.tau)
        return scale * float(difference.square().mean().sqrt())

    def _pass(self, features: torch.Tensor, minibatch: torch.Tensor, layers: Layers) -> list[torch.Tensor]:
        """What each layer reads, and the outputs (2, M, 1), at the rows (2 M,) of features that each network of the pair has drawn."""
        return self.net.forward_pass(features.index_select(0, minibatch).view(PAIR, -1, features.shape[1]), layers)


class ValueNetwork:
    """V_i(s) of N_i^kappa: the expected lambda-return, or the baseline of a sum of Q-values; it never reads actions.

    Args:
        settings: layers, rate, epochs.
        inputs: F, observations alone.
        generator: draws the first weights.
        agent: in errors.
    """

    def __init__(self, settings: NeuralCriticSettings, inputs: int, generator: np.random.Generator, agent: int) -> None:
        self.settings = settings
        layout = MlpLayout((inputs, *settings.hidden, 1), settings.activation)
        self.net = TrainedMlp(
            layout, [layout.first_weights(generator, LAST_GAIN)], settings.learning_rate, settings.max_grad_norm, "state value", agent
        )
        self.units = PopArt(layout)

    def values(self, features: torch.Tensor) -> FloatArray:
        """(M,) values."""
        import torch

        with torch.no_grad():
            raw: Float32 = self.net(features)[0, :, 0].numpy()
        return self.units.values(raw)

    def fit(self, features: torch.Tensor, goals: FloatArray, minibatches: int, generator: np.random.Generator, where: str) -> None:
        """Passes of least squares over (M, F) features and (M,) goals.

        Raises:
            NumericalError: a gradient is not finite.
        """
        import torch

        self.units.follow(goals, [self.net.flat])
        targets = tensor((goals - self.units.centre) / self.units.scale)
        with torch.no_grad():
            for step, minibatch in enumerate(minibatch_indices(generator, len(goals), minibatches, self.settings.value_epochs)):
                *read, outputs = self.net.forward_pass(features.index_select(0, minibatch))
                # The loss is half the mean square of the differences.
                difference = outputs[0, :, 0] - targets.index_select(0, minibatch)
                self.net.descend_from(read, (difference * mean_share(len(minibatch))).view(outputs.shape), f"{where}, step {step}")

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The network, Adam's moments, and the units of its outputs."""
        return {**self.net.arrays(), "units": self.units.array()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave."""
        self.net.restore(arrays)
        self.units.restore(arrays["units"])


def minibatch_indices(generator: np.random.Generator, count: int, minibatches: int, epochs: int) -> list[torch.Tensor]:
    """Positions 0..count-1 in random order, cut into at most ``minibatches`` parts, for each of several passes."""
    import torch

    parts = min(minibatches, count)
    orders = (generator.permutation(count) for _ in range(epochs))
    return [torch.from_numpy(np.ascontiguousarray(part)) for order in orders for part in np.array_split(order, parts)]


def mean_share(count: int) -> float:
    """1 / count as single precision has it: the slope of half a mean square in each difference is so much of it."""
    return float(np.float32(1.0) / np.float32(count))
