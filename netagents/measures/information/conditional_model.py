"""Conditional models q(y | x), evaluated at the N inputs of a batch: categorical, and Gaussian with a diagonal covariance.

The estimators of :mod:`netagents.measures.information.contrastive_bounds` need three numbers per sample: log q(y_i | x_i), its mean over
the batch's other outcomes, (1/N) sum_j log q(y_j | x_i), and its mean over the batch's other inputs, (1/N) sum_j log q(y_i | x_j).  The
means depend on the batch through few statistics only, so they cost O(N |A|) or O(N d), not the O(N^2) of a matrix of all pairs:

- categorical: (1/N) sum_j log q(y_j | x_i) = sum_a phat(a) log q(a | x_i), with phat the batch's frequencies;
- Gaussian: (1/N) sum_j (y_jd - mu_d)^2 = Var(y_d) + (ybar_d - mu_d)^2.

``pairwise`` gives the matrix itself, for what cannot be had otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Outcomes = NDArray[Any]
"""(N,) integers of categorical outcomes, or (N, d) reals."""

LOG_FLOOR = float(np.log(1e-3))
"""Where log q of a categorical outcome is clipped from below, in nats, unless another floor is given."""
LOG_TWO_PI = float(np.log(2.0 * np.pi))
Model = TypeVar("Model", bound="ConditionalModel")


class ConditionalModel(Protocol):
    """q(y | x_i) at the batch's N inputs."""

    def log_likelihood(self, outcomes: Outcomes) -> FloatArray:
        """(N,) log q(y_i | x_i), nats."""
        ...

    def mean_over_outcomes(self, outcomes: Outcomes) -> FloatArray:
        """(N,) (1/N) sum_j log q(y_j | x_i): row i of the matrix of pairs, averaged."""
        ...

    def mean_over_inputs(self, outcomes: Outcomes) -> FloatArray:
        """(N,) (1/N) sum_j log q(y_i | x_j): column i of the matrix of pairs, averaged."""
        ...

    def pairwise(self, outcomes: Outcomes, first: int = 0, last: int | None = None) -> FloatArray:
        """(M, N) log q(y_i | x_j) for the M outcomes i of ``first : last`` and all inputs j."""
        ...

    def clipped(self: Model, log_floor: float | None) -> Model:
        """The model whose log q never falls below ``log_floor``, where its outcomes are countable."""
        ...

    def divergence(self: Model, other: Model) -> FloatArray:
        """(N,) KL(q(. | x_i) || other(. | x_i)), nats."""
        ...

    def marginal(self: Model, outcomes: Outcomes) -> Model:
        """The same distribution at all N inputs: the one of this family that fits the outcomes best."""
        ...

    def smoothed_marginal(self: Model, outcomes: Outcomes) -> Model:
        """The same, with some probability for outcomes that do not occur."""
        ...


class CategoricalConditional(NamedTuple):
    """q(a | x_i) over |A| actions.

    Attributes:
        log_probabilities: (N, |A|) nats; minus infinity for actions that are masked.
    """

    log_probabilities: FloatArray

    def log_likelihood(self, outcomes: Outcomes) -> FloatArray:
        """(N,) log q(a_i | x_i)."""
        return np.asarray(self.log_probabilities[np.arange(len(outcomes)), outcomes])

    def frequencies(self, outcomes: Outcomes) -> FloatArray:
        """(|A|,) shares of the actions in a batch."""
        return np.bincount(outcomes, minlength=self.log_probabilities.shape[1]) / len(outcomes)

    def mean_over_outcomes(self, outcomes: Outcomes) -> FloatArray:
        """(N,) sum_a phat(a) log q(a | x_i); an action that does not occur adds nothing, even where q excludes it."""
        frequencies = self.frequencies(outcomes)
        present = frequencies > 0
        return np.asarray(self.log_probabilities[:, present] @ frequencies[present])

    def mean_over_inputs(self, outcomes: Outcomes) -> FloatArray:
        """(N,) mean over the inputs of log q(a_i | .)."""
        return np.asarray(self.log_probabilities.mean(axis=0)[outcomes])

    def pairwise(self, outcomes: Outcomes, first: int = 0, last: int | None = None) -> FloatArray:
        """(M, N) log q(a_i | x_j)."""
        return np.asarray(self.log_probabilities.T[outcomes[first:last]])

    def clipped(self, log_floor: float | None) -> CategoricalConditional:
        """log q clipped from below; the sum over actions is then at most 1 + (|A| - 1) exp(log_floor)."""
        return self if log_floor is None else CategoricalConditional(np.maximum(self.log_probabilities, log_floor))

    def divergence(self, other: CategoricalConditional) -> FloatArray:
        """(N,) KL(q(. | x_i) || other(. | x_i)); actions of probability zero under q add nothing."""
        probabilities = np.exp(self.log_probabilities)
        difference = np.subtract(
            self.log_probabilities, other.log_probabilities, out=np.zeros(probabilities.shape), where=probabilities > 0
        )
        return np.asarray((probabilities * difference).sum(axis=1))

    def marginal(self, outcomes: Outcomes) -> CategoricalConditional:
        """The batch's frequencies; minus infinity for an action that does not occur."""
        with np.errstate(divide="ignore"):
            logarithms = np.log(self.frequencies(outcomes))
        return CategoricalConditional(np.broadcast_to(logarithms, self.log_probabilities.shape))

    def smoothed_marginal(self, outcomes: Outcomes) -> CategoricalConditional:
        """(count + 1/2) / (N + |A| / 2), Krichevsky and Trofimov: no action has probability zero."""
        counts = self.frequencies(outcomes) * len(outcomes) + 0.5
        return CategoricalConditional(np.broadcast_to(np.log(counts / counts.sum()), self.log_probabilities.shape))


