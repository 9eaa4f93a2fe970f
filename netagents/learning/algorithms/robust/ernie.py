"""ERNIE's penalty (robust multi-agent reinforcement learning via adversarial regularization): policies that hardly heed small changes.

With f the outputs of a policy's perceptron at the features o of a minibatch, and || ||_F the Frobenius norm over minibatch and outputs,

    delta_0 ~ N(0, deviation^2),    delta <- delta + alpha |o| * grad_delta || f(o + delta) - f(o) ||_F,   K times,
    the loss grows by  lambda || f(o + delta_K) - f(o) ||_F,

where * is by feature.  The penalty is differentiated in the weights of both terms, and delta_K is a constant (the authors' Stackelberg
form, which differentiates through it, is off in their runs).  It bounds how fast a policy's outputs change with what it observes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from netagents.experiment.robust_settings import ErnieSettings
from netagents.policies.torch_mlp import TrainedMlp, tensor

if TYPE_CHECKING:
    import torch


def smoothness_penalty(net: TrainedMlp, context: torch.Tensor, settings: ErnieSettings, generator: np.random.Generator) -> torch.Tensor:
    """The penalty of one minibatch, differentiable in the weights of ``net``.

    Args:
        net: of the policy.
        context: (M, F) features.
        settings: lambda, alpha, K, the first deviation.
        generator: of the first change.
    """
    import torch

    weights = net.flat.detach()
    with torch.no_grad():
        clean = net(context, weights)[0]
    delta = tensor(settings.deviation * generator.standard_normal(tuple(context.shape)))
    for _ in range(settings.steps):
        delta.requires_grad_()
        change = (net(context + delta, weights)[0] - clean).norm()
        (slope,) = torch.autograd.grad(change, delta)
        delta = (delta + settings.rate * context.abs() * slope).detach()
    penalty: torch.Tensor = settings.weight * (net(context + delta)[0] - net(context)[0]).norm()
    return penalty
