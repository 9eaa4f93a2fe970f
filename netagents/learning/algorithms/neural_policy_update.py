"""Improvement of a neural policy on one batch: passes that climb a surrogate, that of the policy gradient or the clipped one of PPO."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.critics.neural_critic import mean_share
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
        weight: (M,) float32, of mean 1; None where all weigh the same.
    """

    read: Steps | Sequences
    taken: torch.Tensor
    mask: torch.Tensor | None
    advantage: torch.Tensor
    weight: torch.Tensor | None

    def part(self, rows: torch.Tensor) -> Decisions:
        """Some of the decisions; what was read stays that of all."""
        taken, mask, advantage, weight = (
            None if each is None else each.index_select(0, rows) for each in (self.taken, self.mask, self.advantage, self.weight)
        )
        assert taken is not None, "every decision was taken"
        assert advantage is not None, "and was worth something"
        return Decisions(self.read, taken, mask, advantage, weight)


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


class Surrogate(NamedTuple):
    """What is climbed, entropy apart.

    Attributes:
        value: (M,) of log pi(a|x) now, log pi(a|x) when the batch was sampled, and advantages A.
        slope: (M,) of the same and of advantages times a factor each: the derivative of ``value`` in log pi(a|x) now, times the factor.
    """

    value: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
    slope: Callable[[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


score_surrogate = Surrogate(lambda now, _, advantage: now * advantage, lambda _now, _old, _advantage, scaled: scaled)
"""log pi(a|x) A, whose gradient is the policy gradient."""


def clipped_surrogate(clip_range: float) -> Surrogate:
    """min(ratio A, clip(ratio, 1 - eps, 1 + eps) A), ratio = pi(a|x) / pi_old(a|x) (arXiv 1707.06347, equation 7)."""
    import torch

    def sides(now: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        ratio = (now - old).exp()
        bounded = ratio.clamp(1.0 - clip_range, 1.0 + clip_range)
        return ratio, ratio * advantage, bounded * advantage

    def value(now: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor) -> torch.Tensor:
        return torch.minimum(*sides(now, old, advantage)[1:])

    def slope(now: torch.Tensor, old: torch.Tensor, advantage: torch.Tensor, scaled: torch.Tensor) -> torch.Tensor:
        ratio, free, bounded = sides(now, old, advantage)
        return (scaled * ratio).masked_fill_(free > bounded, 0.0)

    return Surrogate(value, slope)


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
    gradient_sq, entropy = float("nan"), old.mean_entropy()
    for step, minibatch in enumerate(decisions.read.minibatches(generator, settings.minibatches, passes)):
        rows = decisions.read.rows(minibatch)
        part, before = decisions.part(rows), old.log_probability.index_select(0, rows)
        name = f"{where}, step {step}"
        if (
            isinstance(policy, CategoricalPolicy)
            and isinstance(net, TrainedMlp)
            and settings.entropy_coef == 0.0
            and settings.ernie is None
        ):
            square = _climb(net, policy, part, before, surrogate, rows, name)
            gradient_sq = square if step == 0 else gradient_sq
            continue
        drawn = None if old.drawn is None else old.drawn.index_select(0, rows)
        now = log_probability(net, policy, part, drawn, decisions.read.outputs(net, minibatch), entropy=settings.entropy_coef != 0.0)
        climbed = surrogate.value(now.log_probability, before, part.advantage)
        if now.entropy is not None:
            climbed = climbed + settings.entropy_coef * now.entropy
        climbed = (climbed if part.weight is None else part.weight * climbed).mean()
        if settings.ernie is not None:
            assert isinstance(decisions.read, Steps), "ERNIE is of policies without memory"
            assert isinstance(net, TrainedMlp), "likewise"
            climbed = climbed - smoothness_penalty(net, decisions.read.features[rows], settings.ernie, generator)
        square = net.descend(-climbed, name)
        gradient_sq = square if step == 0 else gradient_sq
    policy.load(net.weights())
    return PolicyChange(gradient_sq, entropy)


def _climb(
    net: TrainedMlp,
    policy: CategoricalPolicy,
    part: Decisions,
    old: torch.Tensor,
    surrogate: Surrogate,
    rows: torch.Tensor,
    where: str,
) -> float:
    """One step up E[ w surrogate ], the gradient written out: the operations of differentiation, and its bits, without a graph."""
    import torch

    assert isinstance(part.read, Steps), "perceptrons read single steps"
    with torch.no_grad():
        *read, outputs = net.forward_pass(part.read.features.index_select(0, rows))
        bound = float(policy.logit_bound)
        tanh_outputs = torch.tanh(outputs[0] / bound)
        logits = bound * tanh_outputs
        if part.mask is not None:
            logits = logits.masked_fill(~part.mask, -1e9)
        logs = torch.log_softmax(logits, dim=1)
        taken = part.taken.unsqueeze(1)
        now = logs.gather(1, taken).squeeze(1)
        # Down the negative mean.
        share = -mean_share(len(now))
        scaled = share * part.advantage if part.weight is None else (share * part.weight) * part.advantage
        slope = torch.zeros_like(logs).scatter_(1, taken, surrogate.slope(now, old, part.advantage, scaled).unsqueeze(1))
        slope = torch.ops.aten._log_softmax_backward_data(slope, logs, 1, logs.dtype)
        if part.mask is not None:
            slope = slope.masked_fill(~part.mask, 0.0)
        slope = torch.ops.aten.tanh_backward(slope * bound, tanh_outputs) / bound
        return net.descend_from(read, slope.unsqueeze(0), where)


def mean_entropy(net: TrainedPolicy, policy: NeuralPolicy, decisions: Decisions) -> float:
    """Mean entropy, in nats, of a policy at the contexts of some decisions."""
    import torch

    with torch.no_grad():
        return log_probability(net, policy, decisions).mean_entropy()


class LogProbability(NamedTuple):
    """Of M decisions: (M,) log pi(a|x) and entropy, where asked for; (M, m) the u that a Gaussian policy drew, before it was clipped."""

    log_probability: torch.Tensor
    entropy: torch.Tensor | None
    drawn: torch.Tensor | None

    def mean_entropy(self) -> float:
        """Of all decisions."""
        assert self.entropy is not None, "it was asked for"
        return float(self.entropy.mean())


def log_probability(
    net: TrainedPolicy,
    policy: NeuralPolicy,
    decisions: Decisions,
    drawn: torch.Tensor | None = None,
    outputs: torch.Tensor | None = None,
    *,
    entropy: bool = True,
) -> LogProbability:
    """log pi(a | x) under the weights of ``net``, with the arithmetic of the numpy policy.

    Args:
        net: weights under training.
        policy: says what the outputs mean.
        decisions: what was taken.
        drawn: (M, m) u of a Gaussian policy; worked out from the standard normals where missing.
        outputs: of the network at these decisions; worked out where missing.
        entropy: whether the entropy is asked for.
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
        return LogProbability(taken, -(logs.exp() * logs).sum(dim=1) if entropy else None, None)
    if not isinstance(policy, GaussianPolicy):
        raise TypeError(f"a policy of class {type(policy).__name__}")
    log_deviation = net.extra()[0]
    if drawn is None:
        drawn = outputs + log_deviation.exp() * decisions.taken
    scaled = (drawn - outputs) / log_deviation.exp()
    logs = (-0.5 * scaled.square() - log_deviation - HALF_LOG_TAU).sum(dim=1)
    spread = (log_deviation + 0.5 + HALF_LOG_TAU).sum().expand(len(logs)) if entropy else None
    return LogProbability(logs, spread, drawn)


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
