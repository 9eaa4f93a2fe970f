"""Action value of a window: Q_i(x, a) as one network with a slowly following target, fitted to goals that somebody else works out.

The pair of :mod:`netagents.critics.neural_critic` learns from the newest batch; this one learns from replayed transitions, and is
differentiated in the actions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from netagents.critics.target_network import TargetNetwork
from netagents.experiment.algorithm_settings import ActionValueSettings
from netagents.policies.mlp import MlpLayout
from netagents.policies.torch_mlp import TrainedMlp

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]
LAST_GAIN = 0.1
"""First output weights are small: values begin near the mean of the first batch."""


class ActionValue(TargetNetwork):
    """Q_i(x, a) and its target.

    Args:
        settings: layers and step size.
        inputs: F, features of observations and actions.
        gradient_clip: largest norm of its gradient.
        generator: draws the first weights.
        agent: in errors.

    Attributes:
        layout: of the network.
    """

    def __init__(
        self, settings: ActionValueSettings, inputs: int, gradient_clip: float, generator: np.random.Generator, agent: int
    ) -> None:
        self.layout = MlpLayout((inputs, *settings.hidden, 1), settings.activation)
        first = [self.layout.first_weights(generator, LAST_GAIN)]
        super().__init__(TrainedMlp(self.layout, first, settings.learning_rate, gradient_clip, "action value", agent), self.layout)

    def values(self, observed: torch.Tensor, acted: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """(M,) values, differentiable; of other weights than the network's own where some are given.

        Args:
            observed, acted: (M, ...) features of observations and of actions.
            weights: (1, P).
        """
        import torch

        outputs = self.net(torch.cat([observed, acted], dim=1), weights)[0, :, 0]
        return outputs * self.units.scale + self.units.centre

    def layers(self, weights: torch.Tensor | None = None) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Per layer its matrix (inputs, outputs) and its bias (outputs,); the last one in the units of values."""
        whole = self.net.flat if weights is None else weights
        parts = whole[0].split_with_sizes(self.layout.parts)
        shaped = [part.view(shape) for part, shape in zip(parts, self.layout.shapes, strict=True)]
        layers = list(zip(shaped[::2], shaped[1::2], strict=True))
        matrix, bias = layers[-1]
        return [*layers[:-1], (matrix * self.units.scale, bias * self.units.scale + self.units.centre)]

    def follow_returns(self, returns: FloatArray) -> None:
        """Move the units of the outputs towards those of (M,) returns; values stay what they are."""
        self.units.follow(returns, [self.net.flat, self.target])

    def fit(self, observed: torch.Tensor, acted: torch.Tensor, goals: torch.Tensor, weight: torch.Tensor, where: str) -> float:
        """One step of least squares; the root mean square of the differences before it.

        Args:
            observed, acted: (M, ...) features. goals: (M,) values. weight: (M,) of mean 1.
            where: iteration, in errors.

        Raises:
            NumericalError: a gradient is not finite.
        """
        difference = (self.values(observed, acted) - goals) / self.units.scale
        loss = (weight * difference.square()).mean()
        self.net.descend(loss, where)
        return float(self.units.scale * loss.detach().sqrt())
