"""Reference values of mutual information and of CLUB: correlated Gaussians in closed form, finite variables by enumeration."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netagents.measures.information.conditional_model import FloatArray, GaussianConditional


class CorrelatedGaussians(NamedTuple):
    """Two standard normal vectors of d dimensions, correlated dimension by dimension with coefficient rho.

    I = -(d/2) ln(1 - rho^2); CLUB with the true conditional has the expectation d rho^2 / (1 - rho^2).

    Attributes:
        dimensions: d.
        information: I, nats.
    """

    dimensions: int
    information: float

    @property
    def correlation(self) -> float:
        """rho = sqrt(1 - exp(-2 I / d))."""
        return float(np.sqrt(-np.expm1(-2.0 * self.information / self.dimensions)))

    @property
    def residual_variance(self) -> float:
        """1 - rho^2."""
        return float(np.exp(-2.0 * self.information / self.dimensions))

    @property
    def club(self) -> float:
        """d rho^2 / (1 - rho^2), nats."""
        return float(self.dimensions * np.expm1(2.0 * self.information / self.dimensions))

    def sample(self, samples: int, generator: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """x and y, (N, d) each."""
        noise = generator.standard_normal((2, samples, self.dimensions))
        return noise[0], self.correlation * noise[0] + np.sqrt(self.residual_variance) * noise[1]

    def conditional(self, x: FloatArray) -> GaussianConditional:
        """The true p(y | x) at inputs (N, d)."""
        return GaussianConditional(self.correlation * x, np.full(x.shape, np.log(self.residual_variance)))


class EnumeratedInformation(NamedTuple):
    """Divergences of a joint distribution p(x) p(a | x) and of the product of its marginals, nats.

    Attributes:
        information: I = KL(joint || product).
        reverse: KL(product || joint); infinite where an action is impossible at some inputs only.
        club: what CLUB with the given q estimates, E_joint log q - E_product log q.  With q = p(a | x) and no floor, it is the Jeffreys
            divergence ``information + reverse``.
        gain: what the likelihood gain of q estimates, E_joint log q - E log p(a).
    """

    information: float
    reverse: float
    club: float
    gain: float


def enumerate_information(
    inputs: FloatArray, conditional: FloatArray, model: FloatArray | None = None, log_floor: float | None = None
) -> EnumeratedInformation:
    """All of it by sums over x and a.

    Args:
        inputs: (X,) p(x).
        conditional: (X, A) p(a | x).
        model: (X, A) q(a | x); default the true conditional.
        log_floor: log q is clipped there in ``club``, and in no other number.

    Raises:
        ValueError: a distribution does not sum to 1.
    """
    if not np.isclose(inputs.sum(), 1.0) or not np.allclose(conditional.sum(axis=1), 1.0):
        raise ValueError("p(x) and every row of p(a | x) must sum to 1")
    joint = inputs[:, None] * conditional
    actions = joint.sum(axis=0)
    product = inputs[:, None] * actions
    with np.errstate(divide="ignore"):
        log_joint, log_product, log_model = np.log(joint), np.log(product), np.log(conditional if model is None else model)
        log_actions = np.log(actions)
    clipped = log_model if log_floor is None else np.maximum(log_model, log_floor)
    return EnumeratedInformation(
        _expectation(joint, log_joint) - _expectation(joint, log_product),
        _expectation(product, log_product) - _expectation(product, log_joint),
        _expectation(joint, clipped) - _expectation(product, clipped),
        _expectation(joint, log_model) - _expectation(actions, log_actions),
    )


def _expectation(probabilities: FloatArray, values: FloatArray) -> float:
    """Sum of p f, where p = 0 counts as nothing."""
    present = probabilities > 0
    return float((probabilities[present] * values[present]).sum())
