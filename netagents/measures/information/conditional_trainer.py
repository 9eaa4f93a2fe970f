"""Training of a conditional model q(y | x) by maximum likelihood: Adam on minibatches, running standardisation, a held-out share.

Three families: ``categorical`` (softmax of a network), ``gaussian`` (a network for the mean and one for the log-variance, through tanh),
and ``mean`` (unit variance in standardised units; less flexible and more stable).  q is trained on x and y only and is frozen while its
values are used: :meth:`ConditionalTrainer.model` gives plain arrays, through which no gradient flows.

Training is repeatable: draws come from the stream of the seed, the owner and the iteration, and torch has one thread.  The state is a few
named arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.errors import NumericalError
from netagents.measures.information.conditional_model import (
    LOG_FLOOR,
    CategoricalConditional,
    FloatArray,
    GaussianConditional,
    Outcomes,
    log_softmax,
)
from netagents.measures.information.information_interval import InformationInterval, information_interval
from netagents.policies.mlp import Float32, MlpLayout
from netagents.policies.torch_mlp import TrainedMlp, repeatable_torch, tensor
from netagents.randomness import Purpose, stream

Family = Literal["categorical", "gaussian", "mean"]
LAST_GAIN = 0.1
"""First output weights are small: q begins near the same distribution at every input."""
NEWEST_SHARE = 0.01
"""Least share of the newest batch in the running moments; until a hundred batches all samples count alike."""
SMALLEST_SCALE = 1e-6
"""A feature that varies less is constant, and is only centred."""


@dataclass(frozen=True)
class ConditionalSettings:
    """What q is and how it is trained.

    Attributes:
        family: of q.
        inputs: features of x.
        outputs: |A|, or the dimensions d of y.
        hidden: hidden layers of each network; none for a linear one.
        rate: Adam's step size.
        steps: minibatch steps per call of ``fit``.
        minibatch: samples per step.
        held_out: share of the samples of each call that is not trained on and gives the interval; 0 for none.
        log_variance_bound: b in log sigma^2 = b tanh(output), in standardised units; 1, as published, keeps sigma^2 in [0.37, 2.72].
        standardise: shift and scale x, and y of Gaussian families, to mean 0 and variance 1.
    """

    family: Family
    inputs: int
    outputs: int
    hidden: tuple[int, ...] = (64,)
    rate: float = 5e-4
    steps: int = 5
    minibatch: int = 64
    held_out: float = 0.25
    log_variance_bound: float = 1.0
    standardise: bool = True

    def __post_init__(self) -> None:
        if min(self.inputs, self.outputs, self.steps, self.minibatch, *self.hidden) < 1:
            raise ValueError(f"inputs, outputs, hidden, steps and minibatch must be at least 1: {self}")
        if not (0.0 <= self.held_out < 1.0) or self.rate <= 0.0 or self.log_variance_bound <= 0.0:
            raise ValueError(f"held_out must be in [0, 1), rate and log_variance_bound above 0: {self}")


class RunningMoments:
    """Mean and variance per feature of the batches of samples so far, with more weight on newer ones once there are many.

    Args:
        features: F.
    """

    def __init__(self, features: int) -> None:
        self.count, self.mean, self.variance = 0.0, np.zeros(features), np.ones(features)

    def update(self, samples: FloatArray) -> None:
        """Take in a batch (M, F)."""
        share = max(len(samples) / (self.count + len(samples)), NEWEST_SHARE)
        difference = samples.mean(axis=0) - self.mean
        spread = samples.var(axis=0) - self.variance
        self.mean = self.mean + share * difference
        self.variance = self.variance + share * spread + share * (1.0 - share) * difference**2
        self.count += len(samples)

    @property
    def scale(self) -> FloatArray:
        """(F,) standard deviations; 1 for constant features."""
        deviation = np.sqrt(self.variance)
        return np.where(deviation > SMALLEST_SCALE, deviation, 1.0)

    def array(self) -> FloatArray:
        """(2 F + 1,) for checkpoints."""
        return np.concatenate([[self.count], self.mean, self.variance])

    def restore(self, array: FloatArray) -> None:
        """Take over what :meth:`array` gave."""
        features = len(self.mean)
        self.count, self.mean, self.variance = float(array[0]), array[1 : features + 1].copy(), array[features + 1 :].copy()


class FitReport(NamedTuple):
    """One call of ``fit``.

    Attributes:
        loss: mean negative log-likelihood of the last minibatch, standardised units, constants left out.
        interval: from the samples held out of this call; None where fewer than two are.
    """

    loss: float
    interval: InformationInterval | None


class ConditionalTrainer:
    """q with its optimiser's state.

    Args:
        settings: of q.
        seed: of the run.
        owner: index of the agent that holds q.
    """

    def __init__(self, settings: ConditionalSettings, seed: int, owner: int) -> None:
        self.settings, self.seed, self.owner = settings, seed, owner
        self.layout = MlpLayout((settings.inputs, *settings.hidden, settings.outputs), "relu")
        generator = stream(seed, owner, Purpose.INFORMATION, 0)
        copies = 2 if settings.family == "gaussian" else 1
        weights = [self.layout.first_weights(generator, LAST_GAIN) for _ in range(copies)]
        self.net = TrainedMlp(self.layout, weights, settings.rate, None, "information model", owner)
        self.inputs = RunningMoments(settings.inputs)
        self.outputs = RunningMoments(0 if settings.family == "categorical" else settings.outputs)

    def fit(
        self, x: FloatArray, y: Outcomes, iteration: int, *, steps: int | None = None, held_out: NDArray[np.bool_] | None = None
    ) -> FitReport:
        """Minibatch steps of maximum likelihood.

        Args:
            x: (N, inputs). y: (N,) actions, or (N, outputs).
            iteration: >= 0; names the draws, so that no two calls of one trainer may share it.
            steps: >= 1, other than the settings'.
            held_out: (N,) samples not to train on; default a random share.  Give whole episodes where samples of one resemble each other.

        Raises:
            ValueError: shapes that do not fit, actions out of range, or nothing to train on.
            NumericalError: a number in x or y, or a gradient, is not finite.
        """
        x, y = self._checked(x, y)
        steps = self.settings.steps if steps is None else steps
        if steps < 1:
            raise ValueError(f"steps is {steps}; at least 1 is needed")
        generator = stream(self.seed, self.owner, Purpose.INFORMATION, iteration + 1)
        if held_out is None:
            held_out = np.zeros(len(x), dtype=bool)
            held_out[generator.permutation(len(x))[: round(self.settings.held_out * len(x))]] = True
        train = np.flatnonzero(~held_out)
        if train.size == 0:
            raise ValueError(f"none of the {len(x)} samples is left to train on; hold out fewer")
        loss = self._descend(x[train], y[train], generator, steps, iteration)
        test_rows = np.flatnonzero(held_out)
        interval = information_interval(self.model(x[test_rows]), y[test_rows], log_floor=LOG_FLOOR) if test_rows.size > 1 else None
        return FitReport(loss, interval)

    def _descend(self, x: FloatArray, y: Outcomes, generator: np.random.Generator, steps: int, iteration: int) -> float:
        import torch

        categorical = self.settings.family == "categorical"
        if self.settings.standardise:
            self.inputs.update(x)
            if not categorical:
                self.outputs.update(y)
        minibatches = generator.integers(0, len(x), (steps, min(self.settings.minibatch, len(x))))
        features = tensor((x - self.inputs.mean) / self.inputs.scale)
        targets = torch.from_numpy(y) if categorical else tensor((y - self.outputs.mean) / self.outputs.scale)
        last = float("nan")
        with repeatable_torch():
            for step, rows in enumerate(torch.from_numpy(minibatches)):
                loss = self._loss(self.net(features[rows]), targets[rows])
                self.net.descend(loss, f"iteration {iteration}, step {step}")
                last = float(loss.detach())
        return last

    def _loss(self, outputs: Any, targets: Any) -> Any:
        """Mean negative log-likelihood of a minibatch, without constants."""
        import torch

        if self.settings.family == "categorical":
            return torch.nn.functional.cross_entropy(outputs[0], targets)
        squares = (outputs[0] - targets).square()
        if self.settings.family == "mean":
            return 0.5 * squares.sum(dim=1).mean()
        log_variance = self.settings.log_variance_bound * torch.tanh(outputs[1])
        return 0.5 * (squares * torch.exp(-log_variance) + log_variance).sum(dim=1).mean()

    def model(self, x: FloatArray) -> CategoricalConditional | GaussianConditional:
        """q at inputs (N, inputs), frozen: categorical, or Gaussian in the units of y."""
        features = np.ascontiguousarray((x - self.inputs.mean) / self.inputs.scale, dtype=np.float32)
        outputs: list[Float32] = [
            self.layout.forward(self.layout.layers(self.net.weights(copy)), features) for copy in range(self.net.copies)
        ]
        if self.settings.family == "categorical":
            return CategoricalConditional(log_softmax(outputs[0]))
        scale = self.outputs.scale
        mean = self.outputs.mean + scale * outputs[0].astype(np.float64)
        log_variance = np.zeros(mean.shape)
        if self.settings.family == "gaussian":
            log_variance = self.settings.log_variance_bound * np.tanh(outputs[1].astype(np.float64))
        return GaussianConditional(mean, log_variance + 2.0 * np.log(scale))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Weights, Adam's moments and running moments, by name."""
        return {**self.net.arrays(), "moments.x": self.inputs.array(), "moments.y": self.outputs.array()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take over what :meth:`arrays` gave; training goes on bit for bit.

        Raises:
            ValueError: an array is missing or has another shape; nothing has been changed.
            NumericalError: a weight is not finite.
        """
        for name, array in self.arrays().items():
            if name not in arrays or arrays[name].shape != array.shape:
                shape = arrays[name].shape if name in arrays else None
                raise ValueError(f"array {name} of the information model has shape {shape}; expected {array.shape}")
        self.net.restore(arrays)
        self.inputs.restore(arrays["moments.x"])
        self.outputs.restore(arrays["moments.y"])

    def _checked(self, x: FloatArray, y: Outcomes) -> tuple[FloatArray, Outcomes]:
        settings = self.settings
        categorical = settings.family == "categorical"
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.int64 if categorical else np.float64)
        expected = (len(x),) if categorical else (len(x), settings.outputs)
        if x.shape != (len(x), settings.inputs) or y.shape != expected:
            raise ValueError(f"x of shape {x.shape} and y of shape {y.shape}; expected ({len(x)}, {settings.inputs}) and {expected}")
        if categorical and y.size and (int(y.min()) < 0 or int(y.max()) >= settings.outputs):
            raise ValueError(f"actions from {y.min()} to {y.max()}; expected 0 to {settings.outputs - 1}")
        for name, values in (("input", x), ("outcome", y)):
            if not np.isfinite(values).all():
                raise NumericalError(
                    f"an {name} of the information model is not finite",
                    where=f"agent {self.owner}, sample {int(np.argwhere(~np.isfinite(values))[0][0])}",
                    fix="correct the environment's observations, or lower the learning rates",
                )
        return x, y
