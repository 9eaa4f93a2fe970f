"""Improvement of a neural policy on one batch: passes that climb a surrogate, that of the policy gradient or the clipped one of PPO."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.experiment.algorithm_settings import NeuralAlgorithmSettings
from netagents.learning.algorithms.robust.ernie import smoothness_penalty
from netagents.learning.algorithms.trained_policy import Sequences, Steps
from netagents.policies.neural_policy import CategoricalPolicy, GaussianPolicy, NeuralPolicy
from netagents.policies.torch_gru import TrainedGru
from netagents.policies.torch_mlp import TrainedMlp

if TYPE_CHECKING:
    import torch

FloatArray = NDArray[np.float64]
TrainedPolicy = TrainedMlp | TrainedGru
HALF_LOG_TAU = 0.5 * float(np.log(2.0 * np.pi))


class Decisions(NamedTuple):
    """What a policy decided at M steps, those of living copies at which its own action was executed.

    Attributes:
        read: what the policy has read.
        taken: (M,) int64 actions of a categorical policy; (M, m) float32 standard normals that a Gaussian one drew.
        mask: (M, A) bool legal actions, or None.
        advantage: (M,) float32 what the decision was worth beyond the others, see :func:`advantages`.
        weight: (M,) float32, of mean 1.
    """

    read: Steps | Sequences
    taken: torch.Tensor
    mask: torch.Tensor | None
    advantage: torch.Tensor
    weight: torch.Tensor

    def part(self, rows: torch.Tensor) -> Decisions:
        """Some of the decisions; what was read stays that of all."""
        mask = None if self.mask is None else self.mask[rows]
        return Decisions(self.read, self.taken[rows], mask, self.advantage[rows], self.weight[rows])


class PolicyChange(NamedTuple):
    """What one improvement did.

    Attributes:
        gradient_sq: squared norm of the first minibatch's gradient, before clipping, in the units of the decisions' advantages.
        entropy: mean entropy at the visited contexts before the improvement, in nats.
    """

    gradient_sq: float
    entropy: float

    def in_units(self, unit: float) -> PolicyChange:
        """The same with the gradient in other units, so many times as long."""
        return self._replace(gradient_sq=self.gradient_sq * unit * unit)


Surrogate = Callable[["torch.Tensor", "torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""(M,) of log pi(a|x) now, log pi(a|x) when the batch was sampled, and advantages A: what is climbed, entropy apart."""


