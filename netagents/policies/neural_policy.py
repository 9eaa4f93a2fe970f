"""Neural localized policies: pi_i(a | x) from a perceptron over the observations within kappa_policy, acting in numpy."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netagents.environments.spaces import Box
from netagents.errors import EnvironmentMismatchError, NumericalError
from netagents.experiment.policy_settings import MlpPolicySettings, NetworkPolicySettings
from netagents.policies.mlp import Float32, MlpLayout, NetworkLayout, aligned
from netagents.policies.policy import FloatArray, Policy
from netagents.policies.window_reader import BoolArray, WindowReader

LAST_GAIN = 0.01
"""First output weights are small: training begins near the uniform policy, or near the middle of the box."""

LARGEST_EXPONENT = 80.0
"""Logits within this bound have exponentials that single precision holds."""


class NeuralPolicy(Policy):
    """A network that reads a window: a perceptron, or what a subclass makes of it.

    Args:
        settings: of its layers.
        window: the agents whose observations it reads, ascending, itself included.
        reader: turns them into features.
        outputs: of the network. extra: parameters beside it.
        generator: draws the first weights.
        where: names the agent in errors.

    Attributes:
        weights: (P,) float32, all parameters.
    """

    component = "weights"

    def __init__(
        self,
        settings: NetworkPolicySettings,
        window: Sequence[int],
        reader: WindowReader,
        outputs: int,
        extra: int,
        generator: np.random.Generator,
        where: str,
    ) -> None:
        self.window = tuple(window)
        self.reader = reader
        self.where = where
        self.layout = self.make_layout(settings, outputs, extra)
        self.weights: Float32 = aligned((self.layout.total,))
        self.load(self.layout.first_weights(generator, LAST_GAIN))

    def make_layout(self, settings: NetworkPolicySettings, outputs: int, extra: int) -> NetworkLayout:
        """The layout of the weights."""
        assert isinstance(settings, MlpPolicySettings), "others have classes of their own"
        self.mlp = MlpLayout((self.reader.size, *settings.hidden, outputs), settings.activation, extra)
        return self.mlp

    def contexts_of(self, steps: int, copies: int) -> Float32:
        """(steps, copies, F) float32 features."""
        return aligned((steps, copies, self.reader.size))

    def context(self, states: Sequence[NDArray[Any]], near: BoolArray | None = None) -> Float32:
        """(B, F) float32 features of the window's observations."""
        return self.reader.read(states, near)

    def outputs(self, context: Float32) -> Float32:
        """(B, outputs) of the network."""
        return self.mlp.forward(self._layers, context)

    def load(self, parameters: NDArray[Any]) -> None:
        """Take over a copy of parameters (P,).

        Raises:
            ValueError: of another shape.
            NumericalError: a weight is not finite.
        """
        if parameters.shape != (self.layout.total,):
            raise ValueError(f"weights of shape {parameters.shape} for a policy of {self.layout.total}")
        if not np.isfinite(parameters).all():
            raise NumericalError("a weight of the policy is not finite", where=self.where, fix="lower learning.algorithm.learning_rate")
        self.weights[:] = parameters
        self.take(self.weights)

    def take(self, weights: Float32) -> None:
        """Look at new weights layer by layer."""
        self._layers = self.mlp.layers(weights)

    def statistics(self) -> dict[str, NDArray[Any]]:
        """How numbers without bounds are read."""
        return {**self.reader.statistics()}

    def restore_statistics(self, statistics: Mapping[str, NDArray[Any]]) -> None:
        """How numbers without bounds are read, as :meth:`WindowReader.statistics` gave it."""
        self.reader.restore(statistics)

    @abstractmethod
    def probabilities_at(self, context: Float32) -> FloatArray:
        """What others need to know of pi(. | x) to foresee the action, (B, m) float64."""


class CategoricalPolicy(NeuralPolicy):
    """pi(a | x) proportional to exp(l_a), l = bound * tanh(z / bound) with z the perceptron's outputs.

    The smooth bound stands for the projection of tables (theta_max): no action's probability can vanish, so what each of them
    does stays observable.

    Args:
        actions: A.
        logit_bound: bound.
    """

    def __init__(
        self,
        settings: NetworkPolicySettings,
        window: Sequence[int],
        reader: WindowReader,
        actions: int,
        logit_bound: float,
        generator: np.random.Generator,
        where: str,
    ) -> None:
        super().__init__(settings, window, reader, actions, 0, generator, where)
        self.action_size = actions
        self.logit_bound = np.float32(logit_bound)

    def noise(self, generator: np.random.Generator, steps: int, copies: int) -> FloatArray:
        """(steps, copies) uniforms on [0, 1)."""
        return generator.random((steps, copies))

    def logits(self, context: Float32) -> Float32:
        """(B, A) bounded logits."""
        logits = self.outputs(context)
        logits /= self.logit_bound
        np.tanh(logits, out=logits)
        logits *= self.logit_bound
        return logits

    def _exponents(self, context: Float32, mask: BoolArray | None = None) -> Float32:
        """(B, A) logits, less the largest legal one where their exponentials could overflow."""
        logits = self.logits(context)
        if self.logit_bound <= LARGEST_EXPONENT:
            return logits
        legal = logits if mask is None else np.where(mask, logits, -np.inf)
        lowered: Float32 = np.minimum(logits - legal.max(axis=1, keepdims=True), np.float32(0.0))
        return lowered

    def act(self, context: Any, noise: FloatArray, mask: BoolArray | None = None) -> NDArray[np.int64]:
        """Draw an action per copy by inverting the cumulative distribution; (B,) int64.

        Args:
            context: (B, F) features. noise: (B,) uniforms.
            mask: (B, A) legal actions, where some are not.
        """
        weights = np.exp(self._exponents(context, mask))
        if mask is not None:
            weights *= mask
        heights = np.add.accumulate(weights, axis=1)
        drawn = noise * heights[:, -1]
        actions: NDArray[np.int64] = (drawn[:, None] >= heights[:, :-1]).sum(axis=1, dtype=np.int64)
        return actions

    def greedy(self, context: Any, mask: BoolArray | None = None) -> NDArray[np.int64]:
        """The most probable action per copy; ties go to the lowest one."""
        logits = self.logits(context)
        if mask is not None:
            logits = np.where(mask, logits, -np.inf)
        actions: NDArray[np.int64] = np.argmax(logits, axis=1)
        return actions

    def probabilities_at(self, context: Float32) -> FloatArray:
        """(B, A) probabilities."""
        weights = np.exp(self._exponents(context).astype(np.float64))
        probabilities: FloatArray = weights / weights.sum(axis=1, keepdims=True)
        return probabilities


