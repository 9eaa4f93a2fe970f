"""Contrastive bounds of mutual information from a batch: CLUB, CLUB-sampled, leave-one-out, InfoNCE; and the variational bound VUB.

All take a model q(y | x) evaluated at the batch's inputs and the batch's outcomes, and give one value per sample; the mean is the
estimate, in nats.  I is the mutual information of x and y, p(y) the marginal.

| function | expectation with q = p(y given x) | cost |
|---|---|---|
| ``club_values`` | I + E KL(p(y) to p(y given x)), an upper bound without limit | O(N A) or O(N d) |
| ``club_sampled_values`` | the same, with more variance | O(N) |
| ``variational_values`` (VUB) | I + KL(p(y) to r) for the model r of the marginal | O(N A) or O(N d) |
| ``leave_one_out_values`` | I + E KL(p(y) to the mixture of N - 1 other conditionals) | O(N A), or O(N^2 d) |
| ``contrastive_values`` (InfoNCE) | at most I **for every q that has not seen the batch**, and at most ln N | O(N A), or O(N^2 d) |

With a learned q, CLUB is an upper bound only where q explains the pairs better than it explains shuffled pairs (Cheng et al. 2020,
theorem 3.2): KL(p(x, y) to p(x) q) <= KL(p(x) p(y) to p(x) q).

Clipping.  As policies become deterministic, log q of an action that is not taken falls without limit, and CLUB rises without limit while I
stays below ln A.  So log q of categorical models is clipped at :data:`LOG_FLOOR`, log 1e-3: no CLUB value then exceeds 6.9 nats.  Clipping
with floor f lowers CLUB below I by ln(1 + (A - 1) f) at most, 0.006 nats for 7 actions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netagents.measures.information.conditional_model import (
    LOG_FLOOR,
    CategoricalConditional,
    ConditionalModel,
    FloatArray,
    Model,
    Outcomes,
)

BLOCK = 1 << 22
"""Numbers per block where a matrix of pairs is needed; 32 MB of float64."""


class Estimate(NamedTuple):
    """A mean over a batch, nats.

    Attributes:
        value: the estimate.
        error: its standard error; NaN for fewer than two samples.
        n: samples.
    """

    value: float
    error: float
    n: int


def sample_estimate(values: FloatArray) -> Estimate:
    """Mean and standard error of independent values (N,)."""
    n = len(values)
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan"), n)


def club_values(
    model: ConditionalModel, outcomes: Outcomes, *, log_floor: float | None = LOG_FLOOR, other_samples: bool = False
) -> FloatArray:
    """(N,) log q(y_i | x_i) - (1/N) sum_j log q(y_j | x_i): vCLUB, Cheng et al. 2020, in linear time.

    Args:
        model: q at the batch's inputs.
        outcomes: (N,) or (N, d).
        log_floor: log q of categorical outcomes is clipped there; None for no clipping.
        other_samples: average over j != i only.  The sum with j = i, as published, is smaller by the factor (N - 1) / N.

    Raises:
        ValueError: ``other_samples`` with a single sample.
    """
    clipped = model.clipped(log_floor)
    values = clipped.log_likelihood(outcomes) - clipped.mean_over_outcomes(outcomes)
    return values * _other_samples_factor(len(outcomes)) if other_samples else values


def club_estimate(model: ConditionalModel, outcomes: Outcomes, *, log_floor: float | None = LOG_FLOOR) -> Estimate:
    """CLUB over j != i with its standard error.

    The values of :func:`club_values` share the batch's outcomes and so are not independent; the error is that of the statistic's Hajek
    projection, log q(y_i | x_i) - mean over outcomes - mean over inputs.
    """
    clipped = model.clipped(log_floor)
    joint, rows, columns = (
        clipped.log_likelihood(outcomes),
        clipped.mean_over_outcomes(outcomes),
        clipped.mean_over_inputs(outcomes),
    )
    n = len(outcomes)
    value = float((joint - rows).mean()) * _other_samples_factor(n)
    return Estimate(value, sample_estimate(joint - rows - columns).error, n)


def club_sampled_values(
    model: ConditionalModel, outcomes: Outcomes, generator: np.random.Generator, *, log_floor: float | None = LOG_FLOOR
) -> FloatArray:
    """(N,) log q(y_i | x_i) - log q(y_k(i) | x_i): CLUB with one other outcome per input.

    k is a uniformly random cycle through all samples: never i itself, each other sample equally likely, so that the mean has no bias.

    Raises:
        ValueError: fewer than two samples.
    """
    _other_samples_factor(len(outcomes))
    clipped = model.clipped(log_floor)
    return clipped.log_likelihood(outcomes) - clipped.log_likelihood(outcomes[random_cycle(len(outcomes), generator)])


def random_cycle(n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(n,) a permutation that is one cycle, uniform among all such."""
    order = generator.permutation(n)
    successor = np.empty(n, dtype=np.int64)
    successor[order] = np.roll(order, -1)
    return successor