class GaussianConditional(NamedTuple):
    """q(y | x_i) = N(mean_i, diag exp(log_variance_i)).

    Attributes:
        mean: (N, d).
        log_variance: (N, d).
    """

    mean: FloatArray
    log_variance: FloatArray

    def _constant(self) -> FloatArray:
        """(N,) -log of the densities' normalisers."""
        return np.asarray(-0.5 * (self.log_variance + LOG_TWO_PI).sum(axis=1))

    def log_likelihood(self, outcomes: Outcomes) -> FloatArray:
        """(N,) log q(y_i | x_i)."""
        squares = (outcomes - self.mean) ** 2 * np.exp(-self.log_variance)
        return np.asarray(self._constant() - 0.5 * squares.sum(axis=1))

    def mean_over_outcomes(self, outcomes: Outcomes) -> FloatArray:
        """(N,) from the outcomes' mean and variance."""
        squares = (outcomes.var(axis=0) + (outcomes.mean(axis=0) - self.mean) ** 2) * np.exp(-self.log_variance)
        return np.asarray(self._constant() - 0.5 * squares.sum(axis=1))

    def mean_over_inputs(self, outcomes: Outcomes) -> FloatArray:
        """(N,) from the precision-weighted mean and spread of the N means."""
        precision = np.exp(-self.log_variance)
        weight = precision.mean(axis=0)
        centre = (precision * self.mean).mean(axis=0) / weight
        spread = (precision * (self.mean - centre) ** 2).mean(axis=0)
        return np.asarray(self._constant().mean() - 0.5 * (weight * (outcomes - centre) ** 2 + spread).sum(axis=1))

    def pairwise(self, outcomes: Outcomes, first: int = 0, last: int | None = None) -> FloatArray:
        """(M, N) log q(y_i | x_j)."""
        squares = (outcomes[first:last, None] - self.mean) ** 2
        return np.asarray(self._constant() - 0.5 * np.einsum("mnd,nd->mn", squares, np.exp(-self.log_variance)))

    def clipped(self, log_floor: float | None) -> GaussianConditional:  # noqa: ARG002 - the interface of both families
        """The same model: the logarithm of a density depends on the units of y, so that no floor has a meaning."""
        return self

    def divergence(self, other: GaussianConditional) -> FloatArray:
        """(N,) closed form."""
        ratio = self.log_variance - other.log_variance
        squares = (self.mean - other.mean) ** 2 * np.exp(-other.log_variance)
        return np.asarray(0.5 * (np.exp(ratio) - 1.0 - ratio + squares).sum(axis=1))

    def marginal(self, outcomes: Outcomes) -> GaussianConditional:
        """The normal distribution with the outcomes' mean and variance in each dimension."""
        shape = self.mean.shape
        variance = np.maximum(outcomes.var(axis=0), 1e-12)
        return GaussianConditional(np.broadcast_to(outcomes.mean(axis=0), shape), np.broadcast_to(np.log(variance), shape))

    def smoothed_marginal(self, outcomes: Outcomes) -> GaussianConditional:
        """The same as :meth:`marginal`, which is positive everywhere."""
        return self.marginal(outcomes)


def log_softmax(logits: NDArray[Any]) -> FloatArray:
    """(N, |A|) logits, minus infinity where masked, to log-probabilities in float64.

    Raises:
        ValueError: NaN, plus infinity, or a row without any action.
    """
    wide = np.asarray(logits, dtype=np.float64)
    top = wide.max(axis=1, keepdims=True)
    if not np.isfinite(top).all():
        row = int(np.flatnonzero(~np.isfinite(top[:, 0]))[0])
        raise ValueError(f"row {row} of the logits has no largest finite value: {wide[row].tolist()}")
    shifted = wide - top
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