class BoxPolicy(NeuralPolicy):
    """A mean in [-1, 1]^m and normal noise around it, clipped to [-1, 1] and brought to the bounds of the box.

    Attributes:
        space: a bounded box.
        dimensions: m.
        deviation: of the noise, one number or (m,).
    """

    space: Box
    dimensions: int
    deviation: Float32 | float

    @abstractmethod
    def means(self, context: Float32) -> FloatArray:
        """(B, m) float64 means of the actions for (B, F) features."""

    def noise(self, generator: np.random.Generator, steps: int, copies: int) -> FloatArray:
        """(steps, copies, m) standard normals."""
        return generator.standard_normal((steps, copies, self.dimensions))

    def act(self, context: Any, noise: FloatArray, mask: BoolArray | None = None) -> FloatArray:  # noqa: ARG002 - boxes have none
        """(B, *shape) float64 within the bounds.

        Args:
            context: (B, F) features. noise: (B, m) standard normals.
        """
        return self.executed(self.means(context) + self.deviation * noise)

    def greedy(self, context: Any, mask: BoolArray | None = None) -> FloatArray:  # noqa: ARG002
        """The mean."""
        return self.executed(self.means(context))

    def executed(self, drawn: FloatArray) -> FloatArray:
        """What the environment is given for actions (B, m) of which [-1, 1] is the whole box."""
        unit = np.minimum(np.maximum(drawn, -1.0), 1.0)
        bounded = self.space.low + (self.space.high - self.space.low) / 2 * (unit + 1.0)
        return np.ascontiguousarray(bounded.reshape(-1, *self.space.shape))

    def probabilities_at(self, context: Float32) -> FloatArray:
        """(B, 2 m): means, then deviations."""
        means = self.means(context)
        return np.concatenate([means, np.broadcast_to(self.deviation, means.shape)], axis=1)


class GaussianPolicy(BoxPolicy):
    """u ~ N(mu(x), sigma^2), a = u clipped to [-1, 1] and brought to the bounds of the box; sigma is learned and free of x.

    Args:
        space: a bounded box.
    """

    deviation: Float32

    def __init__(
        self,
        settings: NetworkPolicySettings,
        window: Sequence[int],
        reader: WindowReader,
        space: Box,
        generator: np.random.Generator,
        where: str,
    ) -> None:
        self.space, self.dimensions = space, _dimensions(space, where)
        self._first_deviation = np.float32(np.log(settings.deviation))
        super().__init__(settings, window, reader, self.dimensions, self.dimensions, generator, where)
        self.weights[-self.dimensions :] = self._first_deviation
        self.load(self.weights.copy())

    def load(self, parameters: NDArray[Any]) -> None:
        """As every network; the deviation sigma is worked out once."""
        super().load(parameters)
        self.deviation = np.exp(self.weights[-self.dimensions :])

    def means(self, context: Float32) -> FloatArray:
        """(B, m) float64, the perceptron's outputs."""
        means: FloatArray = self.outputs(context).astype(np.float64)
        return means


class TanhPolicy(BoxPolicy):
    """a = tanh(z(x)) + noise of a fixed deviation, clipped to [-1, 1] and brought to the bounds of the box: the actor of DDPG.

    Args:
        space: a bounded box.
    """

    deviation: float

    def __init__(
        self,
        settings: NetworkPolicySettings,
        window: Sequence[int],
        reader: WindowReader,
        space: Box,
        generator: np.random.Generator,
        where: str,
    ) -> None:
        self.space, self.dimensions = space, _dimensions(space, where)
        self.deviation = settings.noise
        super().__init__(settings, window, reader, self.dimensions, 0, generator, where)

    def means(self, context: Float32) -> FloatArray:
        """(B, m) float64, tanh of the perceptron's outputs."""
        means: FloatArray = np.tanh(self.outputs(context)).astype(np.float64)
        return means


def _dimensions(space: Box, where: str) -> int:
    if not (np.isfinite(space.low) and np.isfinite(space.high)):
        raise EnvironmentMismatchError(f"an unbounded box of actions, {space.low} to {space.high}", where=where, fix="give it bounds")
    return int(np.prod(space.shape, dtype=np.int64))