def score_surrogate(now: torch.Tensor, _: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
    """log pi(a|x) A, whose gradient is the policy gradient."""
    return now * advantage


def clipped_surrogate(clip_range: float) -> Surrogate:
    """min(ratio A, clip(ratio, 1 - eps, 1 + eps) A), ratio = pi(a|x) / pi_old(a|x) (arXiv 1707.06347, equation 7)."""
    import torch

    def surrogate(now: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
        ratio = (now - old).exp()
        bounded = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
        return torch.minimum(ratio * advantage, bounded * advantage)

    return surrogate


def improve(
    net: TrainedPolicy,
    policy: NeuralPolicy,
    decisions: Decisions,
    settings: NeuralAlgorithmSettings,
    surrogate: Surrogate,
    passes: int,
    generator: np.random.Generator,
    where: str,
) -> PolicyChange:
    """Train ``net`` on one batch of its own policy's decisions: climb E[ w (surrogate + entropy_coef * entropy) ], less ERNIE's penalty.

    Args:
        net: weights under training.
        policy: says what its outputs mean, and takes over the weights.
        decisions: the batch.
        settings: minibatches, the weight of the entropy, ERNIE's penalty.
        surrogate: what is climbed.
        passes: over the batch.
        generator: draws the minibatches.
        where: iteration, in errors.

    Raises:
        NumericalError: a gradient is not finite.
    """
    import torch

    with torch.no_grad():
        old = log_probability(net, policy, decisions)
    gradient_sq, entropy = float("nan"), float(old.entropy.mean())
    for step, minibatch in enumerate(decisions.read.minibatches(generator, settings.minibatches, passes)):
        rows = decisions.read.rows(minibatch)
        part = decisions.part(rows)
        drawn = None if old.drawn is None else old.drawn[rows]
        now = log_probability(net, policy, part, drawn, decisions.read.outputs(net, minibatch))
        climbed = surrogate(now.log_probability, old.log_probability[rows], part.advantage)
        climbed = (part.weight * (climbed + settings.entropy_coef * now.entropy)).mean()
        if settings.ernie is not None:
            assert isinstance(decisions.read, Steps), "ERNIE is of policies without memory"
            assert isinstance(net, TrainedMlp), "likewise"
            climbed = climbed - smoothness_penalty(net, decisions.read.features[rows], settings.ernie, generator)
        square = net.descend(-climbed, f"{where}, step {step}")
        gradient_sq = square if step == 0 else gradient_sq
    policy.load(net.weights())
    return PolicyChange(gradient_sq, entropy)


def mean_entropy(net: TrainedPolicy, policy: NeuralPolicy, decisions: Decisions) -> float:
    """Mean entropy, in nats, of a policy at the contexts of some decisions."""
    import torch

    with torch.no_grad():
        return float(log_probability(net, policy, decisions).entropy.mean())


class LogProbability(NamedTuple):
    """Of M decisions: (M,) log pi(a|x) and entropy; (M, m) the u that a Gaussian policy drew, before it was clipped."""

    log_probability: torch.Tensor
    entropy: torch.Tensor
    drawn: torch.Tensor | None


def log_probability(
    net: TrainedPolicy,
    policy: NeuralPolicy,
    decisions: Decisions,
    drawn: torch.Tensor | None = None,
    outputs: torch.Tensor | None = None,
) -> LogProbability:
    """log pi(a | x) under the weights of ``net``, with the arithmetic of the numpy policy.

    Args:
        net: weights under training.
        policy: says what the outputs mean.
        decisions: what was taken.
        drawn: (M, m) u of a Gaussian policy; worked out from the standard normals where missing.
        outputs: of the network at these decisions; worked out where missing.
    """
    import torch

    if outputs is None:
        outputs = decisions.read.outputs(net)
    if isinstance(policy, CategoricalPolicy):
        bound = float(policy.logit_bound)
        logits = bound * torch.tanh(outputs / bound)
        if decisions.mask is not None:
            logits = logits.masked_fill(~decisions.mask, -1e9)
        logs = torch.log_softmax(logits, dim=1)
        taken = logs.gather(1, decisions.taken.unsqueeze(1)).squeeze(1)
        return LogProbability(taken, -(logs.exp() * logs).sum(dim=1), None)
    if not isinstance(policy, GaussianPolicy):
        raise TypeError(f"a policy of class {type(policy).__name__}")
    log_deviation = net.extra()[0]
    if drawn is None:
        drawn = outputs + log_deviation.exp() * decisions.taken
    scaled = (drawn - outputs) / log_deviation.exp()
    logs = (-0.5 * scaled.square() - log_deviation - HALF_LOG_TAU).sum(dim=1)
    entropy = (log_deviation + 0.5 + HALF_LOG_TAU).sum().expand(len(logs))
    return LogProbability(logs, entropy, drawn)


class Advantages(NamedTuple):
    """(M,) advantages as the policy is shown them, and how much smaller than the batch's own they are."""

    values: FloatArray
    scale: float


def advantages(summed: FloatArray, normalise: bool, centre: bool) -> Advantages:
    """Advantages brought to mean zero, and to unit variance over the batch, where asked for.

    Clipping treats advantages of either sign differently, so that a common offset, which a state value that lags behind leaves in
    all of them, would make PPO shun whatever it did.
    """
    centred = summed - summed.mean() if centre else summed
    scale = max(float(centred.std()), 1e-8) if normalise else 1.0
    return Advantages(centred / scale, scale)