def variational_values(model: Model, outcomes: Outcomes, marginal: Model | None = None) -> FloatArray:
    """(N,) KL(q(. | x_i) || r): the variational upper bound VUB (Barber and Agakov 2003; Alemi et al. 2017).

    Args:
        model: q at the batch's inputs.
        outcomes: of the batch.
        marginal: r at the same inputs.  Default: the batch's frequencies with half a count more of each action, or the normal distribution
            with the batch's mean and variance.  For any r, the mean is at least that of the exact marginal of q; it bounds I from above
            where q is the true conditional.
    """
    return model.divergence(model.smoothed_marginal(outcomes) if marginal is None else marginal)


def leave_one_out_values(model: ConditionalModel, outcomes: Outcomes) -> FloatArray:
    """(N,) log q(y_i | x_i) - log (1/(N-1)) sum_{j != i} q(y_i | x_j): L1Out, Poole et al. 2019; infinite
    where no other input of the batch gives the outcome any probability.

    Raises:
        ValueError: fewer than two samples.
    """
    _other_samples_factor(len(outcomes))
    return model.log_likelihood(outcomes) - _log_mean_over_inputs(model, outcomes, own=False)


def contrastive_values(model: ConditionalModel, outcomes: Outcomes) -> FloatArray:
    """(N,) log q(y_i | x_i) - log (1/N) sum_j q(y_i | x_j): InfoNCE with log q as its critic; q must have been fitted to other samples."""
    return model.log_likelihood(outcomes) - _log_mean_over_inputs(model, outcomes, own=True)


def _log_mean_over_inputs(model: ConditionalModel, outcomes: Outcomes, own: bool) -> FloatArray:
    """(N,) log of the mean over inputs j of q(y_i | x_j), with or without j = i."""
    n = len(outcomes)
    result = np.empty(n)
    if isinstance(model, CategoricalConditional):
        probabilities = np.exp(model.log_probabilities)
        # With one row per action: the sum over all inputs, less the sample's own where it does not count.
        totals = probabilities.sum(axis=0)[outcomes]
        with np.errstate(divide="ignore"):
            if own:
                return np.asarray(np.log(totals / n))
            rest = totals - probabilities[np.arange(n), outcomes]
            # What is left of a sum after its only large term is taken away has lost its digits: those rows are summed without it.
            for i in np.flatnonzero(rest < 1e-6 * totals):
                rest[i] = np.delete(probabilities[:, outcomes[i]], i).sum()
            return np.asarray(np.log(rest / (n - 1)))
    step = max(1, BLOCK // max(1, outcomes.size))
    for first in range(0, n, step):
        block = model.pairwise(outcomes, first, first + step)
        if not own:
            block[np.arange(len(block)), first + np.arange(len(block))] = -np.inf
        top = block.max(axis=1)
        result[first : first + step] = top + np.log(np.exp(block - top[:, None]).sum(axis=1))
    return np.asarray(result - np.log(n if own else n - 1))


def _other_samples_factor(n: int) -> float:
    if n < 2:
        raise ValueError(f"a batch of {n} samples has no other sample to compare with; give at least 2")
    return n / (n - 1)
