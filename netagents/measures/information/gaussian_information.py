"""Information between inputs and actions of a Gaussian policy on a batch: bounds with gradients, and Monte Carlo with its error.

The marginal of N policies pi_i = N(m_i, diag s_i^2) is a mixture, whose entropy has no closed form.  What is offered, in nats:

    moments     U = sum_d [ (1/2) ln V_d - (1/N) sum_i ln s_id ],  V_d = (1/N) sum_i s_id^2 + Var_i(m_id)      upper, O(N d), with gradient
    pairs       -(1/N) sum_i ln (1/N) sum_j exp(-KL(pi_i || pi_j))                                         upper, at most ln N, O(N^2 d)
                -(1/N) sum_i ln (1/N) sum_j exp(-B(pi_i, pi_j)),  B the Bhattacharyya distance               lower, O(N^2 d)
    samples     mean of log pi_i(y) - log (1/N) sum_j pi_j(y),  y drawn from pi_i                            unbiased, O(N^2 d) per draw

U replaces the mixture by the Gaussian of equal mean and variance, which has the largest entropy.  The bounds of pairs are those of
Kolchinsky and Tracey (2017).  Information is the same before and after an invertible map of the actions, such as tanh, so the policy's
Gaussian before squashing is what counts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netagents.measures.information.conditional_model import FloatArray, GaussianConditional
from netagents.measures.information.contrastive_bounds import BLOCK, Estimate, contrastive_values


class MomentBound(NamedTuple):
    """The upper bound U of a batch.

    Attributes:
        value: U, nats.
        per_sample: (N,) KL of each policy to the Gaussian of equal moments; their mean is U.
        gradient_mean: (N, d) dU/dm.
        gradient_log_std: (N, d) dU/d ln s.
    """

    value: float
    per_sample: FloatArray
    gradient_mean: FloatArray
    gradient_log_std: FloatArray


def moment_bound(mean: FloatArray, log_std: FloatArray) -> MomentBound:
    """U with its gradients.

    Args:
        mean: (N, d) m.
        log_std: (N, d), or (d,) if it does not depend on the input; its gradient is given per sample in both cases.

    Raises:
        ValueError: a number is not finite.
    """
    mean, log_std = _policies(mean, log_std)
    variance = np.exp(2.0 * log_std)
    centre = mean.mean(axis=0)
    total = variance.mean(axis=0) + mean.var(axis=0)
    per_sample = np.asarray((0.5 * np.log(total) - log_std + 0.5 * (variance + (mean - centre) ** 2) / total - 0.5).sum(axis=1))
    n = len(mean)
    return MomentBound(float(per_sample.mean()), per_sample, (mean - centre) / (n * total), (variance / total - 1.0) / n)


class PairBounds(NamedTuple):
    """Lower and upper bound of the information of N Gaussian policies, nats."""

    lower: float
    upper: float


def pair_bounds(mean: FloatArray, log_std: FloatArray) -> PairBounds:
    """Bounds from the distances of all pairs; both are exact where all policies are equal or far apart.

    Args:
        mean: (N, d). log_std: (N, d) or (d,).

    Raises:
        ValueError: a number is not finite.
    """
    mean, log_std = _policies(mean, log_std)
    n, d = mean.shape
    variance = np.exp(2.0 * log_std)
    step = max(1, BLOCK // (n * d))
    logs = np.zeros(2)
    for first in range(0, n, step):
        squares = (mean[first : first + step, None] - mean) ** 2
        own, own_log = variance[first : first + step, None], log_std[first : first + step, None]
        divergence = (log_std - own_log + 0.5 * (own + squares) / variance - 0.5).sum(axis=2)
        middle = 0.5 * (own + variance)
        distance = (0.125 * squares / middle + 0.5 * np.log(middle) - 0.5 * (own_log + log_std)).sum(axis=2)
        # The diagonal is zero, so neither sum is below 1.
        logs += [-np.log(np.exp(-each).mean(axis=1)).sum() for each in (distance, divergence)]
    return PairBounds(*(float(each) for each in logs / n))


def sampled_information(mean: FloatArray, log_std: FloatArray, generator: np.random.Generator, draws: int = 1) -> Estimate:
    """Monte Carlo estimate of the information, with its standard error.

    Args:
        mean: (N, d). log_std: (N, d) or (d,).
        generator: draws the actions.
        draws: actions per policy; the error falls with the square root of N times this.

    Raises:
        ValueError: a number is not finite, or no draws.
    """
    if draws < 1:
        raise ValueError(f"draws is {draws}; at least 1 action per policy is needed")
    mean, log_std = _policies(mean, log_std)
    policies = GaussianConditional(mean, 2.0 * log_std)
    values = np.empty((draws, len(mean)))
    for draw in range(draws):
        values[draw] = contrastive_values(policies, mean + np.exp(log_std) * generator.standard_normal(mean.shape))
    # Each policy is drawn from equally often, so only the spread within policies counts; with one draw the spread of all bounds it.
    spread = values.var(axis=0, ddof=1).mean() if draws > 1 else values.var(ddof=1) if values.size > 1 else np.nan
    return Estimate(float(values.mean()), float(np.sqrt(spread / values.size)), values.size)


def _policies(mean: FloatArray, log_std: FloatArray) -> tuple[FloatArray, FloatArray]:
    mean = np.asarray(mean, dtype=np.float64)
    log_std = np.broadcast_to(np.asarray(log_std, dtype=np.float64), mean.shape)
    if not (np.isfinite(mean).all() and np.isfinite(log_std).all()):
        raise ValueError("a mean or a logarithm of a standard deviation is not finite")
    return mean, log_std
